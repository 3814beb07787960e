"""`StackedRNNCells`: cells one above another, as one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from irflow import numpy as inp
from irflow.dims import Size
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.keras.layers.layer import Layer
from irflow.keras.layers.recurrent.interface import (
    check_cell,
    goes_along,
    initial_state,
    output_size,
)
from irflow.keras.saving import registry


class StackedRNNCells(BuiltinLayer):
    """Cells of which each takes the output of the one before, as one cell.

    Args:
        cells: layers, or other objects with `call` and `state_size`.

    Raises:
        UsageError: one is no cell, or there are none.
    """

    config_names = ("cells",)

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not cells:
            raise UsageError("StackedRNNCells: no cells are given")
        for cell in cells:
            check_cell("StackedRNNCells", cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: Size) -> list[Any]:
        """The states before the first step, one a cell."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: Tensor, states: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        following = []
        for cell, state in zip(self.cells, states, strict=True):
            is_list = isinstance(state, (list, tuple))
            step = cell if callable(cell) else cell.call
            inputs, new = step(inputs, list(state) if is_list else [state])
            is_single = not is_list and isinstance(new, (list, tuple))
            following.append(new[0] if is_single else new)
        return inputs, following

    def along(
        self, sequences: Tensor, states: Sequence[Any], training: bool, **loop: Any
    ) -> tuple[Tensor, list[Any]]:
        """All steps of one cell after another; as `RecurrentCell.along`."""
        following = []
        for cell, state in zip(self.cells, states, strict=True):
            sequences, last = cell.along(sequences, state, training, **loop)
            following.append(last)
            if loop.get("reverse"):  # what comes out stands in the order it was computed in
                mask = loop.get("mask")
                turned = None if mask is None else inp.flip(mask, 1)
                loop = {**loop, "reverse": False, "mask": turned}
        return sequences, following

    @property
    def goes_along(self) -> bool:
        """Whether the cells can go along the whole sequence one after another."""
        return all(goes_along(cell) for cell in self.cells)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The cell, with those inside made from their own configs."""
        made = [registry.deserialize_keras_object(cell) for cell in config["cells"]]
        return cls(**{**config, "cells": made})
