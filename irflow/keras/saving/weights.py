"""The weights of a model in files that other tools read too: safetensors, and those of Keras."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from irflow.artifact.files import replacing
from irflow.errors import ArtifactError, UsageError
from irflow.frontend.boundary import public
from irflow.keras.saving import arrays, h5, keras_file
from irflow.keras.saving.checks import has_weights, may_replace

ENDING = ".safetensors"
KERAS_ENDING = ".weights.h5"
HDF5_ENDINGS = (".h5", ".hdf5")
Path = str | os.PathLike[str]


@public
def save_weights(model: Any, filepath: Path, overwrite: bool = True) -> None:
    """Write the weights; the file is there whole or not at all.

    Args:
        model: a built one.
        filepath: a name that ends with `.safetensors`, or with `.weights.h5` for a file that
            Keras 3 reads (needs the extra `h5py`).
        overwrite: whether a file that is there may be replaced.

    Raises:
        UsageError: another ending, the file is there and may not be replaced, or the model has no
            weights yet.
        ArtifactError: the file cannot be written.
        MissingPackageError: h5py is needed and not installed.
    """
    path = _checked(filepath, (ENDING, KERAS_ENDING))
    may_replace(path, overwrite)
    has_weights(model)
    if path.endswith(KERAS_ENDING):
        h5.save(model, path)
        return
    content = safetensors.numpy.save(arrays.weight_arrays(model), {"format": "irflow.keras"})
    with replacing(path) as file:
        file.write(content)


@public
def load_weights(model: Any, filepath: Path, skip_mismatch: bool = False) -> None:
    """Give a model the weights of a file; all of them, or none.

    Args:
        model: a built one of the same architecture; its layers may have other names.
        filepath: what `save_weights` wrote, here or in Keras: a `.safetensors` file, or an HDF5
            file `.weights.h5`, `.h5` or `.hdf5` of Keras 3 or Keras 2 (needs the extra `h5py`);
            or a whole model in a `.keras` file.
        skip_mismatch: whether weights that the file has not, or in another shape, keep their values
            instead.

    Raises:
        ArtifactError: the file is missing, damaged or of another architecture.
        UsageError: another ending, or the model has no weights yet.
        MissingPackageError: h5py is needed and not installed.
    """
    path = _checked(filepath, (ENDING, keras_file.ENDING, *HDF5_ENDINGS))
    has_weights(model)
    if path.endswith(keras_file.ENDING):
        h5.load(model, path, skip_mismatch, keras_file.weights_of(path))
        return
    if path.endswith(HDF5_ENDINGS):
        h5.load(model, path, skip_mismatch)
        return
    found, variables = read_arrays(path), arrays.variables_by_path(model)
    if skip_mismatch:
        variables, found = arrays.fitting(variables, found)
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


def _checked(filepath: Path, endings: tuple[str, ...]) -> str:
    path = os.fspath(filepath)
    if not path.endswith(endings):
        raise UsageError(
            f"{path}: weights are saved as safetensors or as .weights.h5",
            hint="let the name end with .safetensors",
        )
    return path
