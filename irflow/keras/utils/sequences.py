"""Sequences of one length, and windows of time series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow.data import Dataset
from irflow.errors import ShapeError, UsageError
from irflow.frontend.boundary import public

__all__ = ["pad_sequences", "timeseries_dataset_from_array"]


@public
def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array.

    Args:
        sequences: each a list, or array `[length, ...]`.
        maxlen: the length of all, by default that of the longest.
        dtype: of the result.
        padding: `"pre"` or `"post"`: on which side short ones are padded.
        truncating: `"pre"` or `"post"`: on which side long ones are cut.
        value: what they are padded with.

    Returns:
        `[n, maxlen, ...]`.

    Raises:
        ShapeError: the elements of the sequences differ in shape.
        UsageError: neither "pre" nor "post", or something that is no sequence.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2).tolist()
    [[0, 1], [2, 3], [5, 6]]
    """
    for name, side in [("padding", padding), ("truncating", truncating)]:
        if side not in ("pre", "post"):
            raise UsageError(f"pad_sequences: {name} is {side!r}, not 'pre' or 'post'")
    rows = [_row(sequence, i) for i, sequence in enumerate(sequences)]
    length = max(map(len, rows), default=0) if maxlen is None else maxlen
    shape = next((row.shape[1:] for row in rows if len(row)), ())
    result = np.full((len(rows), length, *shape), value, dtype)
    for i, row in enumerate(rows):
        kept = row[max(len(row) - length, 0) :] if truncating == "pre" else row[:length]
        if not len(kept):
            continue
        if kept.shape[1:] != shape:
            raise ShapeError(
                f"pad_sequences: the elements of sequence {i} have another shape",
                facts=[("expected", shape), ("found", kept.shape[1:])],
            )
        place = slice(length - len(kept), None) if padding == "pre" else slice(len(kept))
        result[i, place] = kept
    return result


def _row(sequence: Any, number: int) -> np.ndarray:
    try:
        row = np.asarray(sequence)
    except ValueError as error:
        raise ShapeError(f"pad_sequences: sequence {number} is ragged") from error
    if row.ndim == 0:
        raise UsageError(f"pad_sequences: element {number} is {sequence!r}, not a sequence")
    return row


@public
def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> Dataset:
    """Windows that slide over a time series.

    Window `i` begins at step `i * sequence_stride` and holds every `sampling_rate`-th step of it.

    Args:
        data: `[steps, ...]`.
        targets: `[windows or more, ...]`, the target of window `i` at its first step, or None.
        sequence_length: steps of a window.
        sequence_stride: steps between the beginnings of windows.
        sampling_rate: steps between those of a window.
        batch_size: windows in a batch; None for single ones.
        shuffle: whether they come in a random order.
        seed: of that order.
        start_index: earlier steps are not used.
        end_index: nor are this one and later ones.

    Returns:
        a dataset of windows `[batch, sequence_length, ...]`, with targets if there are some.

    Raises:
        UsageError: a length, stride or rate is not positive, or the range is empty.
    """
    counts = {"sequence_length": sequence_length, "sequence_stride": sequence_stride}
    for name, number in {**counts, "sampling_rate": sampling_rate}.items():
        if number < 1:
            raise UsageError(f"timeseries_dataset_from_array: {name} is {number}, not positive")
    steps = np.asarray(data)
    first, last = start_index or 0, len(steps) if end_index is None else end_index
    if not 0 <= first < last <= len(steps):
        raise UsageError(
            "timeseries_dataset_from_array: no such range of steps",
            facts=[("range", f"{first} to {last}"), ("steps", len(steps))],
        )
    count = last - first - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets) - first)
    begins = np.arange(first, first + max(count, 0), sequence_stride)
    window = sampling_rate * np.arange(sequence_length)
    starts = Dataset.from_arrays(begins)
    chosen = starts.shuffle(seed=seed) if shuffle else starts
    if targets is None:
        made = chosen.map(lambda start: steps[start + window])
    else:
        aims = np.asarray(targets)
        made = chosen.map(lambda start: (steps[start + window], aims[start]))
    return made if batch_size is None else made.batch(batch_size)
