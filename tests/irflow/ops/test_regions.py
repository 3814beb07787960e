"""Calls, fusions, custom gradients and the gradient stop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.autodiff import jvp_graph, vjp_graph
from irflow.compiler import compile_graph
from irflow.dims import Size
from irflow.errors import GradientError, ShapeError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph, Value
from irflow.ir.op import Op, infer_types
from irflow.ir.types import TensorType
from irflow.ops.broadcast import Reshape
from irflow.ops.custom_jvp import CustomJvp
from irflow.ops.operand import Handle
from irflow.ops.regions import (
    Call,
    CustomVjp,
    Fusion,
    StopGradient,
    call,
    region_sizes,
    stop_gradient,
)
from irflow.scalars import find

N, M = dims.symbol("n"), dims.symbol("m")
X = np.array([0.5, -1.0, 2.0], np.float32)


def f32(*shape: Size) -> TensorType:
    return TensorType(dtypes.f32, shape)


def region(name: str, *types: TensorType) -> tuple[Graph, list[Handle]]:
    graph = Graph(name)
    builder = Builder(graph)
    return graph, [Handle(builder, graph.add_input(type, f"x{i}")) for i, type in enumerate(types)]


def sine_of(size: Size) -> Graph:
    graph, (x,) = region("sine", f32(size))
    graph.set_outputs([find("sin")(x).value])
    return graph


def values(handles: Sequence[Handle]) -> list[Value]:
    return [handle.value for handle in handles]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_region_may_show_only_the_product_of_two_sizes(backend: str) -> None:
    graph, (x,) = region("outer", f32(N, M))
    row = x.emit(Reshape((N * M,)), [x])[0]
    inner, (y,) = region("inner", row.type)
    inner.set_outputs(values(y.emit(Reshape((M, N)), [y])))
    graph.set_outputs(values(row.emit(Call("turn"), [row], [inner])))
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for results in (evaluate(graph, [array]), compile_graph(graph, backend)([array])):
        np.testing.assert_array_equal(results[0], array.reshape(3, 2))


# ------------------------------------------------------------------------------------ stop_gradient


def test_no_derivative_passes_the_stop() -> None:
    graph, (x,) = region("stop", f32(3))
    graph.set_outputs([(x * stop_gradient(x)).value])
    seed = np.ones(3, np.float32)
    result, gradient = evaluate(vjp_graph(graph, [0]), [X, seed])
    np.testing.assert_array_equal(result, X * X)
    np.testing.assert_array_equal(gradient, X)
    _, tangent = evaluate(jvp_graph(graph, [0]), [X, seed])
    np.testing.assert_array_equal(tangent, X)


def test_the_stop_costs_no_arithmetic() -> None:
    cost = StopGradient().cost([f32(N, 2)], [f32(N, 2)])
    assert (cost.flops, cost.bytes) == (0, 16 * N)


# -------------------------------------------------------------------------------------------- calls


@pytest.mark.parametrize("op", [Call("sine"), Fusion("loop")])
def test_calls_are_their_region(op: Op) -> None:
    graph, (x,) = region("outer", f32(3))
    graph.set_outputs([x.emit(op, [x], [sine_of(3)])[0].value])
    (result,) = evaluate(graph, [X])
    np.testing.assert_array_equal(result, np.sin(X))
    _, gradient = evaluate(vjp_graph(graph, [0]), [X, X])
    np.testing.assert_allclose(gradient, X * np.cos(X), rtol=1e-6)
    _, tangent = evaluate(jvp_graph(graph, [0]), [X, X])
    np.testing.assert_allclose(tangent, X * np.cos(X), rtol=1e-6)


def test_the_constructor() -> None:
    graph, (x,) = region("outer", f32(3))
    (result,) = call("sine", sine_of(3), [x])
    assert result.value.node is graph.first
    assert result.value.node.op == Call("sine")


def test_symbols_of_a_region_stand_for_the_sizes_of_the_operands() -> None:
    graph, (x, y) = region("pair", f32(N, M), f32(M, N))
    graph.set_outputs(values([x, y]))
    assert region_sizes("call", graph, [f32(N, M), f32(M, N)]) == {}
    assert region_sizes("call", graph, [f32(2, M), f32(M, 2)]) == {"n": 2, "m": M}
    types = infer_types(Call("pair"), [f32(M, 2 * N), f32(2 * N, M)], [graph])
    assert types == (f32(M, 2 * N), f32(2 * N, M))


def test_sizes_that_follow_from_symbols_are_checked() -> None:
    graph, (x, _) = region("double", f32(N), f32(2 * N))
    graph.set_outputs([x.value])
    assert infer_types(Call("double"), [f32(3), f32(6)], [graph]) == (f32(3),)
    with pytest.raises(ShapeError) as caught:
        infer_types(Call("double"), [f32(3), f32(5)], [graph])
    assert str(caught.value) == (
        "call: operands of @double have other types\n  number 1  f32[5]\n  expected  f32[6]"
    )


@pytest.mark.parametrize(
    ("types", "text"),
    [
        ([f32(4)], "have other types"),
        ([f32(3, 1)], "have other types"),
        ([TensorType(dtypes.f64, (3,))], "have other types"),
        ([f32(3), f32(3)], "a region with 1 inputs is given 2 operands"),
    ],
)
def test_operands_that_do_not_fit(types: list[TensorType], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        infer_types(Call("sine"), types, [sine_of(3)])


# --------------------------------------------------------------------------------------- custom_vjp


def primal_and_forward(size: Size) -> tuple[Graph, Graph]:
    """`(x, i, y) -> (x * y, i, x + y)`, with x as the residual."""
    types = f32(size), TensorType(dtypes.i64, (size,)), f32(size)
    primal, (x, i, y) = region("primal", *types)
    primal.set_outputs(values([x * y, i, x + y]))
    forward, (x, i, y) = region("forward", *types)
    forward.set_outputs(values([x * y, i, x + y, x]))
    return primal, forward


def backward_of(size: Size) -> Graph:
    """Gradients of its own kind: `(10 * g0 + g1, x * g1)`."""
    graph, (x, g0, g1) = region("backward", *[f32(size)] * 3)
    graph.set_outputs(values([g0 * 10 + g1, x * g1]))
    return graph


def custom(size: Size, used: Sequence[int]) -> Graph:
    types = f32(size), TensorType(dtypes.i64, (size,)), f32(size)
    graph, operands = region("outer", *types)
    regions = [*primal_and_forward(size), backward_of(size)]
    results = operands[0].emit(CustomVjp(), operands, regions)
    graph.set_outputs([results[i].value for i in used])
    return graph


WHOLE = np.array([4, 5, 6])
Y = np.array([3.0, 0.25, -2.0], np.float32)


def test_the_meaning_is_that_of_the_primal() -> None:
    product, whole, total = evaluate(custom(3, [0, 1, 2]), [X, WHOLE, Y])
    np.testing.assert_array_equal(product, X * Y)
    np.testing.assert_array_equal(whole, WHOLE)
    np.testing.assert_array_equal(total, X + Y)


@pytest.mark.parametrize("size", [3, N])
def test_the_gradient_is_that_of_backward(size: Size) -> None:
    graph = vjp_graph(custom(size, [0, 1, 2]), [0, 2])
    g0, g1 = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    *_, by_x, by_y = evaluate(graph, [X, WHOLE, Y, g0, g1])
    np.testing.assert_array_equal(by_x, 10 * g0 + g1)
    np.testing.assert_array_equal(by_y, X * g1)


def test_results_that_nobody_reads_have_zero_cotangents() -> None:
    g = np.ones(3, np.float32)
    _, by_x, by_y = evaluate(vjp_graph(custom(3, [0]), [0, 2]), [X, WHOLE, Y, g])
    np.testing.assert_array_equal(by_x, 10 * g)
    np.testing.assert_array_equal(by_y, 0 * g)


def test_there_is_no_forward_mode() -> None:
    with pytest.raises(GradientError, match="custom_vjp functions have no forward mode"):
        jvp_graph(custom(3, [0]), [0])


def test_regions_that_do_not_fit_each_other() -> None:
    primal, forward = primal_and_forward(3)
    types = primal.input_types
    few, (x, g0, _) = region("backward", *[f32(3)] * 3)
    few.set_outputs(values([x * g0]))
    with pytest.raises(ShapeError, match="1 results of backward, not 2"):
        infer_types(CustomVjp(), types, [primal, forward, few])
    with pytest.raises(ShapeError, match="have other types"):
        infer_types(CustomVjp(), types, [primal, forward, backward_of(4)])
    with pytest.raises(ShapeError, match="results of forward"):
        infer_types(CustomVjp(), types, [primal, exchanged(forward), backward_of(3)])


def exchanged(forward: Graph) -> Graph:
    """`forward` with its first two results exchanged."""
    result = forward.copy()
    first, second, *rest = result.outputs
    result.set_outputs([second, first, *rest])
    return result


# --------------------------------------------------------------------------------------- custom_jvp


def test_a_rule_that_does_not_fit_its_function() -> None:
    primal, (x, i) = region("primal", f32(3), TensorType(dtypes.i64, (3,)))
    primal.set_outputs(values([x * x, i]))
    rule, (x, i, t) = region("rule", *primal.input_types, f32(3))
    rule.set_outputs(values([x * x, i, x * t * 2]))
    assert infer_types(CustomJvp(), primal.input_types, [primal, rule]) == primal.output_types
    with pytest.raises(ShapeError, match="results of the rule have other types"):
        infer_types(CustomJvp(), primal.input_types, [primal, exchanged(rule)])
    rule.set_outputs(values([x * x, i]))
    with pytest.raises(ShapeError, match="2 results of the rule, not 3"):
        infer_types(CustomJvp(), primal.input_types, [primal, rule])
    with pytest.raises(ShapeError, match="a region with 2 inputs is given 3 operands"):
        infer_types(CustomJvp(), primal.input_types, [primal, primal])
