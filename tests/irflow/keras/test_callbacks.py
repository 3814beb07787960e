"""Callbacks: what they do to a training, what they write, and how they fail."""

import csv
import itertools
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from irflow import keras
from irflow.errors import ArtifactError, MissingPackageError, UsageError
from irflow.keras import callbacks, layers
from irflow.keras.callbacks.events import GraphNode, masked_crc

X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = X @ np.arange(1, 5).astype(np.float32)


@pytest.fixture(autouse=True)
def _on_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks do not depend on the backend."""
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def model(rate: float = 0.1) -> keras.Model:
    keras.utils.set_random_seed(1)
    made = keras.Sequential([layers.Input((4,)), layers.Dropout(0.1), layers.Dense(1)])
    made.compile(keras.optimizers.SGD(rate, momentum=0.5), "mse")
    return made


def fit(made: keras.Model, *hooks: callbacks.Callback, epochs: int = 6, **options: object) -> dict:
    history = made.fit(X, Y, 8, epochs=epochs, verbose=0, callbacks=list(hooks), **options)
    return history.history


class Fixed(callbacks.Callback):
    """Puts numbers of a list among the logs."""

    def __init__(self, values: list[float], name: str = "val_loss") -> None:
        super().__init__()
        self.values, self.name = iter(values), name

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs[self.name] = next(self.values)


STOPS = [
    ({}, [3, 2, 2, 1], 3),
    ({"patience": 1}, [3, 2, 2, 1, 1], 3),
    ({"patience": 2}, [3, 2, 2, 2, 1], 4),
    ({"min_delta": 0.5}, [3, 2, 1.8, 1], 3),
    ({"monitor": "val_accuracy"}, [0.1, 0.5, 0.4, 1], 3),
    ({"mode": "max"}, [1, 2, 1.5, 9], 3),
    ({"baseline": 2.5, "patience": 2}, [3, 2.8, 2.9, 1], 3),
    ({"start_from_epoch": 2}, [1, 2, 3, 2, 4], 5),
]


@pytest.mark.parametrize(("options", "values", "epochs"), STOPS)
def test_early_stopping(options: dict, values: list[float], epochs: int) -> None:
    name = options.get("monitor", "val_loss")
    stop = callbacks.EarlyStopping(**options)
    found = fit(model(), Fixed([*values, *[9.0] * 3], name), stop)
    assert len(found["loss"]) == epochs


def test_early_stopping_restores_the_best_weights() -> None:
    kept: list[np.ndarray] = []
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(keep.model.layers[-1].kernel.numpy())
    )
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    made = model()
    fit(made, keep, Fixed([3, 1, 2, 2, 0]), stop)
    assert stop.best_epoch == 1
    assert np.array_equal(made.layers[-1].kernel.numpy(), kept[1])


def test_a_number_that_is_not_there_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="no 'val_loss' among what was measured: loss"):
        fit(model(), callbacks.EarlyStopping(), epochs=1)
    with pytest.raises(UsageError, match="mode is 'least'"):
        callbacks.EarlyStopping(mode="least")


def test_learning_rates() -> None:
    made = model()
    found = fit(made, callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2), epochs=3)
    assert np.allclose(found["learning_rate"], [0.05, 0.025, 0.0125])
    fit(made, callbacks.LearningRateScheduler(lambda epoch: 0.3), epochs=1)
    assert np.isclose(float(made.optimizer.learning_rate), 0.3)
    with pytest.raises(UsageError, match="returned 'fast', not a number"):
        fit(made, callbacks.LearningRateScheduler(lambda epoch: "fast"))


def test_the_rate_is_what_the_step_uses() -> None:
    made = model()
    before = made.get_weights()
    fit(made, callbacks.LearningRateScheduler(lambda epoch: 0.0), epochs=2)
    assert all(map(np.array_equal, before, made.get_weights()))


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({"patience": 1}, [0.1, 0.1, 0.1, 0.01, 0.001, 0.0001]),
        ({"patience": 2, "factor": 0.5}, [0.1, 0.1, 0.1, 0.1, 0.05, 0.05]),
        ({"patience": 1, "cooldown": 2}, [0.1, 0.1, 0.1, 0.01, 0.01, 0.001]),
        ({"patience": 1, "min_lr": 0.02}, [0.1, 0.1, 0.1, 0.02, 0.02, 0.02]),
    ],
)
def test_reduce_on_plateau(options: dict, rates: list[float]) -> None:
    values = Fixed([3.0, 2, 2, 2, 2, 2])
    found = fit(model(), values, callbacks.ReduceLROnPlateau(**options))
    assert np.allclose(found["learning_rate"], rates, rtol=1e-4)


def test_checkpoints(tmp_path: Path) -> None:
    made = model()
    best = callbacks.ModelCheckpoint(tmp_path / "best.irflow", save_best_only=True)
    each = callbacks.ModelCheckpoint(
        tmp_path / "deep" / "{epoch:02d}-{val_loss:.1f}.safetensors", save_weights_only=True
    )
    some = callbacks.ModelCheckpoint(tmp_path / "batch{batch}.irflow", save_freq=5)
    times: list[int] = []
    watch = callbacks.LambdaCallback(
        on_epoch_end=lambda *_: times.append((tmp_path / "best.irflow").stat().st_mtime_ns)
    )
    fit(made, Fixed([3, 1, 2, 0.5]), best, each, some, watch, epochs=4)
    assert times[0] < times[1] == times[2] < times[3]
    names = [path.name for path in sorted((tmp_path / "deep").iterdir())]
    assert names == [
        f"{e:02d}-{v}.safetensors" for e, v in [(1, 3.0), (2, 1.0), (3, 2.0), (4, 0.5)]
    ]
    assert sorted(path.name for path in tmp_path.glob("batch*")) == [
        "batch10.irflow",
        "batch15.irflow",
        "batch5.irflow",
    ]
    again = keras.models.load_model(tmp_path / "best.irflow")
    assert np.array_equal(again.predict(X, verbose=0), made.predict(X, verbose=0))
    with pytest.raises(UsageError, match="nothing is named 'acc'"):
        fit(made, callbacks.ModelCheckpoint(tmp_path / "{acc}.irflow"))
    with pytest.raises(UsageError, match="save_freq"):
        callbacks.ModelCheckpoint("x", save_freq="often")


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    found = fit(model(), callbacks.CSVLogger(path), epochs=2)
    fit(model(), callbacks.CSVLogger(path, append=True), epochs=1)
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["epoch", "loss"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "0"]
    assert [float(row[1]) for row in rows[1:3]] == found["loss"]


def test_nan_ends_the_training() -> None:
    made = model(rate=1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit(made, callbacks.TerminateOnNaN(), epochs=50)
    assert len(found["loss"]) < 50


def test_lambdas_run_once_an_epoch_and_once_a_batch() -> None:
    seen: list[tuple[str, int]] = []
    fit(
        model(),
        callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: seen.append(("epoch", epoch)),
            on_train_batch_end=lambda batch, logs: seen.append(("batch", batch)),
            on_train_end=lambda logs: seen.append(("end", 0)),
        ),
        epochs=2,
    )
    batches = [("batch", number) for number in range(4)]
    assert seen == [("epoch", 0), *batches, ("epoch", 1), *batches, ("end", 0)]


# --- interruption ---------------------------------------------------------------------------------


class Interrupt(callbacks.Callback):
    """Ctrl-C, or a failure, after some batches."""

    def __init__(self, after: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self.left, self.error = after, error

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error("stopped")


@pytest.mark.parametrize("after", [5, 10])
def test_a_training_goes_on_where_it_was_interrupted(tmp_path: Path, after: int) -> None:
    whole = model()
    expected = fit(whole, epochs=5)
    made = model()
    with pytest.raises(KeyboardInterrupt):
        fit(made, callbacks.BackupAndRestore(tmp_path), Interrupt(after), epochs=5)
    assert np.isfinite(made.predict(X, verbose=0)).all()  # The weights are usable.
    other = model()
    other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
    keras.utils.set_random_seed(77)
    found = fit(other, callbacks.BackupAndRestore(tmp_path), epochs=5)
    assert found["loss"] == expected["loss"][-len(found["loss"]) :]
    assert len(found["loss"]) == 5 - after // 4
    assert all(map(np.array_equal, whole.get_weights(), other.get_weights()))
    assert list(tmp_path.iterdir()) == []


def test_damaged_backups(tmp_path: Path) -> None:
    def backup() -> callbacks.Callback:
        return callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)

    fit(model(), backup(), epochs=3)
    main, previous = tmp_path / "backup.irflow", tmp_path / "backup.previous"
    main.write_bytes(main.read_bytes()[:-50])
    assert len(fit(model(), backup(), epochs=4)["loss"]) == 2  # From the one before.
    main.write_bytes(b"nothing")
    previous.unlink()
    with pytest.raises(ArtifactError, match="damaged"):
        fit(model(), backup(), epochs=4)
    other = keras.Sequential([layers.Input((4,)), layers.Dense(2), layers.Dense(1)])
    other.compile("sgd", "mse")
    fit(model(), callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=False), epochs=1)
    with pytest.raises(ArtifactError, match="of another architecture"):
        fit(other, callbacks.BackupAndRestore(tmp_path / "b"), epochs=2)


def test_a_callback_that_raises_leaves_the_model_usable() -> None:
    made = model()
    with pytest.raises(ZeroDivisionError, match="stopped"):
        fit(made, Interrupt(3, ZeroDivisionError))
    assert np.isfinite(made.predict(X, verbose=0)).all()
    assert len(fit(made, epochs=2)["loss"]) == 2
    with pytest.raises(UsageError, match="EarlyStopping is a class, not a callback made of it"):
        fit(made, callbacks.EarlyStopping)


# --- History --------------------------------------------------------------------------------------


def test_a_plot_has_axes_for_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    made = model()
    made.compile("sgd", "mse", metrics=["mae"])
    history = made.fit(X, Y, epochs=4, verbose=0, validation_data=(X, Y), validation_freq=2)
    figure = history.plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss", "mae"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(lines["training"].get_xdata()) == [1, 2, 3, 4]
    assert list(lines["validation"].get_xdata()) == [2, 4]
    assert list(lines["validation"].get_ydata()) == history.history["val_loss"]
    assert len(history.plot("mae").axes) == 1
    with pytest.raises(UsageError, match="nothing to draw of accuracy"):
        history.plot(["accuracy"])
    with pytest.raises(UsageError, match="no epoch has ended"):
        callbacks.History().plot()


def test_a_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    made = model()
    with pytest.raises(MissingPackageError, match=r"irflow\[matplotlib\]"):
        made.fit(X, Y, verbose=0).plot()


# --- TensorBoard ----------------------------------------------------------------------------------


def test_known_checksums() -> None:
    assert masked_crc(b"") == (0xA282EAD8).to_bytes(4, "little")
    crc = 0xE3069283  # CRC-32C of these digits (RFC 3720, B.4 has others)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc(b"123456789") == masked.to_bytes(4, "little")


def test_event_files_hold_what_was_measured(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    made = model()
    options = {"validation_data": (X, Y)}
    found = fit(made, callbacks.TensorBoard(tmp_path, update_freq=2), epochs=3, **options)
    train, held = (accumulator(str(tmp_path / part)) for part in ("train", "validation"))
    for events in (train, held):
        events.Reload()
    scalars = train.Scalars("epoch_loss")
    assert [event.step for event in scalars] == [0, 1, 2]
    assert np.allclose([event.value for event in scalars], found["loss"])
    assert np.allclose([e.value for e in held.Scalars("epoch_loss")], found["val_loss"])
    assert [event.step for event in train.Scalars("batch_loss")] == [2, 4, 6, 8, 10, 12]
    nodes = {node.name: list(node.input) for node in train.Graph().node}
    assert list(itertools.islice(nodes.values(), 1, None)) == [[name] for name in list(nodes)[:-1]]


def test_event_files_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    fit(model(), callbacks.TensorBoard(tmp_path), epochs=1)
    (file,) = (tmp_path / "train").iterdir()
    assert b"epoch_loss" in file.read_bytes()
    assert b"brain.Event:2" in file.read_bytes()
    with pytest.raises(UsageError, match="histogram_freq"):
        callbacks.TensorBoard(tmp_path, histogram_freq=1)


def test_the_graph_of_shared_layers() -> None:
    shared = layers.Dense(4, name="shared")
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    made = keras.Model([first, second], layers.Add(name="sum")([shared(first), shared(second)]))
    assert callbacks.tensorboard.graph_of(made) == [
        GraphNode("a", "Input"),
        GraphNode("b", "Input"),
        GraphNode("shared", "Dense", ("a",)),
        GraphNode("shared_1", "Dense", ("b",)),
        GraphNode("sum", "Add", ("shared", "shared_1")),
    ]
