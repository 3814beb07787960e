"""The weights of a model in a safetensors file, which other tools can read as well."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from irflow.artifact.files import replacing
from irflow.errors import ArtifactError, UsageError
from irflow.keras.saving import arrays

ENDING = ".safetensors"
Path = str | os.PathLike[str]


def save_weights(model: Any, filepath: Path, overwrite: bool = True) -> None:
    """Write the weights by the names of `variables_by_path`; the file is there whole or not at all.

    Args:
        model: a built one.
        filepath: a name that ends with `.safetensors`.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UsageError: another ending, the file is there and may not be replaced, or the model has no
            weights yet.
        ArtifactError: the file cannot be written.
    """
    path = _checked(filepath)
    if not overwrite and os.path.exists(path):
        raise UsageError(f"{path} is there already", hint="pass overwrite=True to replace it")
    if not model.built:
        raise UsageError(f'model "{model.name}" has no weights yet')
    content = safetensors.numpy.save(arrays.weight_arrays(model), {"format": "irflow.keras"})
    try:
        with replacing(os.path.realpath(path)) as file:
            file.write(content)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror or error}") from error


def load_weights(model: Any, filepath: Path, skip_mismatch: bool = False) -> None:
    """Give a model the weights of a file; all of them, or none.

    Args:
        model: a built one of the same architecture; its layers may have other names.
        filepath: what `save_weights` wrote.
        skip_mismatch: whether weights that the file has not, or in another shape, keep their values
            instead.

    Raises:
        ArtifactError: the file is missing, damaged or of another architecture.
        UsageError: another ending, or the model has no weights yet.
    """
    path = _checked(filepath)
    if not model.built:
        raise UsageError(f'model "{model.name}" has no weights yet', hint="call it on data first")
    found, variables = read_arrays(path), arrays.variables_by_path(model)
    if skip_mismatch:
        fit = [n for n, v in variables.items() if n in found and found[n].shape == v.shape]
        found, variables = {n: found[n] for n in fit}, {n: variables[n] for n in fit}
    arrays.assign(variables, found, path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, whose sizes and offsets are checked first.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
        return dict(safetensors.numpy.load(content))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: damaged: {error}") from error


def _checked(filepath: Path) -> str:
    path = os.fspath(filepath)
    if not path.endswith(ENDING):
        raise UsageError(
            f"{path}: weights are saved as safetensors", hint="let the name end with .safetensors"
        )
    return path
