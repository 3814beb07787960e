"""The arrays of a model by names that tell where they belong, whatever its layers are called.

A weight of the second `Dense` of a model is `dense_1/kernel`, also if the layer has another name:
names of layers are counted up in a process, and would not fit the model of the next one.
"""

from __future__ import annotations

import random as python_random
from collections import Counter
from collections.abc import Mapping
from os import PathLike
from typing import Any, Protocol, TypeVar

import numpy as np

from irflow.errors import ArtifactError, DTypeError
from irflow.frontend import Variable
from irflow.keras import random
from irflow.keras.engine.holder import Holder
from irflow.keras.engine.naming import snake_case
from irflow.keras.engine.tracking import held, is_seed

Path = str | PathLike[str]
SHOWN = 5


class Shaped(Protocol):
    """An array, or one in a file that is not read yet."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...


S = TypeVar("S", bound=Shaped)


def variables_by_path(model: Holder) -> dict[str, Variable]:
    """All weights, and the states of seed generators, each once."""
    found: dict[str, Variable] = {}
    _collect(model, "", found, set())
    return found


def _collect(layer: Holder, prefix: str, found: dict[str, Variable], seen: set[int]) -> None:
    if id(layer) in seen:  # It is shared: its weights stand where it came first.
        return
    seen.add(id(layer))
    counts: Counter[str] = Counter()
    seeds = [seed.state for seed in held(layer, is_seed, layer._unseen)]
    for variable in [*layer._own_variables(), *seeds]:
        if id(variable) not in seen:
            seen.add(id(variable))
            short = variable.name.rpartition("/")[2]
            is_seeds = any(variable is seed for seed in seeds)
            found[prefix + numbered("seed" if is_seeds else short, counts)] = variable
    inside: Counter[str] = Counter()
    for part in layer._layers:
        name = numbered(snake_case(type(part).__name__), inside)
        _collect(part, f"{prefix}{name}/", found, seen)


def numbered(name: str, counts: Counter[str]) -> str:
    """The name with a number, which the first one does not get."""
    counts[name] += 1
    return name if counts[name] == 1 else f"{name}_{counts[name] - 1}"


def weight_arrays(model: Any) -> dict[str, np.ndarray]:
    """The values of `variables_by_path`."""
    return {name: variable.numpy() for name, variable in variables_by_path(model).items()}


def optimizer_variables(model: Any) -> dict[str, Variable]:
    """The optimizer's state by number, which the order of the weights determines.

    None before the first step: a model that is built when it is compiled has more of it then.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return {}
    return {f"optimizer/{number}": v for number, v in enumerate(optimizer.variables)}


def optimizer_arrays(model: Any) -> dict[str, np.ndarray]:
    """The values of `optimizer_variables`."""
    return {name: variable.numpy() for name, variable in optimizer_variables(model).items()}


def random_arrays() -> dict[str, np.ndarray]:
    """The states of Python's, NumPy's and Keras's global generators."""
    _, words, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, python_words, _ = python_random.getstate()
    return {
        "random/numpy": np.array([*words, position, has_gauss], np.uint32),
        "random/numpy_gauss": np.array(gauss, np.float64),
        "random/python": np.array([version, *python_words], np.uint32),
        "random/keras": random.global_seed_generator().state.numpy(),
    }


def restore_random(arrays: Mapping[str, np.ndarray]) -> None:
    """Set the global generators to the states of `random_arrays`.

    Raises:
        ArtifactError: they are no states of generators.
    """
    try:
        *words, position, has_gauss = arrays["random/numpy"].astype(np.uint32).tolist()
        gauss = float(arrays["random/numpy_gauss"])
        version, *python_words = arrays["random/python"].tolist()
        state = ("MT19937", np.array(words, np.uint32), position, has_gauss, gauss)
        before = np.random.get_state()
        np.random.set_state(state)
        try:
            python_random.setstate((version, tuple(python_words), None))
            random.global_seed_generator().state.assign(arrays["random/keras"])
        except Exception:
            np.random.set_state(before)
            raise
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise ArtifactError("the random state is damaged", facts=[("found", str(error))]) from error


def assign(variables: Mapping[str, Variable], arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Give variables the arrays of the same names; all of them, or none.

    Raises:
        ArtifactError: names, shapes or element types differ; nothing has changed then.
    """
    check(variables, arrays, path)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def fitting(
    variables: Mapping[str, Variable], arrays: Mapping[str, S]
) -> tuple[dict[str, Variable], dict[str, S]]:
    """Those of the same names and shapes."""
    fit = [n for n, v in variables.items() if n in arrays and arrays[n].shape == v.shape]
    return {n: variables[n] for n in fit}, {n: arrays[n] for n in fit}


def check(variables: Mapping[str, Variable], arrays: Mapping[str, Shaped], path: Path) -> None:
    """Whether there is an array for each variable, and no other.

    Raises:
        ArtifactError: names, shapes or element types differ.
    """
    wrong = [
        *((name, "of the model is not in the file") for name in variables.keys() - arrays.keys()),
        *((name, "of the file is not in the model") for name in arrays.keys() - variables.keys()),
    ]
    for name in variables.keys() & arrays.keys():
        variable, array = variables[name], arrays[name]
        if variable.shape != array.shape:
            wrong.append((name, f"has shape {variable.shape}, in the file {array.shape}"))
        elif not _is_same_kind(variable, array):
            wrong.append((name, f"holds {variable.dtype}, in the file {array.dtype}"))
    if wrong:
        more = [("…", f"{len(wrong) - SHOWN} more")] if len(wrong) > SHOWN else []
        raise ArtifactError(
            f"{path} is of another architecture", facts=[*sorted(wrong)[:SHOWN], *more]
        )


def _is_same_kind(variable: Variable, array: Shaped) -> bool:
    """Whether it holds floats where the variable does; their width may differ."""
    try:
        kind = np.result_type(array.dtype).kind
    except (TypeError, DTypeError):
        return False
    is_float = kind == "f" or array.dtype.name == "bfloat16"
    return variable.dtype.is_float == is_float
