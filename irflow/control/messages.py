"""What loops say when a body does not return its carry as it took it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import tree
from irflow.errors import DTypeError, IrflowError, ShapeError, TreeError
from irflow.ir import TensorType


def name_of(function: Callable[..., Any], default: str) -> str:
    """What to call the graph of a function."""
    name = getattr(function, "__name__", default)
    return default if name == "<lambda>" else name.strip("<>")


def structure_error(name: str, given: tree.Structure, returned: tree.Structure) -> TreeError:
    """The error when a body returns a carry of another structure."""
    return TreeError(
        f"{name}: the body returns a carry of another structure than it takes",
        facts=[("takes", given.describe()), ("returns", returned.describe())],
        hint=_structure_hint(given, returned),
    )


def _structure_hint(given: tree.Structure, returned: tree.Structure) -> str | None:
    if {given.kind, returned.kind} == {"tuple", "list"}:
        return f"return a {given.kind}, as is taken"
    if returned.kind == "none":
        return "the body returns nothing; return the carry"
    return None


def type_error(
    name: str, rows: Sequence[tuple[str, TensorType, bool, TensorType, bool]]
) -> IrflowError:
    """The error when parts of a carry come out with other types than they go in.

    Args:
        name: of the loop.
        rows: path, type and weakness on entry, and both on return, of each such part.
    """
    facts = [
        (path, f"goes in as {_shown(given, weak)}", f"comes out as {_shown(result, result_weak)}")
        for path, given, weak, result, result_weak in rows
    ]
    is_shape = any(given.shape != result.shape for _, given, _, result, _ in rows)
    summary = f"{name}: the body changes the type of the carry"
    path, given, _, result, _ = rows[0]
    if is_shape:
        return ShapeError(summary, facts=facts, hint=_shape_hint(rows))
    hint = f"start with {path} as {result.dtype}, or let the body return it as {given.dtype}"
    return DTypeError(summary, facts=facts, hint=hint)


def _shape_hint(rows: Sequence[tuple[str, TensorType, bool, TensorType, bool]]) -> str:
    path, given, _, result, _ = next(row for row in rows if row[1].shape != row[3].shape)
    if not given.rank:
        return f"the body broadcasts {path}; start with zeros of shape {_tuple(result)}"
    return f"{path} keeps its shape {_tuple(given)} in every step"


def _tuple(type: TensorType) -> str:
    inside = ", ".join(map(str, type.shape))
    return f"({inside}{',' * (type.rank == 1)})"


def _shown(type: TensorType, weak: bool) -> str:
    return f"{type}{' (weak)' * weak}"
