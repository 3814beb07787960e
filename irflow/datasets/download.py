"""Fetching one gzipped file over HTTP: checked by its unpacked content, put in place atomically."""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import urlopen

from irflow.errors import ArtifactError, UsageError

CHUNK = 1 << 16
TIMEOUT = 30.0  # seconds without a byte


def download(url: str, target: Path, size: int, sha256: str) -> None:
    """Fetch the gzipped file at `url` into `target`.

    The file is written beside `target` under a temporary name and renamed when it is complete and
    right, so `target` is never half a file and several processes may fetch it at once. The checksum
    is that of the unpacked content: gzip itself has no single right output.

    Args:
        url: `http:` or `https:`.
        target: the `.gz` file to write; its folder is made where it is absent.
        size: bytes of the unpacked content; a server that sends more is cut off.
        sha256: of the unpacked content, in hexadecimal.

    Raises:
        ArtifactError: the server cannot be reached, answers with an error, or sends other content.
        UsageError: another kind of URL.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"download: {url!r} is not an http or https URL")
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _receive(url, stream, limit=size + CHUNK)
        _check(url, part, size, sha256)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _receive(url: str, stream: BinaryIO, limit: int) -> None:
    """Copy the answer to `stream`; no gzip file of the right content is longer than `limit`."""
    received = 0
    try:
        with urlopen(url, timeout=TIMEOUT) as answer:
            expected = answer.headers.get("Content-Length")
            while chunk := answer.read(CHUNK):
                received += len(chunk)
                if received > limit:
                    raise _refused(url, "too long", f"more than {limit} bytes")
                stream.write(chunk)
    except (OSError, HTTPException) as error:
        raise _refused(url, "no answer to use", str(error)) from error
    if expected is not None and expected.isdigit() and received != int(expected):
        raise _refused(url, "the connection ended early", f"{received} of {expected} bytes")


def _check(url: str, path: Path, size: int, sha256: str) -> None:
    """Compare size and checksum of the unpacked content."""
    digest, unpacked = hashlib.sha256(), 0
    for chunk in _unpacked_chunks(url, path):
        unpacked += len(chunk)
        if unpacked > size:
            raise _refused(url, "wrong content", f"unpacks to more than {size} bytes")
        digest.update(chunk)
    if unpacked != size or digest.hexdigest() != sha256:
        found = f"{unpacked} bytes, SHA-256 {digest.hexdigest()}"
        raise _refused(url, "wrong content", found, f"{size} bytes, SHA-256 {sha256}")


def _unpacked_chunks(url: str, path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refused(url, "damaged gzip stream", str(error)) from error


def _refused(url: str, rule: str, found: str, expected: str | None = None) -> ArtifactError:
    facts = [("found", found), *([("expected", expected)] if expected else []), ("from", url)]
    return ArtifactError(f"download: {rule}", facts=facts)
