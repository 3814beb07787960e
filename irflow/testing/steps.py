"""The kinds of steps that random graphs are made of, over all ops.

Each takes operands that fit from the graph under construction and adds its results; see `recipes`.
"""

from __future__ import annotations

import numpy as np

from irflow import dtypes, ops
from irflow.ir.op import OPS
from irflow.ops import Handle
from irflow.ops.regions import StopGradient
from irflow.scalars import find
from irflow.testing.recipes import DTYPES, Choices, Maker, Unfit, Way, kind

# -------------------------------------------------------------------------------- moving elements


def _moved(maker: Maker, x: Handle, result: Handle) -> None:
    maker.add(result, exact=maker.is_exact(x))


@kind(smooth=True)
def transpose(maker: Maker, choices: Choices) -> None:
    """Axes in another order."""
    x = maker.pick(choices, lambda value: value.ndim > 1)
    axes = list(range(x.ndim))
    turned = choices.below(x.ndim - 1) + 1
    _moved(maker, x, ops.transpose(x, choices.of([axes[turned:] + axes[:turned], axes[::-1]])))


@kind(smooth=True)
def reshape(maker: Maker, choices: Choices) -> None:
    """Two axes merged, an axis of size 1 added, or all elements in one row."""
    x = maker.any(choices)
    shapes = [(*x.shape[:i], 1, *x.shape[i:]) for i in range(x.ndim + 1)]
    shapes += [
        (*x.shape[:i], x.shape[i] * x.shape[i + 1], *x.shape[i + 2 :]) for i in range(x.ndim - 1)
    ]
    shapes.append((x.type.size,))
    _moved(maker, x, ops.reshape(x, choices.of(shapes)))


@kind(smooth=True)
def slice_(maker: Maker, choices: Choices) -> None:
    """Part of an axis, with steps or reversed."""
    x = maker.pick(choices, lambda value: any(isinstance(s, int) for s in value.shape))
    axis = choices.of([a for a, s in enumerate(x.shape) if isinstance(s, int)])
    size = int(x.shape[axis])
    start = choices.below(size + 1)
    kinds: tuple[Way, ...] = (
        lambda: ops.slice_axis(x, axis, start, size),
        lambda: ops.slice_axis(x, axis, 0, start),
        lambda: ops.slice_axis(x, axis, 0, size, 2),
        lambda: ops.slice_axis(x, axis, start, size, 3),
    )
    _moved(maker, x, choices.of(kinds)())


@kind(smooth=True)
def reverse(maker: Maker, choices: Choices) -> None:
    """The opposite order along one axis or all."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    axis = choices.below(x.ndim + 1)
    _moved(maker, x, ops.flip(x, None if axis == x.ndim else axis))


@kind(smooth=True)
def pad(maker: Maker, choices: Choices) -> None:
    """A border along one axis, or a gap between elements."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    axis, fill = choices.below(x.ndim), choices.of((0, 1))
    low, high, gap = choices.of(((1, 0, 0), (0, 2, 0), (1, 1, 1)))

    def at(value: int) -> list[int]:
        return [value if a == axis else 0 for a in range(x.ndim)]

    _moved(maker, x, ops.pad(x, at(low), at(high), at(gap), x.full(fill, ())))


@kind(smooth=True)
def concatenate(maker: Maker, choices: Choices) -> None:
    """Two values joined, or one with itself."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    y = maker.like(x, choices, lambda value: value.dtype is x.dtype)
    maker.add(ops.concatenate([x, y], choices.below(x.ndim)), exact=maker.is_exact(x, y))


@kind(smooth=True)
def repeat(maker: Maker, choices: Choices) -> None:
    """Elements repeated along a new axis or an old one."""
    x = maker.any(choices)
    axis = choices.below(x.ndim + 1)
    rest = [a for a in range(x.ndim + 1) if a != axis]
    kinds: list[Way] = [lambda: ops.broadcast(x, (*x.shape[:axis], 2, *x.shape[axis:]), rest)]
    if axis < x.ndim:
        kinds.append(lambda: ops.repeat(x, 2, axis))
        kinds.append(lambda: ops.tile(x, [3 if a == axis else 1 for a in range(x.ndim)]))
    _moved(maker, x, choices.of(kinds)())


# ------------------------------------------------------------------------ reductions and products


@kind(smooth=True)
def sum_(maker: Maker, choices: Choices) -> None:
    """A sum along one axis, or all."""
    x = maker.number(choices)
    axis = choices.below(x.ndim + 1)
    maker.add(ops.reduce_sum(x, range(x.ndim) if axis == x.ndim else [axis]))


@kind()
def reduce(maker: Maker, choices: Choices) -> None:
    """The largest, smallest, or product along an axis; any or all of bools."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    names = ("maximum", "minimum", "multiply")
    if x.dtype.kind == "bool":
        names = ("logical_or", "logical_and", "maximum")
    name = choices.of(names)
    result = ops.reduce(find(name), x, [choices.below(x.ndim)])
    maker.add(result, exact=maker.is_exact(x) and name != "multiply")


