"""Weights in HDF5 files: there and back, in Keras 3's and Keras 2's layout, damaged, hostile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irflow import keras
from irflow.errors import ArtifactError, MissingPackageError, UsageError
from irflow.keras.saving import h5
from tests.irflow.keras.test_saving import mutations

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def _on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved does not depend on the backend."""
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def block_of(package: Any) -> Any:
    """A layer with layers in every kind of place, of irflow.keras or of Keras."""
    layers = package.layers

    class Block(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.z_list = [layers.Dense(2), layers.Dense(3)]
            self.a_dict = {"a": layers.Dense(3)}
            self._private = layers.Dense(3)
            self._shown = layers.Dense(3)
            self.nested = [[layers.Dense(3)], (layers.Dense(3),)]
            self.drop = layers.Dropout(0.5)

        @property
        def shown(self) -> Any:
            return self._shown

        @property
        def broken(self) -> Any:
            raise AttributeError("no value yet")

        def build(self, input_shape: Any) -> None:
            self.fixed = self.add_weight((3,), "ones", trainable=False, name="fixed")
            self.free = self.add_weight((3,), "ones", name="free")
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            inner = [layer for row in self.nested for layer in row]
            for layer in [*self.z_list, self.a_dict["a"], self._private, self._shown, *inner]:
                x = layer(x)
            return self.drop(x) * self.fixed * self.free

    return Block


def subclassed(package: Any) -> Any:
    layers = package.layers

    class Own(package.Model):
        def __init__(self) -> None:
            super().__init__()
            self.z = layers.Dense(3)
            self.first = layers.Dense(3)
            self.block = block_of(package)()
            self.again = self.first
            self.seq = package.Sequential([layers.Dense(3), layers.BatchNormalization()])

        def call(self, x: Any) -> Any:
            return self.z(self.seq(self.block(self.first(x))))

    model = Own()
    model(np.ones((2, 3), np.float32))
    return model


def functional(package: Any) -> Any:
    layers = package.layers
    inner_input = package.Input((9,))
    inner = package.Model(inner_input, layers.Dense(3)(layers.BatchNormalization()(inner_input)))
    shared = layers.Dense(3)
    inputs = package.Input((4, 3))
    x = layers.Conv1D(4, 2, dtype="mixed_bfloat16")(inputs)
    x = inner(layers.Flatten()(layers.SeparableConv1D(3, 1)(x)))
    x = layers.Dense(2, dtype="bfloat16")(shared(shared(x)))
    return package.Model(inputs, layers.Dense(3)(layers.Dense(2, dtype="float16")(x)))


def recurrent(package: Any) -> Any:
    layers = package.layers
    inputs = package.Input((4, 3))
    x = layers.LSTM(2, return_sequences=True)(inputs)
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])(x)
    return package.Model(inputs, layers.SpectralNormalization(layers.Dense(2))(x))


def attention(package: Any) -> Any:
    layers = package.layers
    inputs = package.Input((4, 3))
    x = layers.MultiHeadAttention(2, 2)(inputs, inputs)
    x = layers.Normalization()(layers.LayerNormalization()(x))
    return package.Model(inputs, layers.Dense(1)(layers.GroupNormalization(1)(x)))


MODELS: list[Callable[[Any], Any]] = [subclassed, functional, recurrent, attention]


