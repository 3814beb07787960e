"""The state of optimizers as variables, and the pairs of gradients and variables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from irflow import optim
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import suspended
from irflow.frontend.variable import Variable
from irflow.location import warn


def state_variable(value: Any, name: str) -> Variable:
    """A variable of an optimizer; made in a traced function too, it outlives that."""
    with suspended():
        return Variable(value, name, trainable=False)


def hyperparameters(rule: type[optim.Optimizer]) -> tuple[str, ...]:
    """The attributes of a rule but for those that all rules have."""
    fields = dataclasses.fields(rule)  # type: ignore[arg-type]
    return tuple(f.name for f in fields if f.name not in ("learning_rate", "weight_decay"))


def state_of(
    rule: optim.Optimizer, variables: Sequence[Variable], prefix: str
) -> tuple[list[dict[str, Variable]], dict[str, Variable]]:
    """The slots of each variable, and what they share, as variables."""
    with suspended():
        slots = []
        for variable in variables:
            stem = f"{prefix}/{variable.name.replace('/', '_')}"
            found = rule.slots(variable.value).items()
            slots.append({name: state_variable(value, f"{stem}_{name}") for name, value in found})
        shared = rule.shared(variables[0].dtype).items() if variables else ()
        return slots, {name: state_variable(value, f"{prefix}/{name}") for name, value in shared}


def take_step(
    rule: optim.Optimizer,
    grads: Sequence[Any],
    variables: Sequence[Variable],
    slots: Sequence[Mapping[str, Variable]],
    shared: Mapping[str, Variable],
    step: Tensor,
    decays: Sequence[bool],
) -> None:
    """Assign to variables and their slots what a rule makes of them.

    Args:
        rule: with the learning rate of this step.
        grads: one for each variable.
        variables: to be changed.
        slots: those of each.
        shared: what belongs to none of them.
        step: how many steps were taken before.
        decays: whether weight decay applies to each.
    """
    common = rule.advanced({name: held.value for name, held in shared.items()}, step + 1)
    values = [{name: slot.value for name, slot in own.items()} for own in slots]
    params = [variable.value for variable in variables]
    moved = rule.move_all(params, grads, values, step, common, decays)
    _assign_all(shared, common)
    for variable, own, (value, after) in zip(variables, slots, moved, strict=True):
        variable.assign(value)
        _assign_all(own, after)


def _assign_all(variables: Mapping[str, Variable], values: Mapping[str, Any]) -> None:
    for name, variable in variables.items():
        variable.assign(values[name])


def present(
    grads: Sequence[Any], variables: Sequence[Variable], name: str
) -> list[tuple[Any, Variable]]:
    """The gradients that are not None, with their variables.

    Args:
        grads: one for each variable.
        variables: as many.
        name: of the optimizer, for messages.

    Raises:
        UsageError: there are not as many, or all gradients are None.
        ShapeError: a gradient is of another shape than its variable.
    """
    if len(grads) != len(variables):
        raise UsageError(f"{name}: {len(grads)} gradients for {len(variables)} variables")
    pairs = list(zip(grads, variables, strict=True))
    for grad, variable in pairs:
        if grad is not None and as_tensor(grad).shape != variable.shape:
            raise ShapeError(
                f"{name}: a gradient is of another shape than its variable",
                facts=[
                    ("variable", variable.name, variable.type),
                    ("gradient", "", as_tensor(grad).type),
                ],
            )
    missing = [variable.name for grad, variable in pairs if grad is None]
    if len(missing) == len(pairs):
        raise UsageError(f"{name}: no gradient for any variable")
    if missing:
        warn(f"the loss does not depend on {', '.join(missing)}")
    return [pair for pair in pairs if pair[0] is not None]


def clipped(
    grads: list[Any], norm: float | None, global_norm: float | None, size: float | None
) -> list[Any]:
    """Gradients whose norms, norm of all together, or elements are bounded."""
    bounded: list[Any] = grads
    if norm:
        bounded = optim.clip_by_norm(grads, norm)
    elif global_norm:
        bounded = optim.clip_by_global_norm(grads, global_norm)
    elif size:
        bounded = optim.clip_by_value(grads, size)
    return bounded
