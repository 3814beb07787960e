"""Sizes of tensor axes: ints, or polynomials over named sizes with known bounds.

`Size = int | Dim`. A `Dim` is never constant (a constant result is a plain int) and is always in
normal form: a tuple of terms `(monomial, coefficient)`, where

- a monomial is a tuple of `(atom, exponent)`, exponents at least 1, atoms distinct and sorted by
  their `key`: symbols first, by name, then `//`, `%`, min, max, by text;
- terms stand in graded lexicographic order (higher degree first, then alphabetically), so the
  constant term, whose monomial is `()`, is the last one; no coefficient is 0;
- an atom is a `Symbol` or a `FloorDiv`, `Mod`, `Min` or `Max` of two sizes that no rule simplifies.

Two Dims are equal when their normal forms are. Every operation means Python's arithmetic on ints,
for all values of the symbols within their bounds for which that is defined. A question without an
answer raises `UndecidableSizeError`; nothing is guessed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import gcd, inf
from numbers import Integral
from typing import ClassVar, NamedTuple, NoReturn, TypeVar

from irflow.errors import ShapeError, TextError, UndecidableSizeError, UsageError, nearest

T = TypeVar("T")
Key = tuple[int, str, tuple[tuple[str, int, bool, int], ...]]
Interval = tuple[int | float, int | float]

# A bound search for a hint stops here; no axis is longer.
_LARGEST = 2**40
# Sharper bounds branch at every min and max, so long sums are left to plain interval arithmetic.
_SHARPEN_TERMS = 8
_LARGEST_EXPONENT = 1000

# What an operator returns to let the other operand have its turn, typed as the operator's result.
_FOREIGN: Size = NotImplemented
_INCOMPARABLE: bool = NotImplemented


# --- Atoms ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """A named size with inclusive bounds; `upper=None` means unbounded.

    Raises:
        UsageError: the name is no ASCII identifier, or is `min` or `max`; or `lower > upper`.
    """

    name: str
    lower: int = 1
    upper: int | None = None
    key: Key = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        usable = self.name.isascii() and self.name.isidentifier()
        if not usable or self.name in ("min", "max"):
            raise UsageError(f"{self.name!r} cannot name a size")
        if self.upper is not None and self.upper < self.lower:
            raise UsageError(f"no size satisfies {format_constraint(self)}")
        bounded = self.upper is not None
        key = (0, self.name, ((self.name, self.lower, bounded, self.upper or 0),))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "_hash", hash(key))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Symbol) and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Symbol], tuple[str, int, int | None]]:
        # The hash of a string differs between processes, so it must not be pickled.
        return Symbol, (self.name, self.lower, self.upper)


@dataclass(frozen=True, slots=True, eq=False)
class _Binary:
    left: Size
    right: Size
    key: Key = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        names = tuple(s.key[2][0] for s in shape_symbols((self.left, self.right)))
        object.__setattr__(self, "key", (self.rank, f"{self.left} , {self.right}", names))
        object.__setattr__(self, "_hash", hash((self.rank, self.left, self.right)))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, _Binary) or self.rank != other.rank:
            return False
        return self.left == other.left and self.right == other.right

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[_Binary], tuple[Size, Size]]:
        return type(self), (self.left, self.right)


class FloorDiv(_Binary):
    """`left // right`, rounded towards minus infinity."""

    __slots__ = ()
    rank = 1


class Mod(_Binary):
    """`left % right`, with the sign of `right`."""

    __slots__ = ()
    rank = 2


class Min(_Binary):
    """The smaller of two sizes."""

    __slots__ = ()
    rank = 3


class Max(_Binary):
    """The larger of two sizes."""

    __slots__ = ()
    rank = 4


Atom = Symbol | FloorDiv | Mod | Min | Max
Monomial = tuple[tuple[Atom, int], ...]
Terms = tuple[tuple[Monomial, int], ...]


# --- Dim ------------------------------------------------------------------------------------------


def _operators(
    apply: Callable[[Size, Size], Size],
) -> tuple[Callable[[Dim, Size], Size], Callable[[Dim, Size], Size]]:
    """The method and its reflection; foreign operands (tensors) get their own turn."""

    def forward(self: Dim, other: Size) -> Size:
        if type(other) is int or type(other) is Dim:
            return apply(self, other)
        value = _as_int(other)
        return _FOREIGN if value is None else apply(self, value)

    def reflected(self: Dim, other: Size) -> Size:
        value = other if type(other) is int else _as_int(other)
        return _FOREIGN if value is None else apply(value, self)

    return forward, reflected


def _comparison(relation: str) -> Callable[[Dim, Size], bool]:
    def compare(self: Dim, other: Size) -> bool:
        value = other if isinstance(other, Dim) else _as_int(other)
        return _INCOMPARABLE if value is None else _decide(self, relation, value)

    return compare


def _as_int(value: object) -> int | None:
    """Python's and NumPy's integers as an int."""
    return int(value) if isinstance(value, Integral) else None


def _add(a: Size, b: Size) -> Size:
    if isinstance(b, int):
        return _shift(a, b)
    if isinstance(a, int):
        return _shift(b, a)
    total = dict(a._terms)
    for monomial, coefficient in b._terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    return _normalize(total)


def _shift(size: Size, constant: int) -> Size:
    if isinstance(size, int):
        return size + constant
    if not constant:
        return size
    *others, (monomial, coefficient) = size._terms
    if monomial:
        return Dim((*size._terms, ((), constant)))
    if coefficient + constant:
        return Dim((*others, ((), coefficient + constant)))
    return Dim(tuple(others))


def _subtract(a: Size, b: Size) -> Size:
    return _add(a, -b)


def _multiply(a: Size, b: Size) -> Size:
    if isinstance(b, int):
        return _scale(a, b)
    if isinstance(a, int):
        return _scale(b, a)
    total: dict[Monomial, int] = {}
    for left, first in a._terms:
        for right, second in b._terms:
            monomial = _monomial_product(left, right)
            total[monomial] = total.get(monomial, 0) + first * second
    return _normalize(total)


def _scale(size: Size, factor: int) -> Size:
    if isinstance(size, int):
        return size * factor
    if factor == 1:
        return size
    return Dim(tuple([(m, c * factor) for m, c in size._terms])) if factor else 0


def _floordiv(a: Size, b: Size) -> Size:
    if isinstance(b, int):
        return a // b if isinstance(a, int) else _floordiv_constant(a, b)
    return _floordiv_dim(a, b)


def _mod(a: Size, b: Size) -> Size:
    if isinstance(b, int):
        return a % b if isinstance(a, int) else _mod_constant(a, b)
    return _mod_dim(a, b)


class Dim:
    """A symbolic size; immutable, hashable, never equal to an int.

    Make one with `symbol`, or by arithmetic on Dims and ints; the constructor expects terms that
    are in the module's normal form already. `+ - * // %` return a `Size`. The order comparisons
    return a bool or raise `UndecidableSizeError`, as do `int()`, `bool()` and use as an index.

    Example:
        >>> n = symbol("n")
        >>> (n * 4 + 8) // 4, n - n
        (n + 2, 0)
    """

    __slots__ = ("_bounds", "_hash", "_terms")
    _bounds: Interval
    _hash: int
    _terms: Terms

    # NumPy scalars on the left give way to our reflected operators.
    __array_ufunc__ = None

    def __init__(self, terms: Terms) -> None:
        object.__setattr__(self, "_terms", terms)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Dim is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Dim is immutable: {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[type[Dim], tuple[Terms]]:
        return Dim, (self._terms,)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self._terms == other._terms)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            value = hash(self._terms)
            object.__setattr__(self, "_hash", value)
            return value

    __add__, __radd__ = _operators(_add)
    __sub__, __rsub__ = _operators(_subtract)
    __mul__, __rmul__ = _operators(_multiply)
    __floordiv__, __rfloordiv__ = _operators(_floordiv)
    __mod__, __rmod__ = _operators(_mod)

    __lt__ = _comparison("<")
    __le__ = _comparison("<=")
    __gt__ = _comparison(">")
    __ge__ = _comparison(">=")

    def __neg__(self) -> Dim:
        return Dim(tuple([(m, -c) for m, c in self._terms]))

    def __pos__(self) -> Dim:
        return self

    def __index__(self) -> int:
        raise UndecidableSizeError(
            f"size {self} is symbolic and has no single value",
            facts=[("known", format_constraint(s)) for s in symbols(self)],
        )

    __int__ = __index__

    def __bool__(self) -> bool:
        raise UndecidableSizeError(
            f"size {self} is symbolic and has no truth value",
            facts=[("known", format_constraint(s)) for s in symbols(self)],
            hint=f"write the comparison out, such as '{self} > 0'",
        )

    def __str__(self) -> str:
        return _format(self)

    __repr__ = __str__


Size = int | Dim


def symbol(name: str, lower: int = 1, upper: int | None = None) -> Dim:
    """The size called `name`, between `lower` and `upper` inclusive.

    Raises:
        UsageError: the name is not an identifier, or `lower > upper`.
    """
    return _of_atom(Symbol(name, lower, upper))


def terms(dim: Dim) -> Terms:
    """The normal form, as described at the top of this module."""
    return dim._terms


def _of_atom(atom: Atom) -> Dim:
    return Dim(((((atom, 1),), 1),))


def _sole_atom(size: Size) -> Atom | None:
    """The atom that is the whole size, if there is one."""
    if isinstance(size, int) or len(size._terms) != 1:
        return None
    monomial, coefficient = size._terms[0]
    return monomial[0][0] if coefficient == 1 and len(monomial) == 1 == monomial[0][1] else None


def _build(items: list[tuple[Monomial, int]]) -> Size:
    """A size from sorted terms without zeros."""
    if not items:
        return 0
    return Dim(tuple(items)) if items[0][0] else items[0][1]


def _normalize(total: dict[Monomial, int]) -> Size:
    items = [item for item in total.items() if item[1]]
    if len(items) > 1:
        items.sort(key=_term_key)
    return _build(items)


def _term_key(term: tuple[Monomial, int]) -> tuple[int, list[tuple[Key, int]]]:
    monomial = term[0]
    return -sum([e for _, e in monomial]), [(a.key, -e) for a, e in monomial]


def _monomial_product(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, exponent in b:
        powers[atom] = powers.get(atom, 0) + exponent
    return tuple(sorted(powers.items(), key=_power_key))


def _power_key(power: tuple[Atom, int]) -> Key:
    return power[0].key


def _monomial_quotient(a: Monomial, b: Monomial) -> Monomial | None:
    powers = dict(a)
    for atom, exponent in b:
        powers[atom] = powers.get(atom, 0) - exponent
        if powers[atom] < 0:
            return None
    return tuple((atom, exponent) for atom, exponent in powers.items() if exponent)


# --- Division -------------------------------------------------------------------------------------


def _floordiv_constant(a: Dim, divisor: int) -> Size:
    if divisor == 0:
        raise ZeroDivisionError(f"division of size {a} by zero")
    if divisor < 0:
        return _floordiv_constant(-a, -divisor)
    whole: list[tuple[Monomial, int]] = []
    rest: list[tuple[Monomial, int]] = []
    for monomial, coefficient in a._terms:
        quotient, remainder = divmod(coefficient, divisor)
        # Splitting 5*n//4 into n + n//4 would be exact too, but loosens the bounds of -n//4.
        if remainder and monomial:
            quotient, remainder = 0, coefficient
        if quotient:
            whole.append((monomial, quotient))
        if remainder:
            rest.append((monomial, remainder))
    left = _build(rest)
    return _build(whole) if isinstance(left, int) else _add(_build(whole), _reduce(left, divisor))


def _reduce(a: Dim, divisor: int) -> Size:
    """`a // divisor` where no term but a constant below the divisor can be taken out whole."""
    constant = _constant_quotient(a, divisor)
    if constant is not None:
        return constant
    common = gcd(divisor, *[c for m, c in a._terms if m])
    if common > 1:
        return _floordiv(_contract(a, common), divisor // common)
    offset = 0 if a._terms[-1][0] else a._terms[-1][1]
    inner = _sole_atom(_shift(a, -offset))
    if isinstance(inner, FloorDiv) and isinstance(inner.right, int):
        return _floordiv(_shift(inner.left, offset * inner.right), inner.right * divisor)
    return _of_atom(FloorDiv(a, divisor))


def _contract(a: Size, common: int) -> Size:
    """Every coefficient divided by `common`, the constant rounded down."""
    if isinstance(a, int):
        return a // common
    return _build([(m, c // common) for m, c in a._terms if c // common])


def _mod_constant(a: Dim, divisor: int) -> Size:
    if divisor == 0:
        raise ZeroDivisionError(f"size {a} modulo zero")
    if divisor < 0:
        return -_mod(-a, -divisor)
    quotient = _constant_quotient(a, divisor)
    if quotient is not None:
        return _shift(a, -quotient * divisor)
    rest = _build([(m, c % divisor) for m, c in a._terms if c % divisor])
    rest = _unwrap_mods(rest, divisor)
    if rest != a:
        return _mod(rest, divisor)
    common = gcd(divisor, *[c for m, c in a._terms if m])
    if common == 1:
        return _of_atom(Mod(a, divisor))
    offset = 0 if a._terms[-1][0] else a._terms[-1][1] % common
    return _shift(_scale(_mod(_contract(a, common), divisor // common), common), offset)


def _unwrap_mods(size: Size, divisor: int) -> Size:
    """Replace `x%k` by `x` where `divisor` divides `k`: the same modulo `divisor`."""
    if isinstance(size, int):
        return size
    for monomial, coefficient in size._terms:
        atom = _sole_atom(_build([(monomial, 1)]))
        if isinstance(atom, Mod) and isinstance(atom.right, int) and atom.right % divisor == 0:
            return _add(size, _scale(_subtract(atom.left, _of_atom(atom)), coefficient))
    return size


def _floordiv_dim(a: Size, b: Dim) -> Size:
    if b._terms[0][1] < 0:
        return _floordiv(-a, -b)
    common = _content(a, b)
    if common > 1:
        return _floordiv(_contract(a, common), _contract(b, common))
    if _may_be_zero(b):
        return _of_atom(FloorDiv(a, b))
    quotient, rest = _divide(a, b)
    if quotient != 0:
        return _add(quotient, _floordiv(rest, b))
    constant = _constant_quotient(a, b)
    return _of_atom(FloorDiv(a, b)) if constant is None else constant


def _mod_dim(a: Size, b: Dim) -> Size:
    if b._terms[0][1] < 0:
        return -_mod(-a, -b)
    common = _content(a, b)
    if common > 1:
        return _scale(_mod(_contract(a, common), _contract(b, common)), common)
    if _may_be_zero(b):
        return _of_atom(Mod(a, b))
    quotient, rest = _divide(a, b)
    if quotient != 0:
        return _mod(rest, b)
    constant = _constant_quotient(a, b)
    return _of_atom(Mod(a, b)) if constant is None else _subtract(a, _scale(b, constant))


def _content(a: Size, b: Dim) -> int:
    return gcd(
        *[c for _, c in b._terms], *([a] if isinstance(a, int) else [c for _, c in a._terms])
    )


def _may_be_zero(size: Size) -> bool:
    low, high = _interval(size)
    return low <= 0 <= high


def _divide(a: Size, b: Dim) -> tuple[Size, Size]:
    """Polynomials `q, r` with `a == q*b + r`.

    A sum divides all of `a` or nothing: m//(m + 1) should not become 1 + (-1)//(m + 1).
    """
    lead, divisor = b._terms[0]
    quotient: Size = 0
    rest: Size = 0
    work = a
    while work != 0:
        monomial, coefficient = ((), work) if isinstance(work, int) else work._terms[0]
        factor = _monomial_quotient(monomial, lead) if coefficient % divisor == 0 else None
        if factor is None and len(b._terms) > 1:
            return 0, a
        if factor is None:
            part = _build([(monomial, coefficient)])
            rest, work = _add(rest, part), _subtract(work, part)
        else:
            part = _build([(factor, coefficient // divisor)])
            quotient, work = _add(quotient, part), _subtract(work, _multiply(part, b))
    return quotient, rest


def _constant_quotient(a: Size, b: Size) -> int | None:
    """The value of `a // b` when bounds leave only one; `b` cannot be zero."""
    low, high = _quotient_interval(a, b)
    if low == high:
        return int(low)
    below = not isinstance(b, int) and _interval(a)[0] >= 0 and _interval(_subtract(b, a))[0] > 0
    return 0 if below else None


# --- Bounds ---------------------------------------------------------------------------------------


def bounds(size: Size) -> tuple[int | None, int | None]:
    """The least and the greatest value found by interval arithmetic; None where unbounded.

    The true range lies within, and may be narrower.
    """
    low, high = _interval(size)
    return (
        None if isinstance(low, float) else low,
        None if isinstance(high, float) else high,
    )


def _interval(size: Size) -> Interval:
    if isinstance(size, int):
        return size, size
    try:
        return size._bounds
    except AttributeError:
        result = _sum_interval(size)
        if 1 < sum(bool(m) for m, _ in size._terms) <= _SHARPEN_TERMS:
            result = _intersect(_intersect(result, _relaxed(size)), _shifted(size))
        object.__setattr__(size, "_bounds", result)
        return result


def _intersect(a: Interval, b: Interval | None) -> Interval:
    return a if b is None else (max(a[0], b[0]), min(a[1], b[1]))


def _sum_interval(size: Dim) -> Interval:
    low: int | float = 0
    high: int | float = 0
    for monomial, coefficient in size._terms:
        product: Interval = coefficient, coefficient
        for atom, exponent in monomial:
            product = _corners(_times, product, _power(_atom_interval(atom), exponent))
        low, high = _plus(low, product[0]), _plus(high, product[1])
    return low, high


def _atom_interval(atom: Atom) -> Interval:
    if isinstance(atom, Symbol):
        return atom.lower, inf if atom.upper is None else atom.upper
    if isinstance(atom, FloorDiv):
        return _quotient_interval(atom.left, atom.right)
    if isinstance(atom, Mod):
        return _remainder_interval(atom.left, atom.right)
    choose = min if isinstance(atom, Min) else max
    (a, b), (c, d) = _interval(atom.left), _interval(atom.right)
    return choose(a, c), choose(b, d)


def _quotient_interval(a: Size, b: Size) -> Interval:
    low, high = _interval(b)
    # Where the quotient is defined the divisor is not zero, so a bound of zero can move by one.
    low, high = low or 1, high or -1
    if low > high or low < 0 < high:
        return -inf, inf
    return _corners(_over, _interval(a), (low, high))


def _remainder_interval(a: Size, b: Size) -> Interval:
    low, high = _interval(b)
    least, most = _interval(a)
    if low >= 0 <= least:
        return 0, min(most, _plus(high, -1))
    return min(_plus(low, 1), 0), max(_plus(high, -1), 0)


def _corners(
    apply: Callable[[int | float, int | float], int | float], a: Interval, b: Interval
) -> Interval:
    values = [apply(x, y) for x in a for y in b]
    return min(values), max(values)


def _power(base: Interval, exponent: int) -> Interval:
    if exponent == 1:
        return base
    low, high = base[0] ** exponent, base[1] ** exponent
    if exponent % 2 == 0 and base[0] < 0:
        return (0 if base[1] > 0 else high), max(low, high)
    return low, high


def _plus(a: int | float, b: int | float) -> int | float:
    # Floats here are only infinities; a large int must not be converted to float.
    if isinstance(a, float):
        return a
    return b if isinstance(b, float) else a + b


def _times(a: int | float, b: int | float) -> int | float:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if a == 0 or b == 0:
        return 0
    return inf if (a > 0) == (b > 0) else -inf


def _over(a: int | float, b: int | float) -> int | float:
    if isinstance(a, float):
        return inf if (a > 0) == (b > 0) else -inf
    if isinstance(b, float):
        return 0 if a == 0 or (a > 0) == (b > 0) else -1
    return a // b


def _relaxed(size: Dim) -> Interval | None:
    """Bounds after one `//`, `%`, min or max is replaced by its operands.

    This is what proves `min(n, 8) <= n` and `(n + 3)//4*4 >= n`, whose sides vary together.
    """
    found = [(_sole_atom(_build([(m, 1)])), c) for m, c in size._terms if m]
    # Writing x%k as x - x//k*k loses nothing and lets quotients cancel, so it comes first.
    found.sort(key=lambda item: not isinstance(item[0], Mod))
    for atom, coefficient in found:
        if isinstance(atom, Min | Max):
            return _relax_choice(size, coefficient, atom)
        if isinstance(atom, FloorDiv | Mod) and isinstance(atom.right, int):
            return _relax_division(size, coefficient, atom, atom.right)
    return None


def _relax_choice(size: Dim, coefficient: int, atom: Min | Max) -> Interval:
    rest = _subtract(size, _scale(_of_atom(atom), coefficient))
    a = _interval(_add(rest, _scale(atom.left, coefficient)))
    b = _interval(_add(rest, _scale(atom.right, coefficient)))
    # A negative factor turns a minimum into a maximum.
    choose = min if isinstance(atom, Min) == (coefficient > 0) else max
    return choose(a[0], b[0]), choose(a[1], b[1])


def _relax_division(size: Dim, coefficient: int, atom: FloorDiv | Mod, divisor: int) -> Interval:
    rest = _subtract(size, _scale(_of_atom(atom), coefficient))
    if isinstance(atom, Mod):
        quotient = _floordiv(atom.left, divisor)
        expanded = _subtract(atom.left, _scale(quotient, divisor))
        return _interval(_add(rest, _scale(expanded, coefficient)))
    # With k*q between a - k + 1 and a, bound k*(rest + c*q) and divide by k.
    low, high = _interval(_add(_scale(rest, divisor), _scale(atom.left, coefficient)))
    slack = -coefficient * (divisor - 1)
    low, high = (_plus(low, slack), high) if coefficient > 0 else (low, _plus(high, slack))
    return -_over(-low, divisor), _over(high, divisor)


def _shifted(size: Dim) -> Interval | None:
    """Bounds with every symbol written as its lower bound plus a size from 0: proves `n*m >= n`."""
    found = symbols(size)
    if all(s.lower == 0 for s in found) or len({s.name for s in found}) < len(found):
        return None

    def from_zero(s: Symbol) -> Size:
        return _shift(symbol(s.name, 0, None if s.upper is None else s.upper - s.lower), s.lower)

    try:
        return _interval(_rebuild(size, from_zero))
    except ZeroDivisionError:
        return None


# --- Decisions ------------------------------------------------------------------------------------


def decide_equal(a: Size, b: Size) -> bool:
    """Whether two sizes are equal for all allowed values of their symbols.

    Returns:
        True when they always are, False when they never are.

    Raises:
        UndecidableSizeError: they are equal for some values only, or it cannot be told.
    """
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return a == b or _decide(a, "==", b)


def minimum(a: Size, b: Size) -> Size:
    """The smaller size: one of the two where bounds decide, else a Dim `min(a, b)`."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return _choose(Min, a, b)


