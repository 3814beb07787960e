"""Products and convolutions: loops, formulas spelled out, messages."""

from __future__ import annotations

import dataclasses

import ml_dtypes
import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.errors import DTypeError, ShapeError, UndecidableSizeError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import Op, Sample, infer_types
from irflow.ir.types import TensorType, type_of
from irflow.ops import (
    Convolution,
    ConvolutionInputGradient,
    ConvolutionWeightGradient,
    Handle,
    Matmul,
    OverlapAdd,
    Windows,
    convolution,
    convolution_transpose,
    matmul,
)
from irflow.ops import convolution_form as form
from tests.irflow.ops.derivatives import graph_of
from tests.irflow.ops.elements import run_loops

CONVOLUTIONS = (Convolution, ConvolutionInputGradient, ConvolutionWeightGradient)
CLASSES = (*CONVOLUTIONS, Matmul, Windows, OverlapAdd)
SAMPLES = [
    pytest.param(sample, id=f"{cls.name}-{sample.label}")
    for cls in CLASSES
    for sample in cls.samples()
    if sample.shapes is None
]
GEOMETRIES = [pytest.param(*case[1:], id=case[0]) for case in form.cases()]


def f32(*shape: dims.Size) -> TensorType:
    return TensorType(dtypes.f32, shape)


def message(error: type[Exception], op: Op, *types: TensorType) -> str:
    with pytest.raises(error) as caught:
        infer_types(op, types)
    return str(caught.value)


@pytest.mark.parametrize("sample", SAMPLES)
def test_loops_equal_numpy(sample: Sample) -> None:
    graph = graph_of(sample.op, [type_of(array) for array in sample.inputs])
    (node,) = graph
    (expected,) = evaluate(graph, sample.inputs)
    (result,) = run_loops(node, sample.inputs)
    tolerance = 4 * max(dtypes.from_numpy(expected.dtype).epsilon, 1e-7)
    scale = float(np.max(np.abs(expected.astype(np.float64)), initial=1.0))
    wide = np.float64 if expected.dtype != np.int64 else np.int64
    np.testing.assert_allclose(
        result.astype(wide), expected.astype(wide), rtol=tolerance, atol=tolerance * scale
    )


def trilinear(x: np.ndarray, w: np.ndarray, y: np.ndarray, geometry: form.Geometry) -> float:
    """The form of which the three ops are derivatives, term by term."""
    strides, padding, dilations, groups = geometry
    *kernel, per_group, outputs = w.shape
    total = 0.0
    for n, *t, o in np.ndindex(y.shape):
        first = o // (outputs // groups) * per_group
        for k in np.ndindex(*kernel):
            place = [
                a * s + b * d - low
                for a, s, b, d, (low, _) in zip(t, strides, k, dilations, padding, strict=True)
            ]
            if all(0 <= i < size for i, size in zip(place, x.shape[1:], strict=False)):
                seen = x[(n, *place)][first : first + per_group]
                total += float(seen @ w[k][:, o]) * float(y[(n, *t, o)])
    return total


@pytest.mark.parametrize(("x", "w", "geometry"), GEOMETRIES)
def test_the_three_convolutions_are_derivatives_of_one_form(
    x: np.ndarray, w: np.ndarray, geometry: form.Geometry
) -> None:
    x, w = x.astype(np.float64), w.astype(np.float64)
    y = Convolution(*geometry).numpy(x, w)
    g = np.random.default_rng(8).normal(size=y.shape)
    expected = trilinear(x, w, g, geometry)
    to_x = ConvolutionInputGradient(x.shape[1:-1], *geometry).numpy(g, w)
    to_w = ConvolutionWeightGradient(w.shape[:-2], *geometry).numpy(x, g)
    assert np.sum(y * g) == pytest.approx(expected, abs=1e-9)
    assert np.sum(to_x * x) == pytest.approx(expected, abs=1e-9)
    assert np.sum(to_w * w) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cls", CONVOLUTIONS)
