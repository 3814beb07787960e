"""What a recurrent layer asks of a cell, which may be any object with `call` and `state_size`."""

from __future__ import annotations

from typing import Any

from irflow import numpy as inp
from irflow.dims import Size
from irflow.errors import UsageError


def check_cell(layer: str, cell: Any) -> None:
    """Check that something is a cell.

    Raises:
        UsageError: it has no `call` or no `state_size`.
    """
    missing = [name for name in ("call", "state_size") if not hasattr(type(cell), name)]
    missing = [name for name in missing if not hasattr(cell, name)]
    if missing:
        raise UsageError(
            f"{layer}: {type(cell).__name__} is no cell: it has no {' and no '.join(missing)}",
            hint="a cell has call(inputs, states) and state_size, a number or a list of numbers",
        )


def output_size(cell: Any) -> Any:
    """The size of a cell's output: that of its first state if it does not tell it."""
    told = getattr(cell, "output_size", None)
    if told is not None:
        return told
    size = cell.state_size
    return size[0] if isinstance(size, (list, tuple)) else size


def initial_state(cell: Any, batch_size: Size, dtype: str) -> list[Any]:
    """The states of a cell before the first step: its own choice, or zeros."""
    if hasattr(cell, "get_initial_state"):
        found = cell.get_initial_state(batch_size=batch_size)
        return list(found) if isinstance(found, (list, tuple)) else [found]
    size = cell.state_size
    widths = size if isinstance(size, (list, tuple)) else [size]
    return [inp.zeros((batch_size, width), dtype=dtype) for width in widths]


def goes_along(cell: Any) -> bool:
    """Whether it has a faster way for whole sequences, `along`."""
    return bool(getattr(cell, "goes_along", False))
