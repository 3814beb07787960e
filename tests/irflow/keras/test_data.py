"""What `fit` takes as data."""

import numpy as np
import pytest

import irflow as irf
from irflow import keras
from irflow.errors import ShapeError, UsageError
from irflow.keras import Model, Sequential, layers
from irflow.keras.engine.arrays import Arrays, orders

X = np.arange(40, dtype=np.float32).reshape(10, 4) / 40
Y = X.sum(1, keepdims=True)


def linear() -> Sequential:
    model = Sequential([keras.Input((4,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def trained(*args, **kwargs) -> np.ndarray:
    model = linear()
    model.fit(*args, **{"epochs": 2, "shuffle": False, "verbose": 0, **kwargs})
    return model.get_weights()[0]


class Numbered(keras.utils.PyDataset):
    """Batches of 4 by number."""

    def __init__(self):
        super().__init__()
        self.ended = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.ended += 1


class Table:
    """Looks like a DataFrame to NumPy."""

    def __init__(self, array):
        self.array = array
        self.iloc = None

    def __array__(self, dtype=None, copy=None):
        return self.array


def forever():
    while True:
        for i in range(0, 10, 4):
            yield X[i : i + 4], Y[i : i + 4]


SOURCES = {
    "arrays": lambda: ((X, Y), {"batch_size": 4}),
    "f64": lambda: ((X.astype("f8"), Y.astype("f8")), {"batch_size": 4}),
    "lists": lambda: ((X.tolist(), Y.tolist()), {"batch_size": 4}),
    "tensors": lambda: ((irf.asarray(X), irf.asarray(Y)), {"batch_size": 4}),
    "tables": lambda: ((Table(X), Table(Y)), {"batch_size": 4}),
    "vector of targets": lambda: ((X, Y[:, 0]), {"batch_size": 4}),
    "generator": lambda: ((forever(),), {"steps_per_epoch": 3}),
    "PyDataset": lambda: ((Numbered(),), {}),
    "dataset": lambda: ((irf.data.Dataset.from_tensor_slices((X, Y)).batch(4),), {}),
    "list of batches": lambda: ((Batches(),), {}),
    "split": lambda: (
        (np.concatenate([X, X]), np.concatenate([Y, Y])),
        {"validation_split": 0.5, "batch_size": 4},
    ),
}


class Batches:
    """Something that can be gone through again and again."""

    def __iter__(self):
        return iter([(X[i : i + 4], Y[i : i + 4]) for i in range(0, 10, 4)])


@pytest.mark.parametrize("name", SOURCES)
def test_all_kinds_of_data_train_alike(name):
    args, kwargs = SOURCES[name]()
    np.testing.assert_allclose(
        trained(*args, **kwargs), trained(X, Y, batch_size=4), rtol=1e-5, atol=1e-7
    )


def test_evaluate_and_predict_take_batches_too():
    model = linear()
    assert model.evaluate(Numbered(), verbose=0) == pytest.approx(float((Y**2).mean()))
    assert model.predict(Numbered(), verbose=0).shape == (10, 1)
    assert model.predict(forever(), steps=2, verbose=0).shape == (8, 1)
    history = model.fit(Numbered(), epochs=1, verbose=0, validation_data=Numbered())
    assert "val_loss" in history.history


def test_a_dataset_by_number_is_told_of_epochs_and_shuffled():
    data = Numbered()
    model = linear()
    model.fit(data, epochs=2, verbose=0, shuffle=True)
    assert data.ended == 2


def test_dicts_and_columns():
    a, b = keras.Input((1,), name="a"), keras.Input((3,), name="b", dtype="int64")
    out = layers.Dense(1)(a) + layers.Dense(1)(b * 1.0)
    model = Model([a, b], out)
    model.compile("sgd", "mse")
    data = {"b": np.arange(30).reshape(10, 3), "a": X[:, 0]}  # a column without its last axis
    model.fit(data, Y, epochs=1, verbose=0)
    assert model.predict(data, verbose=0).shape == (10, 1)


def test_steps_per_epoch_go_on_through_the_data():
    seen: list[int] = []

    class Sees(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    model = linear()
    model.fit(X, Y, batch_size=4, epochs=2, steps_per_epoch=2, verbose=0, callbacks=[Sees()])
    assert seen == [0, 1, 0, 1]
    model.fit(Numbered(), epochs=1, steps_per_epoch=5, verbose=0, callbacks=[Sees()])
    assert seen[4:] == [0, 1, 2, 3, 4]


def test_orders():
    whole = orders(10, 4, False)
    assert [part.shape for part in whole] == [(2, 4), (1, 2)]
    assert np.concatenate([part.ravel() for part in whole]).tolist() == list(range(10))
    shuffled = orders(1000, 10, True)[0]
    assert sorted(shuffled.ravel()) == list(range(1000))
    assert not np.array_equal(shuffled, orders(1000, 10, False)[0])
    by_batch = orders(1000, 10, "batch")[0]
    assert all(np.array_equal(row, range(row[0], row[0] + 10)) for row in by_batch)
    assert by_batch[:, 0].tolist() != sorted(by_batch[:, 0])


def test_arrays_of_different_lengths_are_named():
    with pytest.raises(ShapeError) as caught:
        Arrays.of({"a": X, "b": X[:3]}, Y, None)
    assert "x['a']  10 samples" in str(caught.value)
    assert "x['b']  3 samples" in str(caught.value)
    with pytest.raises(UsageError, match="no samples"):
        Arrays.of(X[:0], Y[:0], None)
    with pytest.raises(UsageError, match="not both"):
        linear().train_on_batch(X, Y, sample_weight=Y[:, 0], class_weight={0: 1})
