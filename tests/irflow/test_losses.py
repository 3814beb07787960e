"""Losses against their formulas, also where a careless formula overflows."""

from functools import partial
from itertools import pairwise, product

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


# ----------------------------------------------------- regions, embeddings, unaligned sequences


def test_overlap():
    t, p = RNG.integers(0, 2, (3, 8)).astype("f8"), RNG.uniform(size=(3, 8))
    both, missed, extra = (t * p).sum(1), (t * (1 - p)).sum(1), ((1 - t) * p).sum(1)
    expected = 1 - 2 * both / (t.sum(1) + p.sum(1))
    for found in (losses.dice(p, t, 1), losses.tversky(p, t, axis=1)):
        assert found.item() == pytest.approx(expected.mean(), abs=1e-6)
    found = losses.tversky(p, t, 0.3, 0.9, 1, reduction="none")
    expected = 1 - both / (both + 0.3 * missed + 0.9 * extra)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    assert losses.dice(t, t).item() == pytest.approx(0, abs=1e-6)
    run = partial(losses.tversky, alpha=0.3, beta=0.9)
    check_vjp(irf.jit(run, spec=("f64[3, 8]", "f64[3, 8]")).trace().graph, [p, t], [0])


def test_circle():
    x, y = RNG.normal(size=(6, 3)), np.array([0, 1, 0, 1, 0, 2])
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = []
    for i in range(6):
        right, wrong = 0.0, 0.0
        for j in range(6):
            d = max(1 - x[i] @ x[j], 0)
            if y[i] == y[j] and i != j:
                right += np.exp(4 * (d + 0.3) * (d - 0.3))
            if y[i] != y[j]:
                wrong += np.exp(4 * max(1.3 - d, 0) * (0.7 - d))
        expected.append(np.log1p(right * wrong))
    found = losses.circle(x, y, gamma=4, margin=0.3, reduction="none")
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    assert expected[5] == 0  # the only one of its class
    options = {"gamma": 4, "margin": 0.3, "reduction": "none"}
    some = losses.circle(x[:2], y[:2], references=x, reference_labels=y, **options)
    np.testing.assert_allclose(np.asarray(some), expected[:2], rtol=1e-6)
    with pytest.raises(irf.errors.ShapeError, match="one label an embedding"):
        losses.circle(x, y[:5])


def said(way, blank=0):
    """The labels of one class a step: repetitions joined, then blanks left out."""
    joined = [way[0], *(b for a, b in pairwise(way) if a != b)]
    return tuple(c for c in joined if c != blank)


@pytest.mark.parametrize("labels", [(1, 2), (1, 1), (2, 0), (0, 0)])
def test_ctc_is_the_sum_over_all_ways(labels):
    logits = RNG.normal(size=(4, 3))
    p = np.exp(log_softmax(logits))
    wanted = tuple(c for c in labels if c)
    ways = [way for way in product(range(3), repeat=4) if said(way) == wanted]
    expected = -np.log(sum(p[range(4), way].prod() for way in ways))
    for run in (losses.ctc, irf.jit(losses.ctc)):
        assert run(logits[None], np.array([labels])).item() == pytest.approx(expected)


def test_ctc_of_lengths():
    """What lies behind the lengths does not matter, in the gradient neither."""
    logits, labels = RNG.normal(size=(2, 5, 4)), np.array([[3, 1, 2], [1, 1, 3]])
    lengths = {"logit_lengths": np.array([5, 3]), "label_lengths": np.array([2, 2])}
    found = losses.ctc(logits, labels, **lengths, reduction="none")
    alone = [losses.ctc(logits[:1], labels[:1, :2]), losses.ctc(logits[1:, :3], labels[1:, :2])]
    np.testing.assert_allclose(np.asarray(found), [each.item() for each in alone], rtol=1e-6)
    slope = np.asarray(irf.grad(lambda x: losses.ctc(x, labels, **lengths))(logits))
    assert not slope[1, 3:].any()
    assert slope[1, :3].all()
    graph = irf.jit(lambda x: losses.ctc(x, labels, **lengths), spec=("f64[2, 5, 4]",))
    check_vjp(graph.trace().graph, [logits], [0])
    with pytest.raises(irf.errors.ShapeError, match="logits \\[n, time, classes\\]"):
        losses.ctc(logits, labels[0])


def test_generalized_cross_entropy():
    p = np.exp(log_softmax(LOGITS))
    expected = (1 - p[np.arange(6), LABELS] ** 0.7) / 0.7
    found = losses.generalized_cross_entropy(p, LABELS, 0.7)
    assert found.item() == pytest.approx(expected.mean())
