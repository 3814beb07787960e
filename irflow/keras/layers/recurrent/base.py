"""`RecurrentCell`: what the cells of the three recurrent layers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from irflow import nn
from irflow import numpy as inp
from irflow.dims import Size
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.keras import activations
from irflow.keras.layers.builtin import BuiltinLayer, Shape, positive
from irflow.keras.random import SeedGenerator
from irflow.records import dataclass

_WEIGHTS = ("kernel", "recurrent", "bias")
_KINDS = ("initializer", "regularizer", "constraint")
RULES = tuple(f"{weight}_{kind}" for kind in _KINDS for weight in _WEIGHTS)
Factors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Noise:
    """The dropout of one sequence, the same in all its steps.

    Attributes:
        inputs: what the inputs are multiplied by, once for all gates or once for each; or None.
        states: the same for the state in its product.
    """

    inputs: Factors | None = None
    states: Factors | None = None


SILENCE = Noise()


class RecurrentCell(BuiltinLayer):
    """One step of a recurrent layer whose kernels stand side by side, one a gate.

    Args:
        units: the size of the output.
        activation: a name or a function.
        use_bias: whether there is a bias.
        dropout: the rate at which inputs are dropped, the same ones in all steps.
        recurrent_dropout: the rate for the state, in the product with its kernel.
        seed: of the cell's own generator.
        implementation: 1 drops the inputs of each gate by themselves, 2 those of all together.
        rules: the initializers, regularizers and constraints of the three weights, by name.

    Attributes:
        gates: the number of gates.
        step: the function of `irflow.nn` for one step.
        loop: the one for a sequence.

    Raises:
        UsageError: a rate is not in [0, 1], `implementation` is neither 1 nor 2.
    """

    gates: ClassVar[int]
    step: ClassVar[Callable[..., Any]]
    loop: ClassVar[Callable[..., Any]]
    kernel: Any
    recurrent_kernel: Any
    bias: Any
    bias_initializer: Any

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        implementation: int,
        rules: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        self.units = positive(name, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for weight in _WEIGHTS:
            self.settle(weight, *(rules[f"{weight}_{kind}"] for kind in _KINDS))
        for rate in (dropout, recurrent_dropout):
            if not 0 <= rate <= 1:
                raise UsageError(f"{name}: dropout {rate} is not in [0, 1]")
        if implementation not in (1, 2):
            raise UsageError(f"{name}: implementation is 1 or 2, not {implementation!r}")
        self.dropout, self.recurrent_dropout, self.seed = dropout, recurrent_dropout, seed
        self.implementation = 1 if recurrent_dropout and self.gates > 1 else implementation
        if dropout or recurrent_dropout:
            self.seed_generator = SeedGenerator(seed)
        self.noise: Noise | None = None

    @property
    def state_size(self) -> int | list[int]:
        """The size of the state; a list where it has several parts."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def build(self, input_shape: Shape) -> None:
        features = self.known_size(input_shape, -1)
        width = self.gates * self.units
        self.kernel = self.weight((features, width), "kernel")
        self.recurrent_kernel = self.weight(
            (self.units, width), "recurrent", name="recurrent_kernel"
        )
        self.bias = self.first_bias() if self.use_bias else None

    def first_bias(self) -> Variable:
        """The new bias."""
        return self.weight((self.gates * self.units,), "bias")

    def settings(self) -> dict[str, Any]:
        """The keywords of `step` and `loop` that do not change from call to call."""
        return {"activation": self.activation}

    def get_initial_state(self, batch_size: Size) -> list[Tensor]:
        """The state before the first step: zeros `[batch_size, units]`."""
        size = self.state_size
        widths = [size] if isinstance(size, int) else size
        return [inp.zeros((batch_size, width), dtype=self.compute_dtype) for width in widths]

    # ------------------------------------------------------------------------------------ calls

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Any]:
        """One step.

        Args:
            inputs: `[n, features]`.
            states: a list of tensors `[n, units]`, or one of them.
            training: whether to drop elements.

        Returns:
            The output `[n, units]`, and the next states as they were given.
        """
        parts = list(states) if isinstance(states, (list, tuple)) else [states]
        noise = self.noise or self.drawn(inputs.shape[0], training)
        kernel, recurrent_kernel, bias = self.current_weights()
        z = _products(inputs, kernel, noise.inputs)
        options = {**self.settings(), "state_factors": noise.states}
        start = _bare(parts)
        output, last = type(self).step(z, start, None, recurrent_kernel, bias, **options)
        following = _listed(last)
        return output, following if isinstance(states, (list, tuple)) else following[0]

    def along(
        self, sequences: Tensor, states: Sequence[Tensor], training: bool, **loop: Any
    ) -> tuple[Tensor, list[Tensor]]:
        """All steps, the products with the inputs at once.

        Args:
            sequences: `[n, time, features]`.
            states: before the first step.
            training: whether to drop elements.
            **loop: options of `irflow.nn.rnn`.

        Returns:
            All outputs `[n, time, units]`, and the last states.
        """
        noise = self.drawn(sequences.shape[0], training)
        kernel, recurrent_kernel, bias = self.current_weights()
        if noise.inputs is not None:
            inner = tuple(f[:, None] for f in noise.inputs)
            sequences, kernel = _products(sequences, kernel, inner), None
        options = {**self.settings(), "state_factors": noise.states, **loop}
        start = _bare(states)
        outputs, last = type(self).loop(sequences, kernel, recurrent_kernel, bias, start, **options)
        return outputs, _listed(last)

    @property
    def goes_along(self) -> bool:
        """Whether `along` does what `call` does step by step."""
        return type(self).call is RecurrentCell.call

    def current_weights(self) -> list[Any]:
        """Kernel, recurrent kernel and bias in the type of computation."""
        found = (self.kernel, self.recurrent_kernel, self.bias)
        return [w.value.astype(self.compute_dtype) if isinstance(w, Variable) else w for w in found]

    def drawn(self, batch: Size, training: bool) -> Noise:
        """New noise for a batch of sequences; none outside of training."""
        if not training or not (self.dropout or self.recurrent_dropout):
            return SILENCE
        count = self.gates if self.implementation == 1 else 1
        features = self.current_weights()[0].shape[0]
        return Noise(
            self._factors((batch, features), self.dropout, count),
            self._factors((batch, self.units), self.recurrent_dropout, count),
        )

    def _factors(self, shape: tuple[Size, ...], rate: float, count: int) -> Factors | None:
        if not rate:
            return None
        if rate == 1:
            return (inp.zeros(shape, dtype=self.compute_dtype),) * count
        ones = inp.ones(shape, dtype=self.compute_dtype)
        return tuple(nn.dropout(ones, rate, self.seed_generator.next()) for _ in range(count))


def _products(x: Tensor, kernel: Tensor, factors: Factors | None) -> Tensor:
    """`x @ kernel`, with the inputs of all gates, or of each, multiplied by factors before."""
    if factors is None:
        return inp.matmul(x, kernel)
    parts = inp.split(kernel, len(factors), axis=-1)
    products = [inp.matmul(x * f, part) for f, part in zip(factors, parts, strict=True)]
    return products[0] if len(products) == 1 else inp.concatenate(products, axis=-1)


def _bare(states: Sequence[Tensor]) -> Any:
    """States as the functions of `irflow.nn` take them."""
    return states[0] if len(states) == 1 else tuple(states)


def _listed(states: Any) -> list[Tensor]:
    return list(states) if isinstance(states, tuple) else [states]
