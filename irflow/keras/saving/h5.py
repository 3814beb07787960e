"""Weights in HDF5 files: as Keras 3 lays them out, and as Keras 2 did.

Of Keras 3: an array `<place of the layer>/vars/<number>` for each weight. Of Keras 2: the names of
the layers, and of the weights of each, as attributes; a layer is found by its number among those
that have weights.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np

from irflow.artifact.files import replacing
from irflow.errors import ArtifactError, IrflowError
from irflow.frontend import Variable, asarray
from irflow.keras.engine.optional import optional
from irflow.keras.engine.tracking import unique
from irflow.keras.saving import arrays
from irflow.keras.saving.places import (
    layer_places,
    optimizer_weights,
    own_weights,
    weight_places,
)

Found = dict[str, "Stored"]

# What h5py raises for files that are damaged.
_DAMAGE = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError),
    *(MemoryError, OverflowError, NotImplementedError, SystemError),
)
# The oldest version of the format in which names and shapes have checksums.
_VERSION = ("v110", "v110")
_OPTIMIZER = "optimizer/vars"


class Stored:
    """An array in an open file.

    Args:
        dataset: of h5py.

    Attributes:
        shape: of the array.
        dtype: its element type.
    """

    dtype: np.dtype[Any]

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        kind = dataset.dtype  # HDF5 has no bfloat16: Keras writes two opaque bytes.
        is_bfloat16 = kind.kind == "V" and kind.itemsize == 2 and kind.names is None
        self.dtype = np.dtype(ml_dtypes.bfloat16) if is_bfloat16 else kind

    def read(self) -> np.ndarray:
        """The array, in the byte order of this machine."""
        array: np.ndarray = np.asarray(self._dataset[()])
        if self.dtype == ml_dtypes.bfloat16:
            return array.view(self.dtype)
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def save(model: Any, path: str) -> None:
    """Write a `.weights.h5` file that Keras 3 reads; it is there whole or not at all.

    Raises:
        ArtifactError: the file cannot be written.
        MissingPackageError: h5py is not installed.
    """
    whole = content(model)
    with replacing(path) as part:
        part.write(whole)


def content(model: Any, with_optimizer: bool = False) -> memoryview:
    """What a `.weights.h5` file holds.

    Args:
        model: a built one.
        with_optimizer: whether the optimizer's state is in it, as in whole models.

    Raises:
        MissingPackageError: h5py is not installed.
    """
    h5py = optional("h5py", "HDF5 files", "h5py")
    # Where the disk is full h5py raises in destructors, and ends the process when that exits.
    whole = io.BytesIO()
    with h5py.File(whole, "w", libver=_VERSION) as file:
        for place, layer in layer_places(model).items():
            group = file.create_group(f"{place}/vars".lstrip("/"))
            group.attrs["name"] = layer.name
            for name, variable in own_weights(place, layer):
                _write(file, name, variable.data)
        if with_optimizer:
            file.create_group(_OPTIMIZER).attrs["name"] = model.optimizer.name
            for number, variable in enumerate(optimizer_weights(model.optimizer)):
                _write(file, f"{_OPTIMIZER}/{number}", variable.data)
    return whole.getbuffer()


def _write(file: Any, name: str, array: np.ndarray) -> None:
    has_checksum = array.ndim > 0 and array.size > 0
    is_bfloat16 = array.dtype == ml_dtypes.bfloat16
    data = array.view("V2") if is_bfloat16 else array
    dataset = file.create_dataset(name, data=data, fletcher32=has_checksum or None)
    if is_bfloat16:
        dataset.attrs["dtype"] = "bfloat16"


def load(model: Any, path: str, skip_mismatch: bool = False, file: Any = None) -> None:
    """Give a model the weights of an HDF5 file; all of them, or none.

    Args:
        model: a built one.
        path: of the file.
        skip_mismatch: whether weights that do not fit keep their values.
        file: to read from, where the HDF5 file lies inside the one at `path`.

    Raises:
        ArtifactError: the file is missing, damaged or of another architecture.
        MissingPackageError: h5py is not installed.
    """
    with _opened(path, file) as root:
        group = _old_group(root)
        if group is not None:
            variables, found = _old_weights(group, model, path)
        else:
            variables, found = _new_weights(root, model)
        if skip_mismatch:
            variables, found = arrays.fitting(variables, found)
        arrays.check(variables, found, path)
        values = {name: found[name].read() for name in variables}
    for name, variable in variables.items():
        variable.assign(asarray(values[name], copy=False))  # Nobody else has the array.


def load_optimizer(optimizer: Any, path: str, file: Any) -> bool:
    """Give an optimizer the state in an HDF5 file; False where it has another number of arrays.

    Raises:
        ArtifactError: the file is damaged, or of another architecture.
        MissingPackageError: h5py is not installed.
    """
    variables = {f"{_OPTIMIZER}/{n}": v for n, v in enumerate(optimizer_weights(optimizer))}
    with _opened(path, file) as root:
        stored = _datasets(root)
        found = {n: Stored(d) for n, d in stored.items() if n.rpartition("/")[0] == _OPTIMIZER}
        if len(found) != len(variables):
            return False
        arrays.check(variables, found, path)
        values = {name: found[name].read() for name in variables}
    for name, variable in variables.items():
        variable.assign(values[name].astype(variable.data.dtype))
    return True


@contextmanager
def _opened(path: str, file: Any = None) -> Iterator[Any]:
    """The file, whose damages are errors of one class."""
    h5py = optional("h5py", "HDF5 files", "h5py")
    try:
        with contextlib.nullcontext() if file else open(path, "rb"):
            pass
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        with h5py.File(file or path, "r") as root:
            yield root
    except IrflowError:
        raise
    except _DAMAGE as error:
        raise ArtifactError(f"{path}: damaged: {error}") from error


def _new_weights(file: Any, model: Any) -> tuple[dict[str, Variable], Found]:
    """Weights and arrays of Keras 3's layout, by place and name of the weight."""
    places = weight_places(model)
    labels = {place: f"{place} ({_short(variable)})" for place, variable in places.items()}
    found = {
        labels.get(name, name): Stored(dataset)
        for name, dataset in _datasets(file).items()
        if name in places or "optimizer" not in name.split("/")
    }
    return {labels[place]: variable for place, variable in places.items()}, found


