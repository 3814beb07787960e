"""Steps for matrices along the nearest orthogonal one, and Adam's for everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from irflow import numpy as inp
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.keras.optimizers.optimizer import Optimizer, Rate
from irflow.keras.optimizers.options import check_range
from irflow.nn.activations import row

_OWN = (
    "adam_beta_1", "adam_beta_2", "adam_weight_decay", "epsilon", "exclude_layers",
    "exclude_embeddings", "muon_a", "muon_b", "muon_c", "adam_lr_ratio", "momentum", "ns_steps",
    "nesterov", "rms_rate",
)  # fmt: skip
_LEAST_NORM = 1e-7


class Muon(Optimizer):
    """Muon: the momentum of a matrix, with all its singular values made about 1, is the step.

    Newton and Schulz's iteration `x = a x + (b s + c s s) x` with `s = x xᵀ` does that without a
    decomposition. Vectors, scalars, arrays of more axes, embeddings and the layers that are
    excluded take Adam's steps; the last layer of a classifier should be among these.

    Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024;
    Liu et al., "Muon is scalable for LLM training", 2025.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        adam_beta_1: decay of Adam's mean.
        adam_beta_2: decay of Adam's mean of squares.
        adam_weight_decay: the weight decay of what takes Adam's steps.
        epsilon: is added to the root of Adam's mean of squares.
        weight_decay: that of matrices.
        clipnorm, …, name: see `Optimizer`.
        exclude_layers: patterns; weights with one of them in their name take Adam's steps.
        exclude_embeddings: whether weights with "embedding" in their name do so as well.
        muon_a: the factor of `x` in the iteration.
        muon_b: the factor of `s x`.
        muon_c: the factor of `s s x`.
        adam_lr_ratio: what the learning rate is multiplied by for Adam's steps.
        momentum: decay of the momentum.
        ns_steps: how often the iteration is applied.
        nesterov: whether the step looks ahead along the momentum.
        rms_rate: the root mean square of steps by their rate, as Adam's are; None for steps as the
            iteration gives them.

    Raises:
        UsageError: an argument out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov = momentum, ns_steps, nesterov
        self.exclude_layers, self.exclude_embeddings = (
            list(exclude_layers or ()),
            exclude_embeddings,
        )
        self.rms_rate = rms_rate
        for argument in ("adam_beta_1", "adam_beta_2", "momentum"):
            check_range("Muon", argument, getattr(self, argument), 0, 1)

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._slots = []
        for variable in variables:
            names = ("momentum", "velocity") if self._takes_adam(variable) else ("momentum",)
            self._slots.append(
                {name: self.add_variable_from_reference(variable, name) for name in names}
            )

    def _takes_adam(self, variable: Variable) -> bool:
        patterns = [*self.exclude_layers, *(["(?i)embedding"] if self.exclude_embeddings else [])]
        is_excluded = any(re.search(pattern, variable.name) for pattern in patterns)
        return len(variable.shape) != 2 or is_excluded

    def _decay_of(self, variable: Variable) -> float | None:
        return self.adam_weight_decay if self._takes_adam(variable) else self.weight_decay

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        slots = self._slots[self._get_variable_index(variable)]
        rate = learning_rate.astype(variable.dtype)
        if "velocity" in slots:
            self._adam(gradient, variable, rate * self.adam_lr_ratio, **slots)
        else:
            self._muon(gradient, variable, rate, slots["momentum"])

    def _muon(self, g: Any, variable: Variable, rate: Any, momentum: Variable) -> None:
        after = momentum.value * self.momentum + g
        momentum.assign(after)
        step = rate * self._orthogonal(g + after * self.momentum if self.nesterov else after)
        if self.rms_rate is not None:
            rows, columns = variable.type.static_shape
            step = step * (max(rows, columns) ** 0.5 * self.rms_rate)
        self.assign_sub(variable, step)

    def _orthogonal(self, x: Tensor) -> Tensor:
        """A matrix with its singular values moved to about 1; the shorter side goes first."""
        rows, columns = x.type.static_shape
        x = x.T if rows > columns else x
        x = x / (row("sqrt", inp.sum(x * x)) + _LEAST_NORM)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = x * self.muon_a + (square * self.muon_b + (square * self.muon_c) @ square) @ x
        return x.T if rows > columns else x

    def _adam(
        self, g: Any, variable: Variable, rate: Any, momentum: Variable, velocity: Variable
    ) -> None:
        count = as_tensor(self.iterations).astype(variable.dtype) + 1
        scale = row("sqrt", 1 - self.adam_beta_2**count) / (1 - self.adam_beta_1**count)
        self.assign_add(momentum, (g - momentum.value) * (1 - self.adam_beta_1))
        self.assign_add(velocity, (g * g - velocity.value) * (1 - self.adam_beta_2))
        change = momentum.value * (rate * scale) / (row("sqrt", velocity.value) + self.epsilon)
        self.assign_sub(variable, change)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in _OWN}}
