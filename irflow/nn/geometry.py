"""Arguments of layers with spatial axes: numbers an axis, padding, the place of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from irflow import ops
from irflow.dims import Size
from irflow.errors import UndecidableSizeError, UsageError
from irflow.frontend.tensor import Tensor

Padding = str | int | Sequence[int | tuple[int, int]]
"""`"valid"`, `"same"`, `"causal"`, or for each spatial axis a number or `(before, behind)`."""

LAYOUTS = ("channels_last", "channels_first")


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one each."""
    numbers = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(numbers) != rank:
        raise UsageError(
            f"one number, or one for each of {rank} spatial axes is wanted",
            facts=[("given", numbers)],
        )
    return numbers


def pairs(value: int | Sequence[int | tuple[int, int]], rank: int) -> tuple[tuple[int, int], ...]:
    """`(before, behind)` for each spatial axis, from one number or one entry an axis."""
    entries = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(entries) != rank:
        raise UsageError(
            f"one number, or one entry for each of {rank} spatial axes is wanted",
            facts=[("given", entries)],
        )
    return tuple((e, e) if isinstance(e, int) else (int(e[0]), int(e[1])) for e in entries)


def pads(
    padding: Padding,
    spatial: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """The padding of each spatial axis as two numbers."""
    if not isinstance(padding, str):
        return pairs(padding, len(spatial))
    name = padding.lower()
    if name == "valid":
        return ((0, 0),) * len(spatial)
    if name not in ("same", "causal"):
        raise UsageError(
            f"padding {padding!r}",
            facts=[("known", '"valid", "same", "causal" or pairs of numbers')],
        )
    if name == "causal":
        return tuple((d * (int(k) - 1), 0) for k, d in zip(window, dilations, strict=True))
    return tuple(_same(*row) for row in zip(spatial, window, strides, dilations, strict=True))


def _same(size: Size, window: Size, stride: int, dilation: int) -> tuple[int, int]:
    extent = dilation * (int(window) - 1) + 1
    if stride == 1:
        total = extent - 1
    elif isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    else:
        raise UndecidableSizeError(
            'padding "same" with strides depends on the spatial size, which is symbolic',
            facts=[("size", size), ("stride", stride)],
            hint="give the padding as pairs of numbers",
        )
    return total // 2, total - total // 2


def is_channels_last(data_format: str) -> bool:
    """Which of the two layouts; UsageError for the name of another."""
    if data_format not in LAYOUTS:
        raise UsageError(
            f"data_format {data_format!r}", facts=[("known", " or ".join(map(repr, LAYOUTS)))]
        )
    return data_format == LAYOUTS[0]


def channels_last(x: Tensor, data_format: str) -> Tensor:
    """`[n, *spatial, channels]`, whatever the layout."""
    return x if is_channels_last(data_format) else cast(Tensor, ops.moveaxis(x, 1, -1))


def as_given(x: Tensor, data_format: str) -> Tensor:
    """`[n, *spatial, channels]` back in the layout of the operand."""
    return x if is_channels_last(data_format) else cast(Tensor, ops.moveaxis(x, -1, 1))
