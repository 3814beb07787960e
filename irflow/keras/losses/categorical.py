"""Losses of classes."""

from __future__ import annotations

from typing import Any

from irflow import dtypes, losses, nn
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras.engine import masks
from irflow.keras.losses.loss import LossFunctionWrapper
from irflow.keras.losses.operands import aligned, floating, labels_of_rows
from irflow.nn.activations import row


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(t * log p)` along the axis of the classes.

    Args:
        y_true: `[..., classes]`, probabilities, such as a one at the right class.
        y_pred: `[..., classes]`, probabilities, which are divided by their sum, or logits.
        from_logits: which of them.
        label_smoothing: this part of each label is spread evenly over all classes.
        axis: that of the classes.

    Raises:
        ShapeError: the shapes differ.
    """
    t, x = _pair("categorical_crossentropy", y_true, y_pred)
    entropy = losses.softmax_cross_entropy if from_logits else losses.cross_entropy
    return entropy(x, t, label_smoothing=label_smoothing, axis=axis, reduction="none")


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """`-sum(alpha * (1 - p)**gamma * t * log p)` along the axis of the classes.

    Args:
        y_true: `[..., classes]`, probabilities.
        y_pred: `[..., classes]`, probabilities, which are divided by their sum, or logits.
        alpha: the weight of all classes, or one for each.
        gamma: how much less a prediction counts that is right already.
        from_logits: whether `y_pred` are logits.
        label_smoothing: this part of each label is spread evenly over all classes.
        axis: that of the classes.

    Raises:
        ShapeError: the shapes differ.
    """
    t, x = _pair("categorical_focal_crossentropy", y_true, y_pred)
    # As in Keras, logits become probabilities first, which are clipped.
    return losses.categorical_focal_cross_entropy(
        nn.softmax(x, axis) if from_logits else x,
        t,
        gamma=gamma,
        alpha=alpha,
        label_smoothing=label_smoothing,
        axis=axis,
        reduction="none",
    )


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Tensor:
    """`-log p[label]`; NaN for a label outside of the classes.

    `fit` and `evaluate` look at labels in memory before they begin, and refuse such ones; in loops
    and losses of one's own they show as NaN.

    Args:
        y_true: `[...]` or `[..., 1]`, class numbers.
        y_pred: `[..., classes]`, probabilities, which are divided by their sum, or logits.
        from_logits: which of them.
        ignore_class: labels that give 0 and do not count in means.
        axis: that of the classes.

    Raises:
        ShapeError: there is not one label for each row of `y_pred`.
    """
    x = floating(y_pred)
    labels = class_numbers(labels_of_rows("sparse_categorical_crossentropy", y_true, x, axis))
    entropy = losses.softmax_cross_entropy if from_logits else losses.cross_entropy
    result = entropy(x, labels, ignore_label=ignore_class, axis=axis, reduction="none")
    if ignore_class is not None:
        masks.set_mask(result, row("not_equal", labels, ignore_class))
    return result


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Tensor:
    """`(1 - p[label]**q) / q`: wrong labels count less than in the cross-entropy.

    Args:
        y_true: `[n]` class numbers.
        y_pred: `[n, classes]`, probabilities.
        q: above 0 and below 1.
    """
    x = floating(y_pred)
    return losses.generalized_cross_entropy(x, class_numbers(y_true), q, reduction="none")


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """`sum(t * log(t / p))` along the last axis; both are clipped to `1e-7 … 1`."""
    t, x = aligned("kl_divergence", y_true, y_pred)
    return losses.kl_divergence(x, t, reduction="none")


def class_numbers(y_true: Any) -> Tensor:
    """Class numbers as integers; fractions are dropped."""
    labels = as_tensor(y_true)
    return labels if labels.dtype.is_integer else labels.astype(dtypes.i64)


def _pair(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Labels and predictions of one shape; with a hint where class numbers were given."""
    try:
        return aligned(name, y_true, y_pred)
    except ShapeError as error:
        labels = as_tensor(y_true)
        is_number = labels.ndim < as_tensor(y_pred).ndim or labels.shape[-1] == 1
        if is_number and name == "categorical_crossentropy":
            error.hint = "for class numbers there is sparse_categorical_crossentropy"
        raise


sparse_categorical_crossentropy.takes_classes = True  # type: ignore[attr-defined]
categorical_generalized_cross_entropy.takes_classes = True  # type: ignore[attr-defined]


class CategoricalCrossentropy(LossFunctionWrapper):
    """`-sum(t * log p)`; labels are probabilities, such as a one at the right class.

    Args:
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: this part of each label is spread evenly over all classes.
        axis: that of the classes.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """`-sum(alpha * (1 - p)**gamma * t * log p)`; labels are probabilities.

    Args:
        alpha: the weight of all classes, or one for each.
        gamma: how much less a prediction counts that is right already.
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: this part of each label is spread evenly over all classes.
        axis: that of the classes.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """`-log p[label]`; labels are class numbers.

    Args:
        from_logits: whether `y_pred` are logits and no probabilities.
        ignore_class: labels that give 0 and do not count in means.
        reduction: see `Loss`.
        axis: that of the classes.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """`(1 - p[label]**q) / q`: wrong labels count less than in the cross-entropy.

    Args:
        q: above 0 and below 1.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise UsageError(f"CategoricalGeneralizedCrossEntropy: q is {q}, not in (0, 1)")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


class KLDivergence(LossFunctionWrapper):
    """`sum(t * log(t / p))`: how far one distribution is from another.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)