@kind()
def argreduce(maker: Maker, choices: Choices) -> None:
    """The position of the largest or smallest along an axis that is not empty."""
    x = maker.pick(choices, lambda value: value.ndim > 0 and maker.is_exact(value))
    axis = choices.of([a for a, size in enumerate(x.shape) if size != 0])
    maker.add(choices.of((ops.argmax, ops.argmin))(x, axis))


@kind(smooth=True)
def statistics(maker: Maker, choices: Choices) -> None:
    """Composites of reductions along the last axis: softmax and its like."""
    x = maker.pick(choices, lambda v: v.dtype.is_float and v.ndim > 0 and v.shape[-1] != 0)
    kinds: tuple[Way, ...] = (
        lambda: ops.softmax(x, -1),
        lambda: ops.mean(x, [x.ndim - 1]),
        lambda: ops.logsumexp(x, -1),
        lambda: ops.log_softmax(x, -1),
        lambda: ops.variance(x, [x.ndim - 1]),
    )
    maker.add(choices.of(kinds)())


@kind(smooth=True)
def matmul(maker: Maker, choices: Choices) -> None:
    """A matrix with its own transpose, or with another one that fits."""
    x = maker.pick(choices, lambda value: value.dtype.is_float and value.ndim > 1)

    def fits(value: Handle) -> bool:
        is_alike = value.dtype is x.dtype and value.ndim == x.ndim
        return is_alike and value.shape[:-2] == x.shape[:-2] and value.shape[-2] == x.shape[-1]

    others = [value for value in maker.values if fits(value)]
    maker.add(ops.matmul(x, choices.of([ops.matrix_transpose(x), *others])))


def _image(maker: Maker, choices: Choices) -> Handle:
    """A float value `[N, size, C]` with two places or more."""

    def fits(x: Handle) -> bool:
        is_image = x.dtype.is_float and x.ndim == 3
        return is_image and isinstance(x.shape[1], int) and x.shape[1] > 1

    return maker.pick(choices, fits)


@kind(smooth=True)
def average_pool(maker: Maker, choices: Choices) -> None:
    """The mean in windows of two."""
    x, stride = _image(maker, choices), choices.of((1, 2))
    maker.add(ops.avg_pool(x, (2,), (stride,), choices.of((None, ((1, 0),)))))


@kind()
def max_pool(maker: Maker, choices: Choices) -> None:
    """The largest in windows of two."""
    x, stride = _image(maker, choices), choices.of((1, 2))
    result = ops.max_pool(x, (2,), (stride,), choices.of((None, ((1, 0),))))
    maker.add(result, exact=maker.is_exact(x))


@kind(smooth=True)
def overlapping(maker: Maker, choices: Choices) -> None:
    """Windows taken and added up again: every element times the number of its windows."""
    x, strides = _image(maker, choices), choices.of(((1,), (2,)))
    taken = ops.windows(x, (2,), strides)
    maker.add(ops.overlap_add(taken, (x.shape[1],), (2,), strides))


@kind(smooth=True)
def convolution(maker: Maker, choices: Choices) -> None:
    """A convolution with constant weights, strided, padded, or transposed."""
    x = _image(maker, choices)
    channels = x.shape[2]
    if not isinstance(channels, int):
        raise Unfit
    shape = (2, channels, choices.of((1, 3)))
    weights = x.constant(np.cos(np.arange(np.prod(shape))).reshape(shape).astype(x.dtype.numpy))
    stride, padding = choices.of(((1, (0, 0)), (2, (1, 0)), (1, (0, 1))))
    maker.add(ops.convolution(x, weights, (stride,), (padding,)))


# ---------------------------------------------------------------------------------- indexing


@kind(smooth=True)
def take(maker: Maker, choices: Choices) -> None:
    """Elements at computed positions, which may lie outside."""
    indices = maker.pick(choices, lambda value: value.dtype.is_integer)
    x = maker.pick(choices, lambda value: value.ndim > 0 and value.shape[0] != 0)
    if choices.below(2):
        _moved(maker, x, ops.take(x, indices, 0))
    else:
        _moved(maker, x, ops.gather(x, ops.expand_dims(indices, -1)))


