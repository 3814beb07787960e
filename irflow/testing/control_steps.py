"""The kinds of steps with regions: calls, branches and loops; see `recipes`.

Bodies of loops keep what they carry moderate, so that rounding errors do not grow from step to
step, and loops end after a few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.ops import Handle
from irflow.ops.control import Checkpoint
from irflow.ops.regions import Call
from irflow.ops.scan import Scan
from irflow.ops.while_loop import While
from irflow.scalars import find
from irflow.testing.recipes import Choices, Maker, can_broadcast, kind

MOST_LOOPS = 4

Body = Callable[..., Sequence[Handle]]
"""The results of a region for its inputs."""


def region(maker: Maker, name: str, types: Sequence[TensorType], body: Body) -> Graph:
    """A region with inputs of some types, which returns what `body` makes of them."""
    graph = Graph(name)
    builder = Builder(graph, location=maker.builder.location)
    inputs = [Handle(builder, graph.add_input(type)) for type in types]
    graph.set_outputs([handle.value for handle in body(*inputs)])
    return graph


# One value and one more of the same type to results; the first is a single value of that type.
BODIES: tuple[Body, ...] = (
    lambda a, b: [a + b],
    lambda a, b: [find("tanh")(a) - b, a],
    lambda a, _: [ops.reduce_sum(find("sin")(a), range(a.ndim))],
    lambda a, b: [find("sigmoid")(b) * find("cos")(a), b, b],
)
BRANCHES: tuple[Body, ...] = (
    lambda a, b: [a + b, a],
    lambda a, b: [find("sin")(a) * find("tanh")(b), find("cos")(b)],
    lambda a, b: [b, a - b * 0.5],
    lambda a, _: [a.full(1.5, a.shape), find("sigmoid")(a)],
)
STEPS: tuple[Body, ...] = (
    lambda carry, x: [carry * 0.5 + x, carry],
    lambda carry, x: [find("tanh")(carry + x), find("sin")(carry) - x],
    lambda carry, x: [find("sin")(x), find("cos")(carry) * x],
)


@kind(smooth=True)
def call(maker: Maker, choices: Choices) -> None:
    """A region of a few nodes, called by its name or as a checkpoint, on one value or two."""
    x = maker.float(choices)
    y = maker.partner(x, choices)
    body = region(maker, "body", [x.type, y.type], choices.of(BODIES))
    for result in x.emit(choices.of((Call("inner"), Checkpoint())), [x, y], [body]):
        maker.add(result)


@kind(smooth=True)
def switch(maker: Maker, choices: Choices) -> None:
    """One of two branches, by a computed index or by a constant that may lie outside."""
    x = maker.float(choices)
    y = maker.partner(x, choices)
    first, index = choices.below(len(BRANCHES)), _number(maker, choices)
    chosen = (BRANCHES[first], BRANCHES[(first + 1) % len(BRANCHES)])
    branches = [region(maker, "branch", [x.type, y.type], body) for body in chosen]
    for result in ops.switch(index, branches, [x, y]):
        maker.add(result)


def _number(maker: Maker, choices: Choices) -> Handle:
    """One `i64`: the largest or smallest element of some integers, or a small constant."""
    found = [value for value in reversed(maker.values) if value.dtype.is_integer]
    ways = [(value, name) for value in found for name in ("minimum", "maximum")]
    number = choices.below(len(ways) + 4)
    if number < len(ways):
        value, name = ways[number]
        extreme = ops.reduce(find(name), value, range(value.ndim))
        converted: Handle = ops.convert(extreme, dtypes.i64)
        return converted
    return maker.values[0].constant(np.asarray(number - len(ways) - 1))


def _start(maker: Maker, x: Handle, shape: Sequence[Size], choices: Choices) -> Handle:
    """A float of the element type of `x` for a loop to carry: zeros, or another value repeated."""

    def fits(value: Handle) -> bool:
        return value.dtype is x.dtype and can_broadcast(value.shape, shape)

    found = [value for value in maker.values if fits(value)]
    number = choices.below(len(found) + 1)
    start: Handle = (
        ops.broadcast_to(found[number - 1], shape) if number else x.full(0, tuple(shape))
    )
    return start


@kind(smooth=True)
def scan(maker: Maker, choices: Choices) -> None:
    """A loop over the first axis, which carries a float and counts its steps."""
    x = maker.pick(choices, lambda value: value.dtype.is_float and value.ndim > 0)
    start = _start(maker, x, x.shape[1:], choices)
    step, is_reversed = choices.of(STEPS), bool(choices.below(2))
    count = x.constant(np.asarray(0))

    def body(number: Handle, carry: Handle, part: Handle) -> Sequence[Handle]:
        after, output = step(carry, part)
        return [number + 1, after, output, number * 2]

    graph = region(maker, "step", [count.type, start.type, start.type], body)
    # The sequence of outputs comes first, which is the largest and may be too large.
    results = x.emit(Scan(x.shape[0], 0, 2, is_reversed), [count, start, x], [graph])
    for result in (results[2], results[1], results[3], results[0]):
        maker.add(result)


@kind(smooth=True)
def while_(maker: Maker, choices: Choices) -> None:
    """A loop of a few steps, as many as a number says, on two values."""
    x = maker.float(choices)
    w = maker.partner(x, choices)
    limit, step = _number(maker, choices), choices.of(STEPS)
    count = x.constant(np.asarray(0))

    def goes_on(_: Handle, end: Handle, number: Handle, __: Handle) -> Sequence[Handle]:
        return [number < end]

    def advance(fixed: Handle, _: Handle, number: Handle, carry: Handle) -> Sequence[Handle]:
        return [number + 1, step(carry, fixed)[0]]

    types = [w.type, limit.type, count.type, x.type]
    regions = [region(maker, body.__name__, types, body) for body in (goes_on, advance)]
    steps, result = x.emit(While(2, MOST_LOOPS), [w, limit, count, x], regions)
    maker.add(result)
    maker.add(steps)
