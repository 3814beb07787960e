"""Matrix products with NumPy's rules for vectors and batches."""

from __future__ import annotations

from typing import cast

from irflow import ops
from irflow.errors import IrflowError, ShapeError
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, broadcast_shapes, common_type
from irflow.ir import TensorType
from irflow.location import user_location


def matmul(left: TensorLike, right: TensorLike) -> Tensor:
    """`numpy.matmul`: vectors gain an axis that is dropped again, batch axes broadcast.

    Args:
        left: `[..., m, k]` or `[k]`.
        right: `[..., k, n]` or `[k]`.

    Returns:
        `[..., m, n]`, without the axes that a vector lacks.

    Raises:
        ShapeError: a scalar operand, inner sizes that differ, batches that do not broadcast.
    """
    a, b = as_tensor(left), as_tensor(right)
    try:
        return _matmul(a, b)
    except IrflowError as error:
        raise error.at(user_location()) from None


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    if not a.shape or not b.shape:
        raise ShapeError(
            "matmul: a scalar has no axis to multiply along",
            facts=[("left", a.type), ("right", b.type)],
            hint="use * instead",
        )
    dtype, _ = common_type([a, b])
    x, y = ops.convert(a, dtype), ops.convert(b, dtype)
    x = ops.reshape(x, (1, *x.shape)) if a.ndim == 1 else x
    y = ops.reshape(y, (*y.shape, 1)) if b.ndim == 1 else y
    if x.ndim > 2 and y.ndim == 2:
        flat = ops.matmul(ops.reshape(x, (_rows(x), x.shape[-1])), y)
        result = ops.reshape(flat, (*x.shape[:-1], y.shape[-1]))
    else:
        batch = broadcast_shapes(
            "matmul", [TensorType(dtype, x.shape[:-2]), TensorType(dtype, y.shape[:-2])]
        )
        result = ops.matmul(
            ops.broadcast_to(x, (*batch, *x.shape[-2:])),
            ops.broadcast_to(y, (*batch, *y.shape[-2:])),
        )
    shape = result.shape
    if b.ndim == 1:
        shape = shape[:-1]
    if a.ndim == 1:
        shape = (*shape[: -2 + (b.ndim == 1)], *shape[len(shape) - (b.ndim != 1) :])
    return cast(Tensor, ops.reshape(result, shape))


def _rows(x: Tensor) -> object:
    from irflow import dims

    return dims.product(x.shape[:-1])
