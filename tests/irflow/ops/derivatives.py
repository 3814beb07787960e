"""Derivatives of a graph against central differences, in f64 along random directions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.autodiff import jvp_graph, vjp_graph
from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph, Value
from irflow.ir.op import Op, fields_of
from irflow.ir.types import TensorType

Arrays = Sequence[np.ndarray]
STEP = 1e-5
RELATIVE = 1e-5


def graph_of(op: Op, types: Sequence[TensorType], regions: Sequence[Graph] = ()) -> Graph:
    """A graph that applies `op` to its inputs and returns all results."""
    graph = Graph("sample")
    inputs = [graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
    copies = [region.copy() for region in regions]
    graph.set_outputs(Builder(graph).emit(op, inputs, copies))
    return graph


def widen(graph: Graph) -> Graph:
    """The graph with f64 in the place of f32 everywhere, also in attributes and regions."""
    result = Graph(graph.name)
    mapping: dict[Value, Value] = {}
    for value in graph.inputs:
        mapping[value] = result.add_input(value.type.with_dtype(wide(value.type.dtype)), value.hint)
    for node in graph:
        operands = [mapping[value] for value in node.inputs]
        regions = [widen(region) for region in node.regions]
        outputs = Builder(result).emit(widen_op(node.op), operands, regions)
        mapping.update(zip(node.outputs, outputs, strict=True))
    result.set_outputs([mapping[value] for value in graph.outputs])
    return result


def wide(dtype: DType) -> DType:
    return dtypes.f64 if dtype is dtypes.f32 else dtype


def widen_op(op: Op) -> Op:
    changed = {name: widen_attribute(getattr(op, name)) for name in fields_of(type(op))}
    return dataclasses.replace(op, **changed)  # type: ignore[type-var]


def widen_attribute(value: Any) -> Any:
    if isinstance(value, DType):
        return wide(value)
    if isinstance(value, DenseArray) and value.array.dtype == np.float32:
        return DenseArray(value.array.astype(np.float64))
    return tuple(map(widen_attribute, value)) if isinstance(value, tuple) else value


def float_positions(values: Sequence[Value]) -> list[int]:
    return [i for i, value in enumerate(values) if value.type.dtype.is_float]


def random_like(arrays: Arrays, generator: np.random.Generator) -> list[np.ndarray]:
    return [np.asarray(generator.normal(size=np.shape(a))) for a in arrays]


def dot(left: Arrays, right: Arrays) -> float:
    return float(sum(np.sum(a * b) for a, b in zip(left, right, strict=True)))


def shifted(arrays: Arrays, wrt: Sequence[int], tangents: Arrays, step: float) -> list[np.ndarray]:
    moved = list(arrays)
    for position, tangent in zip(wrt, tangents, strict=True):
        moved[position] = arrays[position] + step * tangent
    return moved


def difference(
    graph: Graph, arrays: Arrays, wrt: Sequence[int], tangents: Arrays
) -> list[np.ndarray]:
    """The change of the float outputs along `tangents`, by central differences."""
    ends = [evaluate(graph, shifted(arrays, wrt, tangents, h)) for h in (STEP, -STEP)]
    floats = float_positions(graph.outputs)
    return [(ends[0][i] - ends[1][i]) / (2 * STEP) for i in floats]


def random_problem(
    graph: Graph, arrays: Arrays, wrt: Sequence[int], seed: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Random tangents and cotangents, and the gradients that `vjp_graph` makes of the latter."""
    generator = np.random.default_rng(seed)
    tangents = random_like([arrays[i] for i in wrt], generator)
    results = evaluate(graph, arrays)
    cotangents = random_like([results[i] for i in float_positions(graph.outputs)], generator)
    gradients = evaluate(vjp_graph(graph, wrt), [*arrays, *cotangents])[len(results) :]
    for position, gradient in zip(wrt, gradients, strict=True):
        assert gradient.shape == arrays[position].shape
        assert gradient.dtype == arrays[position].dtype
    return tangents, cotangents, gradients


def check_vjp(graph: Graph, arrays: Arrays, wrt: Sequence[int], seed: int = 0) -> None:
    """`<J^T c, t>` equals `<c, J t>` with `J t` by central differences."""
    tangents, cotangents, gradients = random_problem(graph, arrays, wrt, seed)
    expected = dot(cotangents, difference(graph, arrays, wrt, tangents))
    scale = max(1.0, abs(expected))
    np.testing.assert_allclose(dot(gradients, tangents), expected, atol=RELATIVE * scale)


def check_jvp(graph: Graph, arrays: Arrays, wrt: Sequence[int], seed: int = 1) -> None:
    """`<c, J t>` by forward mode equals `<J^T c, t>` by reverse mode, to rounding."""
    tangents, cotangents, gradients = random_problem(graph, arrays, wrt, seed)
    pushed = evaluate(jvp_graph(graph, wrt), [*arrays, *tangents])[len(graph.outputs) :]
    expected = dot(gradients, tangents)
    scale = max(1.0, abs(expected))
    np.testing.assert_allclose(dot(cotangents, pushed), expected, atol=1e-10 * scale)


def check_second_vjp(graph: Graph, arrays: Arrays, wrt: Sequence[int], seed: int = 2) -> None:
    """The gradient graph is itself differentiated right, by the inputs and by the cotangents."""
    results = evaluate(graph, arrays)
    floats = [results[i] for i in float_positions(graph.outputs)]
    cotangents = random_like(floats, np.random.default_rng(seed))
    first = vjp_graph(graph, wrt)
    first.set_outputs(first.outputs[len(results) :])
    seeds = range(len(arrays), len(first.inputs))
    check_vjp(first, [*arrays, *cotangents], [*wrt, *seeds], seed)
