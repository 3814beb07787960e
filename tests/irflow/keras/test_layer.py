"""`Layer`: weights, what is tracked, calls, masks, configs."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import keras
from irflow.errors import IrflowError, ShapeError, UnknownNameError, UsageError
from irflow.keras.layers import Layer


class Scale(Layer):
    """Multiplies by weights; one is not trained."""

    def build(self, input_shape):
        self.seen = input_shape
        self.factor = self.add_weight((input_shape[-1],), "ones", regularizer="l2", name="factor")
        self.count = self.add_weight((), "zeros", trainable=False, autocast=False)

    def call(self, inputs, training=None):
        if training:
            self.count.assign(self.count + 1)
        return inputs * self.factor


class Stack(Layer):
    """Layers in a list and in a dict."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.parts = [Scale(), Scale()]
        self.named = {"last": Scale()}

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.named["last"](inputs)


def test_weights_are_made_once_in_the_first_call():
    layer = Scale(name="scale")
    x = np.ones((2, 3))
    assert layer(x).dtype is irf.f32  # 64-bit data is cast
    assert layer.seen == (2, 3)
    layer(np.ones((5, 3)))
    assert [w.name for w in layer.weights] == ["scale/factor", "scale/variable"]
    assert layer.count_params() == 4
    assert [w.name for w in layer.trainable_weights] == ["scale/factor"]
    np.testing.assert_allclose(float(layer.losses[0]), 0.01 * 3)


def test_training_is_handed_down_and_changes_state():
    layer = Stack(1)
    inner = layer.parts[0]
    layer(np.ones((1, 2), np.float32))
    assert float(inner.count) == 0
    layer(np.ones((1, 2), np.float32), training=True)
    assert float(inner.count) == 1
    irf.jit(lambda x: layer(x, training=True))(np.ones((1, 2), np.float32))
    assert float(inner.count) == 2


def test_layers_in_containers_are_tracked_and_frozen():
    layer = Stack(1)
    layer(np.ones((1, 2)))
    assert len(layer.weights) == 6
    assert len(layer.trainable_weights) == 3
    layer.trainable = False
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 3


def test_set_weights_takes_all_or_nothing():
    layer = Scale()
    layer(np.ones((1, 2)))
    with pytest.raises(ShapeError, match="other shapes"):
        layer.set_weights([np.zeros(2), np.zeros(1)])
    assert layer.get_weights()[0].tolist() == [1, 1]
    layer.set_weights([np.array([2, 3]), np.array(1)])
    assert layer.get_weights()[0].tolist() == [2, 3]


def test_the_config_of_arguments_is_made_by_itself():
    config = Stack(3, name="stack").get_config()
    assert config == {"units": 3, "name": "stack", "trainable": True, "dtype": "float32"}
    assert Stack.from_config(config).units == 3


def test_mixed_precision_casts_inputs_and_weights():
    layer = Scale(dtype="mixed_bfloat16")
    assert layer(np.ones((1, 2), np.float32)).dtype is irf.bf16
    assert layer.factor.dtype is irf.f32
    assert layer.dtype == "float32"
    assert layer.compute_dtype == "bfloat16"
    layer(np.ones((1, 2), np.float32), training=True)
    assert float(layer.count) == 1  # without autocast it stays a variable inside of `call`


def test_masks_travel_beside_tensors():
    seen = []

    class First(Layer):
        def call(self, inputs):
            return inputs * 1

        def compute_mask(self, inputs, previous_mask):
            return inputs[..., 0] > 0

    class Passes(Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, inputs):
            return inputs + 1

    class Takes(Layer):
        def call(self, inputs, mask=None):
            seen.append(mask)
            return inputs

    Takes()(Passes()(First()(np.array([[[1.0], [-1.0]]]))))
    assert seen[0].tolist() == [[True, False]]


def test_activity_regularizer_is_divided_by_the_batch():
    layer = Scale(activity_regularizer=lambda y: y.sum())
    layer(np.ones((4, 2)))
    np.testing.assert_allclose(float(layer.losses[0]), 2)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Scale(units=3), UsageError, "units"),
        (lambda: Scale(dtype="float33"), UnknownNameError, "float32"),
        (lambda: Layer()(np.ones(1)), UsageError, "no call"),
        (lambda: Layer().add_weight((None, 2)), ShapeError, "sizes"),
        (lambda: Layer().add_weight((2,), "glorot"), UnknownNameError, "glorot_uniform"),
        (lambda: Scale().count_params(), UsageError, "no weights yet"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_input_spec_names_the_layer():
    layer = Scale(name="scale")
    layer.input_spec = keras.InputSpec(min_ndim=2, axes={-1: 3})
    with pytest.raises(ShapeError, match='"scale".*axis -1'):
        layer(np.ones((2, 4)))
    with pytest.raises(ShapeError, match="at least 2 axes"):
        layer(np.ones(3))


def test_value_and_grad_and_tape_agree():
    layer = Scale()
    x = np.array([[1.0, 2.0]], np.float32)
    layer(x)
    value, (gradient,) = keras.value_and_grad(lambda: (layer(x) ** 2).sum(), [layer.factor])
    with keras.GradientTape() as tape:
        loss = (layer(x) ** 2).sum()
    assert float(loss) == float(value) == 5
    assert tape.gradient(loss, layer.factor).tolist() == gradient.tolist() == [2, 8]


def test_a_step_of_ones_own_gets_what_fit_was_given():
    seen = []

    class Own(keras.Model):
        def call(self, x):
            return x

        def train_step(self, data):
            seen.append(type(data) is tuple and len(data))
            return {"n": inp.sum(data[0] if isinstance(data, tuple) else data)}

    x = np.ones((4, 2), np.float32)
    for arguments in ({}, {"y": x}, {"y": x, "sample_weight": np.ones(4)}):
        model = Own()
        model.compile()
        model.fit(x, **arguments, verbose=0)
    assert list(dict.fromkeys(seen)) == [False, 2, 3]


def test_a_tape_in_a_tape_and_in_a_compiled_function():
    x = irf.Variable(3.0)

    @irf.jit
    def second():
        with keras.GradientTape() as outer:
            with keras.GradientTape() as inner:
                y = x * x * x
            slope = inner.gradient(y, x)
        return outer.gradient(slope, [x])[0]

    assert float(second()) == 18
    with keras.GradientTape() as tape:
        y = inp.sin(x)
        x.assign(x + 1)
    np.testing.assert_allclose(tape.gradient(y, x), np.cos(3.0), rtol=1e-6)
    assert float(x) == 4
    assert tape.gradient(y, irf.Variable(1.0)) is None


def test_a_sequence_of_seeds_is_repeated():
    keras.utils.set_random_seed(3)
    first = keras.random.normal((3,)).tolist()
    second = keras.random.normal((3,)).tolist()
    keras.utils.set_random_seed(3)
    assert keras.random.normal((3,)).tolist() == first != second
    draw = irf.jit(lambda: keras.random.normal((3,)))
    assert draw().tolist() == second  # the state goes on in compiled functions
    with pytest.raises(UsageError, match="seed"):
        keras.utils.set_random_seed(-1)


def test_serialization_executes_nothing_unknown():
    assert issubclass(IrflowError, Exception)
    config = keras.saving.serialize_keras_object(Scale(name="s"))
    with pytest.raises(UnknownNameError, match="register"):
        keras.saving.deserialize_keras_object(config)
    made = keras.saving.deserialize_keras_object(config, custom_objects={"Scale": Scale})
    assert (type(made), made.name) == (Scale, "s")
