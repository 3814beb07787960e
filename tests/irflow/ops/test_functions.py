"""Composites against NumPy, their gradients against differences, and symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.autodiff import vjp_graph
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType, type_of
from irflow.ops import Handle
from tests.irflow.ops.derivatives import check_second_vjp, check_vjp

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
LABELS = np.array([[1, 4, 0, 2], [3, 3, 3, 3], [0, 1, 2, 4]])
n = dims.symbol("n")


def trace(function: Callable[..., Any], *types: TensorType) -> Graph:
    """The graph of a function of handles."""
    graph = Graph("traced")
    builder = Builder(graph)
    handles = [Handle(builder, graph.add_input(type)) for type in types]
    results = function(*handles)
    outputs = results if isinstance(results, (list, tuple)) else [results]
    graph.set_outputs([handle.value for handle in outputs])
    return graph


def run(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """A function of handles on arrays."""
    results = evaluate(trace(function, *map(type_of, arrays)), arrays)
    return results[0] if len(results) == 1 else results


def check(function: Callable[..., Any], expected: Any, *arrays: np.ndarray) -> None:
    """Equal value and dtype, up to rounding."""
    result = run(function, *arrays)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=2e-6)


def check_gradient(function: Callable[..., Any], *arrays: np.ndarray, order: int = 1) -> None:
    """Gradients by the first array, in f64."""
    wide = [arrays[0].astype(np.float64), *arrays[1:]]
    graph = trace(function, *map(type_of, wide))
    check_vjp(graph, wide, [0])
    if order == 2:
        check_second_vjp(graph, wide, [0])


# --------------------------------------------------------------------------------- moving elements


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: ops.moveaxis(x, 0, -1), np.moveaxis(X, 0, -1)),
        (lambda x: ops.moveaxis(x, -1, 1), np.moveaxis(X, -1, 1)),
        (lambda x: ops.expand_dims(x, -1), X[..., None]),
        (lambda x: ops.expand_dims(x, 1), X[:, None]),
        (lambda x: ops.flip(x), X[::-1, ::-1, ::-1]),
        (lambda x: ops.flip(x, -2), X[:, ::-1]),
        (lambda x: ops.stack([x, -x], 0), np.stack([X, -X], 0)),
        (lambda x: ops.stack([x, -x], -1), np.stack([X, -X], -1)),
        (lambda x: ops.stack([x, -x], 2), np.stack([X, -X], 2)),
        (lambda x: ops.tile(x, (2, 1, 3)), np.tile(X, (2, 1, 3))),
        (lambda x: ops.tile(x, (0, 1, 1)), np.tile(X, (0, 1, 1))),
        (lambda x: ops.repeat(x, 3, 1), np.repeat(X, 3, 1)),
        (lambda x: ops.repeat(x, 2, -1), np.repeat(X, 2, -1)),
        (lambda x: ops.zeros_like(x), np.zeros_like(X)),
        (lambda x: ops.ones_like(x, dtypes.i32), np.ones_like(X, np.int32)),
        (lambda x: ops.full_like(x, 2.5), np.full_like(X, 2.5)),
        (lambda x: ops.where(x > 0, x, 0), np.maximum(X, 0)),
        (lambda x: ops.iota(x, (2, 3), -1), np.tile(np.arange(3), (2, 1))),
        (lambda x: ops.split(x, 2, 1)[1], X[:, 2:]),
        (lambda x: ops.split(x, [1, 3, 1], -1)[1], X[:, :, 1:4]),
    ],
)
def test_moving_and_filling(function: Callable[..., Any], expected: np.ndarray) -> None:
    check(function, expected, X)


def test_trivial_cases_emit_nothing() -> None:
    def function(x: Handle) -> Handle:
        x = ops.transpose(x, (0, 1, 2))
        x = ops.slice_(x, (0, 0, 0), (3, 4, 5))
        x = ops.pad(x, (0, 0, 0), (0, 0, 0))
        x = ops.reverse(x, ())
        x = ops.concatenate([x], 1)
        x = ops.tile(x, (1, 1, 1))
        return ops.moveaxis(x, 1, 1)

    assert len(trace(function, type_of(X))) == 0


def test_split_refuses_parts_that_do_not_fit() -> None:
    with pytest.raises(ShapeError) as error:
        run(lambda x: ops.split(x, 3, 1), X)
    assert str(error.value).startswith(
        "split: the parts do not make up the operand\n"
        "  operand  f32[3, 4, 5]  axis 1 = 4\n"
        "  parts    (1, 1, 1)"
    )


def test_axes_out_of_range() -> None:
    with pytest.raises(ShapeError, match="axis 3 of a tensor of rank 3"):
        run(lambda x: ops.softmax(x, 3), X)
    with pytest.raises(ShapeError, match=r"axes \(0, -3\) name one axis twice"):
        run(lambda x: ops.mean(x, (0, -3)), X)


# ---------------------------------------------------------------------------------------- indexing


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8])
def test_take(axis: int, dtype: type) -> None:
    indices = np.array([[0, 2], [1, 1]], dtype)
    check(lambda x, i: ops.take(x, i, axis), np.take(X, indices, axis), X, indices)


def test_take_counts_negative_indices_from_the_end_and_clips_the_rest() -> None:
    indices = np.array([-1, -3, -4, 3, 99])
    check(lambda x, i: ops.take(x, i), X[[2, 0, 0, 2, 2]], X, indices)


def test_take_from_an_axis_longer_than_the_index_type_counts() -> None:
    long = np.arange(300, dtype=np.float32)
    indices = np.array([-1, -128, 127], np.int8)
    check(lambda x, i: ops.take(x, i), long[[299, 172, 127]], long, indices)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_take_along_axis(axis: int) -> None:
    order = np.argsort(X, axis)
    expected = np.take_along_axis(X, order, axis)
    check(lambda x, i: ops.take_along_axis(x, i, axis), expected, X, order)
    negative = order - X.shape[axis]
    check(lambda x, i: ops.take_along_axis(x, i, axis), expected, X, negative)
    check_gradient(lambda x, i: ops.take_along_axis(x, i, axis) * x, X, order)


def test_gradient_of_take_adds_up_duplicates() -> None:
    indices = np.array([0, 2, 0, -1])
    check_gradient(lambda x, i: ops.take(x * x, i, 1), X, indices, order=2)


def test_one_hot() -> None:
    expected = np.eye(5, dtype=np.float32)[LABELS]
    check(lambda i: ops.one_hot(i, 5), expected, LABELS)
    outside = np.array([-1, 5], np.int8)
    check(lambda i: ops.one_hot(i, 5, dtypes.i32), np.zeros((2, 5), np.int32), outside)


def test_scatter_sums_short_floats_in_f32() -> None:
    x = np.zeros(1, ml_dtypes.bfloat16)
    updates = np.full(1000, 1, ml_dtypes.bfloat16)
    indices = np.zeros((1000, 1), np.int64)
    assert run(ops.scatter, x, indices, updates) == 1000


# -------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 2)])
def test_mean_and_variance(axes: Any) -> None:
    check(lambda x: ops.mean(x, axes), np.mean(X, axes), X)
    check(lambda x: ops.variance(x, axes), np.var(X, axes), X)
    check(lambda x: ops.variance(x, axes, correction=1), np.var(X, axes, ddof=1), X)
    check_gradient(lambda x: ops.variance(x, axes), X, order=2)


def test_mean_of_integers_and_short_floats() -> None:
    assert run(ops.mean, np.arange(4)) == np.float32(1.5)
    assert run(ops.mean, np.arange(4)).dtype == np.float32
    large = np.full(100, 3e4, np.float16)
    assert run(ops.mean, large) == np.float16(3e4)


# ----------------------------------------------------------------------------------------- softmax


def reference_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_family(axis: int) -> None:
    expected = reference_softmax(X, axis)
    check(lambda x: ops.softmax(x, axis), expected, X)
    large = X + np.float32(1000)
    check(lambda x: ops.softmax(x, axis), reference_softmax(large, axis), large)
    check(lambda x: ops.log_softmax(x, axis), np.log(expected), X)
    check(lambda x: ops.logsumexp(x, axis), np.log(np.exp(X).sum(axis)), X)
    for function in (ops.softmax, ops.log_softmax, ops.logsumexp):
        check_gradient(lambda x, f=function: f(x, axis), X, order=2)


def test_logsumexp_of_infinities() -> None:
    inf = np.inf
    x = np.array([[-inf, -inf], [-inf, 1], [inf, 1], [inf, -inf]], np.float32)
    np.testing.assert_array_equal(run(ops.logsumexp, x), np.array([-inf, 1, inf, inf], np.float32))
    nan = np.array([[np.nan, 1.0]], np.float32)
    assert np.isnan(run(ops.logsumexp, nan)).all()


def test_gradient_of_logsumexp_without_mass_is_zero() -> None:
    x = np.array([[-np.inf, -np.inf], [-np.inf, 1]], np.float32)
    graph = vjp_graph(trace(ops.logsumexp, type_of(x)), [0])
    gradient = evaluate(graph, [x, np.ones(2, np.float32)])[1]
    np.testing.assert_array_equal(gradient, [[0, 0], [0, 1]])


def test_log_softmax_does_not_cancel() -> None:
    x = np.array([1e8, 1e8, -1e8], np.float32)
    expected = np.array([-np.log(2), -np.log(2), -2e8], np.float32)
    check(ops.log_softmax, expected, x)


def test_cross_entropy() -> None:
    log_probabilities = np.log(reference_softmax(X, -1))
    expected = -np.take_along_axis(log_probabilities, LABELS[..., None], -1)[..., 0]
    check(ops.cross_entropy, expected, X, LABELS)
    check(ops.cross_entropy, expected, X, LABELS.astype(np.uint8))
    check_gradient(ops.cross_entropy, X, LABELS, order=2)


def test_softmax_keeps_short_floats() -> None:
    x = X.astype(ml_dtypes.bfloat16)
    expected = reference_softmax(x.astype(np.float32), -1).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(run(ops.softmax, x), expected)


# ----------------------------------------------------------------------------------------- pooling

IMAGE = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype(np.float32)


def reference_pool(
    x: np.ndarray, reduce: Callable[..., Any], fill: float, stride: int, pads: Any
) -> np.ndarray:
    padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), (1, 2))
    return np.asarray(reduce(view[:, ::stride, ::stride], axis=(-2, -1)))


@pytest.mark.parametrize("pads", [None, [(1, 0), (1, 2)]])
@pytest.mark.parametrize("stride", [1, 2])
def test_pooling(pads: Any, stride: int) -> None:
    strides, around = (stride, stride), pads or [(0, 0), (0, 0)]

    def largest(x: Handle) -> Any:
        return ops.max_pool(x, (2, 3), strides, pads)

    def average(x: Handle) -> Any:
        return ops.avg_pool(x, (2, 3), strides, pads)

    def average_of_all(x: Handle) -> Any:
        return ops.avg_pool(x, (2, 3), strides, pads, count_padding=True)

    check(largest, reference_pool(IMAGE, np.max, -np.inf, stride, around), IMAGE)
    check(average, reference_pool(IMAGE, np.nanmean, np.nan, stride, around), IMAGE)
    check(average_of_all, reference_pool(IMAGE, np.mean, 0, stride, around), IMAGE)
    for function in (largest, average, average_of_all):
        check_gradient(function, IMAGE)


def test_pooling_strides_default_to_the_window() -> None:
    result = run(lambda x: ops.max_pool(x, (2, 3)), IMAGE)
    blocks = IMAGE[:, :4].reshape(2, 2, 2, 2, 3, 3)
    np.testing.assert_array_equal(result, blocks.max((2, 4)))


def test_max_pool_of_integers_pads_with_the_least() -> None:
    x = np.full((1, 2, 1), -5, np.int8)
    result = run(lambda x: ops.max_pool(x, (2,), (1,), [(1, 1)]), x)
    np.testing.assert_array_equal(result, np.full((1, 3, 1), -5, np.int8))


# ---------------------------------------------------------------------------------------- symbolic


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: ops.mean(x, 0), (4, 5)),
        (lambda x: ops.variance(x), ()),
        (lambda x: ops.softmax(x, 0), (n, 4, 5)),
        (lambda x: ops.tile(x, (2, 1, 1)), (2 * n, 4, 5)),
        (lambda x: ops.stack([x, x], 1), (n, 2, 4, 5)),
        (lambda x: ops.take(x, ops.iota(x, (2,)) - 1, 0), (2, 4, 5)),
        (lambda x: ops.flip(x), (n, 4, 5)),
        (lambda x: ops.split(x, [1, 3], 1)[1], (n, 3, 5)),
    ],
)
def test_symbolic_sizes(function: Callable[..., Any], shape: tuple[Size, ...]) -> None:
    graph = trace(function, TensorType(dtypes.f32, (n, 4, 5)))
    assert graph.output_types[0].shape == shape
    expected = run(function, X)
    np.testing.assert_allclose(evaluate(graph, [X])[0], expected, rtol=1e-6)
