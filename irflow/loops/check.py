"""The checker of loop code. A kernel that passes means something, and means the same on every
backend.

Names
  1. Parameters, sizes, variables and buffers of a kernel all have different names. 2. A variable is
  read only after its definition, inside the scope that defines it, with one type. 3. A buffer is a
  parameter, or allocated earlier in an enclosing scope, and used as it was declared.

Types
  4. The arguments of a row have equal lanes. (An `Apply` of wrong types cannot be made at all.)
  5. Indices and extents are i64; one index an axis; only one lane each for an extent.
  6. Conditions and masks are bool; a mask has one lane or as many as the access.
  7. A stored value has its buffer's type, and as many lanes as the access (or one).
  8. Both sides of a `Select` have the same type and lanes. Literals are representable.

Effects
  9. Inputs are not written. Outputs are not read, unless the caller allows it.
 10. A barrier stands inside a thread loop. Shared buffers are allocated outside of thread loops.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

from irflow import dims, dtypes
from irflow.errors import CheckError
from irflow.loops.interpret import THREADS
from irflow.loops.nodes import (
    Alloc,
    Apply,
    Barrier,
    Block,
    Broadcast,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Ramp,
    Select,
    Shuffle,
    Space,
    Stmt,
    Store,
    Var,
    While,
)
from irflow.loops.print import print_statement
from irflow.loops.walk import children
from irflow.records import dataclass


def check(kernel: Kernel, may_read_outputs: bool = False) -> None:
    """Raise CheckError for the first broken rule, with the statement in which it is broken."""
    checker = _Checker(kernel, may_read_outputs)
    for buffer in (*kernel.inputs, *kernel.outputs):
        checker.declare(buffer.name)
        checker.buffers[buffer.name] = buffer
    for var in kernel.sizes:
        checker.declare(var.name)
        checker.variables[var.name] = var
    for buffer in (*kernel.inputs, *kernel.outputs):
        checker.shape(buffer)
    checker.block(kernel.body)


@dataclass(slots=True)
class _Checker:
    kernel: Kernel
    may_read_outputs: bool
    names: set[str] = field(default_factory=set)
    variables: dict[str, Var] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    threads: int = 0
    at: Stmt | None = None

    def require(self, holds: bool, rule: str) -> None:
        if holds:
            return
        where = print_statement(self.at).splitlines()[0] if self.at else "its parameters"
        raise CheckError(f"kernel @{self.kernel.name}: {rule}", facts=[("in", where)])

    def declare(self, name: str) -> None:
        self.require(name not in self.names, f"the name {name} is given twice")
        self.names.add(name)

    def shape(self, buffer: Buffer) -> None:
        for symbol in dims.shape_symbols(buffer.shape):
            known = symbol.name in self.variables
            self.require(known, f"the size {symbol.name} of {buffer.name} is not a parameter")

    # ---------------------------------------------------------------------------------- statements

    def block(self, block: Block) -> None:
        variables, buffers = dict(self.variables), dict(self.buffers)
        for stmt in block.statements:
            self.at = stmt
            for expr in children(stmt):
                self.expr(expr)
            self.statement(stmt)
        self.variables, self.buffers = variables, buffers

    def statement(self, stmt: Stmt) -> None:
        match stmt:
            case Block():
                self.block(stmt)
            case For(var, extent, kind, body):
                self.index(extent, "an extent")
                self.require(extent.lanes == 1, "an extent has one lane")
                self.threads += kind in THREADS
                self.scope(var, body)
                self.threads -= kind in THREADS
            case While(condition, body):
                self.condition(condition, 1)
                self.block(body)
            case If(condition, then, otherwise):
                self.condition(condition, 1)
                self.block(then)
                if otherwise is not None:
                    self.block(otherwise)
            case Let(var, value):
                self.require(
                    _is_like(var, value), f"{var.name} is {_type(var)}, not {_type(value)}"
                )
                self.declare(var.name)
                self.variables[var.name] = var
            case Store():
                self.store(stmt)
            case Alloc(buffer):
                self.allocate(buffer)
            case Barrier():
                self.require(self.threads > 0, "a barrier stands outside of all thread loops")

    def scope(self, var: Var, body: Block) -> None:
        self.require(var.dtype is dtypes.i64 and var.lanes == 1, "a loop variable is i64")
        self.declare(var.name)
        self.variables[var.name] = var
        self.block(body)
        del self.variables[var.name]

    def store(self, store: Store) -> None:
        name = store.buffer.name
        self.access(store.buffer, store.index)
        self.require(store.buffer not in self.kernel.inputs, f"the input {name} is written")
        dtype, lanes = store.buffer.dtype, _lanes(store.index)
        same = store.value.dtype is dtype
        self.require(same, f"a value of {store.value.dtype} is stored in {name}, which is {dtype}")
        self.require(store.value.lanes in (1, lanes), f"a value of other lanes is stored in {name}")
        if store.mask is not None:
            self.condition(store.mask, lanes)

    def allocate(self, buffer: Buffer) -> None:
        self.shape(buffer)
        self.declare(buffer.name)
        allowed = buffer.space is not Space.SHARED or not self.threads
        self.require(allowed, f"the shared buffer {buffer.name} is allocated in a thread loop")
        self.buffers[buffer.name] = buffer

    # --------------------------------------------------------------------------------- expressions

    def expr(self, expr: Expr) -> None:
        for part in children(expr):
            self.expr(part)
        match expr:
            case Var(name):
                self.require(name in self.variables, f"{name} is not defined here")
                same = self.variables[name] == expr
                self.require(same, f"{name} is {_type(self.variables[name])}, not {_type(expr)}")
            case Const():
                self.literal(expr)
            case Load(buffer, index, mask):
                is_read = buffer not in self.kernel.outputs or self.may_read_outputs
                self.require(is_read, f"the output {buffer.name} is read")
                self.access(buffer, index)
                if mask is not None:
                    self.condition(mask, _lanes(index))
            case Apply(row, args):
                self.require(len({a.lanes for a in args}) == 1, f"{row.name}: lanes differ")
            case Select(condition, then, otherwise):
                self.require(_is_like(then, otherwise), "the sides of a select differ in type")
                self.condition(condition, then.lanes)
            case Ramp(start):
                self.index(start, "the start of a ramp")
            case Broadcast(value):
                self.require(value.lanes == 1, "only a single value is broadcast")
            case Shuffle(vectors, indices):
                total = sum(v.lanes for v in vectors)
                inside = all(0 <= i < total for i in indices)
                self.require(inside, "a shuffle picks a lane that is not there")

    def literal(self, expr: Const) -> None:
        value, dtype = expr.value, expr.dtype
        fits = isinstance(value, bool) or dtype.is_float
        if dtype.is_integer and isinstance(value, int):
            limits = np.iinfo(dtype.numpy.name)
            fits = int(limits.min) <= value <= int(limits.max)
        self.require(fits, f"{value!r} is not a literal of {dtype}")

    def access(self, buffer: Buffer, index: tuple[Expr, ...]) -> None:
        known = self.buffers.get(buffer.name)
        self.require(known is not None, f"the buffer {buffer.name} is not known here")
        self.require(known == buffer, f"the buffer {buffer.name} is declared otherwise")
        rank = len(buffer.shape)
        self.require(len(index) == rank, f"{buffer.name} has {rank} axes, not {len(index)}")
        for part in index:
            self.index(part, "an index")
            self.require(part.lanes in (1, _lanes(index)), "indices of different lanes")

    def index(self, expr: Expr, what: str) -> None:
        self.require(expr.dtype is dtypes.i64, f"{what} is {expr.dtype}, not i64")

    def condition(self, expr: Expr, lanes: int) -> None:
        self.require(expr.dtype is dtypes.bool_, f"a condition is {expr.dtype}, not bool")
        self.require(expr.lanes in (1, lanes), f"a condition has {expr.lanes} lanes, not {lanes}")


def _lanes(index: tuple[Expr, ...]) -> int:
    return max((part.lanes for part in index), default=1)


def _is_like(a: Expr, b: Expr) -> bool:
    return a.dtype is b.dtype and a.lanes == b.lanes


def _type(expr: Expr) -> str:
    return str(expr.dtype) if expr.lanes == 1 else f"{expr.dtype}x{expr.lanes}"
