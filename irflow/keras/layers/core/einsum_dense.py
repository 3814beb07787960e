"""`EinsumDense`: a dense layer whose product is told by an equation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import activations
from irflow.keras.engine.input_spec import InputSpec
from irflow.keras.initializers import VarianceScaling
from irflow.keras.layers.builtin import BuiltinLayer, Shape


class EinsumDense(BuiltinLayer):
    """`activation(einsum(equation, x, kernel) + bias)`.

    Args:
        equation: `"ab,bc->ac"`; with leading axes that stay as `"...a,ab->...b"`, or trailing ones
            as `"ab...,bc->ac..."`.
        output_shape: the sizes of the result without the batch and without what `...` stands for;
            None for a size that the input tells.
        activation: a name or a function; none by default.
        bias_axes: the letters of the result that the bias has; no bias by default.
        kernel_initializer: of `kernel`.
        bias_initializer: of `bias`.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        kernel_constraint: what the weight is put through after each step.
        bias_constraint: the same for the bias.

    Raises:
        UsageError: the equation has another form.
        ShapeError: the sizes do not fit the equation.
    """

    config_names = (
        "equation", "output_shape", "activation", "bias_axes", "kernel_initializer",
        "bias_initializer", "kernel_regularizer", "bias_regularizer", "kernel_constraint",
        "bias_constraint",
    )  # fmt: skip
    kernel_initializer: Any

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation.replace(" ", "")
        _terms(self.equation)
        self.output_shape = (
            (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.settle("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.settle("bias", bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: Shape) -> None:
        given, kernel, result = _terms(self.equation)
        known = self._letters(input_shape, given, result)
        shape = [self._size(known, letter) for letter in kernel]
        self.kernel = self.weight(
            shape, "kernel", initializer=_directed(self.kernel_initializer, kernel, result)
        )
        self.bias = None
        if self.bias_axes:
            behind = len(input_shape) - len(given.replace("...", "")) if result[-1] == "." else 0
            self.bias = self.weight([*self._bias_shape(known, result), *(1,) * behind], "bias")
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        result = inp.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            result = result + self.bias
        return self.activation(result)  # type: ignore[no-any-return]

    def _letters(self, input_shape: Shape, given: str, result: str) -> dict[str, int | None]:
        """The size of each letter: those of the result as wanted, checked against the input's."""
        more = len(input_shape) - len(given.replace("...", ""))
        is_led = given.startswith("...")
        if more < 0 or (more and "..." not in given):
            raise self._misfit("the rank of the input", input_shape)
        sizes = input_shape[more:] if is_led else input_shape[: len(input_shape) - more]
        known = dict(zip(given.replace("...", ""), sizes, strict=True))
        letters = result.replace("...", "")
        if not is_led or not more:  # the first letter is the batch, which is not told
            letters = letters[1:]
        if len(letters) != len(self.output_shape):
            raise self._misfit("the number of sizes in output_shape", self.output_shape)
        for letter, wanted in zip(letters, self.output_shape, strict=True):
            if wanted is None or known.get(letter) == wanted:
                continue
            if known.get(letter) is not None:
                raise self._misfit(f"the size of {letter!r}", input_shape)
            known[letter] = wanted
        return known

    def _size(self, known: dict[str, int | None], letter: str) -> int:
        size = known.get(letter)
        if size is None:
            raise self._misfit(f"an unknown size {letter!r}", self.output_shape)
        return size

    def _bias_shape(self, known: dict[str, int | None], result: str) -> list[int]:
        """The sizes of the letters of the bias, with ones in between."""
        letters = result.replace("...", "")
        axes = self.bias_axes or ""
        for letter in axes:
            if letter not in letters:
                raise self._misfit(f"the bias axis {letter!r}", self.output_shape)
        first = min(letters.index(letter) for letter in axes)
        return [self._size(known, c) if c in axes else 1 for c in letters[first:]]

    def _misfit(self, what: str, given: object) -> ShapeError:
        return ShapeError(
            f'layer "{self.name}": {what} does not fit the equation',
            facts=[("equation", self.equation), ("given", given)],
        )


def _terms(equation: str) -> tuple[str, str, str]:
    """The letters of the input, the kernel and the result."""
    inputs, arrow, result = equation.partition("->")
    given, comma, kernel = inputs.partition(",")
    has_dots = ["..." in term for term in (given, result)]
    if not arrow or not comma or has_dots[0] != has_dots[1] or not kernel.isalpha():
        raise UsageError(
            f"EinsumDense: equation {equation!r}",
            facts=[("known forms", '"ab,bc->ac", "...a,ab->...b", "ab...,bc->ac..."')],
        )
    return given, kernel, result


def _directed(initializer: Any, kernel: str, result: str) -> Any:
    """The initializer with the axes of the kernel that are inputs and outputs."""
    if not isinstance(initializer, VarianceScaling) or initializer.input_axes is not None:
        return initializer
    config = {**initializer.get_config(), "seed": initializer.seed}
    config["input_axes"] = [i for i, letter in enumerate(kernel) if letter not in result]
    config["output_axes"] = [i for i, letter in enumerate(kernel) if letter in result]
    return type(initializer).from_config(config)
