"""`scan`: a loop of known length over the leading axis of sequences, with values carried along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Evaluator, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.batch_parts import element_types, settled
from irflow.ops.broadcast import broadcast
from irflow.ops.operand import Handle
from irflow.ops.region_parts import (
    active_inputs,
    check_carry,
    fitted,
    inlined,
    new_region,
    results_of,
    returning,
    size_givers,
    types_of,
    zeros,
    zeros_or,
)
from irflow.ops.residuals import lightened
from irflow.ops.shape import transpose
from irflow.records import dataclass
from irflow.scalars import find

Types = Sequence[TensorType]
Parts = tuple[list[int], list[int], list[int]]
"""Positions of operands: constants, carries, sequences."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the gradient of a scan finds after the forward part.

    Attributes:
        body: the loop's body.
        backward: residuals and cotangents of one step to gradients.
        wanted: the inputs of the body that have gradients.
        fixed: residuals that are the same in all steps.
        stacked: residuals with a leading axis of steps.
        sources: where each residual of a step is: `("fixed" or "stacked", position)`.
    """

    body: Graph
    backward: Graph
    wanted: list[int]
    fixed: list[Handle]
    stacked: list[Handle]
    sources: list[tuple[str, int]]


@register("scan")
class Scan(Op):
    """`length` steps of `body(constants, carry, slices) -> (carry, outputs)`.

    Operands: constants, the first carry, sequences. Step `i` takes the slices `sequence[i]`.
    Results: the last carry, then the outputs of all steps, stacked: `[length, …]`. With `reverse`
    the steps are taken from the last to the first; slices and outputs keep their places.

    Gradient: a scan the other way round. The forward part stacks what a step's gradient reads, but
    for what is the same in all steps or a slice.
    """

    length: Size
    constants: int
    carries: int
    reverse: bool = False
    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(self, *types: TensorType, regions: Sequence[Graph]) -> tuple[TensorType, ...]:
        (body,) = regions
        start = self.constants + self.carries
        for number, type in enumerate(types[start:]):
            if not type.rank or not dims.decide_equal(type.shape[0], self.length):
                raise ShapeError(
                    "scan: a sequence of another length",
                    facts=[(f"sequence {number}", type), ("length", self.length)],
                )
        slices = [type.with_shape(type.shape[1:]) for type in types[start:]]
        results = results_of("scan", body, [*types[:start], *slices])
        check_carry("scan", types[self.constants : start], results[: self.carries])
        stacked = [t.with_shape((self.length, *t.shape)) for t in results[self.carries :]]
        return (*results[: self.carries], *stacked)

    def numpy(self, *inputs: np.ndarray, regions: Sequence[Evaluator]) -> tuple[np.ndarray, ...]:
        (body,) = regions
        length, start = int(self.length), self.constants + self.carries
        constants, sequences = inputs[: self.constants], inputs[start:]
        carry = inputs[self.constants : start]
        empty = [np.broadcast_to(np.zeros((), x.dtype), x.shape[1:]) for x in sequences]
        types = body.result_types(*constants, *carry, *empty)[self.carries :]
        stacks = [np.empty((length, *t.static_shape), t.dtype.numpy) for t in types]
        for step in reversed(range(length)) if self.reverse else range(length):
            # Not `x[step]`, which is a NumPy scalar for rank 1.
            results = body(*constants, *carry, *[x[step, ...] for x in sequences])
            carry = results[: self.carries]
            for stack, array in zip(stacks, results[self.carries :], strict=True):
                stack[step] = array
        return (*carry, *stacks)

    # -------------------------------------------------------------------------------- reverse mode

    def forward(
        self, context: Any, inputs: Sequence[Handle], regions: Sequence[Graph]
    ) -> tuple[Sequence[Handle], _Kept]:
        """Emit a scan that also stacks what the gradients of its steps read."""
        body = self._fitted(regions[0], types_of(inputs))
        given = [x.dtype.is_float and context.needs(i) for i, x in enumerate(inputs)]
        wanted = self._active(body, given)
        forward, backward = context.differentiate(body, wanted)
        count = len(body.outputs)
        forward, backward = lightened(forward, backward, count, self._known(forward, count))
        alone, stacked = self._parted(forward, count)
        sources = [
            ("fixed", alone.index(value)) if value in alone else ("stacked", stacked.index(value))
            for value in forward.outputs[count:]
        ]
        fixed = _emitted(forward, alone, inputs)
        step = forward.copy()
        known = forward.outputs[self.carries : count]
        new = [v for v in stacked if v not in known and not self._is_slice(v)]
        numbers = [*range(count), *(forward.outputs.index(value) for value in new)]
        step.set_outputs([step.outputs[i] for i in numbers])
        results = inputs[0].emit(self, inputs, [step])
        stacks = dict(zip([*known, *new], results[self.carries :], strict=True))
        sequences = [inputs[v.index] if self._is_slice(v) else stacks[v] for v in stacked]
        return results[:count], _Kept(body, backward, wanted, fixed, sequences, sources)

    def _parted(self, forward: Graph, count: int) -> tuple[list[Value], list[Value]]:
        """The residuals that depend on constants alone, and the others."""
        residuals = forward.outputs[count:]
        invariant = _invariant(forward, forward.inputs[: self.constants])
        alone = [value for value in residuals if value in invariant]
        return alone, [value for value in residuals if value not in invariant]

    def _known(self, forward: Graph, count: int) -> set[Value]:
        """What the gradient of a step has at no cost: outputs, slices, what is always the same."""
        invariant = _invariant(forward, forward.inputs[: self.constants])
        slices = forward.inputs[self.constants + self.carries :]
        return {*invariant, *slices, *forward.outputs[self.carries : count]}

    def _is_slice(self, value: Value) -> bool:
        return value.node is None and value.index >= self.constants + self.carries

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        return _Backward(self, context.residuals, inputs, outputs, cotangents).gradients()

    # -------------------------------------------------------------------------------- forward mode

    def push_forward(
        self, context: Any, inputs: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Emit a scan that carries and stacks tangents too: the outputs, and their tangents."""
        body = self._fitted(context.regions[0], types_of(inputs))
        wanted = self._active(body, [t is not None for t in tangents])
        moves = {i: zeros_or(tangents[i], inputs[i].type, inputs[i].builder) for i in wanted}
        old, new = self._split(range(len(inputs))), self._split(wanted)
        operands = [
            handle
            for before, added in zip(old, new, strict=True)
            for handle in (*(inputs[i] for i in before), *(moves[i] for i in added))
        ]
        region = self._pushed(context.push_forward(body, wanted), body, old, new)
        op = Scan(self.length, len(old[0]) + len(new[0]), len(old[1]) + len(new[1]), self.reverse)
        results = iter(inputs[0].emit(op, operands, [region]))
        values = list(islice(results, self.carries))
        carried = dict(zip(new[1], islice(results, len(new[1])), strict=True))
        stacks = list(islice(results, len(body.outputs) - self.carries))
        changes = [carried.get(self.constants + i) for i in range(self.carries)]
        changes += [next(results) if y.dtype.is_inexact else None for y in stacks]
        return [*values, *stacks], changes

    def _pushed(self, pushed: Graph, body: Graph, old: Parts, new: Parts) -> Graph:
        """A body with tangents, in the order of a scan's: constants, carries and slices."""
        order = [part for pair in zip(old, new, strict=True) for part in pair]
        types = body.input_types
        region, groups = new_region(pushed.name, *([types[i] for i in part] for part in order))
        values, moves = (
            [handle for group in groups[first::2] for handle in group] for first in (0, 1)
        )
        found = inlined(Builder(region), pushed, [*values, *moves])
        count, carries = len(body.outputs), self.carries
        floats = [i for i, t in enumerate(body.output_types) if t.dtype.is_inexact]
        changes = dict(zip(floats, found[count:], strict=True))
        carried = [changes[i - self.constants] for i in new[1]]
        stacked = [changes[i] for i in floats if i >= carries]
        return returning(region, found[:carries], carried, found[carries:count], stacked)

    # --------------------------------------------------------------------------------------- batch

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """The same scan; inside, a sequence has the batch axis behind that of the steps."""
        start = self.constants + self.carries
        body = self._fitted(context.regions[0], element_types(inputs, is_batched))
        fixed, carry = is_batched[: self.constants], is_batched[self.constants : start]
        slices = is_batched[start:]
        carried = settled(context, body, fixed, carry, slices)
        wanted = [*carried, *[False] * (len(body.outputs) - self.carries)]
        step, found = context.batch(body, [*fixed, *carried, *slices], wanted)
        firsts = zip(inputs[self.constants : start], carry, carried, strict=True)
        starts = [context.front(x, has) if needs else x for x, has, needs in firsts]
        rows = zip(inputs[start:], slices, strict=True)
        sequences = [_exchanged(x) if flag else x for x, flag in rows]
        operands = [*inputs[: self.constants], *starts, *sequences]
        results = operands[0].emit(self, operands, [step])
        pairs = zip(results[self.carries :], found[self.carries :], strict=True)
        stacks = [_exchanged(y) if flag else y for y, flag in pairs]
        return [*results[: self.carries], *stacks]

    # ------------------------------------------------------------------------------------- helpers

    def _fitted(self, body: Graph, types: Types) -> Graph:
        start = self.constants + self.carries
        slices = [type.with_shape(type.shape[1:]) for type in types[start:]]
        return fitted("scan", body, [*types[:start], *slices])

    def _active(self, body: Graph, given: Sequence[bool]) -> list[int]:
        active = [i for i, is_active in enumerate(given) if is_active]
        return active_inputs(body, self.constants, self.carries, active)

    def _split(self, positions: Sequence[int]) -> Parts:
        """Positions of operands parted into constants, carries and sequences."""
        start = self.constants + self.carries
        return (
            [i for i in positions if i < self.constants],
            [i for i in positions if self.constants <= i < start],
            [i for i in positions if i >= start],
        )

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(5)
        w, c, x, u = (
            generator.normal(size=shape).astype(np.float32) for shape in [(2,), (2,), (4, 2), (4,)]
        )
        inputs = (w, c, np.asarray(3), x, u)
        n, m = dims.symbol("n"), dims.symbol("m")
        shapes: tuple[tuple[Size, ...], ...] = ((m,), (m,), (), (n, m), (n,))
        for reverse in (False, True):
            label = "reverse" if reverse else "forward"
            yield Sample(cls(4, 1, 2, reverse), inputs, regions=(_body(2),), label=label)
        empty = (w, c, np.asarray(3), x[:0], u[:0])
        yield Sample(cls(0, 1, 2), empty, regions=(_body(2),), label="no-steps")
        yield Sample(cls(n, 1, 2), inputs, shapes, regions=(_body(m),), label="symbolic")
        region, ((y,),) = new_region("double", [TensorType(dtypes.f32, (2,))])
        yield Sample(
            cls(3, 0, 1), (c,), regions=(returning(region, [y * y]),), label="no-sequences"
        )


