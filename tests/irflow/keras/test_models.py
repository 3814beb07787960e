"""Sequential and subclassed models, summaries, imports that people write."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import irflow as tf
from irflow import keras
from irflow.errors import ShapeError, UsageError
from irflow.keras.layers import Dense, Flatten
from irflow.keras.models import Sequential

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def test_a_list_and_add_make_the_same_model():
    model = tf.keras.models.Sequential([keras.Input((4,)), Dense(3, "relu"), Dense(1)])
    other = Sequential()
    other.add(Dense(3, activation="relu", input_shape=(4,)))
    other.add(Dense(1))
    assert other.built
    other.set_weights(model.get_weights())
    assert np.array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))
    assert other.output_shape == (None, 1)
    assert other.predict_on_batch(X).shape == (6, 1)
    assert other.pop().units == 1
    assert other.predict_on_batch(X).shape == (6, 3)
    assert other.predict(X, verbose=0).shape == (6, 3)


def test_a_model_without_an_input_shape_is_built_from_data():
    model = Sequential([Flatten(), Dense(2)])
    assert not model.built
    with pytest.raises(UsageError, match="no inputs"):
        model.inputs  # noqa: B018
    assert model.predict(X.reshape(6, 2, 2), verbose=0).shape == (6, 2)
    assert model.input_shape == (None, 2, 2)
    late = Sequential([Dense(2)])
    late.build((None, 4))
    assert late.count_params() == 10


def test_models_in_a_sequential_model():
    inner = Sequential([keras.Input((4,)), Dense(3)])
    model = Sequential([inner, Dense(1)])
    assert model.built
    assert len(model.weights) == 4


class Two(keras.Model):
    """A subclass with a call of its own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.first, self.rest = Dense(units), [Dense(units), Dense(1)]

    def call(self, inputs, training=False):
        x = self.first(inputs)
        for layer in self.rest:
            x = layer(x)
        return x


def test_subclassed_models():
    model = Two(5)
    assert model(X).shape == (6, 1)
    assert len(model.weights) == 6
    assert model.get_config()["units"] == 5
    clone = keras.models.clone_model(model)
    clone.build((None, 4))
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone.predict(X, verbose=0), model(X).numpy(), rtol=1e-6, atol=1e-6)


def test_summary():
    lines: list[str] = []
    model = Sequential([Dense(3, input_shape=(4,), name="a"), Dense(1, name="b")], name="small")
    model.layers[0].trainable = False
    model.summary(print_fn=lines.append, line_length=70, show_trainable=True)
    text = "".join(lines)
    rows = [line.strip("│ ").split() for line in text.splitlines() if "(Dense)" in line]
    assert text.startswith('Model: "small"')
    assert rows[0] == ["a", "(Dense)", "│", "(None,", "3)", "│", "15", "│", "N"]
    assert rows[1][-1] == "Y"
    assert "Total params: 19 (76.00 B)" in text
    assert "Trainable params: 4 (16.00 B)" in text
    assert "Non-trainable params: 15 (60.00 B)" in text
    assert all(len(line) <= 70 for line in text.splitlines())


def test_summaries_of_nested_and_of_unbuilt_models():
    lines: list[str] = []
    inner = Sequential([keras.Input((4,)), Dense(3, name="deep")], name="inner")
    x = keras.Input((4,), name="x")
    both = keras.layers.Add(name="both")([inner(x), Dense(3, name="other")(x)])
    keras.Model(x, both).summary(print_fn=lines.append, expand_nested=True)
    Two(2).summary(print_fn=lines.append)
    assert "└ deep" in lines[0]
    assert "inner[" in lines[0]
    assert "other[0][0]" in lines[0]
    assert "0 (unbuilt)" in lines[1]
    narrow: list[str] = []
    x = keras.Input((2999,))
    wide = keras.layers.Add()([Dense(2999, name="a_name_that_is_long")(x), x])
    options = {"line_length": 50, "show_trainable": True}
    keras.Model(x, wide).summary(print_fn=narrow.append, **options)
    assert "│ 8,997,000 │" in narrow[0]  # Names may be cut, numbers not.
    assert "Trainable" in narrow[0]
    assert all(len(line) <= 50 for line in narrow[0].splitlines())


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Sequential([Dense(1, name="a"), Dense(1, name="a")]), UsageError, '"a"'),
        (lambda: Sequential([3]), UsageError, "only layers"),
        (lambda: Sequential([Dense(1), keras.Input((2,))]), UsageError, "first layer"),
        (lambda: Sequential().pop(), UsageError, "no layer"),
        (lambda: Sequential([Dense(2, input_shape=(3,))]).predict(X), ShapeError, "(None, 3)"),
        (lambda: keras.models.model_from_json("{"), UsageError, "no JSON"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_examples_in_the_docstrings_run():
    count = 0
    for module in pkgutil.walk_packages(keras.__path__, "irflow.keras."):
        found = doctest.testmod(importlib.import_module(module.name))
        count += found.attempted
        assert not found.failed, module.name
    assert count > 40


def test_importing_is_quick_and_loads_little():
    code = """
import sys, irflow.keras as keras
assert keras.layers and not any(name.startswith(("rich", "llvmlite")) for name in sys.modules)
from irflow.keras.models import Sequential
from irflow.keras.layers import Dense, Flatten
import irflow as tf
assert tf.keras.Sequential is Sequential and "Dense" in dir(tf.keras.layers)
Sequential([Flatten(input_shape=(2, 3)), Dense(10)])
late = "rich", "irflow.lowering.lower", "irflow.keras.metrics", "irflow.optim", "zipfile", "email"
assert not [name for name in late if name in sys.modules]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
