"""`irflow.numpy.fft`: NumPy's discrete Fourier transforms.

The host computes them, on every backend. There are no derivatives through complex numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from irflow import dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.device import require_cpu
from irflow.frontend.promotion import axes_of, normalize_axes
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.numpy.complex_parts import as_complex, conj, is_complex
from irflow.numpy.manipulation import roll

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Axes = Sequence[int] | None
Sizes = Sequence[Size | None] | None
NORMS = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
"""The norms, each with the one that has the factor at the other side."""


# -------------------------------------------------------------------------------- one and more axes


@public
def fft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform along an axis.

    Args:
        x: any tensor; f32 and complex64 give complex64, f64 and complex128 complex128.
        n: how many points to transform: the axis is cut or filled up with zeros.
        axis: along which.
        norm: where the factor `1 / n` is: "backward", the default, at the inverse; "forward"; or
            "ortho", half of it at both.

    Raises:
        UsageError: another norm.
        ShapeError: there are no points.
    """
    return fftn(x, (n,), (axis,), norm)


@public
def ifft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`, with the same arguments."""
    return ifftn(x, (n,), (axis,), norm)


@public
def fftn(x: TensorLike, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """`fft` along several axes: all by default, or the last ones when `s` names their sizes."""
    return _complex_transform("fft", x, s, axes, norm)


@public
def ifftn(x: TensorLike, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`, with the same arguments."""
    return _complex_transform("ifft", x, s, axes, norm)


@public
def fft2(x: TensorLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """`fftn` along two axes."""
    return fftn(x, s, axes, norm)


@public
def ifft2(x: TensorLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """`ifftn` along two axes."""
    return ifftn(x, s, axes, norm)


def _complex_transform(kind: str, x: TensorLike, s: Sizes, axes: Axes, norm: str | None) -> Tensor:
    tensor = as_complex(x)
    places, sizes = _places("fft", tensor, s, axes)
    for place, size in zip(places, sizes, strict=True):
        tensor = _resized(tensor, place, size)
    return _transform(kind, tensor, places, norm)


def _transform(
    kind: str, x: Tensor, axes: Sequence[int], norm: str | None, size: Size = 0
) -> Tensor:
    name = norm or "backward"
    if name not in NORMS:
        raise UsageError(f"fft: norm {norm!r}", facts=[("known", ", ".join(NORMS))])
    return cast(Tensor, ops.fourier(kind, x, axes, size, name)) if axes else x


def _places(name: str, x: Tensor, s: Sizes, axes: Axes) -> tuple[tuple[int, ...], list[Size]]:
    """The axes of a transform, counted from 0, and how many points each is to have."""
    if axes is None:
        count = x.ndim if s is None else len(s)
        places = normalize_axes(range(x.ndim - count, x.ndim), x.ndim)
    else:
        places = normalize_axes(axes, x.ndim)
    given = [None] * len(places) if s is None else list(s)
    if len(given) != len(places):
        raise UsageError(f"{name}: {len(given)} sizes for {len(places)} axes")
    pairs = zip(given, places, strict=True)
    return places, [x.shape[axis] if size in (None, -1) else size for size, axis in pairs]


def _resized(x: Tensor, axis: int, size: Size) -> Tensor:
    """An axis cut, or filled up with zeros behind."""
    now = x.shape[axis]
    if now == size:
        return x
    if now > size:
        return cast(Tensor, ops.slice_axis(x, axis, 0, size))
    behind = [size - now if a == axis else 0 for a in range(x.ndim)]
    fill = x.full(0, ())
    return cast(Tensor, ops.pad(x, [0] * x.ndim, behind, None, fill))


# ----------------------------------------------------------------------------------- real operands


@public
def rfft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The first `n // 2 + 1` points of the transform of real numbers; arguments as of `fft`."""
    return rfftn(x, (n,), (axis,), norm)


@public
def irfft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`: `n` real numbers, `2 * (m - 1)` by default of `m` points."""
    return irfftn(x, (n,), (axis,), norm)


@public
def rfftn(x: TensorLike, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """`rfft` along the last of `axes`, and `fft` along the others.

    Raises:
        UsageError: `x` is complex.
    """
    tensor = inexact(x)
    if is_complex(tensor):
        raise UsageError("rfft: the operand is complex", hint="fft takes complex numbers")
    tensor = cast(Tensor, ops.convert(tensor, dtypes.compute_dtype(tensor.dtype)))
    places, sizes = _places("rfft", tensor, s, axes)
    for place, size in zip(places, sizes, strict=True):
        tensor = _resized(tensor, place, size)
    return _transform("rfft", tensor, places, norm)


@public
def irfftn(x: TensorLike, s: Sizes = None, axes: Axes = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`; the last of `s` is that of the result."""
    tensor = as_complex(x)
    places, sizes = _places("irfft", tensor, s, axes)
    if not places:
        raise ShapeError("irfft: a tensor without axes", facts=[("operand", tensor.type)])
    is_given = s is not None and s[-1] not in (None, -1)
    last = sizes[-1] if is_given else 2 * (tensor.shape[places[-1]] - 1)
    if last == 0:
        raise ShapeError("irfft: a result without points", facts=[("operand", tensor.type)])
    for place, size in zip(places, [*sizes[:-1], last // 2 + 1], strict=True):
        tensor = _resized(tensor, place, size)
    return _transform("irfft", tensor, places, norm, last)


@public
def rfft2(x: TensorLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """`rfftn` along two axes."""
    return rfftn(x, s, axes, norm)


@public
def irfft2(
    x: TensorLike, s: Sizes = None, axes: Axes = (-2, -1), norm: str | None = None
) -> Tensor:
    """`irfftn` along two axes."""
    return irfftn(x, s, axes, norm)


@public
def hfft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The real transform of numbers whose other half are conjugates; `n` is as of `irfft`."""
    return irfft(conj(as_complex(x)), n, axis, NORMS.get(norm or "backward", norm))


@public
def ihfft(x: TensorLike, n: Size | None = None, axis: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`: the first `n // 2 + 1` points."""
    return conj(rfft(x, n, axis, NORMS.get(norm or "backward", norm)))


# ------------------------------------------------------------------------------------- frequencies


@public
def fftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """The frequencies of the points of `fft`, in cycles for a sample spacing of `d`."""
    require_cpu(device)
    return _frequencies(np.fft.fftfreq(n, d), dtype)


@public
def rfftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """The frequencies of the points of `rfft`."""
    require_cpu(device)
    return _frequencies(np.fft.rfftfreq(n, d), dtype)


def _frequencies(values: np.ndarray, dtype: DTypeLike | None) -> Tensor:
    target = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
    return Tensor(values.astype(target.numpy))


@public
def fftshift(x: TensorLike, axes: int | Sequence[int] | None = None) -> Tensor:
    """The points in the order of their frequencies: the zero moves to the middle."""
    return _shifted(x, axes, lambda size: size // 2)


@public
def ifftshift(x: TensorLike, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, lambda size: -(size // 2))


def _shifted(
    x: TensorLike, axes: int | Sequence[int] | None, shift: Callable[[int], int]
) -> Tensor:
    """Every axis rolled by a function of its size, which has to be known."""
    tensor = as_tensor(x)
    for axis in axes_of(axes, tensor.ndim):
        size = tensor.shape[axis]
        if not isinstance(size, int):
            raise ShapeError("fftshift: an axis of symbolic size", facts=[("operand", tensor.type)])
        tensor = roll(tensor, shift(size), axis)
    return tensor
