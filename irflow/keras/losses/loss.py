"""`Loss`: how far predictions are from the truth, and losses made from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from irflow import tree
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras import config as settings
from irflow.keras.engine import masks
from irflow.keras.engine.naming import auto_name
from irflow.keras.losses.operands import of_one_rank
from irflow.keras.losses.reduction import reduce_weighted_values, standardize_reduction
from irflow.keras.saving import registry

Function = Callable[..., Any]


class Loss:
    """The base of the losses. One of your own defines `call`.

    Args:
        name: by default that of the class.
        reduction: `"sum_over_batch_size"` or `"mean"`, the mean over all values that `call` gives;
            `"sum"`; `"mean_with_sample_weight"`, the sum over that of the weights; or `"none"`.
        dtype: the element type to compute in, `keras.config.floatx()` by default.

    Raises:
        UnknownNameError: no such reduction.

    >>> class Cubed(Loss):
    ...     def call(self, y_true, y_pred):
    ...         return abs(y_true - y_pred) ** 3
    >>> float(Cubed()([1.0, 2.0], [1.0, 4.0]))
    4.0
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.reduction = standardize_reduction(reduction)
        self._dtype = settings.policy_for(dtype or settings.floatx()).compute_dtype

    @property
    def dtype(self) -> str:
        """The element type to compute in."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss.

        Args:
            y_true: the truth.
            y_pred: the predictions; where they have a mask, only what it shows counts.
            sample_weight: `[n]`, or what broadcasts to the values of `call`.

        Returns:
            A scalar, or without a reduction one number a sample.
        """
        mask = masks.get_mask(y_pred)
        truth, predictions = _each(self._truth, y_true), _each(self._cast, y_pred)
        values = as_tensor(self.call(truth, predictions))
        mask = _both(mask, masks.get_mask(values))
        return reduce_weighted_values(values, sample_weight, mask, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of the samples, `[n, ...]`, before weights and reduction."""
        raise NotImplementedError(f"{type(self).__name__} defines no call")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the loss, as JSON knows them."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The loss with the arguments that `get_config` gave."""
        return cls(**config)

    def _cast(self, x: Any) -> Tensor:
        return as_tensor(x).astype(self._dtype)

    def _truth(self, y_true: Any) -> Tensor:
        return self._cast(y_true)


def _each(function: Function, values: Any) -> Any:
    """A function of each tensor in a nesting; lists of numbers are one tensor."""
    if any(hasattr(leaf, "shape") for leaf in tree.flatten(values)[0]):
        return tree.map_leaves(function, values)
    return function(values)


def _both(mask: Any, other: Any) -> Any:
    if mask is None or other is None:
        return other if mask is None else mask
    return as_tensor(mask) & as_tensor(other)


class LossFunctionWrapper(Loss):
    """A loss made from a function of `(y_true, y_pred)` that gives one number a sample.

    Args:
        fn: the function.
        reduction: as of `Loss`.
        name: as of `Loss`.
        dtype: as of `Loss`.
        **kwargs: more arguments of the function.
    """

    def __init__(
        self,
        fn: Function,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.fn = fn
        self._fn_kwargs = kwargs
        if type(self) is not LossFunctionWrapper:
            for argument, value in kwargs.items():
                setattr(self, argument, value)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = of_one_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        if type(self) is not LossFunctionWrapper:
            return {**super().get_config(), **self._fn_kwargs}
        arguments = {k: registry.serialize_keras_object(v) for k, v in self._fn_kwargs.items()}
        function = registry.serialize_keras_object(self.fn)
        return {**super().get_config(), "fn": function, **arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**registry.deserialize_keras_object(config))

    def _truth(self, y_true: Any) -> Tensor:
        # Class numbers stay as they are: not every one of them is a float.
        return as_tensor(y_true) if getattr(self.fn, "takes_classes", False) else self._cast(y_true)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
