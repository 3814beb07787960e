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
from collections.abc import Iterator, Mapping
from dataclasses import field

import numpy as np

import irflow.ops  # noqa: F401  graph text names operations, which exist once they are imported
from irflow.artifact import archive
from irflow.artifact.arrays import array_type, decode_arrays, encode_arrays
from irflow.artifact.files import replacing
from irflow.artifact.manifest import Manifest, decode_manifest
from irflow.errors import ArtifactError, IrflowError
from irflow.ir.attributes import DenseArray
from irflow.ir.check import check_graph
from irflow.ir.graph import Graph
from irflow.ir.parse import parse_graph
from irflow.ir.print import TEXT_VERSION, print_graph
from irflow.records import dataclass

_MANIFEST = "manifest.json"
_ARRAYS = "arrays.safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_GRAPH_MEMBER = re.compile(rf"graphs/({_NAME.pattern})\.ir")
_CONSTANT, _ARRAY = "constant:", "array:"


def _is_member(name: str) -> bool:
    return name in (_MANIFEST, _ARRAYS) or bool(_GRAPH_MEMBER.fullmatch(name))


_RULES = archive.Rules("container", _is_member, _ARRAYS)


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
        content = _encode(container)
    except IrflowError as error:
        raise archive.about(path, error) from error
    with replacing(path) as file:
        archive.write_members(file, content, _ARRAYS)


def load(path: str | os.PathLike[str]) -> Container:
    """Read a container; its graphs are checked.

    Raises:
        ArtifactError: the file is missing, damaged, of another version, or hostile.
    """
    content = archive.read_members(path, _RULES)
    try:
        return _decode(content)
    except IrflowError as error:
        raise archive.about(path, error) from error
    except Exception as error:
        # Whatever else is wrong in damaged content, the caller hears of one class of errors.
        raise ArtifactError(f"{path}: damaged: {type(error).__name__}: {error}") from error


def _encode(container: Container) -> dict[str, bytes]:
    """The members by name, the manifest first."""
    resources: dict[str, DenseArray] = {}
    members = {}
    for name, graph in container.graphs.items():
        if not _NAME.fullmatch(name):
            raise ArtifactError(f"{name!r} cannot name a graph in a file")
        text = f"// irflow graph text {TEXT_VERSION}\n{print_graph(graph, resources=resources)}"
        members[f"graphs/{name}.ir"] = text.encode("utf-8")
    if sum(map(len, members.values())) > archive.MAX_TEXT:
        raise ArtifactError(f"the graphs take more than {archive.MAX_TEXT} bytes of text")
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
        raise archive.about(member, error) from error
    return graph


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    return ((n.removeprefix(prefix), value) for n, value in arrays.items() if n.startswith(prefix))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
