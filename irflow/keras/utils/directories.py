"""Datasets of the files in folders, one folder a class."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from irflow.data import Dataset
from irflow.errors import DataError, UsageError
from irflow.records import dataclass

LABEL_MODES = ("int", "categorical", "binary", None)
SUBSETS = ("training", "validation", "both", None)
Files = list[tuple[Path, Any]]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose files are the examples.

    Attributes:
        root: with a folder for each class, or with files where the labels are given or none.
        kind: of the files, for messages.
        endings: of their names, in lower case.
        labels: `"inferred"` from the folders, None, or one for each file in the order of names.
        label_mode: `"int"`, `"categorical"` (one-hot), `"binary"` (`f32[n, 1]`) or None.
        class_names: the folders in the order of their numbers, by default sorted.
        follow_links: whether symbolic links to folders are followed.
    """

    root: Path
    kind: str
    endings: tuple[str, ...]
    labels: Any
    label_mode: str | None
    class_names: list[str] | None
    follow_links: bool

    def names(self) -> list[str] | None:
        """The classes; None if they are not inferred.

        Raises:
            DataError: the folder is not there.
            UsageError: `class_names` are not its folders, or an unknown `label_mode`.
        """
        one_of("label_mode", self.label_mode, LABEL_MODES)
        if not self.root.is_dir():
            raise DataError(f"no folder {self.root}")
        if not isinstance(self.labels, str):
            return None
        one_of("labels", self.labels, ("inferred",))
        found = sorted(path.name for path in self.root.iterdir() if path.is_dir())
        if self.class_names is not None and sorted(self.class_names) != found:
            raise UsageError(
                "class_names are not the folders", facts=[("folders", ", ".join(found))]
            )
        return list(self.class_names or found)

    def files(self) -> Files:
        """All files with their labels, in the order of names.

        Raises:
            DataError: there are none.
            UsageError: there are more or fewer labels than files.
        """
        names = self.names()
        if names is not None:
            folders = [self._inside(self.root / name) for name in names]
            found = [(path, i) for i, folder in enumerate(folders) for path in folder]
        else:
            paths = self._inside(self.root)
            numbers = [0] * len(paths) if self.labels is None else list(self.labels)
            if len(numbers) != len(paths):
                raise UsageError(
                    f"{len(numbers)} labels for {len(paths)} {self.kind} in {self.root}"
                )
            found = list(zip(paths, numbers, strict=True))
        if not found:
            looked = ("looked for", " ".join(self.endings))
            raise DataError(f"no {self.kind} in {self.root}", facts=[looked])
        return found

    def _inside(self, folder: Path) -> list[Path]:
        found = [
            Path(place, name)
            for place, _, names in os.walk(folder, followlinks=self.follow_links)
            for name in names
            if name.lower().endswith(self.endings)
        ]
        return sorted(found)


class FileDataset(Dataset):
    """Examples from files.

    Attributes:
        class_names: the folders in the order of their numbers; None without inferred labels.
        file_paths: the files before any shuffling.
    """

    def __init__(self, dataset: Dataset, class_names: list[str] | None, paths: list[str]) -> None:
        super().__init__(dataset._stage)
        self.class_names = class_names
        self.file_paths = paths


@dataclass(frozen=True, slots=True)
class Split:
    """Which files are taken, and in which order.

    Attributes:
        share: that is held back, between 0 and 1; None for no split.
        subset: `"training"`, `"validation"` or `"both"` of the split.
        shuffle: whether files come in a random order, a new one in each pass.
        seed: of that order and of the split.

    Raises:
        UsageError: a split without subset or seed, or of another size.
    """

    share: float | None
    subset: str | None
    shuffle: bool
    seed: int | None

    def __post_init__(self) -> None:
        one_of("subset", self.subset, SUBSETS)
        if (self.share is None) != (self.subset is None):
            raise UsageError("validation_split and subset are given together, or not at all")
        if self.share is not None and not 0 < self.share < 1:
            raise UsageError(f"validation_split is {self.share}, not between 0 and 1")
        if self.share is not None and self.shuffle and self.seed is None:
            raise UsageError(
                "a shuffled split needs a seed", hint="pass seed=, else the two parts may overlap"
            )

    def parts(self, files: Files) -> list[Files]:
        """What is asked for; the last files, after shuffling, are held back."""
        if self.share is None:
            return [files]
        if self.shuffle:
            order = np.random.RandomState(self.seed).permutation(len(files))
            files = [files[i] for i in order]
        held = int(self.share * len(files))
        first, last = files[: len(files) - held], files[len(files) - held :]
        return {"training": [first], "validation": [last]}.get(self.subset or "", [first, last])


def datasets(
    folder: Folder,
    split: Split,
    read: Callable[[Path], Any],
    batch_size: int | None,
    verbose: bool,
) -> Any:
    """The dataset of a folder's files, or a pair of them for `subset="both"`.

    Args:
        folder: where the files are.
        split: which of them are taken.
        read: makes an example of a file.
        batch_size: None for single examples.
        verbose: whether to say how many files there are.
    """
    files, names = folder.files(), folder.names()
    if verbose:
        classes = "" if names is None else f" belonging to {len(names)} classes"
        sys.stdout.write(f"Found {len(files)} files{classes}.\n")
    mode, parts = None if folder.labels is None else folder.label_mode, split.parts(files)
    if verbose and split.subset is not None:
        subsets = ("training", "validation") if len(parts) == 2 else (split.subset,)
        for subset, part in zip(subsets, parts, strict=True):
            sys.stdout.write(f"Using {len(part)} files for {subset}.\n")
    made = [_dataset(part, names, mode, read, batch_size, split) for part in parts]
    return made[0] if len(made) == 1 else tuple(made)


def _dataset(
    files: Files,
    names: list[str] | None,
    mode: str | None,
    read: Callable[[Path], Any],
    batch_size: int | None,
    split: Split,
) -> FileDataset:
    paths = [path for path, _ in files]
    numbers = np.array([label for _, label in files])
    rows = Dataset.from_arrays(np.arange(len(paths)))
    ordered = rows.shuffle(seed=split.seed) if split.shuffle else rows
    if mode is None:
        made = ordered.map(lambda i: read(paths[i]))
    else:
        targets = _targets(numbers, mode, len(names) if names else int(numbers.max(initial=0)) + 1)
        made = ordered.map(lambda i: (read(paths[i]), targets[i]))
    batches = made if batch_size is None else made.batch(batch_size)
    return FileDataset(batches, names, [str(path) for path in paths])


def _targets(numbers: np.ndarray, mode: str, classes: int) -> np.ndarray:
    if mode == "categorical":
        rows: np.ndarray = np.eye(classes, dtype=np.float32)[numbers]
        return rows
    if mode == "binary":
        if classes != 2:
            raise UsageError(f"label_mode 'binary' is for 2 classes, not {classes}")
        return numbers[:, None].astype(np.float32)
    return numbers.astype(np.int32)


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Check an argument that has few values.

    Raises:
        UsageError: it is none of them.
    """
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}, not one of {', '.join(map(repr, allowed))}")
