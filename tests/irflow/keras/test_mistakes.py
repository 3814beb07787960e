"""What newcomers get wrong: each mistake is told in its own words, where it is made."""

import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest

from irflow import keras
from irflow.errors import ArtifactError, DataError, IrflowError
from irflow.keras import layers

X, Y = np.zeros((4, 3), np.float32), np.zeros((4, 1), np.float32)


class WithoutSuper(keras.Model):
    def __init__(self) -> None:
        self.dense = layers.Dense(1)


class WithoutResult(keras.Model):
    def call(self, x):
        x + 1


class OfFormerTimes(layers.Layer):
    def build(self, shape) -> None:
        self.kernel = self.add_weight("kernel", (shape[-1], 1))

    def call(self, x):
        return x @ self.kernel


def compiled(model: keras.Model, *args: object) -> keras.Model:
    model.compile("adam", "mse", *args)
    return model


def dense() -> keras.Model:
    return keras.Sequential([layers.Dense(1)])


def of_three() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), layers.Dense(1)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WithoutSuper()(X), "WithoutSuper.__init__ has not called super().__init__()"),
        (lambda: compiled(WithoutSuper()), "has not called super().__init__()"),
        (lambda: compiled(WithoutResult()).fit(X, Y, verbose=0), "its call must return a tensor"),
        (lambda: OfFormerTimes()(X), "add_weight(shape, …, name='kernel')"),
        (lambda: layers.Dense(1)(layers.Dense(2, name="b")), 'called on layer "b", not on a'),
        (lambda: layers.Dense(1, activaton="relu"), "did you mean 'activation'?"),
        (lambda: layers.Dense(1, input_shap=(3,)), "did you mean 'input_shape'"),
        (lambda: keras.Sequential(layers.Dense(1)), "hint: Sequential([layer])"),
        (lambda: keras.Sequential([layers.Dense]), "hint: make one: Dense(…)"),
        (lambda: keras.optimizers.Adam(lr=0.1), "it is called learning_rate"),
        (
            lambda: compiled(dense(), [keras.metrics.AUC(), "mae"]).fit(X, Y, verbose=0),
            "metrics are given by name",
        ),
        (lambda: compiled(dense()).fit([[1, 2], [3]], [1, 2]), "pad_sequences makes them alike"),
        (lambda: compiled(of_three()).predict(X[0], verbose=0), "x[None] would have it"),
        (lambda: np.sum(keras.Input((3,))), "keras.ops has the same names for models"),
        (lambda: np.exp(keras.Input((3,))), "keras.ops has the same names for models"),
    ],
)
def test_messages(make, message: str) -> None:
    with pytest.raises(IrflowError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_numbers_that_are_no_rows_of_an_embedding(method: str) -> None:
    words = keras.Input((2,), name="words")
    rows = layers.Flatten()(layers.Embedding(5, 3, name="table")(words))
    other = keras.Input((3,))
    model = compiled(keras.Model([words, other], layers.add([rows[:, :3], other])))
    given = [np.array([[0, 4], [5, 1], [4, 6], [0, 0]]), X]
    rest = {} if method == "predict" else {"y": X}
    with pytest.raises(DataError) as caught:
        getattr(model, method)(given, verbose=0, **rest)
    assert 'layer "table" has no such row: it has 5, from 0 on' in str(caught.value)
    assert "first at  x[0][1, 0]  5\n  in all    2 of 8" in str(caught.value)
    assert caught.value.hint == "input_dim=7 has rows for all"
    given[0] = given[0] - 5
    with pytest.raises(DataError, match=r"first at  x\[0\]\[0, 0\]  -5"):
        getattr(model, method)(given, verbose=0, **rest)
    given[0] = given[0] % 5
    getattr(model, method)(given, verbose=0, **rest)


def test_lists_of_numbers_of_numpy_are_one_array() -> None:
    rows = [list(row) for row in np.arange(12.0).reshape(4, 3)]
    targets = list(np.ones(4))
    history = compiled(dense()).fit(rows, targets, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_warnings_are_at_the_users_line() -> None:
    stopping = keras.callbacks.EarlyStopping("val_los")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        compiled(dense()).fit(X, Y, verbose=0, callbacks=[stopping])
    assert [warning.filename for warning in found] == [__file__]


def write(model: keras.Model, path: Path) -> None:
    if path.suffix == ".csv":
        model.fit(X, Y, verbose=0, callbacks=[keras.callbacks.CSVLogger(path)])
    elif path.suffix == ".irflow":
        model.save(path)
    else:
        model.save_weights(path)


@pytest.mark.parametrize("name", ["m.weights.h5", "m.safetensors", "m.irflow", "log.csv"])
def test_a_disk_that_takes_no_more(name: str, tmp_path: Path) -> None:
    """With h5py writing the file itself the process ended with a segmentation fault."""
    if name.endswith("h5"):
        pytest.importorskip("h5py")
    model, path = compiled(dense()), tmp_path / name
    model.fit(X, Y, verbose=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
    try:
        with pytest.raises(ArtifactError, match=f"{name}: cannot be written: File too large"):
            write(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [path] * name.endswith("csv")


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    model = dense()
    model(X)
    pipe = tmp_path / "pipe.irflow"
    os.mkfifo(pipe)
    with pytest.raises(ArtifactError, match="cannot be written: it is no ordinary file"):
        model.save(pipe)
    assert pipe.is_fifo()
    (tmp_path / "folder.irflow").mkdir()
    with pytest.raises(ArtifactError, match="cannot be written: it is a folder"):
        model.save(tmp_path / "folder.irflow")
