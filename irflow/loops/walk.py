"""Going through loop code and rebuilding it, without knowing what it means.

The two `map_` functions list the parts of every class, and so do the tables of parts, which are
quicker where nothing is rebuilt; all else is built on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import is_
from typing import Any

from irflow.loops.nodes import (
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
    Let,
    Load,
    Ramp,
    Select,
    Shuffle,
    Stmt,
    Store,
    Var,
    While,
)

ExprMap = Callable[[Expr], Expr]
BlockMap = Callable[[Block], Block]


def map_children(expr: Expr, f: ExprMap) -> Expr:
    """`expr` with `f` applied to each direct part; `expr` itself when no part changes."""
    match expr:
        case Const() | Var():
            return expr
        case Load(_, index, mask):
            new = _map(index, f), mask and f(mask)
            return expr if _same(new, (index, mask)) else Load(expr.buffer, *new, expr.hint)
        case Apply(row, args):
            new_args = _map(args, f)
            return expr if new_args is args else Apply(row, new_args)
        case Cast(dtype, value):
            inner = f(value)
            return expr if inner is value else Cast(dtype, inner)
        case Select(a, b, c):
            parts = f(a), f(b), f(c)
            return expr if _same(parts, (a, b, c)) else Select(*parts)
        case Ramp(start, stride, lanes):
            inner = f(start)
            return expr if inner is start else Ramp(inner, stride, lanes)
        case Broadcast(value, lanes):
            inner = f(value)
            return expr if inner is value else Broadcast(inner, lanes)
        case Shuffle(vectors, indices):
            new_args = _map(vectors, f)
            return expr if new_args is vectors else Shuffle(new_args, indices)
        case Intrinsic(_, args):
            new_args = _map(args, f)
            return expr if new_args is args else replace(expr, args=new_args)
        case _:
            raise AssertionError(f"unknown expression {type(expr).__name__}")


def map_statement(stmt: Stmt, f: ExprMap, block: BlockMap) -> Stmt:
    """`stmt` with `f` applied to its direct expressions and `block` to its bodies."""
    match stmt:
        case Block():
            return block(stmt)
        case For(var, extent, kind, body):
            return For(var, f(extent), kind, block(body))
        case While(condition, body):
            return While(f(condition), block(body))
        case If(condition, then, otherwise):
            return If(f(condition), block(then), otherwise and block(otherwise))
        case Let(var, value):
            return Let(var, f(value))
        case Store(buffer, index, value, mask, hint):
            return Store(buffer, _map(index, f), f(value), mask and f(mask), hint)
        case Alloc() | Barrier():
            return stmt
        case _:
            raise AssertionError(f"unknown statement {type(stmt).__name__}")


def _map(parts: tuple[Expr, ...], f: ExprMap) -> tuple[Expr, ...]:
    new = tuple([f(part) for part in parts])
    return parts if _same(new, parts) else new


def _same(new: tuple[object, ...], old: tuple[object, ...]) -> bool:
    return all(map(is_, new, old))


def _masked(index: tuple[Expr, ...], mask: Expr | None) -> tuple[Expr, ...]:
    return index if mask is None else (*index, mask)


_EXPRESSION_PARTS: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Const: lambda _: (),
    Var: lambda _: (),
    Load: lambda e: _masked(e.index, e.mask),
    Apply: lambda e: e.args,
    Cast: lambda e: (e.value,),
    Select: lambda e: (e.condition, e.then, e.otherwise),
    Ramp: lambda e: (e.start,),
    Broadcast: lambda e: (e.value,),
    Shuffle: lambda e: e.vectors,
    Intrinsic: lambda e: e.args,
}
_STATEMENT_PARTS: dict[type, Callable[[Any], tuple[Expr, ...]]] = {
    Block: lambda _: (),
    For: lambda s: (s.extent,),
    While: lambda s: (s.condition,),
    If: lambda s: (s.condition,),
    Let: lambda s: (s.value,),
    Store: lambda s: _masked((*s.index, s.value), s.mask),
    Alloc: lambda _: (),
    Barrier: lambda _: (),
}
_PARTS = _EXPRESSION_PARTS | _STATEMENT_PARTS


def children(node: Expr | Stmt) -> tuple[Expr, ...]:
    """The direct expressions of an expression or a statement, in the order they are evaluated."""
    return _PARTS[type(node)](node)


def bodies(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks directly inside a statement."""
    match stmt:
        case Let() | Store() | Alloc():
            return ()
        case Block():
            return (stmt,)
        case For(body=body) | While(body=body):
            return (body,)
        case If(_, then, otherwise):
            return (then,) if otherwise is None else (then, otherwise)
        case _:
            return ()


