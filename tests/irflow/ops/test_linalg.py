"""Factorisations: what the samples do not show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from irflow import dtypes, ops
from irflow.autodiff import vjp_graph
from irflow.errors import DTypeError, ShapeError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType, type_of
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.ops import LU, Cholesky, Handle, Solve, TriangularSolve
from tests.irflow.ops.derivatives import check_jvp, check_second_vjp, check_vjp, graph_of


def composite(function: Callable[[Any], Any], x: np.ndarray) -> Graph:
    """The graph of a function of one tensor."""
    graph = Graph("test")
    handle = Handle(Builder(graph), graph.add_input(type_of(x), "x"))
    results = function(handle)
    handles = results if isinstance(results, tuple) else (results,)
    graph.set_outputs([result.value for result in handles])
    return graph


def regular(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) + 2 * np.eye(shape[-1])[::-1]


COMPOSITES = {
    "inverse": ops.inverse,
    "determinant": ops.determinant,
    "log_determinant": lambda x: ops.log_determinant(x)[1],
}


@pytest.mark.parametrize("name", COMPOSITES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_derivatives_of_composites_equal_differences(name: str, size: int) -> None:
    x = regular(2, size, size)
    graph = composite(COMPOSITES[name], x)
    check_vjp(graph, [x], [0])
    check_jvp(graph, [x], [0])
    check_second_vjp(graph, [x], [0])


def test_values_of_composites() -> None:
    x = regular(3, 4, 4)
    np.testing.assert_allclose(evaluate(composite(ops.inverse, x), [x])[0], np.linalg.inv(x))
    np.testing.assert_allclose(evaluate(composite(ops.determinant, x), [x])[0], np.linalg.det(x))
    for found, wanted in zip(
        evaluate(composite(ops.log_determinant, x), [x]), np.linalg.slogdet(x), strict=True
    ):
        np.testing.assert_allclose(found, wanted)


def test_gradient_of_the_determinant_is_that_of_jacobi() -> None:
    x = regular(4, 4)
    graph = vjp_graph(composite(ops.determinant, x), [0])
    found = evaluate(graph, [x, np.array(1.0)])[-1]
    np.testing.assert_allclose(found, np.linalg.det(x) * np.linalg.inv(x).T)


def test_singular_matrices_have_determinant_zero_and_no_inverse() -> None:
    x = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]])
    assert evaluate(composite(ops.determinant, x), [x])[0] == 0
    sign, logarithm = evaluate(composite(ops.log_determinant, x), [x])
    assert (sign, logarithm) == (0, -np.inf)
    for run in (evaluate, lambda graph, arrays: run_program(lower_graph(graph), arrays)):
        assert not np.isfinite(run(composite(ops.inverse, x), [x])[0]).any()


@pytest.mark.parametrize("size", [1, 2, 7, 13])
def test_factors_make_up_the_matrix(size: int) -> None:
    x = regular(2, size, size)
    for packed, pivots, order in (
        LU().numpy(x),
        run_program(lower_graph(graph_of(LU(), [type_of(x)])), [x]),
    ):
        lower, upper = np.tril(packed, -1) + np.eye(size), np.triu(packed)
        assert np.abs(lower).max() <= 1
        np.testing.assert_allclose(lower @ upper, np.take_along_axis(x, order[..., None], 1))
        for matrix in range(2):
            rows = list(range(size))
            for i, pivot in enumerate(pivots[matrix]):
                rows[i], rows[pivot] = rows[pivot], rows[i]
            assert rows == list(order[matrix])


def test_only_the_lower_triangle_is_factored() -> None:
    x = regular(4, 4)
    definite = x @ x.T
    expected = np.linalg.cholesky(definite)
    junk = np.where(np.tri(4, dtype=bool), definite, np.nan)
    (result,) = run_program(lower_graph(graph_of(Cholesky(), [type_of(junk)])), [junk])
    np.testing.assert_allclose(result, expected, atol=1e-12)
    np.testing.assert_allclose(Cholesky().numpy(junk), expected)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_triangular_systems_read_their_triangle_only(
    lower: bool, transpose: bool, unit: bool
) -> None:
    a, b = regular(6, 6), np.arange(1.0, 19.0).reshape(6, 3)
    kept = np.tri(6, k=-1 if unit else 0, dtype=bool)
    kept = kept if lower else kept.T
    junk = np.where(kept, a + 3 * np.eye(6), np.nan)
    matrix = np.where(kept, junk, np.eye(6) if unit else 0)
    expected = np.linalg.solve(matrix.T if transpose else matrix, b)
    op = TriangularSolve(lower, transpose, unit)
    (result,) = run_program(lower_graph(graph_of(op, [type_of(a), type_of(b)])), [junk, b])
    np.testing.assert_allclose(result, expected, atol=1e-12)
    np.testing.assert_allclose(op.numpy(junk, b), expected, atol=1e-12)


def test_operands_that_do_not_fit_are_refused() -> None:
    matrix = TensorType(dtypes.f32, (3, 3))
    for op in (Cholesky(), LU()):
        with pytest.raises(ShapeError, match="not square"):
            graph_of(op, [matrix.with_shape((3, 4))])
        with pytest.raises(ShapeError, match="two axes"):
            graph_of(op, [matrix.with_shape((3,))])
        with pytest.raises(DTypeError, match="floats"):
            graph_of(op, [matrix.with_dtype(dtypes.i64)])
    for system in (Solve(), TriangularSolve()):
        with pytest.raises(ShapeError, match="right-hand side"):
            graph_of(system, [matrix, matrix.with_shape((4, 2))])
        with pytest.raises(ShapeError, match="right-hand side"):
            graph_of(system, [matrix, matrix.with_shape((3,))])
        with pytest.raises(DTypeError, match="different dtypes"):
            graph_of(system, [matrix, matrix.with_dtype(dtypes.f64)])
