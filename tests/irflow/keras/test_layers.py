"""Every layer against Keras 3, compiled against eager, and through its config.

`tests/files/keras_layers.json` holds what Keras 3 does in each case, in short; where Keras is
installed, the slow tests compare every number.
"""

import importlib.util
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import irflow as irf
from irflow import keras
from irflow.errors import IrflowError, ShapeError, UsageError
from irflow.keras import layers
from irflow.keras.engine import masks
from tests.irflow.keras.layer_cases import CASES, NOISY_CASES, Case
from tests.irflow.keras.trajectories import check_compiled, check_recorded, check_trained, prepared

RECORDED = json.loads(
    (Path(__file__).resolve().parents[2] / "files" / "keras_layers.json").read_text("utf-8")
)
ALL = [*CASES, *NOISY_CASES]


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.id)


def wide(array):
    return np.asarray(array, np.float64)


@named(CASES)
def test_a_layer_does_what_keras_recorded(case: Case) -> None:
    check_recorded(case, RECORDED[case.id])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
@named(CASES)
def test_a_layer_is_trained_as_by_keras(case: Case) -> None:
    check_trained(case)


@pytest.mark.thinned(3)
@named(CASES)
def test_compiled_for_any_batch(case: Case) -> None:
    check_compiled(case)


@pytest.mark.slow
@named([case for case in CASES if not case.integers])
def test_a_compiled_step_of_training(case: Case) -> None:
    layer, inputs = prepared(case)

    def loss(*arrays):
        layer._clear_losses()
        result = layer(case.argument(list(arrays)), training=True)
        return sum(layer.losses, (result * result).mean())

    step = irf.value_and_grad(loss, tuple(range(len(inputs))))
    state = layer.get_weights()
    value, slopes = step(*inputs)
    moved = layer.get_weights()
    layer.set_weights(state)
    value_too, slopes_too = irf.jit(step, spec=case.specs(), backend="llvm")(*inputs)
    layer._clear_losses()
    np.testing.assert_allclose(wide(value_too), wide(value), rtol=2e-5)
    for one, other in zip([*slopes_too, *layer.get_weights()], [*slopes, *moved], strict=True):
        np.testing.assert_allclose(wide(one), wide(other), rtol=1e-4, atol=1e-5)


@named(ALL)
def test_a_config_makes_an_equal_layer(case: Case) -> None:
    layer, inputs = prepared(case)
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    again(case.argument(inputs))
    again.set_weights(layer.get_weights())
    if case in NOISY_CASES:
        again.seed_generator.state.assign(layer.seed_generator.state)
    found, expected = (x(case.argument(inputs), training=True) for x in (again, layer))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@named(CASES)
def test_the_shape_in_a_functional_model(case: Case) -> None:
    kind = "int64" if case.integers else "float32"
    places = [keras.Input(shape[1:], dtype=kind) for shape in case.shapes]
    found = case.build(layers)(case.argument(places))
    assert list(found.shape) == [None, *RECORDED[case.id]["shape"][1:]]


OPEN = [
    # layer, input shape, result shape; both without the batch
    (lambda: layers.Conv2D(4, 3, strides=2, padding="same"), (None, None, 3), (None, None, 4)),
    (lambda: layers.DepthwiseConv2D(3, strides=3), (None, 9, 3), (None, 3, 3)),
    (lambda: layers.MaxPooling2D(), (None, None, 3), (None, None, 3)),
    (lambda: layers.AveragePooling1D(3, 2, "same"), (None, 3), (None, 3)),
    (lambda: layers.Conv2DTranspose(2, 2, strides=2), (None, None, 3), (None, None, 2)),
    (lambda: layers.UpSampling2D(2, interpolation="bilinear"), (None, 4, 3), (None, 8, 3)),
    (lambda: layers.GlobalAveragePooling2D(), (None, None, 3), (3,)),
    (lambda: layers.Flatten(), (None, 3), (None,)),
    (lambda: layers.Reshape((-1, 2)), (None, 4), (None, 2)),
    (lambda: layers.GroupNormalization(3), (None, None, 3), (None, None, 3)),
    (lambda: layers.Dense(5), (None, 3), (None, 5)),
]


@pytest.mark.parametrize(("make", "given", "expected"), OPEN, ids=range(len(OPEN)))
def test_sizes_that_are_not_known(make, given, expected) -> None:
    assert make()(keras.Input(given)).shape == (None, *expected)


