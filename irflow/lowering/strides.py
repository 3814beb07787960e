"""How loads move through memory with loop variables: the facts on which schedules decide."""

from __future__ import annotations

from collections.abc import Sequence

from irflow.dims import Size
from irflow.loops import Apply, Block, Const, Expr, Let, Var
from irflow.loops.walk import free_variables, loads, statements, substitute
from irflow.records import dataclass

Stride = Size | None
"""Elements by which an address moves a step; None where the steps differ."""


@dataclass(frozen=True, slots=True)
class Access:
    """One load.

    Attributes:
        buffer: the name of what is read.
        strides: one a variable.
    """

    buffer: str
    strides: tuple[Stride, ...]


def accesses(block: Block, result: Expr, variables: Sequence[Var]) -> list[Access]:
    """The loads from parameters in a block and in an expression behind it."""
    values: dict[str, Expr] = {}
    for stmt in statements(block):
        if isinstance(stmt, Let):
            values[stmt.var.name] = substitute(stmt.value, values)
    resolved = dict.fromkeys(
        (load.buffer, tuple(substitute(part, values) for part in load.index))
        for load in (*loads(block), *loads(result))
    )
    return [
        Access(buffer.name, tuple(stride(buffer.shape, index, v) for v in variables))
        for buffer, index in resolved
    ]


def stride(shape: Sequence[Size], index: Sequence[Expr], var: Var) -> Stride:
    """By how many elements the address of `index` moves when `var` grows by one."""
    total: Size = 0
    step: Size = 1
    for size, part in zip(reversed(shape), reversed(index), strict=True):
        factor = coefficient(part, var)
        if factor is None:
            return None
        total = total + factor * step
        step = step * size
    return total


def coefficient(expr: Expr, var: Var) -> int | None:
    """The factor of `var` in an expression linear in it; None for others."""
    match expr:
        case Var(name):
            return int(name == var.name)
        case Apply(row, (a, b)) if row.name in ("add", "subtract"):
            left, right = coefficient(a, var), coefficient(b, var)
            if left is None or right is None:
                return None
            return left + right if row.name == "add" else left - right
        case Apply(row, (a, Const(value))) | Apply(row, (Const(value), a)) if (
            row.name == "multiply"
        ):
            inner = coefficient(a, var)
            return None if inner is None else inner * int(value)
        case _:
            return None if var.name in free_variables(expr) else 0
