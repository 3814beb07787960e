"""The ring of sizes: sums and products of terms, kept in normal form, with plain factors."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

from irflow.dims.atoms import Atom, Key, Monomial, Terms

ZERO: Terms = ()
ONE: Terms = (((), 1),)


def constant(value: int) -> Terms:
    """The terms of an int."""
    return (((), value),) if value else ZERO


def of_atom(atom: Atom) -> Terms:
    """The terms of a symbol, or of an operation that stands alone."""
    return ((((atom, 1),), 1),)


def value_of(size: Terms) -> int | None:
    """The int that the terms are, if they are constant."""
    if not size:
        return 0
    return None if size[0][0] else size[0][1]


def offset_of(size: Terms) -> int:
    """The constant term."""
    return 0 if not size or size[-1][0] else size[-1][1]


def add(a: Terms, b: Terms) -> Terms:
    """`a + b`."""
    if not b or not b[0][0]:
        return shift(a, b[0][1] if b else 0)
    if not a or not a[0][0]:
        return shift(b, a[0][1] if a else 0)
    total = dict(a)
    for monomial, coefficient in b:
        total[monomial] = total.get(monomial, 0) + coefficient
    return _normalize(total)


def shift(size: Terms, offset: int) -> Terms:
    """`size + offset`."""
    if not offset:
        return size
    if not size or size[-1][0]:
        return (*size, ((), offset))
    offset += size[-1][1]
    return (*size[:-1], ((), offset)) if offset else size[:-1]


def negate(size: Terms) -> Terms:
    """`-size`."""
    return tuple([(m, -c) for m, c in size])


def subtract(a: Terms, b: Terms) -> Terms:
    """`a - b`."""
    return add(a, negate(b))


def multiply(a: Terms, b: Terms) -> Terms:
    """`a * b`."""
    if not b or not b[0][0]:
        return scale(a, b[0][1] if b else 0)
    if not a or not a[0][0]:
        return scale(b, a[0][1] if a else 0)
    total: dict[Monomial, int] = {}
    for left, first in a:
        for right, second in b:
            monomial = _monomial_product(left, right)
            total[monomial] = total.get(monomial, 0) + first * second
    return _normalize(total)


def scale(size: Terms, factor: int) -> Terms:
    """`size * factor`."""
    if factor == 1:
        return size
    return tuple([(m, c * factor) for m, c in size]) if factor else ZERO


def product_of(sizes: Iterable[Terms]) -> Terms:
    """The product of sizes; 1 for none."""
    result = ONE
    for size in sizes:
        result = multiply(result, size)
    return result


def divide(a: Terms, b: Terms) -> tuple[Terms, Terms]:
    """Polynomials `q, r` with `a == q*b + r`.

    A sum divides all of `a` or nothing: m//(m + 1) should not become 1 + (-1)//(m + 1).
    """
    lead, divisor = b[0]
    quotient, rest, work = ZERO, ZERO, a
    while work:
        monomial, coefficient = work[0]
        factor = _monomial_quotient(monomial, lead) if coefficient % divisor == 0 else None
        if factor is None and len(b) > 1:
            return ZERO, a
        if factor is None:
            rest, work = (*rest, work[0]), work[1:]
        else:
            part = ((factor, coefficient // divisor),)
            quotient, work = add(quotient, part), subtract(work, multiply(part, b))
    return quotient, rest


def split(a: Terms, divisor: int) -> tuple[Terms, Terms]:
    """`q, r` with `a//divisor == q + r//divisor`: whole terms, and what the constant holds."""
    whole: list[tuple[Monomial, int]] = []
    rest: list[tuple[Monomial, int]] = []
    for monomial, coefficient in a:
        quotient, remainder = divmod(coefficient, divisor)
        # Splitting 5*n//4 into n + n//4 would be exact too, but loosens the bounds of -n//4.
        if remainder and monomial:
            quotient, remainder = 0, coefficient
        if quotient:
            whole.append((monomial, quotient))
        if remainder:
            rest.append((monomial, remainder))
    return tuple(whole), tuple(rest)


def contract(size: Terms, common: int) -> Terms:
    """Every coefficient divided by `common`, the constant rounded down."""
    return tuple([(m, c // common) for m, c in size if c // common])


def content(*sizes: Terms) -> int:
    """The greatest common divisor of all coefficients."""
    return gcd(*[c for size in sizes for _, c in size])


def size_key(size: Terms) -> tuple[bool, list[tuple[tuple[int, list[tuple[Key, int]]], int]]]:
    """What sizes are sorted by: like terms, and constants last."""
    return value_of(size) is not None, [(_term_key(term), term[1]) for term in size]


def _normalize(total: dict[Monomial, int]) -> Terms:
    items = [item for item in total.items() if item[1]]
    if len(items) > 1:
        items.sort(key=_term_key)
    return tuple(items)


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
