"""Losses of sequences whose alignment with the input is not known."""

from __future__ import annotations

from typing import Any, cast

from irflow import control, dtypes, ops
from irflow.errors import ShapeError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor, inexact
from irflow.losses.reduction import reduced
from irflow.nn.activations import row

NEVER = -1e5
"""The logarithm of a probability of nothing; finite, so that gradients are."""


@public
def ctc(
    logits: TensorLike,
    labels: TensorLike,
    logit_lengths: TensorLike | None = None,
    label_lengths: TensorLike | None = None,
    *,
    blank: int = 0,
    reduction: str = "mean",
) -> Tensor:
    """The mean of `-log p(labels)`, over all ways to align the labels with the time steps.

    A way says one class at each step; labels follow where repetitions are joined and then blanks
    left out. Source: Graves et al., "Connectionist temporal classification", 2006.

    Args:
        logits: `[n, time, classes]`.
        labels: `[n, length]` class numbers.
        logit_lengths: `[n]`, how many steps count; all by default.
        label_lengths: `[n]`, how many labels count; by default those that are not `blank`.
        blank: the class of no label.
        reduction: over the examples.

    Raises:
        ShapeError: the ranks are not 3 and 2, or the numbers of examples differ.
    """
    x, y = inexact(logits), as_tensor(labels)
    if x.ndim != 3 or y.ndim != 2 or x.shape[0] != y.shape[0]:
        raise ShapeError(
            "ctc: logits [n, time, classes] and labels [n, length] are needed",
            facts=[("logits", x.type), ("labels", y.type)],
        )
    if label_lengths is None:
        label_lengths = row("not_equal", y, blank).sum(-1)
    logs = ops.log_softmax(x.astype(dtypes.compute_dtype(x.dtype)), -1)
    states, is_skip = _states(y, blank, logs)
    emitted = _log_probabilities(logs, states)
    scores = _forward(emitted, is_skip, logit_lengths)
    return reduced(-_of_ends(scores, as_tensor(label_lengths)), reduction)


def _states(labels: Tensor, blank: int, logs: Tensor) -> tuple[Tensor, Tensor]:
    """The classes `[n, 2 length + 1]` with blanks between labels, and which may skip a blank."""
    n, length = labels.shape
    blanks = labels.full(blank, (n, length))
    pairs = ops.reshape(ops.stack([blanks, labels], 2), (n, 2 * length))
    states = ops.concatenate([pairs, labels.full(blank, (n, 1))], 1)
    before = ops.concatenate([labels.full(blank, (n, 2)), pairs], 1)
    before = ops.slice_axis(before, 1, 0, 2 * length + 1)
    is_other = row("logical_and", row("not_equal", states, blank), states != before)
    return states, row("where", is_other, 0.0, NEVER).astype(logs.dtype)


def _log_probabilities(logs: Tensor, states: Tensor) -> Tensor:
    """`[time, n, states]`: the logarithm of the probability of each state's class."""
    n, time, _ = logs.shape
    wide = ops.broadcast(ops.expand_dims(states, 1), (n, time, states.shape[1]), (0, 1, 2))
    return cast(Tensor, ops.moveaxis(ops.take_along_axis(logs, wide, 2), 1, 0))


def _forward(emitted: Tensor, is_skip: Tensor, lengths: TensorLike | None) -> Tensor:
    """The logarithm of the sum over all ways that end in each state at the last step."""
    time, n, count = emitted.shape
    start = row("where", ops.iota(emitted, (n, count), 1) < 1, 0.0, NEVER).astype(emitted.dtype)

    def step(scores: Any, xs: Any) -> tuple[Any, None]:
        of_step, number = xs
        stay = row("logaddexp", scores, _shifted(scores, 1))
        moved = row("logaddexp", stay, _shifted(scores, 2) + is_skip) + of_step
        if lengths is None:
            return moved, None
        counts = ops.expand_dims(number < as_tensor(lengths), 1)
        return row("where", counts, moved, scores), None

    scores, _ = control.scan(step, start, (emitted, ops.iota(emitted, (time,), 0)))
    return cast(Tensor, scores)


def _shifted(scores: Tensor, places: int) -> Tensor:
    n, count = scores.shape
    before = scores.full(NEVER, (n, places))
    return cast(Tensor, ops.slice_axis(ops.concatenate([before, scores], 1), 1, 0, count))


def _of_ends(scores: Tensor, lengths: Tensor) -> Tensor:
    """The sum of the two states in which all labels are said."""
    last = ops.convert(lengths, dtypes.i64) * 2
    blank = _pick(scores, last)
    label = _pick(scores, row("maximum", last - 1, 0))
    return row("where", lengths > 0, row("logaddexp", blank, label), blank)


def _pick(scores: Tensor, places: Tensor) -> Tensor:
    return cast(Tensor, ops.take_along_axis(scores, ops.expand_dims(places, 1), 1)).reshape(-1)
