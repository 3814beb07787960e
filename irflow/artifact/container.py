"""Saving and loading `.irflow` files.

A container is a zip file with these members and no others:

    manifest.json         what is in it; see `manifest`
    graphs/<name>.ir      graph text; constants of more than 16 elements are resources
    arrays.safetensors    these constants as `constant:<name>`, other arrays as `array:<name>`

Equal containers give equal bytes. Loading executes nothing and believes nothing: names, sizes and
compression are checked before a member is read, its checksum before it is parsed.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

import numpy as np

import irflow.ops  # noqa: F401  graph text names operations, which exist once they are imported
from irflow.artifact.arrays import array_type, decode_arrays, encode_arrays
from irflow.artifact.files import replacing
from irflow.artifact.manifest import Manifest, decode_manifest
from irflow.errors import ArtifactError, IrflowError
from irflow.ir.attributes import DenseArray
from irflow.ir.check import check_graph
from irflow.ir.graph import Graph
from irflow.ir.parse import parse_graph
from irflow.ir.print import TEXT_VERSION, print_graph

MAX_MEMBERS = 10_000
MAX_TEXT = 256 * 2**20
"""Bytes of all graphs and the manifest together."""

MAX_RATIO = 200
"""How many times smaller than its content a compressed member may be, above one mebibyte."""

_MANIFEST = "manifest.json"
_ARRAYS = "arrays.safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_GRAPH_MEMBER = re.compile(rf"graphs/({_NAME.pattern})\.ir")
_CONSTANT, _ARRAY = "constant:", "array:"


@dataclass(frozen=True, slots=True)
class Container:
    """What a file holds.

    Attributes:
        graphs: by name; a name has letters, digits, `_`, `-` and `.` only.
        arrays: parameters and other arrays that are no constants of graphs, by any names.
        metadata: whatever JSON has a form for; tuples are lists after loading.
        kind: what the container is for, a word that `load` hands back.
    """

    graphs: Mapping[str, Graph] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    kind: str = "graphs"


def save(path: str | os.PathLike[str], container: Container) -> None:
    """Write a container, all of it or nothing: a file at `path` stays as it is until the end.

    Raises:
        ArtifactError: something in the container has no form in the file, or the file cannot be
            written; a temporary file beside it is removed.
    """
    try:
        members = _encode(container)
    except IrflowError as error:
        raise _about(path, error) from error
    with replacing(path) as file:
        _write_zip(file, members)


def load(path: str | os.PathLike[str]) -> Container:
    """Read a container; its graphs are checked.

    Raises:
        ArtifactError: the file is missing, damaged, of another version, or hostile.
    """
    try:
        return _decode(_read_zip(path))
    except IrflowError as error:
        raise _about(path, error) from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        if not zipfile.is_zipfile(path):
            raise ArtifactError(f"{path}: damaged, or not a file of irflow: {error}") from error
        raise ArtifactError(f"{path}: damaged: {error}") from error
    except Exception as error:
        # On damaged files the zip reader raises errors of many kinds, not all of them documented.
        raise ArtifactError(f"{path}: damaged: {type(error).__name__}: {error}") from error


def _about(path: str | os.PathLike[str], error: IrflowError) -> ArtifactError:
    return ArtifactError(
        f"{path}: {error.summary}", facts=error.facts, location=error.location, hint=error.hint
    )


# --- Content --------------------------------------------------------------------------------------


def _encode(container: Container) -> dict[str, bytes]:
    """The members by name, the manifest first."""
    resources: dict[str, DenseArray] = {}
    members = {}
    for name, graph in container.graphs.items():
        if not _NAME.fullmatch(name):
            raise ArtifactError(f"{name!r} cannot name a graph in a file")
        text = f"// irflow graph text {TEXT_VERSION}\n{print_graph(graph, resources=resources)}"
        members[f"graphs/{name}.ir"] = text.encode("utf-8")
    if sum(map(len, members.values())) > MAX_TEXT:
        raise ArtifactError(f"the graphs take more than {MAX_TEXT} bytes of text")
    arrays = {_CONSTANT + name: value.array for name, value in resources.items()}
    arrays |= {_ARRAY + name: np.asarray(value) for name, value in container.arrays.items()}
    members[_ARRAYS] = encode_arrays(arrays)
    manifest = Manifest(
        kind=container.kind,
        graphs=tuple(container.graphs),
        arrays={name: array_type(value) for name, value in arrays.items()},
        metadata=container.metadata,
        sha256={name: _digest(content) for name, content in members.items()},
    )
    return {_MANIFEST: manifest.encode(), **members}


def _decode(members: Mapping[str, bytes]) -> Container:
    if _MANIFEST not in members:
        raise ArtifactError(f"no irflow container: {_MANIFEST} is missing")
    manifest = decode_manifest(members[_MANIFEST])
    _check_members(manifest, members)
    arrays = decode_arrays(members[_ARRAYS], manifest.arrays)
    odd = next((name for name in arrays if not name.startswith((_CONSTANT, _ARRAY))), None)
    if odd is not None:
        raise ArtifactError(f"{odd!r} cannot name an array")
    resources = {name: DenseArray(value) for name, value in _with_prefix(arrays, _CONSTANT)}
    return Container(
        {name: _decode_graph(name, members, resources) for name in manifest.graphs},
        dict(_with_prefix(arrays, _ARRAY)),
        manifest.metadata,
        manifest.kind,
    )


def _check_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    expected = {_ARRAYS, *(f"graphs/{name}.ir" for name in manifest.graphs)}
    for found in (manifest.sha256.keys(), members.keys() - {_MANIFEST}):
        if found != expected:
            odd = sorted(found ^ expected)[0]
            raise ArtifactError(f"the manifest and the file do not agree on {odd!r}")
    for name in sorted(expected):
        if _digest(members[name]) != manifest.sha256[name]:
            raise ArtifactError(f"the checksum of {name} does not fit its content")


def _decode_graph(
    name: str, members: Mapping[str, bytes], resources: Mapping[str, DenseArray]
) -> Graph:
    member = f"graphs/{name}.ir"
    try:
        graph = parse_graph(members[member].decode("utf-8"), resources)
        check_graph(graph)
    except UnicodeDecodeError:
        raise ArtifactError(f"{member} is no UTF-8 text") from None
    except IrflowError as error:
        raise _about(member, error) from error
    return graph


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    return ((n.removeprefix(prefix), value) for n, value in arrays.items() if n.startswith(prefix))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- File -----------------------------------------------------------------------------------------


def _write_zip(file: IO[bytes], members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, so that equal content gives equal bytes
            entry.compress_type = _compression(name, content)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def _compression(name: str, content: bytes) -> int:
    """Deflate, but for arrays, and for text so regular that `load` would take it for a trap."""
    if name == _ARRAYS:
        return zipfile.ZIP_STORED
    is_regular = len(content) > 2**20 and len(zlib.compress(content)) * MAX_RATIO < len(content)
    return zipfile.ZIP_STORED if is_regular else zipfile.ZIP_DEFLATED


def _read_zip(path: str | os.PathLike[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _check_entries(entries, os.path.getsize(path))
        return {entry.filename: _read_member(archive, entry) for entry in entries}


def _check_entries(entries: list[zipfile.ZipInfo], file_size: int) -> None:
    """Refuse, from the table of contents alone, what a saved container never looks like."""
    names = [entry.filename for entry in entries]
    if len(names) > MAX_MEMBERS:
        raise ArtifactError(f"{len(names)} members, more than {MAX_MEMBERS}")
    if len(set(names)) != len(names):
        raise ArtifactError("two members have the same name")
    for entry in entries:
        _check_entry(entry, file_size)
    if sum(entry.file_size for entry in entries if entry.filename != _ARRAYS) > MAX_TEXT:
        raise ArtifactError(f"more than {MAX_TEXT} bytes of text")


def _check_entry(entry: zipfile.ZipInfo, file_size: int) -> None:
    name = entry.filename
    if name not in (_MANIFEST, _ARRAYS) and not _GRAPH_MEMBER.fullmatch(name):
        raise ArtifactError(f"a member is called {name!r}, which no container has")
    if entry.flag_bits & 1:
        raise ArtifactError(f"{name} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArtifactError(f"{name} is compressed by method {entry.compress_type}")
    if entry.compress_size > file_size:
        raise ArtifactError(f"{name} is said to be larger than the file")
    is_stored = entry.compress_type == zipfile.ZIP_STORED
    if (is_stored or name == _ARRAYS) and entry.file_size != entry.compress_size:
        raise ArtifactError(f"{name} is said to have two sizes")
    if entry.file_size > max(2**20, MAX_RATIO * entry.compress_size):
        raise ArtifactError(f"{name} is compressed more than {MAX_RATIO} times")


def _read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as member:
        content = member.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise ArtifactError(f"{entry.filename} has not the size that it is said to have")
    return content
