"""Models and weights in files: there and back, interrupted, damaged, hostile, of another model."""

import errno
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from irflow import keras
from irflow.artifact import files
from irflow.errors import ArtifactError, UnknownNameError, UsageError
from irflow.keras import layers

X = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
Y = np.arange(24) % 3


@pytest.fixture(autouse=True)
def _on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved does not depend on the backend."""
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(5, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )


def functional() -> keras.Model:
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((6,))
    left, right = shared(inputs), shared(layers.Activation("tanh")(inputs[:, ::-1]))
    joined = layers.Concatenate()([left, right])
    return keras.Model(inputs, layers.Dense(3)(joined + 0 * joined))


def nested() -> keras.Model:
    return keras.Sequential([layers.Input((6,)), functional(), layers.Softmax()])


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """A layer of one's own, with a weight."""

    def __init__(self, factor: float = 1.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs: object) -> object:
        return inputs * self.scale * self.factor

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "factor": self.factor}


def custom() -> keras.Model:
    return keras.Sequential([layers.Input((6,)), Scaled(2.0), layers.Dense(3)])


MODELS = {"sequential": sequential, "functional": functional, "nested": nested, "custom": custom}


def trained(make: object = sequential, epochs: int = 2) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = make()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(X, Y, 8, epochs=epochs, verbose=0)
    return model


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_a_model_there_and_back_goes_on_training_alike(make: object, tmp_path: Path) -> None:
    model = trained(make)
    model.save(tmp_path / "m.irflow")
    again = keras.models.load_model(tmp_path / "m.irflow")
    assert np.array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    assert model.evaluate(X, Y, verbose=0) == again.evaluate(X, Y, verbose=0)
    results = []
    for each in (model, again):
        keras.utils.set_random_seed(9)
        each.fit(X, Y, 8, epochs=1, verbose=0)
        results.append(each.get_weights())
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_model_that_is_compiled_but_not_trained(optimizer: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.save(tmp_path / "m.irflow")
    loaded = keras.models.load_model(tmp_path / "m.irflow")
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
    for each in (model, loaded):
        each.fit(x, x[:, :1], epochs=2, shuffle=False, verbose=0)
    for left, right in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    model = trained()
    for name in ("a.irflow", "b.irflow"):
        model.save(tmp_path / name)
    assert (tmp_path / "a.irflow").read_bytes() == (tmp_path / "b.irflow").read_bytes()


def test_without_compiling(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "m.irflow")
    bare = keras.models.load_model(tmp_path / "m.irflow", compile=False)
    assert bare.optimizer is None
    model.save(tmp_path / "small.irflow", include_optimizer=False)
    assert keras.models.load_model(tmp_path / "small.irflow").optimizer is None
    assert (tmp_path / "small.irflow").stat().st_size < (tmp_path / "m.irflow").stat().st_size


def test_weights_are_plain_safetensors(tmp_path: Path) -> None:
    model, other = trained(), sequential()
    model.save_weights(tmp_path / "w.safetensors")
    found = load_file(tmp_path / "w.safetensors")
    assert np.array_equal(found["dense_1/kernel"], model.layers[-1].kernel.numpy())
    other.load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))
    before = functional()
    kept = before.get_weights()
    with pytest.raises(ArtifactError, match="is of another architecture"):
        before.load_weights(tmp_path / "w.safetensors")
    assert all(map(np.array_equal, kept, before.get_weights()))
    wider = keras.Sequential([layers.Input((6,)), layers.Dense(5), layers.Dense(3)])
    wider.load_weights(tmp_path / "w.safetensors", skip_mismatch=True)
    assert np.array_equal(wider.layers[-1].kernel.numpy(), found["dense_1/kernel"])


def test_wrong_names_and_states(tmp_path: Path) -> None:
    model = trained()
    with pytest.raises(UsageError, match=r"\.h5 is another format"):
        model.save(tmp_path / "m.h5")
    with pytest.raises(UsageError, match="weights are saved as safetensors"):
        model.save_weights(tmp_path / "m.bin")
    model.save(tmp_path / "m.irflow")
    with pytest.raises(UsageError, match="is there already"):
        model.save(tmp_path / "m.irflow", overwrite=False)
    with pytest.raises(UsageError, match="no weights yet"):
        keras.Sequential([layers.Dense(2)]).save(tmp_path / "n.irflow")
    with pytest.raises(UsageError, match="never executes code"):
        keras.models.load_model(tmp_path / "m.irflow", safe_mode=False)
    with pytest.raises(ArtifactError, match="cannot be read"):
        keras.models.load_model(tmp_path / "nowhere.irflow")


