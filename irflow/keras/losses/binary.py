"""Losses of yes and no."""

from __future__ import annotations

from typing import Any

from irflow import losses, nn
from irflow.frontend.tensor import Tensor
from irflow.keras.losses.loss import LossFunctionWrapper
from irflow.keras.losses.operands import aligned


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The mean along an axis of `-t log p - (1 - t) log(1 - p)`.

    Args:
        y_true: in [0, 1].
        y_pred: probabilities, or logits.
        from_logits: which of them.
        label_smoothing: labels move by this part towards 1/2.
        axis: along which the mean is taken.
    """
    t, x = aligned("binary_crossentropy", y_true, y_pred)
    entropy = losses.sigmoid_cross_entropy if from_logits else losses.binary_cross_entropy
    return entropy(x, t, label_smoothing=label_smoothing, reduction="none").mean(axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The mean along an axis of the binary cross-entropy times `(1 - p of the truth)**gamma`.

    Args:
        y_true: in [0, 1].
        y_pred: probabilities, or logits.
        apply_class_balancing: whether class 1 has the weight `alpha`, class 0 `1 - alpha`.
        alpha: see there.
        gamma: how much less a prediction counts that is right already.
        from_logits: whether `y_pred` are logits.
        label_smoothing: labels move by this part towards 1/2.
        axis: along which the mean is taken.
    """
    t, x = aligned("binary_focal_crossentropy", y_true, y_pred)
    # As in Keras, logits become probabilities first, which are clipped.
    focal = losses.binary_focal_cross_entropy(
        nn.sigmoid(x) if from_logits else x,
        t,
        gamma=gamma,
        alpha=alpha if apply_class_balancing else None,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    return focal.mean(axis)


class BinaryCrossentropy(LossFunctionWrapper):
    """The mean of `-t log p - (1 - t) log(1 - p)`; labels are in [0, 1].

    Args:
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: labels move by this part towards 1/2.
        axis: along which the mean is taken.
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
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """The binary cross-entropy times `(1 - p of the truth)**gamma`.

    Args:
        apply_class_balancing: whether class 1 has the weight `alpha`, class 0 `1 - alpha`.
        alpha: see there.
        gamma: how much less a prediction counts that is right already.
        from_logits: whether `y_pred` are logits and no probabilities.
        label_smoothing: labels move by this part towards 1/2.
        axis: along which the mean is taken.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
