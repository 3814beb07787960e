"""What the ops of pooling share: windows of an image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce as fold
from typing import Any, ClassVar

import numpy as np

from irflow import dims
from irflow.ir.op import Cost, Lowering, Op
from irflow.ir.types import Shape, TensorType
from irflow.ops.batch_merging import merged, parted
from irflow.ops.windows import (
    Ints,
    Padding,
    add_windows,
    check_sizes,
    check_spatial_rank,
    only_where,
    window_counts,
    window_number,
    window_position,
    window_view,
)
from irflow.scalars import Scalar, find


class PoolOp(Op):
    """What the ops share: the geometry of windows."""

    window: Ints
    strides: Ints
    padding: Padding
    dilations: Ints
    lowering: ClassVar[Lowering] = Lowering.REDUCTION
    is_adjoint: ClassVar[bool] = False
    """Whether the result is the image, and the last operand has an element a window."""

    @property
    def geometry(self) -> tuple[Ints, Ints, Padding, Ints]:
        """Window, strides, padding and dilations."""
        return self.window, self.strides, self.padding, self.dilations

    def counts(self, spatial: Sequence[dims.Size]) -> Shape:
        """How many windows there are along each axis; ShapeError when none fits."""
        window, strides, padding, dilations = self.geometry
        return window_counts(self.name, spatial, window, strides, dilations, padding)

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        whole = [merged(x, 0) for x in context.fronted(inputs, is_batched)]
        (result,) = whole[0].emit(self, whole)
        batched = inputs[list(is_batched).index(True)]
        return [parted(result, 0, context.size, batched.shape[1])]

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        windows = inputs[-1] if self.is_adjoint else outputs[0]
        traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
        return Cost(windows.size * dims.product(self.window), traffic)

    # -------------------------------------------------------------------------- meaning, by windows

    def seen(self, x: np.ndarray, fill: Any) -> np.ndarray:
        """All windows `[N, *out, *window, C]` of an image, with `fill` around it."""
        around = ((0, 0), *self.padding, (0, 0))
        padded = np.pad(x, around, constant_values=fill) if any(map(any, around)) else x
        return window_view(padded, self.window, self.strides, self.dilations)

    def spread(self, windows: np.ndarray, spatial: Ints) -> np.ndarray:
        """The adjoint of `seen`."""
        pairs = list(zip(spatial, self.padding, strict=True))
        padded = tuple(size + low + high for size, (low, high) in pairs)
        total = add_windows(windows, padded, self.window, self.strides, self.dilations)
        inside = tuple(slice(low, low + size) for size, (low, _) in pairs)
        return total[(slice(None), *inside)]

    def over_window(self, y: np.ndarray) -> np.ndarray:
        """`y[N, *out, C]` with axes of size 1 for the window."""
        rank = len(self.window)
        return y.reshape(*y.shape[:-1], *(1,) * rank, y.shape[-1])

    # ---------------------------------------------------------------------------- loops, by windows

    def over_windows(
        self, context: Any, row: Scalar, x: Any, index: Sequence[Any], element: Any
    ) -> Any:
        """`element(position)` combined over what one window sees; `x` is the image."""
        n, *numbers, c = index
        assert row.identity is not None
        neutral = row.identity(x.type.dtype)

        def body(offsets: Sequence[Any]) -> Any:
            positions, conditions = [], []
            for axis, k in enumerate(offsets):
                low, high = self.padding[axis]
                steps = self.strides[axis], self.dilations[axis], low
                position = window_position(numbers[axis], k, *steps)
                conditions += [position >= 0] if low else []
                size = context.size(x.type.shape[axis + 1])
                conditions += [position < size] if high else []
                positions.append(position)
            if not conditions:
                return element([n, *positions, c])
            inside = context.let(fold(lambda a, b: a & b, conditions))
            with context.masked(inside):
                value = element([n, *positions, c])
            return find("where")(inside, value, neutral)

        return context.reduce(row, x.type.dtype, self.window, body)

    def over_positions(self, context: Any, g: Any, index: Sequence[Any], element: Any) -> Any:
        """`element(window)` added up over all windows that see a position."""
        n, *positions, c = index

        def body(offsets: Sequence[Any]) -> Any:
            numbers, conditions = [], []
            for axis, k in enumerate(offsets):
                steps = self.strides[axis], self.dilations[axis], self.padding[axis][0]
                count = g.type.shape[axis + 1]
                t, needed = window_number(context, positions[axis], k, *steps, count)
                numbers.append(t)
                conditions.extend(needed)
            return only_where(context, conditions, lambda: element([n, *numbers, c]))

        return context.reduce(find("add"), g.type.dtype, self.window, body)


def chosen_type(op: PoolOp, x: TensorType, y: TensorType) -> TensorType:
    """The type of a result of each window, checked against `y`."""
    check_spatial_rank(op.name, ("x", x), len(op.window) + 2)
    check_spatial_rank(op.name, ("y", y), x.rank)
    shape = x.shape[0], *op.counts(x.shape[1:-1]), x.shape[-1]
    check_sizes(op.name, ("y", y), 0, shape, "windows")
    return x.with_shape(shape)
