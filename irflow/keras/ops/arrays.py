"""Functions of `keras.ops` on arrays that irflow spells in another way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import nn
from irflow import numpy as namespace
from irflow.dtypes import as_dtype
from irflow.errors import ShapeError, UsageError
from irflow.frontend import as_tensor, asarray, derivatives
from irflow.frontend.tensor import Tensor, apply_row, inexact
from irflow.keras.engine.inference import shape_of
from irflow.keras.engine.symbolic import KerasTensor
from irflow.scalars import find

inp: Any = namespace


def cast(x: Any, dtype: Any) -> Any:
    """The elements in another type."""
    return as_tensor(x).astype(dtype)


def saturate_cast(x: Any, dtype: Any) -> Any:
    """As `cast`; numbers beyond the range of `dtype` become its limits."""
    tensor, target = as_tensor(x), as_dtype(dtype)
    if target.is_integer:
        bounds = np.iinfo(target.numpy.name)
        tensor = inp.clip(tensor, _within(tensor, bounds.min), _within(tensor, bounds.max))
    return tensor.astype(dtype)


def _within(x: Any, limit: int) -> Any:
    """The number nearest to `limit` towards zero that the type of `x` has."""
    if x.dtype.is_integer:
        own = np.iinfo(x.dtype.numpy)
        return int(np.clip(limit, own.min, own.max))
    near = np.asarray(limit).astype(x.dtype.numpy)
    return near if abs(int(near)) <= abs(limit) else np.nextafter(near, np.zeros_like(near))


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """An array-like as a tensor.

    Raises:
        UsageError: `sparse` or `ragged`.
    """
    if sparse or ragged:
        raise UsageError("convert_to_tensor: there are dense tensors only")
    return asarray(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """A tensor as an array."""
    return np.asarray(x)


def shape(x: Any) -> tuple[Any, ...]:
    """The sizes; None for those of a functional model that are not known."""
    return shape_of(x) if isinstance(x, KerasTensor) else tuple(as_tensor(x).shape)


def dtype(x: Any) -> str:
    """The name of the element type."""
    return str(x.dtype if isinstance(x, KerasTensor) else as_tensor(x).dtype.numpy)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor of irflow."""
    return isinstance(x, Tensor)


def stop_gradient(variable: Any) -> Any:
    """The value, with a derivative of zero."""
    return derivatives.stop_gradient(as_tensor(variable))


def erf(x: Any) -> Any:
    """The error function."""
    return apply_row(find("erf"), [inexact(as_tensor(x))])


def erfc(x: Any) -> Any:
    """1 - erf(x)."""
    return apply_row(find("erfc"), [inexact(as_tensor(x))])


def erfinv(x: Any) -> Any:
    """The inverse of the error function."""
    return apply_row(find("erfinv"), [inexact(as_tensor(x))])


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return apply_row(find("rsqrt"), [inexact(as_tensor(x))])


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, and 0 where `x2` is 0."""
    divisor = as_tensor(x2)
    is_zero = divisor == 0
    quotient = inp.divide(x1, inp.where(is_zero, inp.ones_like(divisor), divisor))
    return inp.where(is_zero, inp.zeros_like(quotient), quotient)


def polar(abs_: Any, angle: Any) -> Any:
    """The complex numbers of these magnitudes and angles."""
    return as_tensor(abs_) * inp.exp(as_tensor(angle) * 1j)


def view_as_complex(x: Any) -> Any:
    """`[..., 2]`, real and imaginary parts, as complex `[...]`."""
    parts = as_tensor(x)
    return parts[..., 0] + parts[..., 1] * 1j


def view_as_real(x: Any) -> Any:
    """Complex `[...]` as `[..., 2]`, real and imaginary parts."""
    return inp.stack([inp.real(x), inp.imag(x)], axis=-1)


def get_item(x: Any, key: Any) -> Any:
    """`x[key]`."""
    return as_tensor(x)[key]


def slice(inputs: Any, start_indices: Sequence[Any], shape: Sequence[int]) -> Any:  # noqa: A001
    """The block of `shape` that begins at `start_indices`."""
    return as_tensor(inputs)[_block(start_indices, shape)]


def slice_update(inputs: Any, start_indices: Sequence[Any], updates: Any) -> Any:
    """A copy in which the block that begins at `start_indices` is `updates`."""
    block = as_tensor(updates)
    return as_tensor(inputs).at[_block(start_indices, block.shape)].set(block)


def _block(starts: Any, sizes: Sequence[Any]) -> tuple[Any, ...]:
    """An index for each axis, all of which broadcast to the block."""
    rank = len(sizes)
    places = []
    for axis, size in enumerate(sizes):
        along = [1] * rank
        along[axis] = size
        places.append(inp.reshape(inp.arange(size), along) + starts[axis])
    return tuple(places)


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` to which `values` are added at `indices[..., rank]`."""
    start = inp.zeros(tuple(shape), as_tensor(values).dtype)
    return scatter_update(start, indices, values, "add")


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy with `updates` at `indices[..., k]`, which index the first `k` axes.

    Args:
        inputs: any tensor.
        indices: of the elements, or of the slices behind them.
        updates: their values.
        reduction: None to replace, "add", "max", "min" or "mul" to combine.

    Raises:
        UsageError: another `reduction`.
    """
    places = as_tensor(indices)
    key = tuple(places[..., axis] for axis in range(int(places.shape[-1])))
    chosen = as_tensor(inputs).at[key]
    ways = {None: chosen.set, "add": chosen.add, "max": chosen.max, "min": chosen.min}
    ways["mul"] = chosen.multiply
    if reduction not in ways:
        raise UsageError(f"scatter_update: unknown reduction {reduction!r}")
    return ways[reduction](updates)


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis.

    Raises:
        ShapeError: they are not `num`.
    """
    parts = list(inp.unstack(x, axis=axis))
    if num is not None and num != len(parts):
        raise ShapeError(f"unstack: {len(parts)} slices along axis {axis}, not {num}")
    return parts


