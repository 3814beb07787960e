"""Sizes of tensor axes: ints, or polynomials over named sizes with known bounds.

`Size = int | Dim`. A `Dim` is never constant (a constant result is a plain int) and is always in
normal form: a tuple of terms `(monomial, coefficient)`, where

- a monomial is a tuple of `(atom, exponent)`, exponents at least 1, atoms distinct and sorted by
  their `key`: symbols first, by name, then `//`, `%`, min, max, by text;
- terms stand in graded lexicographic order (higher degree first, then alphabetically), so the
  constant term, whose monomial is `()`, is the last one; no coefficient is 0;
- an atom is a `Symbol` or a `FloorDiv`, `Mod`, `Min` or `Max` of the terms of two sizes that no
  rule simplifies.

Two Dims are equal when their normal forms are. Every operation means Python's arithmetic on ints,
for all values of the symbols within their bounds for which that is defined. A question without an
answer raises `UndecidableSizeError`; nothing is guessed.

The modules, each built on those before it: `atoms`, `polynomials`, `intervals`, `division`,
`decisions`, `dim`; then `traversal`, `text` and `unification`.
"""

from irflow.dims.atoms import FloorDiv, Max, Min, Mod, Symbol, format_constraint
from irflow.dims.dim import (
    Dim,
    Size,
    are_guarded,
    bounds,
    ceil_div,
    decide_equal,
    guarded_sizes,
    maximum,
    minimum,
    product,
    symbol,
    terms,
)
from irflow.dims.text import parse_constraint, parse_size
from irflow.dims.traversal import evaluate, fold, shape_symbols, substitute, symbols
from irflow.dims.unification import solve

__all__ = [
    "Dim",
    "FloorDiv",
    "Max",
    "Min",
    "Mod",
    "Size",
    "Symbol",
    "are_guarded",
    "bounds",
    "ceil_div",
    "decide_equal",
    "evaluate",
    "fold",
    "format_constraint",
    "guarded_sizes",
    "maximum",
    "minimum",
    "parse_constraint",
    "parse_size",
    "product",
    "shape_symbols",
    "solve",
    "substitute",
    "symbol",
    "symbols",
    "terms",
]
