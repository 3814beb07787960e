"""Reading `.npz` files without trusting them: no pickle, and no more memory than they may need."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from irflow.errors import ArtifactError

LARGEST = 1 << 30
"""Bytes of one array; the data sets here have at most 47 million."""


def read_npz(path: Path, names: Sequence[str], kinds: str = "biuf") -> list[np.ndarray]:
    """Some arrays of an `.npz` file.

    Args:
        path: the file.
        names: of the arrays.
        kinds: which kinds of elements, as NumPy's letters, are allowed.

    Raises:
        ArtifactError: no such file, an array is missing, too large or of objects, or the file is
            damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_member(path, archive, name, kinds) for name in names]
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise _damaged(path, str(error)) from error


def _member(path: Path, archive: zipfile.ZipFile, name: str, kinds: str) -> np.ndarray:
    if name + ".npy" not in archive.namelist():
        raise _damaged(path, f"it has no array {name!r}")
    info = archive.getinfo(name + ".npy")
    if info.file_size > LARGEST:
        raise _damaged(path, f"{name!r} would have {info.file_size:,} bytes")
    with archive.open(info) as stream:
        shape, order, dtype = read_header(stream)
        if dtype.kind not in kinds:
            raise _damaged(path, f"{name!r} holds {dtype} elements")
        count = int(np.prod(shape, dtype=object))
        content = stream.read(info.file_size)
    if len(content) != count * dtype.itemsize:
        raise _damaged(path, f"{name!r} has {len(content):,} bytes, not {count} of {dtype}")
    flat = np.frombuffer(bytearray(content), dtype)
    return flat.reshape(shape, order="F" if order else "C")


def read_header(stream: object) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype of the `.npy` file that begins here."""
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    return read(stream)  # type: ignore[arg-type]


def _damaged(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        f"{path.name} is not the file of a data set", facts=[("found", found), ("file", path)]
    )
