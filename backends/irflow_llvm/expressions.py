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
    Space,
    Store,
    Var,
)
from irflow.loops.build import as_index
from irflow.loops.print import print_expr
from irflow_llvm.casts import cast
from irflow_llvm.cells import Cells
from irflow_llvm.code import Code, Value, memory_type, scalar_type, vector
from irflow_llvm.indices import Sum, wrapped
from irflow_llvm.module import Module
from irflow_llvm.scalars import INTRINSICS, spell

PREFETCH = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"


SUFFIXES = {"half": "f16", "float": "f32", "double": "f64"}
"""How overloaded intrinsics name types of elements; integers are named as they are."""


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
        values: the variables that are defined, by name; those with a name in `sums` are there.
        sums: variables that stand for indices.
        pointers: the buffers, by name.
        sizes: symbolic sizes that were computed.
        streams: whether the outputs lie such that non-temporal stores are possible.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.code = Code(spell, symbols=module.symbols, features=module.features)
        self.values: dict[str, Value] = {}
        self.sums: dict[str, Sum] = {}
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

    def address(self, buffer: Buffer, place: Sum) -> str:
        """A pointer to one element, by its number.

        Not `inbounds`: what a literal is still added to may lie outside of the buffer, and so may
        what is only fetched.
        """
        kind, pointer = memory_type(buffer.dtype), self.pointers[buffer.name]
        for part in (place.variable, self.code.index(wrapped(place.literal))):
            if part is not None and part.integer != 0:
                pointer = self.code.raw(f"getelementptr {kind}, ptr {pointer}, {part.typed}")
        return pointer

    def position(self, buffer: Buffer, index: Sequence[Sum]) -> Sum:
        """The number of an element in row-major order."""
        number = Sum(None)
        for size, part in zip(buffer.shape, index, strict=True):
            if isinstance(size, int):
                number = number.scaled(size).plus(part)
            else:
                number = number.times(Sum.of(self.size(size))).plus(part)
        return number

    def sum(self, expr: Expr) -> Sum:
        """An index, with the literals in it added up."""
        match expr:
            case Const(value):
                return Sum(None, int(value))
            case Var(name):
                found = self.sums.get(name)
                return Sum.of(self.values[name]) if found is None else found
            case Apply(row, (a, b)) if expr.dtype is dtypes.i64 and expr.lanes == 1:
                match row.name:
                    case "add":
                        return self.sum(a).plus(self.sum(b))
                    case "multiply":
                        return self.sum(a).times(self.sum(b))
        return Sum.of(self.expr(expr))

    def known(self, buffer: Buffer, place: Sum | None, is_changed: bool = False) -> Cells | None:
        """What a register buffer holds; None where that is to be found in memory.

        Args:
            buffer: which one.
            place: the number of an element; None for several at once.
            is_changed: whether memory is about to be changed.
        """
        if buffer.space is not Space.REGISTER:
            return None
        cells = self.code.cells.get(buffer.name)
        if cells is None:
            cells = Cells(lambda literal, value: self.put(buffer, Sum(None, literal), value))
            self.code.cells[buffer.name] = cells
        if place is not None and place.variable is None:
            return cells
        cells.settle()
        if is_changed:
            cells.forget()
        return None

    def load(self, load: Load) -> Value:
        if load.hint == "prefetch":
            self.prefetch(load)
            return self.code.zero(load.dtype, load.lanes)
        mask = None if load.mask is None else self.expr(load.mask)
        starts, is_contiguous = contiguous(load.buffer, load.index)
        index, lanes = [self.sum(part) for part in starts], load.lanes
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
        self, load: Load, index: Sequence[Sum], mask: Value | None, lanes: int
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

    def plain_load(self, load: Load, index: Sequence[Sum], lanes: int) -> Value:
        place = self.position(load.buffer, index)
        cells = self.known(load.buffer, place)
        value = None if cells is None else cells.find(place.literal, lanes)
        if value is not None:
            return value
        value = self.get(load, place, lanes)
        if cells is not None:
            cells.loaded(place.literal, value)
        return value

    def get(self, load: Load, place: Sum, lanes: int) -> Value:
        """A load instruction."""
        kind = vector(memory_type(load.dtype), lanes)
        pointer = self.address(load.buffer, place)
        details = f"align {load.dtype.itemsize}{self.stream(load.hint)}"
        text = f"load {kind}, ptr {pointer}, {details}"
        if load.dtype is dtypes.bool_:
            stored = self.code.put(text, dtypes.u8, lanes)
            return cast(stored, dtypes.bool_)
        return self.code.put(text, load.dtype, lanes)

    def masked_load(self, load: Load, index: Sequence[Sum], mask: Value) -> Value:
        """A load of the lanes in which the mask is true."""
        self.known(load.buffer, None)
        element = memory_type(load.dtype)
        kind = vector(element, load.lanes)
        pointer = self.address(load.buffer, self.position(load.buffer, index))
        name = f"llvm.masked.load.v{load.lanes}{SUFFIXES.get(element, element)}.p0"
        place = f"ptr align {load.dtype.itemsize}"
        self.module.symbols[name] = f"declare {kind} @{name}({place}, {mask.type}, {kind})"
        args = f"{place} {pointer}, {mask.typed}, {kind} zeroinitializer"
        text = f"call {kind} @{name}({args})"
        if load.dtype is dtypes.bool_:
            return cast(self.code.put(text, dtypes.u8, load.lanes), dtypes.bool_)
        return self.code.put(text, load.dtype, load.lanes)

    def masked_store(self, store: Store, index: Sequence[Sum], value: Value, mask: Value) -> None:
        """A store of the lanes in which the mask is true."""
        self.known(store.buffer, None, is_changed=True)
        if value.dtype is dtypes.bool_:
            value = cast(value, dtypes.u8)
        element = memory_type(store.buffer.dtype)
        pointer = self.address(store.buffer, self.position(store.buffer, index))
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
        index = [self.sum(part) for part in starts]
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
        self, store: Store, index: Sequence[Sum], value: Value, mask: Value | None
    ) -> None:
        code = self.code
        done = ""
        if mask is not None:
            inside, done = code.fresh("store"), code.fresh("done")
            code.branch(mask, inside, done)
            code.begin(inside)
        place = self.position(store.buffer, index)
        cells = self.known(store.buffer, place, is_changed=True)
        if cells is None:
            self.put(store.buffer, place, value, store.hint)
        else:
            cells.store(place.literal, value)
        if mask is not None:
            code.jump(done)
            code.begin(done)

    def put(self, buffer: Buffer, place: Sum, value: Value, hint: str = "") -> None:
        """A store instruction."""
        if value.dtype is dtypes.bool_:
            value = cast(value, dtypes.u8)
        pointer = self.address(buffer, place)
        alignment = buffer.dtype.itemsize
        if hint == "stream" and self.streams:
            # As lowering promises. Without it, there is no such instruction.
            alignment *= value.lanes
        details = f"align {alignment}{self.stream(hint)}"
        self.code.line(f"store {value.typed}, ptr {pointer}, {details}")

    def stream(self, hint: str) -> str:
        if hint != "stream" or not self.streams:
            return ""
        if "!{i32 1}" not in self.module.metadata:
            self.module.metadata.append("!{i32 1}")
        return f", !nontemporal !{self.module.metadata.index('!{i32 1}')}"

    def prefetch(self, load: Load) -> None:
        self.module.symbols["llvm.prefetch.p0"] = PREFETCH
        index = [self.sum(part) for part in contiguous(load.buffer, load.index)[0]]
        pointer = self.address(load.buffer, self.position(load.buffer, index))
        self.code.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    def lane(self, index: Sum, lane: int, expr: Expr) -> Sum:
        """One lane of an index; `contiguous` may have left a ramp's start in its place."""
        variable = index.variable
        if variable is not None and variable.lanes > 1:
            return Sum(self.code.extract(variable, lane), index.literal)
        return index.plus(Sum(None, lane * expr.stride)) if isinstance(expr, Ramp) else index

    # --------------------------------------------------------------------------------- expressions

    def variable(self, name: str) -> Value:
        """The value of a variable."""
        index = self.sums.get(name)
        return self.values[name] if index is None else index.whole(self.code)

    def expr(self, expr: Expr) -> Value:
        """Write the instructions of an expression."""
        match expr:  # what there is most of first
            case Const():
                return self.code.literal(expr.value, expr.dtype)
            case Var():
                return self.variable(expr.name)
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
        if expr.dtype is dtypes.i64 and expr.lanes == 1 and expr.row.name in ("add", "multiply"):
            return self.sum(expr).whole(self.code)
        return spell(expr.row, tuple([self.expr(part) for part in expr.args]))

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
