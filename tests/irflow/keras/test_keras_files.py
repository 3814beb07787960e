"""`.keras` files: there and back, as Keras wrote them, damaged, hostile, with Keras itself."""

import errno
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irflow import keras
from irflow.artifact import files
from irflow.errors import ArtifactError, MissingPackageError, UnknownNameError, UsageError
from irflow.keras import layers
from tests.irflow.keras import keras_file_cases as cases
from tests.irflow.keras.test_saving import MODELS, X, Y, mutations, trained

pytest.importorskip("h5py")
FILES = Path(__file__).resolve().parents[2] / "files" / "keras_archives"


@pytest.fixture(autouse=True)
def _on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved does not depend on the backend."""
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def outputs(model: Any, make: Callable[[Any], Any]) -> list[np.ndarray]:
    found = model.predict(cases.data_of(make), verbose=0)
    values = found.values() if isinstance(found, dict) else found
    is_one = isinstance(found, np.ndarray)
    return [np.asarray(value, np.float32) for value in ([found] if is_one else values)]


def close(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in pairs)


@pytest.mark.thinned(3)
@pytest.mark.parametrize("make", cases.MODELS, ids=lambda make: make.__name__)
def test_there_and_back(make: Callable[[Any], Any], tmp_path: Path) -> None:
    model = make(keras)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
    again = keras.models.load_model(tmp_path / "m.keras")
    assert close(outputs(model, make), outputs(again, make))


@pytest.mark.thinned(4)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_training_goes_on_alike(make: Callable[[], Any], tmp_path: Path) -> None:
    model = trained(make)
    for name in ("a.keras", "b.keras"):
        model.save(tmp_path / name)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    again = keras.models.load_model(tmp_path / "a.keras")
    results = []
    for each in (model, again):
        keras.utils.set_random_seed(9)
        each.fit(X, Y, 24, epochs=2, verbose=0)
        results.append(each.get_weights())
    dropped = any(isinstance(layer, layers.Dropout) for layer in model.layers)
    assert dropped or all(map(np.array_equal, *results))
    bare = keras.models.load_model(tmp_path / "a.keras", compile=False)
    assert bare.optimizer is None
    model.load_weights(tmp_path / "a.keras")
    assert all(map(np.array_equal, model.get_weights(), bare.get_weights()))


@pytest.mark.parametrize("name", ["functional", "compiled"])
def test_files_that_keras_3_15_wrote(name: str) -> None:
    recorded = json.loads((FILES / "outputs.json").read_text("utf-8"))[name]
    model = keras.models.load_model(FILES / f"{name}.keras")
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    assert np.allclose(model.predict(x, verbose=0), recorded["before"], atol=1e-5)
    if "after" in recorded:
        model.fit(x, np.arange(4) % 3, 2, epochs=2, shuffle=False, verbose=0)
        assert np.allclose(model.predict(x, verbose=0), recorded["after"], atol=1e-5)


# --- mistakes and traps ---------------------------------------------------------------------------


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A file with another config."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    return packed(path.with_name("changed.keras"), members)


def packed(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def second(config: dict[str, Any]) -> dict[str, Any]:
    return config["config"]["layers"][1]


def lambda_layer(config: dict[str, Any]) -> None:
    code = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA="]}}
    second(config).update(class_name="Lambda", config={"name": "f", "function": code})


def other_class(module: str, name: str) -> Callable[[dict[str, Any]], None]:
    return lambda config: second(config).update(module=module, class_name=name, config={})


CHANGES = {
    "a lambda": (lambda_layer, "code of a lambda"),
    "a class of os": (other_class("os", "system"), "system is neither a class of irflow.keras"),
    "a class of ours": (other_class("irflow.keras.saving.h5", "Stored"), "Stored is neither"),
    "quantized": (lambda c: second(c)["config"].update(
        dtype={"class_name": "QuantizedDTypePolicy", "config": {}}), "quantized weights"),
    "another keyword": (lambda c: second(c)["config"].update(renorm=True), "renorm"),
    "a huge layer": (lambda c: second(c)["config"].update(units=10**15), "cannot be made"),
    "no layers": (lambda c: c["config"].pop("layers"), "config is damaged|cannot be made"),
    "a list": (lambda c: c.update(config=[1]), "cannot be made"),
    "a word": (lambda c: c.update(class_name=3), "cannot be made|neither a class"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "text"), CHANGES.values(), ids=CHANGES.keys())
def test_configs_are_refused(change: Any, text: str, tmp_path: Path) -> None:
    trained().save(tmp_path / "m.keras")
    keras.models.load_model(rewritten(tmp_path / "m.keras", lambda config: None))
    with pytest.raises((ArtifactError, UnknownNameError), match=text):
        keras.models.load_model(rewritten(tmp_path / "m.keras", change))


def test_a_vocabulary_is_no_file_of_the_reader(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("7\n8\n")
    model = keras.Sequential([layers.Input((3,), dtype="int64"), layers.IntegerLookup(
        vocabulary=[1, 2])])  # fmt: skip
    model.save(tmp_path / "m.keras")
    place = str(tmp_path / "secret")
    changed = rewritten(
        tmp_path / "m.keras", lambda c: second(c)["config"].update(vocabulary=place)
    )
    with pytest.raises(ArtifactError, match="may not name a file"):
        keras.models.load_model(changed)


def test_calls_that_need_each_other(tmp_path: Path) -> None:
    cases.shared(keras).save(tmp_path / "m.keras")

    def circle(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            for node in layer["inbound_nodes"]:
                node["args"][0]["config"]["keras_history"] = ["dense_none", 0, 0]

    with pytest.raises(ArtifactError, match="need what is not in the model"):
        keras.models.load_model(rewritten(tmp_path / "m.keras", circle))


def test_hostile_zips(tmp_path: Path) -> None:
    cases.stack(keras).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bomb = bytes(2**24)
    for more, text in [
        ({"../outside": b""}, "called '../outside', which no .keras file has"),
        ({"/etc/passwd": b""}, "called '/etc/passwd'"),
        ({"model.weights.h5": bomb}, "compressed more than 200 times"),
        ({"config.json": b"[" * 10**5}, "the config is damaged"),
        ({"assets/x/vocabulary.txt": b"a"}, "vocabulary that a layer has adapted to"),
    ]:
        path = packed(tmp_path / "bad.keras", members | more, zipfile.ZIP_DEFLATED)
        with pytest.raises(ArtifactError, match=text):
            keras.models.load_model(path)
    for gone in ("config.json", "model.weights.h5"):
        rest = {name: content for name, content in members.items() if name != gone}
        with pytest.raises(ArtifactError, match=f"{gone} is missing"):
            keras.models.load_model(packed(tmp_path / "bad.keras", rest))
    assert not (tmp_path.parent / "outside").exists()


def test_60_damaged_files_are_refused_or_right(tmp_path: Path) -> None:
    model = cases.stack(keras)
    model.save(tmp_path / "m.keras")
    expected, refused = model.predict(X, verbose=0), 0
    for content in mutations((tmp_path / "m.keras").read_bytes(), 60):
        (tmp_path / "damaged.keras").write_bytes(content)
        try:
            found = keras.models.load_model(tmp_path / "damaged.keras")
            assert np.array_equal(found.predict(X, verbose=0), expected)
        except (ArtifactError, UnknownNameError):
            refused += 1
    assert refused > 35


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cases.stack(keras)
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ArtifactError, match="No space left"):
        model.save(tmp_path / "m.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert (tmp_path / "m.keras").read_bytes() == before


def test_models_of_other_formats(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"")
    with pytest.raises(
        ArtifactError, match=r"\.h5 is another format(.|\n)*save it as \.keras there"
    ):
        keras.models.load_model(tmp_path / "m.h5")
    with pytest.raises(ArtifactError, match=r"a folder, not a \.keras(.|\n)*SavedModel"):
        keras.models.load_model(tmp_path)
    with pytest.raises(AttributeError, match=r"there is irflow\.keras\.ops\.mean"):
        keras.backend.mean  # noqa: B018


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match="need the package h5py"):
        cases.stack(keras).save(tmp_path / "m.keras")
    with pytest.raises(MissingPackageError, match="need the package h5py"):
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def test_what_keras_has_no_class_for(tmp_path: Path) -> None:
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.ops.layer_norm(inputs))
    with pytest.raises(UsageError, match="Keras has no operation for keras.ops.layer_norm"):
        model.save(tmp_path / "m.keras")
    same = layers.Dense(6, name="same")
    twice = keras.Model(inputs, layers.Dense(2, name="same")(same(inputs)))
    with pytest.raises(UsageError, match='two layers are called "same"'):
        twice.save(tmp_path / "m.keras")


# --- with Keras -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("make", cases.MODELS, ids=lambda make: make.__name__)
def test_keras_reads_and_writes_the_same_files(
    make: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    original = pytest.importorskip("keras")
    for first, other in ((original, keras), (keras, original)):
        model = make(first)
        model.save(tmp_path / "m.keras")
        loaded = other.models.load_model(tmp_path / "m.keras")
        assert close(outputs(model, make), outputs(loaded, make))
        loaded.save(tmp_path / "again.keras")
        again = first.models.load_model(tmp_path / "again.keras")
        assert close(outputs(model, make), outputs(again, make))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(cases.OPTIMIZERS)))
def test_training_goes_on_in_the_other_one(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    original = pytest.importorskip("keras")
    for first, other in ((original, keras), (keras, original)):
        model = cases.stack(first)
        model.compile(cases.OPTIMIZERS[number](first), "mse", metrics=["mae"])
        model.fit(X, X[:, :3], 8, epochs=2, shuffle=False, verbose=0)
        model.save(tmp_path / "m.keras")
        loaded = other.models.load_model(tmp_path / "m.keras")
        for each in (model, loaded):
            each.fit(X, X[:, :3], 8, epochs=2, shuffle=False, verbose=0)
        for one, two in zip(model.get_weights(), loaded.get_weights(), strict=True):
            assert np.allclose(one, two, atol=2e-3)
