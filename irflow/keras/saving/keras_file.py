"""Whole models in `.keras` files, as Keras 3 writes and reads them.

Such a file is a zip of `config.json`, `metadata.json` and `model.weights.h5`. Reading executes
nothing: the config names classes, which have to be known here, and the members are checked before
they are unpacked.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from irflow.artifact import archive
from irflow.artifact.files import replacing
from irflow.errors import ArtifactError, IrflowError
from irflow.keras.saving import dialect, h5
from irflow.keras.saving.registry import serialize_keras_object
from irflow.records import dataclass

ENDING = ".keras"
VERSION = "3.15.1"
"""The version of Keras whose files these are."""

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# Keras dates its files; equal models shall give equal files here.
_DATE = "1980-01-01@00:00:00"


def _is_member(name: str) -> bool:
    if name.startswith("assets/"):
        raise ArtifactError(
            "a vocabulary that a layer has adapted to lies beside the config, which is not read",
            facts=[("member", name)],
            hint="give it to the layer in Keras, vocabulary=layer.get_vocabulary(), and save again",
        )
    return name in (_CONFIG, _METADATA, _WEIGHTS)


_RULES = archive.Rules(".keras file", _is_member, _WEIGHTS, is_packed=True)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a `.keras` file holds.

    Attributes:
        model: the config of the model, in irflow's spelling.
        settings: those of `compile`, in irflow's spelling; None for a model that is not compiled.
        weights: the file of weights inside.
    """

    model: dict[str, Any]
    settings: dict[str, Any] | None
    weights: bytes


def save(model: Any, path: str, settings: dict[str, Any] | None) -> None:
    """Write a model; the file is there whole or not at all.

    Args:
        model: a built one.
        path: of the file.
        settings: of `compile`; None leaves these, and the optimizer's state, out.

    Raises:
        UsageError: Keras has no form for something in the model.
        ArtifactError: the file cannot be written.
        MissingPackageError: h5py is not installed.
    """
    weights = h5.content(model, with_optimizer=settings is not None)
    config = dialect.to_keras(serialize_keras_object(model))
    if settings is not None:
        config["compile_config"] = dialect.to_keras(settings)
    metadata = {"keras_version": VERSION, "date_saved": _DATE}
    members: dict[str, bytes | memoryview] = {
        _METADATA: json.dumps(metadata).encode(),
        _CONFIG: json.dumps(config).encode(),
        _WEIGHTS: weights,
    }
    with replacing(path) as file:
        archive.write_members(file, members, _WEIGHTS)


def read(path: str) -> Parts:
    """The parts of a `.keras` file.

    Raises:
        ArtifactError: the file is missing, damaged, or none of Keras 3, or holds code.
    """
    members = _members(path)
    try:
        config = json.loads(members[_CONFIG])
        model = dialect.from_keras(
            {key: value for key, value in config.items() if key != "compile_config"}
        )
        settings = config.get("compile_config")
        return Parts(
            model,
            settings and dialect.compile_from_keras(settings),
            members[_WEIGHTS],
        )
    except IrflowError as error:
        raise archive.about(path, error) from error
    except Exception as error:
        # Damaged JSON can be wrong in any way.
        found = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"{path}: the config is damaged", facts=[("found", found)]) from error


def weights_of(path: str) -> io.BytesIO:
    """The file of weights in a `.keras` file.

    Raises:
        ArtifactError: the file is missing, damaged, hostile, or has no weights.
    """
    return io.BytesIO(_members(path)[_WEIGHTS])


def _members(path: str) -> dict[str, bytes]:
    members = archive.read_members(path, _RULES)
    for name in (_CONFIG, _WEIGHTS):
        if name not in members:
            raise ArtifactError(f"{path}: {name} is missing")
    return members


def is_one(archive: zipfile.ZipFile) -> bool:
    """Whether a zip has the members of a `.keras` file."""
    return bool({_CONFIG, _WEIGHTS} & set(archive.namelist()))
