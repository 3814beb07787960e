"""Event files, as TensorBoard reads them, written without TensorBoard.

A file is a sequence of records (length, checksum, content, checksum); the content is an `Event` in
the encoding of protocol buffers. Only the fields that are needed are written.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import IO

from irflow.records import dataclass

VERSION = "brain.Event:2"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
POLYNOMIAL = 0x82F63B78
"""Of CRC-32C (Castagnoli), reflected."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of the graph that TensorBoard draws."""

    name: str
    operation: str
    inputs: tuple[str, ...] = ()


class EventFile:
    """A new event file in a folder.

    Args:
        folder: is made where it is absent.
        suffix: tells files of one second apart.
    """

    def __init__(self, folder: str, suffix: str = "") -> None:
        os.makedirs(folder, exist_ok=True)
        host = socket.gethostname()
        name = f"events.out.tfevents.{time.time():.6f}.{host}.{os.getpid()}{suffix}"
        self._file: IO[bytes] = open(os.path.join(folder, name), "xb")  # noqa: SIM115
        self._write(_text(3, VERSION))

    def scalars(self, step: int, values: Iterable[tuple[str, float]]) -> None:
        """Numbers at a step."""
        summary = b"".join(
            _nested(1, _text(1, tag) + _number(2, FIXED32, struct.pack("<f", value)))
            for tag, value in values
        )
        self._write(_integer(2, step) + _nested(5, summary))

    def graph(self, nodes: Sequence[GraphNode]) -> None:
        """The graph to draw."""
        encoded = b"".join(
            _nested(
                1,
                _text(1, node.name)
                + _text(2, node.operation)
                + b"".join(_text(3, name) for name in node.inputs),
            )
            for node in nodes
        )
        self._write(_nested(4, encoded))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, fields: bytes) -> None:
        content = _number(1, FIXED64, struct.pack("<d", time.time())) + fields
        length = struct.pack("<Q", len(content))
        self._file.write(length + masked_crc(length) + content + masked_crc(content))
        self._file.flush()


# ----------------------------------------------------------------------------- protocol buffers


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _number(field: int, kind: int, content: bytes) -> bytes:
    return _varint(field << 3 | kind) + content


def _integer(field: int, value: int) -> bytes:
    return _number(field, VARINT, _varint(value))


def _nested(field: int, content: bytes) -> bytes:
    return _number(field, BYTES, _varint(len(content)) + content)


def _text(field: int, text: str) -> bytes:
    return _nested(field, text.encode("utf-8"))


# ------------------------------------------------------------------------------------- checksums


def masked_crc(content: bytes) -> bytes:
    """CRC-32C of the content, rotated and shifted as records have it."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in content:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        rows.append(crc)
    return tuple(rows)
