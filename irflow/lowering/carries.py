"""What a body carries to its next repetition, written where the carry lies instead of copied there.

A step may write a result into the buffer of the carry if no later step reads what the carry was.
The step that makes the result may read it itself where it overwrites element by element, and it
may wait until others have read it. What remains is copied at the end of the body, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from irflow.loops import Kernel
from irflow.lowering.inplace import overwriting
from irflow.lowering.program import Storage
from irflow.lowering.steps import (
    CopyStep,
    ForkStep,
    HostStep,
    KernelStep,
    LoopStep,
    LoopView,
    RowsStep,
    Step,
    SwitchStep,
    UpdateStep,
)

if TYPE_CHECKING:
    from irflow.lowering.lower import ProgramBuilder


def carry_on(
    builder: ProgramBuilder, results: Sequence[int], carry: Sequence[int], mark: int
) -> None:
    """Let the steps of a body, which are those of the builder now, leave results in the carry.

    Args:
        builder: of the program.
        results: the buffers of the results.
        carry: those where the next repetition reads them.
        mark: the number of the first buffer that was added for the body.
    """
    sources = list(results)
    for place, target in enumerate(carry):
        source = sources[place]
        is_own = source >= mark and builder.buffers[source].kind == "temporary"
        is_alone = sources.count(source) == 1 and target not in sources
        if is_own and is_alone and _settle(builder, source, target):
            sources[place] = target
    _copy_all(builder, sources, carry)


def _settle(builder: ProgramBuilder, source: int, target: int) -> bool:
    """Have the one step that writes `source` write `target`; whether that may be."""
    steps = builder.steps
    writers = [i for i, step in enumerate(steps) if source in step.outputs]
    if len(writers) != 1 or any(target in step.outputs for step in steps):
        return False
    (first,) = writers
    readers = [i for i, step in enumerate(steps) if target in step.inputs and i > first]
    last = max(readers, default=first)
    if not _may_wait(steps[first], steps[first + 1 : last + 1]):
        return False
    step = _written_over(steps[first], source, target, builder.shared)
    if step is None:
        return False
    steps[first : last + 1] = [*steps[first + 1 : last + 1], step]
    steps[:] = [renumbered(other, source, target) for other in steps]
    return True


def _may_wait(step: Step, others: Iterable[Step]) -> bool:
    """Whether a step may run after others that stand behind it."""
    written = set(step.outputs)
    touched = written.union(step.inputs)
    return all(
        written.isdisjoint(other.inputs) and touched.isdisjoint(other.outputs) for other in others
    )


def _written_over(
    step: Step, source: int, target: int, shared: Callable[[Kernel], Kernel]
) -> Step | None:
    """The step with its result `source` where `target` is, which it may read."""
    if target not in step.inputs:
        return renumbered(step, source, target)
    if not isinstance(step, KernelStep) or step.inputs.count(target) > 1:
        return None
    place = step.inputs.index(target)
    old, new = step.kernel.inputs[place], step.kernel.outputs[step.outputs.index(source)]
    kernel = overwriting(step.kernel, old, new)
    if kernel is None:
        return None
    base, _, _ = kernel.name.rpartition("_")
    inputs = (*step.inputs[:place], *step.inputs[place + 1 :])
    outputs = _replaced(step.outputs, source, target)
    return KernelStep(shared(replace(kernel, name=base)), inputs, outputs, step.place)


def renumbered(step: Step, old: int, new: int) -> Step:
    """A step with one buffer in the place of another."""

    def all_of(steps: Iterable[Step]) -> tuple[Step, ...]:
        return tuple(renumbered(inner, old, new) for inner in steps)

    def one(number: int) -> int:
        return new if number == old else number

    match step:
        case KernelStep(_, inputs, outputs) | HostStep(_, inputs, outputs):
            inputs, outputs = _replaced(inputs, old, new), _replaced(outputs, old, new)
            return replace(step, inputs=inputs, outputs=outputs)
        case CopyStep(source, target):
            return CopyStep(one(source), one(target))
        case UpdateStep(source, starts, target):
            return replace(step, source=one(source), starts=one(starts), target=one(target))
        case SwitchStep(index, branches, outputs):
            parts = tuple(all_of(branch) for branch in branches)
            return SwitchStep(one(index), parts, _replaced(outputs, old, new), step.place)
        case LoopStep():
            return replace(
                step,
                start=all_of(step.start),
                body=all_of(step.body),
                outputs=_replaced(step.outputs, old, new),
                views=tuple(_renumbered_view(view, one) for view in step.views),
                condition=all_of(step.condition),
                test=None if step.test is None else one(step.test),
            )
        case RowsStep():
            views = tuple(replace(v, view=one(v.view), base=one(v.base)) for v in step.views)
            outputs = _replaced(step.outputs, old, new)
            return replace(step, body=all_of(step.body), outputs=outputs, views=views)
        case ForkStep(branches):
            return ForkStep(tuple(all_of(branch) for branch in branches))


def _renumbered_view(view: LoopView, one: Callable[[int], int]) -> LoopView:
    edge = None if view.edge is None else one(view.edge)
    return LoopView(one(view.view), one(view.base), view.shift, edge)


def _replaced(numbers: Collection[int], old: int, new: int) -> tuple[int, ...]:
    return tuple(new if number == old else number for number in numbers)


def _copy_all(builder: ProgramBuilder, sources: Sequence[int], targets: Sequence[int]) -> None:
    """Copy all at once: where places are exchanged, one of them goes through other memory."""
    waiting = {target: s for s, target in zip(sources, targets, strict=True) if s != target}
    while waiting:
        needed = set(waiting.values())
        target = next((number for number in waiting if number not in needed), None)
        if target is None:
            target = next(iter(waiting))
            held = builder.add(Storage("temporary", builder.buffers[target].type))
            builder.steps.append(CopyStep(target, held))
            waiting = {to: held if s == target else s for to, s in waiting.items()}
        builder.steps.append(CopyStep(waiting.pop(target), target))
