"""Elements of datasets: their leaves as arrays, their types, and several of them as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import dtypes, tree
from irflow.dtypes import DType
from irflow.errors import DTypeError, IrflowError, ShapeError
from irflow.frontend.arrays import as_array
from irflow.frontend.numbers import leaf_classes, list_array
from irflow.ir import TensorType


def flatten(element: Any) -> tuple[list[Any], tree.Structure]:
    """The leaves and the structure of an element; lists are arrays, not structure."""
    return tree.flatten(without_lists(element))


def without_lists(element: Any) -> Any:
    """An element whose lists have become arrays."""
    kind = type(element)
    if kind is np.ndarray:
        return element
    if kind is list:
        return array_of(element)
    if isinstance(element, dict):
        return {key: without_lists(value) for key, value in element.items()}
    if isinstance(element, tuple):
        parts = [without_lists(part) for part in element]
        return kind(*parts) if hasattr(kind, "_fields") else tuple(parts)
    return element


def array_of(leaf: Any) -> np.ndarray:
    """A leaf as an array: Python numbers in irflow's default types, text and objects as they are.

    Raises:
        ShapeError: ragged nested lists.
        DTypeError: a column of a table that is not numeric.
    """
    if isinstance(leaf, (np.ndarray, np.generic)):
        return np.asarray(leaf)
    if isinstance(leaf, bytes):
        return np.array(leaf, object)  # NumPy's own type for bytes drops zeros at the end
    if isinstance(leaf, str) or (isinstance(leaf, list) and _is_text(leaf)):
        return np.asarray(leaf)
    return as_array(leaf)


def _is_text(leaf: list[Any]) -> bool:
    kinds = set(leaf_classes(leaf))
    return bool(kinds) and all(issubclass(kind, str) for kind in kinds)


# ------------------------------------------------------------------------------------------- types


def spec_of(element: Any) -> Any:
    """The types of the leaves of an element; the class of one that is no array of numbers."""
    return tree.map_leaves(_leaf_spec, without_lists(element))


def _leaf_spec(leaf: Any) -> Any:
    kind = getattr(leaf, "type", None)
    if isinstance(kind, TensorType):
        return kind
    try:
        array = array_of(leaf)
        return TensorType(dtypes.from_numpy(array.dtype), array.shape)
    except (IrflowError, TypeError, ValueError):
        return type(leaf)


def describe(element: Any) -> str:
    """The types of an element in one line: `(f32[28, 28], i64[])`."""
    leaves, structure = tree.flatten(spec_of(element))
    names = [Name(leaf.__name__ if isinstance(leaf, type) else str(leaf)) for leaf in leaves]
    return repr(structure.unflatten(names))


class Name(str):
    """Text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# ---------------------------------------------------------------------------------------- batching


def stack(samples: Sequence[Any], blame: Callable[[int], Sequence[Any]]) -> Any:
    """Samples of one structure as one element whose leaves have a batch axis in front.

    Args:
        samples: at least one.
        blame: the facts that say which sample a number means.

    Raises:
        ShapeError: the shapes of a leaf differ; or it is ragged.
        DTypeError: the structures differ, or text stands beside numbers.
    """
    structure: tree.Structure | None = None
    rows: list[list[Any]] = []
    for number, sample in enumerate(samples):
        try:
            leaves, found = flatten(sample)
        except IrflowError as error:
            raise _blamed(error, blame(number)) from None
        structure = structure or found
        if found != structure:
            raise DTypeError(
                "batch: samples differ in structure",
                facts=[
                    *(("first", *fact) for fact in blame(0)),
                    ("first", "is", structure.describe()),
                    *(("other", *fact) for fact in blame(number)),
                    ("other", "is", found.describe()),
                ],
            )
        rows.append(leaves)
    assert structure is not None
    columns = zip(structure.paths(), zip(*rows, strict=True), strict=True)
    return structure.unflatten([_stacked(path, column, blame) for path, column in columns])


def _stacked(
    path: str, column: tuple[Any, ...], blame: Callable[[int], Sequence[Any]]
) -> np.ndarray:
    kinds = set(map(type, column))
    if kinds <= dtypes.PYTHON_NUMBERS.keys():
        return list_array(column)
    if len(kinds) == 1 and issubclass(type(column[0]), np.number):
        return np.array(column)
    arrays: list[np.ndarray] = []
    for number, leaf in enumerate(column):
        try:
            arrays.append(array_of(leaf))
        except IrflowError as error:
            raise _blamed(
                error, [("leaf", path), *blame(number)] if path else blame(number)
            ) from None
        if arrays[number].shape != arrays[0].shape:
            raise _ragged(path, arrays[0], arrays[number], blame(0), blame(number))
    shape = arrays[0].shape
    dtype = _common_dtype(path, arrays)
    if not dtype.hasobject:
        return np.array(arrays, dtype).reshape(len(arrays), *shape)
    result = np.empty((len(arrays), *shape), dtype)
    for number, array in enumerate(arrays):  # as NumPy would look into the objects
        result[number] = array[()]
    return result


def _blamed(error: IrflowError, facts: Sequence[Any]) -> IrflowError:
    """An error about one sample that says which."""
    error.facts = (*(tuple(map(str, fact)) for fact in facts), *error.facts)
    return error


def _common_dtype(path: str, arrays: Sequence[np.ndarray]) -> np.dtype[Any]:
    found = {array.dtype for array in arrays}
    if len(found) == 1:
        return arrays[0].dtype
    if all(dtype.kind == "U" for dtype in found):
        return np.result_type(*found)
    try:
        types: set[DType] = {dtypes.from_numpy(dtype) for dtype in found}
    except DTypeError:
        raise DTypeError(
            f"batch: samples differ in element type{_at(path)}",
            facts=[("found", ", ".join(sorted(map(str, found))))],
        ) from None
    return dtypes.promote_types(types).numpy


def _ragged(
    path: str, first: np.ndarray, other: np.ndarray, blame: Sequence[Any], others: Sequence[Any]
) -> ShapeError:
    facts = [
        *(("first", *fact) for fact in blame),
        ("first", "shape", first.shape),
        *(("other", *fact) for fact in others),
        ("other", "shape", other.shape),
    ]
    return ShapeError(
        f"batch: samples differ in shape{_at(path)}",
        facts=facts,
        hint="pad or crop them in a map before",
    )


def _at(path: str) -> str:
    return f" at {path}" if path else ""
