"""Rules for windows: those that do not overlap are moves of elements; zeros around a pooled image.

Windows side by side are blocks of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from irflow.analysis.signs import is_non_negative
from irflow.dims import Size
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Reshape
from irflow.ops.pools import Pool
from irflow.ops.shape import Pad, Slice, Transpose
from irflow.ops.windows import OverlapAdd, Windows
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.convolving import zeros_around


def _are_blocks(op: Windows | OverlapAdd, window: Sequence[Size]) -> bool:
    """Whether each window begins where the one before ends."""
    gaps = zip(window, op.dilations, strict=True)
    return tuple(op.strides) == tuple(window) and all(d == 1 or k == 1 for k, d in gaps)


def _interleaved(rank: int) -> tuple[int, ...]:
    """The axes of `[n, *counts, *window, c]`, each count with its window behind it."""
    pairs = ((1 + axis, 1 + rank + axis) for axis in range(rank))
    return (0, *(axis for pair in pairs for axis in pair), 1 + 2 * rank)


@rewrites(Windows)
def windows_to_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """Windows side by side are a reshape of what they cover."""
    op = node.op
    assert isinstance(op, Windows)
    rank = len(op.window)
    if not _are_blocks(op, op.window):
        return None
    x = node.inputs[0]
    counts = node.output.type.shape[1 : 1 + rank]
    covered = [count * size for count, size in zip(counts, op.window, strict=True)]
    stop = (x.type.shape[0], *covered, x.type.shape[-1])
    seen = build(Slice((0,) * len(stop), stop, (1,) * len(stop)), x)
    pairs = [size for pair in zip(counts, op.window, strict=True) for size in pair]
    blocks = build(Reshape((stop[0], *pairs, stop[-1])), seen)
    order = _interleaved(rank)
    return build(Transpose(tuple(sorted(range(len(order)), key=order.__getitem__))), blocks)


@rewrites(OverlapAdd)
def overlap_add_to_reshape(node: Node, build: RuleBuilder) -> Value | None:
    """Windows side by side are put back by a reshape, with zeros where there were none."""
    op = node.op
    assert isinstance(op, OverlapAdd)
    windows = node.inputs[0].type.shape
    rank = len(op.strides)
    window, counts = windows[1 + rank : 1 + 2 * rank], windows[1 : 1 + rank]
    if not _are_blocks(op, window):
        return None
    covered = [count * size for count, size in zip(counts, window, strict=True)]
    blocks = build(Transpose(_interleaved(rank)), node.inputs[0])
    image = build(Reshape((windows[0], *covered, windows[-1])), blocks)
    shape = node.output.type.shape
    ends = [size - end for size, end in zip(shape[1:-1], covered, strict=True)]
    zeros = (0,) * len(shape)
    zero = build.constant(image.type.dtype.numpy.type(0))
    return build(Pad(zeros, (0, *ends, 0), zeros), image, zero)


@rewrites(Pool)
def pool_of_pad(node: Node, build: RuleBuilder) -> Value | None:
    """Zeros around an image are padding of the pool, where they are no larger than what it sees.

    They add nothing to sums. They are no maxima where nothing is negative and every window reaches
    the image.
    """
    op = node.op
    assert isinstance(op, Pool)
    found = zeros_around(node.inputs[0])
    if found is None or len(node.inputs[0].uses) > 1:
        return None
    x, more = found
    if op.row.name != "add" and not (op.row.name == "maximum" and _is_reached(op, x, more)):
        return None
    pairs = zip(op.padding, more, strict=True)
    padding = tuple((low + a, high + b) for (low, high), (a, b) in pairs)
    return build(replace(op, padding=padding), x)


def _is_reached(op: Pool, x: Value, more: Sequence[tuple[int, int]]) -> bool:
    is_near = all(max(pair) < size for pair, size in zip(more, op.window, strict=True))
    is_plain = all(step == 1 for step in op.dilations) and not any(map(any, op.padding))
    return is_near and is_plain and is_non_negative(x)


RULES = (windows_to_reshape, overlap_add_to_reshape, pool_of_pad)
