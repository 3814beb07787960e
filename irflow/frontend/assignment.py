"""`x[key] = value`: the tensor with some elements replaced; the handle then refers to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from irflow import dtypes, ops
from irflow.errors import ShapeError
from irflow.frontend.indexing import get_item
from irflow.frontend.promotion import broadcast_shapes
from irflow.frontend.tracing import current_trace
from irflow.frontend.window import Window
from irflow.ir.types import TensorType
from irflow.ops.operand import GraphOperand
from irflow.ops.scatter_kinds import row_of
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


def set_item(
    x: Tensor, key: Sequence[Any], value: Tensor, kind: str = "set", outside: str = "clip"
) -> Tensor:
    """A copy of `x` with `value` written where NumPy's `x[key] = value` writes it.

    Of several values for one element the last remains. A position that is known only when the
    graph runs and lies outside of `x` counts as the nearest one inside, as in reading.

    Args:
        x: any tensor.
        key: the parts of the index; those that are arrays as tensors.
        value: what to write; it broadcasts to the shape of `x[key]` and takes the type of `x`.
        kind: how `scatter` joins the value to what is there.
        outside: `"drop"` leaves out values for positions outside of `x`.

    Raises:
        ShapeError: the key does not fit `x`, or the value not `x[key]`.
    """
    ready = ops.convert(value, x.dtype)
    if value.ndim == 0 and len(key) == 1 and _is_mask_of(key[0], x):
        mask = ops.reshape(key[0], key[0].shape + (1,) * (x.ndim - key[0].ndim))
        row = row_of(kind)
        joined = row(x, ops.broadcast_to(ready, x.shape)) if row else ready
        return cast("Tensor", find("where")(ops.broadcast_to(mask, x.shape), joined, x))
    window = Window.of(x, key) if current_trace() is not None else None
    if window is not None:
        updates = _fitted(ready, x.type.with_shape(tuple(window.shape)), value)
        return window.written(updates, row_of(kind), outside == "drop")
    places = _places(x, key, outside)
    updates = _fitted(ready, places.type.with_dtype(x.dtype), value)
    flat = ops.reshape(x, (x.size,))
    index = ops.expand_dims(places, -1)
    return cast("Tensor", ops.reshape(ops.scatter(flat, index, updates, kind), x.shape))


def _fitted(ready: Tensor, wanted: TensorType, value: Tensor) -> Tensor:
    """What is written, in the type and shape of `x[key]`; the error shows it as it was given."""
    updates = _without_leading_ones(ready, wanted.rank)
    if broadcast_shapes("x[key] = value", [wanted, updates.type]) != wanted.shape:
        raise ShapeError(
            "x[key] = value: the value does not broadcast to x[key]",
            facts=[("x[key]", wanted), ("value", value.type)],
        )
    return cast("Tensor", ops.broadcast_to(updates, wanted.shape))


def _is_mask_of(part: Any, x: Tensor) -> bool:
    """Whether a part is a mask of the leading axes of `x`: its value need not be known."""
    is_mask = isinstance(part, GraphOperand) and part.dtype is dtypes.bool_ and part.ndim > 0
    return is_mask and part.shape == x.shape[: part.ndim]


def _without_leading_ones(value: Tensor, rank: int) -> Tensor:
    """NumPy lets a value have more axes than `x[key]` when the first ones have size 1."""
    extra = value.ndim - rank
    if extra <= 0 or any(size != 1 for size in value.shape[:extra]):
        return value
    return cast("Tensor", ops.reshape(value, value.shape[extra:]))


def _places(x: Tensor, key: Sequence[Any], outside: str) -> Tensor:
    """The positions in the flattened `x` of the elements of `x[key]`, in its shape.

    With `outside="drop"`, -1 stands for an element outside of `x`.
    """
    if current_trace() is None:
        return x.constant(_known_places(x, key))
    numbers = ops.reshape(ops.iota(x, (x.size,)), x.shape)
    if outside == "clip":
        return get_item(cast("Tensor", numbers), key)
    return cast("Tensor", get_item(cast("Tensor", numbers + 1), key, outside) - 1)


def _known_places(x: Tensor, key: Sequence[Any]) -> np.ndarray:
    """The same without making ops, which `IRFLOW_EAGER=jit` would compile for every position."""
    shape = cast("tuple[int, ...]", x.shape)
    plain = [cast("Tensor", p).data if isinstance(p, GraphOperand) else p for p in key]
    try:
        return np.asarray(np.arange(int(x.size)).reshape(shape)[tuple(plain)])
    except (IndexError, ValueError):
        return get_item(x, key).data  # which knows better what to say
