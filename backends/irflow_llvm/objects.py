"""Object files as LLVM makes them for Linux on x86-64: sections, symbols, references.

Source: System V ABI, chapter "Object Files", with the AMD64 supplement.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

_SECTION = np.dtype([
    ("name", "<u4"), ("kind", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8"),
    ("size", "<u8"), ("link", "<u4"), ("info", "<u4"), ("alignment", "<u8"), ("entry", "<u8"),
])  # fmt: skip
_SYMBOL = np.dtype([
    ("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"),
    ("size", "<u8"),
])  # fmt: skip
_REFERENCE = np.dtype([("offset", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("more", "<i8")])

_MAGIC, _HEAD_BYTES = b"\x7fELF\x02\x01\x01", 64
_RELOCATABLE, _X86_64 = 1, 62
_SYMBOLS, _REFERENCES, _ZEROS, _UNWINDING = 2, 4, 8, 0x70000001  # kinds of sections
_UNDEFINED, _SPECIAL = 0, 0xFF00  # numbers of sections
_FILE = 4  # a kind of symbols

WRITE, _ALLOCATE, EXECUTE = 1, 2, 4
"""Flags of sections."""


class LinkError(ValueError):
    """Object files have something that is not known here, or ask for what nobody has."""


class ObjectFile:
    """An object file, and where its sections are to be.

    Attributes:
        places: of its sections, from the start of some memory; -1 for those that are not there.

    Args:
        code: its bytes.

    Raises:
        LinkError: it is for another machine, or something in it is not known.
    """

    def __init__(self, code: bytes) -> None:
        if len(code) < _HEAD_BYTES or not code.startswith(_MAGIC):
            raise LinkError("not an object file")
        self._code = code
        kind, machine = self._table("<u2", 16, 2).tolist()
        (start,) = self._table("<u8", 40, 1).tolist()
        size, count = self._table("<u2", 58, 2).tolist()
        if (kind, machine, size) != (_RELOCATABLE, _X86_64, _SECTION.itemsize):
            raise LinkError("an object file for another machine")
        self._sections = self._table(_SECTION, start, count)
        self.places = np.full(count, -1, np.int64)

    def _table(self, dtype: np.dtype[np.void] | str, start: int, count: int) -> np.ndarray:
        try:
            return np.frombuffer(self._code, dtype, count, start)
        except ValueError as error:
            raise LinkError(f"an object file that is cut off: {error}") from None

    def _rows(self, section: np.void, dtype: np.dtype[np.void]) -> np.ndarray:
        return self._table(dtype, int(section["offset"]), int(section["size"]) // dtype.itemsize)

    def loaded(self) -> Iterator[tuple[int, int, int, int]]:
        """Number, flags, size and alignment of each section that is to be in memory.

        Tables for unwinding are left out: nothing throws in this code or through it.
        """
        columns = self._sections[["kind", "flags", "size", "alignment"]].tolist()
        for number, (kind, flags, size, alignment) in enumerate(columns):
            if flags & _ALLOCATE and kind != _UNWINDING:
                yield number, flags & (WRITE | EXECUTE), size, max(alignment, 1)

    def contents(self) -> Iterator[tuple[int, np.ndarray]]:
        """The place and the bytes of each section in memory that is not full of zeros."""
        for number, place in enumerate(self.places.tolist()):
            section = self._sections[number]
            if place >= 0 and section["kind"] != _ZEROS:
                yield place, self._table("u1", int(section["offset"]), int(section["size"]))

    @cached_property
    def _symbol_table(self) -> np.void | None:
        (found,) = np.flatnonzero(self._sections["kind"] == _SYMBOLS)[:1].tolist() or [None]
        return None if found is None else self._sections[found]

    @cached_property
    def _symbols(self) -> np.ndarray:
        table = self._symbol_table
        return np.empty(0, _SYMBOL) if table is None else self._rows(table, _SYMBOL)

    @cached_property
    def named(self) -> list[tuple[int, str, bool]]:
        """Number and name of each symbol that other files see, and whether it is defined here."""
        if self._symbol_table is None:
            return []
        texts = self._sections[int(self._symbol_table["link"])]
        names = self._table("u1", int(texts["offset"]), int(texts["size"])).tobytes()
        rows = []
        for number in np.flatnonzero(self._symbols["info"] >> 4).tolist():
            start = int(self._symbols["name"][number])
            end = names.index(b"\0", start)
            is_defined = bool(self._symbols["section"][number] != _UNDEFINED)
            rows.append((number, names[start:end].decode(), is_defined))
        return rows

    def targets(self) -> np.ndarray:
        """The place of each symbol; something for those that are defined elsewhere."""
        sections = self._symbols["section"].astype(np.int64)
        is_special = sections >= _SPECIAL
        if (self._symbols["info"][is_special] & 15 != _FILE).any():
            raise LinkError("a symbol in no section")
        sections[is_special] = 0
        return self.places[sections] + self._symbols["value"].astype(np.int64)

    def references(self) -> Iterator[tuple[int, np.ndarray]]:
        """The place of each section that refers to symbols, and how: offset, kind, symbol, more."""
        for section in self._sections[self._sections["kind"] == _REFERENCES]:
            place = int(self.places[section["info"]])
            if place >= 0:
                yield place, self._rows(section, _REFERENCE)
