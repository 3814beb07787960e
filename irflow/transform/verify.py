"""Whether two graphs compute the same: evaluated on random inputs, compared through f64.

A transformed graph may round differently, so it is not compared with the original bit by bit. Its
results may be as far from an evaluation in f64 as the original's are, times a small factor, plus
a few units in the last place of the largest element. Integers and bools must agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from irflow import dims, dtypes
from irflow.dtypes import DType
from irflow.errors import IrflowError
from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.evaluate import evaluate, step_limit
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op, fields_of
from irflow.ir.types import TensorType
from irflow.records import dataclass

ERROR_GROWTH = 8.0
ROUNDINGS = 64.0
MOST_ELEMENTS = 20_000_000
DRAWS = 2
MOST_STEPS = 1000
"""Of loops, which may never end on inputs drawn at random."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two graphs disagree, as rows for an error message."""

    facts: tuple[tuple[str, ...], ...]


def to_f64(graph: Graph) -> Graph:
    """A copy of `graph` with f64 for all floats: values, constants, attributes, regions too.

    Complex numbers become complex128.
    """
    result = Graph(graph.name)
    mapping: dict[Value, Value] = {}
    for value, role in zip(graph.inputs, graph.signature.inputs, strict=True):
        mapping[value] = result.add_input(_widen_type(value.type), value.hint, role)
    for node in graph:
        inputs = tuple(mapping[value] for value in node.inputs)
        regions = tuple(to_f64(region) for region in node.regions)
        copied = result.insert(Node(_widen_op(node.op), inputs, regions, node.location))
        mapping.update(zip(node.outputs, copied.outputs, strict=True))
    result.set_outputs([mapping[value] for value in graph.outputs], graph.signature.outputs)
    return result


def _widen_type(type: TensorType) -> TensorType:
    return type.with_dtype(dtypes.to_wide(type.dtype))


def _widen_op(op: Op) -> Op:
    changed = {}
    for name in fields_of(type(op)):
        value = getattr(op, name)
        wide = _widen(value)
        if wide is not value:
            changed[name] = wide
    return dataclasses.replace(op, **changed) if changed else op  # type: ignore[type-var]


def _widen(value: Attribute) -> Attribute:
    if isinstance(value, DType):
        return dtypes.to_wide(value)
    if isinstance(value, DenseArray):
        array = value.array
        wide = widened(array)
        return value if wide is array else DenseArray(wide)
    return value


def widened(array: np.ndarray) -> np.ndarray:
    """Floats as f64, complex numbers as complex128, all else as it is."""
    wide = dtypes.to_wide(dtypes.from_numpy(array.dtype))
    return array.astype(wide.numpy, copy=False)


def choose_sizes(graph: Graph) -> dict[str, int]:
    """Small sizes for the symbols of `graph`, different ones where their bounds allow it."""
    sizes = {}
    for position, symbol in enumerate(graph.symbols):
        wanted = max(symbol.lower, 2) + position + 1
        sizes[symbol.name] = wanted if symbol.upper is None else min(wanted, symbol.upper)
    return sizes


def draw_inputs(graph: Graph, sizes: dict[str, int], draw: int) -> list[np.ndarray]:
    """Random inputs for `graph`; draw 0 of both signs, draw 1 near 1; integers are small."""
    generator = np.random.default_rng(draw)
    return [_draw(generator, value.type.substitute(sizes), draw) for value in graph.inputs]


def _draw(generator: np.random.Generator, type: TensorType, draw: int) -> np.ndarray:
    shape, dtype = type.static_shape, type.dtype
    if dtype.kind == "bool":
        return np.asarray(generator.integers(0, 2, shape)).astype(np.bool_)
    if dtype.is_integer:
        lowest = -3 if draw == 0 and dtype.kind == "int" else 0
        return np.asarray(generator.integers(lowest, 5, shape)).astype(dtype.numpy)
    values = generator.normal(size=shape) if draw == 0 else generator.uniform(0.5, 1.5, shape)
    if dtype.kind == "complex":
        values = values + 1j * generator.normal(size=shape)
    return np.asarray(values).astype(dtype.numpy)


@dataclass(frozen=True, slots=True)
class _Case:
    inputs: list[np.ndarray]
    results: list[np.ndarray]
    exact: list[np.ndarray]


