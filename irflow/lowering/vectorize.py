"""Vector loops turned into explicit vector code.

    for i in n vector { y[i] = x[i] * 2.0 }
becomes, for 8 lanes,
    for i in n // 8 { y[ramp(i * 8)] = x[ramp(i * 8)] * broadcast(2.0) }
    and the rest: one by one, or, where n is known, in vectors of 4, 2 and 1.

What does not depend on the loop variable stays scalar. A loop inside may remain one when its
extent is the same in all lanes; its register cells become vectors. A loop that cannot be turned
(a sum carried from one iteration to the next, a branch on data, a loop that has vectors already)
becomes serial, or parallel where its iterations are known not to depend on each other; so does the
loop over whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import field, replace

from irflow import dtypes
from irflow.loops import (
    Alloc,
    Apply,
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
    Space,
    Stmt,
    Store,
    Var,
    integer,
)
from irflow.loops.walk import loads, map_statement, statements, stored
from irflow.lowering.target import Target
from irflow.records import dataclass

COPIES = 2
"""How many copies of a body the elements behind the whole vectors may take."""


def vectorize(kernel: Kernel, target: Target, parallel: Collection[str] = ()) -> Kernel:
    """`kernel` without loops of kind `VECTOR`.

    Args:
        kernel: what to rewrite.
        target: tells the lanes of a vector.
        parallel: the variables of vector loops whose iterations do not depend on each other, so
            that threads may share them.
    """
    return replace(kernel, body=_Vectorizer(target, frozenset(parallel)).block(kernel.body))


class _NotUniformError(Exception):
    """The loop has no vector form; never leaves this module."""


@dataclass(slots=True)
class _Vectorizer:
    target: Target
    parallel: frozenset[str] = frozenset()
    count: int = 0

    def block(self, block: Block) -> Block:
        return Block(tuple(part for stmt in block.statements for part in self.statement(stmt)))

    def statement(self, stmt: Stmt) -> tuple[Stmt, ...]:
        if isinstance(stmt, Let | Store | Alloc):
            return (stmt,)
        inner = map_statement(stmt, lambda expr: expr, self.block)
        if not isinstance(inner, For) or inner.kind is not LoopKind.VECTOR:
            return (inner,)
        lanes = _lanes(inner, self.target)
        try:
            return self.split(inner, lanes) if lanes > 1 else (self.scalar(inner),)
        except _NotUniformError:
            return (self.scalar(inner),)

    def kind(self, loop: For) -> LoopKind:
        """That of the loop over vectors, or over elements, into which a vector loop is turned."""
        return LoopKind.PARALLEL if loop.var.name in self.parallel else LoopKind.SERIAL

    def scalar(self, loop: For) -> For:
        """The loop element by element."""
        return replace(loop, kind=self.kind(loop))

    def split(self, loop: For, lanes: int) -> tuple[Stmt, ...]:
        """The whole vectors, and what is left."""
        whole, rest = _divide(loop.extent, lanes)
        parts: list[Stmt] = []
        if whole != integer(0):
            body = self.round(loop, Var(loop.var.name) * lanes, lanes)
            parts.append(For(loop.var, whole, self.kind(loop), body))
        if isinstance(rest, Const):
            return (*parts, *self.shrinking(loop, whole * lanes, int(rest.value)))
        return (*parts, self.one_by_one(loop, whole * lanes, rest))

    def shrinking(self, loop: For, start: Expr, rest: int) -> Iterator[Stmt]:
        """Vectors of 8, 4, 2 and 1 lanes as they fit; after some of them, the rest one by one."""
        # Cells can only stay in registers if every index into them is a literal.
        has_cells = any(buffer.space is Space.REGISTER for buffer in stored(loop).values())
        copies = 0
        while rest and (has_cells or copies < COPIES):
            lanes = 1 << (rest.bit_length() - 1)
            yield from self.round(loop, start, lanes).statements
            start, rest, copies = start + lanes, rest - lanes, copies + 1
        if rest:
            yield self.one_by_one(loop, start, integer(rest))

    def one_by_one(self, loop: For, start: Expr, count: Expr) -> For:
        """The last `count` iterations in a loop without vectors."""
        var = Var(f"{loop.var.name}_rest")
        return For(var, count, LoopKind.SERIAL, self.round(loop, start + var, 1))

    def round(self, loop: For, start: Expr, lanes: int) -> Block:
        """One iteration of the vector loop; names are made unique, as there may be several."""
        self.count += 1
        writer = _Lanes(lanes, f"_v{self.count}")
        writer.values[loop.var.name] = Ramp(start, 1, lanes) if lanes > 1 else start
        return writer.block(loop.body)


def _lanes(loop: For, target: Target) -> int:
    """Lanes for the widest element in memory that the loop touches; 1 if it has vectors already."""
    widest = 4
    for stmt in statements(loop):
        if isinstance(stmt, Let) and stmt.var.lanes > 1:
            return 1
        if isinstance(stmt, Store):
            if any(part.lanes > 1 for part in stmt.index):
                return 1
            widest = max(widest, _width(stmt.buffer))
        if isinstance(stmt, (Let, Store)):
            widest = max([widest, *(_width(load.buffer) for load in loads(stmt))])
    return target.vector_bytes // widest


def _width(buffer: Buffer) -> int:
    return dtypes.compute_dtype(buffer.dtype).itemsize


def _divide(extent: Expr, lanes: int) -> tuple[Expr, Expr]:
    if isinstance(extent, Const):
        whole, rest = divmod(int(extent.value), lanes)
        return integer(whole), integer(rest)
    return extent // lanes, extent % lanes


@dataclass(slots=True)
class _Lanes:
    """Rewrites the body of a loop for `lanes` iterations at once."""

    lanes: int
    suffix: str
    values: dict[str, Expr] = field(default_factory=dict)
    cells: dict[str, Buffer] = field(default_factory=dict)

    # ---------------------------------------------------------------------------------- statements

    def block(self, block: Block) -> Block:
        return Block(tuple(self.statement(stmt) for stmt in block.statements))

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Block():
                return self.block(stmt)
            case Let(var, value):
                return self.let(var, self.expr(value))
            case For(var, extent, kind, body):
                renamed = Var(var.name + self.suffix)
                self.values[var.name] = renamed
                return For(renamed, self.uniform(extent), kind, self.block(body))
            case If(condition, then, otherwise):
                test = self.uniform(condition)
                return If(test, self.block(then), otherwise and self.block(otherwise))
            case Alloc(buffer):
                return self.alloc(buffer)
            case Store():
                return self.store(stmt)
            case _:
                raise _NotUniformError

    def let(self, var: Var, value: Expr) -> Stmt:
        renamed = Var(var.name + self.suffix, var.dtype, value.lanes)
        if isinstance(value, Ramp):
            # Kept open, so that loads see that their index is a ramp.
            start = Var(renamed.name)
            self.values[var.name] = Ramp(start, value.stride, value.lanes)
            return Let(start, value.start)
        self.values[var.name] = renamed
        return Let(renamed, value)

    def alloc(self, buffer: Buffer) -> Stmt:
        if buffer.space is not Space.REGISTER:
            raise _NotUniformError
        shape = (*buffer.shape, self.lanes)
        cell = replace(buffer, name=buffer.name + self.suffix, shape=shape)
        self.cells[buffer.name] = cell
        return Alloc(cell)

    def store(self, store: Store) -> Stmt:
        buffer, index = self.place(store.buffer, store.index)
        if self.lanes > 1 and all(part.lanes == 1 for part in index):
            raise _NotUniformError
        mask = None if store.mask is None else self.expr(store.mask)
        return Store(buffer, index, self.wide(self.expr(store.value)), mask, store.hint)

    def place(self, buffer: Buffer, index: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr, ...]]:
        parts = tuple(self.expr(part) for part in index)
        if buffer.name not in self.cells:
            return buffer, parts
        if any(part.lanes > 1 for part in parts):
            raise _NotUniformError
        lane = Ramp(integer(0), 1, self.lanes) if self.lanes > 1 else integer(0)
        return self.cells[buffer.name], (*parts, lane)

    # --------------------------------------------------------------------------------- expressions

    def uniform(self, expr: Expr) -> Expr:
        value = self.expr(expr)
        if value.lanes > 1:
            raise _NotUniformError
        return value

    def wide(self, expr: Expr) -> Expr:
        return Broadcast(expr, self.lanes) if expr.lanes < self.lanes else expr

    def expr(self, expr: Expr) -> Expr:
        match expr:
            case Const():
                return expr
            case Var(name):
                return self.values.get(name, expr)
            case Load():
                return self.load(expr)
            case Apply(row, args):
                return self.apply(row.name, expr, [self.expr(a) for a in args])
            case Cast(dtype, value):
                return Cast(dtype, self.expr(value))
            case Select(condition, then, otherwise):
                return self.select(self.expr(condition), self.expr(then), self.expr(otherwise))
            case Intrinsic(_, args):
                parts = [self.expr(a) for a in args]
                return self.joined(parts, lambda p, n: replace(expr, args=tuple(p), lanes=n))
            case _:
                raise _NotUniformError

    def load(self, load: Load) -> Expr:
        buffer, index = self.place(load.buffer, load.index)
        mask = None if load.mask is None else self.expr(load.mask)
        if all(part.lanes == 1 for part in index):
            if mask is None or mask.lanes == 1:
                return Load(buffer, index, mask, load.hint)
            # One element, wanted in some lanes only; the mask may be all that keeps it in bounds.
            ramp = (*index[:-1], self.wide(index[-1])) if index else None
            if ramp is None:
                raise _NotUniformError
            return Load(buffer, ramp, mask, load.hint)
        return Load(buffer, index, mask, load.hint)

    def apply(self, name: str, expr: Apply, args: list[Expr]) -> Expr:
        ramp = _ramp(name, args)
        return ramp or self.joined(args, lambda parts, _: Apply(expr.row, tuple(parts)))

    def select(self, condition: Expr, then: Expr, otherwise: Expr) -> Expr:
        if max(condition.lanes, then.lanes, otherwise.lanes) == 1:
            return Select(condition, then, otherwise)
        return Select(condition, self.wide(then), self.wide(otherwise))

    def joined(self, parts: list[Expr], make: Callable[[list[Expr], int], Expr]) -> Expr:
        if all(part.lanes == 1 for part in parts):
            return make(parts, 1)
        return make([self.wide(part) for part in parts], self.lanes)


def _ramp(name: str, args: list[Expr]) -> Expr | None:
    """Sums and products that are ramps again."""
    match name, args:
        case "add", [Ramp(start, stride, lanes), other] if other.lanes == 1:
            return Ramp(start + other, stride, lanes)
        case "add", [other, Ramp(start, stride, lanes)] if other.lanes == 1:
            return Ramp(other + start, stride, lanes)
        case "add", [Ramp(a, stride, lanes), Ramp(b, other_stride, _)]:
            return Ramp(a + b, stride + other_stride, lanes)
        case "subtract", [Ramp(start, stride, lanes), other] if other.lanes == 1:
            return Ramp(start - other, stride, lanes)
        case "multiply", [Ramp(start, stride, lanes), Const(value)]:
            return Ramp(start * int(value), stride * int(value), lanes)
        case "multiply", [Const(value), Ramp(start, stride, lanes)]:
            return Ramp(start * int(value), stride * int(value), lanes)
        case _:
            return None
