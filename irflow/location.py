"""Where in the user's program an operation came from."""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType

_PACKAGE_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PLUGIN_PACKAGES = tuple(
    f"{os.sep}irflow_{name}{os.sep}" for name in ("numpy", "llvm", "cupy", "passes")
)


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
    while frame is not None and _is_internal(frame.f_code):
        frame = frame.f_back
    if frame is None:
        return None
    return _location(frame.f_code, frame.f_lineno)


@cache
def _is_internal(code: CodeType) -> bool:
    name = code.co_filename
    return (
        name.startswith((_PACKAGE_FOLDER, "<frozen", "<string>"))
        or any(package in name for package in _PLUGIN_PACKAGES)
        or name.endswith((f"{os.sep}contextlib.py", f"{os.sep}functools.py"))
    )


@cache
def _location(code: CodeType, line: int) -> Location:
    return Location(code.co_filename, line, code.co_name)
