"""Optimizers against formulas in NumPy; with Keras at hand, against Keras 3 (slow)."""

import importlib.util
import inspect
import math
import os

import numpy as np
import pytest

import irflow as irf
from irflow.keras import optimizers
from irflow.keras.optimizers import schedules
from irflow.keras.saving import registry

os.environ.setdefault("KERAS_BACKEND", "jax")
HAS_KERAS = importlib.util.find_spec("keras") is not None

STEPS = 7
RNG = np.random.default_rng(0)
START = [RNG.normal(size=shape).astype("f4") for shape in ((3, 4), (4,), (2, 3, 2))]
NAMES = ["dense/kernel", "dense/bias", "conv/kernel"]


@pytest.fixture(autouse=True)
def quick_backend(monkeypatch):
    if "IRFLOW_BACKEND" not in os.environ:
        monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def slope(p, t):
    """Some gradient that changes sign and size, and is 0 in one place."""
    g = np.cos(3 * p + t) * p + 0.1 * t - 0.2
    g.flat[0] = 0
    return g


def variables():
    return [irf.Variable(value, name) for value, name in zip(START, NAMES, strict=True)]


def trained(optimizer, wrap=lambda f: f, steps=STEPS):
    held = variables()
    optimizer.build(held)
    apply = wrap(lambda *grads: optimizer.apply(list(grads), held))
    for t in range(steps):
        apply(*(slope(v.numpy(), t) for v in held))
    return [v.numpy() for v in held]


# Each formula takes one parameter, its gradient, the step from 1 on, the rate and its own memory.


def sgd(p, g, t, rate, s, momentum=0.0, nesterov=False):
    s["v"] = momentum * s.get("v", 0) - rate * g
    return p + (momentum * s["v"] - rate * g if nesterov else s["v"])


