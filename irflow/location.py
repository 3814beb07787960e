"""Where in the user's program an operation came from, and which frames are the user's."""

from __future__ import annotations

import linecache
import os
import sys
import warnings
from types import FrameType, TracebackType

from irflow.records import dataclass

_PACKAGE_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_DEMO_FOLDER = os.path.join(_PACKAGE_FOLDER, "demo") + os.sep  # written as a user would write it
_PLUGIN_FOLDERS = tuple(
    f"{os.sep}irflow_{name}{os.sep}" for name in ("numpy", "llvm", "cupy", "passes")
)
_NUMPY_FOLDER = f"{os.sep}site-packages{os.sep}numpy{os.sep}"
_TEXT = "<string>"  # `python -c`, or a method that a dataclass decorator wrote
_BETWEEN = (f"{os.sep}contextlib.py", f"{os.sep}functools.py")

_internal_files: dict[str, bool] = {}
_users_files: dict[str, bool] = {}
_locations: dict[tuple[str, int, str], Location] = {}


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file, and the function it stands in."""

    file: str
    line: int
    function: str = ""

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    def describe(self) -> str:
        """The form used in error messages: `model.py:14, forward:    h = x @ w`."""
        source = linecache.getline(self.file, self.line).strip()
        place = f"{self}, {self.function}" if self.function else str(self)
        return f"{place}:    {source}" if source else place


def user_location() -> Location | None:
    """The innermost frame outside irflow and its plugins, or None when there is none.

    `IRFLOW_TRACEBACK=full` is about tracebacks, not locations: a location is always the user's.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        # Each operation that is traced asks a dozen frames.
        known = _users_files.get(frame.f_code.co_filename)
        if known or (known is None and _is_users(frame)):
            return _location(frame, frame.f_lineno)
        frame = frame.f_back
    return None


def raised_at(traceback: TracebackType | None) -> Location | None:
    """The innermost line of the user's in a traceback, or None when there is none."""
    found = None
    while traceback is not None:
        if _is_users(traceback.tb_frame):
            found = _location(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def warn(message: str) -> None:
    """A `UserWarning` at the user's line, wherever in irflow it arises."""
    place = user_location()
    if place is None:
        warnings.warn(message, stacklevel=2)
    else:
        warnings.warn_explicit(message, UserWarning, place.file, place.line)


def _location(frame: FrameType, line: int) -> Location:
    code = frame.f_code
    key = (code.co_filename, line, code.co_name)
    found = _locations.get(key)
    if found is None:
        found = _locations[key] = Location(*key)
    return found


def _is_users(frame: FrameType) -> bool:
    """Whether a line of it is where the user would look; NumPy calls methods of tensors."""
    file = frame.f_code.co_filename
    found = not is_internal(frame) and _NUMPY_FOLDER not in file
    if file != _TEXT:
        _users_files[file] = found
    return found


def is_internal(frame: FrameType) -> bool:
    """Whether a frame runs code of irflow, of its plugins, or glue between that and the user's."""
    file = frame.f_code.co_filename
    known = _internal_files.get(file)
    if known is not None:
        return known
    if file == _TEXT:
        return str(frame.f_globals.get("__name__")).startswith("irflow")
    _internal_files[file] = result = _is_internal_file(file)
    return result


def _is_internal_file(file: str) -> bool:
    """Whether it is of irflow, of its plugins, or of what calls back from between."""
    if file.startswith(_DEMO_FOLDER):
        return False
    return (
        file.startswith((_PACKAGE_FOLDER, "<frozen"))
        or any(folder in file for folder in _PLUGIN_FOLDERS)
        or file.endswith(_BETWEEN)
    )


def user_traceback(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of irflow; its entries are linked anew in place."""
    kept: list[TracebackType] = []
    while traceback is not None:
        if not is_internal(traceback.tb_frame):
            kept.append(traceback)
        traceback = traceback.tb_next
    if not kept:
        return None
    for entry, following in zip(kept, [*kept[1:], None], strict=True):
        entry.tb_next = following
    return kept[0]


def innermost(traceback: TracebackType) -> FrameType:
    """The frame in which an exception was raised."""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame
