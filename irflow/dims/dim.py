"""`Dim`, the symbolic size, its operators, and the functions that make and compare sizes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral

from irflow.dims import division
from irflow.dims.atoms import Frozen, Symbol, Terms, format_constraint, symbols_of, write
from irflow.dims.decisions import decide
from irflow.dims.division import floordiv, floordiv_int, mod, mod_int
from irflow.dims.intervals import interval
from irflow.dims.polynomials import (
    add,
    constant,
    multiply,
    negate,
    of_atom,
    scale,
    shift,
    subtract,
)
from irflow.errors import UndecidableSizeError

# What an operator returns to let the other operand have its turn, typed as the operator's result.
_FOREIGN: Size = NotImplemented
_INCOMPARABLE: bool = NotImplemented

_doubts: ContextVar[list[UndecidableSizeError] | None] = ContextVar(
    "irflow_guarded_sizes", default=None
)


@contextmanager
def guarded_sizes() -> Iterator[None]:
    """Inside of a `with` block, Python code outside of irflow learns no more than is certain.

    There `n == 16` raises, as `n < 16` does everywhere, where it holds for some values only; so
    does `hash(n)`, for `16` is not found under it. A program that was not written for symbolic
    sizes can thus be traced with them: it either means the same for all sizes, or it fails. It
    fails at the end where it caught the error, or made text of a size.

    Only `isinstance(n, int)` tells a size from a number.

    Raises:
        UndecidableSizeError: a question without an answer.
    """
    doubts: list[UndecidableSizeError] = []
    token = _doubts.set(doubts)
    try:
        yield
    finally:
        _doubts.reset(token)
    if doubts:
        raise doubts[0]


def are_guarded() -> bool:
    """Whether this is inside of `guarded_sizes`, where a doubtful program must fail."""
    return _doubts.get() is not None


def _is_asked_from_outside() -> bool:
    """Whether this is guarded, and the caller of the caller is in none of irflow's modules."""
    if _doubts.get() is None:
        return False
    module = sys._getframe(2).f_globals.get("__name__") or ""
    return str(module).partition(".")[0] != "irflow"


def _doubt(error: UndecidableSizeError) -> UndecidableSizeError:
    """Remember what could not be answered, so that catching it does not hide it."""
    doubts = _doubts.get()
    if doubts is not None:
        doubts.append(error)
    return error


def _forward(
    apply: Callable[[Terms, Terms], Terms], apply_int: Callable[[Terms, int], Terms]
) -> Callable[[Dim, Size], Size]:
    """The method of an operator; foreign operands (tensors) get their own turn."""

    def forward(self: Dim, other: Size) -> Size:
        if type(other) is int:
            return size_of(apply_int(self._terms, other))
        found = _operand(other)
        return _FOREIGN if found is None else size_of(apply(self._terms, found))

    return forward


def _reflected(apply: Callable[[Terms, Terms], Terms]) -> Callable[[Dim, Size], Size]:
    def reflected(self: Dim, other: Size) -> Size:
        found = _operand(other)
        return _FOREIGN if found is None else size_of(apply(found, self._terms))

    return reflected


def _comparison(relation: str) -> Callable[[Dim, Size], bool]:
    def compare(self: Dim, other: Size) -> bool:
        found = _operand(other)
        if found is None:
            return _INCOMPARABLE
        if not _is_asked_from_outside():
            return decide(self._terms, relation, found)
        return _decided(self._terms, relation, found)

    return compare


def _decided(left: Terms, relation: str, right: Terms) -> bool:
    """`decide` for code outside, which may not hide that there is no answer."""
    try:
        return decide(left, relation, right)
    except UndecidableSizeError as error:
        raise _doubt(error) from None


def _operand(value: object) -> Terms | None:
    """The terms of a Dim and of Python's and NumPy's integers."""
    if type(value) is Dim:
        return value._terms
    return constant(int(value)) if isinstance(value, Integral) else None


