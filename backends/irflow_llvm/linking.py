"""Machine code in memory without LLVM: object files, linked with each other and with the process.

The code that irflow compiles is plain: it refers to its own sections relative to the place of the
reference, and calls functions of the process by name. So a few kinds of references are enough, and
what was compiled before runs without LLVM, whose library takes 50 ms and 45 MB to load. What is
less plain is refused here and left to LLVM's linker.

Source: AMD64 supplement of the System V ABI, "Relocation".
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from irflow_llvm.address import address
from irflow_llvm.objects import EXECUTE, WRITE, LinkError, ObjectFile

_ABSOLUTE, _RELATIVE, _CALL, _ENTRIES = 1, 2, 4, (9, 41, 42)
"""Kinds of references: to an address, to a place, to a function, to where an address stands."""

_ACCESS = {
    EXECUTE: mmap.PROT_READ | mmap.PROT_EXEC,
    0: mmap.PROT_READ,
    WRITE: mmap.PROT_READ | mmap.PROT_WRITE,
}
"""What may be done with sections of some flags; each kind has pages of its own."""

_JUMP = bytes.fromhex("ff2502000000 9090")
"""Jumps to the address that follows it: functions of the process are too far for a call. Each name
has one; references may also be to where the address stands."""

_JUMP_BYTES = 16


def is_supported() -> bool:
    """Whether this process runs code from object files of this kind."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


class Image:
    """Object files in memory.

    Args:
        codes: the files; each may call the others.
        known: functions that they may call besides, by name; they come before the libraries'.

    Raises:
        LinkError: something is not known here, or the system allows no new code.
    """

    def __init__(self, codes: Iterable[bytes], known: Mapping[str, int]) -> None:
        files = [ObjectFile(code) for code in codes]
        named = [(name, is_here) for file in files for _, name, is_here in file.named]
        here = {name for name, is_here in named if is_here}
        names = sorted({name for name, _ in named})
        outside = {name: _address(name, known) for name in names if name not in here}
        pages = self._arrange(files, names)
        self._memory = mmap.mmap(-1, pages[-1][1], mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._bytes = np.frombuffer(self._memory, np.uint8)
        self._start = address(self._bytes)
        self._defined: dict[str, int] = {}
        for file in files:
            self._fill(file)
        self._write_jumps(outside)
        for file in files:
            self._link(file)
        self._protect(pages)

    def address(self, name: str) -> int | None:
        """Where a function starts that others see; None if there is none."""
        found = self._defined.get(name)
        return None if found is None else self._start + found

    def _arrange(
        self, files: Sequence[ObjectFile], names: Iterable[str]
    ) -> list[tuple[int, int, int]]:
        """Give each section and each name's jump a place. Start, end and access of pages."""
        end, pages = 0, []
        for wanted, access in _ACCESS.items():
            start = end
            for file in files:
                for number, flags, size, alignment in file.loaded():
                    if flags == wanted:
                        file.places[number] = place = _rounded(end, alignment)
                        end = place + size
            if wanted == EXECUTE:
                end = _rounded(end, _JUMP_BYTES)
                self._jumps = {name: end + _JUMP_BYTES * i for i, name in enumerate(names)}
                end += _JUMP_BYTES * len(self._jumps)
            end = _rounded(max(end, 1), mmap.PAGESIZE)
            pages.append((start, end, access))
        return pages

    def _fill(self, file: ObjectFile) -> None:
        for place, content in file.contents():
            self._bytes[place : place + len(content)] = content
        targets = file.targets().tolist()
        self._defined |= {name: targets[i] for i, name, is_here in file.named if is_here}

    def _write_jumps(self, outside: Mapping[str, int]) -> None:
        for name, place in self._jumps.items():
            found = self.address(name) or outside[name]
            jump = np.frombuffer(_JUMP + found.to_bytes(8, "little"), np.uint8)
            self._bytes[place : place + _JUMP_BYTES] = jump

    def _link(self, file: ObjectFile) -> None:
        """Write what the references of a file refer to."""
        targets = file.targets()
        jumps = np.full(len(targets), -_JUMP_BYTES, np.int64)
        for number, name, _ in file.named:
            jumps[number] = self._jumps[name]
            targets[number] = self._defined.get(name, self._jumps[name])
        for place, rows in file.references():
            kinds, symbols = rows["kind"], rows["symbol"]
            places = place + rows["offset"].astype(np.int64)
            is_entry, is_absolute = np.isin(kinds, _ENTRIES), kinds == _ABSOLUTE
            found = np.where(is_entry, jumps[symbols] + len(_JUMP), targets[symbols])
            is_known = is_entry | is_absolute | np.isin(kinds, (_RELATIVE, _CALL))
            if not is_known.all() or (found < 0).any():
                raise LinkError("a reference of a kind that is not known")
            found += rows["more"]
            self._write(places[is_absolute], (found + self._start)[is_absolute], "<i8")
            self._write(places[~is_absolute], (found - places)[~is_absolute], "<i4")

    def _write(self, places: np.ndarray, numbers: np.ndarray, dtype: str) -> None:
        width = np.dtype(dtype).itemsize
        content = numbers.astype(dtype).view(np.uint8).reshape(-1, width)
        self._bytes[places[:, None] + np.arange(width)] = content

    def _protect(self, pages: Iterable[tuple[int, int, int]]) -> None:
        for start, end, access in pages:
            size = ctypes.c_size_t(end - start)
            if _process().mprotect(ctypes.c_void_p(self._start + start), size, access):
                raise LinkError("the system allows no new code")


@cache
def _process() -> ctypes.CDLL:
    """The functions of all libraries of the process."""
    return ctypes.CDLL(None)


def _address(name: str, known: Mapping[str, int]) -> int:
    if name in known:
        return known[name]
    try:
        return ctypes.cast(getattr(_process(), name), ctypes.c_void_p).value or 0
    except AttributeError:
        raise LinkError(f"no library has the function {name}") from None


def _rounded(number: int, unit: int) -> int:
    return -(-number // unit) * unit
