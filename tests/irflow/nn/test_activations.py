"""Activations against their formulas, and their gradients against differences."""

import math

import numpy as np
import pytest

import irflow as irf
from irflow import nn

X = np.concatenate([np.linspace(-6, 6, 40), [-40.0, 40.0]]).reshape(2, 21)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def erf(x):
    return np.vectorize(math.erf)(x)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def shrunk(x):
    return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)


CASES = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "celu": elu,
    "exponential": np.exp,
    "log_sigmoid": lambda x: -softplus(-x),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "soft_shrink": shrunk,
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": elu,
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "logsumexp": lambda x: np.log(np.exp(x).sum(-1)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_formulas(name, dtype, backend):
    x = X.astype(dtype)
    rtol = 1e-10 if dtype == "f8" else 2e-5
    for run in (getattr(nn, name), irf.jit(getattr(nn, name), backend=backend)):
        found = run(x)
        assert found.dtype.numpy == x.dtype
        np.testing.assert_allclose(np.asarray(found), CASES[name](X), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_gradients(name):
    x = X[:, 1:-2] + 0.01
    weights = np.cos(x)

    def loss(x):
        result = getattr(nn, name)(x)
        return (result * (weights if result.ndim == 2 else weights[:, 0])).sum()

    gradient = np.asarray(irf.grad(loss)(x))
    step = 1e-6
    for index in [(0, 0), (0, 9), (1, 3), (1, 17)]:
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(loss(moved).item())
        expected = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(gradient[index], expected, rtol=2e-5, atol=1e-7)


def test_the_approximate_gelu():
    inner = np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)
    expected = 0.5 * X * (1 + np.tanh(inner))
    np.testing.assert_allclose(np.asarray(nn.gelu(X, approximate=True)), expected, atol=1e-12)


def test_parameters():
    np.testing.assert_allclose(np.asarray(nn.leaky_relu(X, 0.3)), np.where(X > 0, X, 0.3 * X))
    np.testing.assert_allclose(np.asarray(nn.elu(X, 2.0)), elu(X, 2.0))
    np.testing.assert_allclose(np.asarray(nn.celu(X, 2.0)), elu(X / 2, 1.0) * 2)
    np.testing.assert_allclose(np.asarray(nn.softplus(X, 3.0)), softplus(3 * X) / 3)
    np.testing.assert_allclose(np.asarray(nn.threshold(X, 1.5, -7.0)), np.where(X > 1.5, X, -7))
    np.testing.assert_allclose(np.asarray(nn.hard_tanh(X, -2, 0.5)), np.clip(X, -2, 0.5))
    np.testing.assert_allclose(np.asarray(nn.squareplus(X, 9.0)), (X + np.sqrt(X * X + 9)) / 2)
    np.testing.assert_allclose(np.asarray(nn.softmax(X, 0)), softmax(X, 0))
    kept = nn.logsumexp(X, 0, keepdims=True)
    np.testing.assert_allclose(np.asarray(kept), np.log(np.exp(X).sum(0, keepdims=True)))


def test_glu_and_prelu():
    x = X[:, :20]
    for axis in (0, 1):
        value, gate = np.split(x, 2, axis)
        np.testing.assert_allclose(np.asarray(nn.glu(x, axis)), value * sigmoid(gate))
    with pytest.raises(irf.errors.ShapeError, match="split: the parts do not make up"):
        nn.glu(X)
    slope = np.linspace(0.1, 0.9, 21)
    np.testing.assert_allclose(np.asarray(nn.prelu(X, slope)), np.where(X > 0, X, X * slope))
    gradient = irf.grad(lambda s: nn.prelu(X, s).sum())(slope)
    np.testing.assert_allclose(np.asarray(gradient), np.minimum(X, 0).sum(0))


def test_masks():
    """What does not count has no part in the sums, and rows of it give 0 without NaN."""
    x = np.array([[1.0, 2.0, np.inf], [1.0, 2.0, 3.0]])
    where = np.array([[True, True, False], [False, False, False]])
    part = softmax(x[:1, :2])[0]
    found = np.asarray(nn.softmax(x, where=where))
    np.testing.assert_allclose(found, [[*part, 0], [0, 0, 0]])
    logs = np.asarray(nn.log_softmax(x, where=where))
    np.testing.assert_allclose(logs, [[*np.log(part), -np.inf], [-np.inf] * 3])
    gradient = irf.grad(lambda x: (nn.softmax(x, where=where) ** 2.0).sum())(x)
    assert np.isfinite(np.asarray(gradient)).all()
    half = nn.softmax(irf.asarray(x, "f16"), where=where)
    assert half.dtype is irf.f16
    np.testing.assert_allclose(np.asarray(half), found, atol=1e-3)


def test_integers_become_floats():
    for name in ("sigmoid", "softmax", "gelu", "elu", "softplus"):
        assert getattr(nn, name)(np.arange(3)).dtype is irf.f32
    assert nn.relu(np.array([-1, 2])).tolist() == [0, 2]


def test_large_values():
    x = np.array([[1e4, -1e4, 0.0], [-np.inf, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(np.asarray(nn.softmax(x)), [[1, 0, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(np.asarray(nn.logsumexp(x)), [1e4, np.log(2)], rtol=1e-6)
    assert np.isfinite(np.asarray(nn.log_softmax(x))[0]).all()
    assert nn.softplus(np.float32(1e4)).item() == 1e4
    for name in ("elu", "selu", "silu", "mish", "gelu"):
        gradient = irf.grad(lambda x, name=name: getattr(nn, name)(x).sum())(x[0] / 1e2)
        assert np.isfinite(np.asarray(gradient)).all(), name


def test_wrong_axis():
    with pytest.raises(irf.errors.ShapeError, match="axis 2 of a tensor of rank 2"):
        nn.softmax(X, 2)
