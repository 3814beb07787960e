"""Training: `fit`, `evaluate`, `predict`, single batches, steps of one's own, reproducibility."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import keras
from irflow.errors import (
    DataError,
    DTypeError,
    ShapeError,
    TreeError,
    UnknownNameError,
    UsageError,
)
from irflow.keras import Model, Sequential, layers
from irflow.keras.engine.arrays import Arrays

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype(np.float32)
LABELS = (Y[:, 0] > 0).astype(np.int64)


def linear(**compiled) -> Sequential:
    model = Sequential([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **compiled})
    return model


def classifier(**compiled) -> Sequential:
    model = Sequential([keras.Input((4,)), layers.Dense(2, kernel_initializer="ones")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(**{"optimizer": "adam", "loss": loss, "metrics": ["accuracy"], **compiled})
    return model


def by_hand(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None):
    """One step of SGD from the weights of `linear`: the loss before it, kernel and bias after."""
    weights = np.ones(len(x), np.float32) if weights is None else weights
    kernel, bias = np.ones((4, 1)), np.zeros(1)
    error = x @ kernel + bias - y
    slope = 2 * error * weights[:, None] / len(x)
    loss = float((error[:, 0] ** 2 * weights).mean())
    return loss, kernel - 0.1 * x.T @ slope, bias - 0.1 * slope.sum(0)


def test_a_step_is_what_the_formula_says():
    model = linear()
    history = model.fit(X, Y, batch_size=70, epochs=1, verbose=0)
    loss, kernel, bias = by_hand(X, Y)
    np.testing.assert_allclose(history.history["loss"], [loss], rtol=1e-5)
    for found, expected in zip(model.get_weights(), (kernel, bias), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_each_epoch_begins_anew_and_losses_have_weights():
    first, kernel, bias = by_hand(X, Y)
    second = float(((X @ kernel + bias - Y) ** 2).mean())
    history = linear().fit(X, Y, batch_size=70, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["loss"], [first, second], rtol=1e-4)
    weighted = linear(loss_weights=3.0).evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(weighted, 3 * first, rtol=1e-4)


@pytest.mark.parametrize("how", ["fit", "generator", "on_batch", "eager"])
def test_all_ways_of_training_agree(how):
    model = linear(metrics=["mae"], run_eagerly=how == "eager")
    batches = [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 70, 16)]
    if how in ("fit", "eager"):
        logs = model.fit(X, Y, batch_size=16, epochs=1, shuffle=False, verbose=0).history
        logs = {name: values[0] for name, values in logs.items()}
    elif how == "generator":
        logs = model.fit(iter(batches), epochs=1, steps_per_epoch=5, verbose=0).history
        logs = {name: values[0] for name, values in logs.items()}
    else:
        for x, y in batches:
            logs = model.train_on_batch(x, y, return_dict=True)
    kernel, bias = np.ones((4, 1), np.float32), np.zeros(1, np.float32)
    total = absolute = 0.0
    for x, y in batches:
        error = x @ kernel + bias - y
        total, absolute = total + float((error**2).sum()), absolute + float(np.abs(error).sum())
        kernel, bias = kernel - 0.2 * x.T @ error / len(x), bias - 0.2 * error.mean(0)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[1], bias, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(logs["loss"], total / 70, rtol=1e-4)
    np.testing.assert_allclose(logs["mae"], absolute / 70, rtol=1e-4)


def test_the_last_smaller_batch_is_the_same_program(monkeypatch, capfd):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    model = linear()
    model.fit(X, Y, batch_size=32, epochs=2, verbose=0, validation_data=(X, Y))
    model.fit(X[:50], Y[:50], batch_size=7, verbose=0)
    model.predict(X, verbose=0)
    model.predict(X[:3], verbose=0)
    lines = [line for line in capfd.readouterr().err.splitlines() if "compil" in line]
    assert [line.split()[2] for line in lines] == ["train_chunk:", "test_chunk:", "predict_batch:"]


def test_a_model_that_needs_its_sizes_is_compiled_for_each(monkeypatch, capfd):
    class Sizes(layers.Layer):
        def call(self, inputs):
            return inputs * (1.0 if int(inputs.shape[0]) else 0.0)

    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    model = Sequential([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones"), Sizes()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, batch_size=35, epochs=1, shuffle=False, verbose=0)
    same = linear()
    same.fit(X, Y, batch_size=35, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], same.get_weights()[0], rtol=1e-5)
    assert "compiled for each size of the batch" in capfd.readouterr().err


def test_two_runs_after_a_seed_are_the_same():
    def run() -> tuple[list[np.ndarray], dict[str, list[float]]]:
        keras.utils.set_random_seed(5)
        model = Sequential(
            [keras.Input((4,)), layers.Dense(8), layers.Dropout(0.5), layers.Dense(1)]
        )
        model.compile("adam", "mse")
        history = model.fit(X, Y, epochs=2, verbose=0, validation_split=0.2)
        return model.get_weights(), history.history

    (first, one), (second, other) = run(), run()
    assert one == other
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_weights_of_samples_and_classes():
    weights = np.linspace(0, 2, 70).astype(np.float32)
    model = linear()
    history = model.fit(X, Y, 70, 1, 0, sample_weight=weights)
    loss, kernel, _ = by_hand(X, Y, weights)
    np.testing.assert_allclose(history.history["loss"], [loss], rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-4)
    left, right = classifier(), classifier()
    left.fit(X, LABELS, epochs=1, verbose=0, shuffle=False, class_weight={0: 3.0})
    by_class = np.where(LABELS == 0, 3.0, 1.0)
    right.fit(X, LABELS, epochs=1, verbose=0, shuffle=False, sample_weight=by_class)
    assert np.array_equal(left.get_weights()[0], right.get_weights()[0])


def test_evaluate_and_accuracy():
    model = classifier(weighted_metrics=["acc"])
    assert model.fit(X, LABELS, epochs=1, verbose=0).history.keys() == {"acc", "accuracy", "loss"}
    loss, accuracy, _ = model.evaluate(X, LABELS, verbose=0)
    guesses = model.predict(X, verbose=0).argmax(-1)
    np.testing.assert_allclose(accuracy, (guesses == LABELS).mean(), rtol=1e-6)
    logs = model.evaluate(X, LABELS, batch_size=7, verbose=0, return_dict=True)
    np.testing.assert_allclose([logs["loss"], logs["accuracy"]], [loss, accuracy], rtol=1e-5)
    assert model.metrics_names[0] == "loss"


@pytest.mark.parametrize(
    ("targets", "units", "kind"),
    [
        (LABELS, 2, "Sparse"),
        (LABELS[:, None], 2, "Sparse"),
        (np.eye(2)[LABELS], 2, "Categorical"),
        (LABELS[:, None], 1, "Binary"),
    ],
)
def test_accuracy_is_chosen_by_shapes(targets, units, kind):
    model = Sequential([keras.Input((4,)), layers.Dense(units, "sigmoid")])
    model.compile("sgd", "mse" if units == 1 else "crossentropy", metrics=["accuracy"])
    model.evaluate(X, targets, verbose=0)
    assert type(model.metrics[1]).__name__.startswith(kind)


def test_frozen_layers_stay_before_and_after_compile():
    model = Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    assert np.array_equal(model.get_weights()[0], before[0])
    assert not np.array_equal(model.get_weights()[2], before[2])
    model.layers[0].trainable, model.layers[1].trainable = True, False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])
    assert np.array_equal(model.get_weights()[2], before[2])


def test_penalties_and_constraints_and_batch_statistics():
    model = Sequential(
        [
            keras.Input((4,)),
            layers.BatchNormalization(),
            layers.Dense(1, kernel_regularizer="l2", kernel_constraint="non_neg"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse")
    mean = model.layers[0].moving_mean
    assert float(abs(mean.value).sum()) == 0
    history = model.fit(X, -abs(Y), epochs=2, verbose=0)
    assert float(abs(mean.value).sum()) > 0
    assert model.get_weights()[-2].min() >= 0
    assert len(history.history["loss"]) == 2
    assert model.losses[0].trace is None  # nothing of a trace stays behind


class Custom(Model):
    """A train_step by a tape, and a metric in an attribute."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, kernel_initializer="ones", activity_regularizer="l2")
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return self.dense(inputs)

    def train_step(self, data):
        x, y = data[:2]
        with keras.GradientTape() as tape:
            loss = inp.mean((self(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.seen.update_state(loss)
        return {"mine": loss, "mean": self.seen.result()}


def test_a_train_step_of_ones_own():
    model, plain = Custom(), linear()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    history = model.fit(X, Y, batch_size=35, epochs=2, shuffle=False, verbose=0)
    plain.fit(X, Y, batch_size=35, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], plain.get_weights()[0], rtol=1e-5)
    assert set(history.history) == {"mine", "mean"}
    assert model.losses == []
    # The last step's loss, and the mean of both steps, which begins anew in each epoch.
    assert history.history["mine"][1] != history.history["mean"][1]


def test_compute_loss_of_ones_own_and_added_losses():
    class Doubled(Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            self.add_loss(inp.mean(y_pred * 0) + 1.0)
            return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)

    model = Doubled([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    expected = 2 * (by_hand(X, Y)[0] + 1)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), expected, rtol=1e-5)


class Stops(keras.callbacks.Callback):
    """Counts calls, and stops or raises."""

    def __init__(self, error=None, last=None):
        super().__init__()
        self.last = last
        self.calls: list[str] = []
        self.error = error

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch}")
        if self.error is not None and batch == 1:
            raise self.error

        self.model.stop_training = self.last == batch

    def on_test_end(self, logs=None):
        self.calls.append("tested")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} {'val_loss' in logs}")
        self.model.stop_training |= epoch == 1


