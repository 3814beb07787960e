"""The manifest of a container: what it holds, in which version, with a checksum of each member."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import metadata as distributions
from typing import NoReturn

from irflow.artifact.arrays import ArrayType, describe_types, read_types
from irflow.errors import ArtifactError
from irflow.records import dataclass

FORMAT = "irflow container"
VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS: dict[str, type] = {
    "format": str,
    "version": int,
    "irflow": str,
    "kind": str,
    "graphs": list,
    "arrays": dict,
    "metadata": dict,
    "sha256": dict,
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file says about itself.

    Attributes:
        kind: what the container is for, such as `"graphs"` or `"model"`.
        graphs: the names of the graphs, in order.
        arrays: the types of the stored arrays by their stored names.
        metadata: free, as JSON.
        sha256: of the content of every other member, by member name.
        irflow: the version of irflow that wrote the file.
    """

    kind: str
    graphs: tuple[str, ...]
    arrays: Mapping[str, ArrayType]
    metadata: Mapping[str, object]
    sha256: Mapping[str, str]
    irflow: str = ""

    def encode(self) -> bytes:
        """The JSON text; ArtifactError for metadata that JSON has no form for."""
        table = {
            "format": FORMAT,
            "version": VERSION,
            "irflow": irflow_version(),
            "kind": self.kind,
            "graphs": list(self.graphs),
            "arrays": describe_types(self.arrays),
            "metadata": dict(self.metadata),
            "sha256": dict(self.sha256),
        }
        try:
            return json.dumps(table, indent=1, allow_nan=False).encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(f"the metadata cannot be written as JSON: {error}") from None


def decode_manifest(content: bytes) -> Manifest:
    """The manifest in `content`, every field checked; ArtifactError says which one is wrong."""
    try:
        table = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the manifest is malformed: {error}") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise ArtifactError("the manifest is not that of an irflow container")
    if table.get("version") != VERSION:
        found = str(table.get("version"))[:40]
        raise ArtifactError(f"the format version is {found}, this irflow reads {VERSION}")
    _check_fields(table)
    return Manifest(
        kind=table["kind"],
        graphs=tuple(table["graphs"]),
        arrays=read_types(table["arrays"]),
        metadata=table["metadata"],
        sha256=table["sha256"],
        irflow=table["irflow"],
    )


def irflow_version() -> str:
    """The installed version, or `unknown` when irflow runs without being installed."""
    try:
        return distributions.version("irflow")
    except distributions.PackageNotFoundError:
        return "unknown"


def _check_fields(table: Mapping[str, object]) -> None:
    odd = sorted(table.keys() ^ _FIELDS.keys())
    if odd:
        raise ArtifactError(f"manifest: the field {odd[0]!r} is missing or unknown")
    for name, kind in _FIELDS.items():
        if type(table[name]) is not kind:
            raise ArtifactError(f"manifest: the field {name!r} is no {kind.__name__}")
    graphs, digests = table["graphs"], table["sha256"]
    assert isinstance(graphs, list)
    assert isinstance(digests, dict)
    if not all(isinstance(name, str) for name in graphs) or len(set(graphs)) != len(graphs):
        raise ArtifactError("manifest: 'graphs' is no list of different names")
    for member, digest in digests.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise ArtifactError(f"manifest: no checksum for {member!r}")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice in one table")
    return table


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