def rules() -> list[tuple[Case, str]]:
    """Every layer with each of its weights that has an initializer of its own."""
    found = []
    for case in CASES:
        parameters = inspect.signature(getattr(layers, case.layer).__init__).parameters
        if case.id.endswith("-1"):
            ends = [name for name in parameters if name.endswith("_initializer")]
            found += [(case, name.removesuffix("_initializer")) for name in ends]
    return found


@pytest.mark.parametrize(("case", "rule"), rules(), ids=lambda x: getattr(x, "id", x))
def test_the_three_rules_of_a_weight(case: Case, rule: str) -> None:
    parameters = inspect.signature(getattr(layers, case.layer).__init__).parameters
    given = {f"{rule}_initializer": keras.initializers.Constant(0.25)}
    if f"{rule}_regularizer" in parameters:
        given |= {f"{rule}_regularizer": "l2", f"{rule}_constraint": "non_neg"}
    layer = getattr(layers, case.layer)(**(case.arguments | given))
    layer(case.argument(case.inputs()))
    (chosen,) = [w for w in layer.weights if (w.numpy() == 0.25).all()]
    expected = "kernel" if (case.layer, rule) in DEPTHWISE else rule
    assert chosen.name.split("/")[-1].startswith(expected)
    if f"{rule}_regularizer" in parameters:
        assert [float(x) for x in layer.losses] == [pytest.approx(0.000625 * chosen.numpy().size)]
        assert list(layer._constraints) == [id(chosen)]


DEPTHWISE = [(f"DepthwiseConv{rank}D", "depthwise") for rank in (1, 2)]


# --------------------------------------------------------------------------------- random layers


def kept(case: Case, result: np.ndarray) -> np.ndarray:
    """Which elements were not dropped: all that were have one value."""
    if case.layer != "AlphaDropout":
        return result != 0
    values, counts = np.unique(result, return_counts=True)
    return result != values[counts.argmax()]


@named(NOISY_CASES)
def test_noise_only_in_training_and_the_same_compiled(case: Case) -> None:
    layer, (inputs,) = prepared(case)
    np.testing.assert_array_equal(np.asarray(layer(inputs)), inputs)
    start = layer.seed_generator.state.numpy()
    first, second = (np.asarray(layer(inputs, training=True)) for _ in range(2))
    assert np.abs(first - second).mean() > 0.05
    layer.seed_generator.state.assign(start)
    run = irf.jit(lambda x: layer(x, training=True), spec=case.specs(), backend="llvm")
    for expected in (first, second):
        np.testing.assert_allclose(np.asarray(run(inputs)), expected, rtol=1e-5, atol=1e-6)


@named([case for case in NOISY_CASES if "Dropout" in case.layer and "Gauss" not in case.layer])
def test_how_many_elements_are_dropped_and_which_together(case: Case) -> None:
    layer, (inputs,) = prepared(case)
    alive = kept(case, np.asarray(layer(inputs, training=True)))
    assert abs(alive.mean() - (1 - layer.rate)) < 0.07
    shared = {
        "Dropout-2": (1,),
        "SpatialDropout1D-1": (1,),
        "SpatialDropout2D-1": (1, 2),
        "SpatialDropout3D-1": (2, 3, 4),
        "AlphaDropout-2": (1,),
    }.get(case.id, ())
    for axis in range(inputs.ndim):
        is_shared = (alive == alive.take([0], axis)).all()
        assert is_shared == (axis in shared)


def test_the_moments_that_noise_keeps() -> None:
    x = np.random.default_rng(0).normal(size=(200, 300)).astype(np.float32)
    for layer, mean, deviation in [
        (layers.Dropout(0.2, seed=1), 1.0, 0.5),
        (layers.GaussianDropout(0.2, seed=1), 1.0, 0.5),
        (layers.GaussianNoise(0.5, seed=1), 1.0, 0.5),
    ]:
        found = np.asarray(layer(np.ones_like(x), training=True))
        assert abs(found.mean() - mean) < 0.01
        assert abs(found.std() - deviation) < 0.01
    found = np.asarray(layers.AlphaDropout(0.3, seed=1)(x, training=True))
    assert abs(found.mean()) < 0.02
    assert abs(found.std() - 1) < 0.02
    assert not np.asarray(layers.Dropout(1.0)(x, training=True)).any()


# ----------------------------------------------------------------------------------------- masks


