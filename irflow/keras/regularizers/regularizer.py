"""Regularizers: terms of the loss that are functions of one weight."""

from __future__ import annotations

import math
from typing import Any, Self, cast

from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.nn.normalization import l2_normalize

MODES = ("rows", "columns")


class Regularizer:
    """The base of the regularizers: a call gives a term of the loss.

    A subclass defines `__call__(x)`, and `get_config` where it has arguments.
    """

    def __call__(self, x: TensorLike) -> Tensor:
        """The term of the loss, a scalar, for a weight or another tensor."""
        return as_tensor(x).full(0.0, ())

    def get_config(self) -> dict[str, Any]:
        """The arguments of the regularizer, as JSON knows them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The regularizer with the arguments that `get_config` gave."""
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x²)`.

    Raises:
        UsageError: a factor is negative or not finite.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor("l1", l1 or 0.0)
        self.l2 = _factor("l2", l2 or 0.0)

    def __call__(self, x: TensorLike) -> Tensor:
        t = as_tensor(x)
        terms = []
        if self.l1:
            terms.append(self.l1 * cast(Tensor, abs(t)).sum())
        if self.l2:
            terms.append(self.l2 * cast(Tensor, t * t).sum())
        return cast(Tensor, sum(terms[1:], terms[0])) if terms else t.full(0.0, ())

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """`l1 * sum(|x|)`; None is the default."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """`l2 * sum(x²)`; None is the default."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean absolute cosine between two rows, or columns, of a matrix.

    Args:
        factor: of the term.
        mode: `"rows"` or `"columns"`.

    Raises:
        UsageError: a factor that is negative or not finite, or another mode.
        ShapeError: in a call, `x` is no matrix.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor)
        self.mode = mode
        if mode not in MODES:
            raise UsageError(f"OrthogonalRegularizer: mode {mode!r}", facts=[("known", MODES)])

    def __call__(self, x: TensorLike) -> Tensor:
        matrix = as_tensor(x)
        if matrix.ndim != 2:
            raise ShapeError("OrthogonalRegularizer: no matrix", facts=[("x", matrix.type)])
        vectors = l2_normalize(matrix if self.mode == "rows" else matrix.T)
        count = int(vectors.shape[0])
        cosines = abs(vectors @ vectors.T) * (1.0 - inp.eye(count, dtype=vectors.dtype))
        return cast(Tensor, self.factor * cosines.sum() / (count * (count - 1)))

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def _factor(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise UsageError(f"regularizer: {name} is {value!r}, not a finite number from 0 on")
    return float(value)