def isin(
    x1: Any,
    x2: Any,
    assume_unique: bool = False,  # noqa: ARG001  Keras's name
    invert: bool = False,
) -> Any:
    """Whether each element of `x1` is among those of `x2`."""
    found = inp.isin(x1, x2)
    return inp.logical_not(found) if invert else found


def top_k(x: Any, k: int, sorted: bool = True) -> Any:  # noqa: A002, ARG001  Keras's name
    """The `k` largest elements along the last axis, descending, and their positions."""
    values, places = inp.top_k(x, k)
    return values, places.astype("int32")


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether the number at `targets[n]` is among the `k` largest of `predictions[n, classes]`."""
    scores = as_tensor(predictions)
    own = inp.take_along_axis(scores, as_tensor(targets)[:, None], axis=-1)
    return inp.sum(scores > own, axis=-1) < k


def argpartition(x: Any, kth: int, axis: int = -1) -> Any:  # noqa: ARG001  all are in order
    """Positions of the elements in an order that has the `kth` smallest in its place: sorted."""
    return inp.argsort(x, axis=axis).astype("int32")


def max(  # noqa: A001  Keras's name
    x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None
) -> Any:
    """The largest elements, and not less than `initial`."""
    found = inp.max(x, axis=axis, keepdims=keepdims)
    return found if initial is None else inp.maximum(found, initial)


def min(  # noqa: A001  Keras's name
    x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None
) -> Any:
    """The smallest elements, and not more than `initial`."""
    found = inp.min(x, axis=axis, keepdims=keepdims)
    return found if initial is None else inp.minimum(found, initial)


def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The products of vectors in space, which stand along `axisa` and `axisb`."""
    first, second, last = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    left, right = inp.moveaxis(x1, first, -1), inp.moveaxis(x2, second, -1)
    return inp.moveaxis(inp.cross(left, right), -1, last)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sum over the indices that `subscripts` name."""
    return inp.einsum(subscripts, *operands)


def unique(
    x: Any,
    sorted: bool = True,  # noqa: A002, ARG001  Keras's name
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements, in order.

    Raises:
        UsageError: `size`, which is not there.
    """
    if size is not None or fill_value is not None:
        raise UsageError("unique: size and fill_value are not there")
    return inp.unique(x, return_index, return_inverse, return_counts, axis)


def _ramp(start: Any, stop: Any, num: int, endpoint: bool, axis: int) -> Any:
    """Evenly spaced numbers between those of two arrays, along a new axis."""
    first, last = inp.broadcast_arrays(inexact(as_tensor(start)), inexact(as_tensor(stop)))
    parts = inp.linspace(0.0, 1.0, num, endpoint, first.dtype).reshape(num, *[1] * first.ndim)
    return inp.moveaxis(first + (last - first) * parts, 0, axis)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers; with `retstep` also their distance."""
    numbers = _ramp(start, stop, num, endpoint, axis)
    if dtype is not None:
        numbers = numbers.astype(dtype)
    if not retstep:
        return numbers
    return numbers, (inexact(as_tensor(stop)) - start) / (num - 1 if endpoint else num)


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` powers of `base`, evenly spaced in their exponents."""
    numbers = inp.power(float(base), _ramp(start, stop, num, endpoint, axis))
    return numbers if dtype is None else numbers.astype(dtype)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` positive numbers, each the same multiple of the one before."""
    first, last = (inp.log(inexact(as_tensor(x))) for x in (start, stop))
    numbers = inp.exp(_ramp(first, last, num, endpoint, axis))
    return numbers if dtype is None else numbers.astype(dtype)


def multi_hot(
    inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the numbers in each row of `inputs`, 0 elsewhere.

    Raises:
        UsageError: `sparse`.
    """
    if sparse:
        raise UsageError("multi_hot: there are dense tensors only")
    numbers = as_tensor(inputs)
    marks = nn.one_hot(numbers, num_classes, dtype or "float32", axis=axis)
    return inp.max(marks, axis=1 if numbers.ndim > 1 else 0)


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Squares of `block_size` pixels as channels of one pixel."""
    image = _channels_last(as_tensor(x), data_format)
    n, height, width, channels = image.shape
    b = block_size
    parts = image.reshape(n, height // b, b, width // b, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return _as_given(parts.reshape(n, height // b, width // b, b * b * channels), data_format)


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """The channels of a pixel as squares of `block_size` pixels."""
    image = _channels_last(as_tensor(x), data_format)
    n, height, width, channels = image.shape
    b = block_size
    parts = image.reshape(n, height, width, b, b, channels // (b * b)).transpose(0, 1, 3, 2, 4, 5)
    return _as_given(parts.reshape(n, height * b, width * b, channels // (b * b)), data_format)


def _channels_last(x: Any, data_format: str) -> Any:
    return inp.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def _as_given(x: Any, data_format: str) -> Any:
    return inp.moveaxis(x, -1, 1) if data_format == "channels_first" else x
