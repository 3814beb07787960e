"""Inverses and determinants, of factors and solutions of linear systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irflow.ops.broadcast import reduce, reduce_sum
from irflow.ops.functions import iota, where
from irflow.ops.linalg import lu, solve
from irflow.ops.linalg_parts import diagonal_of
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


def inverse(x: GraphOperand) -> Any:
    """The inverse of `x[*b, n, n]`: the solution for the columns of the unit matrix."""
    rows, columns = (iota(x, x.shape, axis) for axis in (-2, -1))
    return solve(x, where(find("equal")(rows, columns), x.full(1, x.shape), 0))


def determinant(x: GraphOperand) -> Any:
    """The determinants of `x[*b, n, n]`, `[*b]`; 1 for empty matrices.

    The gradient is not finite where a matrix is singular.
    """
    sign, diagonal = _sign_and_diagonal(x)
    return sign * reduce(find("multiply"), diagonal, [diagonal.ndim - 1])


def log_determinant(x: GraphOperand) -> tuple[Any, Any]:
    """The signs of the determinants of `x[*b, n, n]`, and the logarithms of their magnitudes.

    Both are of the dtype of `x` and of shape `[*b]`; 0 and -inf where a matrix is singular.
    """
    exchanges, diagonal = _sign_and_diagonal(x)
    axes = [diagonal.ndim - 1]
    sign = reduce(find("multiply"), find("sign")(diagonal), axes)
    return exchanges * sign, reduce_sum(find("log")(find("absolute")(diagonal)), axes)


def _sign_and_diagonal(x: GraphOperand) -> tuple[Any, Any]:
    """The sign of the row exchanges in the factors, `[*b]`, and the diagonal, `[*b, n]`."""
    packed, pivots, _ = lu(x)
    diagonal = diagonal_of(packed)
    is_kept = find("equal")(pivots, iota(pivots, pivots.shape, -1))
    signs = where(is_kept, diagonal.full(1, diagonal.shape), -1)
    return reduce(find("multiply"), signs, [signs.ndim - 1]), diagonal
