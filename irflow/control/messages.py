"""What loops say when a body does not return its carry as it took it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import dtypes, tree
from irflow.errors import DTypeError, IrflowError, ShapeError, TreeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.ir import TensorType


def name_of(function: Callable[..., Any], default: str) -> str:
    """What to call the graph of a function."""
    name = getattr(function, "__name__", default)
    return default if name == "<lambda>" else name.strip("<>")


def check_functions(name: str, **functions: object) -> None:
    """UsageError unless all are functions."""
    for label, function in functions.items():
        if not callable(function):
            raise UsageError(
                f"{name}: {label} is no function", facts=[(label, type(function).__name__)]
            )


def scalar(name: str, what: str, label: str, value: Any) -> Tensor:
    """What chooses a branch, as a tensor; TreeError if it is none."""
    try:
        return as_tensor(value)
    except (TypeError, ValueError):
        raise TreeError(
            f"{name}: {what} is not a tensor", facts=[(label, type(value).__name__)]
        ) from None


def structure_error(name: str, given: tree.Structure, returned: tree.Structure) -> TreeError:
    """The error when a body returns a carry of another structure."""
    where, taken, found = difference(given, returned, "carry")
    facts: list[tuple[str, ...]] = [("takes", given.describe()), ("returns", returned.describe())]
    if where != "carry":
        facts.append((where, f"goes in as {taken}", f"comes out as {found}"))
    return TreeError(
        f"{name}: the body returns a carry of another structure than it takes",
        facts=facts,
        hint=_structure_hint(given, returned),
    )


def difference(first: tree.Structure, second: tree.Structure, path: str) -> tuple[str, str, str]:
    """Where two structures first differ, and what each has there: `a tuple of 2`, `a tensor`."""
    if first.kind == second.kind and first.keys == second.keys and first.factory is second.factory:
        paths = first.child_paths(path)
        for where, one, other in zip(paths, first.children, second.children, strict=True):
            if one != other:
                return difference(one, other, where)
    return path, _kind_of(first), _kind_of(second)


def _kind_of(structure: tree.Structure) -> str:
    if structure.kind in ("leaf", "none"):
        return "a tensor" if structure.kind == "leaf" else "None"
    if structure.factory is not None:
        return f"a {structure.factory.__name__}"
    if structure.kind == "dict":
        return f"a dict with keys {', '.join(map(repr, structure.keys))}"
    return f"a {structure.kind} of {len(structure.children)}"


def pair_error(name: str, returned: tree.Structure) -> TreeError:
    """The error when the body of a scan does not return a carry and outputs."""
    return TreeError(
        f"{name}: the body returns a pair of the carry and the outputs",
        facts=[("returned", returned.describe())],
        hint="return (carry, None) if a step has no outputs",
    )


def check_condition(name: str, structure: tree.Structure, types: Sequence[TensorType]) -> None:
    """DTypeError or ShapeError unless a condition returns one bool scalar."""
    if structure != tree.LEAF:
        raise DTypeError(
            f"{name}: the condition is no bool scalar", facts=[("returned", structure.describe())]
        )
    (type,) = types
    if type.shape:
        raise ShapeError(
            f"{name}: the condition is no scalar",
            facts=[("returned", type)],
            hint="reduce it, for example with inp.any or inp.all",
        )
    if type.dtype is not dtypes.bool_:
        hint = "compare with a number, for example carry != 0"
        raise DTypeError(f"{name}: the condition is no bool", facts=[("returned", type)], hint=hint)


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
