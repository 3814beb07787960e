"""Whole models in `.irflow` and in `.keras` files."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

from irflow import artifact
from irflow.errors import ArtifactError, IrflowError, UnknownNameError, UsageError
from irflow.frontend.boundary import public
from irflow.keras.engine.context import to_be_filled
from irflow.keras.saving import arrays, h5, keras_file
from irflow.keras.saving.checks import has_weights, may_replace
from irflow.keras.saving.registry import (
    CustomObjectScope,
    deserialize_keras_object,
    serialize_keras_object,
)
from irflow.location import warn

KIND = "keras"
FORMAT = 1
FOREIGN = (".h5", ".hdf5", ".pb", ".onnx", ".pkl")
Path = str | os.PathLike[str]
Names = Mapping[str, Any] | None


@public
def save_model(
    model: Any, filepath: Path, overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """Write a model with its weights, how it was compiled, and the optimizer's state.

    A name that ends with `.keras` makes a file that Keras 3 reads (needs the extra `h5py`). Any
    other makes an `.irflow` container: a zip of JSON and safetensors. The file is there whole or
    not at all: an interrupted save leaves the old file as it was.

    Args:
        model: a built one.
        filepath: the file, such as `"model.irflow"` or `"model.keras"`.
        overwrite: whether a file that is there may be replaced.
        include_optimizer: whether training can go on where it was.

    Raises:
        UsageError: the file is there and may not be replaced, the name is that of another format,
            the model is not built, or something in it has no config, or none that Keras knows.
        ArtifactError: the file cannot be written.
        MissingPackageError: h5py is needed and not installed.
    """
    path = os.fspath(filepath)
    if path.lower().endswith(FOREIGN):
        ending = os.path.splitext(path)[1]
        raise UsageError(
            f"{path}: {ending} is another format", hint="save models as .irflow or .keras files"
        )
    may_replace(path, overwrite)
    has_weights(model)
    settings = model.get_compile_config() if include_optimizer else None
    if path.lower().endswith(keras_file.ENDING):
        keras_file.save(model, path, settings)
        return
    metadata: dict[str, Any] = {"format": FORMAT, "model": serialize_keras_object(model)}
    content = arrays.weight_arrays(model)
    if settings:
        metadata["compile"] = settings
        content |= arrays.optimizer_arrays(model)
    artifact.save(path, artifact.Container(arrays=content, metadata=metadata, kind=KIND))


@public
def load_model(
    filepath: Path,
    custom_objects: Names = None,
    compile: bool = True,  # noqa: A002  Keras's name
    safe_mode: bool = True,
) -> Any:
    """The model of a file that `save_model` wrote, or Keras 3 as a `.keras` file.

    Nothing in the file is executed: its layers are irflow's, or classes that are registered with
    `register_keras_serializable` or passed here.

    Args:
        filepath: the file.
        custom_objects: classes and functions by name, besides those that are registered.
        compile: whether it is compiled as it was when it was saved.
        safe_mode: there is no other one.

    Raises:
        UsageError: `safe_mode=False`: code in files is never executed.
        ArtifactError: the file is missing, damaged, hostile or no model.
        UnknownNameError: a class is neither irflow's nor registered nor passed.
        MissingPackageError: it is a `.keras` file, and h5py is not installed.
    """
    path = os.fspath(filepath)
    if not safe_mode:
        raise UsageError("load_model: irflow never executes code that is in a file")
    _check_kind(path)
    if _is_of_keras(path):
        return _load_keras_file(path, custom_objects, compile)
    found = artifact.load(path)
    config = found.metadata.get("model")
    if found.kind != KIND or not isinstance(config, dict):
        raise ArtifactError(f"{path}: no model of irflow.keras", facts=[("kind", found.kind)])
    if found.metadata.get("format") != FORMAT:
        raise ArtifactError(f"{path}: format {found.metadata.get('format')!r} is not known")
    model = _made(config, path, custom_objects)
    weights = arrays.variables_by_path(model)
    state = {n: a for n, a in found.arrays.items() if n.startswith("optimizer/")}
    arrays.assign(weights, {n: a for n, a in found.arrays.items() if n not in state}, path)
    settings = found.metadata.get("compile")
    if compile and isinstance(settings, dict):
        _compile(model, settings, path, custom_objects)
        if state:
            arrays.assign(arrays.optimizer_variables(model), state, path)
    return model


def _check_kind(path: str) -> None:
    """Say what can be done with models of other formats."""
    if path.lower().endswith(FOREIGN) and os.path.isfile(path):
        is_hdf5 = path.lower().endswith((".h5", ".hdf5"))
        weights = ", or make the model anew and use its load_weights" if is_hdf5 else ""
        raise ArtifactError(
            f"{path}: {os.path.splitext(path)[1]} is another format",
            hint=f"load it where it was made, and save it as .keras there{weights}",
        )
    if os.path.isdir(path):
        raise ArtifactError(
            f"{path}: a folder, not a .keras or .irflow file",
            hint="a SavedModel is loaded in TensorFlow, which can save it as .keras",
        )


def _is_of_keras(path: str) -> bool:
    """Whether it is a file of Keras, whatever its name ends with."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "manifest.json" not in archive.namelist() and keras_file.is_one(archive)
    except Exception:  # What is wrong with it is said by what reads all of it.
        return False


def _load_keras_file(path: str, custom_objects: Names, is_compiled: bool) -> Any:
    parts = keras_file.read(path)
    model = _made(parts.model, path, custom_objects)
    h5.load(model, path, file=io.BytesIO(parts.weights))
    if is_compiled and parts.settings:
        _compile(model, parts.settings, path, custom_objects)
        if not h5.load_optimizer(model.optimizer, path, io.BytesIO(parts.weights)):
            warn(f"{path}: the optimizer begins anew: its state in the file is of another kind")
    return model


def _made(config: dict[str, Any], path: str, custom_objects: Names) -> Any:
    """The model that a config describes, with weights to be filled."""
    try:
        with to_be_filled():
            model = deserialize_keras_object(config, dict(custom_objects or {}))
        arrays.variables_by_path(model)
    except UnknownNameError:
        raise
    except Exception as error:
        # A damaged configuration can be wrong in any way that arguments of layers can be.
        raise _unfit(path, error) from error
    return model


def _compile(model: Any, settings: dict[str, Any], path: str, custom_objects: Names) -> None:
    """Compile as it was."""
    try:
        with CustomObjectScope(dict(custom_objects or {})):
            model.compile_from_config(settings)
        arrays.optimizer_variables(model)
    except UnknownNameError:
        raise
    except Exception as error:
        raise _unfit(path, error) from error


def _unfit(path: str, error: Exception) -> ArtifactError:
    facts: list[Any] = [("found", f"{type(error).__name__}: {error}")]
    if isinstance(error, IrflowError):
        facts = [("found", error.summary), *error.facts]
    return ArtifactError(f"{path}: the model in it cannot be made", facts=facts)
