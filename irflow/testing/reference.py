"""What a graph should compute, and whether a result may stand for it.

The reference is an evaluation of the graph with all floats in f64. A result in the graph's own
types may differ from it by a multiple of its epsilon times the largest magnitude, and by a multiple
of what rounding does to the graph, which evaluations with random rounding errors measure. Integers
and bools are compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from irflow import dtypes
from irflow.errors import align
from irflow.ir.evaluate import bind_sizes, evaluate, run_node
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering
from irflow.ir.types import type_of
from irflow.records import dataclass
from irflow.transform.verify import to_f64, widened, wrong_elements

SPREAD_FACTOR = 16.0
NOISY_RUNS = 4
EXACT_ROWS = frozenset(
    (
        "negative",
        "absolute",
        "maximum",
        "minimum",
        "where",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "sign",
    )
)


# What these return in floats is elements of their operands; other orders of almost equal elements
# would be taken for rounding errors of what is computed from the positions.
EXACT_OPS = frozenset(("sort", "top_k", "search_sorted"))


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A result that may not stand for the expected one.

    Attributes:
        result: the position of the result.
        rows: label and text, one a line of the message.
    """

    result: int
    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n".join([f"result {self.result} is wrong", *("  " + r for r in align(self.rows))])


class Reference:
    """The expected results of a graph on given inputs.

    Args:
        graph: a checked graph.
        inputs: one array an input.

    Attributes:
        own: the results in the graph's own element types.
        exact: the results with f64 in the place of every float.
    """

    def __init__(self, graph: Graph, inputs: Sequence[np.ndarray]) -> None:
        self.graph = graph
        self.inputs = [np.asarray(array) for array in inputs]
        self.sizes = bind_sizes(graph, self.inputs)
        self.own = [np.asarray(x) for x in evaluate(graph, self.inputs, self.sizes)]
        self._wide = to_f64(graph)
        self._wide_inputs = [widened(array) for array in self.inputs]
        wide = evaluate(self._wide, self._wide_inputs, self.sizes)
        self.exact = [np.asarray(x) for x in wide]
        self.epsilon = max((v.type.dtype.epsilon for v in values_of(graph)), default=0.0)
        self._spread: list[float] | None = None

    def check(self, results: Sequence[np.ndarray], what: str) -> None:
        """AssertionError, `what` first, unless `results` may stand for the expected ones."""
        found = self.mismatch(results)
        assert found is None, f"{what}: {found}"

    def mismatch(self, results: Sequence[np.ndarray]) -> Mismatch | None:
        """The first result that is wrong, with its worst element."""
        if not all(isinstance(result, np.ndarray) for result in results):
            kinds = ", ".join(type(result).__name__ for result in results)
            return Mismatch(0, (("expected", "ndarrays"), ("got", kinds)))
        if len(results) != len(self.own):
            return Mismatch(0, (("results", f"{len(results)} instead of {len(self.own)}"),))
        for number, got in enumerate(results):
            rows = self._rows(number, got)
            if rows:
                return Mismatch(number, rows)
        return None

    def _rows(self, number: int, got: np.ndarray) -> tuple[tuple[str, str], ...]:
        own = self.own[number]
        if got.dtype != own.dtype or got.shape != own.shape:
            return (("expected", str(type_of(own))), ("got", str(type_of(got))))
        wrong = self._wrong(number, got)
        if not wrong.any():
            return ()
        index = _worst(wrong, got, self.exact[number])
        extent = f"{type_of(own)}; {int(wrong.sum())} of {wrong.size} elements are wrong"
        return (
            ("worst at", f"{index}  ({extent})"),
            ("expected", f"{self.exact[number][index]!s}"),
            ("in its dtype", f"{own[index]!s}"),
            ("got", f"{got[index]!s}"),
        )

    def _wrong(self, number: int, got: np.ndarray) -> np.ndarray:
        own, exact = self.own[number], self.exact[number]
        if not dtypes.from_numpy(own.dtype).is_inexact:
            return np.asarray((got != own) & (got != exact))
        wrong = wrong_elements(own, exact, got, self.epsilon)
        if wrong.any() and not np.iscomplexobj(own):
            with np.errstate(all="ignore"):
                error = np.abs(got.astype(np.float64) - exact)
            wrong &= ~(error <= SPREAD_FACTOR * self.spread[number])
        return wrong

    @property
    def spread(self) -> list[float]:
        """By how much rounding errors of the size of epsilon change each result."""
        if self._spread is None:
            runs = [self._noisy(seed) for seed in range(NOISY_RUNS)]
            self._spread = [
                max(largest_difference(run[i], exact) for run in runs)
                for i, exact in enumerate(self.exact)
            ]
        return self._spread

    def _noisy(self, seed: int) -> list[np.ndarray]:
        generator = np.random.default_rng(seed)
        values: dict[Value, np.ndarray] = dict(
            zip(self._wide.inputs, self._wide_inputs, strict=True)
        )
        for node, wide in zip(self.graph, self._wide, strict=True):
            inputs = [values[value] for value in wide.inputs]
            if rounds(node):
                pairs = zip(inputs, node.inputs, strict=True)
                inputs = [perturbed(x, v.type.dtype.epsilon, generator) for x, v in pairs]
            results = run_node(wide, inputs, self.sizes)
            for value, own, array in zip(wide.outputs, node.outputs, results, strict=True):
                size = own.type.dtype.epsilon if rounds(node) else 0.0
                values[value] = perturbed(np.asarray(array), size, generator)
        return [values[value] for value in self._wide.outputs]


