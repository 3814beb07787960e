"""The kinds of steps that scan, sort and search along an axis; see `recipes`.

A permutation jumps where two elements change places, so only what is known exactly is sorted.
"""

from __future__ import annotations

from irflow import ops
from irflow.ops import Handle
from irflow.scalars import find
from irflow.testing.recipes import Choices, Maker, Way, kind


def _sortable(maker: Maker, choices: Choices) -> Handle:
    """A value with axes that is known exactly."""
    return maker.pick(choices, lambda value: value.ndim > 0 and maker.is_exact(value))


@kind(smooth=True)
def running_sum(maker: Maker, choices: Choices) -> None:
    """The sums so far along an axis, from either end."""
    x = maker.pick(choices, lambda value: value.ndim > 0 and value.dtype.kind != "bool")
    axis, is_reversed = choices.below(x.ndim), bool(choices.below(2))
    maker.add(ops.cumulative(find("add"), x, axis, is_reversed))


@kind()
def running(maker: Maker, choices: Choices) -> None:
    """The extremes or products so far along an axis; whether any or all so far of bools."""
    x = maker.pick(choices, lambda value: value.ndim > 0)
    names = ("maximum", "minimum", "multiply")
    if x.dtype.kind == "bool":
        names = ("logical_or", "logical_and", "maximum")
    name, axis, is_reversed = choices.of(names), choices.below(x.ndim), bool(choices.below(2))
    result = ops.cumulative(find(name), x, axis, is_reversed)
    maker.add(result, exact=maker.is_exact(x) and name != "multiply")


@kind(smooth=True)
def recurrence(maker: Maker, choices: Choices) -> None:
    """A linear recurrence along an axis, with factors below 1."""
    x = maker.pick(choices, lambda value: value.dtype.is_float and value.ndim > 0)
    factors = find("tanh")(maker.partner(x, choices))
    axis, is_reversed = choices.below(x.ndim), bool(choices.below(2))
    maker.add(ops.linear_recurrence(factors, x, axis, is_reversed))


@kind()
def sort(maker: Maker, choices: Choices) -> None:
    """Ascending elements along an axis, alone or with another value rearranged alike."""
    x = _sortable(maker, choices)
    axis = choices.below(x.ndim)
    operands = [x]
    if choices.below(2):
        operands.append(maker.like(x, choices, lambda _: True))
    for operand, result in zip(operands, ops.sort(operands, axis), strict=True):
        maker.add(result, exact=maker.is_exact(operand))


@kind()
def argsort(maker: Maker, choices: Choices) -> None:
    """The permutation that sorts along an axis."""
    x = _sortable(maker, choices)
    maker.add(ops.argsort(x, choices.below(x.ndim)))


@kind()
def top_k(maker: Maker, choices: Choices) -> None:
    """The largest elements along the last axis, and where they stand."""
    x = _sortable(maker, choices)
    size = x.shape[-1]
    k = choices.below(min(size, 4) + 1) if isinstance(size, int) else choices.below(2)
    values, places = ops.top_k(x, k)
    maker.add(values, exact=True)
    maker.add(places)


@kind()
def search_sorted(maker: Maker, choices: Choices) -> None:
    """Places in a sequence, which is sorted first, or left as it is."""
    x = _sortable(maker, choices)
    row = ops.reshape(x, (x.type.size,))
    kinds: tuple[Way, ...] = (lambda: ops.sort([row], 0)[0], lambda: row)
    sequence = choices.of(kinds)()
    value = maker.pick(choices, lambda v: v.dtype is x.dtype and maker.is_exact(v))
    maker.add(ops.search_sorted(sequence, value, choices.of(("left", "right"))))
