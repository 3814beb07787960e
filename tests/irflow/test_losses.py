"""Losses against their formulas, also where a careless formula overflows."""

import numpy as np
import pytest

import irflow as irf
from irflow import losses

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


def test_accuracy():
    assert losses.accuracy(LOGITS, LOGITS.argmax(-1)).item() == 1
    found = losses.accuracy(LOGITS, LABELS)
    assert found.item() == pytest.approx((LOGITS.argmax(-1) == LABELS).mean())
    assert found.dtype is irf.f32
