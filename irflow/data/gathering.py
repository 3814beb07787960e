"""The steps that hold several elements at a time: batches and the buffer of a shuffle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from irflow import tree
from irflow.data import elements
from irflow.data.rows import Permutations, batch_count, batch_size, drawn
from irflow.data.stage import ENDLESS, Element, Pair, Several, Step, describe
from irflow.errors import Fact, IrflowError
from irflow.ir import TensorType
from irflow.location import Location
from irflow.records import dataclass


@dataclass(frozen=True, eq=False)
class Batch(Step):
    """`size` elements as one, stacked leaf by leaf; the last batch may be smaller."""

    size: int
    drop_remainder: bool
    location: Location | None

    def pairs(self) -> Iterator[Pair]:
        pairs = self.source.pairs()
        while chunk := list(islice(pairs, self.size)):
            if len(chunk) < self.size and self.drop_remainder:
                return
            yield Several([origin for origin, _ in chunk]), self._stacked(chunk)

    def _stacked(self, chunk: list[Pair]) -> Element:
        def blame(number: int) -> list[Fact]:
            return describe(chunk[number][0])

        try:
            return elements.stack([element for _, element in chunk], blame)
        except IrflowError as error:
            raise error.at(self.location) from None

    def length(self) -> float | None:
        count = self.source.length()
        if count is None or count == ENDLESS:
            return count
        return batch_count(int(count), self.size, self.drop_remainder)

    def sample(self) -> Element:
        return elements.stack([self.source.sample()] * self.size, lambda _: [])

    def spec(self) -> Element:
        size = batch_size(self.source.length(), self.size, self.drop_remainder)

        def batched(leaf: object) -> object:
            if not isinstance(leaf, TensorType):
                return leaf
            return TensorType(leaf.dtype, (size, *leaf.shape))

        return tree.map_leaves(batched, self.source.spec())


@dataclass(frozen=True, eq=False)
class ShuffleBuffer(Step):
    """Each element is drawn from a buffer of the next ones, whose place the following one takes."""

    size: int | None  # None: all elements
    permutations: Permutations

    def pairs(self) -> Iterator[Pair]:
        return drawn(self.source.pairs(), self.size, self.permutations.next())
