"""Tensors of positions: ramps in other scales, grids, positions of triangles, flat positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes as common_shape
from irflow.frontend.tensor import Tensor, TensorLike, apply, apply_row, as_tensor
from irflow.numpy.creation import Shape, sizes_of
from irflow.numpy.elementwise import clip
from irflow.scalars import find


@public
def logspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """`num` powers of `base`, whose exponents are evenly spaced from `start` to `stop`."""
    return _in_type(np.logspace(start, stop, num, endpoint, base), dtype)


@public
def geomspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: DTypeLike | None = None
) -> Tensor:
    """`num` numbers from `start` to `stop` with one ratio between neighbours."""
    if start == 0 or stop == 0:
        raise UsageError("geomspace: no ratio leads from or to 0")
    return _in_type(np.geomspace(start, stop, num, endpoint), dtype)


def _in_type(values: np.ndarray, dtype: DTypeLike | None) -> Tensor:
    default = dtypes.complex64 if np.iscomplexobj(values) else dtypes.DEFAULT_FLOAT
    return Tensor(values.astype((default if dtype is None else dtypes.as_dtype(dtype)).numpy))


def _window(name: str, text: str) -> Any:
    of_numpy = getattr(np, name)

    @public
    def window(length: int) -> Tensor:
        return _in_type(of_numpy(length), None)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"{text} window of `length` points."
    return window


bartlett = _window("bartlett", "The triangular")
blackman = _window("blackman", "Blackman's")
hamming = _window("hamming", "Hamming's")
hanning = _window("hanning", "Hann's")


@public
def kaiser(length: int, beta: float) -> Tensor:
    """Kaiser's window of `length` points; `beta` says how narrow it is."""
    return _in_type(np.kaiser(length, beta), None)


@public
def indices(dimensions: Shape, dtype: DTypeLike = "i64", sparse: bool = False) -> Any:
    """The positions of a grid: `[rank, *dimensions]`, or one tensor an axis that broadcast."""
    sizes = sizes_of(dimensions)
    target = dtypes.as_dtype(dtype)
    shapes = [
        tuple(size if not sparse or a == axis else 1 for a, size in enumerate(sizes))
        for axis in range(len(sizes))
    ]
    grids = [apply(ops.Iota(shape, a, target), ())[0] for a, shape in enumerate(shapes)]
    if sparse:
        return tuple(grids)
    return ops.stack(grids) if grids else Tensor(np.empty(0, target.numpy))


@public
def ix_(*vectors: TensorLike) -> tuple[Tensor, ...]:
    """Vectors of positions, one an axis, reshaped so that together they index a grid.

    A mask stands for the positions at which it is true.
    """
    tensors = [as_tensor(v) for v in vectors]
    results = []
    for axis, tensor in enumerate(tensors):
        if tensor.dtype is dtypes.bool_:
            tensor = Tensor(np.flatnonzero(tensor.demand("ix_ of a mask")))
        shape = tuple(tensor.shape[0] if a == axis else 1 for a in range(len(tensors)))
        results.append(cast(Tensor, ops.reshape(tensor, shape)))
    return tuple(results)


@public
def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """The rows and columns of the lower triangle of an `n` by `m` matrix."""
    rows, columns = np.tril_indices(n, k, m)
    return Tensor(rows), Tensor(columns)


@public
def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """The rows and columns of the upper triangle of an `n` by `m` matrix."""
    rows, columns = np.triu_indices(n, k, m)
    return Tensor(rows), Tensor(columns)


@public
def tril_indices_from(x: TensorLike, k: int = 0) -> tuple[Tensor, Tensor]:
    """`tril_indices` for a matrix."""
    rows, columns = as_tensor(x).shape
    return tril_indices(int(rows), k, int(columns))


@public
def triu_indices_from(x: TensorLike, k: int = 0) -> tuple[Tensor, Tensor]:
    """`triu_indices` for a matrix."""
    rows, columns = as_tensor(x).shape
    return triu_indices(int(rows), k, int(columns))


@public
def diag_indices(n: Size, ndim: int = 2) -> tuple[Tensor, ...]:
    """The positions of the diagonal of a tensor of `ndim` axes of size `n`."""
    steps = apply(ops.Iota((n,), 0, dtypes.i64), ())[0]
    return tuple(cast(Tensor, steps + 0) for _ in range(ndim))


# ---------------------------------------------------------------------------------- flat positions


@public
def unravel_index(indices: TensorLike, shape: Shape) -> tuple[Tensor, ...]:
    """Positions in a flattened tensor as positions along the axes of `shape`."""
    rest = as_tensor(indices).astype("i64")
    results: list[Tensor] = []
    for size in reversed(sizes_of(shape)):
        length = as_tensor(size)
        results.append(apply_row(find("remainder"), (rest, length)))
        rest = apply_row(find("floor_divide"), (rest, length))
    return tuple(reversed(results))


@public
def ravel_multi_index(
    multi_index: Sequence[TensorLike], dims: Shape, mode: str = "raise"
) -> Tensor:
    """Positions along the axes of a shape as positions in the flattened tensor.

    Args:
        multi_index: one tensor an axis; they broadcast.
        dims: the shape.
        mode: what is done with positions outside: "clip", "wrap", or "raise", which clips those
            that are being traced.

    Raises:
        UsageError: a known position is outside; another number of positions than axes.
    """
    sizes = sizes_of(dims)
    if len(multi_index) != len(sizes):
        raise UsageError(f"ravel_multi_index: {len(multi_index)} positions for {len(sizes)} axes")
    if mode not in ("raise", "clip", "wrap"):
        raise UsageError(f"ravel_multi_index: mode {mode!r}")
    total = as_tensor(np.int64(0))
    for axis, (position, size) in enumerate(zip(multi_index, sizes, strict=True)):
        place = as_tensor(position).astype("i64")
        length = as_tensor(size).astype("i64")
        if mode == "raise":
            _check_places(place, size, axis)
        row = find("remainder") if mode == "wrap" else None
        place = clip(place, 0, length - 1) if row is None else apply_row(row, (place, length))
        total = cast(Tensor, total * length + place)
    return total


def _check_places(place: Tensor, size: Size, axis: int) -> None:
    known = place.concrete()
    is_checked = isinstance(size, int) or dims.are_guarded()
    if known is None or not is_checked or not known.size:
        return
    if known.min() < 0 or known.max() >= size:
        facts = [("axis", axis), ("size", size), ("range", f"{known.min()} … {known.max()}")]
        raise UsageError("ravel_multi_index: a position is outside of the shape", facts=facts)


@public
def broadcast_shapes(*shapes: Shape) -> tuple[Size, ...]:
    """The shape that tensors of these shapes broadcast to."""
    types = [as_tensor(np.False_).type.with_shape(sizes_of(shape)) for shape in shapes]
    return common_shape("broadcast_shapes", types)
