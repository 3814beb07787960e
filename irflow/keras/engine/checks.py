"""Arguments of `fit`, `evaluate` and `predict` that are looked at before anything is done."""

from __future__ import annotations

import operator
import reprlib
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import DTypeError, UsageError
from irflow.keras.engine.arguments import is_numbers


def check_whole(name: str, value: Any, least: int, is_optional: bool = False) -> None:
    """Whether an argument is a whole number that is not too small.

    Args:
        name: of the argument.
        value: of it.
        least: the smallest one allowed.
        is_optional: whether it may be None.

    Raises:
        UsageError: it is not.
    """
    if value is None and is_optional:
        return
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(
            f"{name} is no whole number: {value!r}", hint=_meant(name, value)
        ) from None
    if number < least:
        raise UsageError(f"{name} is {number}, less than {least}")


def _meant(name: str, value: Any) -> str | None:
    """The argument with the whole number that text or a float has."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return f"{name}={int(number)}" if number.is_integer() else None


def check_verbose(value: Any) -> None:
    """Whether `verbose` is one of its values.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, (int, np.integer, str)) or value not in (0, 1, 2, "auto"):
        raise UsageError(f'verbose is 0, 1, 2 or "auto", not {value!r}')


def check_no_text(name: str, data: Any) -> None:
    """Whether data is not text, such as the path of a file or the names of classes.

    Args:
        name: of the argument.
        data: arrays or lists of them, or anything that yields batches.

    Raises:
        DTypeError: it is; the place is told.
    """
    if is_numbers(data):
        return
    leaves, structure = tree.flatten(data)
    for i, leaf in enumerate(leaves):
        kind = _text_kind(leaf)
        if kind is not None:
            place = structure.paths(name)[i]
            raise DTypeError(
                f"{place} holds {kind}, not numbers",
                facts=[("given", reprlib.repr(leaf))],
                hint=_OBJECTS if kind == _OBJECT else _HINTS.get(name, _FILES),
            )


_OBJECT = "Python objects"


def _text_kind(leaf: Any) -> str | None:
    if isinstance(leaf, (str, bytes)):
        return "text"
    kind = leaf.dtype.kind if isinstance(leaf, np.ndarray) else ""
    return {"U": "text", "S": "text", "O": _OBJECT}.get(kind)


_FILES = "text and files are read first, for example by numpy.load or layers.TextVectorization"
_HINTS = {
    "y": "class names become numbers with numpy.unique(names, return_inverse=True)",
    "sample_weight": "weights by class are class_weight={0: …, 1: …}",
}
_OBJECTS = "array.astype('float32'); rows of different lengths need keras.utils.pad_sequences"


def check_share(name: str, value: Any) -> None:
    """Whether an argument is a number from 0 and below 1.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, (int, float, np.number)) or not 0 <= value < 1:
        raise UsageError(f"{name} is a share between 0 and 1, not {value!r}")
