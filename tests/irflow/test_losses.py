"""Losses against their formulas, also where a careless formula overflows."""

from functools import partial

import numpy as np
import pytest

import irflow as irf
from irflow import losses
from tests.irflow.ops.derivatives import check_vjp

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)) * 3
LABELS = RNG.integers(0, 4, 6)
X, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))


def log_softmax(x):
    top = x.max(-1, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(-1, keepdims=True))


def test_softmax_cross_entropy():
    expected = -log_softmax(LOGITS)[np.arange(6), LABELS].mean()
    for run in (losses.softmax_cross_entropy, irf.jit(losses.softmax_cross_entropy)):
        assert run(LOGITS, LABELS).item() == pytest.approx(expected)
        assert run(LOGITS, np.eye(4)[LABELS]).item() == pytest.approx(expected)
    gradient = np.asarray(irf.grad(losses.softmax_cross_entropy)(LOGITS, LABELS))
    np.testing.assert_allclose(gradient, (np.exp(log_softmax(LOGITS)) - np.eye(4)[LABELS]) / 6)
    deep = losses.softmax_cross_entropy(LOGITS.reshape(2, 3, 4), LABELS.reshape(2, 3))
    assert deep.item() == pytest.approx(expected)


def test_large_logits():
    logits = np.array([[1e4, 0.0], [0.0, -1e4]], np.float32)
    assert losses.softmax_cross_entropy(logits, [0, 0]).item() == 0
    assert losses.softmax_cross_entropy(logits, [1, 1]).item() == 1e4
    gradient = np.asarray(irf.grad(losses.softmax_cross_entropy)(logits, np.array([1, 0])))
    np.testing.assert_array_equal(gradient, [[0.5, -0.5], [0, 0]])


def test_labels_out_of_range():
    """Such a row has no right answer, and the loss says so."""
    for label in (-1, 4, 100):
        loss = losses.softmax_cross_entropy(LOGITS, np.array([*LABELS[:5], label]))
        assert np.isnan(loss.item())


def test_labels_of_another_shape():
    with pytest.raises(irf.errors.ShapeError) as caught:
        losses.softmax_cross_entropy(LOGITS, LABELS[:5])
    assert str(caught.value).startswith(
        "softmax_cross_entropy: one label a row is needed\n  logits  f64[6, 4]\n  labels  i64[5]\n"
    )
    with pytest.raises(irf.errors.DTypeError, match="labels are integers"):
        losses.softmax_cross_entropy(LOGITS, LABELS + 0.5)


def test_sigmoid_cross_entropy():
    p = 1 / (1 + np.exp(-X))
    targets = RNG.uniform(size=X.shape)
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    assert losses.sigmoid_cross_entropy(X, targets).item() == pytest.approx(expected)
    large = losses.sigmoid_cross_entropy(np.array([1e4, -1e4], "f4"), np.array([1, 0]))
    assert large.item() == 0


def test_regression():
    d = X - T
    assert losses.mean_squared_error(X, T).item() == pytest.approx((d**2).mean())
    assert losses.mean_absolute_error(X, T).item() == pytest.approx(np.abs(d).mean())
    for delta in (0.5, 1.0):
        far = delta * (np.abs(d) - delta / 2)
        expected = np.where(np.abs(d) < delta, d**2 / 2, far).mean()
        assert losses.huber(X, T, delta).item() == pytest.approx(expected)
    gradient = np.asarray(irf.grad(losses.huber)(X, T))
    np.testing.assert_allclose(gradient, np.clip(d, -1, 1) / d.size)


def test_shapes_that_differ():
    """Broadcasting predictions [n, 1] against targets [n] is a well-known mistake."""
    for loss in (losses.mean_squared_error, losses.mean_absolute_error, losses.huber):
        with pytest.raises(irf.errors.ShapeError, match="predictions and targets differ in shape"):
            loss(X[:, :1], T[:, 0])


# ------------------------------------------------------------------------- the table of all losses

