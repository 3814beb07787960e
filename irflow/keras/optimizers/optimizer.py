"""`Optimizer`: the state of an update rule in variables, and what all rules share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from irflow import control, optim
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import suspended
from irflow.frontend.variable import Variable
from irflow.keras import config as settings
from irflow.keras import initializers
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.stateful import Stateful
from irflow.keras.engine.tracking import held
from irflow.keras.optimizers.options import OPTIONS, check_options, rate_number
from irflow.keras.optimizers.schedules import LearningRateSchedule
from irflow.keras.optimizers.schedules import deserialize as deserialize_schedule
from irflow.keras.optimizers.slots import (
    clipped,
    hyperparameters,
    present,
    state_of,
    state_variable,
    take_step,
)
from irflow.keras.saving import registry

Rate = float | LearningRateSchedule | Callable[[], Any]


class Optimizer(Stateful):
    """Changes variables by their gradients; the base of the optimizers.

    The arithmetic is a rule of `irflow.optim`; an optimizer keeps its state. All methods do the
    same at once and inside a compiled function. One of your own defines `build`, which makes
    variables with `add_variable_from_reference`, and `update_step`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments, which a compiled step
            asks only once.
        weight_decay: with a number, `p -= rate * weight_decay * p` comes before each step.
        clipnorm: the largest Euclidean norm of each gradient.
        clipvalue: the largest size of each element of the gradients.
        global_clipnorm: the largest norm of all gradients together.
        use_ema: whether to keep running means of the variables.
        ema_momentum: their decay.
        ema_overwrite_frequency: after so many steps the variables become their means; by default
            only when `finalize_variable_values` is called, as at the end of `fit`.
        loss_scale_factor: what `scale_loss` multiplies by, and gradients are divided by.
        gradient_accumulation_steps: so many gradients make one step, by their mean.
        name: by default that of the class.
        **kwargs: none is known.

    Raises:
        UsageError: an argument out of its range, two kinds of clipping, or an unknown argument.

    >>> class Descent(Optimizer):
    ...     def update_step(self, gradient, variable, learning_rate):
    ...         self.assign_sub(variable, learning_rate * gradient)
    >>> weight = Variable(1.0)
    >>> Descent(0.5, clipvalue=1.0).apply([3.0], [weight])
    >>> float(weight)
    0.5
    """

    _rule_class: ClassVar[type[optim.Optimizer] | None] = None

    def __init__(
        self,
        learning_rate: Rate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        check_options(type(self).__name__, vars(self), kwargs)
        self.built = False
        self._targets: list[Variable] = []
        self._indices: dict[int, int] = {}
        self._undecayed: tuple[frozenset[int], re.Pattern[str] | None] = (frozenset(), None)
        self._iterations = state_variable(np.int64(0), f"{self.name}/iteration")
        self._learning_rate: Any = learning_rate
        if not callable(learning_rate):
            value = np.asarray(rate_number(learning_rate), settings.floatx())
            self._learning_rate = state_variable(value, f"{self.name}/learning_rate")

    # ------------------------------------------------------------------------------------- state

    @property
    def iterations(self) -> Any:
        """How many steps were taken."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def variables(self) -> list[Variable]:
        """The step count, the learning rate, then what is remembered of each variable."""
        return list(held(self, lambda value: isinstance(value, Variable), _NOT_OWN))

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step; a variable unless it is a schedule or a function."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._iterations.value)
        return rate() if callable(rate) else rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if callable(learning_rate):
            self._learning_rate = learning_rate
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(learning_rate)
        else:
            raise UsageError(
                f"{type(self).__name__}: a learning rate that follows a schedule is not settable",
                facts=[("schedule", type(self._learning_rate).__name__)],
                hint="create the optimizer with a number as learning_rate",
            )

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the state for the variables that are going to be changed; done once."""
        if self.built:
            return
        self._targets = list(variables)
        self._indices = {id(variable): i for i, variable in enumerate(self._targets)}
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._sums = self.add_optimizer_variables(variables, "gradient_accumulator")
        rule = self._rule(0.0)
        if rule is not None:
            self._slots, self._shared = state_of(rule, self._targets, self.name)
        self.built = True

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A variable of the optimizer; keep it in an attribute, or in a list in one."""
        with suspended():
            value = initializers.get(initializer)(tuple(shape), dtype or settings.floatx())
            return Variable(value, f"{self.name}/{name or 'variable'}", trainable=False)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable of the optimizer, of the shape and element type of another."""
        of = f"{reference_variable.name.replace('/', '_')}_{name or 'var'}"
        shape: Any = reference_variable.shape
        return self.add_variable(shape, initializer, reference_variable.dtype, of)

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """A variable for each of those to be changed; with several names as many lists of them."""
        if isinstance(name, str):
            return [
                self.add_variable_from_reference(variable, name, initializer)
                for variable in trainable_variables
            ]
        several = isinstance(initializer, (list, tuple))
        chosen = initializer if several else [initializer] * len(name)
        return tuple(
            self.add_optimizer_variables(trainable_variables, each, first)
            for each, first in zip(name, chosen, strict=True)
        )

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of weight decay.

        Args:
            var_list: these.
            var_names: those whose name has one of these in it, such as `"bias"`.

        Raises:
            UsageError: the optimizer is built already.
        """
        if self.built:
            raise UsageError("exclude_from_weight_decay comes before the optimizer is built")
        names = "|".join(sorted(set(var_names or ())))
        chosen = frozenset(id(variable) for variable in var_list or ())
        self._undecayed = (chosen, re.compile(names) if names else None)

    def _decays(self, variable: Variable) -> bool:
        chosen, names = self._undecayed
        return id(variable) not in chosen and not (names and names.search(variable.name))

    def _decay_of(self, variable: Variable) -> float | None:
        """The weight decay of a variable, where not all have the same."""
        return self.weight_decay

    # ------------------------------------------------------------------------------------- steps

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """One step.

        Args:
            grads_and_vars: pairs of a gradient and a variable.

        Returns:
            The step count.
        """
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """One step.

        Args:
            grads: a gradient for each variable; None where the loss does not depend on it.
            trainable_variables: by default those that the optimizer was built for.

        Raises:
            UsageError: it was built for other variables, there are not as many gradients as
                variables, or all gradients are None.
            ShapeError: a gradient is of another shape than its variable.
        """
        if not len(grads):
            return
        variables = self._known(trainable_variables)
        pairs = present(grads, variables, type(self).__name__)
        slopes = [as_tensor(grad) for grad, _ in pairs]
        if self.loss_scale_factor is not None:
            slopes = [grad / self.loss_scale_factor for grad in slopes]
        changed = [variable for _, variable in pairs]
        if self.gradient_accumulation_steps:
            self._accumulate(slopes, changed, self.gradient_accumulation_steps)
        else:
            self._step(slopes, changed)
        if self.use_ema:
            self._average()
        self._iterations.assign(self._iterations.value + 1)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Change one variable; what an optimizer of your own defines."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_step")

    def assign(self, variable: Variable, value: Any) -> None:
        """Give a variable a value; for `update_step`."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable; for `update_step`."""
        variable.assign(variable.value + value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from a variable; for `update_step`."""
        variable.assign(variable.value - value)

    def scale_loss(self, loss: Any) -> Any:
        """The loss to differentiate; see `loss_scale_factor`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Let variables become their running means, if there are any."""
        if self.use_ema:
            for variable in var_list:
                variable.assign(self._averages[self._get_variable_index(variable)].value)

    def _get_variable_index(self, variable: Variable) -> int:
        return self._indices[id(variable)]

    def _known(self, variables: Sequence[Variable] | None) -> list[Variable]:
        """The variables of a step, for which the optimizer is built from now on."""
        if variables is None:
            if not self.built:
                raise UsageError(
                    f"{type(self).__name__}: without variables the optimizer must be built first",
                    hint="call optimizer.build(variables)",
                )
            return self._targets
        self.build(list(variables))
        for variable in variables:
            if id(variable) not in self._indices:
                raise UsageError(
                    f"{type(self).__name__}: the optimizer was built for other variables",
                    facts=[("variable", variable.name, variable.type)],
                    hint="make a new optimizer for a new set of variables",
                )
        return list(variables)

    def _rule(self, rate: Any) -> optim.Optimizer | None:
        """The rule of `irflow.optim`; None for an optimizer that defines `update_step`."""
        cls = self._rule_class
        if cls is None or type(self).update_step is not Optimizer.update_step:
            return None
        own = {name: getattr(self, name) for name in hyperparameters(cls)}
        make: Callable[..., optim.Optimizer] = cls
        return make(learning_rate=rate, weight_decay=self.weight_decay or 0.0, **own)

    def _step(self, grads: list[Any], variables: list[Variable]) -> None:
        grads = clipped(grads, self.clipnorm, self.global_clipnorm, self.clipvalue)
        rate = as_tensor(self.learning_rate)
        rule = self._rule(rate)
        decays = [self._decays(variable) for variable in variables]
        if rule is None:
            self._step_of_own(grads, variables, rate, decays)
            return
        slots = [self._slots[self._get_variable_index(variable)] for variable in variables]
        step = as_tensor(self.iterations)
        take_step(rule, grads, variables, slots, self._shared, step, decays)

    def _step_of_own(
        self, grads: list[Any], variables: list[Variable], rate: Tensor, decays: list[bool]
    ) -> None:
        for grad, variable, decays_too in zip(grads, variables, decays, strict=True):
            decay, weight = self._decay_of(variable), variable.value
            if decay and decays_too:
                variable.assign(weight - weight * decay * rate.astype(weight.dtype))
            self.update_step(grad, variable, rate)

    def _accumulate(self, grads: list[Any], variables: list[Variable], steps: int) -> None:
        places = [self._sums[self._get_variable_index(variable)] for variable in variables]
        totals = [place.value + grad for place, grad in zip(places, grads, strict=True)]

        def move() -> None:
            self._step([total / steps for total in totals], variables)
            for place in self._sums:
                place.assign(as_tensor(place.value).full(0.0, place.shape))

        def wait() -> None:
            for place, total in zip(places, totals, strict=True):
                place.assign(total)

        control.cond((self._iterations.value + 1) % steps == 0, move, wait)

    def _average(self) -> None:
        """Move the running means, which are the variables themselves after the first step."""
        count = as_tensor(self.iterations)
        for variable, average in zip(self._targets, self._averages, strict=True):
            kept = (count != 0).astype(variable.dtype) * self.ema_momentum
            average.assign(kept * average.value + (1 - kept) * variable.value)
        frequency = self.ema_overwrite_frequency
        if frequency:
            finish = lambda: self.finalize_variable_values(self._targets)  # noqa: E731
            control.cond((count + 1) % frequency == 0, finish, lambda: None)

    # ---------------------------------------------------------------------------- configs, saving

    def get_config(self) -> dict[str, Any]:
        """The arguments of the optimizer, as JSON knows them."""
        rate, of_rule = self._learning_rate, self._rule_class
        names = (*OPTIONS, *(hyperparameters(of_rule) if of_rule else ()))
        is_number = isinstance(rate, Variable)
        return {
            **{name: getattr(self, name) for name in names if name != "learning_rate"},
            "learning_rate": float(rate) if is_number else registry.serialize_keras_object(rate),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """The optimizer, without its state, with the arguments that `get_config` gave."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_schedule(config["learning_rate"], custom_objects)
        return cls(**config)


_NOT_OWN = frozenset({"_targets"})
