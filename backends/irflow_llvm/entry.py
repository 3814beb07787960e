"""The functions through which Python calls a program: one for each run of kernels without a host
step between.

    define void @entry0(ptr %buffers, ptr %sizes)

`buffers` holds one pointer a buffer of the program, `sizes` the values of its symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from irflow.lowering.program import CopyStep, HostStep, KernelStep, Program


@dataclass(frozen=True, slots=True)
class Segment:
    """Kernels that run in one native call.

    Attributes:
        name: of the entry function.
        steps: the kernels in order.
    """

    name: str
    steps: tuple[KernelStep, ...]


Part = Segment | HostStep | CopyStep


def segments(program: Program) -> list[Part]:
    """The steps of a program with neighbouring kernels joined."""
    parts: list[Part] = []
    for is_kernel, steps in groupby(program.steps, lambda step: isinstance(step, KernelStep)):
        if is_kernel:
            kernels = tuple(step for step in steps if isinstance(step, KernelStep))
            parts.append(Segment(f"entry{len(parts)}", kernels))
        else:
            parts += [step for step in steps if not isinstance(step, KernelStep)]
    return parts


def entry_text(parts: Iterable[Part], symbols: Sequence[str]) -> str:
    """LLVM IR of the entry functions."""
    found = [part for part in parts if isinstance(part, Segment)]
    return "\n\n".join(_function(segment, symbols) for segment in found)


def _function(segment: Segment, symbols: Sequence[str]) -> str:
    numbers = sorted({n for step in segment.steps for n in (*step.inputs, *step.outputs)})
    wanted = {var.name for step in segment.steps for var in step.kernel.sizes}
    lines = [f"define void @{segment.name}(ptr noalias %buffers, ptr noalias %sizes) {{"]
    for number in numbers:
        lines += _element(f"b{number}", "ptr", "%buffers", number)
    for position, symbol in enumerate(symbols):
        if symbol in wanted:
            lines += _element(f"size.{symbol}", "i64", "%sizes", position)
    lines += [f"  {_call(step)}" for step in segment.steps]
    return "\n".join([*lines, "  ret void", "}"])


def _element(name: str, kind: str, array: str, position: int) -> list[str]:
    return [
        f"  %at.{name} = getelementptr {kind}, ptr {array}, i64 {position}",
        f"  %{name} = load {kind}, ptr %at.{name}, align 8",
    ]


def _call(step: KernelStep) -> str:
    buffers = [f"ptr %b{number}" for number in (*step.inputs, *step.outputs)]
    sizes = [f"i64 %size.{var.name}" for var in step.kernel.sizes]
    return f"call void @{step.kernel.name}({', '.join(buffers + sizes)})"
