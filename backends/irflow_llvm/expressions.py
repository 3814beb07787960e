"""Expressions and memory accesses as LLVM instructions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irflow import dtypes
from irflow.dims import Dim, Size
from irflow.errors import UnsupportedError
from irflow.loops import (
    Apply,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    Intrinsic,
    Load,
    Ramp,
    Select,
    Shuffle,
    Store,
    Var,
)
from irflow.loops.build import as_index
from irflow.loops.print import print_expr
from irflow_llvm.casts import cast
from irflow_llvm.code import Code, Value, memory_type, scalar_type, vector
from irflow_llvm.module import Module
from irflow_llvm.scalars import INTRINSICS, spell

PREFETCH = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"


SUFFIXES = {"half": "f16", "float": "f32", "double": "f64"}
"""How overloaded intrinsics name types of elements; integers are named as they are."""


def wrapped(number: int) -> int:
    """An i64 with the low bits of a number."""
    return (number + 2**63) % 2**64 - 2**63


def literal_lanes(expr: Expr) -> np.ndarray | None:
    """The lanes of a vector that does not depend on anything."""
    match expr:
        case Broadcast(Const(value), lanes):
            return np.full(lanes, value)
        case Ramp(Const(start), stride, lanes):
            return np.int64(start) + stride * np.arange(lanes)
        case Apply(row, args) if expr.lanes > 1:
            known = [literal_lanes(arg) for arg in args]
            return None if any(k is None for k in known) else np.asarray(row.numpy(*known))
        case _:
            return None


def only_lane(mask: Value) -> int | None:
    """The lane in which a mask is true, if it is a literal and there is just one."""
    lanes = mask.text.strip("<>").split(", ")
    chosen = [lane for lane, text in enumerate(lanes) if text == "i1 true"]
    return chosen[0] if len(lanes) == mask.lanes and len(chosen) == 1 else None


def contiguous(buffer: Buffer, index: Sequence[Expr]) -> tuple[Sequence[Expr], bool]:
    """Whether vector lanes are neighbours in memory; then of that index only the first is left."""
    wide = [axis for axis, part in enumerate(index) if part.lanes > 1]
    if len(wide) != 1:
        return index, False
    (axis,) = wide
    part = index[axis]
    if not isinstance(part, Ramp) or part.stride != 1:
        return index, False
    if any(size != 1 for size in buffer.shape[axis + 1 :]):
        return index, False
    return [*index[:axis], part.start, *index[axis + 1 :]], True


class ExpressionWriter:
    """Writes the expressions of one function.

    Attributes:
        module: what all functions share.
        code: the instructions so far.
        values: the variables that are defined, by name.
        pointers: the buffers, by name.
        sizes: symbolic sizes that were computed.
        streams: whether the outputs lie such that non-temporal stores are possible.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.code = Code(spell, symbols=module.symbols, features=module.features)
        self.values: dict[str, Value] = {}
        self.pointers: dict[str, str] = {}
        self.sizes: dict[Dim, Value] = {}
        self.streams = False

    def size(self, size: Size) -> Value:
        """The value of a size; those of shapes are computed once, at the start."""
        if isinstance(size, int):
            return self.code.index(size)
        if size not in self.sizes:
            self.sizes[size] = self.expr(as_index(size))
        return self.sizes[size]

    # -------------------------------------------------------------------------------------- memory

    def address(self, buffer: Buffer, index: Sequence[Value], bounds: str = "inbounds ") -> str:
        """A pointer to one element."""
        position = self.position(buffer, index)
        pointer = self.pointers[buffer.name]
        if position.integer == 0:
            return pointer
        kind = memory_type(buffer.dtype)
        return self.code.raw(f"getelementptr {bounds}{kind}, ptr {pointer}, {position.typed}")

    def position(self, buffer: Buffer, index: Sequence[Value]) -> Value:
        """The number of an element in row-major order; literal indices are added up here."""
        code, variable, known = self.code, None, 0
        for size, part in zip(buffer.shape, index, strict=True):
            if not isinstance(size, int) and known:
                whole = code.index(known)
                variable, known = whole if variable is None else self.plus(variable, whole), 0
            if variable is not None:
                variable = self.times(variable, self.size(size))
            known *= size if isinstance(size, int) else 1
            if part.integer is not None:
                known += part.integer
            else:
                variable = part if variable is None else self.plus(variable, part)
        if variable is not None and known == 0:
            return variable
        rest = code.index(known)
        return rest if variable is None else self.plus(variable, rest)

    def times(self, a: Value, b: Value) -> Value:
        x, y = a.integer, b.integer
        if x is not None and y is not None:
            return self.code.index(wrapped(x * y))
        return a if x == 0 or y == 1 else self.code.binary("mul", a, b)

    def plus(self, a: Value, b: Value) -> Value:
        x, y = a.integer, b.integer
        if x is not None and y is not None:
            return self.code.index(wrapped(x + y))
        if x == 0:
            return b
        return a if y == 0 else self.code.binary("add", a, b)

    def load(self, load: Load) -> Value:
        if load.hint == "prefetch":
            self.prefetch(load)
            return self.code.zero(load.dtype, load.lanes)
        mask = None if load.mask is None else self.expr(load.mask)
        starts, is_contiguous = contiguous(load.buffer, load.index)
        index, lanes = [self.expr(part) for part in starts], load.lanes
        if mask is not None and mask.lanes > 1 and is_contiguous:
            return self.masked_load(load, index, mask)
        if lanes == 1 or is_contiguous:
            return self.guarded_load(load, index, mask, lanes)
        parts = []
        for lane in range(lanes):
            chosen = None if mask is None else self.code.extract(mask, lane)
            at = [self.lane(part, lane, i) for part, i in zip(index, load.index, strict=True)]
            parts.append(self.guarded_load(load, at, chosen, 1))
        return self.code.gather_lanes(parts)

    def guarded_load(
        self, load: Load, index: Sequence[Value], mask: Value | None, lanes: int
    ) -> Value:
        """A load of `lanes` elements that happens where the mask is true."""
        if mask is None:
            return self.plain_load(load, index, lanes)
        code = self.code
        zero = code.zero(load.dtype, lanes)
        inside, done, before = code.fresh("load"), code.fresh("done"), code.label
        code.branch(mask, inside, done)
        code.begin(inside)
        value = self.plain_load(load, index, lanes)
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

    def masked_load(self, load: Load, index: Sequence[Value], mask: Value) -> Value:
        """A load of the lanes in which the mask is true."""
        element = memory_type(load.dtype)
        kind = vector(element, load.lanes)
        pointer = self.address(load.buffer, index)
        name = f"llvm.masked.load.v{load.lanes}{SUFFIXES.get(element, element)}.p0"
        place = f"ptr align {load.dtype.itemsize}"
        self.module.symbols[name] = f"declare {kind} @{name}({place}, {mask.type}, {kind})"
        args = f"{place} {pointer}, {mask.typed}, {kind} zeroinitializer"
        text = f"call {kind} @{name}({args})"
        if load.dtype is dtypes.bool_:
            return cast(self.code.put(text, dtypes.u8, load.lanes), dtypes.bool_)
        return self.code.put(text, load.dtype, load.lanes)

    def masked_store(self, store: Store, index: Sequence[Value], value: Value, mask: Value) -> None:
        """A store of the lanes in which the mask is true."""
        if value.dtype is dtypes.bool_:
            value = cast(value, dtypes.u8)
        element = memory_type(store.buffer.dtype)
        pointer = self.address(store.buffer, index)
        lane = only_lane(mask)
        if lane is not None:
            # LLVM 22 writes four bytes where it merges such a mask with a narrowing to 16 bits.
            place = self.code.raw(f"getelementptr {element}, ptr {pointer}, i64 {lane}")
            part = self.code.extract(value, lane)
            self.code.line(f"store {part.typed}, ptr {place}, align {store.buffer.dtype.itemsize}")
            return
        name = f"llvm.masked.store.v{value.lanes}{SUFFIXES.get(element, element)}.p0"
        place = f"ptr align {store.buffer.dtype.itemsize}"
        self.module.symbols[name] = f"declare void @{name}({value.type}, {place}, {mask.type})"
        self.code.line(f"call void @{name}({value.typed}, {place} {pointer}, {mask.typed})")

    def store(self, store: Store) -> None:
        mask = None if store.mask is None else self.expr(store.mask)
        value = self.expr(store.value)
        starts, is_contiguous = contiguous(store.buffer, store.index)
        index = [self.expr(part) for part in starts]
        lanes = max((part.lanes for part in store.index), default=1)
        if is_contiguous and mask is not None and mask.lanes > 1:
            self.masked_store(store, index, self.spread(value, lanes), mask)
            return
        if lanes == 1 or is_contiguous:
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
        alignment = store.buffer.dtype.itemsize
        if store.hint == "stream" and self.streams:
            # As lowering promises. Without it, there is no such instruction.
            alignment *= value.lanes
        details = f"align {alignment}{self.stream(store.hint)}"
        code.line(f"store {value.typed}, ptr {pointer}, {details}")
        if mask is not None:
            code.jump(done)
            code.begin(done)

    def stream(self, hint: str) -> str:
        if hint != "stream" or not self.streams:
            return ""
        if "!{i32 1}" not in self.module.metadata:
            self.module.metadata.append("!{i32 1}")
        return f", !nontemporal !{self.module.metadata.index('!{i32 1}')}"

    def prefetch(self, load: Load) -> None:
        self.module.symbols["llvm.prefetch.p0"] = PREFETCH
        # Not `inbounds`: the address may lie outside of the buffer.
        index = [self.expr(part) for part in contiguous(load.buffer, load.index)[0]]
        pointer = self.address(load.buffer, index, bounds="")
        self.code.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    def lane(self, value: Value, lane: int, expr: Expr) -> Value:
        """One lane of an index; `contiguous` may have left a ramp's start in its place."""
        if isinstance(expr, Ramp) and value.lanes == 1:
            return self.plus(value, self.code.literal(lane * expr.stride, dtypes.i64))
        return self.code.extract(value, lane)

    # --------------------------------------------------------------------------------- expressions

    def expr(self, expr: Expr) -> Value:
        """Write the instructions of an expression."""
        match expr:  # what there is most of first
            case Const():
                return self.code.literal(expr.value, expr.dtype)
            case Var():
                return self.values[expr.name]
            case Apply():
                return self.apply(expr)
            case Load():
                return self.load(expr)
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

    def apply(self, expr: Apply) -> Value:
        """A scalar row; literal indices and masks are computed here."""
        if expr.dtype is dtypes.bool_ and expr.lanes > 1:
            known = literal_lanes(expr)
            if known is not None:
                text = ", ".join(f"i1 {str(bool(lane)).lower()}" for lane in known)
                return self.code.value(f"<{text}>", dtypes.bool_, expr.lanes)
        args = [self.expr(part) for part in expr.args]
        if expr.dtype is dtypes.i64 and expr.lanes == 1:
            match expr.row.name:
                case "add":
                    return self.plus(*args)
                case "multiply":
                    return self.times(*args)
        return spell(expr.row, tuple(args))

    def spread(self, value: Value, lanes: int) -> Value:
        """A scalar in every lane; a vector as it is."""
        if value.lanes == lanes:
            return value
        kind = vector(scalar_type(value.dtype), lanes)
        if not value.text.startswith("%"):
            text = f"splat ({value.typed})"
            return Value(text, value.dtype, lanes, self.code, value.integer)
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
