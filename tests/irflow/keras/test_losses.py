"""Losses against formulas in NumPy; with Keras at hand, against Keras 3 (slow)."""

import importlib.util
import os

import numpy as np
import pytest

import irflow as irf
from irflow.keras import losses
from irflow.keras.engine import masks

os.environ.setdefault("KERAS_BACKEND", "jax")
HAS_KERAS = importlib.util.find_spec("keras") is not None

RNG = np.random.default_rng(0)
N, C = 6, 4


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


LOGITS = (RNG.normal(size=(N, C)) * 2).astype("f4")
PROBABILITIES = softmax(LOGITS)
LABELS = RNG.integers(0, C, N)
HOT = np.eye(C, dtype="f4")[LABELS]
SOFT = softmax(RNG.normal(size=(N, C))).astype("f4")
BITS = RNG.integers(0, 2, (N, C)).astype("f4")
CHANCES = sigmoid(LOGITS)
NUMBERS = RNG.normal(size=(N, C)).astype("f4")
COUNTS = RNG.integers(0, 5, (N, C)).astype("f4")
UNIT = (NUMBERS / np.linalg.norm(NUMBERS, axis=-1, keepdims=True)).astype("f4")
FRAMES = RNG.normal(size=(3, 7, 5)).astype("f4")
WORDS = np.array([[1, 2, 2, 0], [3, 1, 0, 0], [4, 4, 1, 2]])
E = 1e-7


def clip(p):
    return np.clip(p, E, 1 - E)


def smoothed(t, part):
    return t * (1 - part) + part / t.shape[-1]


def cross_entropy(t, p, part=0.0):
    return -(smoothed(t, part) * np.log(clip(p / p.sum(-1, keepdims=True)))).sum(-1)


def binary(t, p, part=0.0):
    t = t * (1 - part) + part / 2
    return -(t * np.log(clip(p)) + (1 - t) * np.log(1 - clip(p)))


def focal(t, p, gamma, alpha=None):
    right = t * p + (1 - t) * (1 - p)
    weight = 1 if alpha is None else t * alpha + (1 - t) * (1 - alpha)
    return (weight * (1 - right) ** gamma * binary(t, p)).mean(-1)


def categorical_focal(t, p, alpha, gamma):
    return (alpha * (1 - clip(p)) ** gamma * -t * np.log(clip(p))).sum(-1)


def huber(t, p, delta):
    d = np.abs(t - p)
    return np.where(d <= delta, d * d / 2, delta * d - delta**2 / 2).mean(-1)


def kl(t, p):
    t, p = np.clip(t, E, 1), np.clip(p, E, 1)
    return (t * np.log(t / p)).sum(-1)


def tversky(t, p, alpha, beta):
    both = (t * p).sum()
    return 1 - both / (both + alpha * (t * (1 - p)).sum() + beta * (p * (1 - t)).sum() + E)


def unit(x, axis):
    return x / np.linalg.norm(x, axis=axis, keepdims=True)


