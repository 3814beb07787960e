"""Compiled code on disk, shared by all processes of a user.

An entry is one file, named by the hash of everything that its content depends on. It is written
under another name and then renamed, so that no process sees half of one; it begins with length and
checksum of its content, so that a damaged one is recognised and made anew. A large one is looked
through once after each start of the system, and when it changes. Entries that were not used for the
longest time are deleted once all together are larger than `LIMIT`.

The code is run without further questions. A folder that others may write to is therefore refused.

`IRFLOW_CACHE` is the folder, or `off` (`0` as well); by default it is `irflow/code` in
`$XDG_CACHE_HOME` or `~/.cache`.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import re
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from irflow import log
from irflow.records import dataclass

LIMIT = 512 * 2**20
"""Bytes that all entries may have together."""

LARGE = 4 * 2**20
"""Entries of so many bytes, mostly constants, are written by a thread of their own."""

PIECE = 2**18
"""So many bytes of an entry are checked at a time."""

TICK = 10**9
"""Nanoseconds; no clock of a file system is coarser."""

_HEAD = 64
"""Where the content of a file begins: at the start of a line of the caches."""
_SUFFIX = ".entry"
_CHECKED = "user.irflow.checked"
"""An attribute of a file: the state in which its checksum was found right."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAME = re.compile(r"[0-9a-f]{64}")

Content = bytes | memoryview
"""Bytes; of an array those in memory, so that its elements are not copied."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the cache: its size in bytes, and when it was used last, in seconds."""

    path: Path
    size: int
    used: float


def folder() -> Path | None:
    """Where entries are kept, or None if nothing is to be kept."""
    chosen = os.environ.get("IRFLOW_CACHE", "").strip()
    if chosen in ("off", "0"):
        return None
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "irflow" / "code"


