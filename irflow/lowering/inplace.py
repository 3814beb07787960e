"""Kernels that overwrite some of their inputs element by element.

    y[i] = x[i] * 2                 y[i] = y[i] * 2

A kernel may write an output over an input if it reads each element before it writes it, and never
again: every load of the input stands in front of a store to the same index, and nothing is stored
twice. The latter is a matter of counting, as a kernel leaves no element of its outputs out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from irflow import dims
from irflow.loops import Block, Buffer, Expr, For, If, Kernel, Let, Load, Stmt, Store
from irflow.loops.evaluate import Frame, evaluate
from irflow.loops.walk import (
    bodies,
    children,
    free_variables,
    map_statement,
    statements,
    subexpressions,
    transform,
)
from irflow.records import dataclass

MOST_STEPS = 4096
"""Loops whose iterations differ are counted one by one as far as this."""

Pair = tuple[Buffer, Buffer]
"""An input and an output that should lie where it is."""


def overwriting(kernel: Kernel, source: Buffer, target: Buffer) -> Kernel | None:
    """The kernel with an input that lies where an output is, and so is no input of its own.

    Args:
        kernel: what to rewrite.
        source: the input.
        target: the output.

    Returns:
        None if it would not do the same.
    """
    found, pairs = overwriting_all(kernel, [(source, target)])
    return found if pairs else None


def overwriting_all(kernel: Kernel, pairs: Sequence[Pair]) -> tuple[Kernel, list[Pair]]:
    """`overwriting` for several inputs, each of another output.

    Returns:
        The kernel, and the pairs for which it is true.
    """
    alike = [(s, t) for s, t in pairs if (s.dtype, s.shape) == (t.dtype, t.shape)]
    survey = _Survey({source.name: target.name for source, target in alike})
    survey.block(kernel.body)
    ordered = [pair for pair in alike if pair[1].name not in survey.failed]
    chosen = ordered if _stores_once(kernel, survey, ordered) else []
    if len(ordered) > 1 and not chosen:
        chosen = [pair for pair in ordered if _stores_once(kernel, survey, [pair])]
    if not chosen:
        return kernel, []
    sources = [source for source, _ in chosen]
    inputs = tuple(buffer for buffer in kernel.inputs if buffer not in sources)
    body = _moved(kernel.body, dict(chosen), survey.reading)
    return replace(kernel, inputs=inputs, body=body), chosen


def _moved(body: Block, targets: Mapping[Buffer, Buffer], reading: Collection[int]) -> Block:
    """Code with loads from other buffers; most of it reads none of these, and stays as it is."""
    names = {source.name: target for source, target in targets.items()}

    def load(expr: Expr) -> Expr:
        if isinstance(expr, Load) and expr.buffer.name in names:
            return replace(expr, buffer=names[expr.buffer.name])
        return expr

    def statement(stmt: Stmt) -> Stmt:
        if id(stmt) not in reading:
            return stmt
        return map_statement(stmt, lambda expr: transform(expr, load), block)

    def block(inner: Block) -> Block:
        return Block(tuple(map(statement, inner.statements)))

    return block(body)


# ------------------------------------------------------------------------- where things are touched


class _Survey:
    """Where the code of a kernel touches inputs and outputs.

    Attributes:
        targets: the name of the output for each input's.
        failed: outputs that are read, or whose input is read when they may be written already.
        reading: the identities of statements with loads of these inputs inside.
        writing: those of statements with stores to these outputs inside.
    """

    def __init__(self, targets: Mapping[str, str]) -> None:
        self.targets = targets
        self.outputs = frozenset(targets.values())
        self.failed: set[str] = set()
        self.reading: set[int] = set()
        self.writing: set[int] = set()

    def block(self, block: Block) -> None:
        """Look at the statements of a block, from the last one on."""
        later: set[tuple[str, tuple[Expr, ...]]] = set()
        for stmt in reversed(block.statements):
            if isinstance(stmt, Store) and stmt.buffer.name in self.outputs:
                later.add((stmt.buffer.name, stmt.index))
                self.writing.add(id(stmt))
            for expr in children(stmt):
                for part in subexpressions(expr):
                    if isinstance(part, Load):
                        self.load(stmt, part, later)
            for body in bodies(stmt):
                self.block(body)
                self.note(stmt, [body])
        self.note(block, block.statements)

    def load(self, stmt: Stmt, load: Load, later: set[tuple[str, tuple[Expr, ...]]]) -> None:
        """A load in a statement, behind which there are stores to these places of outputs."""
        name = load.buffer.name
        target = self.targets.get(name)
        if target is not None:
            self.reading.add(id(stmt))
        if load.hint == "prefetch":  # What only fetches an element does not read it.
            return
        if name in self.outputs:
            self.failed.add(name)
        elif target is not None and (target, load.index) not in later:
            self.failed.add(target)

    def note(self, stmt: Stmt, parts: Sequence[Stmt]) -> None:
        """What parts of a statement touch, it touches itself."""
        for found in (self.reading, self.writing):
            if any(id(part) in found for part in parts):
                found.add(id(stmt))


# --------------------------------------------------------------------------------- counting stores


def _stores_once(kernel: Kernel, survey: _Survey, pairs: Sequence[Pair]) -> bool:
    """Whether as many elements of these outputs are stored as there are."""
    total = 0
    for _, target in pairs:
        size = dims.product(target.shape)
        if not isinstance(size, int):
            return False
        total += size
    counter = _Counter.of(kernel, {target.name for _, target in pairs}, survey.writing)
    try:
        return counter.block(kernel.body, {}) == total
    except _UncountableError:
        return False


class _UncountableError(Exception):
    """How often something happens depends on data; never leaves this module."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts stores to some buffers.

    Attributes:
        targets: the names of the buffers.
        writing: the identities of the statements in which to look for stores.
        wanted: the names of variables on which the number of stores depends.
    """

    targets: frozenset[str]
    writing: Collection[int]
    wanted: frozenset[str]

    @classmethod
    def of(cls, kernel: Kernel, targets: Collection[str], writing: Collection[int]) -> _Counter:
        steps = statements(kernel.body)
        names = {stmt.var.name: stmt.value for stmt in steps if isinstance(stmt, Let)}
        waiting: list[Expr] = []
        for stmt in steps:
            if id(stmt) not in writing:
                continue
            if isinstance(stmt, Store):
                waiting += [] if stmt.mask is None else [stmt.mask]
            else:
                waiting += children(stmt)
        wanted: set[str] = set()
        while waiting:
            for name in free_variables(waiting.pop()):
                if name not in wanted:
                    wanted.add(name)
                    waiting += [names[name]] if name in names else []
        return cls(frozenset(targets), writing, frozenset(wanted))

    def block(self, block: Block, values: Mapping[str, Any]) -> int:
        known, total = dict(values), 0
        for stmt in block.statements:
            if isinstance(stmt, Let):
                if stmt.var.name in self.wanted:
                    known[stmt.var.name] = _value(stmt.value, known)
            elif id(stmt) in self.writing:
                total += self.statement(stmt, known)
        return total

    def statement(self, stmt: Stmt, values: Mapping[str, Any]) -> int:
        match stmt:
            case Store(buffer, index, _, mask):
                if buffer.name not in self.targets:
                    return 0
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
