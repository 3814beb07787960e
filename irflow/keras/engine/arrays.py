"""Data in memory: nested arrays as training takes them, checked before anything is changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import tree
from irflow.errors import DataError, ShapeError, UsageError
from irflow.frontend import Tensor, Variable
from irflow.frontend.arrays import as_array
from irflow.keras import config
from irflow.keras.engine.arguments import is_numbers
from irflow.keras.engine.checks import check_no_text
from irflow.records import dataclass

Batch = tuple[Any, Any, Any]

_SHARED_BYTES = 1 << 22
"""Arrays from this size on are looked at by several threads: starting them takes 0.1 ms."""


def unpack_x_y_sample_weight(data: Any) -> Batch:
    """Inputs, targets and weights of a batch; None for what is not there."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise UsageError(
            f"a batch has 1 to 3 parts (x, y, sample_weight), not {len(data)}",
            hint="several inputs go together: ((x1, x2), y)",
        )
    x, y, weight = (*data, None, None)[:3]
    return x, y, weight


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """What `fit` takes for a batch: the inverse of `unpack_x_y_sample_weight`."""
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def as_leaf(value: Any) -> np.ndarray:
    """One array-like as an array; 64-bit floats in the float type of Keras."""
    if isinstance(value, (Tensor, Variable)):
        array = value.data
    elif type(value) is np.ndarray:
        array = value
    else:
        array = as_array(value)
    if array.dtype == np.float64 and config.floatx() != "float64":
        return array.astype(config.floatx())
    # Otherwise each compiled call would copy it.
    return array if array.flags.c_contiguous else array.copy()


def _list_array(values: Any) -> np.ndarray:
    """Nested lists of numbers as one array; ShapeError where their lengths differ."""
    try:
        return np.asarray(values)
    except ValueError:
        raise ShapeError(
            "the rows of a list have different lengths",
            hint="keras.utils.pad_sequences makes them alike",
        ) from None


def as_arrays(values: Any) -> Any:
    """Nested array-likes as nested arrays; a list of numbers is one array."""
    if values is None:
        return None
    if is_numbers(values):
        return as_leaf(_list_array(values))
    return tree.map_leaves(as_leaf, values)


