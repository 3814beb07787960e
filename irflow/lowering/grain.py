"""How much of a parallel loop is worth handing to another thread at once."""

from __future__ import annotations

from collections.abc import Container

from irflow import dtypes
from irflow.loops import (
    Apply,
    Block,
    Cast,
    Const,
    Expr,
    For,
    If,
    Intrinsic,
    Let,
    Load,
    Stmt,
    Store,
    Var,
    walk,
)
from irflow.loops.nodes import While

CHUNK = 10_000
"""The least work of a chunk, in units of about 0.3 ns: calling a worker costs a tenth of it."""

MOST_CHUNKS = 128
"""Chunks of a loop of known length: enough for threads to end together."""

ACCESS = 2
"""The work of a load or store, in the same units; an operation on one register is 1."""

FAR_ACCESS = 20
"""The work of a load from where an index in memory says, which no cache foresees."""

UNKNOWN_EXTENT = 64
"""What a loop is taken for whose length is known at the call only."""


def iterations_per_chunk(loop: For) -> int:
    """How many iterations of a parallel loop make a chunk.

    It depends on the code alone. Iterations are independent of each other, so the results do not
    depend on how they are cut.
    """
    least = -(-CHUNK // max(1, work(loop.body) + _far_work(loop.body)))
    if isinstance(loop.extent, Const):
        extent = int(loop.extent.value)
        # Equal chunks, so that none of the threads is left with a small one.
        return -(-extent // max(1, min(MOST_CHUNKS, extent // least)))
    return least


def has_chunks(loop: For, chunk: int) -> bool:
    """Whether a loop may have more than one chunk of so many iterations."""
    extent = loop.extent
    return not isinstance(extent, Const) or extent.value > chunk


def work(stmt: Stmt) -> int:
    """An estimate of the work of one execution, with vectors counted as one operation."""
    match stmt:
        case Block(statements):
            return sum(work(inner) for inner in statements)
        case For(_, extent, _, body):
            return _cost(extent) + _times(extent) * work(body)
        case While(condition, body):
            return UNKNOWN_EXTENT * (_cost(condition) + work(body))
        case If(condition, then, otherwise):
            longest = max(work(then), 0 if otherwise is None else work(otherwise))
            return _cost(condition) + longest
        case Store():
            return ACCESS + sum(_cost(part) for part in walk.children(stmt))
        case _:
            return sum(_cost(part) for part in walk.children(stmt))


def _far_work(body: Block) -> int:
    """What loads from unforeseen places cost besides."""
    far: set[str] = set()
    for stmt in walk.statements(body):
        if isinstance(stmt, Let) and stmt.var.dtype is dtypes.i64 and _is_far(stmt.value, far):
            far.add(stmt.var.name)
    return _far_loads(body, far) * (FAR_ACCESS - ACCESS) if far else 0


def _is_far(index: Expr, far: Container[str]) -> bool:
    """Whether an index depends on what is in memory."""
    return any(
        isinstance(part, Load) or (isinstance(part, Var) and part.name in far)
        for part in walk.subexpressions(index)
    )


def _far_loads(stmt: Stmt, far: Container[str]) -> int:
    """How many such loads an execution makes."""
    if isinstance(stmt, Block):
        return sum(_far_loads(inner, far) for inner in stmt.statements)
    times = _times(stmt.extent) if isinstance(stmt, For) else 1
    found = [] if walk.bodies(stmt) else list(walk.loads(stmt))
    own = sum(any(_is_far(part, far) for part in load.index) for load in found)
    return own + times * sum(_far_loads(inner, far) for inner in walk.bodies(stmt))


def _times(extent: Expr) -> int:
    return int(extent.value) if isinstance(extent, Const) else UNKNOWN_EXTENT


def _cost(expr: Expr) -> int:
    return sum([_own_cost(part) for part in walk.subexpressions(expr)])


def _own_cost(expr: Expr) -> int:
    match expr:
        case Load():
            return ACCESS
        case Apply(row, _):
            return max(1, row.flops)
        case Cast() | Intrinsic():
            return 1
        case _:
            return 0
