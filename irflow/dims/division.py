"""`//` and `%` of sizes, and the choice of the smaller or larger one, as simple as bounds allow."""

from __future__ import annotations

from math import gcd

from irflow.dims.atoms import FloorDiv, Max, Min, Mod, Terms, sole_atom, write
from irflow.dims.intervals import flat_quotient, interval, quotient_interval
from irflow.dims.polynomials import (
    ZERO,
    add,
    constant,
    content,
    contract,
    divide,
    negate,
    of_atom,
    offset_of,
    scale,
    shift,
    size_key,
    split,
    subtract,
    value_of,
)


def floordiv(a: Terms, b: Terms) -> Terms:
    """`a // b`.

    Raises:
        ZeroDivisionError: `b` is 0.
    """
    divisor = value_of(b)
    return _floordiv_size(a, b) if divisor is None else floordiv_int(a, divisor)


def floordiv_int(a: Terms, divisor: int) -> Terms:
    """`a // divisor`; raises as `floordiv` does."""
    if divisor == 0:
        raise ZeroDivisionError(f"division of size {write(a)} by zero")
    return _floordiv_constant(a, divisor)


def mod(a: Terms, b: Terms) -> Terms:
    """`a % b`.

    Raises:
        ZeroDivisionError: `b` is 0.
    """
    divisor = value_of(b)
    return _mod_size(a, b) if divisor is None else mod_int(a, divisor)


def mod_int(a: Terms, divisor: int) -> Terms:
    """`a % divisor`; raises as `mod` does."""
    if divisor == 0:
        raise ZeroDivisionError(f"size {write(a)} modulo zero")
    return _mod_constant(a, divisor)


def minimum(a: Terms, b: Terms) -> Terms:
    """The smaller size: one of the two where bounds decide."""
    return _choose(Min, a, b)


def maximum(a: Terms, b: Terms) -> Terms:
    """The larger size: one of the two where bounds decide."""
    return _choose(Max, a, b)


# --- By a constant --------------------------------------------------------------------------------


def _floordiv_constant(a: Terms, divisor: int) -> Terms:
    if divisor < 0:
        return _floordiv_constant(negate(a), -divisor)
    whole, rest = split(a, divisor)
    return whole if value_of(rest) is not None else add(whole, _reduce(rest, divisor))


def _reduce(a: Terms, divisor: int) -> Terms:
    """`a // divisor` where no term but a constant below the divisor can be taken out whole."""
    quotient = _constant_quotient(a, constant(divisor))
    if quotient is not None:
        return constant(quotient)
    common = _common_factor(a, divisor)
    if common > 1:
        return _floordiv_constant(contract(a, common), divisor // common)
    left, right = flat_quotient(a, divisor)
    return floordiv(left, right) if left is not a else of_atom(FloorDiv(left, right))


def _mod_constant(a: Terms, divisor: int) -> Terms:
    if divisor < 0:
        return negate(_mod_constant(negate(a), -divisor))
    quotient = _constant_quotient(a, constant(divisor))
    if quotient is not None:
        return shift(a, -quotient * divisor)
    rest = _unwrap_mods(tuple([(m, c % divisor) for m, c in a if c % divisor]), divisor)
    if rest != a:
        return _mod_constant(rest, divisor)
    common = _common_factor(a, divisor)
    if common == 1:
        return of_atom(Mod(a, constant(divisor)))
    reduced = _mod_constant(contract(a, common), divisor // common)
    return shift(scale(reduced, common), offset_of(a) % common)


def _common_factor(a: Terms, divisor: int) -> int:
    return gcd(divisor, *[c for m, c in a if m])


def _unwrap_mods(size: Terms, divisor: int) -> Terms:
    """Replace `x%k` by `x` where `divisor` divides `k`: the same modulo `divisor`."""
    for monomial, coefficient in size:
        atom = sole_atom(((monomial, 1),))
        factor = value_of(atom.right) if isinstance(atom, Mod) else None
        if isinstance(atom, Mod) and factor is not None and factor % divisor == 0:
            return add(size, scale(subtract(atom.left, of_atom(atom)), coefficient))
    return size


# --- By a size ------------------------------------------------------------------------------------


def _floordiv_size(a: Terms, b: Terms) -> Terms:
    if b[0][1] < 0:
        return _floordiv_size(negate(a), negate(b))
    common = content(a, b)
    if common > 1:
        return floordiv(contract(a, common), contract(b, common))
    if _may_be_zero(b):
        return of_atom(FloorDiv(a, b))
    whole, rest = divide(a, b)
    if whole:
        return add(whole, _floordiv_size(rest, b)) if rest else whole
    quotient = _constant_quotient(a, b)
    return of_atom(FloorDiv(a, b)) if quotient is None else constant(quotient)


def _mod_size(a: Terms, b: Terms) -> Terms:
    if b[0][1] < 0:
        return negate(_mod_size(negate(a), negate(b)))
    common = content(a, b)
    if common > 1:
        return scale(mod(contract(a, common), contract(b, common)), common)
    if _may_be_zero(b):
        return of_atom(Mod(a, b))
    whole, rest = divide(a, b)
    if whole:
        return _mod_size(rest, b) if rest else ZERO
    quotient = _constant_quotient(a, b)
    return of_atom(Mod(a, b)) if quotient is None else subtract(a, scale(b, quotient))


def _may_be_zero(size: Terms) -> bool:
    low, high = interval(size)
    return low <= 0 <= high


def _constant_quotient(a: Terms, b: Terms) -> int | None:
    """The value of `a // b` when bounds leave only one; `b` cannot be zero."""
    low, high = quotient_interval(a, b)
    if low == high:
        return int(low)
    below = value_of(b) is None and interval(a)[0] >= 0 and interval(subtract(b, a))[0] > 0
    return 0 if below else None


# --- Minimum and maximum --------------------------------------------------------------------------


def _choose(kind: type[Min] | type[Max], a: Terms, b: Terms) -> Terms:
    kept: list[Terms] = []
    for item in (*_members(kind, a), *_members(kind, b)):
        if not any(_prevails(kind, other, item) for other in kept):
            kept = [other for other in kept if not _prevails(kind, item, other)]
            kept.append(item)
    first, *others = sorted(kept, key=size_key)
    for item in others:
        first = of_atom(kind(first, item))
    return first


def _members(kind: type[Min] | type[Max], size: Terms) -> list[Terms]:
    atom = sole_atom(size)
    if not isinstance(atom, kind):
        return [size]
    return _members(kind, atom.left) + _members(kind, atom.right)


def _prevails(kind: type[Min] | type[Max], a: Terms, b: Terms) -> bool:
    low, high = interval(subtract(a, b))
    return high <= 0 if kind is Min else low >= 0