def values_of(graph: Graph) -> Iterator[Value]:
    """All values of a graph and of its regions."""
    yield from graph.inputs
    for node in graph:
        yield from node.outputs
        for region in node.regions:
            yield from values_of(region)


def rounds(node: Node) -> bool:
    """Whether a node's float results are rounded, not only moved or chosen."""
    row = getattr(node.op, "row", None)
    if row is not None:
        return row.name not in EXACT_ROWS
    if node.op.name in EXACT_OPS:
        return False
    return node.op.lowering is not Lowering.ELEMENT or node.op.name == "convert"


def perturbed(array: np.ndarray, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """Floats moved by up to `epsilon`, relative to each."""
    if array.dtype != np.float64 or not epsilon:
        return array
    with np.errstate(all="ignore"):
        noise: np.ndarray = 1 + epsilon * generator.uniform(-1, 1, array.shape)
        return np.asarray(array * noise)


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest finite distance of two arrays of floats; 0 for other element types."""
    if b.dtype != np.float64:
        return 0.0
    with np.errstate(all="ignore"):
        distance = np.abs(a - b)
    return float(np.max(distance, where=np.isfinite(distance), initial=0.0))


def _worst(wrong: np.ndarray, got: np.ndarray, exact: np.ndarray) -> tuple[int, ...]:
    """The index of the wrong element farthest from the exact one."""
    with np.errstate(all="ignore"):
        kind = np.complex128 if np.iscomplexobj(got) else np.float64
        distance = np.abs(got.astype(kind) - exact.astype(kind))
    distance = np.where(wrong, np.where(np.isnan(distance), np.inf, distance), -1.0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(distance)), got.shape))


def assert_same_bits(left: Sequence[np.ndarray], right: Sequence[np.ndarray], what: str) -> None:
    """AssertionError unless two lists of arrays agree in types and in every bit."""
    assert len(left) == len(right), f"{what}: {len(left)} results against {len(right)}"
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        assert a.dtype == b.dtype, f"{what}: result {number} is {a.dtype} and {b.dtype}"
        assert a.shape == b.shape, f"{what}: result {number} is {a.shape} and {b.shape}"
        if a.tobytes() != b.tobytes():
            places = np.argwhere(np.asarray((a != b) & ~((a != a) & (b != b))))
            where = tuple(int(i) for i in places[0]) if len(places) else "the sign of a zero or NaN"
            raise AssertionError(f"{what}: result {number} differs in bits, first at {where}")
