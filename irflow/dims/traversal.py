"""Walks over the terms of a size: its symbols, another algebra, substitution, evaluation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from irflow.dims import division, polynomials
from irflow.dims.atoms import Atom, Monomial, Symbol, Terms, sole_atom, symbols_of
from irflow.dims.dim import Size, size_of, terms
from irflow.errors import nearest

T = TypeVar("T")


def symbols(size: Size) -> tuple[Symbol, ...]:
    """The symbols a size depends on, sorted by name."""
    return symbols_of((terms(size),))


def shape_symbols(shape: Iterable[Size]) -> tuple[Symbol, ...]:
    """The symbols of all sizes of a shape, each once, sorted by name."""
    return symbols_of([terms(size) for size in shape if not isinstance(size, int)])


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

    def visit(size: Terms) -> T:
        if not size:
            return constant(0)
        total, *others = [visit_term(m, c) for m, c in size]
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
    return visit(terms(size))


def substitute(size: Size, mapping: Mapping[str, Size]) -> Size:
    """Put sizes in the place of symbols, by name; names not in the mapping stay.

    The values must lie within the symbols' bounds, which the normal form has relied on.
    """
    atom = sole_atom(terms(size))
    if isinstance(atom, Symbol):
        return mapping.get(atom.name, size)
    if isinstance(size, int):
        return size

    def replace(symbol: Symbol) -> Terms:
        name = symbol.name
        return terms(mapping[name]) if name in mapping else polynomials.of_atom(symbol)

    replaced = fold(
        size,
        polynomials.constant,
        replace,
        polynomials.add,
        polynomials.multiply,
        division.floordiv,
        division.mod,
        division.minimum,
        division.maximum,
    )
    return size_of(replaced)


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
    return size if isinstance(size, int) else _evaluate(terms(size), mapping)


def _evaluate(size: Terms, mapping: Mapping[str, int]) -> int:
    total = 0
    for monomial, coefficient in size:
        for atom, exponent in monomial:
            value = _evaluate_atom(atom, mapping)
            coefficient *= value if exponent == 1 else value**exponent
        total += coefficient
    return total


def _evaluate_atom(atom: Atom, mapping: Mapping[str, int]) -> int:
    if not isinstance(atom, Symbol):
        left, right = _evaluate(atom.left, mapping), _evaluate(atom.right, mapping)
        return _EVALUATE[atom.rank](left, right)
    try:
        return mapping[atom.name]
    except KeyError:
        raise nearest(atom.name, mapping, "size") from None
