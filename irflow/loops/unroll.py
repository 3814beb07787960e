"""Expanding loops of kind `UNROLL` into copies of their bodies.

After it, register buffers that were indexed by such loops have constant indices, so a backend can
keep their elements in registers. Loops whose extent is not a literal become serial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from irflow.loops.nodes import (
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    Kernel,
    Let,
    Load,
    LoopKind,
    Stmt,
    Store,
    Var,
    integer,
)
from irflow.loops.walk import allocated, defined, map_statement, substitute_block, transform


def unroll(kernel: Kernel) -> Kernel:
    """`kernel` without loops of kind `UNROLL`."""
    return replace(kernel, body=unroll_block(kernel.body))


def unroll_block(block: Block) -> Block:
    """`block` without loops of kind `UNROLL`; names in copies end in the iteration's number."""
    return Block(tuple(part for stmt in block.statements for part in _statements(stmt)))


def _statements(stmt: Stmt) -> Iterator[Stmt]:
    inner = map_statement(stmt, lambda expr: expr, unroll_block)
    if not isinstance(inner, For) or inner.kind is not LoopKind.UNROLL:
        yield inner
    elif isinstance(inner.extent, Const):
        for i in range(int(inner.extent.value)):
            yield from _copy(inner, i).statements
    else:
        yield replace(inner, kind=LoopKind.SERIAL)


def _copy(loop: For, i: int) -> Block:
    suffix = f"_{loop.var.name}{i}"
    variables: dict[str, Var] = {
        name: Var(name + suffix, var.dtype, var.lanes) for name, var in defined(loop.body).items()
    }
    buffers = {
        name: replace(buffer, name=name + suffix) for name, buffer in allocated(loop.body).items()
    }
    body = substitute_block(loop.body, {loop.var.name: integer(i)})
    return rename(body, variables, buffers)


def rename(block: Block, variables: dict[str, Var], buffers: dict[str, Buffer]) -> Block:
    """A block with variables replaced by name, in definitions too, and buffers by others."""

    def change(expr: Expr) -> Expr:
        if isinstance(expr, Var):
            return variables.get(expr.name, expr)
        if isinstance(expr, Load) and expr.buffer.name in buffers:
            return replace(expr, buffer=buffers[expr.buffer.name])
        return expr

    def statement(stmt: Stmt) -> Stmt:
        new = map_statement(stmt, lambda expr: transform(expr, change), go)
        match new:
            case For(var) | Let(var):
                return replace(new, var=variables.get(var.name, var))
            case Store(buffer) | Alloc(buffer):
                return replace(new, buffer=buffers.get(buffer.name, buffer))
            case _:
                return new

    def go(inner: Block) -> Block:
        return Block(tuple(statement(stmt) for stmt in inner.statements))

    return go(block)
