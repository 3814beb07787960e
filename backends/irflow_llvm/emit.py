"""Kernels as LLVM IR text: a match over statements, a match over expressions, no optimisation.

A kernel becomes `define internal void @name(ptr outputs and inputs, i64 sizes)`. Parallel loops are
printed as plain ones; with `split`, the outermost one runs from `%begin` to `%end`, two more
parameters, so that a worker pool can cut it. Loops of kind vector ask LLVM to vectorise unless they
carry values from one iteration to the next, in which case the order of their sums would change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irflow import dims, dtypes
from irflow.errors import LoweringError, UnsupportedError
from irflow.loops import (
    Alloc,
    Barrier,
    Block,
    Buffer,
    Expr,
    For,
    If,
    Kernel,
    Let,
    LoopKind,
    Space,
    Stmt,
    Store,
    While,
    walk,
)
from irflow_llvm.code import memory_type
from irflow_llvm.expressions import ExpressionWriter
from irflow_llvm.module import Module

ALIGNMENT = 64
# A larger buffer of a kernel's own is taken from the heap.
STACK_BYTES = 2**16
HEAP = {
    "malloc": "declare noalias ptr @malloc(i64)",
    "free": "declare void @free(ptr)",
}


def emit_kernel(kernel: Kernel, split: bool = False, linkage: str = "internal ") -> str:
    """One kernel as a module of its own."""
    return emit_module([kernel], split=(kernel.name,) if split else (), linkage=linkage)


def emit_module(
    kernels: Iterable[Kernel],
    extra_text: str = "",
    split: Sequence[str] = (),
    linkage: str = "internal ",
) -> str:
    """Kernels and further functions as one module.

    Args:
        kernels: checked and unrolled code, names unique.
        extra_text: more definitions, which may call the kernels; without metadata of their own.
        split: names of kernels that take a range of their parallel loop.
        linkage: how the kernels are defined; `""` makes them visible from outside.

    Raises:
        UnsupportedError: a type, row or loop kind that has no spelling.
    """
    module = Module()
    for kernel in kernels:
        writer = _FunctionWriter(module, kernel, kernel.name in split, linkage)
        module.functions.append(writer.run())
    return module.text(extra_text)


def parallel_loop(kernel: Kernel) -> For | None:
    """The loop that a worker pool may cut: parallel, outermost, with only `Let`s beside it."""
    loops = [s for s in kernel.body.statements if not isinstance(s, Let)]
    if len(loops) == 1 and isinstance(loops[0], For) and loops[0].kind is LoopKind.PARALLEL:
        return loops[0]
    return None


class _FunctionWriter(ExpressionWriter):
    """Prints one function."""

    def __init__(self, module: Module, kernel: Kernel, split: bool, linkage: str) -> None:
        super().__init__(module)
        self.kernel, self.linkage = kernel, linkage
        self.split = parallel_loop(kernel) if split else None
        if split and self.split is None:
            raise LoweringError(f"kernel @{kernel.name} has no single parallel loop to cut")

    def run(self) -> str:
        """The text of the function."""
        kernel = self.kernel
        head = f"define {self.linkage}void @{kernel.name}({self.parameters()}) nounwind {{"
        for buffer in (*kernel.inputs, *kernel.outputs, *walk.allocated(kernel.body).values()):
            for size in buffer.shape:
                self.size(size)
        self.block(kernel.body)
        self.code.line("ret void")
        return "\n".join([head, "entry:", *self.code.entry, *self.code.lines, "}"])

    def parameters(self) -> str:
        parts = []
        for buffer in (*self.kernel.inputs, *self.kernel.outputs):
            self.pointers[buffer.name] = f"%arg.{buffer.name}"
            access = "noalias" if buffer in self.kernel.outputs else "noalias readonly"
            parts.append(f"ptr {access} %arg.{buffer.name}")
        for var in self.kernel.sizes:
            self.values[var.name] = self.code.value(f"%size.{var.name}", dtypes.i64)
            parts.append(f"i64 %size.{var.name}")
        return ", ".join([*parts, *(["i64 %begin", "i64 %end"] if self.split else [])])

    # ---------------------------------------------------------------------------------- statements

    def block(self, block: Block) -> None:
        heap: list[str] = []
        for stmt in block.statements:
            self.statement(stmt, heap)
        for pointer in reversed(heap):
            self.code.line(f"call void @free(ptr {pointer})")

    def statement(self, stmt: Stmt, heap: list[str]) -> None:
        match stmt:
            case Block():
                self.block(stmt)
            case For():
                self.loop(stmt)
            case While(condition, body):
                self.while_(condition, body)
            case If(condition, then, otherwise):
                self.branch(condition, then, otherwise)
            case Let(var, value):
                self.values[var.name] = self.expr(value)
            case Store():
                self.store(stmt)
            case Alloc(buffer):
                self.allocate(buffer, heap)
            case Barrier():
                raise UnsupportedError("the llvm backend has no barriers between threads")

    def loop(self, loop: For) -> None:
        """The test stands at the end, so a loop that surely runs needs none before it."""
        code = self.code
        end = code.value("%end", dtypes.i64) if loop is self.split else self.expr(loop.extent)
        begin = "%begin" if loop is self.split else "0"
        body, done = code.fresh("body"), code.fresh("done")
        before, counter = code.label, f"%{code.fresh('i')}"
        if (end.integer or 0) > 0:
            code.jump(body)
        else:
            code.branch(code.put(f"icmp slt i64 {begin}, {end.text}", dtypes.bool_), body, done)
        code.begin(body)
        position = len(code.lines)
        self.values[loop.var.name] = code.value(counter, dtypes.i64)
        self.block(loop.body)
        after = code.put(f"add nuw nsw i64 {counter}, 1", dtypes.i64)
        phi = f"  {counter} = phi i64 [ {begin}, %{before} ], [ {after.text}, %{code.label} ]"
        code.lines.insert(position, phi)
        again = code.put(f"icmp slt i64 {after.text}, {end.text}", dtypes.bool_)
        code.branch(again, body, done, self.loop_hint(loop))
        code.begin(done)

    def loop_hint(self, loop: For) -> str:
        if loop.kind is LoopKind.UNROLL:
            return self.module.loop_metadata("llvm.loop.unroll.full")
        if loop.kind is LoopKind.VECTOR and not _carries_values(loop):
            return self.module.loop_metadata("llvm.loop.vectorize.enable")
        return ""

    def while_(self, condition: Expr, body: Block) -> None:
        code = self.code
        head, inside, done = code.fresh("head"), code.fresh("body"), code.fresh("done")
        code.jump(head)
        code.begin(head)
        code.branch(self.expr(condition), inside, done)
        code.begin(inside)
        self.block(body)
        code.jump(head)
        code.begin(done)

    def branch(self, condition: Expr, then: Block, otherwise: Block | None) -> None:
        code = self.code
        yes, done = code.fresh("then"), code.fresh("done")
        no = code.fresh("else") if otherwise else done
        code.branch(self.expr(condition), yes, no)
        code.begin(yes)
        self.block(then)
        code.jump(done)
        if otherwise:
            code.begin(no)
            self.block(otherwise)
            code.jump(done)
        code.begin(done)

    def allocate(self, buffer: Buffer, heap: list[str]) -> None:
        """On the stack, at the start of the function; on the heap, if large or of unknown size."""
        count = dims.product(buffer.shape)
        name = f"%buffer.{buffer.name}"
        self.pointers[buffer.name] = name
        if isinstance(count, int) and count * buffer.dtype.itemsize <= STACK_BYTES:
            kind = f"[{count} x {memory_type(buffer.dtype)}]"
            self.code.entry.append(f"  {name} = alloca {kind}, align {ALIGNMENT}")
            return
        if buffer.space is Space.REGISTER:
            raise UnsupportedError(f"the register buffer {buffer.name} is too large")
        self.module.symbols |= HEAP
        total = self.size(count) * buffer.dtype.itemsize
        self.code.line(f"{name} = call ptr @malloc(i64 {total.text})")
        heap.append(name)


def _carries_values(loop: For) -> bool:
    """Whether the body reads a buffer that it writes and has not made itself."""
    written = walk.stored(loop.body).keys() - walk.allocated(loop.body).keys()
    return any(load.buffer.name in written for load in walk.loads(loop.body))
