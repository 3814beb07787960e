"""Writing loop nests: a stack of open scopes to which statements are added.

nest = NestBuilder()
with nest.loop("i", n, LoopKind.PARALLEL) as i:
    total = nest.let(Load(x, (i,)) * 2.0, "total")
    nest.store(y, (i,), total)
kernel = nest.kernel("double", (x,), (y,), (n,))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.loops.nodes import (
    Alloc,
    Barrier,
    Block,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    LoopKind,
    Space,
    Stmt,
    Store,
    Var,
    While,
    integer,
    size_expr,
)
from irflow.loops.walk import free_variables, loads


class NestBuilder:
    """Builds one block of statements with unique names.

    Args:
        reserved: names that are taken already, of parameters and sizes.
    """

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self._scopes: list[list[Stmt]] = [[]]
        self._names: dict[str, int] = dict.fromkeys(reserved, 1)
        self._depths: dict[str, int] = {}
        self._mutable: set[str] = set()

    @property
    def depth(self) -> int:
        """How many scopes are open inside the outermost one."""
        return len(self._scopes) - 1

    def unique(self, hint: str) -> str:
        """`hint`, or `hint1`, `hint2`… where it is taken; the name is taken from now on."""
        name = hint
        while name in self._names:
            name = f"{hint}{self._names[hint]}"
            self._names[hint] += 1
        self._names[name] = 1
        return name

    def define(self, hint: str, dtype: DType = dtypes.i64, lanes: int = 1) -> Var:
        """A new variable that counts as defined in the innermost open scope."""
        var = Var(self.unique(hint), dtype, lanes)
        self._depths[var.name] = self.depth
        return var

    def depth_of(self, expr: Expr) -> int:
        """The outermost scope in which `expr` can be computed; parameters belong to scope 0."""
        return max((self._depths.get(name, 0) for name in free_variables(expr)), default=0)

    def add(self, stmt: Stmt) -> None:
        """Add a ready statement to the innermost open scope."""
        self._scopes[-1].append(stmt)

    def let(self, value: Expr, name: str = "t", hoist: bool = False) -> Expr:
        """Name a value; literals and variables need no name and are returned as they are.

        With `hoist`, the `Let` goes to the outermost open scope that has all variables of `value`,
        so that it is computed once there; a value that reads a buffer this builder writes stays
        where it is.
        """
        if isinstance(value, (Const, Var)):
            return value
        depth = self.depth
        if hoist and not any(load.buffer.name in self._mutable for load in loads(value)):
            depth = self.depth_of(value)
        var = Var(self.unique(name), value.dtype, value.lanes)
        self._depths[var.name] = depth
        self._scopes[depth].append(Let(var, value))
        return var

    def store(
        self,
        buffer: Buffer,
        index: Sequence[Expr],
        value: Expr,
        mask: Expr | None = None,
        hint: str = "",
    ) -> None:
        """Write one element."""
        self._mutable.add(buffer.name)
        self.add(Store(buffer, tuple(index), value, mask, hint))

    def alloc(
        self,
        dtype: DType,
        shape: Sequence[Size],
        space: Space = Space.REGISTER,
        name: str = "buffer",
    ) -> Buffer:
        """Make a buffer that lives until the innermost open scope ends."""
        buffer = Buffer(self.unique(name), dtype, tuple(shape), space)
        self._mutable.add(buffer.name)
        self.add(Alloc(buffer))
        return buffer

    def barrier(self) -> None:
        """Wait for all threads of the block."""
        self.add(Barrier())

    @contextmanager
    def loop(
        self, name: str, extent: Size | Expr, kind: LoopKind = LoopKind.SERIAL
    ) -> Iterator[Var]:
        """Everything in the `with` block runs for each value of the variable, below `extent`."""
        self._scopes.append([])
        var = self.define(name)
        yield var
        self._close(lambda body: For(var, as_index(extent), kind, body))

    @contextmanager
    def while_(self, condition: Expr) -> Iterator[None]:
        """Everything in the `with` block runs as long as `condition` holds."""
        self._scopes.append([])
        yield
        self._close(lambda body: While(condition, body))

    @contextmanager
    def if_(self, condition: Expr) -> Iterator[None]:
        """Everything in the `with` block runs if `condition` holds."""
        self._scopes.append([])
        yield
        self._close(lambda body: If(condition, body))

    @contextmanager
    def else_(self) -> Iterator[None]:
        """The other branch of the `if_` that was closed last in this scope."""
        before = self._scopes[-1].pop()
        assert isinstance(before, If), "else_ without if_"
        assert before.otherwise is None, "a second else_"
        self._scopes.append([])
        yield
        self._close(lambda body: If(before.condition, before.then, body))

    def _close(self, make: Callable[[Block], Stmt]) -> None:
        body = Block(tuple(self._scopes.pop()))
        self._scopes[-1].append(make(body))

    def finish(self) -> Block:
        """The statements of the outermost scope; every other scope must be closed."""
        assert self.depth == 0, "a scope is still open"
        return Block(tuple(self._scopes[0]))

    def kernel(
        self,
        name: str,
        inputs: Sequence[Buffer],
        outputs: Sequence[Buffer],
        sizes: Sequence[Var] | None = None,
    ) -> Kernel:
        """The finished block as a kernel; `sizes` defaults to those of the buffers and the body."""
        body = self.finish()
        if sizes is None:
            sizes = kernel_sizes([*inputs, *outputs], body)
        return Kernel(name, tuple(inputs), tuple(outputs), tuple(sizes), body)


def as_index(value: Size | Expr) -> Expr:
    """An int, a symbolic size or an expression as an `i64` expression."""
    if isinstance(value, Expr):
        return value
    return integer(value) if isinstance(value, int) else size_expr(value)


def kernel_sizes(buffers: Sequence[Buffer], body: Block) -> tuple[Var, ...]:
    """The size variables that the shapes of `buffers` and `body` read, sorted by name."""
    names = {symbol.name for b in buffers for symbol in dims.shape_symbols(b.shape)}
    names |= set(free_variables(body))
    return tuple(Var(name) for name in sorted(names))
