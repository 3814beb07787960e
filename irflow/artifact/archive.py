"""Zip files as containers: equal members give equal bytes, and none is read without a check.

Names, sizes and compression are judged from the table of contents alone, so that a file that is
made to fill the memory, or to write somewhere else, is refused before anything is unpacked.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO

from irflow.errors import ArtifactError, IrflowError
from irflow.records import dataclass

MAX_MEMBERS = 10_000
MAX_TEXT = 256 * 2**20
"""Bytes of all members together that are no arrays."""

MAX_RATIO = 200
"""How many times smaller than its content a compressed member may be, above one mebibyte."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the members of a kind of file may be.

    Attributes:
        kind: of file, for messages: "container".
        is_known: whether a member may have a name.
        arrays: the member that holds the arrays and may be large.
        is_packed: whether that member may be compressed.
    """

    kind: str
    is_known: Callable[[str], object]
    arrays: str
    is_packed: bool = False


def read_members(path: str | os.PathLike[str], rules: Rules) -> dict[str, bytes]:
    """The content of all members by name.

    Raises:
        ArtifactError: the file is missing, damaged or hostile.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, os.path.getsize(path), rules)
            return {entry.filename: _read_member(archive, entry) for entry in entries}
    except IrflowError as error:
        raise about(path, error) from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        if not zipfile.is_zipfile(path):
            raise ArtifactError(f"{path}: damaged, or not a file of irflow: {error}") from error
        raise ArtifactError(f"{path}: damaged: {error}") from error
    except Exception as error:
        # On damaged files the zip reader raises errors of many kinds, not all of them documented.
        raise ArtifactError(f"{path}: damaged: {type(error).__name__}: {error}") from error


def write_members(file: IO[bytes], members: Mapping[str, bytes | memoryview], arrays: str) -> None:
    """Write a zip file.

    Args:
        file: to write to.
        members: their content by name.
        arrays: the name of that which stays as it is, as arrays hardly become smaller.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, so that equal content gives equal bytes
            is_packed = name != arrays and not _is_regular(content)
            entry.compress_type = zipfile.ZIP_DEFLATED if is_packed else zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def _is_regular(content: bytes | memoryview) -> bool:
    """Whether it would shrink so much that reading it would take it for a trap."""
    return len(content) > 2**20 and len(zlib.compress(content)) * MAX_RATIO < len(content)


def about(path: str | os.PathLike[str], error: IrflowError) -> ArtifactError:
    """An error about the content of a file, with the name of the file."""
    return ArtifactError(
        f"{path}: {error.summary}", facts=error.facts, location=error.location, hint=error.hint
    )


def _check_entries(entries: list[zipfile.ZipInfo], file_size: int, rules: Rules) -> None:
    """Refuse what a saved file never looks like."""
    names = [entry.filename for entry in entries]
    if len(names) > MAX_MEMBERS:
        raise ArtifactError(f"{len(names)} members, more than {MAX_MEMBERS}")
    if len(set(names)) != len(names):
        raise ArtifactError("two members have the same name")
    for entry in entries:
        _check_entry(entry, file_size, rules)
    if sum(entry.file_size for entry in entries if entry.filename != rules.arrays) > MAX_TEXT:
        raise ArtifactError(f"more than {MAX_TEXT} bytes of text")


def _check_entry(entry: zipfile.ZipInfo, file_size: int, rules: Rules) -> None:
    name = entry.filename
    if not rules.is_known(name):
        raise ArtifactError(f"a member is called {name!r}, which no {rules.kind} has")
    if entry.flag_bits & 1:
        raise ArtifactError(f"{name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArtifactError(f"{name} is compressed by method {entry.compress_type}")
    if entry.compress_size > file_size:
        raise ArtifactError(f"{name} is said to be larger than the file")
    is_plain = entry.compress_type == zipfile.ZIP_STORED
    is_plain = is_plain or (name == rules.arrays and not rules.is_packed)
    if is_plain and entry.file_size != entry.compress_size:
        raise ArtifactError(f"{name} is said to have two sizes")
    if entry.file_size > max(2**20, MAX_RATIO * entry.compress_size):
        raise ArtifactError(f"{name} is compressed more than {MAX_RATIO} times")


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as member:
        content = member.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise ArtifactError(f"{entry.filename} has not the size that it is said to have")
    return content
