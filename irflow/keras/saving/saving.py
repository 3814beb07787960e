"""Whole models in `.irflow` files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from irflow import artifact
from irflow.errors import ArtifactError, IrflowError, UnknownNameError, UsageError
from irflow.frontend.boundary import public
from irflow.keras.engine.context import to_be_filled
from irflow.keras.saving import arrays
from irflow.keras.saving.checks import has_weights, may_replace
from irflow.keras.saving.registry import (
    CustomObjectScope,
    deserialize_keras_object,
    serialize_keras_object,
)

KIND = "keras"
FORMAT = 1
FOREIGN = (".h5", ".hdf5", ".pb", ".onnx", ".pkl")
Path = str | os.PathLike[str]


@public
def save_model(
    model: Any, filepath: Path, overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """Write a model with its weights, how it was compiled, and the optimizer's state.

    The file is an `.irflow` container whatever its name ends with: a zip of JSON and safetensors.
    It is there whole or not at all: an interrupted save leaves the old file as it was.

    Args:
        model: a built one.
        filepath: the file, such as `"model.irflow"`.
        overwrite: whether a file that is there may be replaced.
        include_optimizer: whether training can go on where it was.

    Raises:
        UsageError: the file is there and may not be replaced, the name is that of another format,
            the model is not built, or something in it has no config.
        ArtifactError: the file cannot be written.
    """
    path = os.fspath(filepath)
    if path.lower().endswith(FOREIGN):
        ending = os.path.splitext(path)[1]
        raise UsageError(f"{path}: {ending} is another format", hint="save models as .irflow files")
    may_replace(path, overwrite)
    has_weights(model)
    metadata: dict[str, Any] = {"format": FORMAT, "model": serialize_keras_object(model)}
    content = arrays.weight_arrays(model)
    settings = model.get_compile_config()
    if settings and include_optimizer:
        metadata["compile"] = settings
        content |= arrays.optimizer_arrays(model)
    artifact.save(path, artifact.Container(arrays=content, metadata=metadata, kind=KIND))


@public
def load_model(
    filepath: Path,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,  # noqa: A002  Keras's name
    safe_mode: bool = True,
) -> Any:
    """The model of a file that `save_model` wrote.

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
    """
    path = os.fspath(filepath)
    if not safe_mode:
        raise UsageError("load_model: irflow never executes code that is in a file")
    found = artifact.load(path)
    if found.kind != KIND or not isinstance(found.metadata.get("model"), dict):
        raise ArtifactError(f"{path}: no model of irflow.keras", facts=[("kind", found.kind)])
    if found.metadata.get("format") != FORMAT:
        raise ArtifactError(f"{path}: format {found.metadata.get('format')!r} is not known")
    try:
        with to_be_filled():
            model = deserialize_keras_object(found.metadata["model"], dict(custom_objects or {}))
        weights = arrays.variables_by_path(model)
    except UnknownNameError:
        raise
    except Exception as error:
        # A damaged configuration can be wrong in any way that arguments of layers can be.
        raise _unfit(path, error) from error
    state = {n: a for n, a in found.arrays.items() if n.startswith("optimizer/")}
    arrays.assign(weights, {n: a for n, a in found.arrays.items() if n not in state}, path)
    settings = found.metadata.get("compile")
    if compile and isinstance(settings, dict):
        _compile(model, settings, state, path, custom_objects)
    return model


def _compile(
    model: Any,
    settings: dict[str, Any],
    state: Mapping[str, Any],
    path: str,
    custom_objects: Mapping[str, Any] | None,
) -> None:
    """Compile as it was, with the optimizer's state."""
    try:
        with CustomObjectScope(dict(custom_objects or {})):
            model.compile_from_config(settings)
        variables = arrays.optimizer_variables(model)
    except UnknownNameError:
        raise
    except Exception as error:
        raise _unfit(path, error) from error
    if state:
        arrays.assign(variables, state, path)


def _unfit(path: str, error: Exception) -> ArtifactError:
    summary = (
        error.summary if isinstance(error, IrflowError) else f"{type(error).__name__}: {error}"
    )
    return ArtifactError(f"{path}: the model in it cannot be made", facts=[("found", summary)])
