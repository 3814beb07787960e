"""Datasets from Python's generators and from files."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irflow.data.rows import Rows, rows_of
from irflow.data.stage import (
    Element,
    FilePlace,
    Origin,
    Pair,
    Stage,
    UserFunction,
    describe,
    first_line,
)
from irflow.errors import DataError, UsageError
from irflow.location import Location, raised_at
from irflow.records import dataclass

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, eq=False)
class Generated(Stage):
    """What a function's generator yields, called anew for each pass."""

    make: Callable[[], Any]
    count: int | None
    element_spec: Element | None
    location: Location | None

    def pairs(self) -> Iterator[Pair]:
        number = 0
        try:
            for number, element in enumerate(self.make()):
                yield number, element
                number += 1  # if the generator fails now, then on the following sample
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"from_generator: the generator failed with {first_line(error)}",
                facts=describe(number),
                location=raised_at(error.__traceback__) or self.location,
            ) from error

    def length(self) -> int | None:
        return self.count

    def sample(self) -> Element:
        return first(self.pairs())

    def spec(self) -> Element:
        return super().spec() if self.element_spec is None else self.element_spec


def first(pairs: Iterator[Pair]) -> Element:
    """The first element, after which the iterator is closed."""
    try:
        for _, element in pairs:
            return element
    finally:
        close(pairs)
    raise DataError("the dataset is empty, so there is no sample")


def close(pairs: Iterator[Any]) -> None:
    """End a pass early: threads stop, files close."""
    if hasattr(pairs, "close"):
        pairs.close()


@dataclass(frozen=True, eq=False)
class Lines(Stage):
    """The lines of text files, without their ends."""

    files: tuple[str, ...]
    encoding: str

    def pairs(self) -> Iterator[Pair]:
        number = 0
        for file in self.files:
            for line, text in enumerate(self._lines(file, number), 1):
                yield FilePlace(number, file, line), text
                number += 1

    def _lines(self, file: str, before: int) -> Iterator[str]:
        line = 0
        try:
            with open(file, "rb") as stream:
                for content in stream:
                    line += 1
                    yield content.decode(self.encoding).rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            number = before + max(line - 1, 0)
            raise _unreadable(FilePlace(number, file, line or None), error) from error

    def length(self) -> None:
        return None

    def sample(self) -> Element:
        return first(self.pairs())


@dataclass(frozen=True, eq=False)
class FileElements(Stage):
    """What a function makes of each file."""

    files: tuple[str, ...]
    read: UserFunction

    def pairs(self) -> Iterator[Pair]:
        for number, file in enumerate(self.files):
            origin = FilePlace(number, file)
            yield origin, self.read(origin, Path(file))

    def length(self) -> int:
        return len(self.files)

    def sample(self) -> Element:
        return first(self.pairs())


def mapped_file(file: str) -> Rows:
    """The rows of an array in a `.npy` file, which are read when they are needed.

    Raises:
        DataError: the file cannot be read as an array of numbers or text.
        ShapeError: the array has no axis.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("an archive of several arrays")
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise _unreadable(FilePlace(0, file), error) from error
    return rows_of(np.asarray(array), file)


def _unreadable(origin: Origin, error: Exception) -> DataError:
    return DataError(
        f"from_files: a file cannot be read: {first_line(error)}", facts=describe(origin)
    )


def found_files(paths: Paths) -> tuple[str, ...]:
    """The files that a path, a pattern such as `data/*.txt`, or several of these mean.

    The files of a pattern are sorted by name.

    Raises:
        UsageError: there is no such file.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[str] = []
    for path in [str(os.fspath(path)) for path in given]:
        found = [path] if os.path.isfile(path) else sorted(filter(os.path.isfile, _glob(path)))
        if not found:
            is_folder = os.path.isdir(path)
            raise UsageError(
                f"from_files: {'a folder' if is_folder else 'no such file'}",
                facts=[("path", path)],
                hint=f"name its files, as {os.path.join(path, '*')}" if is_folder else None,
            )
        files.extend(found)
    if not files:
        raise UsageError("from_files: no files are given")
    return tuple(files)


def _glob(path: str) -> list[str]:
    return glob.glob(path, recursive=True)