def shuffled(model: Any) -> list[np.ndarray]:
    """Give a model positive weights that all differ."""
    random = np.random.default_rng(0)
    arrays = [random.uniform(0.1, 2, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(arrays)
    return [np.asarray(array, np.float32) for array in model.get_weights()]


def equal(model: Any, arrays: list[np.ndarray]) -> bool:
    found = [np.asarray(array, np.float32) for array in model.get_weights()]
    return all(map(np.array_equal, found, arrays))


def names_in(path: Path) -> set[str]:
    names: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    return {name for name in names if name.endswith(("/0", "vars/1"))}


@pytest.mark.parametrize("make", [subclassed, functional])
def test_there_and_back(make: Callable[[Any], Any], tmp_path: Path) -> None:
    model, other = make(keras), make(keras)
    arrays = shuffled(model)
    for name in ("a.weights.h5", "b.weights.h5"):
        model.save_weights(tmp_path / name)
    assert (tmp_path / "a.weights.h5").read_bytes() == (tmp_path / "b.weights.h5").read_bytes()
    other.load_weights(tmp_path / "a.weights.h5")
    assert equal(other, arrays)


def test_layers_stand_where_keras_3_15_puts_them(tmp_path: Path) -> None:
    subclassed(keras).save_weights(tmp_path / "w.weights.h5")
    places = ["again", "layers/dense", "layers/sequential/layers/dense"]
    places += ["layers/sequential/layers/batch_normalization", "block", "block/_private"]
    inside = ["z_list/dense", "z_list/dense_1", "a_dict/dense", "shown"]
    inside += ["nested/container/dense", "nested/container_1/dense"]
    places += [f"block/{name}" for name in inside]
    assert names_in(tmp_path / "w.weights.h5") == {
        f"{place}/vars/{number}" for place in places for number in (0, 1)
    }


def two(width: int = 4, count: int = 2) -> Any:
    inner = [keras.layers.Dense(width, name=f"d{number}") for number in range(count)]
    return keras.Sequential([keras.layers.Input((4,)), *inner, keras.layers.BatchNormalization()])


def old_file(path: Path, model: Any, is_whole: bool = False) -> None:
    """As Keras 2 writes weights, in a whole model or alone, with the names cut in two parts."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if is_whole else file
        names = ["input", *(layer.name for layer in model.layers)]
        group.attrs["layer_names0"], group.attrs["layer_names1"] = names[:2], names[2:]
        for name in names:
            layer = group.create_group(name)
            own = [] if name == "input" else model.get_layer(name).weights
            layer.attrs["weight_names"] = [f"{name}/{v.name}:0".encode() for v in own]
            for variable in own:
                layer[f"{name}/{variable.name}:0"] = variable.numpy()


@pytest.mark.parametrize("is_whole", [False, True])
def test_files_of_keras_2(is_whole: bool, tmp_path: Path) -> None:
    model, other = two(), two()
    arrays = shuffled(model)
    old_file(tmp_path / "w.h5", model, is_whole)
    other.load_weights(tmp_path / "w.h5")
    assert equal(other, arrays)


def test_another_architecture_is_refused_by_the_names_of_weights(tmp_path: Path) -> None:
    model = two()
    arrays = shuffled(model)
    model.save_weights(tmp_path / "new.weights.h5")
    old_file(tmp_path / "old.h5", model)
    wider, longer, shorter = two(5), two(count=3), two(count=1)
    before = {id(other): other.get_weights() for other in (wider, longer, shorter)}
    for other, name, text in [
        (wider, "new.weights.h5", r"layers/dense/vars/0 \(kernel\)\s+has shape \(4, 5\), .* 4\)"),
        (longer, "new.weights.h5", r"layers/dense_2/vars/0 \(kernel\)\s+of the model is not in"),
        (shorter, "new.weights.h5", r"layers/dense_1/vars/1\s+of the file is not in the model"),
        (wider, "old.h5", r"d0/0 \(kernel\)\s+has shape \(4, 5\), in the file \(4, 4\)"),
        (longer, "old.h5", r"layers with weights differs\s+of the model\s+4\s+in the file\s+3"),
    ]:
        with pytest.raises(ArtifactError, match=text):
            other.load_weights(tmp_path / name)
        assert equal(other, before[id(other)])
    longer.load_weights(tmp_path / "new.weights.h5", skip_mismatch=True)
    assert all(map(np.array_equal, longer.get_weights()[:4], arrays))
    wider.load_weights(tmp_path / "old.h5", skip_mismatch=True)
    assert equal(wider, before[id(wider)])


def test_what_keras_adds_is_passed_over(tmp_path: Path) -> None:
    model, other = two(), two()
    arrays = shuffled(model)
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "a") as file:
        file["optimizer/vars/0"] = 3
    other.load_weights(tmp_path / "w.weights.h5")
    assert equal(other, arrays)


def virtual(file: Any, path: Path) -> None:
    layout = h5py.VirtualLayout((4, 4), np.float32)
    layout[:] = h5py.VirtualSource(path.with_name("other.h5"), "x", (4, 4))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def external(file: Any, path: Path) -> None:
    where = [(str(path.with_name("raw")), 0, 64)]
    file.create_dataset("layers/dense/vars/0", (4, 4), np.float32, external=where)


def linked(file: Any, path: Path) -> None:
    file["layers/dense/vars/0"] = h5py.ExternalLink(str(path.with_name("other.h5")), "x")


def huge(file: Any, path: Path) -> None:
    file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), np.float32, chunks=(8, 8))


@pytest.mark.parametrize("change", [virtual, external, linked, huge])
def test_arrays_of_other_files_are_not_opened(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    (tmp_path / "raw").write_bytes(bytes(64))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((4, 4), np.float32)
    model = two()
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        change(file, path)
    with pytest.raises(ArtifactError, match="lies in another file|is of another architecture"):
        model.load_weights(path)


def test_300_damaged_files_are_refused_or_right(tmp_path: Path) -> None:
    model, other = two(), two()
    arrays = shuffled(model)
    model.save_weights(tmp_path / "own.weights.h5")
    old_file(tmp_path / "old.h5", model)
    start, refused = other.get_weights(), 0
    for name, count in [("own.weights.h5", 200), ("old.h5", 100)]:
        for content in mutations((tmp_path / name).read_bytes(), count):
            (tmp_path / "damaged.h5").write_bytes(content)
            other.set_weights(start)
            try:
                other.load_weights(tmp_path / "damaged.h5")
                # Files of Keras have no checksums, so other numbers in them cannot be told.
                assert name == "old.h5" or equal(other, arrays)
            except ArtifactError:
                refused += 1
                assert equal(other, start)
    assert refused > 120


def test_files_that_are_not_there_and_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = two()
    with pytest.raises(ArtifactError, match="cannot be read"):
        model.load_weights(tmp_path / "nowhere.weights.h5")
    with pytest.raises(UsageError, match=r"as safetensors or as \.weights\.h5"):
        model.save_weights(tmp_path / "w.h5")
    model.save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(UsageError, match="is there already"):
        model.save_weights(tmp_path / "w.weights.h5", overwrite=False)
    with pytest.raises(ArtifactError, match="cannot be written"):
        model.save_weights(tmp_path / "folder" / "w.weights.h5")

    def missing(module: str, purpose: str, extra: str) -> Any:
        raise MissingPackageError(f"{purpose} need {module}", hint=extra)

    monkeypatch.setattr(h5, "optional", missing)
    with pytest.raises(MissingPackageError, match="HDF5 files need h5py"):
        model.load_weights(tmp_path / "w.weights.h5")


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS)
def test_keras_reads_and_writes_the_same_files(
    make: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    original = pytest.importorskip("keras")
    theirs, ours = make(original), make(keras)
    arrays = shuffled(theirs)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.set_weights([0 * array for array in theirs.get_weights()])
    theirs.load_weights(tmp_path / "ours.weights.h5")
    assert equal(theirs, arrays)
    theirs.save(tmp_path / "whole.h5")
    shuffled(ours)
    ours.set_weights([0 * array for array in ours.get_weights()])
    ours.load_weights(tmp_path / "whole.h5")
    shape = (2, 3) if make is subclassed else (2, 4, 3)
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = np.asarray(theirs(x), np.float32)
    assert np.allclose(ours(x).numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
