"""Declared shapes against actual ones: what the symbols are, or where the shapes disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from irflow.dims.atoms import Symbol, format_constraint, sole_atom
from irflow.dims.decisions import linear
from irflow.dims.dim import Size, terms
from irflow.dims.traversal import substitute, symbols
from irflow.errors import ShapeError, UndecidableSizeError


class _Equation(NamedTuple):
    label: str
    axis: int
    declared: Size
    actual: int


def solve(
    patterns: Iterable[tuple[str, tuple[Size, ...], tuple[int, ...]]],
    given: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The values of the symbols for which declared shapes become the actual ones.

    Args:
        patterns: (label, declared shape, actual shape), the label being the argument's name.
        given: values for the symbols that no size can be solved for.

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
    rows = list(patterns)
    found = _solve_plain(rows)
    if found is not None:
        return found
    equations = [e for row in rows for e in _equations(*row)]
    known: dict[str, int] = {}
    origins: dict[str, _Equation] = {}
    pending = equations
    while pending:
        rest = [e for e in pending if not _solve_one(e, known, origins)]
        if len(rest) == len(pending) and not _take_one(pending[0], given or {}, known, origins):
            break
        pending = rest
    for equation in equations:
        if not isinstance(equation.declared, int):
            while _take_one(equation, given or {}, known, origins):
                pass  # the other factor of a product that is 0 may have any value
            _check_symbols(equation, known, origins)
    return known


def _solve_plain(
    rows: Iterable[tuple[str, tuple[Size, ...], tuple[int, ...]]],
) -> dict[str, int] | None:
    """The common case in a fraction of the time: every size is an int or a symbol, and all fit."""
    known: dict[str, int] = {}
    for _, declared, actual in rows:
        if len(declared) != len(actual):
            return None
        for size, value in zip(declared, actual, strict=True):
            if isinstance(size, int):
                if size != value:
                    return None
                continue
            s = sole_atom(terms(size))
            if not isinstance(s, Symbol) or known.setdefault(s.name, value) != value:
                return None
            if value < s.lower or (s.upper is not None and value > s.upper):
                return None
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
    found = linear(terms(size))
    if found is None:
        return False
    unknown, factor, offset = found
    value, remainder = divmod(equation.actual - offset, factor)
    if remainder:
        raise _mismatch(equation, known, origins)
    origins[unknown.name] = equation
    _check_bounds(unknown, value, equation)
    known[unknown.name] = value
    return True


def _take_one(
    equation: _Equation,
    given: Mapping[str, int],
    known: dict[str, int],
    origins: dict[str, _Equation],
) -> bool:
    """Learn a symbol of an equation from the values given; False where there is none."""
    for symbol in symbols(equation.declared):
        if symbol.name in given and symbol.name not in known:
            known[symbol.name], origins[symbol.name] = given[symbol.name], equation
            return True
    return False


def _insert(equation: _Equation, known: dict[str, int], origins: dict[str, _Equation]) -> Size:
    try:
        return substitute(equation.declared, known) if known else equation.declared
    except ZeroDivisionError:
        raise _mismatch(equation, known, origins) from None


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
    if isinstance(sole_atom(terms(declared)), Symbol):
        row = _row(equation, f"{declared} = {actual}")
        return ShapeError(f"size {declared} has two values", facts=[*places, row])
    return ShapeError(
        f"{label}: size differs on axis {axis}",
        facts=[("declared", f"axis {axis}", declared), ("actual", f"axis {axis}", actual), *places],
    )