def maximum(a: Size, b: Size) -> Size:
    """The larger size: one of the two where bounds decide, else a Dim `max(a, b)`."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    return _choose(Max, a, b)


def _choose(kind: type[Min] | type[Max], a: Size, b: Size) -> Size:
    kept: list[Size] = []
    for item in (*_members(kind, a), *_members(kind, b)):
        if not any(_prevails(kind, other, item) for other in kept):
            kept = [other for other in kept if not _prevails(kind, item, other)]
            kept.append(item)
    first, *others = sorted(kept, key=_size_key)
    for item in others:
        first = _of_atom(kind(first, item))
    return first


def _members(kind: type[Min] | type[Max], size: Size) -> list[Size]:
    atom = _sole_atom(size)
    if not isinstance(atom, kind):
        return [size]
    return _members(kind, atom.left) + _members(kind, atom.right)


def _prevails(kind: type[Min] | type[Max], a: Size, b: Size) -> bool:
    low, high = _interval(_subtract(a, b))
    return high <= 0 if kind is Min else low >= 0


def _size_key(size: Size) -> tuple[bool, list[tuple[tuple[int, list[tuple[Key, int]]], int]]]:
    if isinstance(size, int):
        return True, []
    return False, [(_term_key(term), term[1]) for term in size._terms]


def _decide(a: Size, relation: str, b: Size) -> bool:
    answer = _verdict(relation, _interval(_subtract(a, b)))
    if answer is None:
        raise _undecidable(a, relation, b)
    return answer


def _verdict(relation: str, difference: Interval) -> bool | None:
    low, high = difference
    if relation == "==":
        always, never = low == high == 0, low > 0 or high < 0
    elif relation == "<":
        always, never = high < 0, low >= 0
    elif relation == "<=":
        always, never = high <= 0, low > 0
    elif relation == ">":
        always, never = low > 0, high <= 0
    else:
        always, never = low >= 0, high < 0
    return always if always or never else None


def _undecidable(a: Size, relation: str, b: Size) -> UndecidableSizeError:
    known = shape_symbols((a, b))
    facts = [("known", format_constraint(s)) for s in known]
    facts.append(("needed", f"{a} {relation} {b}"))
    if len({s.name for s in known}) < len(known):
        hint: str | None = "declare every name with the same bounds everywhere"
    elif relation == "==":
        hint = _equality_hint(a, b)
    else:
        hint = _bound_hint(relation, _subtract(a, b))
    return UndecidableSizeError(f"cannot decide {a} {relation} {b}", facts=facts, hint=hint)


def _equality_hint(a: Size, b: Size) -> str | None:
    difference = _subtract(a, b)
    left, right = _sole_atom(a), _sole_atom(b)
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return f"use one name for {left.name} and {right.name} in the spec if they are always equal"
    linear = None if isinstance(difference, int) else _linear(difference)
    if linear is None or linear[2] % linear[1]:
        return _bound_hint("==", difference)
    value = -linear[2] // linear[1]
    name = linear[0].name
    return f"add a constraint such as '{value} <= {name} <= {value}' to the spec"


def _bound_hint(relation: str, difference: Size) -> str | None:
    """The weakest single bound under which `difference relation 0` is decided, if there is one."""
    known = symbols(difference)
    for wanted in (True, False):
        for s in known:
            found = _search(s, wanted, relation, difference, len(known) > 1)
            if found:
                return f"add a constraint such as '{found}' to the spec"
    return None


def _search(s: Symbol, wanted: bool, relation: str, difference: Size, partial: bool) -> str | None:
    """A bound of one symbol that gives the wanted answer; `partial`: it may not fix the symbol."""

    def decides(lower: int, upper: int | None) -> bool:
        def narrow(other: Symbol) -> Size:
            return symbol(s.name, lower, upper) if other == s else _of_atom(other)

        try:
            return _verdict(relation, _interval(_rebuild(difference, narrow))) is wanted
        except ZeroDivisionError:
            return False

    top = _LARGEST if s.upper is None else s.upper - partial
    lower = _bisect(s.lower, top, lambda value: decides(value, s.upper))
    if lower is not None:
        return f"{s.name} >= {lower}"
    bottom = s.lower + partial
    upper = _bisect(-top, -bottom, lambda value: decides(s.lower, -value))
    return None if upper is None else f"{s.name} <= {-upper}"


def _bisect(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The least value from `low` to `high` for which a monotone predicate holds."""
    if low > high or not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


