"""What the convolution ops share: geometry, checks, unfolding for NumPy, and sample operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import ShapeError
from irflow.ir.op import Cost, Lowering, Op
from irflow.ir.types import Shape, TensorType
from irflow.ops.batch_merging import merged, parted
from irflow.ops.constants import concrete
from irflow.ops.matmul import accumulator
from irflow.ops.windows import Ints, Padding, window_counts, window_position, window_view
from irflow.scalars import find

Geometry = tuple[Ints, Padding, Ints, int]
"""Strides, padding, dilations and the number of groups."""

PATCH_BYTES = 2**21
"""The NumPy meaning unfolds so many examples at a time that their windows stay in the cache."""

Term = Callable[[list[Any], Callable[[], Any], Any], Any]
"""A term of a sum over taps, from conditions, a load of the image, and a weight."""


class ConvolutionOp(Op):
    """What the three ops share: the geometry, and the form of which each is a derivative."""

    strides: Ints
    padding: Padding
    dilations: Ints
    groups: int
    lowering: ClassVar[Lowering] = Lowering.CONTRACTION
    linear_in: ClassVar[tuple[int, ...] | None] = (0, 1)
    roles: ClassVar[tuple[str, str, str]]
    """Which of image, weights and result, `x`, `w` and `y`, the operands and the result are."""

    @property
    def geometry(self) -> Geometry:
        """The attributes that all three ops have, in order."""
        return self.strides, self.padding, self.dilations, self.groups

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any] | None:
        """A batch in two of image, weights and result is more of the axis that they share.

        A batch in all three is a scan: as more groups it would be computed without tiles.
        """
        return batched_convolution(self, context.size, inputs, is_batched)

    def counts(self, spatial: Sequence[Size], kernel: Sequence[Size]) -> Shape:
        """The spatial sizes of the result, one window each; ShapeError when none fits."""
        if not 1 <= len(spatial) <= 3:
            raise ShapeError(f"{self.name}: {len(spatial)} spatial axes; there can be 1, 2 or 3")
        return window_counts(self.name, spatial, kernel, self.strides, self.dilations, self.padding)

    def check_channels(self, inputs: Size, per_group: Size, outputs: Size) -> None:
        """Check channel numbers of image, weights and result against the groups."""
        if self.groups < 1:
            raise ShapeError(f"{self.name}: {self.groups} groups")
        if not dims.decide_equal(per_group * self.groups, inputs):
            raise ShapeError(
                f"{self.name}: the weights do not fit the channels",
                facts=[
                    ("channels", inputs),
                    ("weights", f"{per_group} a group, {self.groups} groups"),
                ],
            )
        if not dims.decide_equal(outputs % self.groups, 0):
            raise ShapeError(
                f"{self.name}: {outputs} output channels do not divide into {self.groups} groups"
            )

    def input_channel(self, channel: Any, output: Any, per_group: Size, outputs: Size) -> Any:
        """The image's channel that is channel number `channel` of the group of `output`."""
        if self.groups == 1:
            return channel
        return output // (outputs // self.groups) * per_group + channel

    def is_inside(self, spatial: Shape, positions: Sequence[Any], size_of: Any) -> list[Any]:
        """The conditions under which positions lie in the image and not in its padding."""
        conditions = []
        for axis, position in enumerate(positions):
            low, high = self.padding[axis]
            if low:
                conditions.append(position >= 0)
            if high:
                conditions.append(position < size_of(spatial[axis]))
        return conditions

    def seen(self, numbers: Sequence[Any], offsets: Sequence[Any]) -> list[Any]:
        """The positions that elements `offsets` of windows `numbers` see."""
        lows = [low for low, _ in self.padding]
        places = zip(numbers, offsets, self.strides, self.dilations, lows, strict=True)
        return [window_position(*place) for place in places]

    def sum_over_taps(
        self, context: Any, index: Sequence[Any], loads: Sequence[Any], dtype: DType, term: Term
    ) -> Any:
        """An element of the result, the sum of a term for each tap and channel.

        Args:
            context: of the element function.
            index: of the element.
            loads: the image and the weights.
            dtype: of the sum.
            term: from the conditions under which a tap lies in the image, a load of what it sees,
                and its weight.
        """
        x, w = loads
        n, *numbers, output = index
        *kernel, per_group, outputs = w.type.shape

        def at(inner: Sequence[Any]) -> Any:
            *offsets, channel = inner
            positions = self.seen(numbers, offsets)
            source = self.input_channel(channel, output, per_group, outputs)
            conditions = self.is_inside(x.type.shape[1:-1], positions, context.size)
            return term(conditions, lambda: x([n, *positions, source]), w([*inner, output]))

        return context.reduce(find("add"), dtype, [*kernel, per_group], at)

    def padded(self, x: np.ndarray) -> np.ndarray:
        """`x` between its zeros, in the dtype of sums."""
        wide = x.astype(accumulator(x.dtype), copy=False)
        if not any(map(any, self.padding)):
            return wide
        return np.pad(wide, ((0, 0), *self.padding, (0, 0)))

    def patches(self, padded: np.ndarray, kernel: Ints) -> np.ndarray:
        """All windows as rows of matrices, one a group: `[groups, N * out, kernel * C/groups]`."""
        view = window_view(padded, kernel, self.strides, self.dilations)
        rows, offsets = int(np.prod(view.shape[: -len(kernel) - 1])), int(np.prod(kernel))
        matrix = view.reshape(rows, offsets, self.groups, view.shape[-1] // self.groups)
        width = offsets * matrix.shape[-1]
        return matrix.transpose(2, 0, 1, 3).reshape(self.groups, rows, width)

    def by_group(self, g: np.ndarray) -> np.ndarray:
        """`g[N, *out, O]` as matrices `[groups, N * out, O/groups]`."""
        rows, width = int(np.prod(g.shape[:-1])), g.shape[-1] // self.groups
        wide = g.astype(accumulator(g.dtype), copy=False)
        return wide.reshape(rows, self.groups, width).transpose(1, 0, 2)

    def weight_matrices(self, w: np.ndarray) -> np.ndarray:
        """`w[*kernel, C/groups, O]` as matrices `[groups, kernel * C/groups, O/groups]`."""
        rows, width = int(np.prod(w.shape[:-1])), w.shape[-1] // self.groups
        wide = w.astype(accumulator(w.dtype), copy=False)
        return wide.reshape(rows, self.groups, width).transpose(1, 0, 2)


# Where the batch goes in those of image, weights and result that have it, by the one that has none:
# the axis that it is merged into, and whether inside of its groups.
MERGED: dict[str, dict[str, tuple[int, bool]]] = {
    "w": {"x": (0, False), "y": (0, False)},
    "x": {"w": (-1, True), "y": (-1, True)},
    "y": {"x": (-1, True), "w": (-2, False)},
}


def batched_convolution(
    op: ConvolutionOp, size: Size, inputs: Sequence[Any], is_batched: Sequence[bool]
) -> Sequence[Any] | None:
    """One convolution op for a batch of them; None where all three have the batch."""
    alone = [role for role, batched in zip(op.roles, is_batched, strict=False) if not batched]
    if not alone:
        return None
    places = MERGED[alone[0]]
    types = [
        x.type.with_shape(x.shape[1:]) if batched else x.type
        for x, batched in zip(inputs, is_batched, strict=True)
    ]
    rank = types[0].rank

    def place(role: str) -> tuple[int, int]:
        axis, in_groups = places[role]
        return axis % rank, op.groups if in_groups else 1

    operands = [
        merged(x, *place(role)) if batched else x
        for x, batched, role in zip(inputs, is_batched, op.roles, strict=False)
    ]
    (result,) = operands[0].emit(op, operands)
    axis, parts = place(op.roles[2])
    kept = op.infer(*types).shape[axis]  # type: ignore[union-attr]
    return [parted(result, axis, size, kept, parts)]


def chunks(count: int, example: int) -> Iterator[slice]:
    """Slices of the batch axis; `example` is how many bytes the windows of one example take."""
    step = max(1, PATCH_BYTES // max(example, 1))
    return (slice(start, start + step) for start in range(0, count, step))


def window_bytes(out: Sequence[int], kernel: Ints, channels: int, dtype: np.dtype[Any]) -> int:
    """How many bytes the windows of one example take."""
    return int(np.prod(out)) * int(np.prod(kernel)) * channels * dtype.itemsize


def convolution_cost(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    y: TensorType,
    kernel: Sequence[Size],
    per_group: Size,
) -> Cost:
    """A multiplication and an addition a term; `y` has the type of the convolution's result."""
    traffic = sum((t.nbytes for t in (*inputs, *outputs)), 0)
    return Cost(2 * y.size * dims.product(kernel) * per_group, traffic)


# ----------------------------------------------------------------------------------------- samples

CASES: dict[str, tuple[Ints, Ints, Geometry]] = {
    # label: shape of x, shape of w, (strides, padding, dilations, groups)
    "plain": ((2, 4, 5, 2), (3, 2, 2, 3), ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)),
    "same": ((1, 4, 3, 2), (3, 3, 2, 2), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)),
    "strides": ((2, 6, 5, 1), (3, 2, 1, 2), ((2, 3), ((0, 0), (0, 0)), (1, 1), 1)),
    "asymmetric": ((1, 4, 4, 2), (2, 3, 2, 1), ((2, 1), ((0, 1), (2, 0)), (1, 1), 1)),
    "dilation": ((1, 6, 5, 1), (2, 3, 1, 2), ((1, 2), ((1, 0), (0, 2)), (3, 2), 1)),
    "groups": ((2, 3, 4, 4), (2, 2, 2, 6), ((1, 2), ((1, 0), (0, 0)), (1, 1), 2)),
    "depthwise": ((1, 3, 3, 3), (2, 2, 1, 3), ((1, 1), ((0, 0), (0, 1)), (1, 1), 3)),
    "pointwise": ((2, 3, 2, 3), (1, 1, 3, 4), ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)),
    "unseen-rest": ((1, 5, 6, 1), (2, 2, 1, 1), ((3, 3), ((0, 0), (0, 0)), (1, 1), 1)),
    "wide-padding": ((1, 2, 1, 1), (2, 1, 1, 2), ((1, 1), ((3, 2), (1, 1)), (1, 1), 1)),
    "one-axis": ((2, 7, 2), (3, 2, 3), ((2,), ((1, 0),), (2,), 1)),
    "three-axes": (
        (1, 3, 2, 3, 1),
        (2, 2, 2, 1, 2),
        ((1, 1, 2), ((0, 0), (1, 0), (0, 1)), (1,) * 3, 1),
    ),
    "empty-batch": ((0, 4, 4, 1), (2, 2, 1, 2), ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)),
}


def cases() -> Iterator[tuple[str, np.ndarray, np.ndarray, Geometry]]:
    """Labelled image, weights and geometry."""
    generator = np.random.default_rng(5)
    for label, (x, w, geometry) in CASES.items():
        image = generator.normal(size=x).astype(np.float32)
        yield label, image, generator.normal(size=w).astype(np.float32), geometry


def small_case() -> tuple[np.ndarray, np.ndarray, Geometry]:
    """One image, weights and geometry with a bit of everything."""
    generator = np.random.default_rng(6)
    x = 3 * generator.normal(size=(2, 5, 4, 2)).astype(np.float32)
    w = 3 * generator.normal(size=(3, 2, 2, 3)).astype(np.float32)
    return x, w, ((2, 1), ((1, 0), (0, 1)), (1, 2), 1)


def result_like(op: ConvolutionOp, x: np.ndarray, kernel: Ints, outputs: int) -> np.ndarray:
    """Random numbers in the shape of the convolution's result."""
    shape = (len(x), *concrete(op.counts(x.shape[1:-1], kernel)), outputs)
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)