def test_unfolding_a_few_examples_at_a_time_changes_nothing(
    cls: type[Op], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = next(s for s in cls.samples() if s.label == "groups")
    inputs = [np.concatenate([array] * 3) for array in sample.inputs]
    if cls is not ConvolutionWeightGradient:
        inputs[1] = sample.inputs[1]
    whole = sample.op.numpy(*inputs)
    monkeypatch.setattr(form, "PATCH_BYTES", 1)
    np.testing.assert_allclose(sample.op.numpy(*inputs), whole, rtol=1e-5)


@pytest.mark.parametrize("small", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)])
def test_small_floats_are_summed_in_f32(small: np.dtype) -> None:
    ones = np.ones((1, 5000), small)
    expected = np.float32(5000).astype(small)
    assert Matmul().numpy(ones, ones.T)[0, 0] == expected
    geometry = (1,), ((0, 0),), (1,)
    x, w = ones[..., None], ones.T[..., None]
    assert Convolution(*geometry).numpy(x, w)[0, 0, 0] == expected
    assert ConvolutionInputGradient((1,), *geometry).numpy(x[:, :1] * 0, w[:1]).dtype == small
    assert ConvolutionWeightGradient((1,), *geometry).numpy(x, x)[0, 0, 0] == expected
    windows = np.ones((1, 3000, 3000, 1), small)
    assert OverlapAdd((5999,), (3000,), (1,), (1,)).numpy(windows)[0, 2999, 0] == np.float32(
        3000
    ).astype(small)


def test_a_transposed_convolution_takes_the_smallest_image_by_default() -> None:
    graph = Graph()
    builder = Builder(graph)
    n = dims.symbol("n")
    g, w = (Handle(builder, graph.add_input(t)) for t in (f32(n, 3, 4, 5), f32(3, 2, 6, 5)))
    image = convolution_transpose(g, w, strides=(2, 3), padding=[(1, 0), (0, 0)], dilations=(1, 2))
    assert image.shape == (n, 2 * 2 + 3 - 1, 3 * 3 + 3, 6)
    back = convolution(image, w, strides=(2, 3), padding=[(1, 0), (0, 0)], dilations=(1, 2))
    assert back.shape == g.shape


def test_the_constructor_of_products() -> None:
    graph = Graph()
    x = Handle(Builder(graph), graph.add_input(f32(2, 3, 4)))
    y = Handle(x.builder, graph.add_input(f32(2, 4, 5)))
    assert matmul(x, y).type == f32(2, 3, 5)


def test_operation_counts() -> None:
    product = Matmul().cost([f32(2, 3, 4), f32(2, 4, 5)], [f32(2, 3, 5)])
    assert (product.flops, product.bytes) == (2 * 2 * 3 * 4 * 5, 4 * (24 + 40 + 30))
    x, w, y = f32(2, 6, 4), f32(3, 2, 8), f32(2, 4, 8)
    geometry = (1,), ((0, 0),), (1,), 2
    terms = 2 * 4 * 8 * 3 * 2
    assert Convolution(*geometry).cost([x, w], [y]).flops == 2 * terms
    assert ConvolutionInputGradient((6,), *geometry).cost([y, w], [x]).flops == 2 * terms
    assert ConvolutionWeightGradient((3,), *geometry).cost([x, y], [w]).flops == 2 * terms


# ----------------------------------------------------------------------------------------- messages


def test_inner_sizes_differ() -> None:
    assert message(ShapeError, Matmul(), f32(32, 128), f32(64, 128)) == (
        "matmul: inner sizes differ\n"
        "  left   f32[32, 128]  axis 1 = 128\n"
        "  right  f32[64, 128]  axis 0 = 64\n"
        "  hint: w looks transposed; w.T would fit"
    )


def test_the_hint_is_given_only_where_it_helps() -> None:
    assert "hint" not in message(ShapeError, Matmul(), f32(32, 128), f32(64, 10))
    batched = message(ShapeError, Matmul(), f32(2, 3, 4), f32(2, 5, 4))
    assert batched.endswith("hint: w looks transposed; w.mT would fit")


