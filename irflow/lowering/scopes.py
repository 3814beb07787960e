"""A nest builder that can emit into an outer scope, and remembers what each scope has computed.

Statements added while `outside(depth)` is open stand in front of the loop that is being built
below that scope, so what does not depend on the loop is computed once before it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

from irflow.dims import Size
from irflow.loops import Expr, Load, LoopKind, Var
from irflow.loops.build import NestBuilder
from irflow.loops.walk import children


class ScopedBuilder(NestBuilder):
    """`NestBuilder` with memory a scope and emission into outer scopes.

    Args:
        reserved: names that are taken already, of parameters and sizes.
    """

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        super().__init__(reserved)
        self._numbers: dict[Hashable, int] = {}
        self._memos: list[dict[int, Expr]] = [{}]
        self._floor = 0

    @contextmanager
    def outside(self, depth: int) -> Iterator[None]:
        """Everything in the `with` block goes to the open scope number `depth`."""
        scopes, memos = self._scopes[depth + 1 :], self._memos[depth + 1 :]
        del self._scopes[depth + 1 :], self._memos[depth + 1 :]
        yield
        self._scopes.extend(scopes)
        self._memos.extend(memos)

    @contextmanager
    def loop(
        self, name: str, extent: Size | Expr, kind: LoopKind = LoopKind.SERIAL
    ) -> Iterator[Var]:
        with super().loop(name, extent, kind) as var:
            self._memos.append({})
            yield var
            self._memos.pop()

    @contextmanager
    def if_(self, condition: Expr) -> Iterator[None]:
        before = self._floor
        with super().if_(condition):
            # What is only valid under the condition must not move out of it.
            self._floor = self.depth
            self._memos.append({})
            yield
            self._memos.pop()
        self._floor = before

    @contextmanager
    def else_(self) -> Iterator[None]:
        before = self._floor
        with super().else_():
            self._floor = self.depth
            self._memos.append({})
            yield
            self._memos.pop()
        self._floor = before

    def remember(self, key: Hashable, value: Expr) -> None:
        """Let `recall(key)` give `value` as long as the innermost open scope is open."""
        self._memos[-1][self._numbers.setdefault(key, len(self._numbers))] = value

    def recall(self, key: Hashable) -> Expr | None:
        """What an open scope remembers under `key`."""
        number = self._numbers.get(key)
        if number is not None:
            for memo in self._memos:
                if number in memo:
                    return memo[number]
        return None

    def home(self, *expressions: Expr) -> int:
        """The outermost scope in which all `expressions` can be computed."""
        return max([self._floor, *(self._depth(expr) for expr in expressions)])

    def _depth(self, expr: Expr) -> int:
        if isinstance(expr, Var):
            return self._depths.get(expr.name, 0)
        if isinstance(expr, Load) and expr.buffer.name in self._mutable:
            return self.depth
        return max((self._depth(part) for part in children(expr)), default=0)

    def name(self, value: Expr, hint: str = "t") -> Expr:
        """Name a value in the outermost scope where it can be computed."""
        with self.outside(self.home(value)):
            return self.let(value, hint)

    @property
    def taken(self) -> tuple[str, ...]:
        """All names given so far."""
        return tuple(self._names)