# Class, arguments, y_true, y_pred, the losses of the samples by a formula (None: only Keras's).
CASES = [
    ("MeanSquaredError", {}, NUMBERS, LOGITS, lambda t, p: ((t - p) ** 2).mean(-1)),
    ("MeanAbsoluteError", {}, NUMBERS, LOGITS, lambda t, p: np.abs(t - p).mean(-1)),
    ("MeanAbsolutePercentageError", {}, COUNTS, LOGITS,
     lambda t, p: 100 * np.abs((t - p) / np.maximum(t, E)).mean(-1)),
    ("MeanSquaredLogarithmicError", {}, COUNTS, LOGITS,
     lambda t, p: ((np.log1p(np.maximum(t, E)) - np.log1p(np.maximum(p, E))) ** 2).mean(-1)),
    ("Huber", {}, NUMBERS, LOGITS, lambda t, p: huber(t, p, 1.0)),
    ("Huber", {"delta": 0.4}, NUMBERS, LOGITS, lambda t, p: huber(t, p, 0.4)),
    ("LogCosh", {}, NUMBERS, LOGITS, lambda t, p: np.log(np.cosh(t - p)).mean(-1)),
    ("Poisson", {}, COUNTS, CHANCES, lambda t, p: (p - t * np.log(p + E)).mean(-1)),
    ("CosineSimilarity", {}, NUMBERS, LOGITS, lambda t, p: -(unit(t, -1) * unit(p, -1)).sum(-1)),
    ("CosineSimilarity", {"axis": 0}, NUMBERS, LOGITS,
     lambda t, p: -(unit(t, 0) * unit(p, 0)).sum(0)),
    ("KLDivergence", {}, SOFT, PROBABILITIES, kl),
    ("Hinge", {}, BITS, LOGITS, lambda t, p: np.maximum(1 - (2 * t - 1) * p, 0).mean(-1)),
    ("Hinge", {}, 2 * BITS - 1, LOGITS, lambda t, p: np.maximum(1 - t * p, 0).mean(-1)),
    ("SquaredHinge", {}, BITS, LOGITS,
     lambda t, p: (np.maximum(1 - (2 * t - 1) * p, 0) ** 2).mean(-1)),
    ("CategoricalHinge", {}, HOT, LOGITS,
     lambda t, p: np.maximum(((1 - t) * p).max(-1) - (t * p).sum(-1) + 1, 0)),
    ("BinaryCrossentropy", {}, BITS, CHANCES, lambda t, p: binary(t, p).mean(-1)),
    ("BinaryCrossentropy", {"from_logits": True}, BITS, LOGITS,
     lambda t, p: binary(t, sigmoid(p)).mean(-1)),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, BITS, CHANCES,
     lambda t, p: binary(t, p, 0.2).mean(-1)),
    ("BinaryCrossentropy", {"axis": 0}, BITS, CHANCES, lambda t, p: binary(t, p).mean(0)),
    ("BinaryFocalCrossentropy", {}, BITS, CHANCES, lambda t, p: focal(t, p, 2)),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3}, BITS, CHANCES,
     lambda t, p: focal(t, p, 2, 0.3)),
    ("BinaryFocalCrossentropy", {"gamma": 1.5, "from_logits": True}, BITS, LOGITS,
     lambda t, p: focal(t, sigmoid(p), 1.5)),
    ("BinaryFocalCrossentropy", {"label_smoothing": 0.1, "axis": 0}, BITS, CHANCES, None),
    ("CategoricalCrossentropy", {}, HOT, PROBABILITIES, cross_entropy),
    ("CategoricalCrossentropy", {}, HOT, CHANCES, cross_entropy),
    ("CategoricalCrossentropy", {"from_logits": True}, SOFT, LOGITS,
     lambda t, p: cross_entropy(t, softmax(p))),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, HOT, PROBABILITIES,
     lambda t, p: cross_entropy(t, p, 0.2)),
    ("CategoricalCrossentropy", {"axis": 0}, HOT, CHANCES, lambda t, p: cross_entropy(t.T, p.T)),
    ("CategoricalFocalCrossentropy", {}, HOT, PROBABILITIES,
     lambda t, p: categorical_focal(t, p, 0.25, 2)),
    ("CategoricalFocalCrossentropy", {"alpha": 0.6, "gamma": 1.5, "from_logits": True}, HOT, LOGITS,
     lambda t, p: categorical_focal(t, softmax(p), 0.6, 1.5)),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4], "label_smoothing": 0.1}, HOT,
     CHANCES, None),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES,
     lambda t, p: cross_entropy(np.eye(C)[t], p)),
    ("SparseCategoricalCrossentropy", {}, LABELS[:, None], CHANCES,
     lambda t, p: cross_entropy(np.eye(C)[t[:, 0]], p)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, LABELS.astype("f4"), LOGITS,
     lambda t, p: cross_entropy(np.eye(C)[t.astype(int)], softmax(p))),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, LABELS, PROBABILITIES,
     lambda t, p: np.where(t == 1, 0, cross_entropy(np.eye(C)[t], p))),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True},
     np.where(LABELS == 2, -1, LABELS), LOGITS, None),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.3}, LABELS, PROBABILITIES,
     lambda t, p: (1 - p[np.arange(N), t] ** 0.3) / 0.3),
    ("Dice", {}, BITS, CHANCES, lambda t, p: 1 - 2 * (t * p).sum() / (t.sum() + p.sum() + E)),
    ("Dice", {"axis": (1,)}, BITS, CHANCES,
     lambda t, p: 1 - 2 * (t * p).sum(1) / (t.sum(1) + p.sum(1) + E)),
    ("Tversky", {}, BITS, CHANCES, lambda t, p: tversky(t, p, 0.5, 0.5)),
    ("Tversky", {"alpha": 0.2, "beta": 0.7}, BITS, CHANCES, lambda t, p: tversky(t, p, 0.2, 0.7)),
    ("Circle", {}, LABELS, UNIT, None),
    ("Circle", {"gamma": 20.0, "margin": 0.2, "remove_diagonal": False}, LABELS, UNIT, None),
    ("CTC", {}, WORDS, FRAMES, None),
]  # fmt: skip


