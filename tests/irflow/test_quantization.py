"""Functions whose constant weights are in 8 bits: the arithmetic, what stays, the accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irflow as irf
from irflow import nn
from irflow.errors import UsageError
from irflow.quantization import quantize


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


W1, W2 = normal(96, 128, seed=1), normal(128, 80, seed=2)


def in_bytes(x: np.ndarray, w: np.ndarray, reach: float | None = None) -> np.ndarray:
    """What a product in bytes is, in f64."""
    rows = np.abs(x).max(1, keepdims=True) if reach is None else reach
    step, column = rows / 127, np.abs(w).max(0) / 127
    left = np.clip(np.rint(x / step), -128, 127)
    return np.asarray((left @ np.rint(w / column)) * step * column)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("activations", ["dynamic", "calibrated"])
def test_products_in_bytes(backend: str, activations: str) -> None:
    x, w = normal(20, 96), irf.asarray(W1)
    fast = quantize(lambda x: x @ w, x, activations=activations, backend=backend)
    reach = float(np.abs(x).max()) if activations == "calibrated" else None
    off = np.abs(fast(x).numpy() - in_bytes(x.astype(np.float64), W1, reach))
    # A number half-way between two steps may go either way.
    assert (off <= 2e-5 * np.abs(x).max() * np.abs(W1).max() * 96).mean() > 0.95
    assert off.max() < 0.1
    assert 0 < fast.accuracy.rms < 0.02
    assert 0 < fast.accuracy.largest < 0.05
    if activations == "calibrated":
        wide = fast(4 * x).numpy()
        assert np.abs(wide).max() < 3 * np.abs(x @ W1).max(), "cut off"


def test_a_network_with_variables() -> None:
    first, second = irf.Variable(W1), irf.Variable(W2)
    narrow = irf.asarray(normal(80, 10, seed=3))

    def network(batch: Any) -> Any:
        x = batch["x"].reshape(-1, 96)
        hidden = nn.relu(x @ first + 1.0)
        return {"y": hidden @ second, "z": (hidden @ second) @ narrow}

    given = {"x": normal(2, 5, 96)}
    fast = quantize(network, given, examples=[({"x": normal(2, 5, 96, seed=9)},)])
    assert (fast.products, fast.left) == (3, 1)
    exact, found = network({"x": irf.asarray(given["x"])}), fast(given)
    for name in ("y", "z"):
        wanted = exact[name].numpy()
        assert found[name].shape == wanted.shape
        assert np.abs(found[name].numpy() - wanted).max() < 0.05 * np.abs(wanted).max()
    assert str(fast).startswith("3 of 4 products in 8 bits: error ")
    first.assign(np.zeros_like(W1))
    np.testing.assert_array_equal(fast(given)["y"].numpy(), found["y"].numpy(), "its own weights")


def test_rows_of_zeros_stay_zeros() -> None:
    x, w = normal(4, 96), irf.asarray(W1)
    x[1] = 0
    found = quantize(lambda x: x @ w, x)(x).numpy()
    assert not found[1].any()
    assert np.isfinite(found).all()


def test_what_cannot_be_quantized() -> None:
    count, w = irf.Variable(np.float32(0)), irf.asarray(W1)

    def counting(x: Any) -> Any:
        count.assign(count + 1.0)
        return x @ w

    with pytest.raises(UsageError, match="assigns variables"):
        quantize(counting, normal(4, 96))
    with pytest.raises(UsageError, match="no activations 'static'"):
        quantize(lambda x: x @ w, normal(4, 96), activations="static")
