"""Small networks and their training steps through the whole pipeline, every pass checked.

Each is compiled for a known and for a symbolic batch; both are compared with the traced graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn, tree
from irflow.compiler.pipeline import lower
from irflow.testing.reference import Reference
from tests.passes.test_fuse import shown

RANDOM = np.random.default_rng(4)
BATCH = 3


def drawn(*shape: int) -> np.ndarray:
    return (RANDOM.normal(size=shape) / max(1, np.prod(shape[:-1])) ** 0.5).astype(np.float32)


def positive(size: int) -> np.ndarray:
    return RANDOM.uniform(0.5, 2, size).astype(np.float32)


def normalized(x: Any, p: Any, axis: int = -1, is_training: bool = False) -> Any:
    moments = (None, None) if is_training else p[:2]
    return nn.batch_norm(x, *moments, *p[2:], axis=axis)


def norms(size: int) -> tuple[np.ndarray, ...]:
    return drawn(size), positive(size), positive(size), drawn(size)


def small_cnn(x: Any, p: Any) -> Any:
    x = nn.max_pool(nn.relu(nn.conv(x, p["a"], p["b"])), 2)
    x = nn.relu(nn.conv(x, p["c"], p["d"], padding="same", strides=2))
    return x.reshape(x.shape[0], -1) @ p["e"]


def residual(x: Any, p: Any, is_training: bool = False) -> Any:
    x = nn.relu(normalized(nn.conv(x, p["a"], strides=2, padding="same"), p["n"], -1, is_training))
    short = normalized(nn.conv(x, p["c"], strides=2), p["s"], -1, is_training)
    long = nn.relu(normalized(nn.conv(x, p["d"], p["e"]), p["m"], -1, is_training))
    long = nn.conv(long, p["f"], padding=[(1, 1), (1, 1)], strides=2)
    return nn.global_avg_pool(nn.relu(short + normalized(long, p["t"], -1, is_training)))


def channels_first(x: Any, p: Any) -> Any:
    last = {"data_format": "channels_first"}
    x = nn.conv(x.transpose(0, 3, 1, 2), p["a"], padding="same", **last)
    x = nn.relu(normalized(x, p["n"], 1))
    y = nn.avg_pool(inp.concatenate([x, nn.relu(x) * 2], 1), 2, **last)
    y = inp.pad(y, [(0, 0), (0, 0), (1, 0), (0, 1)])
    return nn.global_max_pool(nn.conv(y, p["b"], **last), **last)


def encoder(x: Any, p: Any) -> Any:
    b, t, c = x.shape
    q, k, v = inp.moveaxis((x @ p["a"] + p["b"]).reshape(b, t, 3, 2, c // 2), 2, 0)
    q, k, v = (inp.moveaxis(part, 1, 2) for part in (q, k, v))
    mixed = inp.moveaxis(nn.softmax(q @ inp.swapaxes(k, -1, -2)) @ v, 1, 2).reshape(b, t, c)
    x = nn.layer_norm(x + mixed @ p["c"] + p["d"], p["e"], p["f"])
    return nn.layer_norm(x + nn.gelu(x @ p["g"] + p["h"]) @ p["i"], p["e"], p["f"])


IMAGE = RANDOM.normal(size=(BATCH, 9, 8, 3)).astype(np.float32)
RESIDUAL = {
    "a": drawn(3, 3, 3, 4), "n": norms(4), "c": drawn(1, 1, 4, 6), "s": norms(6),
    "d": drawn(1, 1, 4, 5), "e": drawn(5), "m": norms(5), "f": drawn(3, 3, 5, 6), "t": norms(6),
}  # fmt: skip
NETWORKS: dict[str, tuple[Callable[..., Any], np.ndarray, Any]] = {
    "small cnn": (
        small_cnn,
        IMAGE,
        {"a": drawn(3, 3, 3, 5), "b": drawn(5), "c": drawn(3, 3, 5, 6), "d": drawn(6),
         "e": drawn(24, 4)},
    ),
    "residual": (residual, IMAGE, RESIDUAL),
    "residual in training": (lambda x, p: residual(x, p, True), IMAGE, RESIDUAL),
    "channels first": (
        channels_first, IMAGE, {"a": drawn(3, 3, 3, 4), "n": norms(4), "b": drawn(2, 2, 8, 5)}
    ),
    "encoder": (
        encoder,
        RANDOM.normal(size=(BATCH, 5, 6)).astype(np.float32),
        {"a": drawn(6, 18), "b": drawn(18), "c": drawn(6, 6), "d": drawn(6), "e": positive(6),
         "f": drawn(6), "g": drawn(6, 12), "h": drawn(12), "i": drawn(12, 6)},
    ),
}  # fmt: skip


def step(network: Callable[..., Any]) -> Callable[..., Any]:
    """The result of a network and a step of gradient descent of all its weights."""

    def loss(p: Any, x: Any) -> Any:
        return inp.mean(inp.sin(network(x, p)))

    def updated(x: Any, p: Any) -> Any:
        weights, _ = tree.flatten(p)
        gradients, _ = tree.flatten(irf.grad(loss)(p, x))
        return [w - 0.1 * g for w, g in zip(weights, gradients, strict=True)]

    return lambda x, p: (network(x, p), updated(x, p))


@pytest.mark.parametrize("batch", [pytest.param(str(BATCH), marks=pytest.mark.slow), "n"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_pass_keeps_what_a_training_step_computes(name: str, batch: str) -> None:
    network, x, p = NETWORKS[name]
    spec = f"f32[{', '.join([batch, *map(str, x.shape[1:])])}]"
    graph = irf.jit(step(network)).trace(spec, p).graph
    inputs = [x, *tree.flatten(p)[0]]
    lowered = lower(graph, "llvm", check=3)
    Reference(graph, inputs).check(lowered.compile()(inputs), name)


def after_passes(name: str) -> list[str]:
    network, _, p = NETWORKS[name]
    return shown(lower(irf.jit(network).trace("f32[n, 32, 32, 3]", p).graph, "llvm").graph)


def test_a_network_with_channels_first_inside_is_not_transposed() -> None:
    assert "transpose" not in " ".join(after_passes("channels first"))


def test_batch_normalization_is_a_scale_and_a_shift_behind_the_product() -> None:
    kernels = [k for k in after_passes("residual") if "matmul" in k or "convolution" in k]
    behind = [kernel.split("matmul ")[-1].split("convolution ")[-1] for kernel in kernels]
    one = "broadcast multiply broadcast add"
    assert behind == [f"{one} relu)", f"{one})", f"{one} relu)", f"{one} add relu)"]
