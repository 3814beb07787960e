"""`TimeDistributed`: a layer applied to every step."""

from __future__ import annotations

from typing import Any

from irflow import numpy as inp
from irflow.control import scan
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor
from irflow.keras.engine.arguments import call_form
from irflow.keras.layers.builtin import Shape
from irflow.keras.layers.core.functions import Lambda
from irflow.keras.layers.core.wrapper import Wrapper
from irflow.keras.layers.layer import Layer
from irflow.keras.layers.normalization.batch import BatchNormalization


class TimeDistributed(Wrapper):
    """A layer on each step of `[n, time, ...]`.

    Layers that treat each example by itself get all steps at once, as `n * time` examples; others,
    such as batch normalization in training, one step after another.

    Args:
        layer: takes `[n, ...]`.

    Call:
        inputs: `[n, time, ...]`.
        mask: Booleans `[n, time, ...]`; the layer gets those of each step, if it takes any.

    Returns:
        `[n, time, ...]`, the results of all steps.

    Raises:
        ShapeError: the input has fewer than three axes, or the mask does not fit it.
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 3:
            raise ShapeError(
                f'layer "{self.name}": [n, time, ...] with three axes or more is wanted',
                facts=[("given", input_shape)],
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        if mask is not None:
            self._check_mask(inputs, mask)
            if "mask" not in call_form(type(self.layer).call).names:
                mask = None
        if all(_is_by_example(layer, training) for layer in self.layer._flatten_layers()):
            return self._at_once(inputs, mask)
        return self._one_by_one(inputs, mask)

    def _at_once(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        batch, time = inputs.shape[:2]
        options = {} if mask is None else {"mask": _joined(mask)}
        found = self.layer(_joined(inputs), **options)
        return found.reshape(batch, time, *found.shape[1:])  # type: ignore[no-any-return]

    def _one_by_one(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        def step(_: None, slices: Any) -> tuple[None, Any]:
            x, *rest = slices
            return None, self.layer(x, **({"mask": rest[0]} if rest else {}))

        given = [inputs] if mask is None else [inputs, mask]
        _, outputs = scan(step, None, [inp.moveaxis(x, 1, 0) for x in given])
        return inp.moveaxis(outputs, 0, 1)

    def _check_mask(self, inputs: Tensor, mask: Tensor) -> None:
        pairs = zip(mask.shape, inputs.shape[:2], strict=False)
        if mask.ndim < 2 or any(
            m != x for m, x in pairs if isinstance(m, int) and isinstance(x, int)
        ):
            raise ShapeError(
                f'layer "{self.name}": a mask [n, time] is wanted',
                facts=[("input", inputs.shape), ("mask", mask.shape)],
            )


def _joined(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _is_by_example(layer: Any, training: bool | None) -> bool:
    """Whether the examples of a batch do not touch each other; own layers might do anything."""
    if isinstance(layer, BatchNormalization):
        return not training
    is_ours = type(layer).__module__.startswith("irflow.keras.")
    return is_ours and not isinstance(layer, Lambda) and not getattr(layer, "stateful", False)