def test_callbacks_are_called_and_stop():
    callback, model = Stops(), linear()
    model.fit(
        X, Y, epochs=5, verbose=0, callbacks=[callback], validation_data=(X, Y), validation_freq=2
    )
    steps = ["batch 0", "batch 1", "batch 2"]
    expected = ["begin", *steps, "epoch 0 False", *steps, "tested", "epoch 1 True"]
    assert callback.calls == expected
    assert model.history.epoch == [0, 1]
    early = Stops(last=1)
    model.fit(X, Y, epochs=5, verbose=0, callbacks=early)
    assert early.calls == ["begin", "batch 0", "batch 1", "epoch 0 False"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_weights_are_whole_after_an_interruption(error):
    model = linear()
    with pytest.raises(type(error)):
        model.fit(X, Y, epochs=2, shuffle=False, verbose=1, callbacks=[Stops(error)])
    other = linear()
    other.fit(X[:64], Y[:64], epochs=1, shuffle=False, verbose=0)
    assert np.array_equal(model.get_weights()[0], other.get_weights()[0])
    model.fit(X, Y, epochs=1, verbose=0)


def test_a_backend_is_chosen_in_compile():
    left, right = linear(backend="numpy"), linear(backend="llvm")
    for model in (left, right):
        model.fit(X, Y, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_allclose(left.get_weights()[0], right.get_weights()[0], rtol=1e-5)


def bad(values: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    copy = values.copy()
    copy[place] = value
    return copy


@pytest.mark.parametrize("row", [0, 400_000, (1 << 20) - 1])
def test_threads_look_at_large_data(row: int):
    values = np.full((1 << 20, 1), 1e38, np.float32)  # The sum is infinite.
    Arrays(values).check_finite(threads=3)
    with pytest.raises(DataError, match=rf"NaN\n.*x\[{row}, 0\]"):
        Arrays(bad(values, (row, 0), np.nan)).check_finite(threads=3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: m.fit(X[:, :3], LABELS), ShapeError, r"\(None, 4\)"),
        (lambda m: m.fit(X[:9], LABELS), ShapeError, "70 samples"),
        (lambda m: m.fit(X, bad(LABELS, (7,), 2)), DataError, r"y\[7\]"),
        (lambda m: m.fit(X, bad(LABELS, (7,), -1)), DataError, "from 0 to 1"),
        (lambda m: m.fit(bad(X, (3, 1), np.nan), LABELS), DataError, r"NaN\n.*x\[3, 1\]"),
        (lambda m: m.evaluate(bad(X, (3, 1), -np.inf), LABELS), DataError, "infinity"),
        (lambda m: m.fit(X), UsageError, "no targets"),
        (lambda m: m.fit(iter([]), Y), UsageError, "yields batches"),
        (lambda m: m.fit(iter([]), steps_per_epoch=1), UsageError, "no batch"),
        (lambda m: m.fit(X, LABELS, validation_split=0.999), UsageError, "empty"),
        (lambda m: m.fit(X, LABELS, batch_size=0), UsageError, "less than 1"),
        (lambda m: m.fit(X, LABELS, callbacks=[3]), UsageError, "no callback"),
        (lambda m: m.fit(X, np.eye(2)[LABELS]), ShapeError, "hint: .*categorical_crossentropy"),
        (lambda m: m.evaluate(X, Y[:, [0, 0, 0]]), ShapeError, "one class number"),
        (lambda m: m.fit(X, [LABELS, LABELS]), TreeError, "2 given for one output"),
        (lambda m: m.fit(X, {"other": LABELS}), TreeError, r"\(other\) given for one output"),
        (
            lambda m: m.fit(X, LABELS, validation_data=(X, np.eye(2)[LABELS])),
            ShapeError,
            "^validation data: sparse",
        ),
        (lambda m: m.fit(X, LABELS, validation_data=X), UsageError, "^validation data: .*targets"),
        (lambda m: m.fit(X, LABELS, sample_weight=Y[:, [0, 0, 0]]), ShapeError, "sample_weight"),
        (lambda m: m.fit("data.csv", LABELS), DTypeError, "x holds text.*\n.*'data.csv'"),
        (lambda m: m.predict(["a", "b"]), DTypeError, r"x\[0\] holds text"),
        (lambda m: m.fit(X, np.array(["a", "b"] * 35)), DTypeError, "y holds text"),
        (lambda m: m.train_on_batch(X, np.array([None] * 70)), DTypeError, "y holds Python"),
        (lambda m: m.fit(X, LABELS, epochs="3"), UsageError, "hint: epochs=3"),
        (lambda m: m.fit(X, LABELS, initial_epoch=-1), UsageError, "initial_epoch is -1"),
        (lambda m: m.fit(X, LABELS, steps_per_epoch=2.5), UsageError, r"no whole number: 2\.5\n"),
        (lambda m: m.fit(X, LABELS, validation_freq=[1, "2"]), UsageError, "hint: validation_freq"),
        (lambda m: m.predict(X, "32", verbose=0), UsageError, "hint: batch_size=32"),
        (lambda m: m.evaluate(X, LABELS, steps=0), UsageError, "steps is 0, less than 1"),
        (lambda m: m.fit(X, LABELS, verbose="yes"), UsageError, "'yes'"),
        (lambda m: m.fit(X, LABELS, validation_split="0.2"), UsageError, "'0.2'"),
        (lambda m: m.fit(X, LABELS, class_weight={"a": 1}), UsageError, "'a': 1"),
        (lambda m: layers.Dens, AttributeError, "did you mean 'Dense'"),
        (lambda m: m.compile("adam", "no_such_loss"), UnknownNameError, "^.*\n  known  (?!.*Mean)"),
        (lambda m: m.compile("adamm", "mse"), UnknownNameError, "'adam'"),
        (lambda m: m.compile("adam", "msee"), UnknownNameError, "'mse'"),
        (lambda m: m.compile("adam", "mse", metrics=["acuracy"]), UnknownNameError, "accuracy"),
        (lambda m: m.compile("adam", "mse", metrics="mae"), UsageError, "list"),
        (lambda m: Sequential([layers.Dense(1)]).fit(X, Y), UsageError, "not compiled"),
    ],
)
def test_bad_input_is_told_before_anything_changes(call, error, text, capsys):
    model = classifier()
    before = model.get_weights()
    with pytest.raises(error, match=text):
        call(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert capsys.readouterr().out == ""


def decay(start: float) -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.ExponentialDecay(start, 1, 1.0)


@pytest.mark.parametrize(
    ("change", "factors"),
    [
        (lambda m: setattr(m.optimizer, "learning_rate", 0.05), (0.5, 0.5)),
        (lambda m: setattr(m.optimizer, "learning_rate", decay(0.05)), (0.5, 0.5)),
        (lambda m: setattr(m.optimizer, "clipvalue", 1e-30), (0, 0)),
        (lambda m: setattr(m, "optimizer", keras.optimizers.SGD(0.2)), (2, 2)),
        (lambda m: m.compile(keras.optimizers.SGD(0.2), "mse"), (2, 2)),
        (lambda m: m.compile(keras.optimizers.SGD(0.1), "mse", loss_weights=3.0), (3, 3)),
        (lambda m: setattr(m.layers[0], "trainable", False), (0, 0)),
        (lambda m: setattr(m, "trainable", False), (0, 0)),
    ],
)
@pytest.mark.parametrize("on_batch", [False, True])
def test_steps_follow_what_is_changed_after_them(change, factors, on_batch):
    model = linear()
    first = model.get_weights()

    def step() -> list[np.ndarray]:
        model.set_weights(first)
        if on_batch:
            model.train_on_batch(X, Y)
        else:
            model.fit(X, Y, batch_size=70, verbose=0, shuffle=False)
        return [after - before for after, before in zip(model.get_weights(), first, strict=True)]

    before = step()
    change(model)
    for found, whole, factor in zip(step(), before, factors, strict=True):
        np.testing.assert_allclose(found, factor * whole, rtol=1e-4, atol=1e-7)


def test_models_that_share_a_layer_train_it_in_turn():
    shared, inner = layers.Dense(1, kernel_initializer="ones"), linear()
    left, right, whole = (
        keras.Model(x := keras.Input((4,)), function(x))
        for function in (shared, lambda x: shared(x) * 2.0, lambda x: inner(x) + 1.0)
    )
    for model in (left, right, whole):
        model.compile(keras.optimizers.SGD(0.01), "mse")
    for model in (left, right, left):
        before = shared.get_weights()[0]
        model.fit(X, Y, verbose=0)
        assert not np.array_equal(shared.get_weights()[0], before)
    whole.fit(X, Y, verbose=0)
    assert not np.array_equal(inner.get_weights()[0], np.ones((4, 1)))
    np.testing.assert_allclose(
        whole.predict(X, verbose=0), inner.predict(X, verbose=0) + 1, rtol=1e-5
    )


def test_models_train_in_threads_as_they_do_alone():
    def run() -> list[np.ndarray]:
        model = linear()
        model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
        return model.get_weights()

    with ThreadPoolExecutor(3) as pool:
        found = [future.result() for future in [pool.submit(run) for _ in range(3)]]
    assert all(np.array_equal(weights[0], run()[0]) for weights in found)


RUN = """
import hashlib, numpy as np
from irflow import keras
from irflow.keras import layers
keras.utils.set_random_seed(7)
x = np.random.normal(size=(200, 12, 12, 1)).astype("float32")
y = np.random.randint(0, 5, 200)
model = keras.Sequential([
    keras.Input((12, 12, 1)), layers.Conv2D(16, 3, activation="relu"), layers.Flatten(),
    layers.Dense(400, activation="relu"), layers.Dropout(0.3), layers.Dense(5),
])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
history = model.fit(x, y, batch_size=128, epochs=2, verbose=0)
state = [*model.get_weights(), *(np.float64(v) for v in history.history.values())]
print(hashlib.sha256(b"".join(part.tobytes() for part in state)).hexdigest())
"""


def test_processes_with_one_seed_agree_to_the_bit():
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN],
            env={**os.environ, "IRFLOW_NUM_THREADS": str(threads), "IRFLOW_CHECK": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for threads in (1, 2)
    ]
    found = [run.communicate()[0] for run in runs]
    assert len(found[0]) == 65
    assert found[0] == found[1]


def test_predict_gives_arrays_of_ones_own():
    model = Sequential([keras.Input((4,)), layers.Activation("linear")])
    for _ in range(3):
        found = model.predict(X[:2], verbose=0)
    found[:] = 0
    assert X[:2].any()
    assert irf.asarray(found).shape == (2, 4)
