"""Which axes of a jitted function's arguments become symbols when calls come with other sizes.

The rules, for calls that differ in nothing but sizes (a *family*):

- an axis becomes a symbol once it has had two sizes, both at least 2. Sizes 0 and 1 mean something
  else, as axes of size 1 are stretched, and are compiled for by themselves;
- axes that were equal in all calls so far share a symbol;
- the last axis of an argument with two or more axes is no row axis: strides are made of it, and
  products sum over it or run along it. It stays a number, and so does every axis that has been
  equal to it in all calls (the first one of a weight, a bias);
- an axis for which compiling failed, for example as Python code needs the number, stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from irflow import dims
from irflow.dims import Dim, Size
from irflow.frontend.specialisation import Key
from irflow.ir import TensorType

if TYPE_CHECKING:
    from irflow.frontend.stages import Compiled

LEAST = 2
"""The smallest size of an axis that is a symbol."""

KEPT_CALLS = 32
"""So many calls that were compiled for are remembered."""

MOST_TRIED = 4
"""Up to so many symbols are tried one by one where compiling failed with all of them."""

_NAMES = ("n", "m", "p", "q", "r", "s")

Group = tuple[int, ...]
"""Axes that share a symbol, as positions among all axes of all argument leaves."""


class Version(NamedTuple):
    """A compilation for many sizes.

    Attributes:
        groups: the axes that are symbols.
        numbers: the sizes of all others; None for those.
        compiled: what runs.
    """

    groups: tuple[Group, ...]
    numbers: tuple[int | None, ...]
    compiled: Compiled

    def takes(self, sizes: Sequence[int]) -> bool:
        """Whether it is for such sizes."""
        for number, size in zip(self.numbers, sizes, strict=True):
            if number != size and number is not None:
                return False
        for group in self.groups:
            size = sizes[group[0]]
            if size < LEAST or any(sizes[position] != size for position in group):
                return False
        return True


class Family:
    """The specialisations of a function that differ in nothing but sizes.

    Attributes:
        calls: the sizes of those calls for which something was compiled, the newest last.
        versions: those with symbols, the newest last.
        fixed: axes that stay numbers, as it failed to compile without.

    Args:
        types: of the argument leaves, whose sizes do not matter.
        is_eager: whether first axes are symbols from the first call on, and last ones may be.
    """

    def __init__(self, types: Sequence[TensorType], is_eager: bool) -> None:
        self.calls: list[tuple[int, ...]] = []
        self.versions: list[Version] = []
        self.fixed: set[int] = set()
        places = [(type.rank, axis) for type in types for axis in range(type.rank)]
        self._is_row = [is_eager or axis < rank - 1 or rank == 1 for rank, axis in places]
        self._is_first = [is_eager and axis == 0 for _, axis in places]

    def version_for(self, sizes: Sequence[int]) -> Compiled | None:
        """What is compiled for many sizes, these among them."""
        return next((v.compiled for v in self.versions if v.takes(sizes)), None)

    def groups(self, sizes: tuple[int, ...]) -> tuple[Group, ...]:
        """The axes that should be symbols for a call that no version takes."""
        changed = [p for p in range(len(sizes)) if sizes[p] >= LEAST and self._varies(p, sizes)]
        found = [g for g in self._equal(changed, sizes) if all(self._is_row[p] for p in g)]
        if any(self._is_first):
            # Here equal sizes are all that is known, so that all axes are looked at.
            rest = [p for p, size in enumerate(sizes) if size >= LEAST and p not in changed]
            found += [g for g in self._equal(rest, sizes) if all(self._is_first[p] for p in g)]
        return tuple(g for g in sorted(found) if self.fixed.isdisjoint(g))

    def _varies(self, position: int, sizes: tuple[int, ...]) -> bool:
        """Whether an axis has had two sizes."""
        return any(LEAST <= call[position] != sizes[position] for call in self.calls)

    def _equal(self, positions: Sequence[int], sizes: tuple[int, ...]) -> list[Group]:
        """Those axes in groups that were equal in all calls where none was stretched."""
        calls = [call for call in self.calls if all(call[p] >= LEAST for p in positions)]
        groups: dict[tuple[int, ...], list[int]] = {}
        for position in positions:
            groups.setdefault(tuple(c[position] for c in (*calls, sizes)), []).append(position)
        return [tuple(group) for group in groups.values()]

    def add(self, sizes: tuple[int, ...], attempt: Attempt) -> None:
        """Enter a call for which something was compiled, and how that went."""
        self.calls = [*self.calls[1 - KEPT_CALLS :], sizes]
        self.fixed.update(position for group in attempt.failed for position in group)
        if attempt.made is not None:
            symbols = {position for group in attempt.groups for position in group}
            numbers = tuple(None if p in symbols else size for p, size in enumerate(sizes))
            self.versions.append(Version(attempt.groups, numbers, attempt.made))


class Attempt(NamedTuple):
    """How compiling for many sizes went.

    Attributes:
        made: what was compiled, None if nothing was.
        groups: the axes that are symbols there.
        failed: the axes that cannot be.
        error: the first line of why.
    """

    made: Compiled | None
    groups: tuple[Group, ...]
    failed: tuple[Group, ...]
    error: str

    def remark(self, types: Sequence[TensorType], hints: Sequence[str]) -> str:
        """What failed, in words: `axis 0 of x cannot be symbolic: cannot decide …`."""
        if not self.failed:
            return ""
        places = [
            (hint, axis) for hint, t in zip(hints, types, strict=True) for axis in range(t.rank)
        ]
        rows = [places[position] for group in self.failed for position in group]
        names = " and ".join(f"axis {axis} of {hint}" for hint, axis in rows)
        return f"{names} cannot be symbolic: {self.error}"


def attempted(
    groups: Sequence[Group],
    make: Callable[[tuple[Group, ...]], Compiled],
    trace: Callable[[tuple[Group, ...]], object],
) -> Attempt:
    """Compile with as many symbols as can be.

    Args:
        groups: the axes that should be symbols.
        make: compiles with symbols for groups.
        trace: raises if not even tracing is possible with symbols for groups.
    """
    left, text = tuple(groups), ""
    failed: tuple[Group, ...] = ()
    while left:
        try:
            return Attempt(make(left), left, failed, text)
        except Exception as error:  # any can be due to the symbols; if not, it is raised without
            text = text or str(error).partition("\n")[0] or type(error).__name__
        is_first = not failed and 1 < len(left) <= MOST_TRIED
        bad = tuple(group for group in left if is_first and not _succeeds(trace, (group,)))
        failed += bad or left
        left = tuple(group for group in left if group not in failed)
    return Attempt(None, (), failed, text)


def _succeeds(trace: Callable[[tuple[Group, ...]], object], groups: tuple[Group, ...]) -> bool:
    try:
        trace(groups)
    except Exception:  # as above
        return False
    return True


def sizes_of(types: Iterable[TensorType]) -> tuple[int, ...]:
    """All sizes of static types in one row."""
    return tuple([size for type in types for size in type.static_shape])


def family_key(key: Key) -> tuple[object, ...]:
    """What the keys of one family have in common."""
    kinds = tuple([(type.dtype, type.rank) for type in key.types])
    return key.structure, kinds, key.weak, key.statics, key.backend


def with_symbols(types: Sequence[TensorType], groups: Sequence[Group]) -> tuple[TensorType, ...]:
    """Static types with a symbol for each group of axes.

    >>> from irflow import dtypes
    >>> [str(type) for type in with_symbols([TensorType(dtypes.f32, (32, 784))], [(0,)])]
    ['f32[n, 784]']
    """
    sizes: list[Size] = list(sizes_of(types))
    for group, symbol in zip(groups, _symbols(), strict=False):
        for position in group:
            sizes[position] = symbol
    rest = iter(sizes)
    return tuple(type.with_shape(tuple(next(rest) for _ in type.shape)) for type in types)


def _symbols() -> Iterator[Dim]:
    number = 0
    while True:
        name = _NAMES[number] if number < len(_NAMES) else f"n{number}"
        made = dims.symbol(name, LEAST)
        assert isinstance(made, Dim)
        yield made
        number += 1
