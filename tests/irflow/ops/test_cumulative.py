"""Scans: what the samples do not show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from irflow import dtypes
from irflow.autodiff import jvp_graph, vjp_graph
from irflow.errors import DTypeError, GradientError, ShapeError
from irflow.ir.evaluate import evaluate
from irflow.ir.op import Op
from irflow.ir.types import TensorType, type_of
from irflow.ops import Cumulative, LinearRecurrence
from irflow.scalars import find
from tests.irflow.ops.derivatives import graph_of


def gradient(op: Op, x: Sequence[float], g: Sequence[float]) -> np.ndarray:
    array = np.asarray(x, np.float64)
    graph = vjp_graph(graph_of(op, [type_of(array)]), [0])
    return evaluate(graph, [array, np.asarray(g, np.float64)])[-1]


def product_gradient(x: Sequence[float], g: Sequence[float]) -> np.ndarray:
    """By leaving each factor out, which needs no division."""
    total = np.zeros(len(x))
    for i, cotangent in enumerate(g):
        for j in range(i + 1):
            total[j] += cotangent * np.prod([x[k] for k in range(i + 1) if k != j])
    return total


@pytest.mark.parametrize(
    "x", [[2, 3, 4, 5], [2, 0, 4, 5], [0, 3, 0, 5], [0, 0, 0, 0], [-1, 2, 3, 0]], ids=str
)
def test_gradient_of_products_is_exact_at_zeros(x: list[float]) -> None:
    g = [0.5, -1.0, 2.0, 3.0]
    found = gradient(Cumulative(find("multiply"), 0), x, g)
    np.testing.assert_allclose(found, product_gradient(x, g), rtol=1e-12)
    backwards = gradient(Cumulative(find("multiply"), 0, reverse=True), x, g)
    np.testing.assert_allclose(backwards, product_gradient(x[::-1], g[::-1])[::-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "reverse", "x", "expected"),
    [
        ("maximum", False, [1, 3, 3, 2, 5], [1, 2 + 3 + 4, 0, 0, 5]),
        ("maximum", True, [5, 3, 3, 1, 1], [1, 0, 2 + 3, 0, 4 + 5]),
        ("minimum", False, [0, 0, -1, -1, 4], [1 + 2, 0, 3 + 4 + 5, 0, 0]),
        ("maximum", False, [1, np.nan, 9, np.nan, 0], [1, 2 + 3 + 4 + 5, 0, 0, 0]),
        ("minimum", False, [np.inf, np.inf, 1, 2, 3], [1 + 2, 0, 3 + 4 + 5, 0, 0]),
    ],
)
def test_gradient_of_extremes_goes_where_they_were_first_reached(
    name: str, reverse: bool, x: list[float], expected: list[float]
) -> None:
    op = Cumulative(find(name), 0, reverse)
    found = gradient(op, x, [1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(found, expected)


def test_the_first_element_stays_as_it_is() -> None:
    (result,) = evaluate(
        graph_of(Cumulative(find("add"), 0), [TensorType(dtypes.f32, (2,))]),
        [np.array([-0.0, -0.0], np.float32)],
    )
    assert np.signbit(result).all()


def test_rows_that_do_not_combine_are_refused() -> None:
    vector = TensorType(dtypes.f32, (3,))
    with pytest.raises(DTypeError, match="subtract does not combine"):
        graph_of(Cumulative(find("subtract"), 0), [vector])
    with pytest.raises(ShapeError, match="no axis 1"):
        graph_of(Cumulative(find("add"), 1), [vector])
    with pytest.raises(DTypeError, match="floats"):
        graph_of(LinearRecurrence(0), [vector.with_dtype(dtypes.i64)] * 2)
    with pytest.raises(ShapeError, match="shapes differ"):
        graph_of(LinearRecurrence(0), [vector, vector.with_shape((4,))])


def test_other_rows_have_no_gradient() -> None:
    graph = graph_of(Cumulative(find("logaddexp"), 0), [TensorType(dtypes.f32, (3,))])
    for derivative in (vjp_graph, jvp_graph):
        with pytest.raises(GradientError, match="logaddexp"):
            derivative(graph, [0])