# --- Traversal ------------------------------------------------------------------------------------


def symbols(size: Size) -> tuple[Symbol, ...]:
    """The symbols a size depends on, sorted by name."""
    return shape_symbols((size,))


def shape_symbols(shape: Iterable[Size]) -> tuple[Symbol, ...]:
    """The symbols of all sizes of a shape, each once, sorted by name."""
    found: set[Symbol] = set()
    for size in shape:
        _collect(size, found)
    return tuple(sorted(found, key=lambda s: s.key))


def _collect(size: Size, found: set[Symbol]) -> None:
    if isinstance(size, int):
        return
    for monomial, _ in size._terms:
        for atom, _ in monomial:
            if isinstance(atom, Symbol):
                found.add(atom)
            else:
                _collect(atom.left, found)
                _collect(atom.right, found)


def fold(
    size: Size,
    constant: Callable[[int], T],
    symbol: Callable[[Symbol], T],
    add: Callable[[T, T], T],
    multiply: Callable[[T, T], T],
    floordiv: Callable[[T, T], T],
    mod: Callable[[T, T], T],
    minimum: Callable[[T, T], T],
    maximum: Callable[[T, T], T],
) -> T:
    """Translate a size into another algebra, in the order of the normal form.

    A power is multiplied out, a coefficient of 1 is left out, a negative one is a factor.

    Example:
        >>> n = symbol("n")
        >>> fold(2 * n + 1, str, lambda s: s.name, "({} + {})".format, "({} * {})".format,
        ...      "({} / {})".format, "({} % {})".format, "min({}, {})".format, "max({}, {})".format)
        '((2 * n) + 1)'
    """

    def visit(size: Size) -> T:
        if isinstance(size, int):
            return constant(size)
        total, *others = [visit_term(m, c) for m, c in size._terms]
        for other in others:
            total = add(total, other)
        return total

    def visit_term(monomial: Monomial, coefficient: int) -> T:
        factors = [] if coefficient == 1 and monomial else [constant(coefficient)]
        for atom, exponent in monomial:
            factors += [visit_atom(atom)] * exponent
        product, *others = factors
        for factor in others:
            product = multiply(product, factor)
        return product

    def visit_atom(atom: Atom) -> T:
        if isinstance(atom, Symbol):
            return symbol(atom)
        return operations[atom.rank](visit(atom.left), visit(atom.right))

    operations = {1: floordiv, 2: mod, 3: minimum, 4: maximum}
    return visit(size)


