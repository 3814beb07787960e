"""`while`: a loop that runs as long as a condition holds.

A loop of unknown length keeps nothing on its way forward but the number of its steps. Its gradient
goes back through the steps with a stack of a fixed number of *snapshots*: carries of some steps,
from which those after them are computed again. The stack holds 48 of them. The first 16 are spread
evenly over the steps ahead, so a loop of up to 16 steps is computed forward twice in all; then each
new one halves what is left, so that `t` steps cost about `t log(t) / 2` more. With `max_steps` the
stack has room for every step, and nothing is computed a third time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import step_limit
from irflow.ir.graph import Graph
from irflow.ir.op import Evaluator, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.batch_parts import any_of, chosen, element_types, settled, shielded
from irflow.ops.broadcast import reshape
from irflow.ops.concatenation import concatenate
from irflow.ops.dynamic_slices import dynamic_slice, dynamic_update_slice
from irflow.ops.functions import where
from irflow.ops.operand import Handle
from irflow.ops.region_parts import (
    active_inputs,
    check_carry,
    check_scalar,
    fitted,
    inlined,
    new_region,
    results_of,
    returning,
    types_of,
    zeros,
    zeros_or,
)
from irflow.records import dataclass
from irflow.scalars import find

Types = Sequence[TensorType]
COUNT = TensorType(dtypes.i64, ())
TRUTH = TensorType(dtypes.bool_, ())
SNAPSHOTS = 48
HALVING = 32
"""So many at the end of the stack each halve what is left; those before are spread evenly."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the gradient of a loop finds after the forward part.

    Attributes:
        body: the loop's body.
        steps: how often it ran.
        forward, backward: those of `differentiate(body, wanted)`.
        wanted: the inputs of the body that have gradients.
    """

    body: Graph
    steps: Handle
    forward: Graph
    backward: Graph
    wanted: list[int]


@register("while")
class While(Op):
    """`while condition(constants, carry): carry = body(constants, carry)`; the last carry.

    Operands: constants, the first carry. Regions: the condition, to `bool[]`, and the body.
    Gradient: back through the steps, which are computed again; see this module.

    Attributes:
        constants: how many operands stay the same.
        max_steps: the loop ends after so many steps in any case.
    """

    constants: int
    max_steps: int | None = None
    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(self, *types: TensorType, regions: Sequence[Graph]) -> tuple[TensorType, ...]:
        condition, body = regions
        truth = results_of("while", condition, types)
        if len(truth) != 1:
            raise ShapeError(f"while: the condition has {len(truth)} results, not 1")
        check_scalar("while", "the condition", truth[0], TRUTH)
        results = results_of("while", body, types)
        check_carry("while", types[self.constants :], results)
        return results

    def numpy(self, *inputs: np.ndarray, regions: Sequence[Evaluator]) -> tuple[np.ndarray, ...]:
        condition, body = regions
        constants, carry = inputs[: self.constants], inputs[self.constants :]
        steps = 0
        while steps != self.max_steps and condition(*constants, *carry)[0]:
            carry = body(*constants, *carry)
            steps += 1
            step_limit.check(steps)
        return tuple(carry)

    # -------------------------------------------------------------------------------- reverse mode

    def forward(
        self, context: Any, inputs: Sequence[Handle], regions: Sequence[Graph]
    ) -> tuple[Sequence[Handle], _Kept]:
        """Emit the loop with a counter of its steps."""
        types = types_of(inputs)
        condition, body = (fitted("while", region, types) for region in regions)
        given = [i for i, x in enumerate(inputs) if x.dtype.is_float and context.needs(i)]
        wanted = active_inputs(body, self.constants, len(inputs) - self.constants, given)
        forward, backward = context.differentiate(body, wanted)
        constants, carry = inputs[: self.constants], inputs[self.constants :]
        groups = types_of(constants), [COUNT], types_of(carry)
        test, (fixed, _, carried) = new_region(condition.name, *groups)
        returning(test, inlined(Builder(test), condition, [*fixed, *carried]))
        step, (fixed, (count,), carried) = new_region(body.name, *groups)
        after = inlined(Builder(step), body, [*fixed, *carried])
        returning(step, [count + 1], after)
        start = zeros(inputs[0].builder, COUNT)
        steps, *results = start.emit(self, [*constants, start, *carry], [test, step])
        return results, _Kept(body, steps, forward, backward, wanted)

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        return _Backward(self, context.residuals, inputs).gradients(cotangents)

    # -------------------------------------------------------------------------------- forward mode

    def push_forward(
        self, context: Any, inputs: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Emit a loop that carries tangents too: the outputs, and their tangents."""
        types = types_of(inputs)
        condition, body = (fitted("while", region, types) for region in context.regions)
        first = self.constants
        given = [i for i, t in enumerate(tangents) if t is not None]
        wanted = active_inputs(body, first, len(inputs) - first, given)
        moves = [zeros_or(tangents[i], types[i], inputs[i].builder) for i in wanted]
        cut = sum(i < first for i in wanted)
        groups = types[:first], types_of(moves[:cut]), types[first:], types_of(moves[cut:])
        test, (fixed, _, carry, _) = new_region(condition.name, *groups)
        returning(test, inlined(Builder(test), condition, [*fixed, *carry]))
        step, (fixed, fixed_moves, carry, carry_moves) = new_region(body.name, *groups)
        pushed = context.push_forward(body, wanted)
        found = inlined(Builder(step), pushed, [*fixed, *carry, *fixed_moves, *carry_moves])
        count = len(body.outputs)
        floats = [i for i, t in enumerate(body.output_types) if t.dtype.is_inexact]
        changes = dict(zip(floats, found[count:], strict=True))
        returning(step, found[:count], [changes[i - first] for i in wanted[cut:]])
        operands = [*inputs[:first], *moves[:cut], *inputs[first:], *moves[cut:]]
        results = operands[0].emit(While(first + cut, self.max_steps), operands, [test, step])
        ends = dict(zip(wanted[cut:], results[count:], strict=True))
        return results[:count], [ends.get(first + i) for i in range(count)]

    # --------------------------------------------------------------------------------------- batch

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """The loop of all members; who has finished keeps the carry until the last one has."""
        types = element_types(inputs, is_batched)
        condition, body = (fitted("while", region, types) for region in context.regions)
        fixed, carry = is_batched[: self.constants], is_batched[self.constants :]
        carried = settled(context, body, fixed, carry, ())
        test, (is_own,) = context.batch(condition, [*fixed, *carried])
        if is_own:
            return self._batch_of_loops(context, inputs, is_batched, condition, body)
        step, _ = context.batch(body, [*fixed, *carried], carried)
        pairs = zip(inputs[self.constants :], carry, carried, strict=True)
        starts = [context.front(x, has) if wanted else x for x, has, wanted in pairs]
        results: Sequence[Any] = inputs[0].emit(
            self, [*inputs[: self.constants], *starts], [test, step]
        )
        return results

    def _batch_of_loops(
        self,
        context: Any,
        inputs: Sequence[Any],
        is_batched: Sequence[bool],
        condition: Graph,
        body: Graph,
    ) -> Sequence[Any]:
        """A loop as long as one member runs; who does is carried in front."""
        first = self.constants
        flags = [*is_batched[:first], *[True] * (len(inputs) - first)]
        test, _ = context.batch(condition, flags)
        step, _ = context.batch(body, flags, [True] * (len(inputs) - first))
        operands = [
            context.front(x, has) if i >= first else x
            for i, (x, has) in enumerate(zip(inputs, is_batched, strict=True))
        ]
        (runs,) = inlined(context.builder, test, operands)
        groups = types_of(operands[:first]), [runs.type], types_of(operands[first:])
        any_runs, (_, (running,), _) = new_region(condition.name, *groups)
        returning(any_runs, [any_of(running)])
        region, (constants, (running,), carry) = new_region(body.name, *groups)
        ready = shielded(running, [*constants, *carry], flags, [condition, body])
        found = inlined(Builder(region), step, ready)
        after = [chosen(running, x, y) for x, y in zip(found, carry, strict=True)]
        (still,) = inlined(Builder(region), test, [*constants, *after])
        returning(region, [still & running], after)
        op = While(first, self.max_steps)
        results: Sequence[Any] = runs.emit(
            op, [*operands[:first], runs, *operands[first:]], [any_runs, region]
        )
        return results[1:]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, limit = np.array([0.5, -1.0, 2.0], np.float32), np.asarray(3)
        start = np.asarray(0)
        for steps, label in [(3, "three-steps"), (0, "no-step"), (20, "twenty-steps")]:
            inputs = (x * 0.5, np.asarray(steps), start, x)
            yield Sample(cls(2), inputs, regions=_growth(3), label=label)
        yield Sample(cls(2, 2), (x, limit, start, x), regions=_growth(3), label="bounded")
        n = dims.symbol("n")
        shapes: tuple[tuple[Size, ...], ...] = ((n,), (), (), (n,))
        yield Sample(cls(2), (x, limit, start, x), shapes, regions=_growth(n), label="symbolic")