def name_of(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


@pytest.mark.parametrize("case", [c for c in CASES if c[4]], ids=name_of)
def test_formulas(case):
    name, arguments, t, p, formula = case
    loss = getattr(losses, name)(**arguments, reduction="none")
    expected = formula(t if t.dtype.kind == "i" else t.astype("f8"), p.astype("f8"))
    for run in (loss, irf.jit(lambda t, p: loss(t, p))):
        np.testing.assert_allclose(np.asarray(run(t, p)), expected, rtol=2e-5, atol=1e-6)


WEIGHTS = np.array([0.5, 2, 0, 1, 3, 1], "f4")
VALUES = ((NUMBERS.astype("f8") - LOGITS) ** 2).mean(-1)


@pytest.mark.parametrize(
    ("reduction", "plain", "weighted"),
    [
        ("none", VALUES, VALUES * WEIGHTS),
        (None, VALUES, VALUES * WEIGHTS),
        ("sum", VALUES.sum(), (VALUES * WEIGHTS).sum()),
        ("mean", VALUES.mean(), (VALUES * WEIGHTS).mean()),
        ("sum_over_batch_size", VALUES.mean(), (VALUES * WEIGHTS).mean()),
        ("mean_with_sample_weight", VALUES.mean(), (VALUES * WEIGHTS).sum() / WEIGHTS.sum()),
    ],
)
def test_reductions(reduction, plain, weighted):
    loss = losses.MeanSquaredError(reduction=reduction)
    np.testing.assert_allclose(np.asarray(loss(NUMBERS, LOGITS)), plain, rtol=1e-5)
    for weights in (WEIGHTS, WEIGHTS.tolist(), WEIGHTS[:, None]):
        found = np.asarray(loss(NUMBERS, LOGITS, weights))
        np.testing.assert_allclose(found.reshape(np.shape(weighted)), weighted, rtol=1e-5)


def test_a_mask_shows_what_counts():
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    predictions = irf.asarray(LOGITS)
    masks.set_mask(predictions, mask)
    for reduction, expected in [
        ("sum_over_batch_size", VALUES[mask].mean()),
        ("sum", VALUES[mask].sum()),
        ("none", VALUES * mask),
    ]:
        loss = losses.MeanSquaredError(reduction=reduction)(NUMBERS, predictions)
        np.testing.assert_allclose(np.asarray(loss), expected, rtol=1e-5)
    weighted = losses.MeanSquaredError()(NUMBERS, predictions, WEIGHTS)
    expected = (VALUES * WEIGHTS)[mask].sum() / mask.sum()
    np.testing.assert_allclose(np.asarray(weighted), expected, rtol=1e-5)


def test_ignored_classes_do_not_count_in_the_mean():
    kept = LABELS != 1
    loss = losses.SparseCategoricalCrossentropy(ignore_class=1)(LABELS, PROBABILITIES)
    expected = cross_entropy(HOT, PROBABILITIES)[kept].mean()
    np.testing.assert_allclose(np.asarray(loss), expected, rtol=1e-5)


def test_weights_of_samples_hold_for_all_their_values():
    loss = losses.CategoricalCrossentropy(reduction="none")
    t, p = np.stack([HOT, HOT], 1), np.stack([PROBABILITIES, CHANCES], 1)
    expected = cross_entropy(t, p) * WEIGHTS[:, None]
    np.testing.assert_allclose(np.asarray(loss(t, p, WEIGHTS)), expected, rtol=1e-5)
    with pytest.raises(irf.errors.ShapeError, match="sample_weight"):
        loss(t, p, WEIGHTS[:4])


def test_a_last_axis_of_one_is_dropped_or_added():
    column, row = NUMBERS[:, :1], LOGITS[:, 0]
    expected = ((column[:, 0] - row) ** 2).mean()
    for t, p in [(column, row), (column[:, 0], LOGITS[:, :1]), (column[:, 0], row)]:
        found = losses.MeanSquaredError()(t, p)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5)


