"""Functions whose constant weights are in 8 bits: the arithmetic, what stays, the accuracy."""

from __future__ import annotations

from collections.abc import Callable
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


def left_in_bytes(x: np.ndarray, activations: str, example: np.ndarray) -> np.ndarray:
    """What is left of numbers in bytes: with a scale a row or image, or with one of an example."""
    if activations == "calibrated":
        low, high = min(example.min(), 0), max(example.max(), 0)
        step = (high - low) / 255
        zero = np.rint(-low / step)
        return np.asarray((np.clip(np.rint(x / step + zero), 0, 255) - zero) * step)
    largest = np.abs(x).max(tuple(range(1, x.ndim)), keepdims=True)
    step = largest / (255 if x.min() >= 0 else 127)
    return np.asarray(np.rint(x / step) * step)


def right_in_bytes(w: np.ndarray) -> np.ndarray:
    """The same of weights, with a scale a column."""
    column = np.abs(w).max(tuple(range(w.ndim - 1))) / 127
    return np.asarray(np.rint(w / column) * column)


def assert_in_bytes(
    fast: Callable[..., Any],
    exact: Callable[..., Any],
    x: np.ndarray,
    w: np.ndarray,
    mode: str,
    example: np.ndarray | None = None,
) -> None:
    """As the formula says, but that a number half-way between two steps may go either way."""
    wide = x.astype(np.float64)
    found = fast(x).numpy()
    left = left_in_bytes(wide, mode, x if example is None else example)
    wanted = np.asarray(exact(left, right_in_bytes(w.astype(np.float64))))
    scale = np.asarray(exact(np.abs(wide), np.abs(w).astype(np.float64)))
    off = np.abs(found - wanted)
    assert (off <= 2e-6 * scale).mean() > 0.9
    assert (off <= 2e-3 * scale).all()


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("activations", ["dynamic", "calibrated"])
def test_products_in_bytes(backend: str, activations: str) -> None:
    x, w = normal(20, 96), irf.asarray(W1)
    fast = quantize(lambda x: x @ w, x, activations=activations, backend=backend)
    assert_in_bytes(fast, np.matmul, x, W1, activations)
    assert 0 < fast.accuracy.rms < 0.02
    assert 0 < fast.accuracy.largest < 0.05
    # What the example did not have is cut off, or else has a step of its own.
    assert_in_bytes(fast, np.matmul, 2 * x, W1, activations, x)


Geometry = dict[str, Any]
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Geometry]] = {
    "same": ((2, 7, 6, 8), (3, 3, 8, 40), {"padding": "same"}),
    "stride": ((1, 9, 9, 16), (3, 3, 16, 32), {"padding": ((1, 1), (0, 2)), "strides": 2}),
    "dilation": ((1, 9, 8, 12), (2, 3, 12, 24), {"padding": ((2, 1), (3, 3)), "dilations": 2}),
    "three channels": ((1, 10, 10, 3), (5, 5, 3, 24), {"padding": ((2, 2), (2, 2)), "strides": 2}),
    "one axis": ((2, 20, 8), (5, 8, 24), {"padding": ((2, 2),)}),
    "a pixel": ((2, 5, 6, 32), (1, 1, 32, 40), {"strides": 2}),
}


def convolve(geometry: Geometry) -> Callable[..., Any]:
    """The convolution on NumPy; of the exact products, whose order does not matter."""

    def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        function = irf.jit(lambda x, w: nn.conv(x, w, **geometry), backend="numpy")
        return np.asarray(function(x, w))

    return exact


# A product, which "a pixel" is, has a scale of its own for each pixel in a call.
MODES = [(label, mode) for label in CONVOLUTIONS for mode in ("dynamic", "calibrated")]
MODES.remove(("a pixel", "dynamic"))


@pytest.mark.thinned(3)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize(("label", "activations"), MODES)
def test_convolutions_in_bytes(label: str, activations: str, backend: str) -> None:
    image, kernel, geometry = CONVOLUTIONS[label]
    x, w = normal(*image), normal(*kernel, seed=1)
    weights = irf.asarray(w)

    def network(x: Any) -> Any:
        return nn.conv(x, weights, **geometry)

    fast = quantize(network, x, activations=activations, backend=backend)
    assert (fast.products, fast.left) == (1, 0)
    assert fast.layers[0].name == ("product_0" if label == "a pixel" else "convolution_0")
    assert_in_bytes(fast, convolve(geometry), x, w, activations)
    assert fast.accuracy.rms < 0.02


@pytest.mark.parametrize("activations", ["dynamic", "calibrated"])
def test_numbers_that_are_never_negative_take_all_bytes(activations: str) -> None:
    x, w = normal(1, 6, 6, 8), normal(3, 3, 8, 32, seed=1)
    weights = irf.asarray(w)
    fast = quantize(lambda x: nn.conv(nn.relu(x), weights), x, activations=activations)
    positive = np.maximum(x, 0)
    assert_in_bytes(lambda x: fast(irf.asarray(x)), convolve({}), positive, w, activations)