def cached(parts: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """What `make` returns, or what it returned before for the same parts.

    A cache that cannot be read or written is as good as an empty one; the log `kernels` says why.

    Args:
        parts: everything that the content depends on.
        make: computes the content.
    """
    place = _usable_folder()
    if place is None:
        return make()
    path = _path(place, name_of(parts))
    found = _read(path)
    if found is not None:
        return bytes(found)
    made = make()
    _keep(path, [made])
    return made


def noted(name: str, state: str, make: Callable[[], str]) -> str:
    """A text that `make` returns, or returned before in the same state; the last one is kept.

    Args:
        name: of a file beside the entries.
        state: a line; when it changes, so may the text.
        make: computes the text.
    """
    place = _usable_folder()
    if place is None:
        return make()
    found = _read(place / name)
    if found is not None:
        before, _, text = bytes(found).decode().partition("\n")
        if before == state:
            return text
    made = make()
    _keep(place / name, [f"{state}\n{made}".encode()])
    return made


@cache
def booted() -> str | None:
    """A name for the time since the system started; None where it has none."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def is_usable() -> bool:
    """Whether there is a folder for entries that nobody else can write to."""
    return _usable_folder() is not None


def name_of(parts: tuple[str, ...]) -> str:
    """The name of an entry whose content depends on these parts."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def lookup(name: str) -> Content | None:
    """The content of an entry, None if there is none that is whole; a view of a large one."""
    place = _usable_folder()
    if place is None or not _NAME.fullmatch(name):
        return None
    return _read(_path(place, name))


def keep(name: str, pieces: Sequence[Content]) -> None:
    """Write an entry, in place of one that may be there; a large one while the caller goes on.

    Args:
        name: by which it is found.
        pieces: its content, one after the other; nobody may write to them any more.
    """
    place = _usable_folder()
    if place is None:
        return
    if sum(map(len, pieces)) < LARGE:
        _keep(_path(place, name), pieces)
    else:
        threading.Thread(target=_keep, args=(_path(place, name), pieces)).start()


def _keep(path: Path, pieces: Sequence[Content]) -> None:
    with _explained(path):
        _write(path, pieces)


def entries(place: Path) -> list[Entry]:
    """All entries, those used last first."""
    found = []
    for path in place.glob(f"*/*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append(Entry(path, status.st_size, status.st_atime))
    return sorted(found, key=lambda entry: (-entry.used, entry.path.name))


def shrink(place: Path, limit: int) -> int:
    """Delete the entries unused for the longest time until the others have `limit` bytes at most.

    Returns:
        How many were deleted.
    """
    total, deleted = 0, 0
    for entry in entries(place):
        total += entry.size
        if total > limit:
            entry.path.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _usable_folder() -> Path | None:
    place = folder()
    return place if place is not None and _is_safe(place) else None


def _path(place: Path, name: str) -> Path:
    return place / name[:2] / f"{name}{_SUFFIX}"


def _read(path: Path) -> Content | None:
    try:
        with path.open("rb") as file:
            content = _content(file) if _is_whole(file) else None
            _note_use(file.fileno())
    except OSError:
        return None
    if content is None:
        log.write("kernels", f"cache: {path} is damaged, and is made anew")
    return content


def _note_use(file: int) -> None:
    with contextlib.suppress(OSError):
        # The time of the last change stays, as it tells whether there was one.
        os.utime(file, ns=(time.time_ns(), os.fstat(file).st_mtime_ns))


def _is_whole(file: BinaryIO) -> bool:
    """Whether the checksum is right."""
    is_large = os.fstat(file.fileno()).st_size >= LARGE
    if is_large and _is_checked(file.fileno()):
        return True
    # A look at pages that are mapped would have all of them in memory beforehand.
    is_right = file.read(_HEAD) == _head(iter(partial(file.read, PIECE), b""))
    if is_large and is_right:
        _note_check(file.fileno())
    return is_right


def _is_checked(file: int) -> bool:
    """Whether the checksum was found right since the system started, and nothing changed."""
    with contextlib.suppress(OSError, AttributeError):  # Not all systems have such attributes.
        return os.getxattr(file, _CHECKED) == _state(file)
    return False


def _note_check(file: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        # Were a change to follow within the same tick, the time would tell nothing of it.
        os.utime(file, ns=(time.time_ns(), time.time_ns() - TICK))
        if (state := _state(file)) is not None:
            os.setxattr(file, _CHECKED, state)


def _state(file: int) -> bytes | None:
    """What changes with the content of a file, and when the system starts."""
    status, boot = os.fstat(file), booted()
    return None if boot is None else f"{boot} {status.st_size} {status.st_mtime_ns}".encode()


def _head(pieces: Iterable[Content]) -> bytes:
    """What an entry begins with.

    A checksum finds damage as well as a hash, in half the time, which counts for large entries; who
    may write to the folder could forge either.
    """
    length, checksum = 0, 0
    for piece in pieces:
        length += len(piece)
        checksum = zlib.crc32(piece, checksum)
    facts = length, checksum
    return b"".join(fact.to_bytes(8, "little") for fact in facts).ljust(_HEAD, b"\0")


def _content(file: BinaryIO) -> Content:
    """What a file holds; a large one stays on disk, and is read where it is looked at.

    Entries are replaced and deleted as a whole and never cut, so what is there stays.
    """
    if os.fstat(file.fileno()).st_size < LARGE:
        file.seek(_HEAD)
        return file.read()
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[_HEAD:]


def _write(path: Path, pieces: Sequence[Content]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.urandom(8).hex()}.part")
    try:
        with open(part, "xb", opener=partial(os.open, mode=0o600)) as file:
            file.write(_head(pieces))
            file.writelines(pieces)
            file.flush()
            if file.tell() >= LARGE:
                _note_check(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # Looking through the whole folder costs more than an entry, so that it is not done each time.
    if path.name[2] == "0":
        shrink(path.parent.parent, LIMIT)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.write("kernels", f"cache: {path} cannot be written: {error.strerror}")


def _is_safe(place: Path) -> bool:
    """Whether only the user, or nobody yet, can write to the folder."""
    try:
        status = place.stat()
    except OSError:
        return True
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if is_own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return True
    log.write("kernels", f"cache: {place} is not used, as others may write to it")
    return False
