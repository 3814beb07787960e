"""The values that a run is given: checked against the tensors that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irflow import dims
from irflow.dtypes import DType, from_numpy
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.variable import Variable
from irflow.ir import TensorType
from irflow.ir.graph import Value
from irflow.session.graph import BATCH, Graph

_RANKS = {"bool": 0, "int": 1, "uint": 1, "float": 2, "complex": 3}


def resolve_feeds(graph: Graph, feed_dict: Mapping[Any, Any] | None) -> dict[Value, np.ndarray]:
    """The array for each tensor that is fed.

    Raises:
        UsageError: a key is no tensor of the graph, or given twice; or a value is symbolic.
        UnknownNameError: there is no tensor of a name.
        DTypeError, ShapeError: a value does not fit its tensor.
    """
    feeds: dict[Value, np.ndarray] = {}
    for key, given in (feed_dict or {}).items():
        value = _fed(graph, key)
        if value in feeds:
            raise UsageError(f"{describe(graph, value)} is fed twice")
        feeds[value] = _array(given, value.type, describe(graph, value))
    return feeds


def solve_sizes(graph: Graph, feeds: Mapping[Value, np.ndarray]) -> dict[str, int]:
    """The symbolic sizes, from the shapes that are fed.

    Raises:
        ShapeError: two values disagree on a size.
    """
    try:
        return dims.solve(
            (describe(graph, value), value.type.shape, array.shape)
            for value, array in feeds.items()
            if not value.type.is_static
        )
    except ShapeError as error:
        if error.summary.startswith(f"size {BATCH} "):
            error.hint = 'name the sizes in the shapes, e.g. ("n", 784), if they may differ'
        raise


def describe(graph: Graph, value: Value) -> str:
    """What a fed value is called in messages."""
    if value.node is not None:
        return f"tensor {value.hint or 'made by ' + value.node.op.name}"
    kind = "placeholder" if value.hint in graph.placeholders else "variable"
    return f"{kind} {value.hint}"


def _fed(graph: Graph, key: Any) -> Value:
    """The value that a key of the dictionary means."""
    target = graph.find(key) if isinstance(key, str) else key
    if isinstance(target, Variable):
        return graph.read(target)
    if isinstance(target, Tensor):
        return graph.require(target, "feed_dict")
    raise UsageError(
        f"feed_dict: {key!r} cannot be fed",
        hint="a key is a placeholder, a variable, another tensor of the graph, or a name",
    )


def _array(given: Any, type: TensorType, label: str) -> np.ndarray:
    array = _converted(given, type.dtype, label)
    if array.dtype != type.dtype.numpy:
        raise DTypeError(
            f"{label}: the value has another element type",
            facts=_types(type, array),
            hint=f"feed array.astype({str(type.dtype.numpy)!r}) if that is meant",
        )
    pairs = zip(type.shape, array.shape, strict=False)
    is_other = any(isinstance(size, int) and size != actual for size, actual in pairs)
    if array.ndim != type.rank or is_other:
        raise ShapeError(f"{label}: the value has another shape", facts=_types(type, array))
    return array


def _types(type: TensorType, array: np.ndarray) -> list[tuple[str, TensorType]]:
    return [("declared", type), ("given", as_tensor(array).type)]


def _converted(given: Any, dtype: DType, label: str) -> np.ndarray:
    """An array; numbers and lists take the element type where that loses no kind of number."""
    if isinstance(given, Variable):
        return given.data
    if isinstance(given, Tensor):
        if given.trace is not None:
            raise UsageError(
                f"{label}: the value is itself symbolic", hint="feed arrays, numbers and lists"
            )
        return given.data
    # A NumPy scalar is a number, as it is in NumPy's own arithmetic with arrays.
    if hasattr(given, "__array__") and not isinstance(given, np.generic):
        return np.asarray(given)
    try:
        array = np.asarray(given)
        if _RANKS[from_numpy(array.dtype).kind] > _RANKS[dtype.kind]:
            return array
        return np.asarray(given, dtype.numpy)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{label}: the value is no array of {dtype}", facts=[("NumPy says", error)]
        ) from None
