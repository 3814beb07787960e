"""Rows of arrays: the source whose samples are known by number, and its quick way to batches.

Shuffling and cutting such a source changes only the numbers; a batch is gathered from the arrays
at once, without going through its samples.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any, TypeVar

import numpy as np

from irflow import dims, dtypes, tree
from irflow.data import elements
from irflow.data.stage import Element, FilePlace, Origin, Pair, Several, Stage
from irflow.errors import DataError, ShapeError
from irflow.ir import TensorType
from irflow.records import dataclass

Numbers = range | np.ndarray
T = TypeVar("T")


class Order(ABC):
    """Which rows there are, in which order."""

    @abstractmethod
    def numbers(self) -> Numbers:
        """The numbers of the rows for the next pass over the data."""

    @abstractmethod
    def first_pass(self) -> Numbers:
        """The numbers of rows in some order, without counting as a pass."""


@dataclass(frozen=True, slots=True)
class InOrder(Order):
    """The rows of a range, the same at each pass."""

    rows: range

    def numbers(self) -> range:
        return self.rows

    def first_pass(self) -> range:
        return self.rows


@dataclass(frozen=True, slots=True)
class Shuffled(Order):
    """Another order of the rows at each pass."""

    base: Order
    permutations: Permutations
    buffer: int | None

    def numbers(self) -> np.ndarray:
        base, random = self.base.numbers(), self.permutations.next()
        if self.buffer is None or self.buffer >= len(base):
            return random.permutation(_as_array(base))
        return np.fromiter(drawn(_plain(base), self.buffer, random), np.int64, len(base))

    def first_pass(self) -> Numbers:
        return self.base.first_pass()


@dataclass(frozen=True, slots=True)
class Cut(Order):
    """A part of an order."""

    base: Order
    part: slice

    def numbers(self) -> Numbers:
        return self.base.numbers()[self.part]

    def first_pass(self) -> Numbers:
        return self.base.first_pass()[self.part]


@dataclass(frozen=True)
class Permutations:
    """The random numbers of a shuffle: other ones at each pass, unless `reshuffle` is False."""

    seed: int
    reshuffle: bool
    _passes: Iterator[int] = field(default_factory=itertools.count, compare=False)

    def next(self) -> np.random.RandomState:
        """The generator for the next pass."""
        number = next(self._passes) if self.reshuffle else 0
        # The legacy generator is the one whose stream NumPy promises never to change (NEP 19).
        return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([self.seed, number])))


def drawn(items: Iterator[T], size: int | None, random: np.random.RandomState) -> Iterator[T]:
    """Each item is drawn from a buffer of the next ones, whose place the following one takes."""
    buffer = list(items if size is None else itertools.islice(items, size))
    for following, place in zip(items, _places(random, len(buffer)), strict=False):
        chosen, buffer[place] = buffer[place], following
        yield chosen
    for place in random.permutation(len(buffer)).tolist():
        yield buffer[place]


def _places(random: np.random.RandomState, size: int) -> Iterator[int]:
    """Random places in a buffer, drawn many at a time."""
    while True:
        yield from random.randint(0, max(size, 1), 1024).tolist()


@dataclass(frozen=True, eq=False)
class Rows(Stage):
    """The rows of arrays, as samples.

    Attributes:
        arrays: the leaves; their first axes have the same size. Samples are views of them that
            cannot be written to.
        structure: of a sample.
        order: which rows.
        count: how many.
        file: where the arrays come from, if that is a file.
    """

    arrays: tuple[np.ndarray, ...]
    structure: tree.Structure
    order: Order
    count: int
    file: str | None = None

    def pairs(self) -> Iterator[Pair]:
        arrays, unflatten = self.arrays, self.structure.unflatten
        is_single = self.structure.kind == "leaf"
        for number in _plain(self.order.numbers()):
            leaves = [array[number] for array in arrays]
            yield self.origin(number), leaves[0] if is_single else unflatten(leaves)

    def origin(self, number: int) -> Origin:
        """The origin of a row."""
        return number if self.file is None else FilePlace(number, self.file)

    def length(self) -> int:
        return self.count

    def sample(self) -> Element:
        numbers = self.order.first_pass()
        if not self.count:
            raise DataError("the dataset is empty, so there is no sample")
        return self.structure.unflatten([array[int(numbers[0])] for array in self.arrays])

    def spec(self) -> Element:
        return self.structure.unflatten([_type(a, a.shape[1:]) for a in self.arrays])

    def cut(self, part: slice) -> Rows:
        """A part of the rows, in their order."""
        count = len(range(self.count)[part])
        order = (
            InOrder(self.order.rows[part])
            if isinstance(self.order, InOrder)
            else Cut(self.order, part)
        )
        return Rows(self.arrays, self.structure, order, count, self.file)

    def shuffled(self, permutations: Permutations, buffer: int | None) -> Rows:
        """The same rows in another order at each pass, each drawn from a buffer or from all."""
        order = Shuffled(self.order, permutations, buffer)
        return Rows(self.arrays, self.structure, order, self.count, self.file)

    def gather(self, numbers: Numbers) -> list[np.ndarray]:
        """Some rows of each array: views where they are in sequence, else copies."""
        if isinstance(numbers, range):
            stop: int | None = numbers.stop
            part = slice(numbers.start, stop, numbers.step)
            return [array[part] for array in self.arrays]
        return [array.take(numbers, axis=0) for array in self.arrays]


@dataclass(frozen=True, eq=False)
class RowBatches(Stage):
    """Batches of rows, gathered from the arrays."""

    rows: Rows
    size: int
    drop_remainder: bool

    def pairs(self) -> Iterator[Pair]:
        rows, size = self.rows, self.size
        is_single = rows.structure.kind == "leaf"
        numbers = rows.order.numbers()
        stop = len(numbers) - len(numbers) % size if self.drop_remainder else len(numbers)
        for start in range(0, stop, size):
            part = numbers[start : start + size]
            leaves = rows.gather(part)
            batch = leaves[0] if is_single else rows.structure.unflatten(leaves)
            yield _Gathered(rows, part), batch

    def length(self) -> int:
        return batch_count(self.rows.count, self.size, self.drop_remainder)

    def sample(self) -> Element:
        numbers = self.rows.order.first_pass()[: self.size]
        return self.rows.structure.unflatten(self.rows.gather(numbers))

    def spec(self) -> Element:
        size = batch_size(self.rows.count, self.size, self.drop_remainder)
        types = [_type(array, (size, *array.shape[1:])) for array in self.rows.arrays]
        return self.rows.structure.unflatten(types)


def batch_count(count: int, size: int, drop_remainder: bool) -> int:
    """How many batches there are."""
    return count // size if drop_remainder else -(-count // size)


def batch_size(count: float | None, size: int, drop_remainder: bool) -> dims.Size:
    """The size of all batches if it is one, else a symbol for it."""
    is_even = count is not None and (count == float("inf") or count % size == 0)
    return size if drop_remainder or is_even else dims.symbol("n", 1, size)


class _Gathered(Several):
    """The origins of a batch of rows, as numbers that nobody looks at unless there is an error."""

    def __init__(self, rows: Rows, numbers: Numbers) -> None:
        object.__setattr__(self, "origins", _Origins(rows, numbers))


class _Origins(Sequence[Any]):
    def __init__(self, rows: Rows, numbers: Numbers) -> None:
        self.rows = rows
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: Any) -> Any:
        found = self.numbers[key]
        if isinstance(key, slice):
            return [self.rows.origin(int(number)) for number in found]
        return self.rows.origin(int(found))


def _as_array(numbers: Numbers) -> np.ndarray:
    if isinstance(numbers, range):
        return np.arange(numbers.start, numbers.stop, numbers.step)
    return numbers


def _plain(numbers: Numbers) -> Iterator[int]:
    return iter(numbers) if isinstance(numbers, range) else iter(numbers.tolist())


def _type(array: np.ndarray, shape: tuple[dims.Size, ...]) -> Any:
    if array.dtype.newbyteorder("=") not in dtypes.NUMPY_TYPES:
        return array.dtype.type
    return TensorType(dtypes.from_numpy(array.dtype), shape)


def rows_of(data: Any, file: str | None = None) -> Rows:
    """The rows of arrays in a nested structure.

    Raises:
        ShapeError: an array without axes, or first axes of different sizes.
    """
    leaves, structure = elements.flatten(data)
    arrays = tuple(_locked(elements.array_of(leaf)) for leaf in leaves)
    paths = structure.paths("data")
    if not arrays:
        raise ShapeError("a dataset of arrays needs at least one array")
    for path, array in zip(paths, arrays, strict=True):
        if not array.ndim:
            raise ShapeError(f"{path} has no axis to take samples from")
    if len({len(array) for array in arrays}) > 1:
        facts = [
            (path, f"{array.dtype}{list(array.shape)}", f"{len(array)} samples")
            for path, array in zip(paths, arrays, strict=True)
        ]
        raise ShapeError("arrays hold different numbers of samples", facts=facts)
    count = len(arrays[0])
    return Rows(arrays, structure, InOrder(range(count)), count, file)


def _locked(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written to, so that no sample changes the user's data."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
