"""Functional models: several inputs and outputs, shared layers, models as layers, configs."""

import numpy as np
import pytest

from irflow import keras
from irflow.errors import ShapeError, TreeError, UsageError
from irflow.keras import Input, Model, layers

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def two_by_two() -> Model:
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = layers.Dense(3, name="shared")
    joined = shared(a) + shared(b) * 2
    return Model(
        [a, b], {"sum": layers.Activation("tanh")(joined), "first": joined[:, :1]}, name="two"
    )


def test_shared_layers_and_operators():
    model = two_by_two()
    found = model.predict([X, X + 1], verbose=0)
    kernel, bias = model.get_weights()
    joined = (X @ kernel + bias) + 2 * ((X + 1) @ kernel + bias)
    np.testing.assert_allclose(found["sum"], np.tanh(joined), rtol=1e-5)
    np.testing.assert_allclose(found["first"], joined[:, :1], rtol=1e-5)
    by_name = model.predict({"b": X + 1, "a": X}, verbose=0)
    assert np.array_equal(by_name["sum"], found["sum"])
    assert model.count_params() == 15
    assert model.input_shape == [(None, 4), (None, 4)]
    assert model.output_shape == [(None, 1), (None, 3)]


def test_functions_are_parts_of_models():
    x = Input((4,))
    y = keras.ops.concatenate([keras.ops.mean(x, axis=-1, keepdims=True), x], axis=1)
    model = Model(x, keras.ops.relu(keras.ops.cast(y, "float32")))
    expected = np.concatenate([X.mean(-1, keepdims=True), X], 1).clip(0)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-6)
    other = keras.models.model_from_json(model.to_json())
    assert np.array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    assert keras.ops.shape(x) == (None, 4)
    assert keras.ops.convert_to_numpy(keras.ops.exp(np.zeros(2))).tolist() == [1, 1]
    with pytest.raises(AttributeError, match="no attribute 'expp'"):
        keras.ops.expp  # noqa: B018


def test_shapes_with_unknown_sizes():
    x = Input((None, 4))
    y = layers.Dense(2)(x)
    assert y.shape == (None, None, 2)
    assert (y @ layers.Permute((2, 1))(y)).shape == (None, None, None)
    assert layers.Concatenate(axis=1)([y, y]).shape == (None, None, 2)
    assert layers.Flatten()(Input((3, 4))).shape == (None, 12)


def test_shapes_are_computed_for_shapes():
    assert layers.Dense(3).compute_output_shape((None, 5, 4)) == (None, 5, 3)
    assert layers.Concatenate().compute_output_shape([(2, 3), (2, 4)]) == (2, 7)
    assert two_by_two().compute_output_shape([(None, 4), (None, 4)]) == {
        "first": (None, 1),
        "sum": (None, 3),
    }


def test_a_model_is_a_layer():
    inner = two_by_two()
    x = Input((4,))
    y = inner([x, x])["sum"]
    outer = Model(x, layers.Dense(1)(y))
    assert [type(layer).__name__ for layer in outer.layers] == ["InputLayer", "Functional", "Dense"]
    assert len(outer.weights) == 4
    expected = inner.predict([X, X], verbose=0)["sum"] @ outer.get_weights()[2]
    np.testing.assert_allclose(outer.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    part = Model(outer.input, y)
    assert part.predict(X, verbose=0).shape == (6, 3)


def test_a_part_of_a_model_shares_its_weights():
    x = Input((4,))
    middle = layers.Dense(3, name="middle")(x)
    whole = Model(x, layers.Dense(2)(middle))
    first = Model(x, whole.get_layer("middle").output)
    last = Model(middle, whole.output)
    both = last.predict(first.predict(X, verbose=0), verbose=0)
    np.testing.assert_allclose(both, whole.predict(X, verbose=0), rtol=1e-6)
    assert first.weights[0] is whole.weights[0]


@pytest.mark.parametrize("copy", ["json", "clone"])
def test_copies_have_the_same_architecture(copy):
    model = two_by_two()
    if copy == "json":
        other = keras.models.model_from_json(model.to_json())
    else:
        other = keras.models.clone_model(model)
    assert other.get_config() == model.get_config()
    assert other.weights[0] is not model.weights[0]
    other.set_weights(model.get_weights())
    left, right = (m.predict([X, X], verbose=0)["sum"] for m in (model, other))
    assert np.array_equal(left, right)


def test_subclasses_with_inputs_and_outputs():
    class Named(Model):
        def __init__(self):
            x = Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(2)(x))
            self.extra = 1

    assert Named().predict(X, verbose=0).shape == (6, 2)


def test_masks_reach_layers_behind():
    class Count(layers.Layer):
        def call(self, inputs, mask=None):
            if mask is None:
                return inputs[:, 0, :1]
            return mask.astype("float32").sum(axis=1, keepdims=True)

    x = Input((3,))
    h = layers.Embedding(5, 2, mask_zero=True)(x)
    model = Model(x, Count()(layers.Dense(4)(h)))
    assert model.predict(np.array([[1, 0, 2], [0, 0, 3]]), verbose=0).tolist() == [[2], [1]]
    half = Input((3, 2), dtype="float16")  # the tensor is cast, and its mask goes along
    outer = Model(x, Model(half, Count()(half))(h))
    assert outer.predict(np.array([[1, 0, 2]]), verbose=0).tolist() == [[2]]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Model(Input((2,)), Input((2,))), UsageError, "not among the inputs"),
        (lambda: Model(1, 2), UsageError, "keras.Input"),
        (lambda: two_by_two().predict(X, verbose=0), TreeError, "takes 2 input"),
        (lambda: two_by_two().predict({"a": X}, verbose=0), TreeError, "missing"),
        (lambda: two_by_two().predict([X, X[:, :2]], verbose=0), ShapeError, '"b"'),
        (lambda: bool(Input((2,)) > 0), UsageError, "has none"),
        (lambda: np.asarray(Input((2,))), UsageError, "no value"),
        (lambda: Input(), UsageError, "shape="),
        (lambda: two_by_two().get_layer("share"), LookupError, "shared"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()
