"""Products of matrices and tensors; all end in one batched matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from irflow import dims, ops
from irflow.dims import Size
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.products import matmul as matrix_product
from irflow.frontend.promotion import normalize_axes, normalize_axis, promote_all
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.numpy.complex_parts import conj
from irflow.numpy.creation import arange
from irflow.numpy.manipulation import moveaxis

__all__ = [
    "cross",
    "dot",
    "dot_general",
    "einsum",
    "inner",
    "matmul",
    "multi_dot",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
]


@public
def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """`numpy.matmul`, the operator `@`: vectors gain an axis for it, batch axes broadcast."""
    return matrix_product(as_tensor(x), as_tensor(y))


@public
def dot_general(
    x: TensorLike,
    y: TensorLike,
    contract: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Tensor:
    """A product summed over pairs of axes, done side by side along other pairs.

    Args:
        x: a tensor of any rank.
        y: another.
        contract: the axes of `x` and of `y` to sum over, pairwise.
        batch: the axes of `x` and of `y` that run along together.

    Returns:
        Axes: the batch axes, the free axes of `x`, the free axes of `y`.
    """
    a, b = promote_all([as_tensor(x), as_tensor(y)])
    ca, cb = normalize_axes(contract[0], a.ndim), normalize_axes(contract[1], b.ndim)
    ba, bb = normalize_axes(batch[0], a.ndim), normalize_axes(batch[1], b.ndim)
    for i, j in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        _require_equal(a, i, b, j)
    fa = tuple(i for i in range(a.ndim) if i not in ca + ba)
    fb = tuple(i for i in range(b.ndim) if i not in cb + bb)
    left = _grouped(a, ba, fa, ca)
    right = _grouped(b, bb, cb, fb)
    shape = tuple(a.shape[i] for i in ba + fa) + tuple(b.shape[i] for i in fb)
    return cast(Tensor, ops.reshape(ops.matmul(left, right), shape))


def _require_equal(x: Tensor, i: int, y: Tensor, j: int) -> None:
    if not dims.decide_equal(x.shape[i], y.shape[j]):
        raise ShapeError(
            "tensor product: sizes of paired axes differ",
            facts=[
                ("left", x.type, f"axis {i} = {x.shape[i]}"),
                ("right", y.type, f"axis {j} = {y.shape[j]}"),
            ],
        )


def _grouped(x: Tensor, batch: Sequence[int], rows: Sequence[int], columns: Sequence[int]) -> Any:
    moved = ops.transpose(x, (*batch, *rows, *columns))

    def size(axes: Sequence[int]) -> Size:
        return dims.product(tuple(x.shape[i] for i in axes))

    leading = tuple(x.shape[i] for i in batch)
    return ops.reshape(moved, (*leading, size(rows), size(columns)))


@public
def tensordot(x: TensorLike, y: TensorLike, axes: Any = 2) -> Tensor:
    """`numpy.tensordot`: over the last axes of `x` and first of `y`, or over pairs of axes."""
    a, b = as_tensor(x), as_tensor(y)
    if isinstance(axes, int):
        pairs: Any = (range(a.ndim - axes, a.ndim), range(axes))
    else:
        pairs = tuple((p,) if isinstance(p, int) else tuple(p) for p in axes)
    return dot_general(a, b, pairs)


@public
def outer(x: TensorLike, y: TensorLike) -> Tensor:
    """All products of an element of `x` and one of `y`, both flattened: `[x.size, y.size]`."""
    a, b = as_tensor(x).reshape(-1), as_tensor(y).reshape(-1)
    return cast(Tensor, a.reshape(a.shape[0], 1) * b)


@public
def inner(x: TensorLike, y: TensorLike) -> Tensor:
    """Summed over the last axes of both."""
    a, b = as_tensor(x), as_tensor(y)
    return a * b if not a.ndim or not b.ndim else dot_general(a, b, ((-1,), (-1,)))


@public
def dot(x: TensorLike, y: TensorLike) -> Tensor:
    """`numpy.dot`: the last axis of `x` with the only, or the second to last, axis of `y`."""
    a, b = as_tensor(x), as_tensor(y)
    if not a.ndim or not b.ndim:
        return cast(Tensor, a * b)
    return dot_general(a, b, ((-1,), (-2 if b.ndim > 1 else -1,)))


@public
def vdot(x: TensorLike, y: TensorLike) -> Tensor:
    """The sum of `conj(x) * y` for two tensors flattened."""
    return dot(conj(x).reshape(-1), as_tensor(y).reshape(-1))


@public
def vecdot(x: TensorLike, y: TensorLike, axis: int = -1) -> Tensor:
    """The sum of `conj(x) * y` along one axis, in their common type; the other axes broadcast.

    `axis` counts in both operands, so that a negative one is right for different ranks.

    Raises:
        ShapeError: the sizes along the axis differ; they do not broadcast.
    """
    a, b = promote_all([as_tensor(x), as_tensor(y)])
    i, j = normalize_axis(axis, a.ndim), normalize_axis(axis, b.ndim)
    _require_equal(a, i, b, j)
    terms = conj(moveaxis(a, i, -1)) * moveaxis(b, j, -1)
    return cast(Tensor, ops.reduce_sum(terms, (terms.ndim - 1,)))


@public
def cross(x: TensorLike, y: TensorLike, axis: int = -1) -> Tensor:
    """The vector products of vectors of three elements along `axis`; the other axes broadcast.

    `axis` counts in both operands, so that a negative one is right for different ranks.

    Raises:
        ShapeError: the vectors have not three elements; the other axes do not broadcast.
    """
    a, b = promote_all([as_tensor(x), as_tensor(y)])
    rows = []
    for tensor in (a, b):
        place = normalize_axis(axis, tensor.ndim)
        if tensor.shape[place] != 3:
            fact = ("operand", tensor.type, f"axis {place} = {tensor.shape[place]}")
            raise ShapeError("cross: a vector has three elements", facts=[fact])
        moved = moveaxis(tensor, place, 0)
        rows.append([moved[i] for i in range(3)])
    (a0, a1, a2), (b0, b1, b2) = rows
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    rank = parts[0].ndim + 1
    return cast(Tensor, ops.stack(parts, axis if axis < 0 else axis + rank - max(a.ndim, b.ndim)))


@public
def multi_dot(arrays: Sequence[TensorLike]) -> Tensor:
    """The product of matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    Raises:
        UsageError: fewer than two; sizes that are symbolic.
    """
    tensors = promote_all([as_tensor(x) for x in arrays])
    if len(tensors) < 2:
        raise UsageError("multi_dot: two or more matrices are needed")
    shapes = [t.shape for t in tensors]
    if not all(isinstance(size, int) for shape in shapes for size in shape):
        raise UsageError(
            "multi_dot: the order of the products needs known sizes",
            facts=[("matrices", *(t.type for t in tensors))],
        )
    sizes = [1 if tensors[0].ndim == 1 else int(shapes[0][0]), *(int(s[-1]) for s in shapes)]
    if tensors[-1].ndim == 1:
        sizes[-2:] = [int(shapes[-1][0]), 1]
    return _product(tensors, _best_splits(sizes), 0, len(tensors) - 1)


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where each run of matrices `i … j` is cut, by dynamic programming over their lengths."""
    costs = {(i, i): 0 for i in range(len(sizes) - 1)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, len(sizes) - 1):
        for i in range(len(sizes) - 1 - length):
            j = i + length
            costs[i, j], splits[i, j] = min(
                (costs[i, k] + costs[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return splits


def _product(
    tensors: Sequence[Tensor], splits: dict[tuple[int, int], int], first: int, last: int
) -> Tensor:
    if first == last:
        return tensors[first]
    k = splits[first, last]
    left, right = _product(tensors, splits, first, k), _product(tensors, splits, k + 1, last)
    return matmul(left, right)


@public
def einsum(equation: str, *operands: TensorLike) -> Tensor:
    """Einstein's summation: `"ij,jk->ik"` is a matrix product.

    Operands are combined from left to right; each step sums what nothing later needs.

    Raises:
        UsageError: the equation does not fit the operands.
    """
    tensors = promote_all([as_tensor(x) for x in operands])
    inputs, output = _parse(equation, [t.ndim for t in tensors])
    current, labels = _diagonal(tensors[0], inputs[0])
    for position in range(1, len(tensors)):
        later = set("".join(inputs[position + 1 :]) + output)
        current, labels = _pair(
            current, labels, *_diagonal(tensors[position], inputs[position]), later
        )
    current, labels = _sum_out(current, labels, set(output))
    return cast(Tensor, ops.transpose(current, tuple(labels.index(c) for c in output)))


def _parse(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, those that `...` stands for included."""
    text = equation.replace(" ", "")
    left, arrow, output = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise _misfit(f"{len(terms)} terms for {len(ranks)} operands", equation)
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    widest = max((c for c, term in zip(counts, terms, strict=True) if "..." in term), default=0)
    dots = DOTS[len(DOTS) - widest :] if widest > 0 else ""
    inputs = []
    for term, count, rank in zip(terms, counts, ranks, strict=True):
        full = term.replace("...", dots[len(dots) - count :] if count > 0 else "")
        if len(full) != rank:
            raise _misfit(f"term {term!r} for an operand of rank {rank}", equation)
        inputs.append(full)
    joined = "".join(inputs)
    if not arrow:
        once = sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1)
        output = "..." * bool(dots) + "".join(once)
    output = output.replace("...", dots)
    if not all(c.isalpha() for c in joined + output):
        raise _misfit("a label is a letter", equation)
    if not set(output) <= set(joined) or len(set(output)) != len(output):
        raise _misfit("the result names an axis twice or one that no operand has", equation)
    return inputs, output


# Labels for the axes that `...` stands for, aligned at the end.
DOTS = "αβγδεζηθικλμνξοπρστυφχψω"


def _misfit(problem: str, equation: str) -> UsageError:
    return UsageError(f"einsum: {problem}", facts=[("equation", equation)])


def _diagonal(x: Tensor, labels: str) -> tuple[Tensor, str]:
    """One axis a label: repeated labels take the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            _require_equal(x, i, x, j)
            x = moveaxis(x, (i, j), (0, 1))
            steps = arange(x.shape[0])
            x = x[steps, steps]
            labels = label + labels.replace(label, "", 2)
    return x, labels


def _sum_out(x: Tensor, labels: str, keep: set[str]) -> tuple[Tensor, str]:
    drop = tuple(i for i, c in enumerate(labels) if c not in keep)
    return cast(Tensor, ops.reduce_sum(x, drop)), "".join(c for c in labels if c in keep)


def _pair(x: Tensor, a: str, y: Tensor, b: str, later: set[str]) -> tuple[Tensor, str]:
    x, a = _sum_out(x, a, set(b) | later)
    y, b = _sum_out(y, b, set(a) | later)
    shared = [c for c in a if c in b]
    batch = [c for c in shared if c in later]
    summed = [c for c in shared if c not in later]
    result = dot_general(
        x,
        y,
        ([a.index(c) for c in summed], [b.index(c) for c in summed]),
        ([a.index(c) for c in batch], [b.index(c) for c in batch]),
    )
    free = [c for c in a if c not in shared] + [c for c in b if c not in shared]
    return result, "".join(batch + free)
