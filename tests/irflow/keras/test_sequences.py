"""Recurrent, attention and preprocessing layers against Keras 3, compiled, and through configs.

`tests/files/keras_sequences.json` holds what Keras 3 does in each case, in short; where Keras is
installed, the slow tests compare every number.
"""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

import irflow as irf
from irflow import keras
from irflow.errors import IrflowError
from irflow.keras import layers
from tests.irflow.keras.sequence_cases import (
    LOOKUPS,
    NUMBERS,
    SEQUENCE_CASES,
    SequenceCase,
    looked_up,
)
from tests.irflow.keras.trajectories import check_compiled, check_recorded, check_trained, prepared

RECORDED = json.loads(
    (Path(__file__).resolve().parents[2] / "files" / "keras_sequences.json").read_text("utf-8")
)
RNG = np.random.default_rng(0)
STEPS = RNG.normal(size=(4, 5, 3)).astype(np.float32)
IMAGES = RNG.uniform(0, 255, (6, 8, 7, 3)).astype(np.float32)
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="keras is not installed"
)


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.id)


def array(tensor) -> np.ndarray:
    return np.asarray(tensor, np.float64)


@named(SEQUENCE_CASES)
def test_a_layer_does_what_keras_recorded(case: SequenceCase) -> None:
    check_recorded(case, RECORDED[case.id])


@pytest.mark.slow
@needs_keras
@named(SEQUENCE_CASES)
def test_a_layer_is_trained_as_by_keras(case: SequenceCase) -> None:
    check_trained(case)


# Random images are compiled in a test of their own.
FIRST = [c for c in SEQUENCE_CASES if c.id.endswith("-1") and not c.layer.startswith("Random")]


@named(FIRST)
def test_compiled_for_any_batch(case: SequenceCase) -> None:
    check_compiled(case)


@pytest.mark.slow
@named([case for case in SEQUENCE_CASES if case not in FIRST])
def test_compiled_for_any_batch_with_more_arguments(case: SequenceCase) -> None:
    check_compiled(case)


@named(SEQUENCE_CASES)
def test_configs_make_an_equal_model(case: SequenceCase) -> None:
    model, inputs = prepared(case)
    config = json.loads(json.dumps(model.get_config()))
    again = type(model).from_config(config)
    again.set_weights(model.get_weights())
    for one, other in zip(model.layers, again.layers, strict=True):
        assert json.dumps(one.get_config()) == json.dumps(other.get_config())
    found, expected = (x(case.argument(inputs), training=False) for x in (again, model))
    np.testing.assert_array_equal(array(found), array(expected))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "MultiHeadAttention", "Bidirectional"])
def test_in_sixteen_bits(name: str) -> None:
    def result(dtype: str) -> irf.Tensor:
        keras.utils.set_random_seed(1)
        if name == "MultiHeadAttention":
            return layers.MultiHeadAttention(2, 3, dtype=dtype)(STEPS, STEPS)
        if name == "Bidirectional":
            return layers.Bidirectional(layers.LSTM(4, dtype=dtype), dtype=dtype)(STEPS)
        return getattr(layers, name)(4, dtype=dtype)(STEPS)

    found = result("mixed_bfloat16")
    assert found.dtype is irf.bf16
    np.testing.assert_allclose(array(found), array(result("float32")), rtol=0.05, atol=0.03)


# -------------------------------------------------------------------------------------- recurrent


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_a_stateful_layer_goes_on_where_it_ended(name: str) -> None:
    whole = getattr(layers, name)(3, return_sequences=True)
    expected = array(whole(STEPS))
    parts = getattr(layers, name)(3, return_sequences=True, stateful=True)
    parts(STEPS)
    parts.set_weights(whole.get_weights())
    run = irf.jit(lambda x: parts(x), spec=("f32[4, t, 3]",), backend="llvm")
    for call in (parts, run):
        parts.reset_state()
        found = [array(call(STEPS[:, :2])), array(call(STEPS[:, 2:]))]
        np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=2e-5, atol=2e-6)
    assert len(parts.weights) == 3


class Counting(keras.layers.Layer):
    """A cell of one's own: sums of inputs, and how many there were."""

    state_size = (3, 1)

    def call(self, inputs, states):
        return states[0] + inputs, [states[0] + inputs, states[1] + 1.0]


