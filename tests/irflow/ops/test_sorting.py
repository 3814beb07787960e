"""Sorting, the largest elements and bisection: by their loops, over many sizes, ties and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.autodiff import vjp_graph
from irflow.errors import DTypeError, ShapeError, UndecidableSizeError
from irflow.ir.evaluate import evaluate
from irflow.ir.op import Op
from irflow.ir.types import TensorType, type_of
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.ops import SearchSorted, Sort, TopK
from tests.irflow.ops.derivatives import graph_of


def loops(op: Op, *arrays: np.ndarray, types: list[TensorType] | None = None) -> list[np.ndarray]:
    """What the loops of an op give."""
    graph = graph_of(op, types or [type_of(array) for array in arrays])
    return run_program(lower_graph(graph), arrays)


def keys(size: int, seed: int) -> np.ndarray:
    """Few different values, so that there are ties; some NaN, both zeros."""
    values = np.array([-np.inf, -1, -0.0, 0.0, 2, 3, np.inf, np.nan], np.float32)
    return np.random.default_rng(seed).choice(values, size)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 33])
@pytest.mark.parametrize("is_symbolic", [False, True])
def test_merge_sort_is_the_stable_order(size: int, is_symbolic: bool) -> None:
    x, ramp = keys(size, size), np.arange(size)
    shape = (dims.symbol("n", lower=0),) if is_symbolic else (size,)
    types = [type_of(array).with_shape(shape) for array in (x, ramp)]
    values, order = loops(Sort(0), x, ramp, types=types)
    expected = np.argsort(x, kind="stable")
    np.testing.assert_array_equal(order, expected)
    assert values.tobytes() == x[expected].tobytes()


@pytest.mark.parametrize("size", [1, 2, 5, 9, 20, 67])
def test_largest_elements_are_the_head_of_the_descending_stable_order(size: int) -> None:
    for seed, k in enumerate({0, 1, size // 2, size}):
        x = keys(size, seed)
        expected = sorted(range(size), key=lambda i: (not np.isnan(x[i]), -np.nan_to_num(x[i]), i))
        values, order = loops(TopK(k), x)
        np.testing.assert_array_equal(order, expected[:k])
        np.testing.assert_array_equal(values, x[order])
        for found, meaning in zip((values, order), TopK(k).numpy(x), strict=True):
            np.testing.assert_array_equal(found, meaning)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 15, 16])
def test_bisection_finds_what_numpy_finds(side: str, size: int) -> None:
    sequence, values = np.sort(keys(size, size)), keys(40, 99)
    expected = np.searchsorted(sequence, values, side)
    np.testing.assert_array_equal(loops(SearchSorted(side), sequence, values)[0], expected)
    np.testing.assert_array_equal(SearchSorted(side).numpy(sequence, values), expected)


def test_gradient_goes_back_to_where_elements_stood() -> None:
    x, carried = np.array([3.0, 1.0, 2.0, 1.0]), np.array([10.0, 20.0, 30.0, 40.0])
    graph = vjp_graph(graph_of(Sort(0), [type_of(x), type_of(carried)]), [0, 1])
    by_keys, by_carried = np.array([1.0, 2, 3, 4]), np.array([5.0, 6, 7, 8])
    *_, to_x, to_carried = evaluate(graph, [x, carried, by_keys, by_carried])
    np.testing.assert_array_equal(to_x, [4, 1, 3, 2])
    np.testing.assert_array_equal(to_carried, [8, 5, 7, 6])


def test_what_has_no_order_or_too_few_elements_is_refused() -> None:
    row = TensorType(dtypes.f32, (2, 3))
    with pytest.raises(DTypeError, match="no order"):
        graph_of(Sort(0), [row.with_dtype(dtypes.complex64)])
    with pytest.raises(ShapeError, match="no axis 2"):
        graph_of(Sort(2), [row])
    with pytest.raises(ShapeError, match="another shape"):
        graph_of(Sort(1), [row, row.with_shape((2, 4))])
    with pytest.raises(ShapeError, match="too few"):
        graph_of(TopK(4), [row])
    with pytest.raises(UndecidableSizeError, match="n >= 2"):
        graph_of(TopK(2), [row.with_shape((dims.symbol("n"),))])
    with pytest.raises(ShapeError, match="the sequence has no axis"):
        graph_of(SearchSorted(), [row.with_shape(()), row])
    with pytest.raises(ShapeError, match="batches of different sizes"):
        graph_of(SearchSorted(), [row, row.with_shape((3,))])
