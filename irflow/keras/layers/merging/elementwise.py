"""Inputs joined element by element: sums, products, means, extremes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from itertools import zip_longest

from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import Shape
from irflow.keras.layers.merging.base import Merge
from irflow.nn.activations import row

Masks = Sequence[Tensor | None] | None


class _Elementwise(Merge):
    """The base of these layers; inputs of lower rank get axes of size 1 behind the batch."""

    def check(self, shapes: list[Shape]) -> None:
        for sizes in zip_longest(*(reversed(shape[1:]) for shape in shapes), fillvalue=1):
            if len(set(sizes) - {1, None}) > 1:
                raise self.misfit("the shapes of its inputs do not broadcast", shapes)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        rank = max(x.ndim for x in inputs)
        aligned = [
            x.reshape(x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:]) if x.ndim < rank else x
            for x in inputs
        ]
        return self.join(aligned)

    def join(self, inputs: list[Tensor]) -> Tensor:
        """The result, for inputs of one rank."""
        raise NotImplementedError(f"{type(self).__name__} defines no join")


class Add(_Elementwise):
    """The sum of a list of inputs."""

    def join(self, inputs: list[Tensor]) -> Tensor:
        return reduce(partial(row, "add"), inputs)


class Subtract(_Elementwise):
    """The first of two inputs less the second."""

    def check(self, shapes: list[Shape]) -> None:
        if len(shapes) != 2:
            raise self.misfit("two inputs are wanted", shapes)
        super().check(shapes)

    def join(self, inputs: list[Tensor]) -> Tensor:
        return row("subtract", *inputs)


class Multiply(_Elementwise):
    """The product of a list of inputs.

    Steps of an input that its mask leaves out count as 1; steps that all masks leave out give 0.
    """

    def call(self, inputs: Sequence[Tensor], mask: Masks = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        wide = [_spread(m, x) for m, x in zip(mask, inputs, strict=True)]
        pairs = zip(wide, inputs, strict=True)
        counted = [x if m is None else inp.where(m, x, inp.ones_like(x)) for m, x in pairs]
        product = super().call(counted)
        known = [m for m in wide if m is not None]
        if len(known) < len(wide):
            return product
        return inp.where(reduce(_either, known), product, inp.zeros_like(product))

    def join(self, inputs: list[Tensor]) -> Tensor:
        return reduce(partial(row, "multiply"), inputs)


class Average(_Elementwise):
    """The mean of a list of inputs."""

    def join(self, inputs: list[Tensor]) -> Tensor:
        return row("divide", reduce(partial(row, "add"), inputs), len(inputs))


class _Extreme(_Elementwise):
    """The base of both; steps of an input that its mask leaves out have no part."""

    def call(self, inputs: Sequence[Tensor], mask: Masks = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        result, known = inputs[0], _spread(mask[0], inputs[0])
        for given, given_mask in zip(inputs[1:], mask[1:], strict=True):
            counts = _spread(given_mask, given)
            x = given if counts is None else inp.where(counts, given, result)
            result = result if known is None else inp.where(known, result, x)
            known = None if known is None or counts is None else _either(known, counts)
            result = self.join([result, x])
        return result


class Maximum(_Extreme):
    """The largest of the elements of a list of inputs, place by place."""

    def join(self, inputs: list[Tensor]) -> Tensor:
        return reduce(partial(row, "maximum"), inputs)


class Minimum(_Extreme):
    """The least of the elements of a list of inputs, place by place."""

    def join(self, inputs: list[Tensor]) -> Tensor:
        return reduce(partial(row, "minimum"), inputs)


def _either(mask: Tensor, other: Tensor) -> Tensor:
    return row("logical_or", mask, other)


def _spread(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """A mask of steps as one of the elements of a tensor."""
    return None if mask is None else inp.broadcast_to(inp.expand_dims(mask, -1), x.shape)
