"""Recurrent layers as functions of their weights, in Keras's layout of gates.

A cell takes the input and the state of one step and returns the output and the next state; `rnn`
runs one along the time axis. `simple_rnn`, `lstm` and `gru` multiply all inputs by their kernel at
once, before the loop, with the time axis in front where that moves fewer elements; the bias is
added inside, where it costs no pass over memory. A kernel of None says that the inputs are these
products already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from irflow import control, ops, tree
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.nn.activations import row, sigmoid, tanh

Activation = Callable[[Any], Tensor]
Cell = Callable[[Tensor, Any], tuple[Any, Any]]
Factors = Sequence[TensorLike] | None


@public
def rnn(
    cell: Cell,
    inputs: TensorLike,
    initial_state: Any,
    *,
    mask: TensorLike | None = None,
    reverse: bool = False,
    zero_masked: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """A cell along the time axis.

    Args:
        cell: takes `[n, ...]` of one step and the state, returns an output `[n, ...]` and the next
            state, of the same structure.
        inputs: `[n, time, ...]`.
        initial_state: tensors `[n, ...]` in any nesting.
        mask: Booleans `[n, time]`. Where one is false the state stays, and the output is that of
            the step before, zeros at the start.
        reverse: begin with the last step; the outputs stand in the order they are computed in.
        zero_masked: the output of a masked step is zeros.
        unroll: as of `irf.scan`.

    Returns:
        All outputs `[n, time, ...]`, and the last state.
    """
    steps = _time_first(as_tensor(inputs), reverse)
    return _run(cell, steps, initial_state, mask, reverse, zero_masked, unroll)


def _run(
    cell: Cell,
    steps: Tensor,
    initial_state: Any,
    mask: TensorLike | None = None,
    reverse: bool = False,
    zero_masked: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """`rnn` for inputs in the order of the steps, `[time, n, ...]`."""
    if mask is None:

        def advance(state: Any, x: Tensor) -> tuple[Any, Any]:
            output, following = cell(x, state)
            return following, output

        last, outputs = control.scan(advance, initial_state, steps, unroll=unroll)
        return tree.map_leaves(_time_second, outputs), last

    def advance_masked(carry: Any, step: Any) -> tuple[Any, Any]:
        (x, is_real), (state, before) = step, carry
        output, following = cell(x, state)
        shown = _chosen(
            is_real, output, tree.map_leaves(ops.zeros_like, output) if zero_masked else before
        )
        return (_chosen(is_real, following, state), shown), shown

    example, _ = cell(steps[0], initial_state)
    start = initial_state, tree.map_leaves(ops.zeros_like, example)
    is_real = _time_first(as_tensor(mask), reverse)
    sequences = steps, is_real
    (last, _), outputs = control.scan(advance_masked, start, sequences, unroll=unroll)
    return tree.map_leaves(_time_second, outputs), last


def _time_first(x: Tensor, reverse: bool) -> Tensor:
    moved = ops.moveaxis(x, 1, 0)
    return cast(Tensor, ops.flip(moved, 0) if reverse else moved)


def _time_second(x: Tensor) -> Tensor:
    return cast(Tensor, ops.moveaxis(x, 0, 1))


def _chosen(is_real: Tensor, new: Any, old: Any) -> Any:
    """`new` for the examples that are not masked, else `old`."""

    def choose(a: Tensor, b: Tensor) -> Tensor:
        return row("where", is_real.reshape(is_real.shape[0], *(1,) * (a.ndim - 1)), a, b)

    return tree.map_leaves(choose, new, old)


def _projected(x: TensorLike, kernel: TensorLike | None, bias: TensorLike | None) -> Tensor:
    found = inexact(x) if kernel is None else inexact(x) @ as_tensor(kernel)
    return _biased(found, bias)


def _biased(z: Tensor, bias: TensorLike | None) -> Tensor:
    return z if bias is None else cast(Tensor, z + bias)


def _steps(x: TensorLike, kernel: TensorLike | None, reverse: bool) -> Tensor:
    """The products of all steps, `[time, n, width]`, in the order of the steps."""
    given = inexact(x)
    if kernel is not None and _is_narrow(given, as_tensor(kernel)):
        return _projected(_time_first(given, reverse), kernel, None)
    return _time_first(_projected(given, kernel, None), reverse)


def _is_narrow(x: Tensor, kernel: Tensor) -> bool:
    """Whether the inputs have fewer elements than their products."""
    features, width = x.shape[-1], kernel.shape[-1]
    return isinstance(features, int) and isinstance(width, int) and features <= width


def _recurrent(h: Tensor, kernel: Tensor, bias: TensorLike | None, factors: Factors) -> Tensor:
    """The product of the state with the kernel, where each gate may see the state scaled."""
    if factors is None:
        return _projected(h, kernel, bias)
    parts = zip(factors, ops.split(kernel, len(factors), -1), strict=True)
    products = [cast(Tensor, (h * as_tensor(factor)) @ part) for factor, part in parts]
    found = ops.concatenate(products, h.ndim - 1)
    return cast(Tensor, found if bias is None else found + bias)


# ------------------------------------------------------------------------------------------- cells


@public
def simple_rnn_cell(
    x: TensorLike,
    state: TensorLike,
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    activation: Activation = tanh,
    state_factors: Factors = None,
) -> tuple[Tensor, Tensor]:
    """`h = activation(x kernel + h recurrent_kernel + bias)`, as output and as state.

    Args:
        x: `[n, features]`.
        state: `[n, units]`.
        kernel: `[features, units]`.
        recurrent_kernel: `[units, units]`.
        bias: `[units]`.
        activation: of one tensor.
        state_factors: `[[n, units]]`: what the state is multiplied by in its product, for dropout.
    """
    z = _projected(x, kernel, bias)
    return _simple_step(z, state, recurrent_kernel, activation, state_factors)


def _simple_step(
    z: Tensor,
    h: TensorLike,
    recurrent_kernel: TensorLike,
    activation: Activation,
    factors: Factors,
) -> tuple[Tensor, Tensor]:
    result = activation(z + _recurrent(as_tensor(h), as_tensor(recurrent_kernel), None, factors))
    return result, result


@public
def lstm_cell(
    x: TensorLike,
    state: tuple[TensorLike, TensorLike],
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    activation: Activation = tanh,
    recurrent_activation: Activation = sigmoid,
    state_factors: Factors = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One step of long short-term memory (Hochreiter and Schmidhuber, 1997).

    Args:
        x: `[n, features]`.
        state: output and memory of the step before, `[n, units]` each.
        kernel: `[features, 4 * units]`: input gate, forget gate, candidate, output gate.
        recurrent_kernel: `[units, 4 * units]`.
        bias: `[4 * units]`.
        activation: of the candidate and the memory.
        recurrent_activation: of the gates.
        state_factors: four of `[n, units]`: what the output of the step before is multiplied by
            in the product for each gate, for dropout.

    Returns:
        The output, and the next state.
    """
    activations = activation, recurrent_activation
    z = _projected(x, kernel, bias)
    return _lstm_step(z, state, recurrent_kernel, *activations, state_factors)


