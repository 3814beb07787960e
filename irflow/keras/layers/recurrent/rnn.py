"""`RNN`: a cell along the time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from irflow import nn, tree
from irflow import numpy as inp
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor
from irflow.frontend.tracing import suspended
from irflow.frontend.variable import Variable
from irflow.keras.layers.builtin import BuiltinLayer, Shape
from irflow.keras.layers.layer import Layer
from irflow.keras.layers.recurrent.base import RecurrentCell
from irflow.keras.layers.recurrent.interface import check_cell, goes_along, initial_state
from irflow.keras.layers.recurrent.stacked import StackedRNNCells
from irflow.keras.saving import registry

LOOP = (
    "return_sequences", "return_state", "go_backwards", "stateful", "unroll",
    "zero_output_for_mask",
)  # fmt: skip


class RNN(BuiltinLayer):
    """A cell along the time axis of `[n, time, ...]`.

    Args:
        cell: a layer, or another object, with `call(inputs, states)`, which returns the output and
            the next states, and `state_size`, a number or a list of numbers; or a list of cells.
        return_sequences: whether the outputs of all steps are the result, or that of the last.
        return_state: whether the last states follow the result.
        go_backwards: begin with the last step; outputs stand in the order they are computed in.
        stateful: begin each batch with the last states of the batch before.
        unroll: no loop, but the steps one after another; time must be known.
        zero_output_for_mask: the output of a masked step is zeros, else that of the step before.

    Call:
        sequences: `[n, time, ...]`.
        initial_state: states before the first step; zeros by default.
        mask: Booleans `[n, time]`; where one is false the states stay.

    Returns:
        `[n, units]` or `[n, time, units]`; with `return_state` a tuple of that and of each state.

    Raises:
        UsageError: no cell is given.
        ShapeError: a stateful layer does not know the batch, or meets another one.
    """

    config_names = LOOP
    _unseen = BuiltinLayer._unseen | {"states"}

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(type(self).__name__, cell)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.states: list[Any] | None = None

    @property
    def state_size(self) -> list[Any]:
        """The size of each state."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 3:
            raise ShapeError(
                f'layer "{self.name}": [n, time, features] is wanted',
                facts=[("given", input_shape)],
            )
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((input_shape[0], *input_shape[2:]))
            self.cell.built = True
        if self.stateful and self.states is None:
            self.states = self._new_states(input_shape[0])

    def _new_states(self, batch: int | None) -> list[Any]:
        if batch is None:
            raise ShapeError(
                f'layer "{self.name}": stateful=True needs to know the size of the batch',
                hint="give it: Input(batch_shape=(8, None, 3)), or batch_input_shape",
            )
        return tree.map_leaves(  # type: ignore[no-any-return]
            lambda value: Variable(value, name=f"{self.name}/state", trainable=False),
            self.get_initial_state(batch),
        )

    def get_initial_state(self, batch_size: Size) -> list[Any]:
        """The states before the first step."""
        return initial_state(self.cell, batch_size, self.compute_dtype)

    def reset_state(self) -> None:
        """Let a stateful layer begin with zeros again."""
        with suspended():
            for state in tree.flatten(self.states)[0]:
                state.assign(inp.zeros(state.shape, dtype=state.dtype))

    reset_states = reset_state

    # ------------------------------------------------------------------------------------ calls

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        states = self._start(sequences, initial_state)
        loop: dict[str, Any] = {"reverse": self.go_backwards}
        if mask is not None:
            first = tree.flatten(mask)[0][0]
            loop |= {"mask": first.astype("bool"), "zero_masked": self.zero_output_for_mask}
        if self.unroll:
            loop["unroll"] = self._known_time(sequences)
        run = self.cell.along if goes_along(self.cell) else self._step_by_step
        outputs, last = run(sequences, states, training, **loop)
        if self.states is not None:
            self._keep(last)
        result = outputs if self.return_sequences else self._last(outputs, last, loop)
        return (result, *last) if self.return_state else result

    def _start(self, sequences: Tensor, given: Any) -> list[Any]:
        """The states before the first step, in the type of computation."""
        batch = sequences.shape[0]
        if self.states is not None:
            expected = tree.flatten(self.states)[0][0].shape[0]
            if isinstance(batch, int) and batch != expected:
                raise ShapeError(
                    f'layer "{self.name}": a stateful layer takes batches of one size',
                    facts=[("first batch", expected), ("this one", batch)],
                )
        if given is None:
            given = self.get_initial_state(batch) if self.states is None else self.states
        states = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(states) != len(self.state_size):
            raise ShapeError(
                f'layer "{self.name}" has {len(self.state_size)} states,'
                f" and initial_state has {len(states)}"
            )
        return tree.map_leaves(self._current, states)  # type: ignore[no-any-return]

    def _current(self, state: Any) -> Tensor:
        value = state.value if isinstance(state, Variable) else inp.asarray(state)
        return value.astype(self.compute_dtype)

    def _known_time(self, sequences: Tensor) -> bool:
        if not isinstance(sequences.shape[1], int):
            raise ShapeError(
                f'layer "{self.name}": unroll=True needs to know the number of steps',
                facts=[("given", sequences.shape)],
            )
        return True

    def _step_by_step(
        self, sequences: Tensor, states: Any, training: bool, **loop: Any
    ) -> tuple[Any, list[Any]]:
        """The loop with any cell."""
        step = self.cell if callable(self.cell) else self.cell.call

        def advance(x: Tensor, state: Any) -> tuple[Any, Any]:
            output, new = step(x, state)
            return output, list(new) if isinstance(new, (list, tuple)) else [new]

        with self._fixed_noise(sequences.shape[0], training):
            outputs, last = nn.rnn(advance, sequences, states, **loop)
        return outputs, last

    @contextmanager
    def _fixed_noise(self, batch: Size, training: bool) -> Iterator[None]:
        """The cells have the same dropout in all steps."""
        cells = [c for c in _cells(self.cell) if isinstance(c, RecurrentCell)]
        try:
            for cell in cells:
                cell.noise = cell.drawn(batch, training)
            yield
        finally:
            for cell in cells:
                cell.noise = None

    def _last(self, outputs: Tensor, states: Sequence[Any], loop: dict[str, Any]) -> Tensor:
        """The output of the last step; where it is the first state, the outputs are not made."""
        is_state = isinstance(self.cell, RecurrentCell) and goes_along(self.cell)
        if is_state and not loop.get("zero_masked"):
            found: Tensor = states[0]
            return found
        return outputs[:, -1]

    def _keep(self, states: Sequence[Any]) -> None:
        """Remember the last states for the next batch."""
        for variable, state in zip(
            tree.flatten(self.states)[0], tree.flatten(list(states))[0], strict=True
        ):
            variable.assign(state.astype(variable.dtype))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        found = tree.flatten(previous_mask)[0]
        if not found or not self.return_sequences:
            return None
        return [found[0]] if self.return_state else found[0]

    # ---------------------------------------------------------------------------------- configs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": registry.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer, with the cell made from its own config."""
        cell = registry.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


def _cells(cell: Any) -> list[Any]:
    if isinstance(cell, StackedRNNCells):
        return [inner for each in cell.cells for inner in _cells(each)]
    return [cell]
