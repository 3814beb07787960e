"""Losses of regions, of embeddings and of unaligned sequences."""

from __future__ import annotations

from typing import Any

from irflow import losses
from irflow.frontend.tensor import Tensor
from irflow.keras.engine import masks
from irflow.keras.losses.categorical import class_numbers
from irflow.keras.losses.loss import LossFunctionWrapper
from irflow.keras.losses.operands import aligned, floating
from irflow.nn.activations import row

Axes = int | tuple[int, ...] | None


def dice(y_true: Any, y_pred: Any, axis: Axes = None) -> Tensor:
    """`1 - 2 * overlap / (both sizes)`; the axes of a region are all by default."""
    t, x = aligned("dice", y_true, y_pred)
    return losses.dice(x, t, _axes(axis), reduction="none")


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axes = None
) -> Tensor:
    """`1 - overlap / (overlap + alpha * missed + beta * extra)`; axes as of `dice`."""
    t, x = aligned("tversky", y_true, y_pred)
    return losses.tversky(x, t, alpha, beta, _axes(axis), reduction="none")


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """The circle loss of each embedding; where it is 0 it does not count in means.

    Args:
        y_true: `[n]` class numbers.
        y_pred: `[n, features]`, embeddings of norm 1.
        ref_labels: `[m]`, the class numbers of the references; by default `y_true`.
        ref_embeddings: `[m, features]`, what embeddings make pairs with; by default `y_pred`.
        remove_diagonal: whether an example makes no pair with the reference of its own number.
        gamma: how much the worst pairs count more than others.
        margin: how far apart the two kinds of pairs are to be.
    """
    result = losses.circle(
        floating(y_pred),
        class_numbers(y_true).reshape(-1),
        references=ref_embeddings,
        reference_labels=None if ref_labels is None else class_numbers(ref_labels).reshape(-1),
        gamma=gamma,
        margin=margin,
        remove_diagonal=remove_diagonal,
        reduction="none",
    )
    masks.set_mask(result, row("greater", result, 0.0))
    return result


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """`-log p(labels)` over all alignments.

    Args:
        y_true: `[n, length]` class numbers; 0 is no label.
        y_pred: `[n, time, classes]` logits.
    """
    return losses.ctc(floating(y_pred), class_numbers(y_true), reduction="none")


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


circle.takes_classes = True  # type: ignore[attr-defined]
ctc.takes_classes = True  # type: ignore[attr-defined]


class Dice(LossFunctionWrapper):
    """`1 - 2 * overlap / (both sizes)` of a predicted and a true region.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        axis: the axes of a region; all by default.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """`1 - overlap / (overlap + alpha * missed + beta * extra)`.

    Args:
        alpha: the weight of what is missed.
        beta: the weight of what is too much.
        reduction: see `Loss`.
        name: of the loss.
        axis: the axes of a region; all by default.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(LossFunctionWrapper):
    """Embeddings of one class are to lie together, others apart.

    Args:
        gamma: how much the worst pairs count more than others.
        margin: how far apart right and wrong pairs are to be.
        remove_diagonal: whether an example makes no pair with itself.
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            circle,
            reduction,
            name,
            dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )


class CTC(LossFunctionWrapper):
    """Labels of sequences whose alignment is not known; the class 0 is no label.

    Args:
        reduction: see `Loss`.
        name: of the loss.
        dtype: see `Loss`.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "ctc",
        dtype: Any = None,
    ) -> None:
        super().__init__(ctc, reduction, name, dtype)
