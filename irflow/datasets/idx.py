"""Reading IDX files, the format of MNIST, without trusting them.

A file is: two zero bytes, a byte that names the element type (8: unsigned byte), a byte with the
rank, one big-endian u32 per axis, then the elements, row-major. It may be gzipped.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from irflow.errors import ArtifactError

UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"
DEFLATE_MAX_RATIO = 1032  # zlib's technical notes: no deflate stream expands further


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    The header is checked against the size of the file before memory is taken for the elements, so
    a hostile header can ask for no more than the file can hold.

    Args:
        path: the file; whether it is gzipped is seen from its content, not from its name.
        rank: the number of axes that the array must have.

    Returns:
        `u8[…]` of that rank.

    Raises:
        ArtifactError: not an IDX file, another element type or rank, truncated, longer than its
            header says, or a damaged gzip stream.
    """
    with _reading(path) as stream:
        shape = _header(path, stream, rank)
        size = prod(shape)
        capacity = _capacity(path)
        if size > capacity:
            raise _damaged(path, "sizes of the header", f"{shape}: the file holds less")
        content = stream.read(size)
        if len(content) != size:
            raise _damaged(path, "truncated", f"{len(content)} of {size} elements")
        if stream.read(1):
            raise _damaged(path, "content after the last element", f"header says {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """The unpacked content; the errors of a damaged gzip stream become `ArtifactError`."""
    try:
        with unpacked(path) as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, "damaged gzip stream", str(error)) from error


def unpacked(path: Path) -> BinaryIO:
    """Open `path` for reading, through gzip where it starts with gzip's magic bytes."""
    if _is_gzipped(path):
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def _capacity(path: Path) -> int:
    """An upper bound of the unpacked size."""
    size = path.stat().st_size
    return size * DEFLATE_MAX_RATIO if _is_gzipped(path) else size


def _header(path: Path, stream: BinaryIO, rank: int) -> tuple[int, ...]:
    """Read and check the header; returns the shape."""
    magic = stream.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0":
        raise _damaged(path, "not an IDX file", f"starts with {magic.hex(' ') or 'nothing'}")
    if magic[2] != UNSIGNED_BYTE:
        raise _damaged(path, "element type", f"code {magic[2]:#04x}, expected 0x08 (unsigned byte)")
    if magic[3] != rank:
        raise _damaged(path, "rank", f"{magic[3]}, expected {rank}")
    sizes = stream.read(4 * rank)
    if len(sizes) != 4 * rank:
        raise _damaged(path, "truncated", "the file ends within its header")
    return struct.unpack(f">{rank}I", sizes)


def _damaged(path: Path, rule: str, found: str) -> ArtifactError:
    return ArtifactError(f"IDX file {path.name}: {rule}", facts=[("found", found), ("file", path)])
