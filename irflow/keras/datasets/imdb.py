"""The IMDB film reviews, each a list of word numbers, labelled as praise or blame."""

from collections.abc import Sequence

import numpy as np

from irflow.datasets.imdb import Reviews, load_imdb, load_word_index
from irflow.errors import UsageError

__all__ = ["get_word_index", "load_data"]

Labelled = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str | None = None,
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[Labelled, Labelled]:
    """25,000 training and 25,000 test reviews in a fixed random order.

    A word is numbered by how frequent it is; `num_words=10000` keeps the ten thousand most frequent
    ones. 0 is left for padding.

    Args:
        path: the folder with `imdb.npz`; by default it is found or downloaded.
        num_words: words with this number or a greater one are taken out; None keeps all.
        skip_top: so are those with a smaller number than this.
        maxlen: only shorter reviews are kept; None keeps all.
        seed: of the order.
        start_char: the number that begins each review; None for no such number.
        oov_char: what stands for a word that was taken out; None drops it.
        index_from: added to the number of each word; numbers below are for the special ones.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of lists of integers, and labels `i64[n]`,
        1 for praise.

    Raises:
        ArtifactError: the download fails or has other content, or the file is damaged.
        UsageError: no review is shorter than `maxlen`.
    """
    folder = None if path in (None, "imdb.npz") else path
    parts = [_numbered(part, seed, start_char, index_from) for part in load_imdb(folder)]
    if maxlen:
        parts = [_shorter(part, maxlen) for part in parts]
    last = num_words or max(max(row, default=0) for part in parts for row in part.words) + 1
    train, test = (
        (_objects([_kept(row, skip_top, last, oov_char) for row in part.words]), part.labels)
        for part in parts
    )
    return train, test


def get_word_index(path: str | None = None) -> dict[str, int]:
    """The number of each word, before `index_from` is added.

    Args:
        path: the folder with `imdb_word_index.json`; by default it is found or downloaded.
    """
    return load_word_index(None if path in (None, "imdb_word_index.json") else path)


def _numbered(part: Reviews, seed: int, start: int | None, shift: int | None) -> Reviews:
    """The reviews in their random order, with the special numbers made room for."""
    order = np.arange(len(part.words))
    np.random.RandomState(seed).shuffle(order)
    first, by = ([] if start is None else [start]), shift or 0
    words = [[*first, *(word + by for word in part.words[i])] for i in order]
    return Reviews(words, part.labels[order])


def _shorter(part: Reviews, maxlen: int) -> Reviews:
    places = [i for i, row in enumerate(part.words) if len(row) < maxlen]
    if not places:
        raise UsageError(f"imdb: no review has fewer than {maxlen} words", hint="increase maxlen")
    return Reviews([part.words[i] for i in places], part.labels[places])


def _kept(row: list[int], first: int, last: int, other: int | None) -> list[int]:
    if other is None:
        return [word for word in row if first <= word < last]
    return [word if first <= word < last else other for word in row]


def _objects(rows: Sequence[list[int]]) -> np.ndarray:
    """An array of lists, also where all of them have one length."""
    result = np.empty(len(rows), object)
    result[:] = rows
    return result
