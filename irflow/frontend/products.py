"""Matrix products with NumPy's rules for vectors and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from irflow import dims, ops
from irflow.errors import ShapeError
from irflow.frontend.promotion import broadcast_shapes, promote_all
from irflow.ir import TensorType

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """`numpy.matmul`: vectors gain an axis that is dropped again, batch axes broadcast.

    Args:
        a: `[..., m, k]` or `[k]`.
        b: `[..., k, n]` or `[k]`.

    Returns:
        `[..., m, n]`, without the axes that a vector lacks.

    Raises:
        ShapeError: a scalar operand, inner sizes that differ, batches that do not broadcast.
    """
    if not a.shape or not b.shape:
        raise ShapeError(
            "matmul: a scalar has no axis to multiply along",
            facts=[("left", a.type), ("right", b.type)],
            hint="use * instead",
        )
    left, right = promote_all([a, b])
    x = ops.reshape(left, (1, *a.shape)) if a.ndim == 1 else left
    y = ops.reshape(right, (*b.shape, 1)) if b.ndim == 1 else right
    result = _of_matrices(x, y)
    rows = result.shape[-2:-1] if a.ndim > 1 else ()
    columns = result.shape[-1:] if b.ndim > 1 else ()
    return cast("Tensor", ops.reshape(result, (*result.shape[:-2], *rows, *columns)))


def _of_matrices(x: Tensor, y: Tensor) -> Any:
    if y.ndim == 2 and x.ndim > 2 and x.shape[-1] == y.shape[0]:
        # One large product is faster than a batch of small ones with the same right side.
        rows = ops.reshape(x, (dims.product(x.shape[:-1]), x.shape[-1]))
        return ops.reshape(ops.matmul(rows, y), (*x.shape[:-1], y.shape[-1]))
    batches = [TensorType(t.dtype, t.shape[:-2]) for t in (x, y)]
    batch = broadcast_shapes("matmul: the batch axes", batches)
    left, right = (ops.broadcast_to(t, (*batch, *t.shape[-2:])) for t in (x, y))
    return ops.matmul(left, right)
