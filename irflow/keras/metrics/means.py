"""Sums and means of values over batches, and metrics made from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from irflow import ops
from irflow.errors import ShapeError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras.engine import masks
from irflow.keras.losses.operands import of_one_rank
from irflow.keras.losses.reduction import apply_mask, quotient
from irflow.keras.metrics.metric import Metric
from irflow.keras.saving import registry


def by_sample(
    values: Any, sample_weight: Any, dtype: str, method: str
) -> tuple[Tensor, Tensor | None]:
    """One number a sample, times its weight, and the weights.

    Args:
        values: `[n, ...]`, or a scalar.
        sample_weight: `[n, ...]`, with not more axes than the values; None for 1.
        dtype: the element type of the results.
        method: `"sum"` or `"mean"`, over all axes but the first.

    Raises:
        ShapeError: the weights do not fit the values.
    """
    x = as_tensor(values).astype(dtype)
    weights = sample_weight
    if weights is not None:
        # As in Keras, a mask that a function gave its values counts only beside weights.
        weights = apply_mask(weights, masks.get_mask(values), dtype, "sum")
        x, weights = of_one_rank(x, as_tensor(weights).astype(dtype))
        x = _reduced(x, weights.ndim, method)
        if any(w not in (1, s) for w, s in zip(weights.shape, x.shape, strict=False)):
            facts = [("values", as_tensor(values).type), ("sample_weight", weights.type)]
            raise ShapeError("the weights of a metric do not fit its values", facts=facts)
        weights = weights + ops.zeros_like(x) if weights.shape != x.shape else weights
        x = x * weights
        weights = _reduced(weights, 1, method)
    return _reduced(x, 1, method), weights


def _reduced(x: Tensor, kept: int, method: str) -> Tensor:
    """The sum or the mean over all axes but the first ones."""
    if x.ndim <= kept:
        return x
    axes = tuple(range(kept, x.ndim))
    return x.sum(axes) if method == "sum" else x.mean(axes)


class Sum(Metric):
    """The sum of all values.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        x, _ = by_sample(values, sample_weight, self.dtype, "sum")
        self.total.assign(self.total.value + x.sum())

    def result(self) -> Any:
        return self.total.value


class Mean(Metric):
    """The mean of all values, weighted; 0 if there are none.

    Args:
        name: of the metric.
        dtype: see `Metric`.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")
        self.count = self.add_variable((), "zeros", self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        x, weights = by_sample(values, sample_weight, self.dtype, "mean")
        self.total.assign(self.total.value + x.sum())
        count: Any = 1.0
        if weights is not None:
            count = weights.sum()
        elif x.ndim:
            count = ops.size_of(x, x.shape[0], x.dtype)
        self.count.assign(self.count.value + count)

    def result(self) -> Any:
        return quotient(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The mean of what a function of `(y_true, y_pred)` gives for each sample.

    Args:
        fn: the function.
        name: of the metric.
        dtype: see `Metric`.
        **kwargs: more arguments of the function.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if type(self) is not MeanMetricWrapper:
            for argument, value in kwargs.items():
                setattr(self, argument, value)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        mask = masks.get_mask(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        super().update_state(values, apply_mask(sample_weight, mask, self.dtype, "sum"))

    def get_config(self) -> dict[str, Any]:
        if type(self) is not MeanMetricWrapper:
            return {**super().get_config(), **self._fn_kwargs}
        arguments = {k: registry.serialize_keras_object(v) for k, v in self._fn_kwargs.items()}
        function = registry.serialize_keras_object(self._fn)
        return {**super().get_config(), "fn": function, **arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**registry.deserialize_keras_object(config))