def test_masks_are_made_and_passed_on() -> None:
    words = np.array([[3, 1, 0], [2, 0, 0]])
    counts = words != 0
    embedded = layers.Embedding(5, 2, mask_zero=True)(words)
    np.testing.assert_array_equal(np.asarray(masks.get_mask(embedded)), counts)
    steps = np.where(counts[..., None], np.ones((2, 3, 4), np.float32), np.float32(-1))
    masked = layers.Masking(-1.0)(steps)
    np.testing.assert_array_equal(np.asarray(masks.get_mask(masked)), counts)
    np.testing.assert_array_equal(np.asarray(masked), np.maximum(steps, 0))
    for layer in (layers.Dense(3), layers.Activation("relu"), layers.Dropout(0.5)):
        np.testing.assert_array_equal(np.asarray(masks.get_mask(layer(masked))), counts)
    mean = layers.GlobalAveragePooling1D()(embedded)
    rows = np.asarray(embedded)
    np.testing.assert_allclose(np.asarray(mean), [rows[0, :2].mean(0), rows[1, 0]], rtol=1e-6)
    assert masks.get_mask(mean) is None
    assert layers.Embedding(5, 2).compute_mask(irf.asarray(words)) is None


def test_merging_of_masked_inputs() -> None:
    one, two = (np.array(m, bool) for m in ([[1, 1, 0]], [[1, 0, 0]]))
    x, y = np.full((1, 3, 1), 2, np.float32), np.full((1, 3, 1), 5, np.float32)

    def joined(layer: str) -> tuple[list[float], list[bool] | None]:
        inputs = [irf.asarray(x), irf.asarray(y)]
        for tensor, mask in zip(inputs, (one, two), strict=True):
            masks.set_mask(tensor, irf.asarray(mask))
        result = getattr(layers, layer)()(inputs)
        return np.asarray(result).ravel().tolist(), np.asarray(masks.get_mask(result)).tolist()

    either = [[True, True, False]]
    assert joined("Add") == ([7, 7, 7], either)
    assert joined("Multiply") == ([10, 2, 0], either)
    assert joined("Maximum")[0][:2] == [5, 2]
    assert joined("Minimum")[0][:2] == [2, 2]
    assert joined("Concatenate")[1] == either


def test_masks_as_arguments() -> None:
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    found = layers.Softmax()(x, mask=np.array([[True, True, False]]))
    np.testing.assert_allclose(np.asarray(found), [[0.268941, 0.731059, 0]], rtol=1e-5)
    steps = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    counts = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], bool)
    layer = layers.BatchNormalization(momentum=0.0)
    layer(steps, training=True, mask=counts)
    np.testing.assert_allclose(layer.moving_mean.numpy(), steps[counts].mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), steps[counts].var(0), rtol=1e-5)
    with pytest.raises(ShapeError, match="a mask with one axis less"):
        layer(steps, training=True, mask=counts[:, 0])


# --------------------------------------------------------------------------- the other behaviours


def test_functions_as_layers() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    layer = layers.Lambda(lambda t, factor: t * factor, arguments={"factor": 3})
    np.testing.assert_array_equal(np.asarray(layer(x)), 3 * x)
    doubled = layers.Lambda(lambda t, training: t * 2 if training else t)
    assert np.asarray(doubled(x, training=True)).sum() == 2 * x.sum()
    assert layer(keras.Input((3,))).shape == (None, 3)
    with pytest.raises(UsageError, match="a lambda cannot be saved"):
        layer.get_config()

    @keras.saving.register_keras_serializable("test_layers")
    def twice(t):
        return t * 2

    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layers.Lambda(twice)))))
    np.testing.assert_array_equal(np.asarray(again(x)), 2 * x)


def test_merging_functions_and_other_names() -> None:
    x, y = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    for name, expected in [
        ("add", 3), ("subtract", -1), ("multiply", 2), ("average", 1.5), ("maximum", 2),
        ("minimum", 1),
    ]:  # fmt: skip
        assert np.asarray(getattr(layers, name)([x, y])).tolist() == [[expected] * 3] * 2
    assert layers.concatenate([x, y], axis=0).shape == (4, 3)
    assert np.asarray(layers.dot([x, y], axes=1)).tolist() == [[6], [6]]
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.Convolution1D is layers.Conv1D
    assert layers.GlobalAvgPool3D is layers.GlobalAveragePooling3D
    assert all(getattr(layers, name) is not None for name in layers.__all__)


def test_spectral_normalization() -> None:
    rng = np.random.default_rng(0)
    layer = layers.SpectralNormalization(layers.Dense(3, use_bias=False), power_iterations=40)
    x = rng.normal(size=(5, 4)).astype(np.float32)
    layer(x)
    kernel = rng.normal(size=(4, 3)).astype(np.float32)
    layer.layer.kernel.assign(kernel)
    found = np.asarray(layer(x, training=True))
    normal = kernel / np.linalg.svd(kernel)[1][0]
    np.testing.assert_allclose(found, x @ normal, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(layer(x)), found, rtol=1e-6)
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.layer.units == 3
    with pytest.raises(UsageError, match="neither a kernel nor embeddings"):
        layers.SpectralNormalization(layers.Flatten())(x)


