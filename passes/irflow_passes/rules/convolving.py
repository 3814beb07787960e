"""Rules for convolutions and their gradients: matrix products where they are such, and padding.

A convolution without overlapping windows, whose window is one element or the whole image, is a
product of matrices: rows of pixels, or of images, by the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

from irflow import dims
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Reshape
from irflow.ops.convolution import (
    Convolution,
    ConvolutionInputGradient,
    ConvolutionWeightGradient,
)
from irflow.ops.convolution_form import ConvolutionOp
from irflow.ops.matmul import Matmul
from irflow.ops.shape import Pad, Slice, Transpose
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import are_static, made_by, uniform

Sizes = Sequence[Size]


def _is_pixel(op: ConvolutionOp, kernel: Sizes) -> bool:
    """Whether every window is one element of an image without padding, whatever the strides."""
    return op.groups == 1 and not any(map(any, op.padding)) and all(size == 1 for size in kernel)


def _is_image(op: ConvolutionOp, kernel: Sizes, spatial: Sizes) -> bool:
    """Whether there is one window, the whole of an image without padding."""
    is_plain = op.groups == 1 and not any(map(any, op.padding))
    return is_plain and tuple(kernel) == tuple(spatial)


def _matrix(build: RuleBuilder, x: Value, columns: int) -> Value:
    """`x` as a matrix whose columns are its last axes, so many."""
    shape = x.type.shape
    split = len(shape) - columns
    return build(Reshape((dims.product(shape[:split]), dims.product(shape[split:]))), x)


def _turned(build: RuleBuilder, matrix: Value) -> Value:
    return build(Transpose((1, 0)), matrix)


def _strided(build: RuleBuilder, x: Value, strides: Sequence[int]) -> Value:
    """Every so manieth pixel."""
    if all(step == 1 for step in strides):
        return x
    shape = x.type.shape
    return build(Slice((0,) * len(shape), shape, (1, *strides, 1)), x)


def _spread(build: RuleBuilder, x: Value, strides: Sequence[int], spatial: Sizes) -> Value:
    """The adjoint of `_strided`: zeros between the pixels and behind the last ones."""
    if all(step == 1 for step in strides):
        return x
    counts = x.type.shape[1:-1]
    ends = [
        size - ((count - 1) * step + 1)
        for size, count, step in zip(spatial, counts, strides, strict=True)
    ]
    low, gaps = (0,) * (len(counts) + 2), (0, *(step - 1 for step in strides), 0)
    zero = build.constant(x.type.dtype.numpy.type(0))
    return build(Pad(low, (0, *ends, 0), gaps), x, zero)


@rewrites(Convolution)
def convolution_to_matmul(node: Node, build: RuleBuilder) -> Value | None:
    """A convolution by a window of one pixel, or of the whole image, is a matrix product."""
    op = node.op
    assert isinstance(op, Convolution)
    x, w = node.inputs
    kernel, spatial = w.type.shape[:-2], x.type.shape[1:-1]
    if _is_pixel(op, kernel):
        rows = _matrix(build, _strided(build, x, op.strides), 1)
    elif _is_image(op, kernel, spatial):
        rows = _matrix(build, x, len(spatial) + 1)
    else:
        return None
    product = build(Matmul(), rows, _matrix(build, w, 1))
    return build(Reshape(node.output.type.shape), product)


@rewrites(ConvolutionInputGradient)
def input_gradient_to_matmul(node: Node, build: RuleBuilder) -> Value | None:
    """The gradient in the image of such a convolution: a product with the weights turned."""
    op = node.op
    assert isinstance(op, ConvolutionInputGradient)
    g, w = node.inputs
    kernel, shape = w.type.shape[:-2], node.output.type.shape
    is_image = _is_image(op, kernel, op.spatial)
    if not is_image and not _is_pixel(op, kernel):
        return None
    weights = _turned(build, _matrix(build, w, 1))
    product = build(Matmul(), _matrix(build, g, 1), weights)
    if is_image:
        return build(Reshape(shape), product)
    seen = build(Reshape((*g.type.shape[:-1], shape[-1])), product)
    return _spread(build, seen, op.strides, op.spatial)


@rewrites(ConvolutionWeightGradient)
def weight_gradient_to_matmul(node: Node, build: RuleBuilder) -> Value | None:
    """The gradient in the weights of such a convolution: the image turned by the gradient."""
    op = node.op
    assert isinstance(op, ConvolutionWeightGradient)
    x, g = node.inputs
    spatial = x.type.shape[1:-1]
    if _is_pixel(op, op.kernel):
        rows = _matrix(build, _strided(build, x, op.strides), 1)
    elif _is_image(op, op.kernel, spatial):
        rows = _matrix(build, x, len(spatial) + 1)
    else:
        return None
    product = build(Matmul(), _turned(build, rows), _matrix(build, g, 1))
    return build(Reshape(node.output.type.shape), product)


def zeros_around(value: Value) -> tuple[Value, tuple[tuple[int, int], ...]] | None:
    """What is padded with zeros along its spatial axes alone, and by how many."""
    inner = made_by(value, Pad)
    if inner is None or uniform(inner[0].inputs[1]) != 0:
        return None
    node, op = inner
    amounts = (*op.low, *op.high)
    if not are_static(amounts) or any(op.interior):
        return None
    if any((op.low[0], op.low[-1], op.high[0], op.high[-1])):
        return None
    pairs = zip(op.low[1:-1], op.high[1:-1], strict=True)
    return node.inputs[0], tuple((int(low), int(high)) for low, high in pairs)


def _padded(op: ConvolutionOp, more: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    pairs = zip(op.padding, more, strict=True)
    return tuple((low + a, high + b) for (low, high), (a, b) in pairs)


@rewrites(Convolution)
def convolution_of_pad(node: Node, build: RuleBuilder) -> Value | None:
    """Zeros around an image are padding of the convolution that sees it."""
    op = node.op
    assert isinstance(op, Convolution)
    found = zeros_around(node.inputs[0])
    if found is None:
        return None
    x, more = found
    made = Convolution(op.strides, _padded(op, more), op.dilations, op.groups)
    return build(made, x, node.inputs[1])


@rewrites(ConvolutionWeightGradient)
def weight_gradient_of_pad(node: Node, build: RuleBuilder) -> Value | None:
    """The same for the gradient in the weights."""
    op = node.op
    assert isinstance(op, ConvolutionWeightGradient)
    found = zeros_around(node.inputs[0])
    if found is None:
        return None
    x, more = found
    padding = _padded(op, more)
    made = ConvolutionWeightGradient(op.kernel, op.strides, padding, op.dilations, op.groups)
    return build(made, x, node.inputs[1])


@rewrites(Slice)
def slice_of_input_gradient(node: Node, build: RuleBuilder) -> Value | None:
    """The inner part of a gradient in an image: what is cut off was padding."""
    assert isinstance(node.op, Slice)
    inner = made_by(node.inputs[0], ConvolutionInputGradient)
    if inner is None or len(node.inputs[0].uses) > 1:
        return None
    producer, op = inner
    start, stop, shape = node.op.start, node.op.stop, node.inputs[0].type.shape
    ends = [size - end for size, end in zip(shape, stop, strict=True)]
    if not are_static((*start, *ends)) or any(step != 1 for step in node.op.step):
        return None
    if any((start[0], start[-1], ends[0], ends[-1])):
        return None
    pairs = zip(start[1:-1], ends[1:-1], strict=True)
    padding = _padded(op, [(int(low), int(high)) for low, high in pairs])
    spatial = node.output.type.shape[1:-1]
    made = ConvolutionInputGradient(spatial, op.strides, padding, op.dilations, op.groups)
    return build(made, *producer.inputs)


RULES = (
    convolution_of_pad,
    weight_gradient_of_pad,
    slice_of_input_gradient,
    convolution_to_matmul,
    input_gradient_to_matmul,
    weight_gradient_to_matmul,
)
