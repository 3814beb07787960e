"""Every op on all of its samples: types, symbolic sizes, text, derivatives, inputs left alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import irflow.ops  # noqa: F401  registers the ops
from irflow import dims
from irflow.autodiff import vjp_graph
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import OPS, Sample
from irflow.ir.parse import parse_graph
from irflow.ir.print import print_graph
from irflow.ir.types import TensorType, type_of
from tests.irflow.ops.derivatives import (
    check_jvp,
    check_second_vjp,
    check_vjp,
    float_positions,
    graph_of,
    widen,
)


@dataclass(frozen=True)
class Case:
    """One sample as graphs: as declared, and with its symbolic sizes bound."""

    name: str
    sample: Sample

    @property
    def types(self) -> tuple[TensorType, ...]:
        arrays, shapes = self.sample.inputs, self.sample.shapes
        concrete = tuple(type_of(array) for array in arrays)
        if shapes is None:
            return concrete
        return tuple(t.with_shape(shape) for t, shape in zip(concrete, shapes, strict=True))

    @property
    def sizes(self) -> dict[str, int]:
        inputs = zip(self.types, self.sample.inputs, strict=True)
        return dims.solve((f"input {i}", t.shape, x.shape) for i, (t, x) in enumerate(inputs))

    @property
    def declared(self) -> Graph:
        return graph_of(self.sample.op, self.types, self.sample.regions)

    @property
    def bound(self) -> Graph:
        op = self.sample.op.substitute(self.sizes)
        types = [type_of(array) for array in self.sample.inputs]
        return graph_of(op, types, [r.copy(self.sizes) for r in self.sample.regions])

    @property
    def wrt(self) -> list[int]:
        """The inputs to differentiate."""
        floats = [i for i, t in enumerate(self.types) if t.dtype.is_float]
        chosen = self.sample.differentiable
        return floats if chosen is None else list(chosen)

    def problem(self) -> tuple[Graph, list[np.ndarray], list[int]]:
        """The bound graph and its inputs in f64, and the inputs to differentiate."""
        graph = widen(self.bound)
        pairs = zip(graph.inputs, self.sample.inputs, strict=True)
        return graph, [array.astype(value.type.dtype.numpy) for value, array in pairs], self.wrt


CASES = [
    pytest.param(Case(name, sample), id=f"{name}-{number}-{sample.label}")
    for name, op in sorted(OPS.items())
    for number, sample in enumerate(op.samples())
]
SYMBOLIC = [p for p in CASES if p.values[0].sample.shapes is not None]
DIFFERENTIABLE = [
    p for p in CASES if p.values[0].wrt and float_positions(p.values[0].bound.outputs)
]
SMOOTH = [p for p in DIFFERENTIABLE if p.values[0].sample.is_smooth]


@pytest.mark.parametrize("name", sorted(OPS))
def test_an_op_has_samples(name: str) -> None:
    assert any(True for _ in OPS[name].samples())


# Shapes pass through the first two unchanged; a fusion is a call by another name; the operands of
# random bits are of fixed sizes, from which no symbol can be solved.
WITHOUT_SYMBOLS = {"convert", "elementwise", "fusion", "random_bits"}


@pytest.mark.parametrize("name", sorted(OPS.keys() - WITHOUT_SYMBOLS))
def test_an_op_with_inputs_has_a_symbolic_sample(name: str) -> None:
    samples = list(OPS[name].samples())
    has_inputs = any(sample.inputs for sample in samples)
    assert not has_inputs or any(sample.shapes is not None for sample in samples)


@pytest.mark.parametrize("case", CASES)
def test_infer_gives_the_types_of_numpy(case: Case) -> None:
    graph = case.bound
    results = evaluate(graph, case.sample.inputs)
    assert all(isinstance(result, np.ndarray) for result in results)
    assert [type_of(result) for result in results] == list(graph.output_types)


@pytest.mark.parametrize("case", SYMBOLIC)
def test_symbolic_types_and_values_become_the_concrete_ones(case: Case) -> None:
    declared, bound = case.declared, case.bound
    assert [t.substitute(case.sizes) for t in declared.output_types] == list(bound.output_types)
    pairs = zip(
        evaluate(declared, case.sample.inputs), evaluate(bound, case.sample.inputs), strict=True
    )
    for left, right in pairs:
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("case", CASES)
def test_text_reads_back_to_the_same_graph(case: Case) -> None:
    graph = case.declared
    text = print_graph(graph)
    again = parse_graph(text)
    assert print_graph(again) == text
    (node,), (copy,) = graph, again
    assert copy.op == node.op
    assert again.input_types == graph.input_types
    assert again.output_types == graph.output_types


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_not_changed(case: Case) -> None:
    views = [array.view() for array in case.sample.inputs]
    before = [view.tobytes() for view in views]
    for view in views:
        view.flags.writeable = False
    evaluate(case.bound, views)
    assert [view.tobytes() for view in views] == before


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_vjp_equals_differences(case: Case) -> None:
    check_vjp(*case.problem())


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_jvp_agrees_with_vjp(case: Case) -> None:
    check_jvp(*case.problem())


@pytest.mark.parametrize("case", [p for p in DIFFERENTIABLE if len(p.values[0].wrt) > 1])
def test_derivatives_by_one_input_alone(case: Case) -> None:
    graph, arrays, wrt = case.problem()
    for position in wrt:
        check_vjp(graph, arrays, [position])
        check_jvp(graph, arrays, [position])


@pytest.mark.parametrize("case", SMOOTH)
def test_second_derivatives_equal_differences(case: Case) -> None:
    check_second_vjp(*case.problem())


@pytest.mark.parametrize("case", SYMBOLIC)
def test_gradients_of_symbolic_graphs_have_the_types_of_the_inputs(case: Case) -> None:
    """`vjp_graph` checks each gradient's type, so a size that does not cancel shows here."""
    graph = case.declared
    wrt = case.wrt if float_positions(graph.outputs) else []
    gradients = vjp_graph(graph, wrt).outputs[len(graph.outputs) :]
    assert [g.type for g in gradients] == [graph.inputs[i].type for i in wrt]