def test_a_class_that_is_not_known_is_named(tmp_path: Path) -> None:
    class Unknown(Scaled):
        """Not registered."""

    model = keras.Sequential([layers.Input((6,)), Unknown(3.0)])
    model.save(tmp_path / "m.irflow")
    with pytest.raises(UnknownNameError, match="Unknown"):
        keras.models.load_model(tmp_path / "m.irflow")
    found = keras.models.load_model(tmp_path / "m.irflow", custom_objects={"Unknown": Unknown})
    assert found.layers[0].factor == 3.0


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained()
    model.save(tmp_path / "m.irflow")
    model.save_weights(tmp_path / "w.safetensors")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model.fit(X, Y, verbose=0)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    for save, name in [(model.save, "m.irflow"), (model.save_weights, "w.safetensors")]:
        with pytest.raises(ArtifactError, match="No space left"):
            save(tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- damaged and hostile files --------------------------------------------------------------------


def mutations(content: bytes, count: int) -> list[bytes]:
    """Files with bytes changed, cut off, doubled or inserted."""
    random = np.random.default_rng(count)
    found = []
    for number in range(count):
        at = int(random.integers(len(content)))
        match number % 4:
            case 0:
                found.append(content[:at])
            case 1:
                found.append(
                    content[:at] + bytes([content[at] ^ 1 << number // 4 % 8]) + content[at + 1 :]
                )
            case 2:
                found.append(content[:at] + random.bytes(8) + content[at + 8 :])
            case _:
                found.append(content[:at] + content[at // 2 : at] + content[at:])
    return found


def test_300_damaged_files_are_refused_or_right(tmp_path: Path) -> None:
    model = trained(functional, epochs=1)
    expected = model.predict(X, verbose=0)
    model.save(tmp_path / "m.irflow")
    model.save_weights(tmp_path / "w.safetensors")
    other = functional()
    refused = 0
    for name, count in [("m.irflow", 200), ("w.safetensors", 100)]:
        for content in mutations((tmp_path / name).read_bytes(), count):
            path = tmp_path / f"damaged{Path(name).suffix}"
            path.write_bytes(content)
            try:
                if name == "m.irflow":
                    found = keras.models.load_model(path)
                    assert np.array_equal(found.predict(X, verbose=0), expected)
                else:
                    other.load_weights(path)
            except (ArtifactError, UnknownNameError):
                refused += 1
    assert refused > 200


def changed(path: Path, change: object) -> None:
    """Rewrite the configuration in a saved model, with checksums that fit."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest["metadata"]["model"])
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def hostile_class(name: str, module: str) -> object:
    def change(config: dict) -> None:
        config["config"]["layers"][1] = {
            "module": module,
            "class_name": name,
            "config": {"command": "true"},
            "registered_name": name,
        }

    return change


def huge(config: dict) -> None:
    config["config"]["layers"][1]["config"]["units"] = 10**15


def other_method(config: dict) -> None:
    """Of a functional model, in place of an operator."""
    config.update(class_name="Functional", config=functional().get_config())
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Operator":
            layer["config"]["method"] = "__reduce__"


HOSTILE = {
    "another method": other_method,
    "a class of os": hostile_class("system", "os"),
    "a function of builtins": hostile_class("eval", "builtins"),
    "a private module": hostile_class("importlib", "irflow.keras.saving.registry"),
    "a huge layer": huge,
    "no layers": lambda config: config["config"].pop("layers"),
    "a number for a table": lambda config: config.update(config=3),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_configurations_are_refused(tmp_path: Path, change: object) -> None:
    trained().save(tmp_path / "m.irflow")
    changed(tmp_path / "m.irflow", lambda config: None)
    keras.models.load_model(tmp_path / "m.irflow")
    changed(tmp_path / "m.irflow", change)
    with pytest.raises((ArtifactError, UnknownNameError)):
        keras.models.load_model(tmp_path / "m.irflow")
