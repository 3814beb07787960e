"""Bounds of a size, proved by interval arithmetic on its terms.

Plain interval arithmetic treats every occurrence of a symbol as another number. Two rewritings make
up for that: symbols count from their lower bound (`n*m >= n`), and a `//`, `%`, min or max gives
way to its operands (`min(n, 8) <= n`, `(n + 3)//4*4 >= n`). Neither simplifies what it builds by
bounds, so this does not need `division`, which is built on it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from irflow.dims.atoms import (
    Atom,
    FloorDiv,
    Interval,
    Max,
    Min,
    Mod,
    Monomial,
    Symbol,
    Terms,
    sole_atom,
    symbols_of,
)
from irflow.dims.polynomials import (
    add,
    constant,
    of_atom,
    offset_of,
    product_of,
    scale,
    shift,
    split,
    subtract,
    value_of,
)

# Sharpening multiplies out and branches, so what is long, high or deep is left as it is.
_SHARPEN_TERMS = 8
_SHARPEN_DEGREE = 6
_SHARPEN_DEPTH = 4
_RELAX_TERMS = 32


def interval(size: Terms) -> Interval:
    """The least and the greatest value that can be proved; infinite where there is none."""
    result = _plain(size)
    if not 1 < len([m for m, _ in size if m]) <= _SHARPEN_TERMS:
        return result
    return _intersect(result, _relaxed(_from_zero(size), _SHARPEN_DEPTH))


def quotient_interval(a: Terms, b: Terms) -> Interval:
    """Bounds of `a // b` where it is defined."""
    low, high = interval(b)
    # Where the quotient is defined the divisor is not zero, so a bound of zero can move by one.
    low, high = low or 1, high or -1
    if low > high or low < 0 < high:
        return -inf, inf
    return _corners(_over, interval(a), (low, high))


def flat_quotient(a: Terms, divisor: int) -> tuple[Terms, Terms]:
    """The operands of `a // divisor`, where `(x//k + c)//d` is `(x + c*k)//(k*d)`."""
    offset = offset_of(a)
    inner = sole_atom(shift(a, -offset))
    factor = value_of(inner.right) if isinstance(inner, FloorDiv) else None
    if not isinstance(inner, FloorDiv) or factor is None:
        return a, constant(divisor)
    return shift(inner.left, offset * factor), constant(factor * divisor)


def rewrite(size: Terms, replace: Callable[[Symbol], Terms], depth: int = _SHARPEN_DEPTH) -> Terms:
    """The size with symbols replaced; long sums, high powers and deep ones stay.

    Bounds remain true where a symbol is replaced in one place only: then it counts as two symbols.
    """
    if not depth or len(size) > _SHARPEN_TERMS + 1:
        return size

    def visit(atom: Atom) -> Terms:
        if isinstance(atom, Symbol):
            return replace(atom)
        left = rewrite(atom.left, replace, depth - 1)
        right = rewrite(atom.right, replace, depth - 1)
        divisor = value_of(right) if isinstance(atom, FloorDiv) else None
        return of_atom(type(atom)(left, right)) if divisor is None else _quotient(left, divisor)

    total: Terms = ()
    for monomial, coefficient in size:
        if sum([power for _, power in monomial]) > _SHARPEN_DEGREE:
            total = add(total, ((monomial, coefficient),))
        else:
            factors = [factor for atom, power in monomial for factor in [visit(atom)] * power]
            total = add(total, scale(product_of(factors), coefficient))
    return total


def _quotient(a: Terms, divisor: int) -> Terms:
    """`a // divisor`, simplified as far as that needs no bounds."""
    whole, rest = split(a, divisor)
    if value_of(rest) is not None:
        return whole
    return add(whole, of_atom(FloorDiv(*flat_quotient(rest, divisor))))


def _intersect(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), min(a[1], b[1])


# --- Plain interval arithmetic --------------------------------------------------------------------


def _plain(size: Terms) -> Interval:
    low: int | float = 0
    high: int | float = 0
    for monomial, coefficient in size:
        least, most = _monomial_interval(monomial)
        if coefficient < 0:
            least, most = most, least
        low, high = _plus(low, _times(least, coefficient)), _plus(high, _times(most, coefficient))
    return low, high


def _monomial_interval(monomial: Monomial) -> Interval:
    if not monomial:
        return 1, 1
    first, *others = [_power(_atom_interval(atom), exponent) for atom, exponent in monomial]
    for other in others:
        first = _corners(_times, first, other)
    return first


def _atom_interval(atom: Atom) -> Interval:
    if isinstance(atom, Symbol):
        return atom.lower, inf if atom.upper is None else atom.upper
    try:
        return atom.bounds
    except AttributeError:
        result = _operation_interval(atom)
        object.__setattr__(atom, "bounds", result)
        return result


def _operation_interval(atom: FloorDiv | Mod | Min | Max) -> Interval:
    if isinstance(atom, FloorDiv):
        return quotient_interval(atom.left, atom.right)
    if isinstance(atom, Mod):
        return _remainder_interval(atom.left, atom.right)
    choose = min if isinstance(atom, Min) else max
    (a, b), (c, d) = interval(atom.left), interval(atom.right)
    return choose(a, c), choose(b, d)


def _remainder_interval(a: Terms, b: Terms) -> Interval:
    low, high = interval(b)
    least, most = interval(a)
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


# --- What sharpens it -----------------------------------------------------------------------------


def _from_zero(size: Terms) -> Terms:
    """The size with every symbol written as its lower bound plus a symbol from 0."""
    found = symbols_of((size,))
    if all(s.lower == 0 for s in found) or len({s.name for s in found}) < len(found):
        return size
    moved = {
        s: shift(
            of_atom(Symbol(s.name, 0, None if s.upper is None else s.upper - s.lower)), s.lower
        )
        for s in found
    }
    return rewrite(size, moved.__getitem__)


def _relaxed(size: Terms, depth: int) -> Interval:
    """Bounds after one `//`, `%`, min or max after another is replaced by its operands."""
    result = _plain(size)
    found = [(sole_atom(((m, 1),)), c) for m, c in size if m]
    if not depth or not 1 < len(found) <= _RELAX_TERMS:
        return result
    # Writing x%k as x - x//k*k loses nothing and lets quotients cancel, so it comes first.
    found.sort(key=lambda item: not isinstance(item[0], Mod))
    for atom, coefficient in found:
        if isinstance(atom, Min | Max):
            return _intersect(result, _relax_choice(size, coefficient, atom, depth - 1))
        if isinstance(atom, FloorDiv | Mod):
            divisor = value_of(atom.right)
            if divisor is not None:
                relaxed = _relax_division(size, coefficient, atom, divisor, depth - 1)
                return _intersect(result, relaxed)
    return result


def _relax_choice(size: Terms, coefficient: int, atom: Min | Max, depth: int) -> Interval:
    rest = subtract(size, scale(of_atom(atom), coefficient))
    a = _relaxed(add(rest, scale(atom.left, coefficient)), depth)
    b = _relaxed(add(rest, scale(atom.right, coefficient)), depth)
    # A negative factor turns a minimum into a maximum.
    choose = min if isinstance(atom, Min) == (coefficient > 0) else max
    return choose(a[0], b[0]), choose(a[1], b[1])


def _relax_division(
    size: Terms, coefficient: int, atom: FloorDiv | Mod, divisor: int, depth: int
) -> Interval:
    rest = subtract(size, scale(of_atom(atom), coefficient))
    if isinstance(atom, Mod):
        expanded = subtract(atom.left, scale(_quotient(atom.left, divisor), divisor))
        return _relaxed(add(rest, scale(expanded, coefficient)), depth)
    # With k*q between a - k + 1 and a, bound k*(rest + c*q) and divide by k.
    low, high = _relaxed(add(scale(rest, divisor), scale(atom.left, coefficient)), depth)
    slack = -coefficient * (divisor - 1)
    low, high = (_plus(low, slack), high) if coefficient > 0 else (low, _plus(high, slack))
    return -_over(-low, divisor), _over(high, divisor)
