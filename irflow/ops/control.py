"""Branches, and parts of a graph that are computed again for their gradient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.errors import ShapeError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.op import Evaluator, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.barrier import optimization_barrier
from irflow.ops.batch_parts import any_of, chosen, element_types, is_fragile, shielded
from irflow.ops.elementwise import convert
from irflow.ops.operand import GraphOperand, Handle
from irflow.ops.region_parts import (
    check_scalar,
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
from irflow.ops.regions import Inlinable, check_types
from irflow.records import dataclass
from irflow.scalars import find

Types = Sequence[TensorType]
INDEX = TensorType(dtypes.i64, ())


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the gradient of a branch finds after the forward part.

    Attributes:
        index: which branch ran.
        slots: one handle for each value that some branch keeps.
        sources: for each branch, where its residuals are: `("slot" or "operand", position)`.
        backward: for each branch, residuals and cotangents to gradients.
        wanted: the operands that have gradients.
    """

    index: Handle
    slots: list[Handle]
    sources: list[list[tuple[str, int]]]
    backward: list[Graph]
    wanted: list[int]


@register("switch")
class Switch(Op):
    """The results of one of several regions, chosen by `index: i64[]`, clipped to their number.

    All regions take the other operands and return the same types. Only the chosen one runs.
    Gradient: the branch with the same index, of the regions' gradients; what one branch keeps for
    it is zero where another one ran.
    """

    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(
        self, index: TensorType, *types: TensorType, regions: Sequence[Graph]
    ) -> tuple[TensorType, ...]:
        check_scalar("switch", "the index", index, INDEX)
        results = results_of("switch", regions[0], types)
        for number, region in enumerate(regions[1:], 1):
            given = results_of("switch", region, types)
            check_types("switch", f"results of branch {number}", given, results)
        return results

    def numpy(
        self, index: np.ndarray, *inputs: np.ndarray, regions: Sequence[Evaluator]
    ) -> tuple[np.ndarray, ...]:
        return regions[min(max(int(index), 0), len(regions) - 1)](*inputs)

    def forward(
        self, context: Any, inputs: Sequence[Handle], regions: Sequence[Graph]
    ) -> tuple[Sequence[Handle], _Kept]:
        """Emit branches that also return what their gradients read."""
        index, *operands = inputs
        types = types_of(operands)
        wanted = [i for i, x in enumerate(operands) if x.dtype.is_float and context.needs(i + 1)]
        parts = [context.differentiate(fitted("switch", r, types), wanted) for r in regions]
        count = len(regions[0].outputs)
        slots: list[TensorType] = []
        sources = [_sources(forward, count, slots) for forward, _ in parts]
        branches = [
            _forward_branch(forward, count, slots, places)
            for (forward, _), places in zip(parts, sources, strict=True)
        ]
        results = index.emit(self, inputs, branches)
        backward = [graph for _, graph in parts]
        return results[:count], _Kept(index, list(results[count:]), sources, backward, wanted)

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        kept: _Kept = context.residuals
        operands = inputs[1:]
        floats = [g for g, y in zip(cotangents, outputs, strict=True) if y.dtype.is_inexact]
        given = [g for g in floats if g is not None]
        used = {place for places in kept.sources for kind, place in places if kind == "operand"}
        chosen = sorted(used)
        known = types_of([*kept.slots, *given, *(operands[i] for i in chosen)])
        chosen += [i for i in size_givers(known, types_of(operands)) if i not in used]
        read = [operands[i] for i in chosen]
        ends = [y.type for y in outputs if y.dtype.is_inexact]
        branches = []
        for graph, places in zip(kept.backward, kept.sources, strict=True):
            region, (slots, direct, seeds) = new_region(
                graph.name, types_of(kept.slots), types_of(read), types_of(given)
            )
            builder = Builder(region)
            by_place = {("slot", i): h for i, h in enumerate(slots)}
            by_place |= {("operand", i): h for i, h in zip(chosen, direct, strict=True)}
            rest = iter(seeds)
            whole = [next(rest) if g is not None else None for g in floats]
            filled = [zeros_or(g, t, builder) for g, t in zip(whole, ends, strict=True)]
            residuals = [by_place[place] for place in places]
            branches.append(returning(region, inlined(builder, graph, [*residuals, *filled])))
        found = kept.index.emit(self, [kept.index, *kept.slots, *read, *given], branches)
        gradients = dict(zip(kept.wanted, found, strict=True))
        return [None, *(gradients.get(i) for i in range(len(operands)))]

    def push_forward(
        self, context: Any, inputs: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Emit branches that also return tangents: handles of the outputs, and their tangents."""
        wanted = [i for i, t in enumerate(tangents[1:]) if t is not None]
        types = types_of(inputs[1:])
        branches = [
            context.push_forward(fitted("switch", region, types), wanted)
            for region in context.regions
        ]
        moves = [tangents[i + 1] for i in wanted]
        results = inputs[0].emit(self, [*inputs, *moves], branches)
        count = len(context.regions[0].outputs)
        rest = iter(results[count:])
        changes = [next(rest) if y.dtype.is_inexact else None for y in results[:count]]
        return results[:count], changes

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """One branch on the batch; all of them where each member has an index of its own.

        Then each branch computes all members, but for one that has a loop inside or an operand
        without the batch axis: that only runs if a member has chosen it; see `batch_parts`.
        """
        flags = is_batched[1:]
        types = element_types(inputs[1:], flags)
        regions = [fitted("switch", region, types) for region in context.regions]
        count = len(regions[0].outputs)
        if is_batched[0]:
            return _each_its_own(context, inputs[0], inputs[1:], flags, regions)
        found = [context.batch(region, flags)[1] for region in regions]
        ends = [any(of_branches) for of_branches in zip(*found, strict=True)] if count else []
        branches = [context.batch(region, flags, ends)[0] for region in regions]
        results: Sequence[Any] = inputs[0].emit(self, inputs, branches)
        return results

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y = np.array([0.5, -1.0, 2.0], np.float32), np.array([2.0, 0.25, -1.5], np.float32)
        for index in (-4, 1, 7):
            inputs = (np.asarray(index), x, y)
            yield Sample(cls(), inputs, regions=_branches(3), label=f"index{index}")
        n = dims.symbol("n")
        inputs = (np.asarray(0), x, y)
        yield Sample(cls(), inputs, ((), (n,), (n,)), regions=_branches(n), label="symbolic")


def _sources(forward: Graph, count: int, slots: list[TensorType]) -> list[tuple[str, int]]:
    """Where the residuals of a branch go; `slots` grows where all those of a type are taken."""
    places: list[tuple[str, int]] = []
    free = list(enumerate(slots))
    for value in forward.outputs[count:]:
        if value.node is None:
            places.append(("operand", value.index))
            continue
        fitting = next(((i, t) for i, t in free if t == value.type), None)
        if fitting is None:
            fitting = (len(slots), value.type)
            slots.append(value.type)
        else:
            free.remove(fitting)
        places.append(("slot", fitting[0]))
    return places


def _forward_branch(
    forward: Graph, count: int, slots: Sequence[TensorType], places: Sequence[tuple[str, int]]
) -> Graph:
    """The outputs of a branch, then one value a slot: a residual, or zeros."""
    region, (operands,) = new_region(forward.name, forward.input_types)
    builder = Builder(region)
    values = inlined(builder, forward, operands)
    rows = zip(places, values[count:], strict=True)
    filled = {place: value for (kind, place), value in rows if kind == "slot"}
    kept = [filled.get(i) or zeros(builder, type) for i, type in enumerate(slots)]
    return returning(region, values[:count], kept)


def _each_its_own(
    context: Any,
    index: Handle,
    operands: Sequence[Handle],
    is_batched: Sequence[bool],
    regions: Sequence[Graph],
) -> list[Handle]:
    """The results of branches of which each member of a batch has chosen one."""
    last = len(regions) - 1
    number = find("minimum")(find("maximum")(index, 0), last)
    results: list[Handle] = []
    for i, region in enumerate(regions):
        is_mine = find("equal")(number, i)
        branch, _ = context.batch(region, is_batched, [True] * len(region.outputs))
        if is_fragile(operands, is_batched, [region]):
            found = _if_any(is_mine, operands, is_batched, branch, region)
        else:
            ready = shielded(is_mine, operands, is_batched, [region])
            found = inlined(context.builder, branch, ready)
        others = results or found
        results = [chosen(is_mine, x, y) for x, y in zip(found, others, strict=True)]
    return results


def _if_any(
    is_mine: Handle,
    operands: Sequence[Handle],
    is_batched: Sequence[bool],
    branch: Graph,
    region: Graph,
) -> Sequence[Handle]:
    """The results of a branch for those who have chosen it; zeros if nobody has."""
    groups = [is_mine.type], types_of(operands)
    empty, _ = new_region("nobody", *groups)
    builder = Builder(empty)
    returning(empty, [zeros(builder, type) for type in branch.output_types])
    full, ((mine,), inputs) = new_region(branch.name, *groups)
    ready = shielded(mine, inputs, is_batched, [region])
    returning(full, inlined(Builder(full), branch, ready))
    index = convert(any_of(is_mine), dtypes.i64)
    results: Sequence[Handle] = index.emit(Switch(), [index, is_mine, *operands], [empty, full])
    return results


@register("checkpoint")
class Checkpoint(Inlinable):
    """A part of a graph whose gradient computes its inner values again instead of keeping them.

    Reverse mode keeps the operands only. An `optimization_barrier` an operand keeps the second
    computation apart from the first.
    """

    def forward(
        self, context: Any, inputs: Sequence[Handle], regions: Sequence[Graph]
    ) -> tuple[Sequence[Handle], Graph]:
        """Emit the part as it is; it is kept for the gradient."""
        return inputs[0].emit(self, inputs, [region.copy() for region in regions]), regions[0]

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        wanted = [i for i, x in enumerate(inputs) if x.dtype.is_float and context.needs(i)]
        region = fitted("checkpoint", context.residuals, types_of(inputs))
        forward, backward = context.differentiate(region, wanted)
        builder = inputs[0].builder
        # Waiting for a cotangent, the second computation belongs to the backward part.
        after = next(g for g in cotangents if g is not None)
        values = inlined(builder, forward, [optimization_barrier(x, after) for x in inputs])
        given = [
            y.full(0, y.shape) if g is None else g
            for y, g in zip(outputs, cotangents, strict=True)
            if y.dtype.is_inexact
        ]
        found = inlined(builder, backward, [*values[len(outputs) :], *given])
        gradients = dict(zip(wanted, found, strict=True))
        return [gradients.get(i) for i in range(len(inputs))]

    def push_forward(
        self, context: Any, inputs: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Emit the nodes of the part with those of its tangents."""
        wanted = [i for i, t in enumerate(tangents) if t is not None]
        region = fitted("checkpoint", context.regions[0], types_of(inputs))
        moves = [tangents[i] for i in wanted]
        both = context.push_forward(region, wanted)
        results = inlined(inputs[0].builder, both, [*inputs, *moves])
        count = len(region.outputs)
        rest = iter(results[count:])
        changes = [next(rest) if y.dtype.is_inexact else None for y in results[:count]]
        return results[:count], changes

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """The same part on a batch."""
        region = fitted("checkpoint", context.regions[0], element_types(inputs, is_batched))
        results: Sequence[Any] = inputs[0].emit(
            self, inputs, [context.batch(region, is_batched)[0]]
        )
        return results

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x, y = np.array([0.5, -1.0, 2.0], np.float32), np.array([2.0, 0.25, -1.5], np.float32)
        yield Sample(cls(), (x, y), regions=_branches(3)[:1])
        n = dims.symbol("n")
        yield Sample(cls(), (x, y), ((n,), (n,)), regions=_branches(n)[:1], label="symbolic")


# ------------------------------------------------------------------------------------ constructors


def switch(index: GraphOperand, branches: Sequence[Graph], operands: Sequence[Any]) -> Any:
    """The results of the branch chosen by `index: i64[]`, all of which take `operands`."""
    if not branches:
        raise ShapeError("switch: there is no branch")
    return index.emit(Switch(), [index, *operands], branches)


def _branches(size: dims.Size) -> tuple[Graph, ...]:
    """`(x * sin(y), x)`, `(y + y, x * x * x)` and `(x, 2.5)`."""
    vector = TensorType(dtypes.f32, (size,))
    graphs = []
    for number in range(3):
        region, ((x, y),) = new_region(f"branch{number}", [vector, vector])
        results = [(x * find("sin")(y), x), (y + y, x * x * x), (x, x.full(2.5, x.shape))][number]
        graphs.append(returning(region, results))
    return tuple(graphs)
