"""Comparisons of sizes: decided by the bounds of the difference, or refused with a way out."""

from __future__ import annotations

from collections.abc import Callable

from irflow.dims.atoms import (
    Interval,
    Symbol,
    Terms,
    format_constraint,
    sole_atom,
    symbols_of,
    write,
)
from irflow.dims.intervals import interval, rewrite
from irflow.dims.polynomials import of_atom, subtract
from irflow.errors import UndecidableSizeError

# The search for a bound that would decide stops here; no axis is longer.
_LARGEST = 2**40
# Each symbol costs some ten proofs, and a size of many rarely hangs on one.
_HINT_SYMBOLS = 5


def decide(a: Terms, relation: str, b: Terms) -> bool:
    """Whether `a relation b` holds for all allowed values (True) or for none (False).

    Raises:
        UndecidableSizeError: it holds for some values only, or it cannot be told.
    """
    difference = subtract(a, b)
    answer = _verdict(relation, interval(difference))
    if answer is None:
        raise _undecidable(a, relation, b, difference)
    return answer


def linear(size: Terms) -> tuple[Symbol, int, int] | None:
    """The symbol, factor and offset of `factor*symbol + offset`."""
    if not size or len(size) > 2 or (len(size) == 2 and size[1][0]):
        return None
    monomial, factor = size[0]
    atom = sole_atom(((monomial, 1),))
    return (atom, factor, size[1][1] if len(size) == 2 else 0) if isinstance(atom, Symbol) else None


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


def _undecidable(a: Terms, relation: str, b: Terms, difference: Terms) -> UndecidableSizeError:
    known = symbols_of((a, b))
    question = f"{write(a)} {relation} {write(b)}"
    facts = [("known", format_constraint(s)) for s in known]
    facts.append(("needed", question))
    if len({s.name for s in known}) < len(known):
        hint: str | None = "declare every name with the same bounds everywhere"
    else:
        found = relation == "==" and _equality_hint(a, b, difference)
        hint = found or _bound_hint(relation, difference)
    return UndecidableSizeError(f"cannot decide {question}", facts=facts, hint=hint)


def _equality_hint(a: Terms, b: Terms, difference: Terms) -> str | None:
    left, right = sole_atom(a), sole_atom(b)
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        return f"use one name for {left.name} and {right.name} in the spec if they are always equal"
    found = linear(difference)
    if found is None or found[2] % found[1]:
        return None
    symbol, factor, offset = found
    value = -offset // factor
    return f"add a constraint such as '{value} <= {symbol.name} <= {value}' to the spec"


def _bound_hint(relation: str, difference: Terms) -> str | None:
    """The weakest single bound under which `difference relation 0` is decided, if there is one."""
    known = symbols_of((difference,))
    if len(known) > _HINT_SYMBOLS:
        return None
    for wanted in (True, False):
        for symbol in known:
            found = _search(symbol, wanted, relation, difference, len(known) > 1)
            if found:
                return f"add a constraint such as '{found}' to the spec"
    return None


def _search(s: Symbol, wanted: bool, relation: str, difference: Terms, partial: bool) -> str | None:
    """A bound of one symbol that gives the wanted answer; `partial`: it may not fix the symbol."""

    def decides(lower: int, upper: int | None) -> bool:
        narrow = Symbol(s.name, lower, upper)
        narrowed = rewrite(difference, lambda other: of_atom(narrow if other == s else other))
        return _verdict(relation, interval(narrowed)) is wanted

    top = _LARGEST if s.upper is None else s.upper - partial
    if s.lower <= top and decides(top, s.upper):
        lower = _first(s.lower, top, lambda value: decides(value, s.upper))
        return f"{s.name} >= {lower}"
    bottom = s.lower + partial
    if bottom <= top and decides(s.lower, bottom):
        upper = _first(bottom, top + 1, lambda value: not decides(s.lower, value)) - 1
        return f"{s.name} <= {upper}"
    return None


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The least value from `low` for which a monotone predicate holds, `high` at the latest."""
    # Most bounds are small, so the steps double from below before the interval is halved.
    step = 1
    while low + step <= high:
        probe = low + step - 1
        if holds(probe):
            high = probe
        else:
            low, step = probe + 1, 2 * step
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high
