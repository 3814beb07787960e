"""Scans whose body stands several times in the graph, one copy after another."""

from __future__ import annotations

from collections.abc import Sequence

from irflow import ops
from irflow.dims import Size
from irflow.errors import UsageError
from irflow.frontend.apply import run_graph
from irflow.frontend.tensor import Tensor, apply
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ops.operand import Handle
from irflow.ops.region_parts import inlined, new_region, returning


def copies_of(name: str, unroll: int | bool, length: Size) -> int:
    """How many copies of the body `unroll` asks for: at least one, at most one a step.

    Args:
        name: of the loop, for messages.
        unroll: a number of copies; True for one a step, False for one.
        length: the number of steps. With a symbolic one there is one copy: how many turns there
            are is not known then, nor what is left over.

    Raises:
        UsageError: `unroll` is less than 1.
    """
    if unroll is not True and unroll is not False and unroll < 1:
        raise UsageError(f"{name}: unroll is {unroll}, less than 1")
    if not isinstance(length, int) or unroll is False:
        return 1
    return max(length if unroll is True else min(unroll, length), 1)


def run_steps(
    op: ops.Scan, body: Graph, operands: Sequence[Tensor], copies: int
) -> Sequence[Tensor]:
    """The results of a scan, of which each turn takes as many steps as there are `copies`.

    The steps that are left over come after the turns, or before them in a reverse scan. They are
    the same steps in the same order, so the results are the same bit by bit.
    """
    if copies == 1:
        return apply(op, operands, [body])
    start = op.constants + op.carries
    constants, sequences = operands[: op.constants], operands[start:]
    carry: Sequence[Tensor] = operands[op.constants : start]
    length = int(op.length)
    whole = length // copies * copies
    parts = [(0, whole, copies), (whole, length, length - whole)]
    found: list[list[Tensor]] = []
    for first, end, count in reversed(parts) if op.reverse else parts:
        if count:
            rows = [ops.slice_axis(x, 0, first, end) for x in sequences]
            turns = (end - first) // count
            results = _run_part(op, body, [*constants, *carry, *rows], turns, count)
            carry = results[: op.carries]
            found.append(list(results[op.carries :]))
    in_order = reversed(found) if op.reverse else found
    stacks = [ops.concatenate(list(stack), 0) for stack in zip(*in_order, strict=True)]
    return [*carry, *stacks]


def _run_part(
    op: ops.Scan, body: Graph, operands: Sequence[Tensor], turns: int, copies: int
) -> Sequence[Tensor]:
    """`turns * copies` steps; a single turn is no loop at all."""
    region = _repeated(op, body, copies)
    if turns == 1:
        return run_graph(region, operands)
    start = op.constants + op.carries
    blocks = [ops.reshape(x, (turns, copies, *x.shape[1:])) for x in operands[start:]]
    part = ops.Scan(turns, op.constants, op.carries, op.reverse)
    results = apply(part, [*operands[:start], *blocks], [region])
    stacks = [ops.reshape(y, (turns * copies, *y.shape[2:])) for y in results[op.carries :]]
    return [*results[: op.carries], *stacks]


def _repeated(op: ops.Scan, body: Graph, copies: int) -> Graph:
    """Several steps: slices and outputs have a leading axis of steps."""
    types, start = body.input_types, op.constants + op.carries
    blocks = [type.with_shape((copies, *type.shape)) for type in types[start:]]
    region, (constants, carry, rows) = new_region(
        body.name, types[: op.constants], types[op.constants : start], blocks
    )
    builder = Builder(region)
    outputs: list[list[Handle]] = []
    for step in reversed(range(copies)) if op.reverse else range(copies):
        slices = [
            ops.reshape(ops.slice_axis(block, 0, step, step + 1), block.shape[1:]) for block in rows
        ]
        carry, results = _cut(inlined(builder, body, [*constants, *carry, *slices]), op.carries)
        outputs.append([ops.reshape(y, (1, *y.shape)) for y in results])
    in_order = reversed(outputs) if op.reverse else outputs
    stacks = [ops.concatenate(list(stack), 0) for stack in zip(*in_order, strict=True)]
    return returning(region, carry, stacks)


def _cut(results: list[Handle], count: int) -> tuple[list[Handle], list[Handle]]:
    return results[:count], results[count:]