@kind(smooth=True)
def scatter(maker: Maker, choices: Choices) -> None:
    """Elements put or added at computed positions; those outside are dropped."""
    indices = maker.pick(choices, lambda value: value.dtype.is_integer and value.ndim < 3)
    x = maker.pick(choices, lambda v: v.ndim > 0 and v.shape[0] != 0 and v.dtype.kind != "bool")
    places = ops.expand_dims(indices, -1)
    mode = choices.of(("add", "set"))
    updates = ops.gather(x, places) * choices.of((2, 1, 3))
    result = ops.scatter(x, places, updates, mode)
    maker.add(result, exact=mode == "set" and maker.is_exact(x) and not x.dtype.is_float)


@kind(smooth=True)
def window_at(maker: Maker, choices: Choices) -> None:
    """A block at a computed place, read or overwritten."""
    x = maker.pick(
        choices,
        lambda v: v.ndim > 0 and all(isinstance(size, int) and size > 0 for size in v.shape),
    )
    index = maker.pick(choices, lambda value: value.dtype.is_integer)
    start = ops.convert(ops.reduce(find("maximum"), index, range(index.ndim)), dtypes.i64)
    starts = ops.broadcast(start, (x.ndim,), ())
    block = ops.dynamic_slice(x, starts, [(int(size) + 1) // 2 for size in x.shape])
    if choices.below(2):
        _moved(maker, x, block)
    else:
        _moved(maker, x, ops.dynamic_update_slice(x, block, ops.flip(starts)))


@kind()
def one_hot(maker: Maker, choices: Choices) -> None:
    """Indices as rows of zeros and a one."""
    indices = maker.pick(choices, lambda value: value.dtype.is_integer)
    maker.add(ops.one_hot(indices, choices.of((3, 4))), exact=True)


# ------------------------------------------------------------------------- sources and structure


@kind()
def constant(maker: Maker, choices: Choices) -> None:
    """A constant of some shape."""
    dtype = dtypes.parse(choices.of(DTYPES))
    shape = choices.of(((), (3,), (2, 3), (4, 4), (1,), (0, 3)))
    count = int(np.prod(shape))
    array = (
        ((np.arange(count) * 7 + choices.below(16)) % 5 - 1.5).reshape(shape).astype(dtype.numpy)
    )
    maker.add(Handle(maker.builder, maker.graph.inputs[0]).constant(array), exact=True)


@kind()
def positions(maker: Maker, choices: Choices) -> None:
    """The index along an axis, or the value of a size."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    axis, dtype = choices.below(x.ndim), choices.of((dtypes.i64, dtypes.f32, dtypes.i32))
    if choices.below(2):
        maker.add(ops.size_of(x, x.shape[axis], dtype), exact=True)
    else:
        maker.add(ops.iota(x, x.shape, axis, dtype), exact=True)


@kind()
def random(maker: Maker, choices: Choices) -> None:
    """Random bits in the shape of a value, as integers or as floats below 1."""
    if "random_bits" not in OPS:
        raise Unfit
    x = maker.any(choices)
    key, counter = (x.constant(np.array([choices.below(16), i], np.uint32)) for i in range(2))
    (bits,) = x.emit(OPS["random_bits"](x.shape), [key, counter])  # type: ignore[call-arg]
    if choices.below(2):
        maker.add(bits)
    else:
        maker.add(ops.convert(bits >> 8, dtypes.f32) * 2.0**-24, exact=True)


@kind(smooth=True)
def again(maker: Maker, choices: Choices) -> None:
    """A node that stands in the graph already, once more."""
    value = maker.pick(choices, lambda handle: handle.value.node is not None)
    node = value.value.node
    assert node is not None
    copies = maker.builder.emit(node.op, node.inputs, [region.copy() for region in node.regions])
    maker.add(Handle(maker.builder, copies[value.value.index]), exact=maker.is_exact(value))


@kind()
def stop(maker: Maker, choices: Choices) -> None:
    """A value that hides its derivative, or that passes must not merge with its operand."""
    x = maker.float(choices)
    kinds: tuple[Way, ...] = (
        lambda: x.emit(StopGradient(), [x])[0],
        lambda: ops.optimization_barrier(x, maker.any(choices)),
    )
    _moved(maker, x, choices.of(kinds)())
