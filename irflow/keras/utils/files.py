"""Files from the network, kept in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

from irflow.datasets.download import algorithm, retrieve
from irflow.errors import ArtifactError, UsageError
from irflow.frontend.boundary import public

__all__ = ["get_file"]


@public
def get_file(
    fname: str | None = None,
    origin: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    untar: bool = False,
    md5_hash: str | None = None,
) -> str:
    """A file from the network, downloaded once; a cut download is continued by the next call.

    Args:
        fname: its name in the cache, by default that in `origin`.
        origin: the URL, http or https.
        file_hash: SHA-256 or MD5 in hexadecimal; a file of another content is refused.
        cache_subdir: the folder in the cache.
        hash_algorithm: `"sha256"`, `"md5"`, or `"auto"` by the length of the hash.
        extract: whether a tar or zip archive is unpacked; the folder with its files is returned.
            Members that would lie outside of it are refused.
        cache_dir: the cache, by default `KERAS_HOME` or `~/.keras`.
        force_download: whether a file that is there already is fetched again.
        untar: an older name for `extract`.
        md5_hash: an older name for `file_hash`.

    Returns:
        the path of the file, or of the folder.

    Raises:
        ArtifactError: the download fails, or the content has another hash.
        UsageError: there is no URL or an unknown hash algorithm.
    """
    if origin is None:
        raise UsageError("get_file: origin is missing", hint="pass the URL as origin=")
    if hash_algorithm not in ("auto", "sha256", "md5"):
        raise UsageError(f"get_file: unknown hash algorithm {hash_algorithm!r}")
    extract, file_hash = extract or untar, file_hash or md5_hash
    cache = Path(cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    name = fname or origin.rstrip("/").rpartition("/")[2]
    target = cache / cache_subdir / name
    if cache.resolve() not in target.resolve().parents:
        raise UsageError(f"get_file: {name!r} would lie outside of the cache")
    if force_download:
        target.unlink(missing_ok=True)
    if not target.is_file() or (file_hash and _hash(target, file_hash) != file_hash):
        target.unlink(missing_ok=True)
        retrieve(origin, target, lambda part: _check(part, file_hash, origin))
    return str(_unpacked(target)) if extract else str(target)


def _check(path: Path, expected: str | None, origin: str) -> None:
    if expected and (found := _hash(path, expected)) != expected:
        raise ArtifactError(
            "get_file: the content has another hash",
            facts=[("expected", expected), ("found", found), ("from", origin)],
        )


def _hash(path: Path, like: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm(like)).hexdigest()


def _unpacked(archive: Path) -> Path:
    """The folder with an archive's files, which is complete or not there."""
    folder = archive.with_name(archive.name + "_extracted")
    if folder.is_dir():
        return folder
    part = archive.with_name(f"{archive.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _unpack(archive, part)
        os.replace(part, folder)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError) as error:
        if folder.is_dir():  # another process has been quicker
            return folder
        raise ArtifactError(
            "get_file: the archive cannot be unpacked",
            facts=[("file", archive), ("found", str(error))],
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:  # extractall keeps its members inside
            zipped.extractall(folder)
    else:
        raise ArtifactError(f"get_file: {archive.name} is neither a tar nor a zip archive")
