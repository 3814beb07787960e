"""A program: numbered buffers and the steps that fill them, in order.

It is what remains of a graph: kernels in the loop IR, ops that run on the host, and copies. A
backend that receives programs prints the kernels in its language and runs the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent

from irflow import dims
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.loops import Kernel
from irflow.loops.print import print_kernel
from irflow.lowering.lifetimes import lifetimes
from irflow.lowering.memory import Interval, Layout, plan
from irflow.lowering.steps import KernelStep, Step, every_step
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Storage:
    """One buffer of a program.

    Attributes:
        kind: `"input"`, `"output"`, `"constant"`, `"temporary"`, or `"view"` for a part of another
            buffer that a loop determines.
        type: what it holds; steps may see the same elements under another shape.
        position: which input or output it is.
        content: of a constant.
        start: of an output, the input whose elements it holds when the steps begin; these do not
            touch the buffer of that input.
    """

    kind: str
    type: TensorType
    position: int = 0
    content: DenseArray | None = None
    start: int | None = None

    def __str__(self) -> str:
        place = f" {self.position}" if self.kind in ("input", "output") else ""
        start = "" if self.start is None else f" over input {self.start}"
        return f"{self.kind}{place} {self.type}{start}"


@dataclass(frozen=True)
class Program:
    """Buffers and steps.

    Attributes:
        name: of the function.
        graph: what was lowered; its inputs and outputs say what is taken and returned.
        buffers: all memory, by number.
        steps: in the order they run.
        symbols: names of the sizes that are known at the call only, sorted.
    """

    name: str
    graph: Graph
    buffers: tuple[Storage, ...]
    steps: tuple[Step, ...]
    symbols: tuple[str, ...]

    def kernels(self) -> Iterator[Kernel]:
        """Each kernel once, in the order of its first use."""
        steps = (step for step in every_step(self.steps) if isinstance(step, KernelStep))
        yield from {step.kernel.name: step.kernel for step in steps}.values()

    def numbers(self, kind: str) -> list[int]:
        """The buffers of one kind."""
        return [number for number, b in enumerate(self.buffers) if b.kind == kind]

    def input_numbers(self) -> list[int]:
        """The input buffers in the order of the inputs."""
        return self._in_order("input")

    def output_numbers(self) -> list[int]:
        """The output buffers in the order of the outputs."""
        return self._in_order("output")

    def _in_order(self, kind: str) -> list[int]:
        return sorted(self.numbers(kind), key=lambda number: self.buffers[number].position)

    def lifetimes(self) -> dict[int, tuple[int, int]]:
        """For each temporary, the first and the last step that touch it."""
        return lifetimes(self.steps, self.numbers("temporary"))

    def layout(self, sizes: Mapping[str, int]) -> Layout:
        """Where temporaries lie, for given sizes."""
        return plan(
            {
                number: Interval(
                    first, last, dims.evaluate(self.buffers[number].type.nbytes, sizes)
                )
                for number, (first, last) in self.lifetimes().items()
            }
        )

    def __str__(self) -> str:
        """The listing `"loops"`."""
        sizes = f" sizes {', '.join(self.symbols)}" if self.symbols else ""
        lines = [f"program @{self.name}{sizes} {{"]
        lines += [f"  b{number}: {storage}" for number, storage in enumerate(self.buffers)]
        lines += [indent(str(step), "  ") for step in self.steps]
        kernels = [print_kernel(kernel) for kernel in self.kernels()]
        return "\n".join([*lines, "}\n", *kernels])
