"""Stores that go past the caches.

What is too long for the caches is gone from them before anyone reads it. A plain store to it first
brings the line from memory; a non-temporal one does not, which saves a third of a copy's traffic.
Only whole vectors on their boundaries can be stored so.
"""

from __future__ import annotations

from dataclasses import replace

from irflow import dims
from irflow.loops import Apply, Block, Const, Expr, Kernel, Ramp, Stmt, Store
from irflow.loops.walk import loads, map_statement
from irflow.lowering import schedule
from irflow.lowering.target import Target


def stream_outputs(kernel: Kernel, target: Target) -> Kernel:
    """`kernel` with hints at the stores that should not go through the caches.

    These are stores of whole vectors, in any order, to outputs that the kernel does not read and
    whose size is known to be too much for the caches. Sizes that are known at the call only are
    taken for small.
    """
    read = {load.buffer.name for load in loads(kernel.body)}
    chosen = {
        buffer.name
        for buffer in kernel.outputs
        if buffer.name not in read
        and schedule.streams(target, dims.product(buffer.shape) * buffer.dtype.itemsize)
    }
    if not chosen:
        return kernel

    def block(inner: Block) -> Block:
        return Block(tuple(statement(stmt) for stmt in inner.statements))

    def statement(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Store):
            fits = stmt.buffer.name in chosen and is_whole_vector(stmt, target.vector_bytes)
            return replace(stmt, hint="stream") if fits else stmt
        return map_statement(stmt, lambda expr: expr, block)

    return replace(kernel, body=block(kernel.body))


def is_whole_vector(store: Store, vector_bytes: int) -> bool:
    """Whether a store always writes all of a vector at a multiple of its size."""
    if not store.index or store.mask is not None:
        return False
    *outer, last = store.index
    if not isinstance(last, Ramp) or last.stride != 1 or any(part.lanes > 1 for part in outer):
        return False
    is_whole = last.lanes * store.buffer.dtype.itemsize == vector_bytes
    length = store.buffer.shape[-1]
    is_aligned = not outer or (isinstance(length, int) and length % last.lanes == 0)
    return is_whole and is_aligned and is_multiple(last.start, last.lanes)


def is_multiple(expr: Expr, divisor: int) -> bool:
    """Whether an index is a multiple of a number, as far as it shows."""
    match expr:
        case Const(value):
            return int(value) % divisor == 0
        case Apply(row, (a, b)) if row.name in ("add", "subtract"):
            return is_multiple(a, divisor) and is_multiple(b, divisor)
        case Apply(row, (a, b)) if row.name == "multiply":
            return is_multiple(a, divisor) or is_multiple(b, divisor)
        case _:
            return False