class _Backward:
    """The scan that goes back through the steps of another.

    Its carries are the cotangents of the active carries, and the sums of those of the constants;
    its sequences the residuals and the cotangents of the outputs.
    """

    def __init__(
        self,
        op: Scan,
        kept: _Kept,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        cotangents: Sequence[Any],
    ) -> None:
        self.op, self.kept, self.inputs, self.outputs = op, kept, inputs, outputs
        self.builder: Builder = inputs[0].builder
        self.constants, self.carried, self.sliced = op._split(kept.wanted)
        self.given = dict(enumerate(cotangents))
        # The carried results that have a cotangent in every step, and the outputs that have one.
        self.stacks = [i for i in range(op.carries, len(outputs)) if self.given[i] is not None]

    def gradients(self) -> list[Any]:
        """One cotangent an operand, None for zero."""
        op, kept = self.op, self.kept
        seeds = [
            zeros_or(self.given[i - op.constants], self.inputs[i].type, self.builder)
            for i in self.carried
        ]
        sums = [zeros(self.builder, self.inputs[i].type) for i in self.constants]
        sequences = [*kept.stacked, *(self.given[i] for i in self.stacks)]
        slices = [x.type.with_shape(x.type.shape[1:]) for x in sequences]
        known = [*types_of([*kept.fixed, *seeds, *sums]), *slices]
        fixed = [*kept.fixed, *map(self._giver, size_givers(known, kept.body.input_types))]
        region = self._region(types_of(fixed), types_of(seeds), types_of(sums), slices)
        operands = [*fixed, *seeds, *sums, *sequences]
        if not operands:
            return [None] * len(self.inputs)
        back = Scan(op.length, len(fixed), len(seeds) + len(sums), not op.reverse)
        results = operands[0].emit(back, operands, [region])
        order = [*self.carried, *self.constants, *self.sliced]
        found = dict(zip(order, results, strict=True))
        return [found.get(i) for i in range(len(self.inputs))]

    def _giver(self, position: int) -> Any:
        """An operand of the type of an input of the body, only for its sizes."""
        type = self.kept.body.input_types[position]
        if position < self.op.constants + self.op.carries:
            return self.inputs[position]
        return zeros(self.builder, type)

    def _region(self, fixed: Types, seeds: Types, sums: Types, slices: Types) -> Graph:
        """The gradient of one step, with the cotangents of constants added up."""
        kept, op = self.kept, self.op
        region, (constants, carry, totals, parts) = new_region(
            kept.backward.name, fixed, seeds, sums, slices
        )
        builder = Builder(region)
        place = {("fixed", i): h for i, h in enumerate(constants)}
        place |= {("stacked", i): h for i, h in enumerate(parts)}
        incoming: dict[int, Handle] = {
            i - op.constants: h for i, h in zip(self.carried, carry, strict=True)
        }
        incoming |= zip(self.stacks, parts[len(kept.stacked) :], strict=True)
        cotangents = [
            zeros_or(incoming.get(i), type, builder)
            for i, type in enumerate(kept.body.output_types)
            if type.dtype.is_inexact
        ]
        residuals = [place[source] for source in kept.sources]
        found = inlined(builder, kept.backward, [*residuals, *cotangents])
        by_input = dict(zip(kept.wanted, found, strict=True))
        return returning(
            region,
            [by_input[i] for i in self.carried],
            [t + by_input[i] for t, i in zip(totals, self.constants, strict=True)],
            [by_input[i] for i in self.sliced],
        )