def rmsprop(p, g, t, rate, s, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    s["a"] = rho * s.get("a", 0) + (1 - rho) * g
    spread = s["v"] - s["a"] ** 2 if centered else s["v"]
    s["m"] = momentum * s.get("m", 0) + rate * g / np.sqrt(spread + epsilon)
    return p - s["m"]


def adam(p, g, t, rate, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    size = np.sqrt(s["top"] if amsgrad else s["v"]) + epsilon
    return p - rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t) * s["m"] / size


def adamax(p, g, t, rate, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["u"] = np.maximum(beta_2 * s.get("u", 0), abs(g))
    return p - rate / (1 - beta_1**t) * s["m"] / (s["u"] + epsilon)


def nadam(p, g, t, rate, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    now, then = (beta_1 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
    s["u"] = s.get("u", 1) * now
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    mean = then * s["m"] / (1 - s["u"] * then) + (1 - now) * g / (1 - s["u"])
    return p - rate * mean / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)


def adagrad(p, g, t, rate, s, initial_accumulator_value=0.1, epsilon=1e-7):
    s["a"] = s.get("a", initial_accumulator_value) + g * g
    return p - rate * g / np.sqrt(s["a"] + epsilon)


def adadelta(p, g, t, rate, s, rho=0.95, epsilon=1e-7):
    s["a"] = rho * s.get("a", 0) + (1 - rho) * g * g
    d = -np.sqrt(s.get("d", 0) + epsilon) / np.sqrt(s["a"] + epsilon) * g
    s["d"] = rho * s.get("d", 0) + (1 - rho) * d * d
    return p + rate * d


def lion(p, g, t, rate, s, beta_1=0.9, beta_2=0.99):
    m = s.get("m", 0)
    s["m"] = beta_2 * m + (1 - beta_2) * g
    return p - rate * np.sign(beta_1 * m + (1 - beta_1) * g)


def lamb(p, g, t, rate, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    u = s["m"] / (1 - beta_1**t) / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)
    return p - rate * np.linalg.norm(p) / np.linalg.norm(u) * u


def ftrl(p, g, t, rate, s, learning_rate_power=-0.5, initial_accumulator_value=0.1,
         l1_regularization_strength=0.0, l2_regularization_strength=0.0,
         l2_shrinkage_regularization_strength=0.0, beta=0.0):  # fmt: skip
    l1, l2 = l1_regularization_strength, l2_regularization_strength + beta / (2 * rate)
    before = s.get("n", initial_accumulator_value)
    s["n"] = before + g * g
    grown = s["n"] ** -learning_rate_power - before**-learning_rate_power
    whole = g + 2 * l2_shrinkage_regularization_strength * p
    s["z"] = s.get("z", 0) + whole - grown / rate * p
    return (np.clip(s["z"], -l1, l1) - s["z"]) / (s["n"] ** -learning_rate_power / rate + 2 * l2)


def adafactor(p, g, t, rate, s, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3,
              clip_threshold=1.0, relative_step=True):  # fmt: skip
    def keep(name, value):
        decay = 1 - t**beta_2_decay
        s[name] = decay * s.get(name, 0) + (1 - decay) * value
        return s[name]

    square = g * g + epsilon_1
    if p.ndim < 2:
        v = keep("v", square)
    else:
        rows, columns = keep("r", square.mean(-1)), keep("c", square.mean(-2))
        v = (rows / rows.mean(-1, keepdims=True))[..., None] * columns[..., None, :]
    u = g / np.sqrt(v)
    u = u / max(1, math.sqrt((u * u).mean()) / clip_threshold)
    return p - min(rate, 1 / math.sqrt(t)) * max(epsilon_2, math.sqrt((p * p).mean())) * u


def muon(p, g, t, rate, s, momentum=0.95, ns_steps=5, nesterov=True, rms_rate=0.2, **of_adam):
    if p.ndim != 2:
        return adam(p, g, t, rate * of_adam.get("adam_lr_ratio", 1), s)
    s["m"] = momentum * s.get("m", 0) + g
    x = g + momentum * s["m"] if nesterov else s["m"]
    x = x / np.linalg.norm(x)
    for _ in range(ns_steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return p - rate * x * (1 if rms_rate is None else rms_rate * math.sqrt(max(p.shape)))


RULES = [
    ("SGD", sgd, {}),
    ("SGD", sgd, {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", sgd, {"momentum": 0.8, "nesterov": True}),
    ("RMSprop", rmsprop, {}),
    ("RMSprop", rmsprop, {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-3}),
    ("RMSprop", rmsprop, {"centered": True, "epsilon": 1e-3}),
    ("Adam", adam, {}),
    ("Adam", adam, {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Adam", adam, {"amsgrad": True, "beta_2": 0.5}),
    ("AdamW", adam, {}),
    ("AdamW", adam, {"weight_decay": 0.1, "amsgrad": True, "learning_rate": 0.01}),
    ("Adamax", adamax, {}),
    ("Adamax", adamax, {"learning_rate": 0.02, "beta_1": 0.7, "beta_2": 0.8, "epsilon": 1e-2}),
    ("Nadam", nadam, {}),
    ("Nadam", nadam, {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Adagrad", adagrad, {}),
    ("Adagrad", adagrad, {"initial_accumulator_value": 0.5, "epsilon": 0.1}),
    ("Adadelta", adadelta, {"learning_rate": 1.0}),
    ("Adadelta", adadelta, {"rho": 0.8, "epsilon": 1e-2}),
    ("Lion", lion, {}),
    ("Lion", lion, {"learning_rate": 0.01, "beta_1": 0.6, "beta_2": 0.5}),
    ("Lamb", lamb, {}),
    ("Lamb", lamb, {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Ftrl", ftrl, {}),
    ("Ftrl", ftrl, {"learning_rate": 0.1, "learning_rate_power": -0.7, "beta": 0.2}),
    ("Ftrl", ftrl, {"l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2,
                    "l2_shrinkage_regularization_strength": 0.1,
                    "initial_accumulator_value": 0.4}),
    ("Adafactor", adafactor, {}),
    ("Adafactor", adafactor, {"learning_rate": 0.5, "beta_2_decay": -0.5, "clip_threshold": 0.5,
                              "epsilon_2": 2.0}),
    ("Adafactor", adafactor, {"clip_threshold": 50.0, "learning_rate": 0.5}),
    ("Muon", muon, {}),
    ("Muon", muon, {"learning_rate": 0.02, "momentum": 0.5, "ns_steps": 3, "nesterov": False,
                    "rms_rate": None, "adam_lr_ratio": 0.5}),
]  # fmt: skip
PURE = [row for row in RULES if getattr(optimizers, row[0])._rule_class is not None]
OPTIONS = [
    {"weight_decay": 0.05},
    {"clipnorm": 0.3},
    {"clipvalue": 0.1},
    {"global_clipnorm": 0.5},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 0.2, "use_ema": True,
     "ema_overwrite_frequency": 2, "weight_decay": 0.1},
    {"loss_scale_factor": 8.0},
    {"learning_rate": ["CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 5}]},
]  # fmt: skip
ALL = [
    *((name, arguments) for name, _, arguments in RULES),
    *((name, option) for name in ("SGD", "Adam", "Nadam") for option in OPTIONS),
]


def name_of(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[-1].items())])


def made(name, arguments, of=optimizers):
    rate = arguments.get("learning_rate")
    if isinstance(rate, list):
        rate = getattr(of.schedules, rate[0])(**rate[1])
        arguments = {**arguments, "learning_rate": rate}
    return getattr(of, name)(**arguments)


def by_formula(rule, name, arguments, steps=STEPS):
    settings = inspect.signature(getattr(optimizers, name)).parameters
    arguments = {k: v for k, v in arguments.items() if k != "learning_rate"} | {
        "rate": arguments.get("learning_rate", settings["learning_rate"].default)
    }
    decay = arguments.pop("weight_decay", settings["weight_decay"].default) or 0
    result = []
    for p in START:
        p, memory = p.astype("f8"), {}
        for t in range(1, steps + 1):
            g = slope(p, t - 1)
            p = rule(p * (1 - decay * arguments["rate"]), g, t, s=memory, **arguments)
        result.append(p)
    return result


@pytest.mark.parametrize(("name", "rule", "arguments"), RULES, ids=map(name_of, RULES))
def test_formulas(name, rule, arguments):
    found = trained(made(name, arguments), irf.jit)
    for p, expected in zip(found, by_formula(rule, name, arguments), strict=True):
        np.testing.assert_allclose(p, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "rule", "arguments"), PURE, ids=map(name_of, PURE))
def test_the_pure_rule_does_the_same(name, rule, arguments):
    arguments = {k: v for k, v in arguments.items() if k != "relative_step"}
    pure = getattr(irf.optim, name)(**arguments)
    params = dict(zip(NAMES, START, strict=True))
    state = pure.init(params)
    for t in range(STEPS):
        grads = {name: slope(np.asarray(p), t) for name, p in params.items()}
        params, state = pure.update(grads, state, params)
    expected = trained(made(name, arguments))  # at once, not compiled
    for p, q in zip([params[name] for name in NAMES], expected, strict=True):
        np.testing.assert_allclose(np.asarray(p), q, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", [("Nadam", option) for option in OPTIONS], ids=name_of)
def test_a_compiled_step_does_the_same(case):
    found, expected = (trained(made(*case), wrap) for wrap in (irf.jit, lambda f: f))
    for p, q in zip(found, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Nadam"])
def test_inside_a_compiled_loop(name):
    """The variables are carried by a scan over steps, as in `fit`."""
    optimizer, held = getattr(optimizers, name)(), variables()
    optimizer.build(held)

    def step(carry, t):
        optimizer.apply([irf.numpy.cos(v * 3 + t) * v for v in held])
        return carry, None

    irf.jit(lambda: irf.scan(step, None, np.arange(5, dtype="f4")))()
    other, single = getattr(optimizers, name)(), variables()
    for t in range(5):
        grads = [np.cos(v.numpy() * 3 + np.float32(t)) * v.numpy() for v in single]
        other.apply_gradients(zip(grads, single, strict=True))
    for p, q in zip(held, single, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)
    assert int(optimizer.iterations.value) == 5


# ------------------------------------------------------------------------------ what all share


def test_weight_decay_comes_first_and_can_leave_variables_out():
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    held = variables()
    optimizer.apply([np.zeros_like(p) for p in START], held)
    for v, p, factor in zip(held, START, (0.95, 1, 0.95), strict=True):
        np.testing.assert_allclose(v.numpy(), p * np.float32(factor), rtol=1e-6)
    by_variable = optimizers.AdamW(0.1, weight_decay=0.5)
    held = variables()
    by_variable.exclude_from_weight_decay(var_list=held[:1])
    by_variable.apply([np.zeros_like(p) for p in START], held)
    np.testing.assert_array_equal(held[0].numpy(), START[0])
    with pytest.raises(irf.errors.UsageError, match="before the optimizer is built"):
        by_variable.exclude_from_weight_decay(var_names=["kernel"])


def test_clipping():
    grads = [slope(p, 3) for p in START]
    norms = [np.linalg.norm(g) for g in grads]
    total = math.sqrt(sum(n * n for n in norms))
    for option, expected in [
        ({"clipnorm": 0.5}, [g * min(1, 0.5 / n) for g, n in zip(grads, norms, strict=True)]),
        ({"clipvalue": 0.1}, [np.clip(g, -0.1, 0.1) for g in grads]),
        ({"global_clipnorm": 0.5}, [g * min(1, 0.5 / total) for g in grads]),
        ({"global_clipnorm": 500.0}, grads),
    ]:
        held = variables()
        optimizers.SGD(1.0, **option).apply(grads, held)
        for v, p, g in zip(held, START, expected, strict=True):
            np.testing.assert_allclose(v.numpy(), p - g, rtol=1e-5, atol=1e-6)
    endless = irf.optim.clip_by_global_norm([np.array([np.inf, 1.0])], 1.0)
    assert np.isnan(np.asarray(endless[0])).all()


def test_running_means():
    optimizer, held = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75), variables()[:1]
    means = 0.0
    for t in range(4):
        optimizer.apply([slope(held[0].numpy(), t)], held)
        means = held[0].numpy() if t == 0 else 0.75 * means + 0.25 * held[0].numpy()
    optimizer.finalize_variable_values(held)
    np.testing.assert_allclose(held[0].numpy(), means, rtol=1e-5)


def test_running_means_that_take_over():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3)
    held, p, means = variables()[:1], START[0].astype("f8"), 0.0
    for t in range(7):
        optimizer.apply([slope(p, t).astype("f4")], held)
        p = p - 0.1 * slope(p, t)
        means = p if t == 0 else 0.75 * means + 0.25 * p
        p = means if t % 3 == 2 else p
        np.testing.assert_allclose(held[0].numpy(), p, rtol=1e-4, atol=1e-5)


def test_gradients_that_are_gathered():
    optimizer, held = optimizers.SGD(0.1, gradient_accumulation_steps=2), variables()[:1]
    grads = [slope(START[0], t) for t in range(4)]
    for g in grads[:3]:
        optimizer.apply([g], held)
    np.testing.assert_allclose(held[0].numpy(), START[0] - 0.1 * (grads[0] + grads[1]) / 2, 1e-5)
    assert int(optimizer.iterations) == 1
    optimizer.apply([grads[3]], held)
    np.testing.assert_allclose(held[0].numpy(), START[0] - 0.05 * sum(grads), rtol=1e-4, atol=1e-6)


def test_the_learning_rate_can_be_set():
    optimizer, held = optimizers.SGD(0.5), variables()[:1]
    optimizer.learning_rate = 0.25
    optimizer.learning_rate.assign(optimizer.learning_rate * 0.5)
    assert float(optimizer.learning_rate) == 0.125
    step = irf.jit(lambda: optimizer.apply([np.ones_like(START[0])], held))
    optimizer.build(held)
    step()
    optimizer.learning_rate = 1.0  # a compiled step takes the new one
    step()
    np.testing.assert_allclose(held[0].numpy(), START[0] - 1.125, rtol=1e-5, atol=1e-6)
    optimizer.learning_rate = schedules.ExponentialDecay(0.5, 2, 0.25)
    assert float(optimizer.learning_rate) == pytest.approx(0.125)
    with pytest.raises(irf.errors.UsageError, match="follows a schedule"):
        optimizer.learning_rate = 0.1
    by_function = optimizers.SGD(lambda: 0.5)
    by_function.apply([np.ones_like(START[0])], held)
    np.testing.assert_allclose(held[0].numpy(), START[0] - 1.625, rtol=1e-5, atol=1e-6)


def test_loss_scale():
    inner, held = optimizers.SGD(0.5), variables()[:1]
    optimizer = optimizers.LossScaleOptimizer(inner, initial_scale=4.0, dynamic_growth_steps=2)
    optimizer.build(held)
    apply = irf.jit(lambda g: optimizer.apply([g], held))
    one, bad = np.ones_like(START[0]), np.full_like(START[0], np.inf)
    scales = []
    for g in (one, bad, one, one, one):
        apply(g * np.float32(optimizer.scale_loss(1.0)))
        scales.append(float(optimizer.dynamic_scale))
    assert scales == [4, 2, 2, 4, 4]
    assert int(optimizer.iterations) == 4
    np.testing.assert_allclose(held[0].numpy(), START[0] - 2, rtol=1e-5, atol=1e-6)
    copy = optimizers.deserialize(optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()


class Halving(optimizers.Optimizer):
    """An optimizer of one's own."""

    def __init__(self, learning_rate=0.1, **kwargs):
        super().__init__(learning_rate, **kwargs)

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.sums = self.add_optimizer_variables(variables, "sum")

    def update_step(self, gradient, variable, learning_rate):
        total = self.sums[self._get_variable_index(variable)]
        self.assign(total, total * 0.5 + gradient)
        self.assign_sub(variable, total * learning_rate)


def test_optimizers_of_ones_own():
    optimizer = Halving(weight_decay=0.1, clipvalue=0.5)
    held = variables()[:1]
    p, total = START[0].astype("f8"), 0.0
    for t in range(3):
        g = slope(p, t)
        optimizer.apply([g.astype("f4")], held)
        total = 0.5 * total + np.clip(g, -0.5, 0.5)
        p = p * 0.99 - 0.1 * total
    np.testing.assert_allclose(held[0].numpy(), p, rtol=1e-4, atol=1e-5)
    assert [v.name for v in optimizer.variables] == [
        "halving/iteration", "halving/learning_rate", "halving/dense_kernel_sum"
    ]  # fmt: skip


@pytest.mark.parametrize("case", ALL, ids=name_of)
def test_state_and_configs(case):
    optimizer = made(*case)
    trained(optimizer, steps=1)
    config = optimizer.get_config()
    copy = type(optimizer).from_config(config)
    assert copy.get_config() == config
    copy = optimizers.deserialize(registry.serialize_keras_object(optimizer))
    assert copy.get_config() == config
    copy.build(variables())
    store = {}
    optimizer.save_own_variables(store)
    copy.load_own_variables(store)
    for v, w in zip(copy.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(v.numpy(), w.numpy())


def test_a_state_that_does_not_fit_is_not_loaded():
    optimizer = optimizers.Adam()
    optimizer.build(variables())
    with pytest.warns(UserWarning, match="is not loaded: 1 values are saved"):
        optimizer.load_own_variables({"0": 1})
    with pytest.raises(irf.errors.UsageError, match="1 values for 8 variables"):
        optimizer.set_weights([0])


def test_names():
    assert isinstance(optimizers.get("adam"), optimizers.Adam)
    assert isinstance(optimizers.get("RMSprop"), optimizers.RMSprop)
    assert isinstance(optimizers.get("ADAMW"), optimizers.AdamW)
    assert isinstance(optimizers.get(optimizers.Lion), optimizers.Lion)
    found = optimizers.get({"class_name": "SGD", "config": {"learning_rate": 0.5}})
    assert float(found.learning_rate) == 0.5
    with pytest.raises(irf.errors.UnknownNameError, match="did you mean 'adam'"):
        optimizers.get("adaam")
    with pytest.raises(irf.errors.UsageError, match="no optimizer: 3"):
        optimizers.get(3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: optimizers.SGD(momentum=2.0), "momentum is 2.0"),
        (lambda: optimizers.Lion(beta_1=0.0), "beta_1 is 0.0"),
        (lambda: optimizers.Ftrl(learning_rate_power=1.0), "learning_rate_power is 1.0"),
        (lambda: optimizers.Adam(learning_rate="fast"), "a number, a schedule or a function"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "only one kind of clipping"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=1.5), "ema_momentum is 1.5"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "at least 2"),
        (lambda: optimizers.Adam(learning_rat=1.0), "did you mean 'learning_rate'"),
        (lambda: optimizers.Adam().apply([1.0]), "must be built first"),
        (lambda: optimizers.Adam().apply(START[:2], variables()), "2 gradients for 3 variables"),
        (lambda: optimizers.Adam().apply(START[::-1], variables()), "another shape"),
        (lambda: optimizers.Adam().apply([None] * 3, variables()), "no gradient for any"),
        (lambda: optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0), "inner optimizer"),
        (lambda: schedules.CosineDecay(0.1, 0), "decay_steps must be above 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), "one value more"),
    ],
)
def test_errors(make, text):
    with pytest.raises(irf.IrflowError, match=text):
        make()


def test_other_variables():
    optimizer = optimizers.Adam()
    optimizer.build(variables())
    with pytest.raises(irf.errors.UsageError, match="built for other variables"):
        optimizer.apply(START, variables())
    held = variables()
    with pytest.warns(UserWarning, match="does not depend on dense/bias"):
        optimizers.Adam().apply([START[0], None, START[2]], held)
    np.testing.assert_array_equal(held[1].numpy(), START[1])


# ------------------------------------------------------------------------------------ schedules


def cosine(t, top, length, alpha=0.0):
    return top * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(t, length) / length)) + alpha)


def restarts(t, top, length, t_mul, m_mul, alpha):
    height = 1.0
    while t >= length:
        t, length, height = t - length, length * t_mul, height * m_mul
    return top * ((1 - alpha) * 0.5 * height * (1 + math.cos(math.pi * t / length)) + alpha)


SCHEDULES = [
    ("ExponentialDecay", (0.5, 4, 0.3), {}, lambda t: 0.5 * 0.3 ** (t / 4)),
    ("ExponentialDecay", (0.5, 4, 0.3, True), {}, lambda t: 0.5 * 0.3 ** (t // 4)),
    ("InverseTimeDecay", (0.5, 4, 2.0), {}, lambda t: 0.5 / (1 + 2 * t / 4)),
    ("InverseTimeDecay", (0.5, 4, 2.0, True), {}, lambda t: 0.5 / (1 + 2 * (t // 4))),
    ("PiecewiseConstantDecay", ([3, 7], [1.0, 0.5, 0.1]), {},
     lambda t: 1.0 if t <= 3 else 0.5 if t <= 7 else 0.1),
    ("PolynomialDecay", (0.5, 8), {}, lambda t: (0.5 - 1e-4) * (1 - min(t, 8) / 8) + 1e-4),
    ("PolynomialDecay", (0.5, 8, 0.1, 2.0), {}, lambda t: 0.4 * (1 - min(t, 8) / 8) ** 2 + 0.1),
    ("PolynomialDecay", (0.5, 8, 0.1), {"cycle": True},
     lambda t: 0.4 * (1 - t / (8 * max(1, math.ceil(t / 8)))) + 0.1),
    ("CosineDecay", (0.5, 8), {}, lambda t: cosine(t, 0.5, 8)),
    ("CosineDecay", (0.5, 8, 0.2), {}, lambda t: cosine(t, 0.5, 8, 0.2)),
    ("CosineDecay", (0.1, 8), {"warmup_target": 0.5, "warmup_steps": 4},
     lambda t: 0.1 + 0.4 * t / 4 if t < 4 else cosine(t - 4, 0.5, 8)),
    ("CosineDecayRestarts", (0.5, 3), {}, lambda t: restarts(t, 0.5, 3, 2, 1, 0)),
    ("CosineDecayRestarts", (0.5, 5, 1.0, 0.7, 0.1), {},
     lambda t: restarts(t, 0.5, 5, 1, 0.7, 0.1)),
    ("CosineDecayRestarts", (0.5, 3, 1.5, 0.9), {}, lambda t: restarts(t, 0.5, 3, 1.5, 0.9, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs", "formula"), SCHEDULES)
def test_schedules(name, args, kwargs, formula):
    schedule = getattr(schedules, name)(*args, **kwargs)
    compiled = irf.jit(lambda t: schedule(t))
    for t in range(20):
        for found in (schedule(t), compiled(np.int64(t)), schedule(irf.Variable(t))):
            assert found.dtype is irf.f32
            assert float(found) == pytest.approx(formula(t), rel=1e-4, abs=1e-6)
    config = schedule.get_config()
    assert type(schedule).from_config(config).get_config() == config
    assert schedules.deserialize(schedules.serialize(schedule)).get_config() == config


def test_schedules_of_ones_own():
    class Halves(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5 ** irf.numpy.asarray(step, "f4")

    optimizer, held = optimizers.SGD(Halves()), variables()[:1]
    optimizer.build(held)
    step = irf.jit(lambda: optimizer.apply([np.ones_like(START[0])]))
    for _ in range(3):
        step()
    np.testing.assert_allclose(held[0].numpy(), START[0] - 1.75, rtol=1e-5, atol=1e-6)


# -------------------------------------------------------------------------------------- Keras 3

needs_keras = pytest.mark.skipif(not HAS_KERAS, reason="Keras is not at hand")


@pytest.mark.slow
@needs_keras
@pytest.mark.parametrize("case", ALL, ids=name_of)
def test_like_keras(case):
    import keras

    optimizer = made(*case, of=keras.optimizers)
    held = [
        keras.Variable(p, name=name.replace("/", "_")) for p, name in zip(START, NAMES, strict=True)
    ]
    optimizer.build(held)
    for t in range(STEPS):
        optimizer.apply([slope(np.array(v), t) for v in held])
    ours = made(*case)
    for p, q in zip(trained(ours), held, strict=True):
        np.testing.assert_allclose(p, np.asarray(q), rtol=1e-4, atol=1e-5)
    assert set(ours.get_config()) == set(optimizer.get_config())
    signatures = [inspect.signature(type(o).__init__).parameters for o in (ours, optimizer)]
    assert list(signatures[0]) == list(signatures[1])
    for name, parameter in signatures[0].items():
        assert parameter.default == signatures[1][name].default


@pytest.mark.slow
@needs_keras
@pytest.mark.parametrize(("name", "args", "kwargs", "formula"), SCHEDULES)
def test_schedules_like_keras(name, args, kwargs, formula):
    import keras

    theirs = getattr(keras.optimizers.schedules, name)(*args, **kwargs)
    ours = getattr(schedules, name)(*args, **kwargs)
    for t in range(20):
        np.testing.assert_allclose(float(ours(t)), float(theirs(t)), rtol=1e-5, atol=1e-7)
    assert ours.get_config() == theirs.get_config()
