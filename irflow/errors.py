"""Every error that irflow raises on purpose, and the one way they are laid out.

A message has up to four parts, in this order: the operation and the rule that is broken; the
facts, aligned; the user's own line; a hint, given only when it is nearly certain.

    ShapeError: matmul: inner sizes differ
      left  f32[32, 128]  axis 1 = 128
      right f32[64, 10]   axis 0 = 64
      in model.py:14, forward:    h = x @ w
      hint: w looks transposed; w.T would fit

Each class also derives from the builtin a NumPy user would expect (`ValueError`, `TypeError`, …),
so existing `except` clauses keep working.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from irflow.location import Location

Fact = tuple[str, ...]

_FEW = 20

LOADED_AT = time.time_ns()
"""When irflow was loaded: all of it imports this module first. Source files that change later are
not what runs in this process.
"""


class IrflowError(Exception):
    """The base of all irflow errors.

    Args:
        summary: the operation and the broken rule, one line.
        facts: rows of cells, printed as aligned columns under the summary.
        location: the user's line; filled in later by `at` when it is not known here.
        hint: what to change, in one line.
    """

    def __init__(
        self,
        summary: str,
        *,
        facts: Iterable[Sequence[object]] = (),
        location: Location | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.facts: tuple[Fact, ...] = tuple(tuple(str(cell) for cell in row) for row in facts)
        self.location = location
        self.hint = hint

    def at(self, location: Location | None) -> IrflowError:
        """Attach the user's line unless one is known already; returns self, ready to be raised."""
        if self.location is None:
            self.location = location
        return self

    def __str__(self) -> str:
        lines = [self.summary, *("  " + row for row in align(self.facts))]
        if self.location is not None:
            lines.append("  in " + self.location.describe())
        if self.hint:
            lines.append("  hint: " + self.hint)
        return "\n".join(lines)


class ShapeError(IrflowError, ValueError):
    """Sizes do not fit the operation."""


class AxisError(ShapeError, IndexError):
    """An axis that the tensor does not have; like NumPy's, a ValueError and an IndexError.

    Args:
        axis: as the user gave it.
        rank: how many axes there are.
    """

    def __init__(self, axis: int, rank: int) -> None:
        super().__init__(f"no axis {axis} of a tensor of rank {rank}")
        self.axis = axis
        self.rank = rank
        self.function = ""

    def name(self, function: str) -> None:
        """Say which function was given the axis."""
        self.function = function
        self.summary = f"{function}: no axis {self.axis} of a tensor of rank {self.rank}"


class DTypeError(IrflowError, TypeError):
    """Element types do not fit the operation."""


class UndecidableSizeError(IrflowError, ValueError):
    """A comparison of symbolic sizes has no answer without a further constraint."""


class ConcretizationError(IrflowError, TypeError):
    """Python asked for the value of a tensor that is only being traced."""


class LeakedTracerError(IrflowError, RuntimeError):
    """A traced tensor is used after the trace that made it has ended."""


class DonatedTensorError(IrflowError, RuntimeError):
    """A tensor is read after its memory was given to a compiled function."""


class TreeError(IrflowError, TypeError):
    """A nested argument or result has another structure than expected."""


class GradientError(IrflowError, TypeError):
    """A derivative was asked for where none is defined."""


class TextError(IrflowError, ValueError):
    """Malformed graph text; the summary carries line and column."""


class CheckError(IrflowError, AssertionError):
    """A graph or program breaks a rule of its representation: a bug in a pass or a lowering."""


class PassError(IrflowError, RuntimeError):
    """A pass failed, or changed what a graph computes."""


class LoweringError(IrflowError, RuntimeError):
    """A graph has no translation to the loop representation."""


class ArenaError(IrflowError, MemoryError):
    """The memory for the intermediate values of a program cannot be had; the facts name them."""


class UnknownNameError(IrflowError, LookupError):
    """No pass, backend, option or operation of that name."""


class PluginError(IrflowError, RuntimeError):
    """A plugin cannot be loaded or breaks the contract of its kind."""


class BackendUnavailableError(IrflowError, RuntimeError):
    """A backend that was asked for by name cannot run here."""


class MissingPackageError(IrflowError, ImportError):
    """An optional package that this needs is not installed."""


class UnsupportedError(IrflowError, NotImplementedError):
    """A backend lacks an operation, element type or feature that the graph needs."""


class ArtifactError(IrflowError, ValueError):
    """A saved file is damaged, of another version, or not what was asked for."""


class ExportError(IrflowError, BufferError):
    """Memory cannot be handed to another library as it asks for."""


class DataError(IrflowError, RuntimeError):
    """A sample of a dataset cannot be read, changed or batched; the facts say which one."""


class UnknownLengthError(IrflowError, TypeError):
    """The length of a dataset that can be known only by going through it."""


class UsageError(IrflowError, ValueError):
    """An argument of the public interface is not acceptable."""


def align(rows: Iterable[Fact]) -> list[str]:
    """Lay rows of cells out in columns, two spaces apart."""
    table = list(rows)
    if not table:
        return []
    columns = max(len(row) for row in table)
    widths = [
        max((len(row[i]) for row in table if len(row) > i), default=0) for i in range(columns)
    ]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in table
    ]


def nearest(
    name: str, known: Iterable[str], kind: str, also: Iterable[str] = ()
) -> UnknownNameError:
    """The error for an unknown name, listing the closest known ones.

    All of them are listed where they are few, or where none is close.

    Args:
        name: as the user gave it.
        known: the names there are.
        kind: what they are names of.
        also: other spellings, which may be the closest and are not listed.
    """
    names = sorted(known)
    hint = did_you_mean(name, {*names, *also})
    facts = [("known", ", ".join(names) or "(none)")] if hint is None or len(names) <= _FEW else []
    return UnknownNameError(f"unknown {kind} {name!r}", facts=facts, hint=hint)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A question with the closest known names, None where none is close."""
    # It takes longer to load than all errors, and only a mistake needs it.
    import difflib

    close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else None
