"""The cases of the conformance kit: all samples of all ops, and all ops in all element types."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

import irflow.ops  # noqa: F401  registers the ops
from irflow import dims, dtypes
from irflow.dtypes import DType
from irflow.errors import IrflowError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ir.op import OPS, Op, Sample, fields_of, infer_types
from irflow.ir.types import TensorType, type_of
from irflow.ops.elementwise import Convert, Elementwise, row_inputs
from irflow.records import dataclass
from irflow.scalars import KINDS, ROWS, Scalar
from irflow.testing.reference import values_of

Part = tuple[str, Graph, tuple[np.ndarray, ...]]
"""A label, a graph and its inputs."""

REAL = tuple(dtype for dtype in dtypes.ALL if dtype.kind != "complex")


@dataclass(frozen=True)
class SampleCase:
    """One sample of an op as graphs: as declared, and with its symbolic sizes bound."""

    op: str
    number: int
    sample: Sample

    def __str__(self) -> str:
        return f"{self.op}-{self.number}-{self.sample.label}".rstrip("-")

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        return self.sample.inputs

    @property
    def parts(self) -> list[Part]:
        """The bound graph with its label and inputs."""
        return [(str(self), self.bound, self.inputs)]

    @property
    def declared(self) -> Graph:
        """The graph with the sizes of the sample, symbolic ones too."""
        types = [type_of(array) for array in self.inputs]
        if self.sample.shapes is not None:
            shapes = self.sample.shapes
            types = [t.with_shape(shape) for t, shape in zip(types, shapes, strict=True)]
        return single(self.sample.op, types, self.sample.regions)

    @cached_property
    def bound(self) -> Graph:
        """The graph with concrete sizes."""
        declared = self.declared
        pairs = enumerate(zip(declared.inputs, self.inputs, strict=True))
        sizes = dims.solve((f"input {i}", v.type.shape, x.shape) for i, (v, x) in pairs)
        return declared.copy(sizes)


def single(op: Op, types: Sequence[TensorType], regions: Sequence[Graph] = ()) -> Graph:
    """A graph that applies `op` to its inputs and returns all results."""
    graph = Graph(op.name)
    inputs = [graph.add_input(type, f"x{i}") for i, type in enumerate(types)]
    graph.set_outputs(Builder(graph).emit(op, inputs, [region.copy() for region in regions]))
    return graph


@dataclass(frozen=True)
class SampleGroup:
    """Samples of one op that may be compiled as one graph: they are compared with one epsilon."""

    cases: tuple[SampleCase, ...]

    def __str__(self) -> str:
        first, last = self.cases[0], self.cases[-1]
        return str(first) if first is last else f"{first}-to-{last.number}"

    @property
    def parts(self) -> list[Part]:
        """The bound graphs with their labels and inputs."""
        return [part for case in self.cases for part in case.parts]


def sample_cases() -> list[SampleCase]:
    """Every sample of every op, in the order of the ops' names."""
    return _sample_cases(tuple(sorted(OPS.items())))


@functools.cache
def _sample_cases(ops: tuple[tuple[str, type[Op]], ...]) -> list[SampleCase]:
    return [
        SampleCase(name, number, sample)
        for name, op in ops
        for number, sample in enumerate(op.samples())
    ]


def sample_groups(most: int) -> list[SampleGroup]:
    """All samples, up to `most` of an op together."""
    found: dict[tuple[str, float], list[SampleCase]] = {}
    for case in sample_cases():
        epsilon = max((v.type.dtype.epsilon for v in values_of(case.bound)), default=0.0)
        found.setdefault((case.op, epsilon), []).append(case)
    return [
        SampleGroup(tuple(cases[start : start + most]))
        for cases in found.values()
        for start in range(0, len(cases), most)
    ]


@dataclass(frozen=True)
class DTypeCase:
    """What an op does in one element type: several small graphs with their inputs and labels."""

    op: str
    dtype: DType

    def __str__(self) -> str:
        return f"{self.op}-{self.dtype}"

    def parts(self, share: int = 1) -> Iterator[Part]:
        """The graphs, each with a label and inputs.

        Args:
            share: of an op's samples one in so many is taken, others in the next element type, so
                that each comes up in some; all rows are.
        """
        if self.op == "elementwise":
            yield from _row_parts(self.dtype)
        elif self.op == "convert":
            yield from _convert_parts(self.dtype)
        else:
            turn = REAL.index(self.dtype)
            for number, sample in enumerate(recast_samples(OPS[self.op], self.dtype)):
                if number == 0 or (number + turn) % share == 0:
                    types = [type_of(array) for array in sample.inputs]
                    yield sample.label, single(sample.op, types, sample.regions), sample.inputs


def merged(parts: Sequence[Part]) -> Part:
    """Several small graphs side by side in one, which is compiled faster than each alone."""
    graph = Graph("merged")
    builder = Builder(graph)
    outputs: list[Value] = []
    for label, part, _ in parts:
        inputs = [graph.add_input(v.type, f"{label}_{v.hint}") for v in part.inputs]
        outputs += builder.inline(part, inputs)
    graph.set_outputs(outputs)
    return "all", graph, tuple(array for _, _, inputs in parts for array in inputs)


def dtype_cases() -> list[DTypeCase]:
    """Every op with every element type that it takes, complex ones left out."""
    cases = [DTypeCase(name, dtype) for name in sorted(OPS) for dtype in REAL]
    return [case for case in cases if any(True for _ in case.parts())]


def rows_for(dtype: DType) -> list[Scalar]:
    """The scalar functions that take an element type."""
    return [row for row in ROWS.values() if dtype.kind in KINDS[row.accepts]]


def _row_parts(dtype: DType) -> Iterator[Part]:
    for row in rows_for(dtype):
        inputs = row_inputs(row, dtype)
        yield row.name, single(Elementwise(row), [type_of(x) for x in inputs]), inputs


def _convert_parts(dtype: DType) -> Iterator[Part]:
    values = recast(
        np.array([0.0, 1.0, 2.7, -1.5, 100.0, 3e9, -3e9, np.inf, -np.inf, np.nan]), dtype
    )
    for target in REAL:
        yield f"to-{target}", single(Convert(target), [type_of(values)]), (values,)


def recast_samples(op: type[Op], dtype: DType) -> Iterable[Sample]:
    """The f32 samples of an op in another element type, as far as the op takes it."""
    if dtype is dtypes.f32:
        return
    for sample in op.samples():
        if sample.shapes is not None or sample.regions:
            continue
        changed = recast_op(sample.op, dtype)
        inputs = tuple(recast(x, dtype) if x.dtype == np.float32 else x for x in sample.inputs)
        if changed is sample.op and all(x.dtype != np.float32 for x in sample.inputs):
            continue
        try:
            infer_types(changed, [type_of(array) for array in inputs])
        except IrflowError:
            continue
        yield dataclasses.replace(sample, op=changed, inputs=inputs)


def recast_op(op: Op, dtype: DType) -> Op:
    """An op whose attributes that are f32 are another type."""
    changed = {n: dtype for n in fields_of(type(op)) if getattr(op, n) is dtypes.f32}
    return dataclasses.replace(op, **changed) if changed else op  # type: ignore[type-var]


def recast(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Values in another element type: NaN becomes 0 in integers, what is too large the limit."""
    if dtype.is_inexact:
        with np.errstate(all="ignore"):
            return array.astype(dtype.numpy)
    if dtype.kind == "bool":
        return np.asarray(array > 0)
    return np.asarray(Convert(dtype).numpy(array))