P, Q = (np.exp(log_softmax(RNG.normal(size=(5, 3)))) for _ in range(2))
BITS = RNG.integers(0, 2, (5, 3)).astype(float)
HOT = np.eye(3)[RNG.integers(0, 3, 5)]
POSITIVE = RNG.uniform(0.2, 3, (5, 3))


def unit(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def entropy(p, t):
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def focal(p, t, alpha=0.25, gamma=2.0):
    return -(alpha * (1 - p) ** gamma * t * np.log(p)).sum(-1)


def balanced(p, t, alpha, gamma):
    truth = t * p + (1 - t) * (1 - p)
    return (1 - truth) ** gamma * (t * alpha + (1 - t) * (1 - alpha)) * entropy(p, t)


TABLE = {
    # name: (loss, options, its definition, predictions, targets)
    "mse": ("mean_squared_error", {}, lambda x, t: (x - t) ** 2, X, T),
    "mae": ("mean_absolute_error", {}, lambda x, t: np.abs(x - t), X, T),
    "mape": (
        "mean_absolute_percentage_error",
        {},
        lambda x, t: 100 * np.abs(x - t) / np.abs(t),
        *(X, T),
    ),
    "msle": (
        "mean_squared_logarithmic_error",
        {},
        lambda x, t: (np.log(1 + x) - np.log(1 + t)) ** 2,
        *(POSITIVE, POSITIVE[::-1]),
    ),
    "log-cosh": ("log_cosh", {}, lambda x, t: np.log(np.cosh(x - t)), X, T),
    "poisson": ("poisson", {}, lambda x, t: x - t * np.log(x + 1e-7), POSITIVE, BITS * 3),
    "cosine": ("cosine_similarity", {}, lambda x, t: -(unit(x) * unit(t)).sum(-1), X, T),
    "hinge": ("hinge", {}, lambda x, t: np.maximum(1 - t * x, 0), X, 2 * BITS - 1),
    "hinge-bits": ("hinge", {}, lambda x, t: np.maximum(1 - (2 * t - 1) * x, 0), X, BITS),
    "squared-hinge": (
        "squared_hinge",
        {},
        lambda x, t: np.maximum(1 - t * x, 0) ** 2,
        *(X, 2 * BITS - 1),
    ),
    "categorical-hinge": (
        "categorical_hinge",
        {},
        lambda x, t: np.maximum(((1 - t) * x).max(-1) - (t * x).sum(-1) + 1, 0),
        *(X, HOT),
    ),
    "kl": ("kl_divergence", {}, lambda x, t: (t * np.log(t / x)).sum(-1), P, Q),
    "cross": ("cross_entropy", {}, lambda x, t: -(t * np.log(x)).sum(-1), P, Q),
    "cross-smooth": (
        "cross_entropy",
        {"label_smoothing": 0.3},
        lambda x, t: -((0.7 * t + 0.1) * np.log(x)).sum(-1),
        *(P, HOT),
    ),
    "cross-axis": (
        "cross_entropy",
        {"axis": 0},
        lambda x, t: -(t * np.log(x / x.sum(0))).sum(0),
        *(P, Q),
    ),
    "softmax-smooth": (
        "softmax_cross_entropy",
        {"label_smoothing": 0.3},
        lambda x, t: -((0.7 * t + 0.1) * log_softmax(x)).sum(-1),
        *(X, HOT),
    ),
    "binary": ("binary_cross_entropy", {}, entropy, P, BITS),
    "binary-smooth": (
        "binary_cross_entropy",
        {"label_smoothing": 0.2},
        lambda x, t: entropy(x, 0.8 * t + 0.1),
        *(P, BITS),
    ),
    "sigmoid-smooth": (
        "sigmoid_cross_entropy",
        {"label_smoothing": 0.2},
        lambda x, t: entropy(sigmoid(x), 0.8 * t + 0.1),
        *(X, BITS),
    ),
    "binary-focal": (
        "binary_focal_cross_entropy",
        {"alpha": 0.3, "gamma": 1.5},
        lambda x, t: balanced(x, t, 0.3, 1.5),
        *(P, BITS),
    ),
    "binary-focal-logits": (
        "binary_focal_cross_entropy",
        {"from_logits": True},
        lambda x, t: 2 * balanced(sigmoid(x), t, 0.5, 2),
        *(X, BITS),
    ),
    "focal": ("categorical_focal_cross_entropy", {}, focal, P, HOT),
    "focal-logits": (
        "categorical_focal_cross_entropy",
        {"from_logits": True, "alpha": np.array([1.0, 2.0, 3.0]), "gamma": 0},
        lambda x, t: focal(np.exp(log_softmax(x)), t, np.array([1.0, 2.0, 3.0]), 0),
        *(X, HOT),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
    loss, options, definition, predictions, targets = TABLE[name]
    run = partial(getattr(losses, loss), **options)
    expected = definition(predictions, targets)
    each = run(predictions, targets, reduction="none")
    np.testing.assert_allclose(np.asarray(each), expected, rtol=1e-6, atol=1e-9)
    assert run(predictions, targets).item() == pytest.approx(expected.mean(), rel=1e-6)
    assert run(predictions, targets, reduction="sum").item() == pytest.approx(
        expected.sum(), rel=1e-6
    )
    spec = ("f32[n, 3]", "f32[n, 3]")
    narrow = predictions.astype("f4"), targets.astype("f4")
    found = irf.jit(run, spec=spec, backend="llvm")(*narrow)
    assert found.item() == pytest.approx(expected.mean(), rel=2e-5, abs=1e-6)
    graph = irf.jit(run, spec=("f64[5, 3]", "f64[5, 3]")).trace().graph
    check_vjp(graph, [predictions, targets], [0])


@pytest.mark.parametrize("loss", [losses.softmax_cross_entropy, losses.cross_entropy])
def test_class_numbers(loss):
    """They give what rows with a one give; labels to ignore have no part, also in the mean."""
    x = LOGITS if loss is losses.softmax_cross_entropy else np.exp(log_softmax(LOGITS))
    for options in ({}, {"label_smoothing": 0.2}):
        hot = loss(x, np.eye(4)[LABELS], reduction="none", **options)
        found = loss(x, LABELS, reduction="none", **options)
        np.testing.assert_allclose(np.asarray(found), np.asarray(hot))
    ignored = np.where(np.arange(6) % 2, -1, LABELS)
    kept = np.asarray(loss(x, LABELS, reduction="none"))[::2]
    assert loss(x, ignored, ignore_label=-1).item() == pytest.approx(kept.mean())
    assert loss(x, ignored, ignore_label=-1, reduction="sum").item() == pytest.approx(kept.sum())
    assert loss(x, LABELS * 0 - 1, ignore_label=-1).item() == 0
    assert np.isnan(loss(x, ignored).item())
    deep = loss(np.moveaxis(x.reshape(2, 3, 4), -1, 1), LABELS.reshape(2, 3), axis=1)
    assert deep.item() == pytest.approx(loss(x, LABELS).item())


def test_probabilities_of_0_and_1():
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert losses.cross_entropy(sure, [0, 0]).item() == pytest.approx(-np.log(1e-7) / 2, rel=1e-3)
    assert np.isfinite(losses.binary_cross_entropy(sure, 1 - sure).item())
    gradient = irf.grad(losses.binary_focal_cross_entropy)(sure, sure)
    assert np.isfinite(np.asarray(gradient)).all()


def test_options_that_are_refused():
    with pytest.raises(irf.errors.UsageError, match="reduction 'average'"):
        losses.mean_squared_error(X, T, reduction="average")
    with pytest.raises(irf.errors.UsageError, match="gamma is -1"):
        losses.binary_focal_cross_entropy(P, BITS, gamma=-1)


def test_accuracy():
    assert losses.accuracy(LOGITS, LOGITS.argmax(-1)).item() == 1
    found = losses.accuracy(LOGITS, LABELS)
    assert found.item() == pytest.approx((LOGITS.argmax(-1) == LABELS).mean())
    assert found.dtype is irf.f32
