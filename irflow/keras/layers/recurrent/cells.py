"""The cells: `SimpleRNNCell`, `LSTMCell`, `GRUCell`."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.keras import activations
from irflow.keras.layers.recurrent.base import RULES, RecurrentCell


class SimpleRNNCell(RecurrentCell):
    """`h = activation(x @ kernel + h @ recurrent_kernel + bias)`, as output and as state.

    Args:
        units: the size of the output.
        activation: a name or a function.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, units]`.
        recurrent_initializer: of `recurrent_kernel`, `[units, units]`.
        bias_initializer: of `bias`, `[units]`.
        kernel_regularizer: a term of the loss.
        recurrent_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training.
        recurrent_dropout: the rate for the state.
        seed: of the cell's own generator.

    Call:
        inputs: `[n, features]`.
        states: `[h]`, or `h`, `[n, units]`.

    Returns:
        The output `[n, units]`, and the next states.
    """

    gates = 1
    step, loop = staticmethod(nn.simple_rnn_cell), staticmethod(nn.simple_rnn)
    config_names = (
        "units", "activation", "use_bias", *RULES, "dropout", "recurrent_dropout", "seed",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        rules = {name: given[name] for name in RULES}
        super().__init__(
            units, activation, use_bias, dropout, recurrent_dropout, seed, 2, rules, **kwargs
        )


class LSTMCell(RecurrentCell):
    """One step of long short-term memory.

    Args:
        units: the size of the output and of the memory.
        activation: of the candidate and the memory.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, 4 * units]`: input gate, forget gate,
            candidate, output gate.
        recurrent_initializer: of `recurrent_kernel`, `[units, 4 * units]`.
        bias_initializer: of `bias`, `[4 * units]`.
        unit_forget_bias: whether the bias of the forget gate begins with ones.
        kernel_regularizer: a term of the loss.
        recurrent_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training.
        recurrent_dropout: the rate for the output of the step before, by itself for each gate.
        seed: of the cell's own generator.
        **kwargs: also `implementation`: 1 drops the inputs of each gate by themselves.

    Call:
        inputs: `[n, features]`.
        states: `[h, c]`, output and memory of the step before, `[n, units]` each.

    Returns:
        The output `[n, units]`, and the next states.
    """

    gates = 4
    step, loop = staticmethod(nn.lstm_cell), staticmethod(nn.lstm)
    config_names = (
        "units", "activation", "recurrent_activation", "use_bias", "unit_forget_bias", *RULES,
        "dropout", "recurrent_dropout", "seed", "implementation",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        rules = {name: given[name] for name in RULES}
        number = kwargs.pop("implementation", 2)
        super().__init__(
            units, activation, use_bias, dropout, recurrent_dropout, seed, number, rules, **kwargs
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> list[int]:
        """The sizes of output and memory."""
        return [self.units, self.units]

    def first_bias(self) -> Variable:
        if not self.unit_forget_bias:
            return super().first_bias()
        units, others = self.units, self.bias_initializer

        def initializer(shape: tuple[int, ...], dtype: Any) -> Tensor:
            first, last = (
                others((units,), dtype=dtype),
                others((shape[0] - 2 * units,), dtype=dtype),
            )
            return inp.concatenate([first, inp.ones((units,), dtype=dtype), last])

        return self.weight((4 * units,), "bias", initializer=initializer)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "recurrent_activation": self.recurrent_activation}


class GRUCell(RecurrentCell):
    """One step of a gated recurrent unit.

    Args:
        units: the size of the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, 3 * units]`: update gate, reset gate,
            candidate.
        recurrent_initializer: of `recurrent_kernel`, `[units, 3 * units]`.
        bias_initializer: of `bias`, `[2, 3 * units]`: of the inputs and of the state; `[3 * units]`
            without `reset_after`.
        kernel_regularizer: a term of the loss.
        recurrent_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training.
        recurrent_dropout: the rate for the state, by itself for each gate.
        reset_after: whether the state is reset after its product with the kernel, or before.
        seed: of the cell's own generator.
        **kwargs: also `implementation`: 1 drops the inputs of each gate by themselves.

    Call:
        inputs: `[n, features]`.
        states: `[h]`, or `h`, `[n, units]`.

    Returns:
        The output `[n, units]`, and the next states.
    """

    gates = 3
    step, loop = staticmethod(nn.gru_cell), staticmethod(nn.gru)
    config_names = (
        "units", "activation", "recurrent_activation", "use_bias", *RULES, "dropout",
        "recurrent_dropout", "reset_after", "seed", "implementation",
    )  # fmt: skip

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = locals()
        rules = {name: given[name] for name in RULES}
        number = kwargs.pop("implementation", 2)
        super().__init__(
            units, activation, use_bias, dropout, recurrent_dropout, seed, number, rules, **kwargs
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def first_bias(self) -> Variable:
        width = 3 * self.units
        return self.weight((2, width) if self.reset_after else (width,), "bias")

    def settings(self) -> dict[str, Any]:
        return {
            **super().settings(),
            "recurrent_activation": self.recurrent_activation,
            "reset_after": self.reset_after,
        }
