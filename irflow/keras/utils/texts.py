"""Texts from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from irflow.errors import DataError
from irflow.frontend.boundary import public
from irflow.keras.utils.directories import Folder, Split, datasets

__all__ = ["text_dataset_from_directory"]


@public
def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of texts from `.txt` files in folders, one folder a class.

    Args:
        directory: with a folder of texts for each class, or with texts if there are no labels.
        labels: `"inferred"` from the folders, None, or one for each file in the order of names.
        label_mode: `"int"`, `"categorical"` (one-hot), `"binary"` (`f32[n, 1]`) or None.
        class_names: the folders in the order of their numbers, by default sorted.
        batch_size: None for single texts.
        max_length: longer texts are cut to so many characters.
        shuffle: whether they come in a random order, a new one in each pass.
        seed: of that order and of the split.
        validation_split: the share that is held back, between 0 and 1.
        subset: `"training"`, `"validation"` or `"both"` (a pair of datasets) of the split.
        follow_links: whether symbolic links to folders are followed.
        verbose: whether to say how many files there are.

    Returns:
        a `FileDataset` of texts, with labels.

    Raises:
        DataError: there is no text, or (while iterating) one cannot be read as UTF-8.
        UsageError: an unknown mode, or a split without subset or seed.
    """
    folder = Folder(
        Path(directory), "texts", (".txt",), labels, label_mode, class_names, follow_links
    )
    split = Split(validation_split, subset, shuffle, seed)

    def read(path: Path) -> str:
        try:
            return path.read_text("utf-8")[:max_length]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                "a file cannot be read as a text", facts=[("file", path), ("found", str(error))]
            ) from error

    return datasets(folder, split, read, batch_size, verbose)
