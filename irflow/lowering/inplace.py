"""Kernels that overwrite one of their inputs element by element.

    y[i] = x[i] * 2                 y[i] = y[i] * 2

A kernel may write its output over an input if it reads each element before it writes it, and never
again: every load of the input stands in front of a store to the same index, and nothing is stored
twice. The latter is a matter of counting, as a kernel leaves no element of its output out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from irflow import dims
from irflow.loops import Block, Buffer, Expr, For, If, Kernel, Let, Load, Stmt, Store, While
from irflow.loops.evaluate import Frame, evaluate
from irflow.loops.walk import (
    bodies,
    children,
    free_variables,
    loads,
    statements,
    stored,
    subexpressions,
    transform_block,
)

MOST_STEPS = 4096
"""Loops whose iterations differ are counted one by one as far as this."""


def overwriting(kernel: Kernel, source: Buffer, target: Buffer) -> Kernel | None:
    """The kernel with an input that lies where an output is, and so is no input of its own.

    Args:
        kernel: what to rewrite.
        source: the input.
        target: the output.

    Returns:
        None if it would not do the same.
    """
    if (source.dtype, source.shape) != (target.dtype, target.shape):
        return None
    reads_target = any(_reads(load, target) for load in loads(kernel.body))
    if reads_target or not _reads_first(kernel.body, source, target):
        return None
    if not _stores_once(kernel, target):
        return None

    def moved(expr: Expr) -> Expr:
        if isinstance(expr, Load) and expr.buffer == source:
            return replace(expr, buffer=target)
        return expr

    inputs = tuple(buffer for buffer in kernel.inputs if buffer != source)
    return replace(kernel, inputs=inputs, body=transform_block(kernel.body, moved))


def _reads(expr: Expr, buffer: Buffer) -> TypeGuard[Load]:
    """Whether an expression is an element of a buffer; what only fetches it is none."""
    return isinstance(expr, Load) and expr.buffer == buffer and expr.hint != "prefetch"


def _reads_first(block: Block, source: Buffer, target: Buffer) -> bool:
    """Whether each load of `source` stands in front of a store to the same place of `target`."""
    later: set[tuple[Expr, ...]] = set()
    for stmt in reversed(block.statements):
        if isinstance(stmt, Store) and stmt.buffer == target:
            later.add(stmt.index)
        for expr in children(stmt):
            for part in subexpressions(expr):
                if _reads(part, source) and part.index not in later:
                    return False
        if not all(_reads_first(body, source, target) for body in bodies(stmt)):
            return False
    return True


def _stores_once(kernel: Kernel, target: Buffer) -> bool:
    """Whether as many elements are stored as there are."""
    total = dims.product(target.shape)
    if not isinstance(total, int):
        return False
    try:
        return _Counter.of(kernel, target).block(kernel.body, {}) == total
    except _UncountableError:
        return False


class _UncountableError(Exception):
    """How often something happens depends on data; never leaves this module."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts stores to one buffer.

    Attributes:
        target: the buffer.
        wanted: the names of variables on which the number of stores depends.
    """

    target: Buffer
    wanted: frozenset[str]

    @classmethod
    def of(cls, kernel: Kernel, target: Buffer) -> _Counter:
        steps = list(statements(kernel.body))
        names = {stmt.var.name: stmt.value for stmt in steps if isinstance(stmt, Let)}
        waiting: list[Expr] = []
        for stmt in steps:
            if isinstance(stmt, Store) and stmt.buffer == target and stmt.mask is not None:
                waiting.append(stmt.mask)
            elif isinstance(stmt, (For, If, While)) and target.name in stored(stmt):
                waiting += children(stmt)
        wanted: set[str] = set()
        while waiting:
            for name in free_variables(waiting.pop()):
                if name not in wanted:
                    wanted.add(name)
                    waiting += [names[name]] if name in names else []
        return cls(target, frozenset(wanted))

    def block(self, block: Block, values: Mapping[str, Any]) -> int:
        known, total = dict(values), 0
        for stmt in block.statements:
            if isinstance(stmt, Let) and stmt.var.name in self.wanted:
                known[stmt.var.name] = _value(stmt.value, known)
            total += self.statement(stmt, known)
        return total

    def statement(self, stmt: Stmt, values: Mapping[str, Any]) -> int:
        if self.target.name not in stored(stmt):
            return 0
        match stmt:
            case Store(_, index, _, mask):
                lanes = max((part.lanes for part in index), default=1)
                chosen = True if mask is None else _value(mask, values)
                return int(np.broadcast_to(chosen, (lanes,)).sum())
            case Block():
                return self.block(stmt, values)
            case For():
                return self.loop(stmt, values)
            case If(condition, then, otherwise):
                chosen = then if _value(condition, values) else otherwise
                return 0 if chosen is None else self.block(chosen, values)
            case _:
                raise _UncountableError

    def loop(self, stmt: For, values: Mapping[str, Any]) -> int:
        extent = int(_value(stmt.extent, values))
        if stmt.var.name not in self.wanted:
            return extent * self.block(stmt.body, values)
        if extent > MOST_STEPS:
            raise _UncountableError
        return sum(
            self.block(stmt.body, {**values, stmt.var.name: np.int64(i)}) for i in range(extent)
        )


def _value(expr: Expr, values: Mapping[str, Any]) -> Any:
    if any(isinstance(part, Load) for part in subexpressions(expr)):
        raise _UncountableError
    try:
        return evaluate(expr, Frame(dict(values), {}, {}, backwards=False))
    except KeyError as error:  # a size that is known at the call only
        raise _UncountableError from error