def _exchanged(x: Handle) -> Handle:
    """The axes of the batch and of the steps exchanged."""
    return transpose(x, (1, 0, *range(2, x.ndim)))  # type: ignore[no-any-return]


def _invariant(graph: Graph, constants: Sequence[Value]) -> set[Value]:
    """The values that depend on constants alone."""
    found = set(constants)
    for node in graph:
        if all(value in found for value in node.inputs):
            found.update(node.outputs)
    return found


def _emitted(graph: Graph, values: Sequence[Value], inputs: Sequence[Handle]) -> list[Handle]:
    """Values of a body that depend on constants alone, computed where the operands are."""
    builder = inputs[0].builder
    wanted = set(values)
    nodes: list[Node] = []
    for node in reversed(graph):
        if any(value in wanted for value in node.outputs):
            nodes.append(node)
            wanted.update(node.inputs)
    mapping = {v: h.value for v, h in zip(graph.inputs, inputs, strict=True)}
    for node in reversed(nodes):
        copies = [region.copy() for region in node.regions]
        results = builder.emit(node.op, [mapping[v] for v in node.inputs], copies)
        mapping.update(zip(node.outputs, results, strict=True))
    return [Handle(builder, mapping[value]) for value in values]


def _body(size: Size) -> Graph:
    """`(w; c, k; x, u) -> (sin(c * w) + x, k + 1; c * x * u, k)`."""
    vector, scalar = TensorType(dtypes.f32, (size,)), TensorType(dtypes.f32, ())
    number = TensorType(dtypes.i64, ())
    region, ((w, c, k, x, u),) = new_region("step", [vector, vector, number, vector, scalar])
    carry = find("sin")(c * w) + x
    return returning(region, [carry, k + 1, c * x * broadcast(u, (size,), ()), k])
