"""Kernels as LLVM IR text: a match over statements, a match over expressions, no optimisation.

A kernel becomes `define internal void @name(ptr inputs and outputs, i64 sizes)`. The bodies of its
parallel loops become functions of their own, which the worker pool calls, where they are worth it.
Loops of kind vector ask LLVM to vectorise unless they carry values from one iteration to the next,
in which case the order of their sums would change.
"""

from __future__ import annotations

from collections.abc import Iterable

from irflow import dtypes
from irflow.loops import Kernel, walk
from irflow_llvm.module import Module
from irflow_llvm.statements import ALIGNMENT, StatementWriter, streamed


def emit_kernel(kernel: Kernel, cuts: bool = False, linkage: str = "internal ") -> str:
    """One kernel as a module of its own."""
    return emit_module([kernel], cuts=cuts, linkage=linkage)


def emit_module(
    kernels: Iterable[Kernel],
    extra_text: str = "",
    cuts: bool = False,
    linkage: str = "internal ",
    features: frozenset[str] = frozenset(),
) -> str:
    """Kernels and further functions as one module.

    Args:
        kernels: checked code, names unique.
        extra_text: more definitions, which may call the kernels; without metadata of their own.
        cuts: whether the worker pool runs parallel loops; otherwise they are as any other.
        linkage: how the kernels are defined; `""` makes them visible from outside.
        features: of the processor, where the module is for no other.

    Raises:
        UnsupportedError: a type, row or loop kind that has no spelling.
    """
    module = Module(features=features)
    for kernel in kernels:
        write_kernel(module, kernel, cuts, linkage)
    return module.text(extra_text)


def write_kernel(module: Module, kernel: Kernel, cuts: bool, linkage: str = "") -> int:
    """Add a kernel to a module; tells how many characters were added. See `emit_module`."""
    before = len(module.functions)
    text = _KernelWriter(module, kernel, cuts).run(linkage)
    module.functions.append(text)
    return sum(map(len, module.functions[before:]))


def declaration(kernel: Kernel) -> str:
    """What lets another module call a kernel."""
    types = ["ptr"] * (len(kernel.inputs) + len(kernel.outputs)) + ["i64"] * len(kernel.sizes)
    return f"declare void @{kernel.name}({', '.join(types)})"


class _KernelWriter(StatementWriter):
    """Writes the function of a kernel."""

    def __init__(self, module: Module, kernel: Kernel, cuts: bool) -> None:
        super().__init__(module, kernel.name, cuts)
        self.kernel = kernel

    def run(self, linkage: str) -> str:
        """The text of the function."""
        kernel = self.kernel
        head = f"define {linkage}void @{kernel.name}({self.parameters()}) nounwind {{"
        for buffer in (*kernel.inputs, *kernel.outputs, *walk.allocated(kernel.body).values()):
            for size in buffer.shape:
                self.size(size)
        past = streamed(kernel.body)
        if past:
            self.two_ways(past)
        else:
            self.block(kernel.body)
        return self.function(head)

    def two_ways(self, past: Iterable[str]) -> None:
        """The body with non-temporal stores, and without where an output does not lie right."""
        code = self.code
        aligned, other, done = code.fresh("aligned"), code.fresh("other"), code.fresh("done")
        joined = code.literal(0, dtypes.i64)
        for name in past:
            place = code.put(f"ptrtoint ptr {self.pointers[name]} to i64", dtypes.i64)
            joined = code.binary("or", joined, place)
        low = code.binary("and", joined, code.literal(ALIGNMENT - 1, dtypes.i64))
        code.branch(code.compare("icmp eq", low, code.literal(0, dtypes.i64)), aligned, other)
        for label, self.streams in ((aligned, True), (other, False)):
            code.begin(label)
            self.block(self.kernel.body)
            self.settle(self.kernel.body)
            code.jump(done)
        code.begin(done)

    def parameters(self) -> str:
        parts = []
        for buffer in (*self.kernel.inputs, *self.kernel.outputs):
            self.pointers[buffer.name] = f"%arg.{buffer.name}"
            access = "noalias" if buffer in self.kernel.outputs else "noalias readonly"
            parts.append(f"ptr {access} %arg.{buffer.name}")
        for var in self.kernel.sizes:
            self.values[var.name] = self.code.value(f"%size.{var.name}", dtypes.i64)
            parts.append(f"i64 %size.{var.name}")
        return ", ".join(parts)
