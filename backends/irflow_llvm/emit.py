"""Kernels as LLVM IR text: a match over statements, a match over expressions, no optimisation.

A kernel becomes `define internal void @name(ptr outputs and inputs, i64 sizes)`. Parallel loops are
printed as plain ones; with `split`, the outermost one runs from `%begin` to `%end`, two more
parameters, so that a worker pool can cut it. Loops of kind vector ask LLVM to vectorise unless they
carry values from one iteration to the next, in which case the order of their sums would change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from irflow import dims, dtypes
from irflow.dims import Dim, Size
from irflow.errors import LoweringError, UnsupportedError
from irflow.loops import (
    Alloc,
    Apply,
    Barrier,
    Block,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    For,
    If,
    Intrinsic,
    Kernel,
    Let,
    Load,
    LoopKind,
    Ramp,
    Select,
    Shuffle,
    Space,
    Stmt,
    Store,
    Var,
    While,
    as_index,
    print_expr,
    walk,
)
from irflow_llvm.casts import cast
from irflow_llvm.code import Code, Value, memory_type, scalar_type, vector
from irflow_llvm.scalars import INTRINSICS, spell

ALIGNMENT = 64
# A larger buffer of a kernel's own is taken from the heap.
STACK_BYTES = 2**16
MEMORY = {
    "malloc": "declare noalias ptr @malloc(i64)",
    "free": "declare void @free(ptr)",
    "llvm.prefetch.p0": "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
}


@dataclass(slots=True)
class Module:
    """What the functions of one module share.

    Attributes:
        functions: their text, in order.
        symbols: declarations and helper functions by name.
        metadata: numbered nodes; the number is the position.
    """

    functions: list[str] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)

    def add(self, kernel: Kernel, split: bool = False, linkage: str = "internal ") -> None:
        """Print a kernel into this module."""
        self.functions.append(_Emitter(self, kernel, split, linkage).run())

    def loop_metadata(self, hint: str) -> str:
        """A node for one loop, as it is attached to the branch that closes it."""
        number = len(self.metadata)
        self.metadata += [f"distinct !{{!{number}, !{number + 1}}}", f'!{{!"{hint}"}}']
        if hint.endswith("enable"):
            self.metadata[-1] = f'!{{!"{hint}", i1 true}}'
        return f", !llvm.loop !{number}"

    def text(self, extra_text: str = "") -> str:
        """The module as LLVM reads it; what `extra_text` declares or defines is not declared."""
        known = set(re.findall(r"(?m)^(?:declare|define)\b[^@\n]*@([\w.$]+)", extra_text))
        symbols = [text for name, text in sorted(self.symbols.items()) if name not in known]
        nodes = [f"!{number} = {text}" for number, text in enumerate(self.metadata)]
        parts = ["\n".join(symbols), *self.functions, extra_text.strip(), "\n".join(nodes)]
        return "\n\n".join(part for part in parts if part) + "\n"


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
        module.add(kernel, kernel.name in split, linkage)
    return module.text(extra_text)


def parallel_loop(kernel: Kernel) -> For | None:
    """The loop that a worker pool may cut: parallel, outermost, with only `Let`s beside it."""
    loops = [s for s in kernel.body.statements if not isinstance(s, Let)]
    if len(loops) == 1 and isinstance(loops[0], For) and loops[0].kind is LoopKind.PARALLEL:
        return loops[0]
    return None


class _Emitter:
    """Prints one function."""

    def __init__(self, module: Module, kernel: Kernel, split: bool, linkage: str) -> None:
        self.module, self.kernel, self.linkage = module, kernel, linkage
        self.code = Code(spell, symbols=module.symbols)
        self.values: dict[str, Value] = {}
        self.pointers: dict[str, str] = {}
        self.sizes: dict[Dim, Value] = {}
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

    def size(self, size: Size) -> Value:
        """The value of a size; those of shapes are computed once, at the start."""
        if isinstance(size, int):
            return self.code.literal(size, dtypes.i64)
        if size not in self.sizes:
            self.sizes[size] = self.expr(as_index(size))
        return self.sizes[size]

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
        self.module.symbols |= {name: MEMORY[name] for name in ("malloc", "free")}
        total = self.size(count) * buffer.dtype.itemsize
        self.code.line(f"{name} = call ptr @malloc(i64 {total.text})")
        heap.append(name)

    # -------------------------------------------------------------------------------------- memory

    def address(self, buffer: Buffer, index: Sequence[Value]) -> str:
        """A pointer to one element; literal indices are added up here."""
        position = self.code.literal(0, dtypes.i64)
        for size, part in zip(buffer.shape, index, strict=True):
            position = self.plus(self.times(position, self.size(size)), part)
        pointer = self.pointers[buffer.name]
        if position.integer == 0:
            return pointer
        kind = memory_type(buffer.dtype)
        return self.code.raw(f"getelementptr inbounds {kind}, ptr {pointer}, {position.typed}")

    def times(self, a: Value, b: Value) -> Value:
        if a.integer is not None and b.integer is not None:
            return self.code.literal(a.integer * b.integer, dtypes.i64)
        return a if a.integer == 0 or b.integer == 1 else self.code.binary("mul nsw", a, b)

    def plus(self, a: Value, b: Value) -> Value:
        if a.integer is not None and b.integer is not None:
            return self.code.literal(a.integer + b.integer, dtypes.i64)
        if a.integer == 0:
            return b
        return a if b.integer == 0 else self.code.binary("add nsw", a, b)

    def load(self, load: Load) -> Value:
        zero = self.code.zero(load.dtype, load.lanes)
        if load.hint == "prefetch":
            self.prefetch(load)
            return zero
        mask = None if load.mask is None else self.expr(load.mask)
        index = [self.expr(i) for i in self.starts(load.index)]
        if load.lanes == 1:
            return self.guarded_load(load, index, mask, zero)
        if self.is_contiguous(load.index) and (mask is None or mask.lanes == 1):
            return self.guarded_load(load, index, mask, zero)
        parts = []
        for lane in range(load.lanes):
            chosen = None if mask is None else self.code.extract(mask, lane)
            at = [self.lane(part, lane, i) for part, i in zip(index, load.index, strict=True)]
            parts.append(self.guarded_load(load, at, chosen, self.code.zero(load.dtype), 1))
        return self.code.gather_lanes(parts)

    def guarded_load(
        self, load: Load, index: Sequence[Value], mask: Value | None, zero: Value, lanes: int = 0
    ) -> Value:
        """A load of `lanes` elements that happens where the mask is true."""
        if mask is None:
            return self.plain_load(load, index, lanes or load.lanes)
        code = self.code
        inside, done, before = code.fresh("load"), code.fresh("done"), code.label
        code.branch(mask, inside, done)
        code.begin(inside)
        value = self.plain_load(load, index, lanes or load.lanes)
        last = code.label
        code.jump(done)
        code.begin(done)
        choices = f"[ {zero.text}, %{before} ], [ {value.text}, %{last} ]"
        return code.put(f"phi {value.type} {choices}", value.dtype, value.lanes)

    def plain_load(self, load: Load, index: Sequence[Value], lanes: int) -> Value:
        kind = vector(memory_type(load.dtype), lanes)
        pointer = self.address(load.buffer, index)
        details = f"align {load.dtype.itemsize}{self.stream(load.hint)}"
        text = f"load {kind}, ptr {pointer}, {details}"
        if load.dtype is dtypes.bool_:
            stored = self.code.put(text, dtypes.u8, lanes)
            return cast(stored, dtypes.bool_)
        return self.code.put(text, load.dtype, lanes)

    def store(self, store: Store) -> None:
        mask = None if store.mask is None else self.expr(store.mask)
        value = self.expr(store.value)
        index = [self.expr(i) for i in self.starts(store.index)]
        lanes = max((i.lanes for i in store.index), default=1)
        if lanes == 1 or (self.is_contiguous(store.index) and (mask is None or mask.lanes == 1)):
            self.guarded_store(store, index, self.spread(value, lanes), mask)
            return
        for lane in range(lanes):
            chosen = None if mask is None else self.code.extract(mask, lane)
            at = [self.lane(part, lane, i) for part, i in zip(index, store.index, strict=True)]
            self.guarded_store(store, at, self.code.extract(value, lane), chosen)

    def guarded_store(
        self, store: Store, index: Sequence[Value], value: Value, mask: Value | None
    ) -> None:
        code = self.code
        done = ""
        if mask is not None:
            inside, done = code.fresh("store"), code.fresh("done")
            code.branch(mask, inside, done)
            code.begin(inside)
        if value.dtype is dtypes.bool_:
            value = cast(value, dtypes.u8)
        pointer = self.address(store.buffer, index)
        details = f"align {store.buffer.dtype.itemsize}{self.stream(store.hint)}"
        code.line(f"store {value.typed}, ptr {pointer}, {details}")
        if mask is not None:
            code.jump(done)
            code.begin(done)

    def stream(self, hint: str) -> str:
        if hint != "stream":
            return ""
        if "!{i32 1}" not in self.module.metadata:
            self.module.metadata.append("!{i32 1}")
        return f", !nontemporal !{self.module.metadata.index('!{i32 1}')}"

    def prefetch(self, load: Load) -> None:
        self.module.symbols["llvm.prefetch.p0"] = MEMORY["llvm.prefetch.p0"]
        pointer = self.address(load.buffer, [self.expr(i) for i in load.index])
        # Not `inbounds`: the address may lie outside of the buffer.
        self.code.lines[-1] = self.code.lines[-1].replace("getelementptr inbounds", "getelementptr")
        self.code.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    @staticmethod
    def is_contiguous(index: Sequence[Expr]) -> bool:
        """Whether vector lanes are neighbours in memory."""
        *outer, last = index
        is_ramp = isinstance(last, Ramp) and last.stride == 1
        return is_ramp and all(part.lanes == 1 for part in outer)

    def starts(self, index: Sequence[Expr]) -> Sequence[Expr]:
        """Indices to compute: of contiguous lanes only the first."""
        if not index or not self.is_contiguous(index):
            return index
        *outer, last = index
        assert isinstance(last, Ramp)
        return [*outer, last.start]

    def lane(self, value: Value, lane: int, expr: Expr) -> Value:
        """One lane of an index; `starts` may have left a ramp's start in its place."""
        if isinstance(expr, Ramp) and value.lanes == 1:
            return self.plus(value, self.code.literal(lane * expr.stride, dtypes.i64))
        return self.code.extract(value, lane)

    # --------------------------------------------------------------------------------- expressions

    def expr(self, expr: Expr) -> Value:
        """Write the instructions of an expression."""
        match expr:
            case Const(value, dtype):
                return self.code.literal(value, dtype)
            case Var(name):
                return self.values[name]
            case Load():
                return self.load(expr)
            case Apply(row, args):
                return spell(row, tuple(self.expr(a) for a in args))
            case Cast(dtype, value):
                return cast(self.expr(value), dtype)
            case Select(condition, then, otherwise):
                choice = self.expr(condition)
                return self.code.select(choice, self.expr(then), self.expr(otherwise))
            case Ramp(start, stride, lanes):
                steps = ", ".join(f"i64 {lane * stride}" for lane in range(lanes))
                first = self.spread(self.expr(start), lanes)
                offsets = self.code.value(f"<{steps}>", dtypes.i64, lanes)
                return self.code.binary("add nsw", first, offsets)
            case Broadcast(value, lanes):
                return self.spread(self.expr(value), lanes)
            case Shuffle(vectors, indices):
                return self.shuffle([self.expr(v) for v in vectors], indices)
            case Intrinsic(row, args) if row.name in INTRINSICS:
                result = INTRINSICS[row.name](*map(self.expr, args))
                if result is not None:
                    return result
        raise UnsupportedError(f"the llvm backend has no spelling of {print_expr(expr)}")

    def spread(self, value: Value, lanes: int) -> Value:
        """A scalar in every lane; a vector as it is."""
        if value.lanes == lanes:
            return value
        kind = vector(scalar_type(value.dtype), lanes)
        if not value.text.startswith("%"):
            return self.code.value(f"splat ({value.typed})", value.dtype, lanes)
        first = self.code.raw(f"insertelement {kind} poison, {value.typed}, i32 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        text = f"shufflevector {kind} {first}, {kind} poison, {zeros}"
        return self.code.put(text, value.dtype, lanes)

    def shuffle(self, vectors: Sequence[Value], indices: Sequence[int]) -> Value:
        if len(indices) == 1 and len(vectors) == 1:
            return self.code.extract(vectors[0], indices[0])
        first = vectors[0]
        if len(vectors) > 2 or any(v.lanes != first.lanes for v in vectors) or first.lanes == 1:
            raise UnsupportedError("the llvm backend shuffles one vector or two of equal lanes")
        second = vectors[1].typed if len(vectors) == 2 else f"{first.type} poison"
        mask = ", ".join(f"i32 {i}" for i in indices)
        text = f"shufflevector {first.typed}, {second}, <{len(indices)} x i32> <{mask}>"
        return self.code.put(text, first.dtype, len(indices))


def _carries_values(loop: For) -> bool:
    """Whether the body reads a buffer that it writes and has not made itself."""
    written = walk.stored(loop.body).keys() - walk.allocated(loop.body).keys()
    return any(load.buffer.name in written for load in walk.loads(loop.body))