def _datasets(file: Any) -> dict[str, Any]:
    """The arrays in groups `vars`; links to elsewhere are not followed."""
    h5py = optional("h5py", "HDF5 files", "h5py")
    names: list[str] = []
    file.visit(names.append)
    chosen = [name for name in names if f"/{name}".rpartition("/")[0].endswith("/vars")]
    found = {name: file[name] for name in chosen}
    return {n: _checked(d, n) for n, d in found.items() if isinstance(d, h5py.Dataset)}


def _checked(dataset: Any, name: str) -> Any:
    if dataset.external or dataset.is_virtual:
        raise ArtifactError(f"the array {name} lies in another file, which is not opened")
    return dataset


# ------------------------------------------------------------------------------ Keras 2's layout


def _old_group(file: Any) -> Any:
    """The group with the names of the layers, None in files of Keras 3."""
    is_inside = "model_weights" in file and "layer_names" not in file.attrs
    inner = _inside(file, "model_weights") if is_inside else file
    return inner if {"layer_names", "layer_names0"} & set(inner.attrs) else None


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names, which may be cut into several attributes."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        numbers = range(len(group.attrs))
        parts = [
            group.attrs[f"{attribute}{n}"] for n in numbers if f"{attribute}{n}" in group.attrs
        ]
    names = [name for part in parts for name in part]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _old_weights(group: Any, model: Any, path: str) -> tuple[dict[str, Variable], Found]:
    """Weights and arrays of Keras 2's layout, by the names of layers and weights in the model."""
    stored = [(name, _arrays(group, name)) for name in _names(group, "layer_names")]
    stored = [(name, found) for name, found in stored if found]
    layers = [(layer.name, _old_order(layer)) for layer in model.layers if layer.weights]
    if "top_level_model_weights" in group:
        stored.append((model.name, _arrays(group, "top_level_model_weights")))
        layers.append((model.name, model._own_variables()))
    if len(stored) != len(layers):
        raise _unlike(path, "layers with weights", len(layers), len(stored))
    variables: dict[str, Variable] = {}
    arrays_found: Found = {}
    for (name, own), (_, found) in zip(layers, stored, strict=True):
        if len(own) != len(found):
            raise _unlike(path, f"weights of {name}", len(own), len(found))
        labels = [f"{name}/{number} ({_short(v)})" for number, v in enumerate(own)]
        variables |= zip(labels, own, strict=True)
        arrays_found |= zip(labels, found, strict=True)
    return variables, arrays_found


def _old_order(layer: Any) -> list[Variable]:
    """The weights of a layer, those that are trained first."""
    return unique([*layer.trainable_weights, *layer.non_trainable_weights])


def _arrays(group: Any, layer: str) -> list[Stored]:
    inner = _inside(group, layer)
    return [Stored(_checked(_inside(inner, n), n)) for n in _names(inner, "weight_names")]


def _inside(group: Any, name: str) -> Any:
    """A member of a group, or of a group inside, by links in the file itself."""
    h5py = optional("h5py", "HDF5 files", "h5py")
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ArtifactError(f"the array {name} lies in another file, which is not opened")
        group = group[part]
    return group


def _unlike(path: str, what: str, expected: int, found: int) -> ArtifactError:
    facts: Mapping[str, int] = {"of the model": expected, "in the file": found}
    return ArtifactError(
        f"{path} is of another architecture: the number of {what} differs",
        facts=list(facts.items()),
    )


def _short(variable: Variable) -> str:
    return variable.name.rpartition("/")[2]
