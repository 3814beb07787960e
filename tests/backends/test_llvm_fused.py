"""Fused nests on the worker pool: the same bits for any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow_llvm import backend, workers

pytestmark = pytest.mark.skipif(not workers.is_supported(), reason="no worker pool here")

RANDOM = np.random.default_rng(0)
VECTOR = RANDOM.normal(size=300_007).astype(np.float32)
ROWS = RANDOM.normal(size=(1000, 213)).astype(np.float32)


def norm_loss(x: irf.Tensor) -> irf.Tensor:
    return inp.sum(nn.layer_norm(x) * inp.sin(x))


def log_loss(x: irf.Tensor) -> irf.Tensor:
    return -inp.mean(nn.log_softmax(x)[:, 3])


def scale_loss(x: irf.Tensor) -> irf.Tensor:
    return inp.sum(nn.layer_norm(x[:-1], x[-1], x[0]) * inp.sin(x[:-1]))


CASES = {
    "gelu": (lambda x: nn.gelu(x * 2 + 1), VECTOR),
    "few rows": (lambda x: inp.tanh(x[:3]), ROWS),
    "total": (lambda x: inp.sum(inp.exp(x) * x), VECTOR),
    "columns": (lambda x: inp.sum(x * x, axis=0), ROWS),
    "mean and largest": (lambda x: inp.mean((x - 1) ** 2) + inp.max(x), ROWS),
    "softmax": (nn.softmax, ROWS),
    "layer norm": (nn.layer_norm, ROWS),
    "gradient of layer norm": (irf.grad(norm_loss), ROWS),
    "gradient of a scale": (irf.grad(scale_loss), ROWS),
    "gradient of cross entropy": (irf.grad(log_loss), ROWS),
}


@pytest.mark.parametrize("name", CASES)
def test_equal_bits_for_any_number_of_threads(name: str, pool: workers.Pool) -> None:
    function, x = CASES[name]
    compiled: Callable[[np.ndarray], object] = irf.jit(function, backend="llvm")
    results = []
    for threads in (1, 2, 5):
        pool.resize(threads)
        results.append(np.asarray(compiled(x)))
    expected = np.asarray(irf.jit(function, backend="numpy")(x))
    np.testing.assert_allclose(results[0], expected, rtol=1e-4, atol=2e-4)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("name", ["gelu", "softmax", "gradient of layer norm"])
def test_stores_past_the_caches_give_the_same_bits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, x = CASES[name]
    x = np.ascontiguousarray(x[..., : x.shape[-1] // 64 * 64])
    results, counts = [], []
    for nbytes in (1 << 30, 1 << 10):
        target = replace(backend.host_target(), l3_bytes=nbytes)
        monkeypatch.setattr(backend, "host_target", lambda target=target: target)
        compiled = irf.jit(lambda x: function(x), backend="llvm")
        results.append([np.asarray(compiled(x)) for _ in range(3)])
        code = compiled.trace(x).lower().compile().listing("asm")
        counts.append(code.count("vmovnt") + code.count("movntps") + code.count("stnp"))
    assert counts[0] == 0
    assert counts[1] > 0
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_threads_share_the_work(name: str) -> None:
    function, x = CASES[name]
    code = irf.jit(function, backend="llvm").trace(x).lower().compile().listing("loops")
    assert " parallel {" in code