def test_other_products_that_do_not_fit() -> None:
    assert "batch sizes differ" in message(ShapeError, Matmul(), f32(2, 3, 4), f32(3, 4, 5))
    assert "ranks differ" in message(ShapeError, Matmul(), f32(2, 3, 4), f32(4, 5))
    assert "fewer than two axes" in message(ShapeError, Matmul(), f32(3), f32(3, 4))
    wide = TensorType(dtypes.f64, (3, 4))
    assert "different dtypes" in message(DTypeError, Matmul(), f32(2, 3), wide)
    bools = TensorType(dtypes.bool_, (3, 3))
    assert "not defined for bool" in message(DTypeError, Matmul(), bools, bools)
    n = dims.symbol("n")
    message(UndecidableSizeError, Matmul(), f32(2, n), f32(4, 5))


PLAIN = (1, 1), ((0, 0), (0, 0)), (1, 1)
WRONG = {
    "the window is larger": (Convolution(*PLAIN), f32(1, 2, 5, 1), f32(3, 1, 1, 1)),
    "the weights do not fit": (Convolution(*PLAIN), f32(1, 4, 4, 4), f32(1, 1, 4, 2), 2),
    "do not divide into 2": (Convolution(*PLAIN), f32(1, 4, 4, 4), f32(1, 1, 2, 3), 2),
    "0 groups": (Convolution(*PLAIN), f32(1, 4, 4, 4), f32(1, 1, 2, 3), 0),
    "x has rank 3": (Convolution(*PLAIN), f32(1, 4, 4), f32(1, 1, 4, 4)),
    "w has rank 3": (Convolution(*PLAIN), f32(1, 4, 4, 4), f32(1, 4, 4)),
    "strides (0,)": (Convolution((0,), ((0, 0),), (1,)), f32(1, 4, 4), f32(1, 4, 4)),
    "padding ((-1, 0),)": (Convolution((1,), ((-1, 0),), (1,)), f32(1, 4, 4), f32(1, 4, 4)),
    "2 dilations for 1": (Convolution((1,), ((0, 0),), (1, 1)), f32(1, 4, 4), f32(1, 4, 4)),
    "there can be 1, 2 or 3": (Convolution((), (), ()), f32(1, 4), f32(4, 4)),
    "g does not fit the output": (
        ConvolutionInputGradient((4,), (1,), ((0, 0),), (1,)),
        f32(1, 3, 5),
        f32(2, 1, 4),
    ),
    "g does not fit the windows of the": (
        ConvolutionInputGradient((5,), (1,), ((0, 0),), (1,)),
        f32(1, 3, 4),
        f32(2, 1, 4),
    ),
    "g does not fit the windows of x": (
        ConvolutionWeightGradient((2,), (1,), ((0, 0),), (1,)),
        f32(2, 4, 4),
        f32(1, 3, 4),
    ),
    "windows: x has rank 3": (Windows((2, 2), (1, 1), (1, 1)), f32(1, 4, 4)),
    "x does not fit the windows": (OverlapAdd((5,), (2,), (1,), (1,)), f32(1, 3, 2, 4)),
}


@pytest.mark.parametrize("text", WRONG)
def test_geometry_that_does_not_fit(text: str) -> None:
    op, *types = WRONG[text]
    if isinstance(types[-1], int):
        op = dataclasses.replace(op, groups=types.pop())
    assert text in message(ShapeError, op, *types)


def test_a_symbolic_axis_must_be_long_enough() -> None:
    n = dims.symbol("n")
    assert "n" in message(
        UndecidableSizeError, Convolution(*PLAIN), f32(1, n, 4, 1), f32(3, 1, 1, 1)
    )
    long = dims.symbol("n", lower=3)
    (y,) = infer_types(Convolution(*PLAIN), [f32(1, long, 4, 1), f32(3, 1, 1, 1)])
    assert y == f32(1, long - 2, 4, 1)


def test_bool_windows_are_allowed_and_not_added() -> None:
    bools = TensorType(dtypes.bool_, (1, 4, 2))
    assert infer_types(Windows((2,), (1,), (1,)), [bools])[0].dtype is dtypes.bool_
    windows = TensorType(dtypes.bool_, (1, 3, 2, 2))
    message(DTypeError, OverlapAdd((4,), (2,), (1,), (1,)), windows)
