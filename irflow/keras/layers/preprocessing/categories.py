"""`CategoryEncoding` and `Discretization`: numbers of classes, and numbers as classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer, positive
from irflow.keras.layers.preprocessing.batches import batches
from irflow.keras.layers.preprocessing.encoding import encoded, mode_of


class CategoryEncoding(BuiltinLayer):
    """Numbers of classes as rows of zeros and ones, or of counts.

    Args:
        num_tokens: how many classes there are.
        output_mode: `"one_hot"` for a row each, `"multi_hot"` for one row for all classes of an
            example, `"count"` for how often each is in it.
        sparse: not there; False.

    Call:
        inputs: whole numbers `[n]` or `[n, k]`; those outside count for nothing.
        count_weights: for `"count"`, what each number counts for.

    >>> CategoryEncoding(4, "one_hot")(np.array([3, 0])).tolist()
    [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
    """

    config_names = ("num_tokens", "output_mode")

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        name = "CategoryEncoding"
        if num_tokens is None:
            raise UsageError(
                "CategoryEncoding: num_tokens is missing",
                hint="IntegerLookup finds out in adapt which numbers there are",
            )
        not_sparse(name, sparse)
        self.num_tokens = positive(name, "num_tokens", num_tokens)
        self.output_mode = mode_of(name, output_mode, ("one_hot", "multi_hot", "count"))

    def call(self, inputs: Tensor, count_weights: Tensor | None = None) -> Tensor:
        if count_weights is not None and self.output_mode != "count":
            raise UsageError(
                f'layer "{self.name}": count_weights are for output_mode="count",'
                f" not for {self.output_mode!r}"
            )
        numbers = inputs if inputs.dtype.is_integer else inp.astype(inputs, inp.int64)
        depth, dtype = self.num_tokens, self.compute_dtype
        return encoded(numbers, self.output_mode, depth, dtype, count_weights)


def not_sparse(layer: str, sparse: bool) -> None:
    """Refuse `sparse=True`.

    Raises:
        UsageError: it is asked for.
    """
    if sparse:
        raise UsageError(f"{layer}: there are no sparse tensors; leave sparse=True out")


class Discretization(BuiltinLayer):
    """Numbers as the numbers of the bins that they fall into.

    Args:
        bin_boundaries: where bins end; the last bin has no end.
        num_bins: instead of it: how many bins `adapt` shall find, of about as many elements each.
        epsilon: how exact it does: of an array larger than `1 / epsilon` it keeps about so many.
        output_mode: `"int"`, or as of `CategoryEncoding`.
        sparse: not there; False.

    Raises:
        UsageError: both or none of the first two, or neither boundaries nor `adapt` before a call.
    """

    config_names = ("bin_boundaries", "num_bins", "epsilon", "output_mode")

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if bin_boundaries is None and num_bins is None:
            raise UsageError("Discretization: either bin_boundaries or num_bins is wanted")
        not_sparse("Discretization", sparse)
        if num_bins is not None:
            positive("Discretization", "num_bins", num_bins)
        self.bin_boundaries = None if bin_boundaries is None else [float(x) for x in bin_boundaries]
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = mode_of("Discretization", output_mode)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find boundaries between which data has about as many elements each.

        Args:
            data: an array, or an iterable of batches.
            steps: take only so many batches.

        Raises:
            UsageError: the boundaries were given, or there is no data.
        """
        if self.num_bins is None:
            raise UsageError(f'layer "{self.name}" was given its boundaries; it cannot adapt')
        values, weights = np.zeros(0), np.zeros(0)
        for batch in batches(data, self.name, steps):
            seen, counts = _sample(np.sort(batch.ravel().astype(np.float32)), self.epsilon)
            values, weights = np.append(values, seen), np.append(weights, counts)
            order = np.argsort(values, kind="stable")
            values, weights = _thinned(values[order], weights[order], self.epsilon)
        found, _ = _thinned(values, weights, 1 / self.num_bins)
        self.bin_boundaries = [float(x) for x in found[:-1]]

    def call(self, inputs: Tensor) -> Tensor:
        if self.bin_boundaries is None:
            raise UsageError(
                f'layer "{self.name}" has no boundaries yet',
                hint="call adapt with data first, or give bin_boundaries",
            )
        bounds = np.asarray(self.bin_boundaries, np.float32)
        numbers = inp.searchsorted(bounds, inp.astype(inputs, "float32"), side="right")
        dtype = "int32" if self.output_mode == "int" else self.compute_dtype
        return encoded(numbers, self.output_mode, len(bounds) + 1, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.num_bins is not None and self.bin_boundaries is not None:
            config["num_bins"] = self.num_bins
        return config


def _sample(values: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """About `1 / epsilon` of sorted values at equal steps, and for how many each stands."""
    step = max(values.size * epsilon, 1.0)
    chosen = values[int(step - 1) :: int(step)].astype(np.float64)
    return chosen, np.full(chosen.shape, step)


def _thinned(
    values: np.ndarray, weights: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted values with weights, interpolated at `1 / epsilon` equal parts of the total weight."""
    if values.size * epsilon < 1:
        return values, weights
    total = weights.cumsum()
    parts = epsilon + np.arange(0.0, 1.0, epsilon)
    reached = np.interp(parts, total / total[-1], total)
    return np.interp(parts, total / total[-1], values), np.diff(reached, prepend=0.0)
