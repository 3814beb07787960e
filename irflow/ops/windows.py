"""Sliding windows, their adjoint, and the geometry that convolutions share with them.

A window of `k` elements with dilation `d` covers `d * (k - 1) + 1` positions. Along each spatial
axis, window `t` starts at position `t * stride - low`, where `low` zeros are imagined before the
first element and `high` after the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import Shape, TensorType
from irflow.loops.nodes import size_expr
from irflow.ops.batch_merging import merged, parted
from irflow.ops.constants import concrete
from irflow.ops.matmul import accumulator, check_factors
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


# ---------------------------------------------------------------------------------------- geometry


def window_counts(
    name: str,
    spatial: Sequence[Size],
    window: Sequence[Size],
    strides: Ints,
    dilations: Ints,
    padding: Padding | None = None,
) -> Shape:
    """How many windows fit along each spatial axis.

    Args:
        name: the op, for messages.
        spatial: the sizes of the spatial axes.
        window: how many elements of each axis a window has.
        strides: the distance of neighbouring windows.
        dilations: the distance of neighbouring elements of a window.
        padding: zeros `(low, high)` around each axis; none by default.

    Raises:
        ShapeError: the numbers of entries differ, an entry is out of range, or a window is
            larger than the padded axis.
        UndecidableSizeError: a symbolic axis may be too short.
    """
    padding = ((0, 0),) * len(spatial) if padding is None else padding
    _check_entries(name, len(spatial), window, strides, dilations, padding)
    counts = []
    for axis, size in enumerate(spatial):
        padded = size + sum(padding[axis])
        extent = dilations[axis] * (window[axis] - 1) + 1
        if padded < extent:
            raise ShapeError(
                f"{name}: the window is larger than the padded operand",
                facts=[
                    ("operand", f"spatial axis {axis} = {size}, padded to {padded}"),
                    ("window", f"{window[axis]} with dilation {dilations[axis]} covers {extent}"),
                ],
            )
        counts.append((padded - extent) // strides[axis] + 1)
    return tuple(counts)


def _check_entries(
    name: str, rank: int, window: Sequence[Size], strides: Ints, dilations: Ints, padding: Padding
) -> None:
    entries: list[tuple[str, Sequence[Any], int]] = [
        ("window", window, 1),
        ("strides", strides, 1),
        ("dilations", dilations, 1),
        ("padding", padding, 0),
    ]
    for label, values, least in entries:
        if len(values) != rank:
            raise ShapeError(f"{name}: {len(values)} {label} for {rank} spatial axes")
        numbers = [number for pair in values for number in pair] if label == "padding" else values
        if any(number < least for number in numbers):
            raise ShapeError(f"{name}: {label} {tuple(values)} has an entry below {least}")


def window_view(x: np.ndarray, window: Ints, strides: Ints, dilations: Ints) -> np.ndarray:
    """The windows `[N, *out, *window, C]` of `x[N, *spatial, C]`, without copying."""
    rank = len(window)
    extents = [d * (k - 1) + 1 for k, d in zip(window, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, extents, axis=tuple(range(1, rank + 1)))
    starts = tuple(slice(None, None, s) for s in strides)
    inside = tuple(slice(None, None, d) for d in dilations)
    return np.moveaxis(view[(slice(None), *starts, slice(None), *inside)], rank + 1, -1)


def add_windows(
    windows: np.ndarray, spatial: Ints, window: Ints, strides: Ints, dilations: Ints
) -> np.ndarray:
    """The adjoint of `window_view`: `[N, *spatial, C]`, what is seen at each position added up."""
    rank = len(window)
    counts = windows.shape[1 : rank + 1]
    result = np.zeros((windows.shape[0], *spatial, windows.shape[-1]), windows.dtype)
    for offset in np.ndindex(*window):
        starts = [k * d for k, d in zip(offset, dilations, strict=True)]
        seen = tuple(
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, counts, strides, strict=True)
        )
        result[(slice(None), *seen)] += windows[(slice(None),) * (rank + 1) + offset]
    return result


def window_position(t: Any, k: Any, stride: int, dilation: int, low: int = 0) -> Any:
    """The position that element `k` of window `t` sees; index expressions in and out."""
    start = t if stride == 1 else t * stride
    offset = k if dilation == 1 else k * dilation
    position = start + offset
    return position - low if low else position


def window_number(
    context: Any, i: Any, k: Any, stride: int, dilation: int, low: int, count: Size
) -> tuple[Any, list[Any]]:
    """The window whose element `k` sees position `i`, and the conditions that there is one."""
    offset = k if dilation == 1 else k * dilation
    distance = context.let((i + low if low else i) - offset)
    conditions = [distance >= 0]
    if stride == 1:
        return distance, [*conditions, distance < size_expr(count)]
    t = context.let(distance // stride)
    return t, [*conditions, find("equal")(distance % stride, 0), t < size_expr(count)]


def only_where(context: Any, conditions: Sequence[Any], compute: Any) -> Any:
    """`compute()` where all conditions hold, 0 without any of its loads elsewhere."""
    if not conditions:
        return compute()
    condition = context.let(reduce(lambda a, b: a & b, conditions))
    with context.masked(condition):
        value = compute()
    # The masked loads give 0, but a fused producer may turn that into anything.
    return find("where")(condition, value, 0)


# --------------------------------------------------------------------------------------------- ops


@register("windows")
class Windows(Op):
    """`result[n, *t, *k, c] = x[n, *(t * stride + k * dilation), c]`: all windows of a tensor.

    `[N, *spatial, C] -> [N, *out, *window, C]`, no padding, any dtype. With a reduction over
    the window axes it is pooling. Gradient: `OverlapAdd`.
    """

    window: Ints
    strides: Ints
    dilations: Ints
    lowering: ClassVar[Lowering] = Lowering.ELEMENT
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        check_spatial_rank(self.name, ("x", x), len(self.window) + 2)
        geometry = self.window, self.strides, self.dilations
        counts = window_counts(self.name, x.shape[1:-1], *geometry)
        return x.with_shape((x.shape[0], *counts, *self.window, x.shape[-1]))

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return window_view(x, self.window, self.strides, self.dilations)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        spatial = inputs[0].shape[1:-1]
        return [overlap_add(cotangents[0], spatial, self.window, self.strides, self.dilations)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        rank = len(self.window)
        places = zip(index[1:], index[rank + 1 :], self.strides, self.dilations, strict=False)
        return loads[0]([index[0], *(window_position(*place) for place in places), index[-1]])

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        return [in_one_batch(self, inputs[0])]

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return Cost(0, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.random.default_rng(3).normal(size=(2, 6, 5, 3)).astype(np.float32)
        n, m = dims.symbol("n"), dims.symbol("m", lower=3)
        yield Sample(cls((2, 2), (2, 2), (1, 1)), (x,), label="pooling")
        yield Sample(cls((3, 2), (1, 2), (1, 1)), (x,), label="overlapping")
        yield Sample(cls((2, 3), (2, 1), (3, 2)), (x,), label="dilated")
        yield Sample(cls((3,), (2,), (1,)), (x[:, :, 0],), label="one-axis")
        yield Sample(cls((2, 1, 2), (1, 1, 1), (1, 1, 2)), (x[..., None],), label="three-axes")
        yield Sample(cls((2, 2), (2, 2), (1, 1)), (x[:0],), label="empty")
        yield Sample(cls((2,), (1,), (1,)), (np.arange(6).reshape(1, 6, 1),), label="i64")
        yield Sample(cls((2, 3), (2, 1), (1, 1)), (x,), ((n, 6, 5, 3),), label="symbolic-batch")
        yield Sample(cls((2, 3), (2, 1), (1, 1)), (x,), ((n, 6, m, 3),), label="symbolic-axis")


@register("overlap_add")
class OverlapAdd(Op):
    """`result[n, i, c]`: all `x[n, t, k, c]` with `t * stride + k * dilation = i` summed.

    `[N, *out, *window, C] -> [N, *spatial, C]`, numbers of any dtype; 16-bit floats are summed in
    f32. Positions that no window sees are 0. The adjoint of `Windows`, which is its gradient.
    """

    spatial: Shape
    window: Ints
    strides: Ints
    dilations: Ints
    lowering: ClassVar[Lowering] = Lowering.REDUCTION
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)

    def infer(self, x: TensorType) -> TensorType:
        rank = len(self.spatial)
        check_factors(self.name, ("x", x))
        check_spatial_rank(self.name, ("x", x), 2 * rank + 2)
        geometry = self.window, self.strides, self.dilations
        counts = window_counts(self.name, self.spatial, *geometry)
        check_sizes(self.name, ("x", x), 1, (*counts, *self.window), "windows")
        return x.with_shape((x.shape[0], *self.spatial, x.shape[-1]))

    def numpy(self, x: np.ndarray) -> np.ndarray:
        wide = x.astype(accumulator(x.dtype), copy=False)
        geometry = self.window, self.strides, self.dilations
        return add_windows(wide, concrete(self.spatial), *geometry).astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [windows(cotangents[0], self.window, self.strides, self.dilations)]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        (load,) = loads
        counts = load.type.shape[1:]

        def body(offsets: Sequence[Any]) -> Any:
            numbers, conditions = [], []
            for axis, k in enumerate(offsets):
                geometry = self.strides[axis], self.dilations[axis], 0, counts[axis]
                t, needed = window_number(context, index[axis + 1], k, *geometry)
                numbers.append(t)
                conditions.extend(needed)
            place = [index[0], *numbers, *offsets, index[-1]]
            return only_where(context, conditions, lambda: load(place))

        return context.reduce(find("add"), load.type.dtype, self.window, body)

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        return [in_one_batch(self, inputs[0])]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        generator = np.random.default_rng(4)
        n = dims.symbol("n")
        x = generator.normal(size=(2, 3, 3, 2, 1, 3)).astype(np.float32)
        line = generator.normal(size=(2, 4, 3, 2)).astype(np.float32)
        tiles = cls((6, 3), (2, 1), (2, 1), (1, 1))
        yield Sample(tiles, (x,), label="tiles")
        yield Sample(cls((8, 5), (2, 1), (3, 2), (1, 2)), (x,), label="gaps")
        yield Sample(cls((6,), (3,), (1,), (1,)), (line,), label="overlapping")
        yield Sample(cls((12,), (3,), (2,), (2,)), (line,), label="dilated")
        yield Sample(tiles, (x[:0],), label="empty")
        yield Sample(tiles, (x,), ((n, 3, 3, 2, 1, 3),), label="symbolic")
        for small in (np.float16, ml_dtypes.bfloat16):
            sample = (line.astype(small),)
            label = np.dtype(small).name
            yield Sample(cls((6,), (3,), (1,), (1,)), sample, differentiable=(), label=label)


def in_one_batch(op: Op, x: Any) -> Any:
    """The result of an op of `x[B, N, …]` that takes `B * N` examples as well as `N`."""
    (result,) = x.emit(op, [merged(x, 0)])
    return parted(result, 0, x.shape[0], x.shape[1])


def check_spatial_rank(name: str, operand: tuple[str, TensorType], rank: int) -> None:
    """Check the rank of a labelled operand; ShapeError otherwise."""
    label, type = operand
    if type.rank != rank:
        raise ShapeError(f"{name}: {label} has rank {type.rank}, not {rank}", facts=[operand])


def check_sizes(
    name: str, operand: tuple[str, TensorType], start: int, expected: Sequence[Size], what: str
) -> None:
    """Check the sizes of a labelled operand from axis `start` on; ShapeError for another."""
    label, type = operand
    for axis, size in enumerate(expected, start):
        if not dims.decide_equal(type.shape[axis], size):
            raise ShapeError(
                f"{name}: {label} does not fit the {what}",
                facts=[(label, type, f"axis {axis} = {type.shape[axis]}"), (what, size)],
            )


# ------------------------------------------------------------------------------------ constructors


def windows(
    x: GraphOperand,
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Any:
    """The windows `[N, *out, *window, C]` of `x[N, *spatial, C]`; neighbours by default."""
    ones = (1,) * len(window)
    op = Windows(tuple(window), tuple(strides or ones), tuple(dilations or ones))
    return x.emit(op, [x])[0]


def overlap_add(
    x: GraphOperand,
    spatial: Sequence[Size],
    window: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Any:
    """Windows `x[N, *out, *window, C]` added up where they overlap, as `[N, *spatial, C]`."""
    ones = (1,) * len(window)
    geometry = tuple(window), tuple(strides or ones), tuple(dilations or ones)
    return x.emit(OverlapAdd(tuple(spatial), *geometry), [x])[0]