def block(x: Any) -> Any:
    """Two convolutions with normalisation, the second added to what came."""
    for seed in (1, 2):
        y = nn.conv(x, irf.asarray(normal(3, 3, 32, 32, seed=seed) / 17), padding="same")
        mean, variance, scale, offset = (irf.asarray(normal(32, seed=i)) for i in range(4))
        x = nn.relu(nn.batch_norm(y, mean, variance**2 + 1.0, scale, offset)) + x
    return x


def test_what_lies_between_layers_is_in_bytes() -> None:
    """One kernel a layer; normalisation is in its weights, and it rounds for the next one."""
    x = np.abs(normal(1, 8, 8, 32))
    fast = quantize(block, x, activations="calibrated", backend="llvm")
    kernels = fast.compiled.listing("loops")
    assert kernels.count("\nkernel @integer_convolution") == 2
    assert kernels.count("\nkernel @") <= 3
    assert kernels.count(": constant f32[32]") == 3, "a scale for each, and the shift of both"
    assert fast.accuracy.rms < 0.02


def test_a_network_with_variables() -> None:
    first, second = irf.Variable(W1), irf.Variable(W2)
    narrow = irf.asarray(normal(80, 10, seed=3))

    def network(batch: Any) -> Any:
        x = batch["x"].reshape(-1, 96)
        hidden = nn.relu(x @ first + 1.0)
        return {"y": hidden @ second, "z": (hidden @ second) @ narrow}

    given = {"x": normal(2, 5, 96)}
    fast = quantize(network, given, examples=[({"x": normal(2, 5, 96, seed=9)},)])
    assert (fast.products, fast.left) == (2, 1)
    exact, found = network({"x": irf.asarray(given["x"])}), fast(given)
    for name in ("y", "z"):
        wanted = exact[name].numpy()
        assert found[name].shape == wanted.shape
        assert np.abs(found[name].numpy() - wanted).max() < 0.05 * np.abs(wanted).max()
    assert str(fast).startswith("2 of 3 products in 8 bits: error ")
    first.assign(np.zeros_like(W1))
    np.testing.assert_array_equal(fast(given)["y"].numpy(), found["y"].numpy(), "its own weights")


def test_rows_of_zeros_stay_zeros() -> None:
    x, w = normal(4, 96), irf.asarray(W1)
    x[1] = 0
    found = quantize(lambda x: x @ w, x)(x).numpy()
    assert not found[1].any()
    assert np.isfinite(found).all()


def test_a_share_keeps_few_large_numbers_out() -> None:
    x, w = normal(64, 96), irf.asarray(W1)
    x[0, 0] = 1000
    rest = x[1:]

    def error(**options: Any) -> float:
        fast = quantize(lambda x: x @ w, x, activations="calibrated", **options)
        off = fast(np.concatenate([rest, rest[:1]])).numpy()[:-1] - rest @ W1
        return float(np.abs(off).max())

    assert error(share=0.999) < error() / 10


def layers_of_all_kinds(x: Any) -> Any:
    w, grouped = (irf.asarray(normal(*shape)) for shape in ((3, 3, 32, 32), (3, 3, 1, 32)))
    y = nn.conv(nn.conv(x, w, padding="same"), grouped, groups=32)
    y = y.reshape(len(x), -1)
    return (y @ irf.asarray(normal(128, 64))) @ irf.asarray(normal(64, 5))


def test_the_report_tells_of_each_layer() -> None:
    x = normal(2, 4, 4, 32)
    fast = quantize(layers_of_all_kinds, x, exclude=["product_0"], by_layer=True)
    convolution, grouped, product, last = fast.layers
    assert (convolution.name, convolution.weights) == ("convolution_0", (3, 3, 32, 32))
    assert convolution.place.startswith("test_quantization.py:")
    assert 0 < (convolution.error or 0) < 0.02
    assert (grouped.name, grouped.kept) == ("convolution_1", "its channels are in 32 groups")
    assert (product.name, product.kept) == ("product_0", "left out by name")
    assert last.kept == "64 summands and 5 columns: fewer than 24"
    first, row, *_, total = fast.report().splitlines()
    assert first.split() == ["layer", "weights", "line", "error"]
    assert row.split()[:2] == ["convolution_0", "3x3x32x32"]
    assert total == str(fast)
    lines = quantize(layers_of_all_kinds, x, exclude=["test_quantization.py:*"])
    assert lines.products == 0


W = irf.asarray(W1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"activations": "static"}, "no activations 'static'"),
        ({"share": 1.5, "activations": "calibrated"}, "a share of 1.5"),
        ({"share": 0.9}, "a share is for calibrated activations"),
        ({"exclude": ["conv*"]}, "no layer has a name to be left out\n.*conv.*\n.*product_0"),
    ],
)
def test_wrong_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        quantize(lambda x: x @ W, normal(4, 96), **options)


def test_functions_with_effects_are_refused() -> None:
    count = irf.Variable(np.float32(0))

    def counting(x: Any) -> Any:
        count.assign(np.float32(1))
        return x @ W

    with pytest.raises(UsageError, match="assigns variables"):
        quantize(counting, normal(4, 96))
