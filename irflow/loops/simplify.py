"""Tidying loop code: literals folded, indices shortened, loops, masks and branches resolved.

The result means the same to the last bit. Expressions are rewritten bottom-up by the tables of
`rules`; statements by the cases of `_Simplifier.statement`. Meant for code as lowering writes it,
not as an optimiser: what LLVM does well is left to LLVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import is_

from irflow import dims
from irflow.loops.bounds import LARGEST_EXTENT, LARGEST_SIZE, Bounds, Interval, interval
from irflow.loops.nodes import (
    Alloc,
    Apply,
    Barrier,
    Block,
    Broadcast,
    Cast,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Select,
    Stmt,
    Store,
    Var,
    While,
    integer,
)
from irflow.loops.rules import (
    RULES,
    fold,
    fold_cast,
    fold_select,
    is_literal,
    literal,
)
from irflow.loops.walk import bodies, expressions, map_children, map_statement, statements

# Every rule makes its expression smaller or more regular, so this only stops a mistake.
STEPS = 50

# These loops say what a block of threads is, also when there is only one.
ON_GRID = tuple(kind for kind in LoopKind if kind.value.startswith(("block", "thread")))


def simplify(kernel: Kernel) -> Kernel:
    """An equal kernel, shorter where the rules apply."""
    known: Bounds = {var.name: Interval(0, LARGEST_SIZE) for var in kernel.sizes}
    for buffer in (*kernel.inputs, *kernel.outputs):
        for symbol in dims.shape_symbols(buffer.shape):
            upper = LARGEST_SIZE if symbol.upper is None else symbol.upper
            known[symbol.name] = Interval(symbol.lower, upper)
    body = _Simplifier(known).block(kernel.body)
    return replace(kernel, body=remove_unused(body))


def simplify_expr(expr: Expr, known: Bounds | None = None) -> Expr:
    """An equal expression, by what is known of its variables."""
    return _Simplifier(known or {}).expr(expr)


class _Simplifier:
    """Carries what is known of variables, and what trivial ones stand for."""

    def __init__(self, known: Bounds) -> None:
        self.known = known
        self.values: dict[str, Expr] = {}
        self.simple: dict[int, Expr] = {}

    # --------------------------------------------------------------------------------- expressions

    def expr(self, expr: Expr) -> Expr:
        """The simplest form of an expression at this place."""
        self.simple = {}
        return self.inner(expr)

    def inner(self, expr: Expr) -> Expr:
        """Simplify the parts, then the whole until no rule applies.

        What a rule returns has parts that are simple already, which are known by their identity.
        """
        if isinstance(expr, Const):
            return expr
        if isinstance(expr, Var):
            return self.values.get(expr.name, expr)
        for _ in range(STEPS):
            if id(expr) in self.simple or isinstance(expr, Const):
                return expr
            expr = map_children(expr, self.inner)
            simpler = self.step(expr)
            if simpler is None:
                self.simple[id(expr)] = expr
                return expr
            expr = simpler
        raise AssertionError(f"the rules of {expr} do not come to an end")

    def step(self, expr: Expr) -> Expr | None:
        match expr:
            case Apply(row):
                for rule in RULES.get(row.name, (fold,)):
                    if (new := rule(expr, self.known)) is not None:
                        return new
                return None
            case Cast():
                return fold_cast(expr)
            case Select():
                return fold_select(expr)
            case Load(mask=mask) if mask is not None and is_literal(mask, True):
                return replace(expr, mask=None)
            case Load(mask=mask) if mask is not None and is_literal(mask, False):
                return literal(0, expr)
            case Broadcast(value, 1):
                return value
            case _:
                return None

    # ---------------------------------------------------------------------------------- statements

    def block(self, block: Block) -> Block:
        return Block(tuple(part for stmt in block.statements for part in self.statement(stmt)))

    def statement(self, stmt: Stmt) -> Iterator[Stmt]:
        """What stands in the place of a statement: itself, its body, or nothing."""
        match stmt:
            case Block():
                yield from self.block(stmt).statements
            case Let(var, value):
                yield from self.let(var, self.expr(value))
            case For(var, extent, kind, body):
                yield from self.loop(For(var, self.expr(extent), kind, body))
            case If(condition, then, otherwise):
                yield from self.branch(self.expr(condition), then, otherwise)
            case Store(_, _, _, mask):
                yield from self.store(stmt, mask and self.expr(mask))
            case _:
                yield map_statement(stmt, self.expr, self.block)

    def let(self, var: Var, value: Expr) -> Iterator[Stmt]:
        if isinstance(value, (Const, Var)) or (
            isinstance(value, Broadcast) and isinstance(value.value, Const)
        ):
            self.values[var.name] = value
            return
        if var.dtype.is_integer:
            self.known[var.name] = interval(value, self.known)
        yield Let(var, value)

    def loop(self, loop: For) -> Iterator[Stmt]:
        values = interval(loop.extent, self.known)
        if values.high <= 0:
            return
        if values.low == values.high == 1 and loop.kind not in ON_GRID:
            self.values[loop.var.name] = integer(0)
            yield from self.block(loop.body).statements
            return
        self.known[loop.var.name] = Interval(0, min(values.high, LARGEST_EXTENT) - 1)
        body = self.block(loop.body)
        if body.statements:
            yield replace(loop, body=body)

    def branch(self, condition: Expr, then: Block, otherwise: Block | None) -> Iterator[Stmt]:
        if is_literal(condition, True):
            yield from self.block(then).statements
        elif is_literal(condition, False):
            yield from self.block(otherwise).statements if otherwise else ()
        else:
            yield If(condition, self.block(then), otherwise and self.block(otherwise))

    def store(self, store: Store, mask: Expr | None) -> Iterator[Stmt]:
        if mask is not None and is_literal(mask, False):
            return
        if mask is not None and is_literal(mask, True):
            store = replace(store, mask=None)
        yield map_statement(store, self.expr, self.block)


def remove_unused(block: Block) -> Block:
    """A block without `Let`s and buffers that nobody reads, and without empty loops."""
    while True:
        used = _Used(block)
        smaller = used.block(block)
        if smaller is block:
            return block
        block = smaller


class _Used:
    """Which variables and buffers a block reads."""

    def __init__(self, block: Block) -> None:
        found = list(expressions(block))
        self.variables = {e.name for e in found if isinstance(e, Var)}
        self.buffers = {e.buffer.name for e in found if isinstance(e, Load)}
        self.local = {s.buffer.name for s in statements(block) if isinstance(s, Alloc)}

    def block(self, block: Block) -> Block:
        """The block itself where all of it is needed."""
        kept = tuple([part for s in block.statements if self.is_needed(part := self.smaller(s))])
        is_same = len(kept) == len(block.statements) and all(map(is_, kept, block.statements))
        return block if is_same else Block(kept)

    def smaller(self, stmt: Stmt) -> Stmt:
        inner = bodies(stmt)
        parts = [self.block(body) for body in inner]
        if all(map(is_, parts, inner)):
            return stmt
        following = iter(parts)
        return map_statement(stmt, lambda e: e, lambda _: next(following))

    def is_needed(self, stmt: Stmt) -> bool:
        match stmt:
            case Let(var, value):
                return var.name in self.variables or _is_prefetch(value)
            case Alloc(buffer):
                return buffer.name in self.buffers
            case Store(buffer):
                return buffer.name in self.buffers or buffer.name not in self.local
            case For(body=body):
                return bool(body.statements)
            case If(_, then, otherwise):
                return bool(then.statements or (otherwise and otherwise.statements))
            case Block(inner):
                return bool(inner)
            case While() | Barrier():
                return True
            case _:
                return True


def _is_prefetch(value: Expr) -> bool:
    return any(isinstance(e, Load) and e.hint == "prefetch" for e in expressions(value))