@dataclass
class Arrays:
    """Data in memory.

    Attributes:
        x: inputs, nested arrays `[samples, …]`.
        y: targets, or None.
        sample_weight: weights, or None.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None

    @classmethod
    def of(cls, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> Arrays:
        """Take data as users give it.

        Raises:
            ShapeError: arrays have different lengths, or none.
            UsageError: both kinds of weights that exclude each other, or there is no data.
            DTypeError: something is text.
        """
        for name, part in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            check_no_text(name, part)
        made = cls(as_arrays(x), as_arrays(y), as_arrays(sample_weight))
        if made.x is None or not tree.flatten(made.x)[0]:
            raise UsageError("there is no data x")
        made._check_lengths()
        if class_weight is not None:
            made = made.weighted(class_weight)
        return made

    @property
    def parts(self) -> Batch:
        """All of it."""
        return self.x, self.y, self.sample_weight

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(tree.flatten(self.x)[0][0])

    def named(self) -> list[tuple[str, np.ndarray]]:
        """Each array with a readable name: `x`, `y['a']`, `x[1]`."""
        found: list[tuple[str, np.ndarray]] = []
        for name, part in zip(("x", "y", "sample_weight"), self.parts, strict=True):
            leaves, structure = tree.flatten(part)
            found.extend(zip(structure.paths(name), leaves, strict=True))
        return found

    def _check_lengths(self) -> None:
        rows = self.named()
        for name, array in rows:
            if array.ndim == 0:
                raise ShapeError(f"{name} is one number, not an array of samples")
        if len({len(array) for _, array in rows}) > 1:
            facts = [
                (name, f"{len(array)} samples", f"shape {array.shape}") for name, array in rows
            ]
            raise ShapeError("the arrays have different numbers of samples", facts=facts)
        if not len(rows[0][1]):
            raise UsageError(
                "there are no samples", facts=[(n, f"shape {a.shape}") for n, a in rows]
            )

    def weighted(self, class_weight: dict[Any, float]) -> Arrays:
        """With weights by class.

        Raises:
            UsageError: there is not one target of class numbers or one-hot rows.
        """
        targets = tree.flatten(self.y)[0]
        if len(targets) != 1:
            raise UsageError(f"class_weight needs one target y, and there are {len(targets)}")
        by_class = class_weights(targets[0], class_weight)
        weight = by_class if self.sample_weight is None else by_class * self.sample_weight
        return Arrays(self.x, self.y, weight)

    def split(self, share: float) -> tuple[Arrays, Arrays]:
        """The data, and the last share of it.

        Raises:
            UsageError: a part would be empty.
        """
        first = int(np.floor(self.size * (1 - share)))
        if first in (0, self.size):
            raise UsageError(
                f"validation_split {share} leaves a part of the {self.size} samples empty"
            )
        return self[:first], self[first:]

    def __getitem__(self, rows: slice | np.ndarray) -> Arrays:
        return Arrays(*(tree.map_leaves(lambda a: a[rows], part) for part in self.parts))

    def check_finite(self, threads: int = 1) -> None:
        """Whether there is no NaN and no infinity.

        Args:
            threads: so many look at large arrays.

        Raises:
            DataError: there is; with its first place.
        """
        for name, array in self.named():
            is_float = array.dtype.kind == "f" or str(array.dtype) == "bfloat16"
            if is_float and not _has_finite_sums(array, threads):
                _check_each(name, array)


def _has_finite_sums(array: np.ndarray, threads: int) -> bool:
    """Whether sums over parts of an array are finite: if so, all its numbers are."""
    if threads == 1 or array.nbytes < _SHARED_BYTES:
        return _has_finite_sum(array)
    parts, found = np.array_split(array, threads), list[bool]()

    def look(part: np.ndarray) -> None:
        found.append(_has_finite_sum(part))

    others = [threading.Thread(target=look, args=(part,)) for part in parts[1:]]
    for other in others:
        other.start()
    look(parts[0])
    for other in others:
        other.join()
    return found.count(True) == threads


def _has_finite_sum(array: np.ndarray) -> bool:
    with np.errstate(all="ignore"):  # It may also be too large itself.
        return bool(np.isfinite(array.sum(dtype=np.float64 if array.itemsize == 8 else None)))


def _check_each(name: str, array: np.ndarray) -> None:
    wrong = ~np.isfinite(array)
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), array.shape))
    inside = ", ".join(map(str, place))
    raise DataError(
        f"the data holds {'NaN' if np.isnan(array[place]) else 'an infinity'}",
        facts=[
            ("first at", f"{name}[{inside}]", str(array[place])),
            ("in all", f"{int(wrong.sum())} of {array.size} numbers"),
        ],
        hint="np.nan_to_num replaces such numbers",
    )


def class_weights(labels: np.ndarray, class_weight: dict[Any, float]) -> np.ndarray:
    """A weight a sample; classes that are not named have 1.

    Raises:
        UsageError: `class_weight` is no dict of numbers.
    """
    if not isinstance(class_weight, dict):
        raise UsageError(
            f"class_weight is a dict from class numbers to weights, not {class_weight!r}"
        )
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(-1)
    elif labels.ndim > 1:
        labels = labels[..., 0]
    numbers = labels.astype(np.int64)
    weights = np.ones(numbers.shape, config.floatx())
    for label, weight in class_weight.items():
        try:
            weights[numbers == int(label)] = float(weight)
        except (TypeError, ValueError):
            raise UsageError(
                "class_weight is a dict from class numbers to weights",
                facts=[("given", f"{label!r}: {weight!r}")],
            ) from None
    return weights


def as_batch(x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
    """One batch as nested arrays.

    Raises:
        UsageError: both kinds of weights are given.
        ShapeError: arrays have different lengths.
    """
    if sample_weight is not None and class_weight is not None:
        raise UsageError("give sample_weight or class_weight, not both")
    return Arrays.of(x, y, sample_weight, class_weight).parts


def orders(size: int, batch_size: int, shuffle: Any) -> list[np.ndarray]:
    """The numbers of the samples of an epoch: `i64[steps, batch]`, and `i64[1, rest]`.

    Args:
        size: how many samples there are.
        batch_size: of them make a batch.
        shuffle: True for a new order, by NumPy's global generator; "batch" for one of batches,
            False for none.
    """
    whole = size // batch_size
    order = _order(size, batch_size, shuffle)
    parts = [order[: whole * batch_size].reshape(whole, batch_size)] if whole else []
    if whole * batch_size < size:
        parts.append(order[whole * batch_size :][None])
    return parts


def _order(size: int, batch_size: int, shuffle: Any) -> np.ndarray:
    if shuffle == "batch":
        whole = size // batch_size
        order = np.arange(size)
        rows = order[: whole * batch_size].reshape(whole, batch_size)
        rows[:] = rows[np.random.permutation(whole)]
        return order
    if shuffle:
        return np.random.permutation(size)
    return np.arange(size)


def is_in_memory(x: Any) -> bool:
    """Whether data is nested array-likes, and not something that yields batches."""
    if x is None or is_numbers(x):
        return True
    leaves: Sequence[Any] = tree.flatten(x)[0]
    return bool(leaves) and all(_is_array_like(leaf) for leaf in leaves)


def _is_array_like(value: Any) -> bool:
    if isinstance(value, (np.ndarray, np.generic, Tensor, Variable, int, float, bool)):
        return True
    return hasattr(value, "__array__") or hasattr(value, "__dlpack__") or hasattr(value, "iloc")
