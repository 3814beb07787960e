"""Convolution and its two adjoints.

All three are views of one trilinear form over an image `x[N, *spatial, C]`, weights
`w[*kernel, C/groups, O]` and a result `y[N, *out, O]`:

    F(x, w, y) = sum of x[n, t * stride + k * dilation - low, c] * w[k, c', o] * y[n, t, o]

where `c` is channel `c'` of the group of `o`, and positions outside `x` count as 0. Each op is the
derivative of F by one of the three, so the gradients of each are the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.ir.op import Cost, Sample, register
from irflow.ir.types import Shape, TensorType
from irflow.ops.constants import concrete
from irflow.ops.convolution_form import (
    ConvolutionOp,
    Geometry,
    cases,
    chunks,
    convolution_cost,
    result_like,
    small_case,
    window_bytes,
)
from irflow.ops.matmul import check_factors
from irflow.ops.windows import (
    Ints,
    Padding,
    add_windows,
    check_sizes,
    check_spatial_rank,
    only_where,
    window_number,
)
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("convolution")
class Convolution(ConvolutionOp):
    """`y[n, t, o] = sum over k, c' of x[n, t * stride + k * dilation - low, c] * w[k, c', o]`.

    `x[N, *spatial, C]`, `w[*kernel, C/groups, O]` give `[N, *out, O]` with 1 to 3 spatial axes and
    `out = (size + low + high - dilation * (k - 1) - 1) // stride + 1`. Channels are split evenly
    among `groups`; the output channels of a group see only its input channels. Padding adds zeros.
    Numbers of any dtype; 16-bit floats are summed in f32. Gradients: the two adjoints.
    """

    strides: Ints
    padding: Padding
    dilations: Ints
    groups: int = 1
    roles: ClassVar[tuple[str, str, str]] = ("x", "w", "y")

    def infer(self, x: TensorType, w: TensorType) -> TensorType:
        check_factors(self.name, ("x", x), ("w", w))
        check_spatial_rank(self.name, ("x", x), len(self.strides) + 2)
        check_spatial_rank(self.name, ("w", w), len(self.strides) + 2)
        self.check_channels(x.shape[-1], w.shape[-2], w.shape[-1])
        out = self.counts(x.shape[1:-1], w.shape[:-2])
        return x.with_shape((x.shape[0], *out, w.shape[-1]))

    def numpy(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        kernel = w.shape[:-2]
        out = concrete(self.counts(x.shape[1:-1], kernel))
        padded, matrices = self.padded(x), self.weight_matrices(w)
        result = np.empty((x.shape[0], *out, w.shape[-1]), x.dtype)
        for part in chunks(len(x), window_bytes(out, kernel, x.shape[-1], padded.dtype)):
            product = self.patches(padded[part], kernel) @ matrices
            result[part] = product.transpose(1, 0, 2).reshape(result[part].shape)
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x, w), (g,) = inputs, cotangents
        return [
            _input_gradient(self, g, w, x.shape[1:-1]) if context.needs(0) else None,
            _weight_gradient(self, x, g, w.shape[:-2]) if context.needs(1) else None,
        ]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        def product(conditions: list[Any], pixel: Callable[[], Any], weight: Any) -> Any:
            return only_where(context, conditions, lambda: pixel() * weight)

        return self.sum_over_taps(context, index, loads, loads[0].type.dtype, product)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        *kernel, per_group, _ = inputs[1].shape
        return convolution_cost(inputs, outputs, outputs[0], kernel, per_group)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, x, w, geometry in cases():
            yield Sample(cls(*geometry), (x, w), label=label)
        x, w, geometry = small_case()
        n, m = dims.symbol("n"), dims.symbol("m", lower=3)
        whole = x.astype(np.int64), w.astype(np.int64)
        yield Sample(cls(*geometry), whole, label="i64")
        yield Sample(cls(*geometry), (x, w), ((n, 5, 4, 2), w.shape), label="symbolic-batch")
        yield Sample(cls(*geometry), (x, w), ((n, m, 4, 2), w.shape), label="symbolic-axis")
        for small in (np.float16, ml_dtypes.bfloat16):
            pair, label = (x.astype(small), w.astype(small)), np.dtype(small).name
            yield Sample(cls(*geometry), pair, differentiable=(), label=label)


@register("convolution_input_gradient")
class ConvolutionInputGradient(ConvolutionOp):
    """The adjoint of a convolution in its image, also known as transposed convolution.

    `g[N, *out, O]`, `w[*kernel, C/groups, O]` give `x[N, *spatial, C]`: the sum over `k, t, o` with
    `t * stride + k * dilation - low = i` of `g[n, t, o] * w[k, c', o]` at `[n, i, c]`. `spatial`
    says which of the sizes that lead to `out` is meant. Gradients: the convolution, and the adjoint
    in the weights.
    """

    spatial: Shape
    strides: Ints
    padding: Padding
    dilations: Ints
    groups: int = 1
    roles: ClassVar[tuple[str, str, str]] = ("y", "w", "x")

    def infer(self, g: TensorType, w: TensorType) -> TensorType:
        check_factors(self.name, ("g", g), ("w", w))
        check_spatial_rank(self.name, ("g", g), len(self.spatial) + 2)
        check_spatial_rank(self.name, ("w", w), len(self.spatial) + 2)
        channels = w.shape[-2] * self.groups
        self.check_channels(channels, w.shape[-2], w.shape[-1])
        check_sizes(self.name, ("g", g), g.rank - 1, w.shape[-1:], "output channels of w")
        out = self.counts(self.spatial, w.shape[:-2])
        check_sizes(self.name, ("g", g), 1, out, "windows of the result")
        return g.with_shape((g.shape[0], *self.spatial, channels))

    def numpy(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        spatial, (*kernel, per_group, _) = concrete(self.spatial), w.shape
        channels = per_group * self.groups
        matrices = self.weight_matrices(w).transpose(0, 2, 1)
        result = np.empty((len(g), *spatial, channels), g.dtype)
        size = window_bytes(g.shape[1:-1], tuple(kernel), channels, matrices.dtype)
        for part in chunks(len(g), size):
            product = self.by_group(g[part]) @ matrices
            split = product.reshape(self.groups, -1 if product.size else 0, *kernel, per_group)
            rows = np.moveaxis(split, 0, -2)
            shape = (*g[part].shape[:-1], *kernel, channels)
            result[part] = self._folded(rows.reshape(shape), spatial, tuple(kernel))
        return result

    def _folded(self, windows: np.ndarray, spatial: Ints, kernel: Ints) -> np.ndarray:
        padded = tuple(
            size + low + high for size, (low, high) in zip(spatial, self.padding, strict=True)
        )
        summed = add_windows(windows, padded, kernel, self.strides, self.dilations)
        pairs = zip(spatial, self.padding, strict=True)
        inside = tuple(slice(low, low + size) for size, (low, _) in pairs)
        return summed[(slice(None), *inside)]

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (g, w), (x,) = inputs, cotangents
        return [
            _convolution(self, x, w) if context.needs(0) else None,
            _weight_gradient(self, x, g, w.shape[:-2]) if context.needs(1) else None,
        ]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        g, w = loads
        n, *positions, channel = index
        *kernel, per_group, outputs = w.type.shape
        width = outputs // self.groups
        group = 0 if self.groups == 1 else context.let(channel // per_group)
        inside = channel if self.groups == 1 else channel - group * per_group

        def product(inner: Sequence[Any]) -> Any:
            *offsets, part = inner
            numbers, conditions = self._windows(context, positions, offsets, g.type.shape[1:-1])
            output = part if self.groups == 1 else group * width + part
            weight = w([*offsets, inside, output])
            return only_where(context, conditions, lambda: g([n, *numbers, output]) * weight)

        return context.reduce(find("add"), g.type.dtype, [*kernel, width], product)

    def _windows(
        self, context: Any, positions: Sequence[Any], offsets: Sequence[Any], counts: Shape
    ) -> tuple[list[Any], list[Any]]:
        numbers, conditions = [], []
        for axis, (position, offset) in enumerate(zip(positions, offsets, strict=True)):
            steps = self.strides[axis], self.dilations[axis], self.padding[axis][0]
            t, needed = window_number(context, position, offset, *steps, counts[axis])
            numbers.append(t)
            conditions.extend(needed)
        return numbers, conditions

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        *kernel, per_group, _ = inputs[1].shape
        return convolution_cost(inputs, outputs, inputs[0], kernel, per_group)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, x, w, geometry in cases():
            g = _result_like(x, w, geometry)
            yield Sample(cls(x.shape[1:-1], *geometry), (g, w), label=label)
        x, w, geometry = small_case()
        g = _result_like(x, w, geometry)
        n = dims.symbol("n")
        op = cls(x.shape[1:-1], *geometry)
        yield Sample(op, (g, w), ((n, *g.shape[1:]), w.shape), label="symbolic-batch")
        for small in (np.float16, ml_dtypes.bfloat16):
            pair, label = (g.astype(small), w.astype(small)), np.dtype(small).name
            yield Sample(op, pair, differentiable=(), label=label)


@register("convolution_weight_gradient")
class ConvolutionWeightGradient(ConvolutionOp):
    """The adjoint of a convolution in its weights.

    `x[N, *spatial, C]`, `g[N, *out, O]` give `w[*kernel, C/groups, O]`: the sum over `n, t` of
    `x[n, t * stride + k * dilation - low, c] * g[n, t, o]` at `[k, c', o]`; 0 for an empty batch.
    Gradients: the adjoint in the image, and the convolution.
    """

    kernel: Ints
    strides: Ints
    padding: Padding
    dilations: Ints
    groups: int = 1
    roles: ClassVar[tuple[str, str, str]] = ("x", "y", "w")

    def infer(self, x: TensorType, g: TensorType) -> TensorType:
        check_factors(self.name, ("x", x), ("g", g))
        check_spatial_rank(self.name, ("x", x), len(self.kernel) + 2)
        check_spatial_rank(self.name, ("g", g), len(self.kernel) + 2)
        per_group = x.shape[-1] // max(self.groups, 1)
        self.check_channels(x.shape[-1], per_group, g.shape[-1])
        out = self.counts(x.shape[1:-1], self.kernel)
        check_sizes(self.name, ("g", g), 0, (x.shape[0], *out), "windows of x")
        return x.with_shape((*self.kernel, per_group, g.shape[-1]))

    def numpy(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        padded, per_group = self.padded(x), x.shape[-1] // self.groups
        width = g.shape[-1] // self.groups
        rows = int(np.prod(self.kernel)) * per_group
        total = np.zeros((self.groups, rows, width), padded.dtype)
        size = window_bytes(g.shape[1:-1], self.kernel, x.shape[-1], padded.dtype)
        for part in chunks(len(x), size):
            patches = self.patches(padded[part], self.kernel)
            total += patches.transpose(0, 2, 1) @ self.by_group(g[part])
        result = total.transpose(1, 0, 2).reshape(*self.kernel, per_group, g.shape[-1])
        return result.astype(x.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x, g), (w,) = inputs, cotangents
        return [
            _input_gradient(self, g, w, x.shape[1:-1]) if context.needs(0) else None,
            _convolution(self, x, w) if context.needs(1) else None,
        ]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        x, g = loads
        *offsets, channel, output = index
        batch, *spatial, channels = x.type.shape
        *out, outputs = g.type.shape[1:]
        source = self.input_channel(channel, output, channels // self.groups, outputs)

        def product(inner: Sequence[Any]) -> Any:
            n, *numbers = inner
            positions = self.seen(numbers, offsets)
            conditions = self.is_inside(tuple(spatial), positions, context.size)
            factor = g([*inner, output])
            return only_where(context, conditions, lambda: x([n, *positions, source]) * factor)

        return context.reduce(find("add"), x.type.dtype, [batch, *out], product)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        per_group = outputs[0].shape[-2]
        return convolution_cost(inputs, outputs, inputs[1], self.kernel, per_group)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, x, w, geometry in cases():
            g = _result_like(x, w, geometry)
            yield Sample(cls(w.shape[:-2], *geometry), (x, g), label=label)
        x, w, geometry = small_case()
        g = _result_like(x, w, geometry)
        n = dims.symbol("n")
        op = cls(w.shape[:-2], *geometry)
        declared = (n, *x.shape[1:]), (n, *g.shape[1:])
        yield Sample(op, (x, g), declared, label="symbolic-batch")
        for small in (np.float16, ml_dtypes.bfloat16):
            pair, label = (x.astype(small), g.astype(small)), np.dtype(small).name
            yield Sample(op, pair, differentiable=(), label=label)


def _convolution(op: ConvolutionOp, x: Any, w: Any) -> Any:
    return x.emit(Convolution(*op.geometry), [x, w])[0]


def _input_gradient(op: ConvolutionOp, g: Any, w: Any, spatial: Shape) -> Any:
    return g.emit(ConvolutionInputGradient(spatial, *op.geometry), [g, w])[0]


def _weight_gradient(op: ConvolutionOp, x: Any, g: Any, kernel: Ints) -> Any:
    return x.emit(ConvolutionWeightGradient(kernel, *op.geometry), [x, g])[0]


def _result_like(x: np.ndarray, w: np.ndarray, geometry: Geometry) -> np.ndarray:
    return result_like(Convolution(*geometry), x, w.shape[:-2], w.shape[-1])


# ------------------------------------------------------------------------------------ constructors


def convolution(
    x: GraphOperand,
    w: GraphOperand,
    strides: Sequence[int] | None = None,
    padding: Sequence[tuple[int, int]] | None = None,
    dilations: Sequence[int] | None = None,
    groups: int = 1,
) -> Any:
    """The convolution `x[N, *spatial, C], w[*kernel, C/groups, O] -> [N, *out, O]`.

    Strides and dilations default to 1, padding to none.
    """
    geometry = _geometry(x.ndim - 2, strides, padding, dilations)
    return x.emit(Convolution(*geometry, groups), [x, w])[0]


def convolution_transpose(
    g: GraphOperand,
    w: GraphOperand,
    spatial: Sequence[Size] | None = None,
    strides: Sequence[int] | None = None,
    padding: Sequence[tuple[int, int]] | None = None,
    dilations: Sequence[int] | None = None,
    groups: int = 1,
) -> Any:
    """The image `[N, *spatial, C]` that `g[N, *out, O]` paints with `w[*kernel, C/groups, O]`.

    Args:
        g: what a convolution of this geometry gives.
        w: the weights of that convolution.
        spatial: its image sizes; the smallest that lead to `out` when None.
        strides: of that convolution; 1 by default.
        padding: of that convolution; none by default.
        dilations: of that convolution; 1 by default.
        groups: of that convolution.
    """
    steps, zeros, gaps = _geometry(g.ndim - 2, strides, padding, dilations)
    if spatial is None:
        axes = zip(g.shape[1:], w.shape, steps, zeros, gaps, strict=False)
        spatial = [(t - 1) * s + d * (k - 1) + 1 - sum(pad) for t, k, s, pad, d in axes]
    return g.emit(ConvolutionInputGradient(tuple(spatial), steps, zeros, gaps, groups), [g, w])[0]


def _geometry(
    rank: int,
    strides: Sequence[int] | None,
    padding: Sequence[tuple[int, int]] | None,
    dilations: Sequence[int] | None,
) -> tuple[Ints, Padding, Ints]:
    ones, zeros = (1,) * rank, ((0, 0),) * rank
    pairs = zeros if padding is None else tuple((low, high) for low, high in padding)
    return (
        ones if strides is None else tuple(strides),
        pairs,
        ones if dilations is None else tuple(dilations),
    )
