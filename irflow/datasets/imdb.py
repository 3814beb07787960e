"""IMDB: 25,000 + 25,000 film reviews as numbers of words, each praise (1) or blame (0).

A. L. Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011, as numbered by Keras.
"""

import contextlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irflow.artifact.files import replacing
from irflow.datasets.arrays import read_header, read_npz
from irflow.datasets.download import Content
from irflow.datasets.files import File, fetched
from irflow.datasets.ragged import read_ragged
from irflow.errors import ArtifactError

BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
ARCHIVE = File(
    "imdb.npz",
    BASE + "imdb.npz",
    Content(17_464_789, "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"),
)
WORDS = File(
    "imdb_word_index.json",
    BASE + "imdb_word_index.json",
    Content(1_641_221, "bfafd718b763782e994055a2d397834f"),
)
LARGEST = 1 << 28


class Reviews(NamedTuple):
    """The reviews of one part: their words as ranks by frequency, from 1, and their labels."""

    words: list[list[int]]
    labels: np.ndarray


def load_imdb(folder: str | os.PathLike[str] | None = None) -> tuple[Reviews, Reviews]:
    """The training and the test part, in the order of the file.

    It is looked for where `load_mnist` looks, in folders named `imdb`, and downloaded (17 MB) where
    it is nowhere yet. The first reading takes about 15 s, as the file is a pickle, which is read as
    data and never run; a plain copy beside it serves from then on.

    Raises:
        ArtifactError: the download fails or has other content, or the file is damaged.
    """
    path = fetched("imdb", ARCHIVE, folder)
    copy = path.with_name("imdb-plain.npz")
    if copy.is_file() and copy.stat().st_mtime >= path.stat().st_mtime:
        return _plain(copy, "train"), _plain(copy, "test")
    parts = _part(path, "train"), _part(path, "test")
    _keep(copy, parts)
    return parts


def load_word_index(folder: str | os.PathLike[str] | None = None) -> dict[str, int]:
    """The rank of each word."""
    path = fetched("imdb", WORDS, folder)
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(found, dict) or not all(type(rank) is int for rank in found.values()):
        raise _damaged(path, "not a table of words and numbers")
    return found


def _part(path: Path, part: str) -> Reviews:
    (labels,) = read_npz(path, [f"y_{part}"], kinds="iu")
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"x_{part}.npy")
            if info.file_size > LARGEST:
                raise _damaged(path, f"x_{part} would have {info.file_size:,} bytes")
            with archive.open(info) as stream:
                read_header(stream)
                words = read_ragged(stream)  # type: ignore[arg-type]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, ArtifactError):
            raise
        raise _damaged(path, str(error)) from error
    if labels.shape != (len(words),):
        raise _damaged(path, f"{labels.size} labels for {len(words)} reviews")
    return Reviews(words, labels)


def _keep(copy: Path, parts: tuple[Reviews, Reviews]) -> None:
    """Write the plain copy, if the folder may be written to."""
    arrays: dict[str, Any] = {}
    for name, part in zip(("train", "test"), parts, strict=True):
        arrays[f"{name}_words"] = np.array([w for row in part.words for w in row], np.int32)
        arrays[f"{name}_lengths"] = np.array([len(row) for row in part.words], np.int32)
        arrays[f"{name}_labels"] = part.labels
    with contextlib.suppress(ArtifactError), replacing(copy) as stream:
        np.savez_compressed(stream, **arrays)


def _plain(copy: Path, part: str) -> Reviews:
    names = [f"{part}_{kind}" for kind in ("words", "lengths", "labels")]
    words, lengths, labels = read_npz(copy, names, kinds="iu")
    if lengths.min(initial=0) < 0 or lengths.sum() != len(words) or len(lengths) != len(labels):
        raise _damaged(copy, "lengths that do not fit")
    rows = np.split(words, np.cumsum(lengths)[:-1])
    return Reviews([row.tolist() for row in rows], labels)


def _damaged(path: Path, found: str) -> ArtifactError:
    return ArtifactError(f"load_imdb: {path.name} is damaged", facts=[("found", found)])