def statements(stmt: Stmt) -> list[Stmt]:
    """`stmt` and all statements inside it, outside first, in order."""
    found, pending = [], [stmt]
    while pending:
        current = pending.pop()
        found.append(current)
        inner = current.statements if isinstance(current, Block) else bodies(current)
        pending.extend(reversed(inner))
    return found


def subexpressions(expr: Expr) -> list[Expr]:
    """`expr` and all expressions inside it, outside first."""
    return _inside([expr])


def expressions(node: Expr | Stmt) -> list[Expr]:
    """Every expression in a piece of code, those inside other expressions included."""
    if isinstance(node, Expr):
        return _inside([node])
    return _inside([expr for stmt in statements(node) for expr in children(stmt)])


def _inside(pending: list[Expr]) -> list[Expr]:
    """The given expressions in order, each followed by its parts; empties the list."""
    found = []
    pending.reverse()
    while pending:
        current = pending.pop()
        found.append(current)
        parts = _EXPRESSION_PARTS[type(current)](current)
        if parts:
            pending.extend(parts[::-1])
    return found


def transform(expr: Expr, f: ExprMap) -> Expr:
    """Rebuild bottom-up: `f` sees every expression after its parts were rebuilt."""
    return f(map_children(expr, lambda part: transform(part, f)))


def transform_block(block: Block, f: ExprMap) -> Block:
    """Rebuild every expression of a block bottom-up by `f`."""

    def inside(expr: Expr) -> Expr:
        return transform(expr, f)

    def go(inner: Block) -> Block:
        return Block(tuple(map_statement(stmt, inside, go) for stmt in inner.statements))

    return go(block)


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """Replace variables by name; names that are absent stay."""
    return transform(expr, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)


def substitute_block(block: Block, values: Mapping[str, Expr]) -> Block:
    """`substitute` in every expression of a block; unique names leave nothing to shadow."""
    return transform_block(block, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)


def free_variables(node: Expr | Stmt) -> dict[str, Var]:
    """The variables that `node` reads and does not define, by name, in order of first use."""
    bound = set() if isinstance(node, Expr) else set(defined(node))
    found = {e.name: e for e in expressions(node) if isinstance(e, Var)}
    return {name: var for name, var in found.items() if name not in bound}


def defined(stmt: Stmt) -> dict[str, Var]:
    """The variables that loops and `Let`s inside `stmt` define."""
    return {s.var.name: s.var for s in statements(stmt) if isinstance(s, (For, Let))}


def loads(node: Expr | Stmt) -> list[Load]:
    """Every load in a piece of code."""
    return [e for e in expressions(node) if isinstance(e, Load)]


def stored(stmt: Stmt) -> dict[str, Buffer]:
    """The buffers that are written inside `stmt`, by name."""
    return {s.buffer.name: s.buffer for s in statements(stmt) if isinstance(s, Store)}


def allocated(stmt: Stmt) -> dict[str, Buffer]:
    """The buffers that are made inside `stmt`, by name."""
    return {s.buffer.name: s.buffer for s in statements(stmt) if isinstance(s, Alloc)}