@named([case for case in CASES if case.id.endswith("-1") and case.id != "Embedding-1"])
def test_in_sixteen_bits(case: Case) -> None:
    layer = getattr(layers, case.layer)(**case.arguments, dtype="mixed_bfloat16")
    exact, inputs = prepared(case)
    layer(case.argument(inputs))
    layer.set_weights(exact.get_weights())
    found, expected = layer(case.argument(inputs)), exact(case.argument(inputs))
    assert found.dtype is irf.bf16
    assert all(weight.dtype is irf.f32 for weight in layer.weights)
    np.testing.assert_allclose(wide(found), wide(expected), rtol=0.03, atol=0.08)


IMAGES = np.zeros((2, 4, 4, 3), np.float32)
MISTAKES = [
    (lambda: layers.Dense(0), "Dense: units is 0, not a whole number above 0"),
    (lambda: layers.Dense(2, activation="rely"), "unknown activation 'rely'"),
    (lambda: layers.Dense(2, kernel_initializer="glorot"), "unknown initializer 'glorot'"),
    (lambda: layers.Dense(2, kernel_regularizer="l3"), "did you mean 'l1'|'l2'"),
    (lambda: layers.Dense(2, unit_number=3), "unit_number"),
    (lambda: layers.Dense(2, name="d")(np.zeros(3, np.float32)), "at least 2 axes are expected"),
    (
        lambda: layers.Conv2D(2, 3, name="c")(IMAGES[0]),
        r"4 axes are expected, not 3\n.*\(4, 4, 3\)",
    ),
    (lambda: layers.Conv2D(2, (3, 3, 3)), r"kernel_size is a number from 1 on, or 2 of them"),
    (lambda: layers.Conv2D(2, 3, padding="causal"), "padding 'causal'"),
    (lambda: layers.Conv2D(2, 3, strides=2, dilation_rate=2), "cannot both be above 1"),
    (lambda: layers.Conv2D(4, 3, groups=2)(IMAGES), "2 groups do not divide 3 channels"),
    (lambda: layers.Conv2D(2, 5)(IMAGES), "its window is larger than its input"),
    (lambda: layers.Conv2DTranspose(2, 3, strides=2, output_padding=2), "less than strides"),
    (lambda: layers.MaxPooling2D(data_format="last"), "unknown data_format 'last'"),
    (lambda: layers.Reshape((5, 5), name="r")(IMAGES), 'layer "r": another number of elements'),
    (lambda: layers.Permute((0, 1)), "no permutation of 1, 2, …"),
    (lambda: layers.Cropping2D(2)(IMAGES), "nothing of an axis would be left"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), "or a pair for each of 2 axes"),
    (lambda: layers.Dropout(1.5), r"rate 1.5 is not in \[0, 1\]"),
    (lambda: layers.Dropout(0.5, (3, 3))(IMAGES, training=True), "noise_shape does not broadcast"),
    (lambda: layers.GroupNormalization(2)(IMAGES), "2 groups do not divide 3 channels"),
    (lambda: layers.EinsumDense("ab->c", 3), "EinsumDense: equation 'ab->c'"),
    (lambda: layers.EinsumDense("ab,bc->ac", 3)(IMAGES), "does not fit the equation"),
    (lambda: layers.Add()(IMAGES), "a list of inputs is wanted"),
    (lambda: layers.Add()([IMAGES, IMAGES[..., :2]]), "do not broadcast"),
    (lambda: layers.Subtract()([IMAGES] * 3), "two inputs are wanted"),
    (lambda: layers.Concatenate()([IMAGES, IMAGES[:, :3]]), "the sizes of axis 1 differ"),
    (lambda: layers.Dot(0), "Dot: axes is a number but 0"),
    (lambda: layers.Dot(1)([IMAGES, IMAGES[:, :2]]), r"the sizes along axes \(1, 1\) differ"),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_told(mistake, text: str) -> None:
    with pytest.raises(IrflowError, match=text):
        mistake()


def test_another_number_of_channels_names_the_layer() -> None:
    layer = layers.Dense(2, name="scores")
    layer(np.zeros((1, 3), np.float32))
    with pytest.raises(ShapeError) as caught:
        layer(np.zeros((1, 4), np.float32))
    assert str(caught.value).splitlines()[:2] == [
        'layer "scores" cannot take its input: axis -1 is expected to have size 3, not 4',
        "  given  (1, 4)",
    ]