class _Backward:
    """The loop that goes back through the steps of another, from snapshots of its carry.

    It carries `step`, the step to go back through; `top`, the place of the last snapshot; the
    number of the step before which each snapshot was taken; the snapshots; cotangents.
    """

    def __init__(self, op: While, kept: _Kept, inputs: Sequence[Any]) -> None:
        self.op, self.kept = op, kept
        self.constants: Sequence[Any] = inputs[: op.constants]
        self.start: Sequence[Any] = inputs[op.constants :]
        self.cut = sum(i < op.constants for i in kept.wanted)
        bound = op.max_steps
        self.room = SNAPSHOTS if bound is None else max(bound, 1)
        self.reserve = HALVING if bound is None else 0

    def gradients(self, cotangents: Sequence[Any]) -> list[Any]:
        """One cotangent an operand, None for zero."""
        kept, first = self.kept, self.op.constants
        builder = kept.steps.builder
        sums = [zeros(builder, self.constants[i].type) for i in kept.wanted[: self.cut]]
        seeds = [
            zeros_or(cotangents[i - first], self.start[i - first].type, builder)
            for i in kept.wanted[self.cut :]
        ]
        origin = zeros(builder, COUNT)
        numbers = zeros(builder, COUNT.with_shape((self.room + 1,)))
        stacks = [_put(zeros(builder, self._stack(c.type)), c, origin) for c in self.start]
        carry = [kept.steps - 1, origin, numbers, *stacks, *sums, *seeds]
        groups = [types_of(self.constants), types_of(carry)]
        test, (_, (step, *_)) = new_region("has_steps", *groups)
        returning(test, [step >= 0])
        body, (constants, carried) = new_region(kept.backward.name, *groups)
        returning(body, self._step_back(Builder(body), constants, carried))
        op = While(len(self.constants), self.op.max_steps)
        results = kept.steps.emit(op, [*self.constants, *carry], [test, body])
        ends = results[3 + len(stacks) :]
        found = dict(zip(kept.wanted, ends, strict=True))
        return [found.get(i) for i in range(first + len(self.start))]

    def _stack(self, type: TensorType) -> TensorType:
        """One place more than there is room: where goes what is not kept."""
        return type.with_shape((self.room + 1, *type.shape))

    def _step_back(
        self, builder: Builder, constants: Sequence[Handle], carried: Sequence[Handle]
    ) -> list[Handle]:
        kept, count = self.kept, len(self.start)
        step, top, numbers, *rest = carried
        stacks, totals = rest[:count], rest[count:]
        top, numbers, stacks, carry = self._advance(constants, step, top, numbers, stacks)
        values = inlined(builder, kept.forward, [*constants, *carry])
        given = dict(zip(kept.wanted[self.cut :], totals[self.cut :], strict=True))
        cotangents = [
            zeros_or(given.get(self.op.constants + i), c.type, builder)
            for i, c in enumerate(carry)
            if c.dtype.is_inexact
        ]
        found = inlined(builder, kept.backward, [*values[count:], *cotangents])
        sums = [a + b for a, b in zip(totals, found[: self.cut], strict=False)]
        is_used = find("equal")(_get(numbers, top), step)
        return [
            step - 1,
            where(is_used, top - 1, top),
            numbers,
            *stacks,
            *sums,
            *found[self.cut :],
        ]

    def _advance(
        self,
        constants: Sequence[Handle],
        step: Handle,
        top: Handle,
        numbers: Handle,
        stacks: Sequence[Handle],
    ) -> tuple[Handle, Handle, list[Handle], list[Handle]]:
        """From the last snapshot to the carry before `step`, with new snapshots on the way."""
        carry = [_get(stack, top) for stack in stacks]
        state = [_get(numbers, top), top, numbers, *stacks, *carry]
        groups = [types_of([*constants, step]), types_of(state)]
        test, ((*_, end), (at, *_)) = new_region("is_before", *groups)
        returning(test, [at < end])
        body, ((*fixed, end), state_inside) = new_region("advance", *groups)
        returning(body, self._step_on(fixed, end, state_inside))
        op = While(len(constants) + 1, self.op.max_steps)
        _, top, numbers, *rest = step.emit(op, [*constants, step, *state], [test, body])
        return top, numbers, list(rest[: len(stacks)]), list(rest[len(stacks) :])

    def _step_on(
        self, constants: Sequence[Handle], end: Handle, state: Sequence[Handle]
    ) -> list[Handle]:
        """One step forward, with a snapshot behind it where one is due."""
        at, top, numbers, *rest = state
        count = len(self.start)
        stacks, carry = rest[:count], rest[count:]
        after = inlined(at.builder, self.kept.body, [*constants, *carry])
        last, now = _get(numbers, top), at + 1
        free = (self.room - 1) - top
        parts = find("maximum")(free - self.reserve, 2)
        gap = (end - last + parts - 1) // parts
        is_due = (find("equal")(now, last + gap)) & (now < end) & (free > 0)
        place = where(is_due, top + 1, self.room)
        return [
            now,
            where(is_due, top + 1, top),
            _put(numbers, now, place),
            *(_put(stack, value, place) for stack, value in zip(stacks, after, strict=True)),
            *after,
        ]


