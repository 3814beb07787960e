"""What examples tell: between which numbers operands are, and how far results move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from irflow import compiler, dtypes, tree
from irflow.frontend.stages import Compiled, Traced
from irflow.ir.graph import Graph, Value
from irflow.quantization.rounding import SMALLEST, Range
from irflow.records import dataclass

Example = tuple[Any, ...]
"""The arguments of a call."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far the results on the examples are from those in full precision.

    Attributes:
        rms: the root of the mean square of the error, relative to that of the results.
        largest: the largest error, relative to the largest result.
    """

    rms: float
    largest: float


class Comparison:
    """Collects pairs of arrays, and knows how far they are apart."""

    def __init__(self) -> None:
        self._square = self._error = self._largest = self._reach = 0.0

    def add(self, found: np.ndarray, wanted: np.ndarray) -> None:
        """One more pair."""
        exact = wanted.astype(np.float64)
        off = found.astype(np.float64) - exact
        self._error += float((off**2).sum())
        self._square += float((exact**2).sum())
        self._largest = max(self._largest, float(np.abs(off).max(initial=0)))
        self._reach = max(self._reach, float(np.abs(exact).max(initial=0)))

    @property
    def accuracy(self) -> Accuracy:
        """Of all pairs together."""
        rms = (self._error / max(self._square, SMALLEST)) ** 0.5
        return Accuracy(rms, self._largest / max(self._reach, SMALLEST))


def ranges_of(
    values: Sequence[Value],
    graph: Graph,
    traced: Traced,
    calls: Sequence[Example],
    share: float,
) -> list[Range]:
    """Between which numbers each value is over all calls.

    Args:
        values: of the graph.
        graph: as it is before anything is in bytes.
        traced: how it is called.
        calls: the examples.
        share: of the numbers of a call, so many are in the range; the rest, half of it at each end,
            may lie beyond.
    """
    ranges = [Range(0.0, 0.0) for _ in values]
    watch = watching(values, graph, traced)
    for call in calls:
        ranges = [
            found.joined(*_ends(array, share))
            for found, array in zip(ranges, watch(call), strict=True)
        ]
    return ranges


def _ends(array: np.ndarray, share: float) -> tuple[float, float]:
    if not array.size:
        return 0.0, 0.0
    if share == 1:
        return float(array.min()), float(array.max())
    low, high = np.quantile(array, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def watching(
    values: Sequence[Value], graph: Graph, traced: Traced
) -> Callable[[Example], list[np.ndarray]]:
    """A function of an example that gives what values of a graph are then."""
    watched = graph.copy()
    places = dict(zip(graph.values, watched.values, strict=True))
    watched.set_outputs([places[value] for value in values])
    executable = compiler.compile_graph(watched, backend=traced.backend)

    def watch(call: Example) -> list[np.ndarray]:
        return list(executable(_leaves(traced, call)))

    return watch


def _leaves(traced: Traced, call: Example) -> list[np.ndarray]:
    """The arrays of a call's arguments."""
    signature = traced.signature
    tensors = signature.tensors(signature.parameters.split(call, {}))
    return [tensor.data for tensor in tensors]


def errors_of(
    made: Callable[[Example], list[np.ndarray]],
    exact: Callable[[Example], list[np.ndarray]],
    calls: Sequence[Example],
) -> list[float]:
    """The relative error of each of the values that two functions give, over all calls."""
    comparisons = list[Comparison]()
    for call in calls:
        pairs = list(zip(made(call), exact(call), strict=True))
        comparisons = comparisons or [Comparison() for _ in pairs]
        for comparison, pair in zip(comparisons, pairs, strict=True):
            comparison.add(*pair)
    return [comparison.accuracy.rms for comparison in comparisons]


def accuracy_of(made: Compiled, exact: Compiled, calls: Sequence[Example]) -> Accuracy:
    """How far the float results of a function are from those of another."""
    comparison = Comparison()
    for call in calls:
        for pair in zip(_results(made, call), _results(exact, call), strict=True):
            comparison.add(*pair)
    return comparison.accuracy


def _results(compiled: Compiled, call: Example) -> Iterator[np.ndarray]:
    """The results that are floats."""
    for leaf in tree.flatten(compiled(*call))[0]:
        array = np.asarray(leaf)
        if dtypes.from_numpy(array.dtype).is_float:
            yield array