def _lstm_step(
    z: Tensor,
    state: tuple[TensorLike, TensorLike],
    recurrent_kernel: TensorLike,
    activation: Activation,
    recurrent_activation: Activation,
    factors: Factors,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    h, c = as_tensor(state[0]), as_tensor(state[1])
    gates = z + _recurrent(h, as_tensor(recurrent_kernel), None, factors)
    i, f, g, o = ops.split(cast(Tensor, gates), 4, -1)
    memory = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
    output = recurrent_activation(o) * activation(memory)
    return output, (output, memory)


@public
def gru_cell(
    x: TensorLike,
    state: TensorLike,
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    *,
    activation: Activation = tanh,
    recurrent_activation: Activation = sigmoid,
    reset_after: bool = True,
    state_factors: Factors = None,
) -> tuple[Tensor, Tensor]:
    """One step of a gated recurrent unit (Cho et al., 2014).

    Args:
        x: `[n, features]`.
        state: `[n, units]`.
        kernel: `[features, 3 * units]`: update gate, reset gate, candidate.
        recurrent_kernel: `[units, 3 * units]`.
        bias: `[3 * units]`, or `[2, 3 * units]` for the input and for the state.
        activation: of the candidate.
        recurrent_activation: of the gates.
        reset_after: whether the state is reset after its product with the kernel, or before.
        state_factors: three of `[n, units]`: what the state is multiplied by in the product for
            each gate, for dropout.

    Returns:
        The output, and the next state, which is the same.
    """
    own, other = _gru_biases(bias)
    z = _projected(x, kernel, own)
    activations = activation, recurrent_activation
    return _gru_step(z, state, recurrent_kernel, other, *activations, reset_after, state_factors)


def _gru_biases(bias: TensorLike | None) -> tuple[Tensor | None, Tensor | None]:
    """The bias of the products with the inputs, and that of the products with the state."""
    if bias is None:
        return None, None
    b = as_tensor(bias)
    return (b[0], b[1]) if b.ndim == 2 else (b, None)


def _gru_step(
    x: Tensor,
    state: TensorLike,
    recurrent_kernel: TensorLike,
    bias: Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    factors: Factors,
) -> tuple[Tensor, Tensor]:
    h, w = as_tensor(state), as_tensor(recurrent_kernel)
    x_update, x_reset, x_new = ops.split(x, 3, -1)
    if reset_after:
        update, reset, new = ops.split(_recurrent(h, w, bias, factors), 3, -1)
        r = recurrent_activation(x_reset + reset)
        candidate = activation(x_new + r * new)
    else:
        units = h.shape[-1]
        first, rest = (None, None) if bias is None else (bias[: 2 * units], bias[2 * units :])
        gates = _recurrent(h, w[:, : 2 * units], first, None if factors is None else factors[:2])
        update, reset = ops.split(gates, 2, -1)
        r = recurrent_activation(x_reset + reset)
        seen = h if factors is None else h * as_tensor(factors[2])
        candidate = activation(x_new + _projected(r * seen, w[:, 2 * units :], rest))
    z = recurrent_activation(x_update + update)
    result = cast(Tensor, z * h + (1 - z) * candidate)
    return result, result


# ------------------------------------------------------------------------------------------ layers


def _zeros(steps: Tensor, recurrent_kernel: TensorLike) -> Tensor:
    return steps.full(0, (steps.shape[1], as_tensor(recurrent_kernel).shape[0]))


@public
def simple_rnn(
    x: TensorLike,
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    initial_state: TensorLike | None = None,
    *,
    activation: Activation = tanh,
    state_factors: Factors = None,
    **loop: Any,
) -> tuple[Tensor, Tensor]:
    """`simple_rnn_cell` along `x[n, time, features]`.

    Returns all outputs and the last state. The state begins with zeros; `loop` are the options
    `mask`, `reverse`, `zero_masked` and `unroll` of `rnn`.
    """
    steps = _steps(x, kernel, loop.get("reverse", False))
    state = _zeros(steps, recurrent_kernel) if initial_state is None else initial_state

    def cell(z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return _simple_step(_biased(z, bias), h, recurrent_kernel, activation, state_factors)

    return _run(cell, steps, state, **loop)


@public
def lstm(
    x: TensorLike,
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    initial_state: tuple[TensorLike, TensorLike] | None = None,
    *,
    activation: Activation = tanh,
    recurrent_activation: Activation = sigmoid,
    state_factors: Factors = None,
    **loop: Any,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`lstm_cell` along `x[n, time, features]`; results and options as of `simple_rnn`."""
    steps = _steps(x, kernel, loop.get("reverse", False))
    zeros, activations = _zeros(steps, recurrent_kernel), (activation, recurrent_activation)
    state = (zeros, zeros) if initial_state is None else tuple(initial_state)

    def cell(z: Tensor, hc: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return _lstm_step(_biased(z, bias), hc, recurrent_kernel, *activations, state_factors)

    return _run(cell, steps, state, **loop)


@public
def gru(
    x: TensorLike,
    kernel: TensorLike | None,
    recurrent_kernel: TensorLike,
    bias: TensorLike | None = None,
    initial_state: TensorLike | None = None,
    *,
    activation: Activation = tanh,
    recurrent_activation: Activation = sigmoid,
    reset_after: bool = True,
    state_factors: Factors = None,
    **loop: Any,
) -> tuple[Tensor, Tensor]:
    """`gru_cell` along `x[n, time, features]`; results and options as of `simple_rnn`."""
    own, other = _gru_biases(bias)
    steps = _steps(x, kernel, loop.get("reverse", False))
    state = _zeros(steps, recurrent_kernel) if initial_state is None else initial_state
    activations = activation, recurrent_activation

    def cell(z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        x = _biased(z, own)
        return _gru_step(x, h, recurrent_kernel, other, *activations, reset_after, state_factors)

    return _run(cell, steps, state, **loop)
