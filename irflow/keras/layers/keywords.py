"""The keywords that any layer takes as the first one of a model."""

from __future__ import annotations

import inspect
from typing import Any

from irflow.errors import UsageError, did_you_mean

_KEYWORDS = ("batch_size", "input_dim", "input_length", "input_shape", "batch_input_shape")


def input_shape(cls: type, kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """The shape with the batch that the keywords of a first layer give.

    Args:
        cls: of the layer.
        kwargs: the keywords that no class of the layer's has taken.

    Raises:
        UsageError: there are others, which no layer takes.
    """
    batch_size, dim, length, shape, whole = (kwargs.pop(name, None) for name in _KEYWORDS)
    if kwargs:
        raise _unknown(cls, list(kwargs))
    if whole is not None:
        return tuple(whole)
    if shape is None and dim is not None:
        shape = (dim,) if length is None else (length, dim)
    if shape is None:
        return None
    return (batch_size, *(shape if isinstance(shape, (tuple, list)) else (shape,)))


def _unknown(cls: type, given: list[str]) -> UsageError:
    known = {*inspect.signature(cls).parameters, *_KEYWORDS, "name", "dtype", "trainable"}
    hints = [did_you_mean(key, known) for key in given]
    return UsageError(
        f"{cls.__name__} does not take every keyword that it is given",
        facts=[("keyword", key) for key in given],
        hint=next((hint for hint in hints if hint), None),
    )