def _rebuild(size: Size, replace: Callable[[Symbol], Size]) -> Size:
    if isinstance(size, int):
        return size
    return fold(size, int, replace, _add, _multiply, _floordiv, _mod, minimum, maximum)


def substitute(size: Size, mapping: Mapping[str, Size]) -> Size:
    """Put sizes in the place of symbols, by name; names not in the mapping stay.

    The values must lie within the symbols' bounds, which the normal form has relied on.
    """
    atom = _sole_atom(size)
    if isinstance(atom, Symbol):
        return mapping.get(atom.name, size)
    return _rebuild(size, lambda s: mapping[s.name] if s.name in mapping else _of_atom(s))


_EVALUATE: dict[int, Callable[[int, int], int]] = {
    1: operator.floordiv,
    2: operator.mod,
    3: min,
    4: max,
}


def evaluate(size: Size, mapping: Mapping[str, int]) -> int:
    """The value of a size for given values of its symbols, which must lie within their bounds.

    Raises:
        UnknownNameError: a symbol has no value in the mapping.
        ZeroDivisionError: a divisor is zero for these values.
    """
    if isinstance(size, int):
        return size
    total = 0
    for monomial, coefficient in size._terms:
        for atom, exponent in monomial:
            value = _evaluate_atom(atom, mapping)
            coefficient *= value if exponent == 1 else value**exponent
        total += coefficient
    return total


