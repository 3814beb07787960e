"""What sizes are made of: symbols and unsimplified operations, and how terms are written.

Below `Dim`, everything works on `Terms`, the normal form of a size (see `irflow.dims`). Here a
constant has terms too: `()` is 0 and `(((), 5),)` is 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NoReturn

from irflow.errors import UsageError

Interval = tuple[int | float, int | float]
Key = tuple[int, str, tuple[tuple[str, int, bool, int], ...]]


class Frozen:
    """An object whose attributes are set once, by its own methods.

    Dataclasses do the same, but generating them takes longer than the rest of the import.
    """

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} is immutable: {name!r} cannot be deleted")


class Symbol(Frozen):
    """A named size with inclusive bounds; `upper=None` means unbounded.

    Raises:
        UsageError: the name is no ASCII identifier, or is `min` or `max`; or `lower > upper`.
    """

    __slots__ = ("_hash", "key", "lower", "name", "upper")
    __match_args__ = ("name", "lower", "upper")
    name: str
    lower: int
    upper: int | None
    key: Key
    _hash: int

    def __init__(self, name: str, lower: int = 1, upper: int | None = None) -> None:
        if not (name.isascii() and name.isidentifier()) or name in ("min", "max"):
            raise UsageError(f"{name!r} cannot name a size")
        key = (0, name, ((name, lower, upper is not None, upper or 0),))
        _set(self, "name", name)
        _set(self, "lower", lower)
        _set(self, "upper", upper)
        _set(self, "key", key)
        _set(self, "_hash", hash(key))
        if upper is not None and upper < lower:
            raise UsageError(f"no size satisfies {format_constraint(self)}")

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Symbol) and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Symbol], tuple[str, int, int | None]]:
        # The hash of a string differs between processes, so it must not be pickled.
        return Symbol, (self.name, self.lower, self.upper)

    def __repr__(self) -> str:
        return f"Symbol(name={self.name!r}, lower={self.lower!r}, upper={self.upper!r})"


class Operation(Frozen):
    """A `//`, `%`, min or max of two sizes, given by their terms, that no rule simplifies."""

    __slots__ = ("_hash", "bounds", "key", "left", "right")
    left: Terms
    right: Terms
    key: Key
    _hash: int
    bounds: Interval  # filled in by `intervals.py`, once it has been asked for
    rank: ClassVar[int] = 0

    def __init__(self, left: Terms, right: Terms) -> None:
        names = tuple(s.key[2][0] for s in symbols_of((left, right)))
        _set(self, "left", left)
        _set(self, "right", right)
        _set(self, "key", (self.rank, f"{write(left)} , {write(right)}", names))
        _set(self, "_hash", hash((self.rank, left, right)))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Operation) or self.rank != other.rank:
            return False
        return self.left == other.left and self.right == other.right

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Operation], tuple[Terms, Terms]]:
        return type(self), (self.left, self.right)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({write(self.left)}, {write(self.right)})"


class FloorDiv(Operation):
    """`left // right`, rounded towards minus infinity."""

    __slots__ = ()
    rank = 1


class Mod(Operation):
    """`left % right`, with the sign of `right`."""

    __slots__ = ()
    rank = 2


class Min(Operation):
    """The smaller of two sizes."""

    __slots__ = ()
    rank = 3


class Max(Operation):
    """The larger of two sizes."""

    __slots__ = ()
    rank = 4


Atom = Symbol | FloorDiv | Mod | Min | Max
Monomial = tuple[tuple[Atom, int], ...]
Terms = tuple[tuple[Monomial, int], ...]

_set = object.__setattr__


def sole_atom(size: Terms) -> Atom | None:
    """The atom that is the whole size, if there is one."""
    if len(size) != 1:
        return None
    monomial, coefficient = size[0]
    return monomial[0][0] if coefficient == 1 and len(monomial) == 1 == monomial[0][1] else None


def symbols_of(sizes: Iterable[Terms]) -> tuple[Symbol, ...]:
    """The symbols of all the sizes, each once, sorted by name."""
    found: set[Symbol] = set()
    for size in sizes:
        _collect(size, found)
    return tuple(sorted(found, key=lambda s: s.key)) if len(found) > 1 else tuple(found)


def _collect(size: Terms, found: set[Symbol]) -> None:
    for monomial, _ in size:
        for atom, _ in monomial:
            if isinstance(atom, Symbol):
                found.add(atom)
            else:
                _collect(atom.left, found)
                _collect(atom.right, found)


def format_constraint(symbol: Symbol) -> str:
    """The bounds of a symbol as text: `1 <= n`, `1 <= n <= 4096`."""
    text = f"{symbol.lower} <= {symbol.name}"
    return text if symbol.upper is None else f"{text} <= {symbol.upper}"


def write(size: Terms) -> str:
    """The size as text, which `parse_size` reads."""
    text = ""
    for monomial, coefficient in size:
        plus, minus = (" + ", " - ") if text else ("", "-")
        sign = minus if coefficient < 0 else plus
        text += sign + _write_term(monomial, abs(coefficient), alone=sign != "-")
    return text or "0"


def _write_term(monomial: Monomial, coefficient: int, alone: bool) -> str:
    factors = [] if coefficient == 1 and monomial else [str(coefficient)]
    alone = alone and coefficient == 1 and len(monomial) == 1
    for atom, exponent in monomial:
        text = _write_atom(atom)
        if isinstance(atom, FloorDiv | Mod) and not (alone and exponent == 1):
            text = f"({text})"
        factors.append(text if exponent == 1 else f"{text}^{exponent}")
    return "*".join(factors)


def _write_atom(atom: Atom) -> str:
    if isinstance(atom, Symbol):
        return atom.name
    if isinstance(atom, FloorDiv | Mod):
        sign = "//" if isinstance(atom, FloorDiv) else "%"
        return _write_operand(atom.left) + sign + _write_operand(atom.right)
    return f"{'min' if isinstance(atom, Min) else 'max'}({write(atom.left)}, {write(atom.right)})"


def _write_operand(size: Terms) -> str:
    is_natural = not size or (not size[0][0] and size[0][1] > 0)
    simple = is_natural or isinstance(sole_atom(size), Symbol | Min | Max)
    return write(size) if simple else f"({write(size)})"
