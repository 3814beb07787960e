"""Elements put at computed places, in a copy."""

from __future__ import annotations

from typing import cast

from irflow import ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes, normalize_axis
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor

KINDS = ("set", "add", "multiply", "min", "max")


@public
def put_along_axis(
    x: TensorLike, indices: TensorLike, values: TensorLike, axis: int | None, mode: str = "set"
) -> Tensor:
    """A copy of `x` with a value at each position along `axis`: what `take_along_axis` reads.

    NumPy's function writes into `x`; this one returns the result, as tensors share nothing.

    Args:
        x: `[...]`.
        indices: integers of the rank of `x`, and of its shape but along `axis`; negative ones count
            from the end, and those outside even so are left out.
        values: they broadcast to the shape of `indices`, and take the type of `x`.
        axis: None takes `x` as one row.
        mode: `"set"`, where of several values the last remains, or `"add"`, `"multiply"`, `"min"`
            or `"max"`, which join all values to what is there.

    Raises:
        UsageError: an unknown mode.
        ShapeError: the operands do not fit.
    """
    t, places, given = as_tensor(x), as_tensor(indices), as_tensor(values)
    if mode not in KINDS:
        raise UsageError(f"put_along_axis: mode {mode!r}", facts=[("known", ", ".join(KINDS))])
    if axis is None:
        flat = put_along_axis(t.reshape(-1), places.reshape(-1), given, 0, mode)
        return flat.reshape(t.shape)
    place = normalize_axis(axis, t.ndim)
    expected = (*t.shape[:place], *places.shape[place : place + 1], *t.shape[place + 1 :])
    facts = [("x", t.type), ("indices", places.type), ("values", given.type)]
    if places.shape != expected:
        raise ShapeError("put_along_axis: the indices do not fit the operand", facts=facts)
    if broadcast_shapes("put_along_axis", [places.type, given.type]) != places.shape:
        raise ShapeError("put_along_axis: the values do not fit the indices", facts=facts)
    updates = ops.broadcast_to(given.astype(t.dtype), places.shape)
    tuples = [ops.iota(t, places.shape, a) for a in range(t.ndim)]
    tuples[place] = ops.wrap_indices(places, t.shape[place])
    return cast(Tensor, ops.scatter(t, ops.stack(tuples, -1), updates, mode))