def _starts(place: Handle, rank: int) -> Handle:
    """The index of a slice of the first axis."""
    first = reshape(place, (1,))
    return concatenate([first, first.full(0, (rank - 1,))], 0) if rank > 1 else first  # type: ignore[no-any-return]


def _get(stack: Handle, place: Handle) -> Handle:
    """`stack[place]`."""
    window = dynamic_slice(stack, _starts(place, stack.ndim), (1, *stack.shape[1:]))
    return reshape(window, stack.shape[1:])  # type: ignore[no-any-return]


def _put(stack: Handle, value: Handle, place: Handle) -> Handle:
    """`stack` with `value` at `stack[place]`."""
    row = reshape(value, (1, *value.shape))
    return dynamic_update_slice(stack, row, _starts(place, stack.ndim))  # type: ignore[no-any-return]


def _growth(size: Size) -> tuple[Graph, Graph]:
    """While `k < limit`: `(w, limit; k, x) -> (k + 1, sin(x * w) + x)`."""
    vector = TensorType(dtypes.f32, (size,))
    types = [vector, COUNT, COUNT, vector]
    test, ((_, limit, k, _),) = new_region("is_short", types)
    returning(test, [k < limit])
    body, ((w, _, k, x),) = new_region("grow", types)
    return test, returning(body, [k + 1, find("sin")(x * w) + x])
