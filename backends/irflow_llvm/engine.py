"""Machine code in memory: from the cache, or else from LLVM.

LLVM's library is loaded when something is compiled, and where `linking` does not know how code is
loaded; a process that finds all of its code on disk starts sooner without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from irflow import log
from irflow.backend.cache import cached, name_of
from irflow.errors import LoweringError
from irflow_llvm import linking
from irflow_llvm.host import host
from irflow_llvm.objects import LinkError

LEVEL = 2

KEPT = 256
"""So many object files stay in memory."""

Code = tuple[str, bytes]
"""An object file, and the name under which it is kept."""

_codes: dict[str, bytes] = {}
_known: dict[str, int] = {}
"""Functions of this process that code may call, by name."""


def add_function(name: str, place: int) -> None:
    """Let code that is loaded from now on call a function by a name, given its address."""
    _known[name] = place


def object_name(text: str, level: int = LEVEL) -> str:
    """The name under which `cached_object_code` keeps what it returns."""
    return name_of((*host(), str(level), text))


def cached_code(text: str, level: int = LEVEL) -> Code:
    """`cached_object_code` with its name; what was made last in this process is in memory."""
    name = object_name(text, level)
    found = _codes.pop(name, None)
    if found is None:
        found = cached_object_code(text, level)
    _codes[name] = found
    while len(_codes) > KEPT:
        _codes.pop(next(iter(_codes)), None)
    return name, found


def cached_object_code(text: str, level: int = LEVEL) -> bytes:
    """`llvm.object_code` for this machine, from the cache if it is there.

    With `IRFLOW_COMPILE_IN_CHILD=1` it is made by another process, so that code for which LLVM ends
    the process is an error.
    """
    return cached((*host(), str(level), text), lambda: _made(text, level))


def _made(text: str, level: int) -> bytes:
    if os.environ.get("IRFLOW_COMPILE_IN_CHILD", "0") in ("", "0"):
        from irflow_llvm import llvm

        return llvm.object_code(text, level)
    from irflow_llvm.child import machine_code

    return machine_code(text, level)


class Engine:
    """Machine code in memory, made from IR text; it lives as long as this object.

    Args:
        text: a module whose entry points are visible from outside.
        level: 0 to 3, as in LLVM.

    Raises:
        LoweringError: LLVM rejects the text.
    """

    def __init__(self, text: str, level: int = LEVEL) -> None:
        self._load([cached_code(text, level)[1]])

    @classmethod
    def of_objects(cls, codes: Iterable[bytes]) -> Engine:
        """Machine code that LLVM made for this machine; each may call the others."""
        made = cls.__new__(cls)
        made._load(list(codes))
        return made

    def _load(self, codes: Sequence[bytes]) -> None:
        self._image = _image(codes)
        self._engine: Any = None
        if self._image is None:
            from irflow_llvm import llvm

            self._engine = llvm.load(codes, _known)

    def address(self, name: str) -> int:
        """Where the function `name` starts.

        Raises:
            LoweringError: the module defines no such function visible from outside.
        """
        if self._image is not None:
            found = self._image.address(name)
        else:
            found = int(self._engine.get_function_address(name))
        if not found:
            raise LoweringError(f"no compiled function {name!r}")
        return found


def _image(codes: Sequence[bytes]) -> linking.Image | None:
    """Object files in memory; None where LLVM has to load them."""
    if not linking.is_supported():
        return None
    try:
        return linking.Image(codes, _known)
    except LinkError as error:
        log.write("kernels", f"LLVM loads code, for {error}")
        return None