class Dim(Frozen):
    """A symbolic size; immutable, hashable, never equal to an int.

    Make one with `symbol`, or by arithmetic on Dims and ints; the constructor expects terms that
    are in normal form already. `+ - * // %` return a `Size`. The order comparisons return a bool
    or raise `UndecidableSizeError`, as do `int()`, `bool()` and use as an index.

    Example:
        >>> n = symbol("n")
        >>> (n * 4 + 8) // 4, n - n
        (n + 2, 0)
    """

    __slots__ = ("_hash", "_terms")
    _hash: int
    _terms: Terms

    # NumPy scalars on the left give way to our reflected operators.
    __array_ufunc__ = None

    def __init__(self, terms: Terms) -> None:
        object.__setattr__(self, "_terms", terms)

    def __reduce__(self) -> tuple[type[Dim], tuple[Terms]]:
        return Dim, (self._terms,)

    def __eq__(self, other: object) -> bool:
        if self is other or (isinstance(other, Dim) and self._terms == other._terms):
            return True
        if not _is_asked_from_outside():
            return False
        if isinstance(other, float) and other.is_integer():
            other = int(other)
        found = _operand(other)
        if found is None and hasattr(other, "__array__"):
            raise _doubt(self._undecidable("cannot be compared with an array"))
        return found is not None and _decided(self._terms, "==", found)

    def __hash__(self) -> int:
        if _is_asked_from_outside():
            raise _doubt(self._undecidable("has no single value"))
        try:
            return self._hash
        except AttributeError:
            value = hash(self._terms)
            object.__setattr__(self, "_hash", value)
            return value

    __add__ = __radd__ = _forward(add, shift)
    __mul__ = __rmul__ = _forward(multiply, scale)
    __sub__ = _forward(subtract, lambda a, b: shift(a, -b))
    __rsub__ = _reflected(subtract)
    __floordiv__ = _forward(floordiv, floordiv_int)
    __rfloordiv__ = _reflected(floordiv)
    __mod__ = _forward(mod, mod_int)
    __rmod__ = _reflected(mod)

    __lt__ = _comparison("<")
    __le__ = _comparison("<=")
    __gt__ = _comparison(">")
    __ge__ = _comparison(">=")

    def __neg__(self) -> Dim:
        return Dim(negate(self._terms))

    def __pos__(self) -> Dim:
        return self

    def __index__(self) -> int:
        error = self._undecidable("has no single value")
        raise _doubt(error) if _is_asked_from_outside() else error

    __int__ = __index__

    def __bool__(self) -> bool:
        hint = f"write the comparison out, such as '{self} > 0'"
        error = self._undecidable("has no truth value", hint)
        raise _doubt(error) if _is_asked_from_outside() else error

    def _undecidable(self, what: str, hint: str | None = None) -> UndecidableSizeError:
        return UndecidableSizeError(
            f"size {write(self._terms)} is symbolic and {what}",
            facts=[("known", format_constraint(s)) for s in symbols_of((self._terms,))],
            hint=hint,
        )

    def __str__(self) -> str:
        if _is_asked_from_outside():
            _doubt(self._undecidable("has no digits"))
        return write(self._terms)

    __repr__ = __str__


Size = int | Dim


def symbol(name: str, lower: int = 1, upper: int | None = None) -> Dim:
    """The size called `name`, between `lower` and `upper` inclusive.

    Raises:
        UsageError: the name is not an identifier, or `lower > upper`.
    """
    return Dim(of_atom(Symbol(name, lower, upper)))


def terms(size: Size) -> Terms:
    """The normal form, as described in `irflow.dims`; that of the int 5 is `(((), 5),)`."""
    return size._terms if isinstance(size, Dim) else constant(size)


def size_of(terms: Terms) -> Size:
    """The size that has these terms, an int where they are constant."""
    if not terms:
        return 0
    return Dim(terms) if terms[0][0] else terms[0][1]


def bounds(size: Size) -> tuple[int | None, int | None]:
    """The least and the greatest value found by interval arithmetic; None where unbounded.

    The true range lies within, and may be narrower.
    """
    low, high = interval(terms(size))
    return (
        None if isinstance(low, float) else low,
        None if isinstance(high, float) else high,
    )


def decide_equal(a: Size, b: Size) -> bool:
    """Whether two sizes are equal for all allowed values of their symbols.

    Returns:
        True when they always are, False when they never are.

    Raises:
        UndecidableSizeError: they are equal for some values only, or it cannot be told.
    """
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return a == b or decide(terms(a), "==", terms(b))


def minimum(a: Size, b: Size) -> Size:
    """The smaller size: one of the two where bounds decide, else a Dim `min(a, b)`."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return size_of(division.minimum(terms(a), terms(b)))


def maximum(a: Size, b: Size) -> Size:
    """The larger size: one of the two where bounds decide, else a Dim `max(a, b)`."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return size_of(division.maximum(terms(a), terms(b)))


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def ceil_div(a: Size, b: Size) -> Size:
    """`a / b` rounded up; written `(a + b - 1)//b` where b is known to be positive.

    Raises:
        ZeroDivisionError: `b` is the int 0.
    """
    if interval(terms(b))[0] >= 1:
        return (a + b - 1) // b
    return -(-a // b)