def test_a_cell_of_ones_own() -> None:
    result, total, count = layers.RNN(Counting(), return_sequences=True, return_state=True)(STEPS)
    np.testing.assert_allclose(array(result), STEPS.cumsum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(array(total), array(result)[:, -1])
    assert array(count).ravel().tolist() == [5.0] * 4


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("rate", ["dropout", "recurrent_dropout"])
def test_dropout_is_the_same_in_all_steps(name: str, rate: str) -> None:
    cell = getattr(layers, f"{name}Cell")(6, **{rate: 0.5, "seed": 1})
    layer = layers.RNN(cell, return_sequences=True)
    steps = np.ones((50, 4, 3), np.float32)
    quiet = array(layer(steps))
    fast = array(layer(steps, training=True))
    assert np.abs(fast - quiet).max() > 0.01
    cell.seed_generator.state.assign(np.array([1, 0], np.uint32))
    first = array(layer(steps, training=True))
    cell.seed_generator.state.assign(np.array([1, 0], np.uint32))
    run, states = layer._step_by_step, layer.get_initial_state(50)
    np.testing.assert_allclose(array(run(irf.asarray(steps), states, True)[0]), first, rtol=1e-5)
    noise = cell.drawn(400, True)
    (factors,) = [part for part in (noise.inputs, noise.states) if part is not None]
    assert len(factors) == (cell.gates if rate == "recurrent_dropout" else 1)
    kept = array(factors[0])
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert abs(kept.mean() - 1) < 0.1
    with pytest.raises(IrflowError, match=r"dropout 1\.5 is not in \[0, 1\]"):
        getattr(layers, name)(3, **{rate: 1.5})


def test_rules_of_recurrent_weights() -> None:
    layer = layers.GRU(3, recurrent_constraint="non_neg", bias_regularizer="l2")
    layer(STEPS)
    _, recurrent, bias = layer.weights
    assert list(layer.cell._constraints) == [id(recurrent)]
    assert [w.name.split("/")[-1] for w in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    bias.assign(np.ones((2, 9), np.float32))
    assert float(layer.losses[0]) == pytest.approx(0.18)
    lstm = layers.LSTM(2, kernel_initializer="ones")
    lstm(STEPS)
    assert lstm.weights[2].numpy().tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert lstm.weights[0].numpy().min() == 1
    assert (lstm.units, lstm.unit_forget_bias, layer.reset_after) == (2, True, True)


class Centred(keras.layers.Layer):
    """A layer in which the examples of a batch touch each other."""

    def call(self, inputs):
        return inputs - inputs.mean(0)


def test_time_distributed_takes_the_steps_apart() -> None:
    found = array(layers.TimeDistributed(Centred())(STEPS))
    np.testing.assert_allclose(found, STEPS - STEPS.mean(0), rtol=1e-5, atol=1e-6)


def test_masks_behind_recurrent_layers_and_in_training() -> None:
    words = np.array([[1, 2, 0], [3, 0, 0], [2, 1, 1], [1, 0, 0]])
    model = keras.Sequential(
        [
            layers.Input((None,), dtype="int64"),
            layers.Embedding(4, 3, mask_zero=True),
            layers.Bidirectional(layers.SimpleRNN(4, return_sequences=True)),
            layers.SimpleRNN(3),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(words, [0, 1, 0, 1], epochs=3, batch_size=3, verbose=0)
    assert history.history["loss"][2] < history.history["loss"][0]
    longer = np.pad(words, ((0, 0), (0, 2)))
    np.testing.assert_allclose(model.predict(longer), model.predict(words), rtol=1e-5)


# -------------------------------------------------------------------------------------- attention


def test_dropout_of_attention() -> None:
    for layer, call in [
        (layers.Attention(dropout=0.5, seed=1), lambda x, **k: ([x, x], k)),
        (layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1), lambda x, **k: ((x, x), k)),
        (layers.GroupQueryAttention(3, 2, 1, dropout=0.5, seed=1), lambda x, **k: ((x, x), k)),
    ]:

        def run(made=layer, call=call, **options):
            given, keywords = call(STEPS, **options)
            return array(
                made(given, **keywords) if isinstance(given, list) else made(*given, **keywords)
            )

        assert np.abs(run(training=True) - run(training=True)).max() > 0.01
        np.testing.assert_array_equal(run(), run(training=False))


# ---------------------------------------------------------------------------------- preprocessing


def test_moments_that_are_learned() -> None:
    for axis, kept in ((-1, (2,)), (None, ()), ((1, 2), (1, 2))):
        layer = layers.Normalization(axis=axis)
        others = tuple(i for i in range(3) if i not in kept)
        for data in (STEPS, [STEPS[:1], STEPS[1:]]):
            layer.adapt(data)
            moments = STEPS.mean(others, keepdims=True), STEPS.std(others, keepdims=True)
            expected = (STEPS - moments[0]) / moments[1]
            np.testing.assert_allclose(array(layer(STEPS)), expected, rtol=1e-4, atol=1e-5)
        back = layers.Normalization(axis=axis, invert=True)
        back.adapt(STEPS)
        np.testing.assert_allclose(array(back(layer(STEPS))), STEPS, rtol=1e-4, atol=1e-5)


MOVING = [
    layers.RandomFlip(seed=1),
    layers.RandomFlip("horizontal", seed=1),
    layers.RandomRotation(0.3, seed=1),
    layers.RandomZoom(0.3, 0.3, seed=1),
    layers.RandomTranslation(0.3, 0.3, seed=1),
    layers.RandomContrast(0.5, seed=1),
    layers.RandomBrightness(0.5, seed=1),
    layers.RandomCrop(4, 5, seed=1),
]


@pytest.mark.parametrize("layer", MOVING, ids=lambda layer: layer.name)
def test_images_change_in_training_and_the_same_compiled(layer) -> None:
    run = irf.jit(lambda x: layer(x, training=True), spec=("f32[n, 8, 7, 3]",), backend="llvm")
    start = layer.seed_generator.state.numpy()
    first, second = (array(layer(IMAGES, training=True)) for _ in range(2))
    assert np.abs(first - second).mean() > 1
    layer.seed_generator.state.assign(start)
    for expected in (first, second):
        np.testing.assert_allclose(array(run(IMAGES)), expected, rtol=1e-4, atol=0.05)
    plain = array(layer(IMAGES, training=False))
    if not isinstance(layer, layers.RandomCrop):
        np.testing.assert_array_equal(plain, IMAGES)
    single = layer(IMAGES[0].astype(np.uint8), training=True)
    assert (single.dtype, single.shape) == (irf.f32, plain.shape[1:])
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    again.seed_generator.state.assign(start)
    np.testing.assert_array_equal(array(again(IMAGES, training=True)), first)


def test_what_random_layers_do_to_images() -> None:
    flipped = array(layers.RandomFlip("vertical", seed=3)(np.repeat(IMAGES, 9, 0)))
    wanted = np.repeat(IMAGES, 9, 0).astype(np.float64)
    turned = [(a == b[::-1]).all() for a, b in zip(flipped, wanted, strict=True)]
    kept = [(a == b).all() for a, b in zip(flipped, wanted, strict=True)]
    assert all(a != b for a, b in zip(turned, kept, strict=True))
    assert 15 < sum(turned) < 39
    crop = array(layers.RandomCrop(3, 2, seed=1)(IMAGES))
    places = [
        (i, j)
        for i in range(6)
        for j in range(6)
        if (crop == IMAGES[:, i : i + 3, j : j + 2]).all()
    ]
    assert len(places) == 1
    rgb = layers.RandomContrast(0.4, value_range=(-999, 999), seed=1)
    mean = IMAGES.mean((1, 2), keepdims=True)
    ratio = (array(rgb(IMAGES)) - mean) / (IMAGES - mean)
    assert ratio.std((1, 2, 3)).max() < 0.01
    assert 0.6 <= ratio.min() < ratio.max() <= 1.4


def test_whole_numbers_stay_in_resizing() -> None:
    small = layers.Resizing(4, 4, interpolation="bicubic")(IMAGES.astype(np.uint8))
    assert small.dtype is irf.u8
    exact = layers.Resizing(4, 4, interpolation="bicubic")(np.floor(IMAGES))
    np.testing.assert_array_equal(array(small), np.clip(np.round(array(exact)), 0, 255))


LOOKUP_RESULTS = json.loads(
    (Path(__file__).resolve().parents[2] / "files" / "keras_lookups.json").read_text("utf-8")
)


@pytest.mark.parametrize("number", range(len(LOOKUPS)), ids=lambda i: f"{LOOKUPS[i][0]}-{i}")
def test_vocabularies_as_keras_recorded(number: int) -> None:
    layer, found = looked_up(layers, *LOOKUPS[number])
    expected = LOOKUP_RESULTS[number]
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    inputs = LOOKUPS[number][3]
    np.testing.assert_array_equal(np.asarray(again(inputs)), found)


@pytest.mark.slow
@needs_keras
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="no tensorflow")
def test_vocabularies_as_in_keras() -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras as other

    for row, recorded in zip(LOOKUPS, LOOKUP_RESULTS, strict=True):
        _, expected = looked_up(other.layers, *row)
        np.testing.assert_allclose(recorded, expected, rtol=1e-5, err_msg=str(row[:2]))


def test_numbers_are_looked_up_inside_models() -> None:
    layer = layers.IntegerLookup(vocabulary=[7, 3, 12], mask_token=0, num_oov_indices=2)
    place = keras.Input((3,), dtype="int64")
    model = keras.Model(place, layer(place))
    found = model.predict(NUMBERS, verbose=0)
    np.testing.assert_array_equal(found, np.asarray(layer(NUMBERS)))
    assert found.tolist() == [[3, 4, 4], [2, 3, 3], [0, 4, 5]]


MISTAKES = [
    (lambda: layers.LSTM(0), "LSTMCell: units is 0"),
    (lambda: layers.LSTM(3, name="r")(np.zeros((2, 3), np.float32)), 'layer "r".*3 axes'),
    (lambda: layers.RNN(3), "int is no cell: it has no call and no state_size"),
    (lambda: layers.RNN([]), "no cells are given"),
    (lambda: layers.GRU(3, stateful=True)(keras.Input((None, 2))), "the size of the batch"),
    (lambda: layers.GRU(3, unroll=True)(keras.Input((None, 2))), "unroll=True needs to know"),
    (lambda: layers.LSTM(3)(STEPS, initial_state=[STEPS[:, 0]]), "has 2 states, and .* has 1"),
    (lambda: layers.Bidirectional(layers.Dense(2)), "no recurrent layer"),
    (lambda: layers.Bidirectional(layers.LSTM(2), merge_mode="add"), "merge_mode 'add'"),
    (lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)), "the same way"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(STEPS[0]), "three axes or more"),
    (lambda: layers.MultiHeadAttention(2, 0), "key_dim is 0"),
    (lambda: layers.MultiHeadAttention(2, 3, attention_axes=5)(STEPS, STEPS), r"axes \(5,\)"),
    (lambda: layers.MultiHeadAttention(2, 3)(STEPS, STEPS, STEPS[:, :2]), "a key for each value"),
    (lambda: layers.GroupQueryAttention(2, 3, 2), "2 heads of keys do not divide 3"),
    (lambda: layers.Attention()(STEPS), "a list of inputs is wanted"),
    (lambda: layers.Attention(score_mode="cat"), "score_mode 'cat'"),
    (lambda: layers.Normalization(mean=1.0), "mean and variance belong together"),
    (lambda: layers.Normalization(axis=4)(STEPS), r"axis \(4,\) is not in its input"),
    (lambda: layers.Resizing(2, 2, interpolation="area"), "interpolation 'area'"),
    (lambda: layers.Resizing(2, 2)(keras.Input((None, 3, 3))), "sizes have to be known"),
    (lambda: layers.RandomRotation(2.0), r"factor is a number in \[-1, 1\]"),
    (lambda: layers.RandomZoom(0.2, fill_mode="mirror"), "fill_mode 'mirror'"),
    (lambda: layers.RandomFlip()(STEPS[0]), "images with 3 or 4 axes"),
    (lambda: layers.CategoryEncoding(), "num_tokens is missing"),
    (lambda: layers.StringLookup()(["a"]), "has no vocabulary yet"),
    (lambda: layers.StringLookup(vocabulary=["a", "a"]), r"repeated tokens: \['a'\]"),
    (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)("b"), r"vocabulary: \['b'\]"),
    (lambda: layers.IntegerLookup(vocabulary=[1], num_oov_indices=0)([2]), r"vocabulary: \[2\]"),
    (lambda: layers.TextVectorization(vocabulary=["a"])([1, 2]), "takes texts, not list of int64"),
    (lambda: layers.StringLookup(vocabulary=["a"])(keras.Input((2,))), "has no value"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "text"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_told(mistake, text: str) -> None:
    with pytest.raises(IrflowError, match=text):
        mistake()
