"""Fetching a file over HTTP: checked by its content, continued after a cut, put in place whole."""

import fcntl
import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from irflow.errors import ArtifactError, UsageError
from irflow.records import dataclass

CHUNK = 1 << 16
TIMEOUT = 30.0  # seconds without a byte
UNLIMITED = sys.maxsize
NOT_SATISFIABLE = 416
PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Content:
    """What a file must hold to be accepted.

    Attributes:
        size: bytes; a server that sends more is cut off.
        checksum: SHA-256 in hexadecimal, or MD5 where its publisher gives no better one.
        is_unpacked: both are those of the gunzipped content: gzip itself has no single right
            output.
    """

    size: int
    checksum: str
    is_unpacked: bool = False

    @property
    def limit(self) -> int:
        """The most bytes that can come over the line."""
        return self.size + CHUNK * self.is_unpacked


def algorithm(checksum: str) -> str:
    """The name of a checksum's algorithm, which its length tells."""
    return "md5" if len(checksum) == 32 else "sha256"


def download(url: str, target: Path, content: Content) -> None:
    """Fetch `url` into the file `target`, as `retrieve`, if it has the right content.

    Raises:
        ArtifactError: the server cannot be reached, answers with an error, or sends other content.
        UsageError: another kind of URL.
    """
    retrieve(url, target, lambda part: _check(url, part, content), content.limit)


def retrieve(url: str, target: Path, check: Callable[[Path], None], limit: int = UNLIMITED) -> None:
    """Fetch `url` into the file `target`.

    What arrives is written beside `target` as `….part` and renamed when it is complete and right,
    so `target` is never half a file. After a cut connection the part stays, and the next call goes
    on where it ends. Of several processes, one fetches and the others wait for it. A terminal shows
    the progress.

    Args:
        url: `http:` or `https:`.
        target: the file to write; its folder is made where it is absent.
        check: raises ArtifactError where a file has the wrong content.
        limit: the most bytes to take.

    Raises:
        ArtifactError: from `check`, or the server cannot be reached or answers with an error.
        UsageError: another kind of URL.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"download: {url!r} is not an http or https URL")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _own(part) as stream:
        if target.exists():  # another process has been quicker
            part.unlink()
            return
        is_continued = stream.seek(0, os.SEEK_END) > 0
        _receive(url, stream, limit)
        if is_continued and not _is_right(part, check):
            stream.truncate(0)  # What was there is of another file: once more from the beginning.
            _receive(url, stream, limit)
        try:
            check(part)
        except ArtifactError:
            part.unlink()
            raise
        os.replace(part, target)


@contextmanager
def _own(part: Path) -> Iterator[BinaryIO]:
    """The part, open for reading and writing, which no other process has at the same time."""
    while True:
        with part.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Whoever had it before may have renamed or removed it.
            if part.exists() and os.path.samestat(os.fstat(stream.fileno()), part.stat()):
                try:
                    yield stream
                finally:
                    if part.exists() and part.stat().st_size == 0:
                        part.unlink()
                return


def _receive(url: str, stream: BinaryIO, limit: int) -> None:
    """Add to `stream` what it lacks."""
    try:
        start = stream.seek(0, os.SEEK_END)
        with _answer(url, start) as answer:
            if answer.status != PARTIAL:
                start = stream.truncate(0)
            expected = answer.headers.get("Content-Length", "")
            total = start + int(expected) if expected.isdigit() else None
            with _progress(url, start, total) as advance:
                while chunk := answer.read(CHUNK):
                    if stream.tell() + len(chunk) > limit:
                        stream.truncate(0)
                        raise _refused(url, "too long", f"more than {limit} bytes")
                    stream.write(chunk)
                    advance(len(chunk))
        stream.flush()
    except HTTPError as error:
        if error.code != NOT_SATISFIABLE or not stream.tell():
            raise _refused(url, "no answer to use", str(error)) from error
        stream.truncate(0)  # more than the server has
        _receive(url, stream, limit)
        return
    except (OSError, HTTPException) as error:
        raise _refused(url, "no answer to use", str(error)) from error
    if total is not None and stream.tell() != total:
        raise _refused(url, "the connection ended early", f"{stream.tell()} of {total} bytes")


def _answer(url: str, start: int) -> HTTPResponse:
    """The server's answer to the request for the bytes from `start` on."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    return cast(HTTPResponse, urlopen(Request(url, headers=headers), timeout=TIMEOUT))


@contextmanager
def _progress(url: str, start: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(url.rpartition("/")[2], total=total, completed=start)
        yield lambda count: bar.advance(task, count)


def _ignore(_: int) -> None:
    """Show nothing."""


def _is_right(path: Path, check: Callable[[Path], None]) -> bool:
    try:
        check(path)
    except ArtifactError:
        return False
    return True


def _check(url: str, path: Path, content: Content) -> None:
    """Compare size and checksum."""
    name = algorithm(content.checksum)
    digest, found = hashlib.new(name), 0
    for chunk in _chunks(url, path, content.is_unpacked):
        found += len(chunk)
        if found > content.size:
            raise _refused(url, "wrong content", f"unpacks to more than {content.size} bytes")
        digest.update(chunk)
    if found != content.size or digest.hexdigest() != content.checksum:
        got = f"{found} bytes, {name} {digest.hexdigest()}"
        expected = f"{content.size} bytes, {name} {content.checksum}"
        raise _refused(url, "wrong content", got, expected)


def _chunks(url: str, path: Path, is_unpacked: bool) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if is_unpacked else path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refused(url, "damaged gzip stream", str(error)) from error


def _refused(url: str, rule: str, found: str, expected: str | None = None) -> ArtifactError:
    facts = [("found", found), *([("expected", expected)] if expected else []), ("from", url)]
    return ArtifactError(f"download: {rule}", facts=facts)