class Oracle:
    """What a graph computes on a few random inputs, to compare transformed graphs with.

    Attributes:
        unusable: why the graph cannot be evaluated here, or None.
    """

    def __init__(self, graph: Graph) -> None:
        self.unusable: str | None = None
        self._sizes = choose_sizes(graph)
        self._epsilon = max((value.type.dtype.epsilon for value in _all_values(graph)), default=0.0)
        self._cases: list[_Case] = []
        try:
            if _count_elements(graph, self._sizes) > MOST_ELEMENTS:
                self.unusable = f"more than {MOST_ELEMENTS} elements"
                return
            with step_limit(MOST_STEPS):
                self._cases = [self._case(graph, draw) for draw in range(DRAWS)]
        except (IrflowError, ArithmeticError, ValueError) as error:
            self.unusable = f"{type(error).__name__}: {str(error).splitlines()[0]}"

    def _case(self, graph: Graph, draw: int) -> _Case:
        inputs = draw_inputs(graph, self._sizes, draw)
        results = evaluate(graph, inputs, self._sizes)
        wide = [widened(x) for x in inputs]
        return _Case(inputs, results, evaluate(to_f64(graph), wide, self._sizes))

    def difference(self, graph: Graph) -> Difference | None:
        """The first disagreement of `graph` with the original, or None."""
        for case in self._cases:
            try:
                with step_limit(MOST_STEPS):
                    results = evaluate(graph, case.inputs, self._sizes)
            except (IrflowError, ArithmeticError, ValueError, TypeError, KeyError) as error:
                return Difference((("evaluation", f"{type(error).__name__}: {error}"),))
            found = self._compare(case, results)
            if found is not None:
                return found
        return None

    def _compare(self, case: _Case, results: Sequence[np.ndarray]) -> Difference | None:
        for number, (before, exact, after) in enumerate(
            zip(case.results, case.exact, results, strict=True)
        ):
            if before.shape != after.shape or before.dtype != after.dtype:
                return Difference(
                    (
                        (
                            f"output {number}",
                            f"{before.dtype}{before.shape} became {after.dtype}{after.shape}",
                        ),
                    )
                )
            wrong = wrong_elements(before, exact, after, self._epsilon)
            if wrong.any():
                index = tuple(int(i) for i in np.argwhere(wrong)[0])
                rows = [("before", before), ("after", after), ("in f64", exact)]
                values = tuple((label, str(array[index])) for label, array in rows)
                return Difference(((f"output {number}", f"at index {index}"), *values))
        return None


def wrong_elements(
    before: np.ndarray, exact: np.ndarray, after: np.ndarray, epsilon: float
) -> np.ndarray:
    """Where `after` may not stand for `before`, given the result in f64."""
    if np.iscomplexobj(before):
        is_wrong = wrong_elements(before.real, exact.real, after.real, epsilon)
        is_wrong |= wrong_elements(before.imag, exact.imag, after.imag, epsilon)
        return is_wrong
    if not dtypes.from_numpy(before.dtype).is_float:
        return np.asarray((after != before) & (after != exact))
    with np.errstate(all="ignore"):
        b, a = before.astype(np.float64), after.astype(np.float64)
        error = np.abs(b - exact)
        finite = np.isfinite(error)
        scale = np.max(np.abs(exact), where=np.isfinite(exact), initial=0.0)
        allowed = (
            ERROR_GROWTH * np.max(error, where=finite, initial=0.0) + ROUNDINGS * epsilon * scale
        )
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        close = (np.abs(a - exact) <= allowed) | (np.abs(a - b) <= allowed)
        return np.asarray(~(same | close))


def _all_values(graph: Graph) -> Iterator[Value]:
    yield from graph.inputs
    for node in graph:
        yield from node.outputs
        for region in node.regions:
            yield from _all_values(region)


def _count_elements(graph: Graph, sizes: dict[str, int]) -> int:
    return sum(
        dims.evaluate(size, sizes) if not isinstance(size, int) else size
        for size in (
            value.type.size for value in [*graph.inputs, *(o for n in graph for o in n.outputs)]
        )
    )


def signature_difference(before: Graph, after: Graph) -> Difference | None:
    """Whether a pass changed the types of inputs or outputs, which it may not."""
    for label, old, new in (
        ("inputs", before.input_types, after.input_types),
        ("outputs", before.output_types, after.output_types),
    ):
        if old != new:
            rows = ((label, ", ".join(map(str, types))) for types in (old, new))
            return Difference(tuple(rows))
    return None
