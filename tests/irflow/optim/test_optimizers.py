"""Optimisers against Keras's formulas, written down again with NumPy."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.optim import SGD, Adam

STEPS = 20


def gradient(p, t):
    """Some gradient that changes sign and size."""
    return np.cos(3 * p + t) * p + 0.1 * t


def start(dtype):
    rng = np.random.default_rng(0)
    return {
        "w": rng.normal(size=(3, 2)).astype(dtype),
        "layers": [rng.normal(size=4).astype(dtype)],
    }


def rate_of(rate, t):
    return rate(t) if callable(rate) else rate


def keras_sgd(p, *, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0):
    velocity = np.zeros_like(p)
    for t in range(STEPS):
        rate = rate_of(learning_rate, t)
        g = gradient(p, t)
        p = p - p * weight_decay * rate
        if not momentum:
            p = p - rate * g
            continue
        velocity = momentum * velocity - rate * g
        p = p + (momentum * velocity - rate * g if nesterov else velocity)
    return p


def keras_adam(p, *, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t in range(STEPS):
        rate = rate_of(learning_rate, t)
        g = gradient(p, t)
        p = p - p * weight_decay * rate
        alpha = rate * np.sqrt(1 - beta_2 ** (t + 1)) / (1 - beta_1 ** (t + 1))
        m = m + (g - m) * (1 - beta_1)
        v = v + (g * g - v) * (1 - beta_2)
        p = p - m * alpha / (np.sqrt(v) + epsilon)
    return p


def schedule(t):
    return 0.1 / (1 + 0.5 * t)


CASES = [
    (SGD, keras_sgd, {}),
    (SGD, keras_sgd, {"learning_rate": 0.1, "momentum": 0.9}),
    (SGD, keras_sgd, {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    (SGD, keras_sgd, {"learning_rate": schedule, "weight_decay": 0.05}),
    (SGD, keras_sgd, {"learning_rate": schedule, "momentum": 0.5, "weight_decay": 0.05}),
    (Adam, keras_adam, {}),
    (Adam, keras_adam, {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}),
    (Adam, keras_adam, {"learning_rate": schedule, "weight_decay": 0.05}),
]


@pytest.mark.parametrize(("optimizer", "reference", "options"), CASES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("wrap", [lambda f: f, irf.jit], ids=["eager", "jit"])
def test_against_the_formulas(optimizer, reference, options, dtype, wrap):
    chosen = optimizer(**options)
    params = start(dtype)
    update = wrap(chosen.update)
    state = chosen.init(params)
    for t in range(STEPS):
        leaves = params["w"], params["layers"][0]
        w, layer = (gradient(np.asarray(leaf), t).astype(dtype) for leaf in leaves)
        params, state = update({"w": w, "layers": [layer]}, state, params)
    rtol = 3e-4 if dtype == "f4" else 1e-6 if callable(chosen.learning_rate) else 1e-10
    begin = start("f8")
    for found, p in [(params["w"], begin["w"]), (params["layers"][0], begin["layers"][0])]:
        assert found.dtype.numpy == np.dtype(dtype)
        expected = reference(p.astype(dtype).astype("f8"), **options)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=rtol)
    assert state.step.item() == STEPS
    assert state.step.dtype is irf.i32


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.9), Adam(), SGD()])
def test_the_state_has_the_structure_of_the_parameters(optimizer):
    params = start("f4")
    state = optimizer.init(params)
    leaves, _ = irf.tree.flatten(state[1:])
    assert all(not np.asarray(leaf).any() for leaf in leaves)
    with pytest.raises(irf.errors.TreeError, match="structures differ"):
        optimizer.update([params["w"]], state, params)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_small_floats_stay_small(dtype):
    for optimizer in (
        SGD(inp.asarray(0.1), 0.9, weight_decay=0.1),
        Adam(lambda t: 0.1 / (1 + t.astype("f32")), weight_decay=0.1),
    ):
        p = inp.ones(3, dtype)
        moved, _ = optimizer.update(p, optimizer.init(p), p)
        assert moved.dtype is p.dtype
        assert np.isfinite(np.asarray(moved).astype(float)).all()


def test_a_learning_rate_may_be_traced():
    @irf.jit
    def step(rate, p):
        optimizer = SGD(rate)
        return optimizer.update(p, optimizer.init(p), p)[0]

    assert step(0.5, irf.asarray([2.0])).tolist() == [1.0]
    assert step(0.25, irf.asarray([2.0])).tolist() == [1.5]
    assert len(step.cache) == 1


def test_a_learning_rate_may_be_an_integer():
    assert SGD(1).update(irf.asarray(0.5), SGD().init(1.0), irf.asarray(2.0))[0].item() == 1.5


def test_training_finds_a_minimum():
    optimizer = Adam(0.1)

    @irf.jit
    def step(params, state):
        loss, grads = irf.value_and_grad(lambda p: ((p["x"] - 3) ** 2.0).sum())(params)
        return loss, *optimizer.update(grads, state, params)

    params = {"x": inp.zeros(4)}
    state = optimizer.init(params)
    for _ in range(200):
        loss, params, state = step(params, state)
    assert loss.item() < 1e-3
