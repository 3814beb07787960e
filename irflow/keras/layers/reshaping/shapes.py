"""Layers that give the same elements another shape or order, or repeat them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from irflow import dims
from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import BuiltinLayer, positive


class Flatten(BuiltinLayer):
    """All axes but the batch as one.

    Args:
        data_format: `"channels_first"` moves the channels behind the other axes before.

    Call:
        inputs: `[n, ...]`.

    Returns:
        `[n, features]`; `[n, 1]` for `[n]`.
    """

    config_names = ("data_format",)

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = inp.moveaxis(inputs, 1, -1)
        return inputs.reshape(inputs.shape[0], dims.product(inputs.shape[1:]))


class Reshape(BuiltinLayer):
    """Another shape of each example.

    Args:
        target_shape: without the batch; one size may be -1, or None, for what is left.

    Raises:
        UsageError: more than one size is open.
        ShapeError: in a call, the number of elements differs.
    """

    config_names = ("target_shape",)

    def __init__(self, target_shape: Sequence[int | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(-1 if size is None else int(size) for size in target_shape)
        if self.target_shape.count(-1) > 1 or any(size < -1 for size in self.target_shape):
            raise UsageError("Reshape: one size may be -1", facts=[("given", self.target_shape)])

    def call(self, inputs: Tensor) -> Tensor:
        target: list[dims.Size] = list(self.target_shape)
        count = dims.product(inputs.shape[1:])
        known = math.prod(size for size in self.target_shape if size != -1)
        if isinstance(count, int) and (count % known if -1 in target and known else count != known):
            raise ShapeError(
                f'layer "{self.name}": another number of elements is wanted',
                facts=[("input", inputs.shape), ("target_shape", self.target_shape)],
            )
        if -1 in target:
            target[target.index(-1)] = count // known if known else 0
        return inputs.reshape(inputs.shape[0], *target)


class Permute(BuiltinLayer):
    """The axes of each example in another order.

    Args:
        dims: the numbers of the axes, which begin with 1: the batch stays first.

    Raises:
        UsageError: it is no permutation of 1, 2, …
    """

    config_names = ("dims",)

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise UsageError("Permute: no permutation of 1, 2, …", facts=[("dims", self.dims)])
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Tensor) -> Tensor:
        return inp.transpose(inputs, (0, *self.dims))


class RepeatVector(BuiltinLayer):
    """`[n, features]` as `[n, times, features]`: the same vector at each time.

    Args:
        n: how many times.
    """

    config_names = ("n",)

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive("RepeatVector", "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        batch, features = inputs.shape
        return inp.broadcast_to(inp.expand_dims(inputs, 1), (batch, self.n, features))