def _evaluate_atom(atom: Atom, mapping: Mapping[str, int]) -> int:
    if not isinstance(atom, Symbol):
        left, right = evaluate(atom.left, mapping), evaluate(atom.right, mapping)
        return _EVALUATE[atom.rank](left, right)
    try:
        return mapping[atom.name]
    except KeyError:
        raise nearest(atom.name, mapping, "size") from None


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
    if _interval(b)[0] >= 1:
        return (a + b - 1) // b
    return -(-a // b)


# --- Text -----------------------------------------------------------------------------------------


def _format(dim: Dim) -> str:
    text = ""
    for monomial, coefficient in dim._terms:
        plus, minus = (" + ", " - ") if text else ("", "-")
        sign = minus if coefficient < 0 else plus
        text += sign + _format_term(monomial, abs(coefficient), alone=sign != "-")
    return text


def _format_term(monomial: Monomial, coefficient: int, alone: bool) -> str:
    factors = [] if coefficient == 1 and monomial else [str(coefficient)]
    alone = alone and coefficient == 1 and len(monomial) == 1
    for atom, exponent in monomial:
        text = _format_atom(atom)
        if isinstance(atom, FloorDiv | Mod) and not (alone and exponent == 1):
            text = f"({text})"
        factors.append(text if exponent == 1 else f"{text}^{exponent}")
    return "*".join(factors)


def _format_atom(atom: Atom) -> str:
    if isinstance(atom, Symbol):
        return atom.name
    if isinstance(atom, FloorDiv | Mod):
        sign = "//" if isinstance(atom, FloorDiv) else "%"
        return _format_operand(atom.left) + sign + _format_operand(atom.right)
    return f"{'min' if isinstance(atom, Min) else 'max'}({atom.left}, {atom.right})"


def _format_operand(size: Size) -> str:
    simple = (
        size >= 0 if isinstance(size, int) else isinstance(_sole_atom(size), Symbol | Min | Max)
    )
    return str(size) if simple else f"({size})"


# Python refuses to read ints of many thousand digits, so a number ends before that.
_TOKEN = re.compile(
    r"\s*(?:(?P<int>\d{1,1000})|(?P<name>[^\W\d]\w*)|(?P<sign>//|<=|>=|[-+*%^(),]))", re.ASCII
)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Reader:
    """Tokens of one text, and the errors that point into it."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.position = text, what, 0
        self.tokens: list[_Token] = []
        end = 0
        while match := _TOKEN.match(text, end):
            end, kind = match.end(), match.lastgroup or ""
            self.tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
        blank = len(text[end:]) - len(text[end:].lstrip())
        rest = text[end + blank : end + blank + 1]
        self.tokens.append(_Token("bad" if rest else "end", rest, end + blank + 1))

    @property
    def next(self) -> _Token:
        return self.tokens[self.position]

    def accept(self, *signs: str) -> str | None:
        token = self.next
        if token.kind == "end" or token.text not in signs:
            return None
        self.position += 1
        return token.text

    def take(self, kind: str, expected: str) -> str:
        token = self.next
        if token.kind != kind:
            raise self.error(f"expected {expected}")
        self.position += 1
        return token.text

    def expect(self, sign: str) -> None:
        if self.accept(sign) is None:
            raise self.error(f"expected {sign!r}")

    def error(self, problem: str, at: _Token | None = None) -> TextError:
        token = at or self.next
        found = "the end" if token.kind == "end" else repr(token.text)
        problem = problem if at else f"{problem}, found {found}"
        return TextError(
            f"malformed {self.what}, column {token.column}: {problem}", facts=[("text", self.text)]
        )


def parse_size(text: str, scope: dict[str, Dim]) -> Size:
    """Read what `str` of a size writes, or any expression of the same operators.

    `^` binds tighter than the sign, which binds tighter than `* // %`, then `+ -`; equal ones group
    to the left. An unknown name becomes a symbol with default bounds and is added to `scope`.

    Raises:
        TextError: the text is malformed; the summary gives the column, counted from 1.
    """
    reader = _Reader(text, "size")
    try:
        result = _parse_sum(reader, scope)
    except RecursionError:
        raise reader.error("nested too deeply", at=reader.tokens[0]) from None
    reader.take("end", "an operator or the end")
    return result


def _parse_sum(reader: _Reader, scope: dict[str, Dim]) -> Size:
    result = _parse_product(reader, scope)
    while sign := reader.accept("+", "-"):
        other = _parse_product(reader, scope)
        result = result + other if sign == "+" else result - other
    return result


def _parse_product(reader: _Reader, scope: dict[str, Dim]) -> Size:
    result = _parse_signed(reader, scope)
    while sign := reader.accept("*", "//", "%"):
        start = reader.next
        other = _parse_signed(reader, scope)
        if sign == "*":
            result = result * other
        elif other == 0:
            raise reader.error("division by zero", at=start)
        else:
            result = result // other if sign == "//" else result % other
    return result


def _parse_signed(reader: _Reader, scope: dict[str, Dim]) -> Size:
    if reader.accept("-"):
        return -_parse_signed(reader, scope)
    base = _parse_atom(reader, scope)
    if not reader.accept("^"):
        return base
    start = reader.next
    exponent = int(reader.take("int", "an exponent"))
    if exponent > _LARGEST_EXPONENT:
        raise reader.error(f"exponent above {_LARGEST_EXPONENT}", at=start)
    return product([base] * exponent)


def _parse_atom(reader: _Reader, scope: dict[str, Dim]) -> Size:
    if reader.accept("("):
        result = _parse_sum(reader, scope)
        reader.expect(")")
        return result
    if reader.next.kind == "int":
        return int(reader.take("int", "a number"))
    choose = reader.accept("min", "max")
    if choose is None:
        name = reader.take("name", "a size")
        return scope[name] if name in scope else scope.setdefault(name, symbol(name))
    reader.expect("(")
    first = _parse_sum(reader, scope)
    reader.expect(",")
    second = _parse_sum(reader, scope)
    reader.expect(")")
    return minimum(first, second) if choose == "min" else maximum(first, second)


def format_constraint(symbol: Symbol) -> str:
    """The bounds of a symbol as text: `1 <= n`, `1 <= n <= 4096`."""
    text = f"{symbol.lower} <= {symbol.name}"
    return text if symbol.upper is None else f"{text} <= {symbol.upper}"


def parse_constraint(text: str) -> tuple[Symbol, ...]:
    """Read bounds such as `1 <= n <= 4096`, `n >= 4` or `n <= 8`; several are separated by commas.

    Returns:
        One symbol for each name, in order of appearance; bounds for one name are combined. A lower
        bound that is not given is 1, or the upper bound where that is less.

    Raises:
        TextError: the text is malformed, or no size satisfies it.
    """
    reader = _Reader(text, "constraint")
    lowers: dict[str, int] = {}
    uppers: dict[str, int] = {}
    names: dict[str, None] = {}
    while True:
        names[_parse_bounds(reader, lowers, uppers)] = None
        if not reader.accept(","):
            break
    reader.take("end", "',' or the end")
    return tuple(_bounded(reader, name, lowers.get(name), uppers.get(name)) for name in names)


def _bounded(reader: _Reader, name: str, lower: int | None, upper: int | None) -> Symbol:
    if lower is None:
        lower = 1 if upper is None else min(1, upper)
    try:
        return Symbol(name, lower, upper)
    except UsageError as error:
        raise reader.error(error.summary, at=reader.tokens[0]) from None


def _parse_bounds(reader: _Reader, lowers: dict[str, int], uppers: dict[str, int]) -> str:
    before = None if reader.next.kind == "name" else _parse_bound(reader)
    left = None if before is None else _parse_relation(reader)
    name = reader.take("name", "the name of a size")
    if before is not None and left is not None:
        _narrow(name, ">=" if left == "<=" else "<=", before, lowers, uppers)
    if before is None or reader.next.text == left:
        relation = _parse_relation(reader)
        _narrow(name, relation, _parse_bound(reader), lowers, uppers)
    return name


def _parse_relation(reader: _Reader) -> str:
    relation = reader.accept("<=", ">=")
    if relation is None:
        raise reader.error("expected '<=' or '>='")
    return relation


def _parse_bound(reader: _Reader) -> int:
    sign = -1 if reader.accept("-") else 1
    return sign * int(reader.take("int", "a number"))


def _narrow(
    name: str, relation: str, value: int, lowers: dict[str, int], uppers: dict[str, int]
) -> None:
    if relation == ">=":
        lowers[name] = max(value, lowers.get(name, value))
    else:
        uppers[name] = min(value, uppers.get(name, value))


# --- Unification with concrete shapes -------------------------------------------------------------


class _Equation(NamedTuple):
    label: str
    axis: int
    declared: Size
    actual: int


def solve(patterns: Iterable[tuple[str, tuple[Size, ...], tuple[int, ...]]]) -> dict[str, int]:
    """The values of the symbols for which declared shapes become the actual ones.

    Args:
        patterns: (label, declared shape, actual shape), the label being the argument's name.

    Returns:
        A value for every symbol that the declared shapes mention. A size is solved when it is
        linear in one symbol that is not known yet; all others are checked.

    Raises:
        ShapeError: ranks or sizes differ, or a value is outside its symbol's bounds.
        UndecidableSizeError: a symbol occurs in no size that can be solved for it.

    Example:
        >>> n = symbol("n")
        >>> solve([("x", (n, 2 * n + 1), (3, 7))])
        {'n': 3}
    """
    equations = [e for pattern in patterns for e in _equations(*pattern)]
    known: dict[str, int] = {}
    origins: dict[str, _Equation] = {}
    pending = equations
    while pending:
        rest = [e for e in pending if not _solve_one(e, known, origins)]
        if len(rest) == len(pending):
            break
        pending = rest
    for equation in equations:
        if not isinstance(equation.declared, int):
            _check_symbols(equation, known, origins)
    return known


def _equations(
    label: str, declared: tuple[Size, ...], actual: tuple[int, ...]
) -> Iterable[_Equation]:
    if len(declared) != len(actual):
        raise ShapeError(
            f"{label}: rank differs",
            facts=[
                ("declared", _format_shape(declared), f"rank {len(declared)}"),
                ("actual", _format_shape(actual), f"rank {len(actual)}"),
            ],
        )
    pairs = enumerate(zip(declared, actual, strict=True))
    return [_Equation(label, axis, size, value) for axis, (size, value) in pairs]


def _format_shape(shape: tuple[Size, ...]) -> str:
    return "[" + ", ".join(str(size) for size in shape) + "]"


def _solve_one(equation: _Equation, known: dict[str, int], origins: dict[str, _Equation]) -> bool:
    """Check an equation, or learn one symbol from it; False when it must wait."""
    size = _insert(equation, known, origins)
    if isinstance(size, int):
        if size != equation.actual:
            raise _mismatch(equation, known, origins)
        return True
    linear = _linear(size)
    if linear is None:
        return False
    unknown, factor, offset = linear
    value, remainder = divmod(equation.actual - offset, factor)
    if remainder:
        raise _mismatch(equation, known, origins)
    origins[unknown.name] = equation
    _check_bounds(unknown, value, equation)
    known[unknown.name] = value
    return True


def _insert(equation: _Equation, known: dict[str, int], origins: dict[str, _Equation]) -> Size:
    try:
        return substitute(equation.declared, known) if known else equation.declared
    except ZeroDivisionError:
        raise _mismatch(equation, known, origins) from None


def _linear(size: Dim) -> tuple[Symbol, int, int] | None:
    """The symbol, factor and offset of `factor*symbol + offset`."""
    (monomial, factor), *rest = size._terms
    if len(rest) > 1 or (rest and rest[0][0]) or len(monomial) > 1:
        return None
    atom, exponent = monomial[0]
    if exponent != 1 or not isinstance(atom, Symbol):
        return None
    return atom, factor, rest[0][1] if rest else 0


def _check_symbols(
    equation: _Equation, known: dict[str, int], origins: dict[str, _Equation]
) -> None:
    for s in symbols(equation.declared):
        if s.name not in known:
            raise UndecidableSizeError(
                f"size {s.name} cannot be found from the actual shapes",
                facts=[_row(equation, f"{equation.declared} = {equation.actual}")],
                hint=f"declare an argument that has an axis of size {s.name}",
            )
        _check_bounds(s, known[s.name], origins[s.name])


def _check_bounds(s: Symbol, value: int, origin: _Equation) -> None:
    if value < s.lower or (s.upper is not None and value > s.upper):
        raise ShapeError(
            f"{origin.label}: {s.name} = {value} is outside {format_constraint(s)}",
            facts=[_row(origin, f"{origin.declared} = {origin.actual}")],
        )


def _row(equation: _Equation, text: str) -> tuple[str, str, str]:
    return equation.label, f"axis {equation.axis}", text


def _mismatch(
    equation: _Equation, known: dict[str, int], origins: dict[str, _Equation]
) -> ShapeError:
    label, axis, declared, actual = equation
    names = [s.name for s in symbols(declared) if s.name in known]
    places = [_row(origins[name], f"{name} = {known[name]}") for name in names]
    if isinstance(_sole_atom(declared), Symbol):
        row = _row(equation, f"{declared} = {actual}")
        return ShapeError(f"size {declared} has two values", facts=[*places, row])
    return ShapeError(
        f"{label}: size differs on axis {axis}",
        facts=[("declared", f"axis {axis}", declared), ("actual", f"axis {axis}", actual), *places],
    )
