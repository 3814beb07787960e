"""Statements as LLVM instructions, and parallel loops as work for the worker pool."""

from __future__ import annotations

from irflow import dims, dtypes
from irflow.errors import UnsupportedError
from irflow.loops import (
    Alloc,
    Barrier,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    LoopKind,
    Space,
    Stmt,
    Store,
    Var,
    While,
    walk,
)
from irflow.lowering.grain import has_chunks, iterations_per_chunk
from irflow_llvm.code import Value, memory_type
from irflow_llvm.expressions import ExpressionWriter
from irflow_llvm.indices import Sum
from irflow_llvm.module import Module
from irflow_llvm.pool import PARALLEL

ALIGNMENT = 64
# What lies on the heap begins at a page. A processor that compares the low bits of addresses only,
# to see whether a load has to wait for a store, then finds no cause to; see `builtin_results`.
PAGE = 4096
# A larger buffer of a kernel's own is taken from the heap.
STACK_BYTES = 2**16
HEAP = {
    "malloc": "declare noalias ptr @malloc(i64)",
    "free": "declare void @free(ptr)",
    "llvm.ptrmask.p0.i64": "declare ptr @llvm.ptrmask.p0.i64(ptr, i64)",
}


class StatementWriter(ExpressionWriter):
    """Writes the statements of one function.

    Attributes:
        name: of the function.
        cuts: whether the worker pool gets its parallel loops.
        parts: how many functions were made of such loops.
    """

    def __init__(self, module: Module, name: str, cuts: bool) -> None:
        super().__init__(module)
        self.name, self.cuts = name, cuts
        self.parts = 0

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
                self.let(var, value)
            case Store():
                self.store(stmt)
            case Alloc(buffer):
                self.allocate(buffer, heap)
            case Barrier():
                raise UnsupportedError("the llvm backend has no barriers between threads")

    def let(self, var: Var, value: Expr) -> None:
        if var.dtype is dtypes.i64 and var.lanes == 1:
            self.sums[var.name] = self.sum(value)
        else:
            self.values[var.name] = self.expr(value)

    def loop(self, loop: For) -> None:
        """The loop itself, or its part of what the worker pool runs."""
        if loop.kind is LoopKind.UNROLL and isinstance(loop.extent, Const):
            self.copies(loop, int(loop.extent.value))
            return
        if loop.kind is LoopKind.PARALLEL and self.cuts:
            chunk = iterations_per_chunk(loop)
            if has_chunks(loop, chunk):
                self.parallel(loop, chunk)
                return
        self.range(loop, self.code.index(0), self.expr(loop.extent))

    def copies(self, loop: For, count: int) -> None:
        """The body of an unrolled loop, once an iteration."""
        for i in range(count):
            self.values[loop.var.name] = self.code.literal(i, dtypes.i64)
            self.block(loop.body)

    def range(self, loop: For, begin: Value, end: Value) -> None:
        """The test stands at the end, so a loop that surely runs needs none before it."""
        code = self.code
        body, done = code.fresh("body"), code.fresh("done")
        before, counter = code.label, f"%{code.fresh('i')}"
        if begin.integer == 0 and (end.integer or 0) > 0:
            code.jump(body)
        else:
            code.branch(code.compare("icmp slt", begin, end), body, done)
        code.begin(body)
        position = len(code.lines)
        self.values[loop.var.name] = code.value(counter, dtypes.i64)
        self.block(loop.body)
        after = code.put(f"add nuw nsw i64 {counter}, 1", dtypes.i64)
        phi = f"  {counter} = phi i64 [ {begin.text}, %{before} ], [ {after.text}, %{code.label} ]"
        code.lines.insert(position, phi)
        again = code.compare("icmp slt", after, end)
        code.branch(again, body, done, self.loop_hint(loop))
        code.begin(done)

    def parallel(self, loop: For, chunk: int) -> None:
        """Hand a loop to the worker pool: its body becomes a function of what it uses, the number
        of a chunk, and nothing else.
        """
        code = self.code
        used = self.used_in(loop)
        part = StatementWriter(self.module, f"{self.name}.part{self.parts}", cuts=False)
        part.streams = self.streams
        self.parts += 1
        self.module.functions.append(part.chunk(loop, chunk, self, used))
        self.module.symbols[PARALLEL] = f"declare void @{PARALLEL}(ptr, ptr, i64)"
        end = self.expr(loop.extent)
        kind = _frame_type(used)
        frame = f"%{code.fresh('frame')}"
        code.entry.append(f"  {frame} = alloca {kind}, align {ALIGNMENT}")
        for position, (type, text) in enumerate([("i64", end.text), *used.values()]):
            place = code.raw(f"getelementptr {kind}, ptr {frame}, i32 0, i32 {position}")
            code.line(f"store {type} {text}, ptr {place}")
        rounded = Sum.of(end).plus(Sum(None, chunk - 1)).whole(code)
        count = code.binary("sdiv", rounded, code.index(chunk))
        code.line(f"call void @{PARALLEL}(ptr @{part.name}, ptr {frame}, {count.typed})")

    def used_in(self, loop: For) -> dict[str, tuple[str, str]]:
        """What the body of a loop uses from outside: LLVM's type and name of each, by key."""
        own = walk.allocated(loop.body)
        loads = {load.buffer.name: load.buffer for load in walk.loads(loop.body)}
        buffers = {**loads, **walk.stored(loop.body), **own}
        used = {
            f"buffer {name}": ("ptr", self.pointers[name]) for name in buffers if name not in own
        }
        for name in walk.free_variables(loop.body):
            if name != loop.var.name:
                value = self.variable(name)
                used[f"value {name}"] = value.type, value.text
        for size in dict.fromkeys(size for buffer in buffers.values() for size in buffer.shape):
            if not isinstance(size, int):
                used[f"size {size}"] = ("i64", self.size(size).text)
        return used

    def chunk(
        self, loop: For, chunk: int, outside: StatementWriter, used: dict[str, tuple[str, str]]
    ) -> str:
        """The function that runs one chunk of a loop of another function."""
        code = self.code
        kind = _frame_type(used)
        total = code.put("load i64, ptr %frame", dtypes.i64)
        found: dict[str, str] = {}
        for position, (key, (type, _)) in enumerate(used.items(), 1):
            place = code.raw(f"getelementptr {kind}, ptr %frame, i32 0, i32 {position}")
            found[key] = code.raw(f"load {type}, ptr {place}")
        self.pointers = {k[7:]: text for k, text in found.items() if k.startswith("buffer ")}
        for name in [k[6:] for k in found if k.startswith("value ")]:
            like = outside.variable(name)
            self.values[name] = code.value(found[f"value {name}"], like.dtype, like.lanes)
        for size in outside.sizes:
            if f"size {size}" in found:
                self.sizes[size] = code.value(found[f"size {size}"], dtypes.i64)
        begin = Sum(code.value("%chunk", dtypes.i64)).times(Sum(None, chunk))
        end = begin.plus(Sum(None, chunk)).whole(code)
        self.range(loop, begin.whole(code), code.intrinsic("smin", [end, total]))
        self.settle(loop)
        head = f"define internal void @{self.name}(ptr %frame, i64 %chunk) nounwind {{"
        return self.function(head)

    def settle(self, stmt: Stmt) -> None:
        """Wait until non-temporal stores can be seen; no other order holds for them."""
        if self.streams and streamed(stmt):
            self.code.line("fence seq_cst")

    def function(self, head: str) -> str:
        """The text of a function with the instructions so far."""
        self.code.line("ret void")
        return "\n".join([head, "entry:", *self.code.entry, *self.code.lines, "}"])

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
            line = f"  {name} = alloca [{count} x {memory_type(buffer.dtype)}], align {ALIGNMENT}"
            if line not in self.code.entry:  # It is there in further copies of an unrolled body.
                self.code.entry.append(line)
            return
        if buffer.space is Space.REGISTER:
            raise UnsupportedError(f"the register buffer {buffer.name} is too large")
        self.module.symbols |= HEAP
        total = self.size(count) * buffer.dtype.itemsize + (PAGE - 1)
        memory = self.code.raw(f"call ptr @malloc(i64 {total.text})")
        heap.append(memory)
        last = self.code.raw(f"getelementptr i8, ptr {memory}, i64 {PAGE - 1}")
        masked = f"call ptr @llvm.ptrmask.p0.i64(ptr {last}, i64 -{PAGE})"
        self.pointers[buffer.name] = self.code.raw(masked)


def streamed(stmt: Stmt) -> dict[str, Buffer]:
    """The buffers that a statement writes by non-temporal stores."""
    inner = walk.statements(stmt)
    found = [s.buffer for s in inner if isinstance(s, Store) and s.hint == "stream"]
    return {buffer.name: buffer for buffer in found}


def _frame_type(used: dict[str, tuple[str, str]]) -> str:
    """LLVM's type of what a chunk is given: the length of the loop, then what the body uses."""
    return "{ " + ", ".join(["i64", *(kind for kind, _ in used.values())]) + " }"


def _carries_values(loop: For) -> bool:
    """Whether the body reads a buffer that it writes and has not made itself."""
    written = walk.stored(loop.body).keys() - walk.allocated(loop.body).keys()
    return any(load.buffer.name in written for load in walk.loads(loop.body))
