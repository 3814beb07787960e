"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import IO

from irflow.errors import ArtifactError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file beside the one at `path` that takes its place when the block ends without an error.

    Raises:
        ArtifactError: the file cannot be written; what was at `path` is there as before.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        # A device would be replaced by a file, not written to.
        kind = "a folder" if os.path.isdir(target) else "no ordinary file"
        raise ArtifactError(f"{path}: cannot be written: it is {kind}")
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise ArtifactError(f"{path}: cannot be written: {reason}") from error
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make the new name last a power failure, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
