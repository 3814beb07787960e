"""Elementwise nests around random bits, four elements at a time.

Four words come from one scrambled block, and stand a quarter of the tensor apart. So the loops go
over the blocks, and at each of them compute four elements of every output:

    for block:  words = scramble(block);  y[block + q * w] = f(words[w])  for w in 0, 1, 2, 3

A quarter is a number of whole rows, or else each row is cut into four parts, of which `n` lie in
each quarter of `n` rows.
"""

from __future__ import annotations

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node
from irflow.loops import Buffer, Expr, Space
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.target import Target
from irflow.lowering.values import ZERO, Index, index_of
from irflow.ops.random_bits import WORDS, RandomBits
from irflow.records import dataclass

SHORTEST = 8
"""Parts of rows with fewer elements are no longer worth vectors."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a tensor falls into quarters.

    Attributes:
        shape: of the tensor.
        is_by_rows: whether a quarter is a number of whole entries of the first axis.
    """

    shape: tuple[Size, ...]
    is_by_rows: bool

    @classmethod
    def of(cls, shape: tuple[Size, ...]) -> _Plan | None:
        if not shape or 0 in shape:
            return None
        first, last = shape[0], shape[-1]
        if isinstance(first, int) and first % WORDS == 0:
            return cls(shape, True)
        is_cut = isinstance(last, int) and last % WORDS == 0 and last // WORDS >= SHORTEST
        return cls(shape, False) if is_cut else None

    @property
    def blocks(self) -> tuple[Size, ...]:
        """The loops over the blocks."""
        if self.is_by_rows:
            return (self.shape[0] // WORDS, *self.shape[1:])
        return (dims.product(self.shape[:-1]), self.shape[-1] // WORDS)

    def place(self, index: Index, word: int) -> tuple[Expr, ...]:
        """Where a word of a block goes."""
        if self.is_by_rows:
            rows = index_of(self.shape[0] // WORDS)
            return (index[0] + rows * word, *index[1:])
        count, part = self.blocks
        number = index[0] + index_of(count) * word
        row, column = number // WORDS, number % WORDS * index_of(part) + index[1]
        place = [column]
        for size in reversed(self.shape[1:-1]):
            place.append(row % index_of(size))
            row = row // index_of(size)
        return tuple(reversed([*place, row])) if len(self.shape) > 1 else (column,)


def _random_nodes(group: Group) -> list[Node]:
    return [node for node in group.nodes if isinstance(node.op, RandomBits)]


def is_by_quarters(group: Group) -> bool:
    """Whether a group without reductions has random bits of the outputs' shape that fall so."""
    nodes, shape = _random_nodes(group), group.outputs[0].type.shape
    # Of a batch of keys each has quarters of its own.
    is_alike = all(node.output.type.shape == shape for node in nodes) and not any(
        node.inputs[0].type.rank > 1 for node in nodes
    )
    return bool(nodes) and is_alike and _Plan.of(shape) is not None


def fill_bits(context: NestContext) -> None:
    """Write the random bits of a kernel to memory, before other loops of it read them there.

    So each block is scrambled once, where these loops do not come by its four words together.
    Nothing happens where `is_by_quarters` does not hold.
    """
    group = context.group
    if not is_by_quarters(group):
        return
    plan = _Plan.of(group.outputs[0].type.shape)
    assert plan is not None
    outputs = dict(zip(group.outputs, context.outputs, strict=True))
    nodes = _random_nodes(group)
    buffers = [outputs.get(node.output) or _room(context, node) for node in nodes]
    with context.output_loops(plan.blocks) as index:
        for node, buffer in zip(nodes, buffers, strict=True):
            for place, word in _words(context, plan, node, index):
                context.builder.store(buffer, tuple(map(context.index, place)), word)
    for node, buffer in zip(nodes, buffers, strict=True):
        context.buffers[node.output] = buffer


def _room(context: NestContext, node: Node) -> Buffer:
    type = node.output.type
    return context.builder.alloc(type.dtype, type.shape, Space.GLOBAL, "bits")


def _words(
    context: NestContext, plan: _Plan, node: Node, index: Index
) -> list[tuple[tuple[Expr, ...], Expr]]:
    """The words of the block at an index, with where they go."""
    assert isinstance(node.op, RandomBits)
    number: Expr = ZERO
    for i, size in zip(index, plan.blocks, strict=True):
        number = number * index_of(size) + i
    key, counter = (context.load(value) for value in node.inputs)
    words = node.op.words(context, number, (), (key, counter))
    places = [plan.place(index, word) for word in range(WORDS)]
    return list(zip(places, words, strict=True))


def quarter_nest(group: Group, target: Target) -> Built:
    """The nest of a group of which `is_by_quarters` holds."""
    plan = _Plan.of(group.outputs[0].type.shape)
    assert plan is not None
    context = NestContext(group, target)
    with context.output_loops(plan.blocks) as index:
        for node in _random_nodes(group):
            for place, word in _words(context, plan, node, index):
                context.define(node.output, place, word)
        places = [plan.place(index, word) for word in range(WORDS)]
        for place in places:
            context.store_outputs(place)
    return context.finish()
