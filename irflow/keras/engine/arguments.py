"""How the `call` and `build` of a class are called, read from their signatures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from irflow import tree
from irflow.frontend import Tensor, Variable, asarray
from irflow.keras.dtype_policies import standardize_dtype
from irflow.keras.engine.inference import shapes_of
from irflow.keras.engine.symbolic import KerasTensor
from irflow.records import dataclass


@dataclass(frozen=True)
class CallForm:
    """What `call` takes.

    Attributes:
        names: of its parameters, without `self`.
        has_training: whether one of them is `training`, or it takes any keyword.
        training: the default value of that.
        signature: the whole.
    """

    names: tuple[str, ...]
    has_training: bool
    training: Any
    signature: inspect.Signature


@functools.cache
def call_form(function: Callable[..., Any]) -> CallForm:
    """The form of an unbound `call`."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    signature = signature.replace(parameters=parameters)
    found = signature.parameters.get("training")
    default = None if found is None or found.default is found.empty else found.default
    return CallForm(tuple(p.name for p in parameters), found is not None, default, signature)


@functools.cache
def build_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of an unbound `build`, without `self`."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ("input_shape",)
    return tuple(p.name for p in parameters)


def build_shapes(names: tuple[str, ...], given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `build` for the tensors of a call.

    Args:
        names: the parameters of `build`: one for the shape of the first tensor, or one named
            `x_shape` for each argument `x`.
        given: the arguments of the call by name.
    """
    tensors = {name: value for name, value in given.items() if _has_tensors(value)}
    if len(names) == 1:
        first = next(iter(tensors.values()), None)
        return {names[0]: None if first is None else shapes_of(first)}
    wanted = {name: name.removesuffix("_shape") for name in names}
    return {n: shapes_of(tensors[key]) for n, key in wanted.items() if key in tensors}


def split_arguments(
    form: CallForm, given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by name as `call` takes them: what is `*args` there by position."""
    kinds = {name: p.kind for name, p in form.signature.parameters.items()}
    spread = next((n for n, k in kinds.items() if k is inspect.Parameter.VAR_POSITIONAL), None)
    only = [n for n, k in kinds.items() if k is inspect.Parameter.POSITIONAL_ONLY]
    if spread not in given and not only:
        return (), given
    leading = [n for n in kinds if n in given and kinds[n].value < 2]
    places = tuple(given[n] for n in leading) + tuple(given.get(spread or "", ()))
    return places, {n: v for n, v in given.items() if n not in leading and n != spread}


def _has_tensors(value: Any) -> bool:
    leaves = tree.flatten(value)[0]
    return bool(leaves) and all(isinstance(leaf, (Tensor, KerasTensor)) for leaf in leaves)


def converted(value: Any, dtype: str | None) -> Any:
    """An argument leaf as layers take it: arrays as tensors, floats in the type of computation.

    Args:
        value: a tensor, an array, or anything else, which stays as it is.
        dtype: what floats are cast to; None for as they are.
    """
    if isinstance(value, Variable):
        value = value.value
    elif type(value) is np.ndarray or isinstance(value, np.generic) or _is_table(value):
        value = asarray(value)
    if isinstance(value, KerasTensor):
        return value
    if isinstance(value, Tensor) and dtype is not None and value.dtype.is_float:
        return value if standardize_dtype(value.dtype.name) == dtype else value.astype(dtype)
    return value


def _is_table(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, (Tensor, KerasTensor))


def is_numbers(value: Any) -> bool:
    """Whether nested lists hold only numbers, and so stand for one array."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    leaves = tree.flatten(value)[0]
    return all(type(leaf) in (int, float, bool) or isinstance(leaf, np.generic) for leaf in leaves)
