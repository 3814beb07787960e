"""`SimpleRNN`, `LSTM` and `GRU`: the three cells along the time axis."""

from __future__ import annotations

from typing import Any, Self

from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.layers.builtin import described
from irflow.keras.layers.recurrent.base import RULES, RecurrentCell
from irflow.keras.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from irflow.keras.layers.recurrent.rnn import RNN


def _of_cell(name: str) -> Any:
    """A property that is one of the cell."""
    return property(lambda self: getattr(self.cell, name))


class _GatedRNN(RNN):
    """The base of the three: an `RNN` whose arguments are those of its cell as well."""

    cell: RecurrentCell

    def __init__(self, cell: RecurrentCell, **kwargs: Any) -> None:

        super().__init__(cell, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    units = _of_cell("units")
    activation = _of_cell("activation")
    use_bias = _of_cell("use_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")
    dropout = _of_cell("dropout")
    recurrent_dropout = _of_cell("recurrent_dropout")
    seed = _of_cell("seed")

    def get_config(self) -> dict[str, Any]:
        cell = self.cell
        own = {name: described(name, getattr(cell, name)) for name in cell.config_names}
        base = super().get_config()
        del base["cell"]
        return {**base, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that `get_config` describes."""
        return cls(**config)


def _cell_options(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """The arguments of a layer that are for its cell."""
    layer = given["kwargs"]
    own = {name: given[name] for name in (*RULES, *names)}
    more = {name: layer.pop(name) for name in ("implementation",) if name in layer}
    shared = {name: layer[name] for name in ("dtype", "trainable") if name in layer}
    return {**own, **more, **shared}


class SimpleRNN(_GatedRNN):
    """`h = activation(x @ kernel + h @ recurrent_kernel + bias)` along the time axis.

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
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training, the same ones in all steps.
        recurrent_dropout: the rate for the state, in the product with its kernel.
        return_sequences: whether the outputs of all steps are the result, or that of the last.
        return_state: whether the last state follows the result.
        go_backwards: begin with the last step.
        stateful: begin each batch with the last state of the batch before.
        unroll: no loop, but the steps one after another.
        seed: of the dropout.

    Call:
        As of `RNN`; `[n, time, features]`.
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        names = ("activation", "use_bias", "dropout", "recurrent_dropout", "seed")
        cell = SimpleRNNCell(units, name="simple_rnn_cell", **_cell_options(locals(), *names))
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class LSTM(_GatedRNN):
    """Long short-term memory along the time axis (Hochreiter and Schmidhuber, 1997).

    Args:
        units: the size of the output and of the memory.
        activation: of the candidate and the memory.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, 4 * units]`.
        recurrent_initializer: of `recurrent_kernel`, `[units, 4 * units]`.
        bias_initializer: of `bias`, `[4 * units]`.
        unit_forget_bias: whether the bias of the forget gate begins with ones.
        kernel_regularizer: a term of the loss.
        recurrent_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training, the same ones in all steps.
        recurrent_dropout: the rate for the state, in the product with its kernel.
        seed: of the dropout.
        return_sequences: whether the outputs of all steps are the result, or that of the last.
        return_state: whether the last output and the last memory follow the result.
        go_backwards: begin with the last step.
        stateful: begin each batch with the last states of the batch before.
        unroll: no loop, but the steps one after another.
        use_cudnn: taken for Keras's sake.

    Call:
        As of `RNN`; `[n, time, features]`.

    >>> import numpy as np
    >>> LSTM(4)(np.zeros((2, 7, 3), "float32")).shape
    (2, 4)
    """

    recurrent_activation = _of_cell("recurrent_activation")
    unit_forget_bias = _of_cell("unit_forget_bias")

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        names = ("activation", "recurrent_activation", "use_bias", "unit_forget_bias")
        more = ("dropout", "recurrent_dropout", "seed")
        cell = LSTMCell(units, name="lstm_cell", **_cell_options(locals(), *names, *more))
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


class GRU(_GatedRNN):
    """Gated recurrent units along the time axis (Cho et al., 2014).

    Args:
        units: the size of the output.
        activation: of the candidate.
        recurrent_activation: of the gates.
        use_bias: whether there is a bias.
        kernel_initializer: of `kernel`, `[features, 3 * units]`.
        recurrent_initializer: of `recurrent_kernel`, `[units, 3 * units]`.
        bias_initializer: of `bias`, `[2, 3 * units]`, or `[3 * units]` without `reset_after`.
        kernel_regularizer: a term of the loss.
        recurrent_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the result.
        kernel_constraint: what the weight is put through after each step of training.
        recurrent_constraint: the same for the recurrent kernel.
        bias_constraint: the same for the bias.
        dropout: the rate at which inputs are dropped in training, the same ones in all steps.
        recurrent_dropout: the rate for the state, in the product with its kernel.
        seed: of the dropout.
        return_sequences: whether the outputs of all steps are the result, or that of the last.
        return_state: whether the last state follows the result.
        go_backwards: begin with the last step.
        stateful: begin each batch with the last state of the batch before.
        unroll: no loop, but the steps one after another.
        reset_after: whether the state is reset after its product with the kernel, or before.
        use_cudnn: taken for Keras's sake.

    Call:
        As of `RNN`; `[n, time, features]`.
    """

    recurrent_activation = _of_cell("recurrent_activation")
    reset_after = _of_cell("reset_after")

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        names = ("activation", "recurrent_activation", "use_bias", "reset_after")
        more = ("dropout", "recurrent_dropout", "seed")
        cell = GRUCell(units, name="gru_cell", **_cell_options(locals(), *names, *more))
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
