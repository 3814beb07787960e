"""Settings and targets that belong to the outputs of a model, put in the order of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import numpy as inp
from irflow import tree
from irflow.errors import TreeError


def output_names(y_pred: Any, names: Sequence[str] | None) -> list[str]:
    """A name for each output: the keys of a dict, the names of the layers, or numbers."""
    leaves, structure = tree.flatten(y_pred)
    if structure.kind == "dict" and len(leaves) == len(structure.keys):
        return [str(key) for key in structure.keys]
    if names is not None and len(names) == len(leaves):
        return list(names)
    return [f"output_{i}" for i in range(len(leaves))]


def by_output(
    given: Any, y_pred: Any, names: Sequence[str] | None, what: str, is_leaf: bool = False
) -> list[Any]:
    """One entry an output, from a list, or a dict by names or keys; None for missing ones.

    Args:
        given: the entries; for one output, the entry itself will do.
        y_pred: the outputs.
        names: of the outputs.
        what: they are, for messages.
        is_leaf: whether a list or dict that does not fit is one entry for the only output.

    Raises:
        TreeError: another number of entries, or an unknown name.
    """
    keys = output_names(y_pred, names)
    known = {key: i for i, key in enumerate(names or keys)} | {key: i for i, key in enumerate(keys)}
    if isinstance(given, dict) and (len(keys) > 1 or all(key in known for key in given)):
        wrong = [str(key) for key in given if key not in known]
        if wrong:
            raise TreeError(
                f"{what}: there is no output of this name",
                facts=[("given", ", ".join(wrong)), ("outputs", ", ".join(keys))],
            )
        found = {known[key]: value for key, value in given.items()}
        return [found.get(i) for i in range(len(keys))]
    if len(keys) == 1:
        is_wrapped = isinstance(given, (list, tuple)) and len(given) == 1 and not is_leaf
        return [given[0] if is_wrapped else given]
    entries = list(given) if isinstance(given, (list, tuple)) else tree.flatten(given)[0]
    if not keys:
        raise TreeError("the model has no outputs", hint="its call must return a tensor")
    if len(entries) != len(keys):
        raise TreeError(
            f"{what}: {len(entries)} given for {len(keys)} outputs",
            facts=[("outputs", ", ".join(keys))],
        )
    return entries


def size_of(tensor: Any) -> Any:
    """The number of samples of a batch as a tensor."""
    return inp.full((), tensor.shape[0], "float32")
