"""The backend that compiles programs to native code through LLVM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar

from irflow.backend import Backend, Capabilities, CompileOptions, Executable, Reason
from irflow.errors import UnsupportedError
from irflow.ir.graph import Graph, Node
from irflow.loops import Kernel
from irflow.lowering import Target
from irflow.lowering.program import Program
from irflow.ops import DynamicUpdateSlice
from irflow_llvm.host import host

_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
MISSING = "llvmlite cannot be imported; it is a dependency of irflow: pip install llvmlite"


@cache
def _problem() -> str | None:
    try:
        host()
    except ImportError:
        return MISSING
    except RuntimeError as error:
        return f"llvmlite does not know this processor: {error}"
    return None


def largest_cache() -> int:
    """The bytes of the cache that all cores share; what is usual where Linux does not tell."""
    try:
        text = _CACHE.read_text("ascii").strip()
        return int(text.removesuffix("K")) << 10
    except (OSError, ValueError):
        return Target().l3_bytes


DOTS = {"avx512bf16": "bf16", "avx512vnni": "u8"}
"""Features of processors that multiply and sum up narrow elements, and which."""


@cache
def host_features() -> frozenset[str]:
    """What this processor has besides the instructions of all of its kind."""
    names = host().features.split(",")
    return frozenset(name[1:] for name in names if name.startswith("+"))


@cache
def host_target() -> Target:
    """What schedules need to know of this machine."""
    features = host_features()
    is_arm = "neon" in features
    width, registers = 16, 32 if is_arm else 16
    if "avx512f" in features:
        width, registers = 64, 32
    elif "avx" in features:
        width, registers = 32, 16
    dots = tuple(dtype for feature, dtype in DOTS.items() if width == 64 and feature in features)
    return Target(host().cpu, width, registers, l3_bytes=largest_cache(), dots=dots)


class LlvmBackend(Backend):
    """Native code for the machine at hand; what has no loops runs as a host step.

    A program becomes one module: its kernels, and an entry function that calls them in order, so
    a whole training step is one native call.
    """

    name: ClassVar[str] = "llvm"
    level: ClassVar[str] = "program"
    priority: ClassVar[int] = 10

    def capabilities(self) -> Capabilities:
        return Capabilities(lending=True)

    def available(self) -> str | None:
        return _problem()

    def target(self) -> Target:
        """The machine that programs are cut for."""
        from irflow_llvm import workers

        return replace(host_target(), threads=workers.thread_count())

    def pipeline(self, level: int) -> str:
        return "inline,decompose,fuse,dce" if level else "inline,decompose"

    def claims(self, node: Node) -> bool | Reason:
        """Rows of a carry that are replaced: a loop does so in place, if no kernel contains it."""
        is_update = isinstance(node.op, DynamicUpdateSlice) and node.inputs[0].node is None
        if is_update and node.output.is_output:
            return True
        return Reason("the backend claims nothing but updates of what is taken and returned")

    def compile(self, work: Graph | Program, options: CompileOptions) -> Executable:
        from irflow_llvm.runtime import LlvmExecutable

        if not isinstance(work, Program):
            raise UnsupportedError("the llvm backend compiles programs; lower the graph first")
        return LlvmExecutable(work, options)

    def build(
        self,
        make: Callable[[Callable[[Kernel], None]], Graph | Program],
        options: CompileOptions,
    ) -> Executable:
        """Kernels are compiled by a thread while others are still written."""
        from irflow_llvm.batches import Batches
        from irflow_llvm.runtime import LlvmExecutable

        with Batches(LlvmExecutable.level_of(options)) as batches:
            program = make(batches.add)
            assert isinstance(program, Program)
            return LlvmExecutable(program, options, batches)

    def fingerprint(self) -> tuple[str, ...] | None:
        """LLVM and the processor it compiles for."""
        from irflow_llvm import workers

        return (*host(), f"pool={workers.is_supported()}")

    def save(self, executable: Executable) -> Sequence[bytes | memoryview] | None:
        from irflow_llvm import stored

        return stored.save(executable)

    def restore(
        self,
        content: bytes | memoryview,
        graph: Graph,
        work: Callable[[], Graph | Program],
        options: CompileOptions,
    ) -> Executable:
        from irflow_llvm import stored

        def program() -> Program:
            made = work()
            assert isinstance(made, Program)
            return made

        return stored.restore(content, graph, program, options)