def test_shapes_that_do_not_fit():
    with pytest.raises(irf.errors.ShapeError) as caught:
        losses.CategoricalCrossentropy()(LABELS, PROBABILITIES)
    message = str(caught.value)
    assert "y_true  f32[6]" in message
    assert "sparse_categorical_crossentropy" in message
    with pytest.raises(irf.errors.ShapeError, match="mean_squared_error: y_true and y_pred differ"):
        losses.get("mse")(NUMBERS[:, :2], LOGITS)
    with pytest.raises(irf.errors.ShapeError, match="one class number is needed for each row"):
        losses.SparseCategoricalCrossentropy()(LABELS[:3], PROBABILITIES)


def test_gradients():
    loss = losses.SparseCategoricalCrossentropy()
    slope = irf.grad(lambda p: loss(LABELS, p))(PROBABILITIES)
    expected = (1 - HOT / PROBABILITIES.max(-1, keepdims=True) * 0) / N  # of the division by sums
    expected = expected - HOT / PROBABILITIES / N
    np.testing.assert_allclose(np.asarray(slope), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_configs(case):
    loss = getattr(losses, case[0])(**case[1], reduction="sum", name="mine")
    config = loss.get_config()
    assert config["reduction"] == "sum"
    assert config["name"] == "mine"
    for copy in (type(loss).from_config(config), losses.deserialize(losses.serialize(loss))):
        assert type(copy) is type(loss)
        assert copy.get_config() == config


def test_names():
    assert losses.get("mse") is losses.get("MSE") is losses.mean_squared_error
    assert losses.get("bce") is losses.get(losses.binary_crossentropy)
    assert isinstance(losses.get("Huber"), losses.Huber)
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).delta == 2
    assert losses.get(None) is None
    with pytest.raises(
        irf.errors.UnknownNameError, match="did you mean 'categorical_crossentropy'"
    ):
        losses.get("categorical_crossentropi")
    with pytest.raises(irf.errors.UnknownNameError, match="unknown reduction 'average'"):
        losses.MeanSquaredError(reduction="average")


def test_losses_of_ones_own():
    class Mine(losses.Loss):
        def call(self, y_true, y_pred):
            assert y_true.dtype is irf.f32
            return (y_true - y_pred) ** 4

    t, p = NUMBERS.astype("f8"), LOGITS
    expected = ((NUMBERS - LOGITS).astype("f8") ** 4).mean()
    np.testing.assert_allclose(np.asarray(Mine()(t, p)), expected, rtol=1e-5)
    wrapped = losses.LossFunctionWrapper(lambda t, p, k: abs(t - p) * k, name="mine", k=3)
    expected = 3 * np.abs(NUMBERS - LOGITS).mean()
    np.testing.assert_allclose(np.asarray(wrapped(t, p)), expected, rtol=1e-5)


# -------------------------------------------------------------------------------------- Keras 3


@pytest.mark.slow
@pytest.mark.skipif(not HAS_KERAS, reason="Keras is not at hand")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_like_keras(case, weighted):
    import keras

    name, arguments, t, p, _ = case
    of_values = getattr(losses, name)(**arguments, reduction="none")(t, p)
    count = np.asarray(of_values).shape[0] if of_values.ndim else None
    weights = np.linspace(0.5, 2, count).astype("f4") if weighted and count else None
    if name == "CategoricalFocalCrossentropy" and isinstance(arguments.get("alpha"), list):
        arguments = {**arguments, "alpha": np.array(arguments["alpha"], "f4")}
    for reduction in ("none", "sum", "sum_over_batch_size", "mean_with_sample_weight"):
        ours = getattr(losses, name)(**arguments, reduction=reduction)
        theirs = getattr(keras.losses, name)(**arguments, reduction=reduction)
        expected = np.asarray(theirs(t, p, sample_weight=weights))
        found = np.asarray(ours(t, p, sample_weight=weights))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
