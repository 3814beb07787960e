"""Each distribution against its closed form, with fixed keys, and equal on all backends."""

import math

import numpy as np
import pytest

import irflow as irf
from irflow import random
from irflow.special import erf, lgamma

N = 20_000
CRITICAL = 1.95 / math.sqrt(N)  # of the Kolmogorov distance at a level of 0.1 %


def normal_cdf(x):
    return 0.5 * (1 + erf(x / math.sqrt(2)))


def truncated(low, high):
    a, b = normal_cdf(np.float64(low)), normal_cdf(np.float64(high))
    return lambda x: (normal_cdf(x) - a) / (b - a)


def integrated(log_density, low=1e-9, high=60.0, points=400_001, power=4):
    """A distribution function by quadrature, with finer steps near the lower end."""

    def cdf(x):
        t = np.linspace(0, 1, points)
        grid = low + (high - low) * t**power
        density = np.exp(log_density(grid)) * (high - low) * power * t ** (power - 1)
        sums = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)]) * (t[1] - t[0])
        return np.interp(x, grid, sums)

    return cdf


def gamma_cdf(a):
    return integrated(lambda x: (a - 1) * np.log(x) - x - lgamma(np.float64(a)))


def beta_cdf(a, b):
    constant = lgamma(np.float64(a + b)) - lgamma(np.float64(a)) - lgamma(np.float64(b))
    return integrated(
        lambda x: constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x), high=1 - 1e-12
    )


def student_cdf(df):
    constant = lgamma((df + 1) / 2) - lgamma(df / 2) - 0.5 * np.log(df * np.pi)
    half = integrated(lambda x: constant - (df + 1) / 2 * np.log1p(x * x / df), 0.0, 4000.0)
    return lambda x: 0.5 + np.sign(x) * half(np.abs(x))


CONTINUOUS = {
    # name: (draw, distribution function)
    "normal": (lambda k: random.normal(k, (N,)), normal_cdf),
    "truncated": (lambda k: random.truncated_normal(k, (N,)), truncated(-2, 2)),
    "truncated-tail": (lambda k: random.truncated_normal(k, N, "f32", 1, 3.5), truncated(1, 3.5)),
    "exponential": (lambda k: random.exponential(k, (N,)), lambda x: -np.expm1(-x)),
    "exponential-f64": (lambda k: random.exponential(k, N, "f64"), lambda x: -np.expm1(-x)),
    "gumbel": (lambda k: random.gumbel(k, (N,)), lambda x: np.exp(-np.exp(-x))),
    "laplace": (
        lambda k: random.laplace(k, (N,)),
        lambda x: np.where(x < 0, np.exp(-np.abs(x)) / 2, 1 - np.exp(-np.abs(x)) / 2),
    ),
    "logistic": (lambda k: random.logistic(k, (N,)), lambda x: 1 / (1 + np.exp(-x))),
    "cauchy": (lambda k: random.cauchy(k, (N,)), lambda x: 0.5 + np.arctan(x) / np.pi),
    "gamma": (lambda k: random.gamma(k, 3.5, (N,)), gamma_cdf(3.5)),
    "gamma-below-1": (lambda k: random.gamma(k, 0.6, N, "f64"), gamma_cdf(0.6)),
    "beta": (lambda k: random.beta(k, 2.0, 3.0, (N,)), beta_cdf(2.0, 3.0)),
    "dirichlet": (
        lambda k: random.dirichlet(k, [2.0, 1.0, 2.0], (N,))[:, 0],
        beta_cdf(2.0, 3.0),
    ),
    "chisquare": (lambda k: random.chisquare(k, 5.0, (N,)) / 2, gamma_cdf(2.5)),
    "student": (lambda k: random.student_t(k, 4.0, (N,)), student_cdf(4.0)),
}


def distance(x, cdf):
    """Kolmogorov's: the largest difference of the two distribution functions."""
    expected = cdf(np.sort(x))
    steps = np.arange(len(x) + 1) / len(x)
    return max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name):
    draw, cdf = CONTINUOUS[name]
    x = np.asarray(draw(random.key(1))).astype(np.float64)
    assert np.isfinite(x).all()
    assert distance(x, cdf) < CRITICAL
    assert distance(x + 0.1 * x.std() if name != "cauchy" else x + 0.2, cdf) > CRITICAL


def poisson_mass(rate):
    k = np.arange(int(rate + 12 * math.sqrt(rate) + 12), dtype=np.float64)
    return np.exp(k * math.log(rate) - rate - lgamma(k + 1))


def binomial_mass(n, p):
    k = np.arange(n + 1, dtype=np.float64)
    ways = lgamma(np.float64(n + 1)) - lgamma(k + 1) - lgamma(n - k + 1)
    return np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


WEIGHTS = np.array([0.1, 0.4, 0.0, 0.3, 0.2])

DISCRETE = {
    # name: (draw, probabilities of 0, 1, …)
    "poisson": (lambda k: random.poisson(k, 3.0, (N,)), poisson_mass(3.0)),
    "poisson-large": (lambda k: random.poisson(k, 41.5, (N,)), poisson_mass(41.5)),
    "binomial": (lambda k: random.binomial(k, 12, 0.3, (N,)), binomial_mass(12, 0.3)),
    "binomial-large": (lambda k: random.binomial(k, 90, 0.8, (N,)), binomial_mass(90, 0.8)),
    "categorical": (
        lambda k: random.categorical(k, np.log(np.maximum(WEIGHTS, 1e-300)), shape=(N,)),
        WEIGHTS,
    ),
    "choice": (lambda k: random.choice(k, 5, (N,), p=WEIGHTS), WEIGHTS),
    "choice-equal": (lambda k: random.choice(k, 4, (N,)), np.full(4, 0.25)),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    draw, mass = DISCRETE[name]
    x = np.asarray(draw(random.key(2)))
    assert x.dtype == np.int64
    counts = np.bincount(x, minlength=len(mass))
    assert len(counts) == len(mass)
    assert not counts[mass == 0].any()
    off = np.abs(counts - N * mass) / np.sqrt(np.maximum(N * mass * (1 - mass), 1))
    assert off.max() < 4.5
    assert abs(np.max(np.cumsum(counts / N) - np.cumsum(mass))) < CRITICAL


SMALL = {
    "truncated_normal": lambda k: random.truncated_normal(k, (50,)),
    "gumbel": lambda k: random.gumbel(k, (50,)),
    "laplace": lambda k: random.laplace(k, (50,), "f64"),
    "logistic": lambda k: random.logistic(k, (50,)),
    "gamma": lambda k: random.gamma(k, np.linspace(0.1, 9, 50)),
    "beta": lambda k: random.beta(k, np.linspace(0.1, 9, 50), 2.0),
    "student_t": lambda k: random.student_t(k, 3.0, (50,)),
    "poisson": lambda k: random.poisson(k, np.linspace(0, 50, 50)),
    "binomial": lambda k: random.binomial(k, np.arange(50), 0.4),
    "categorical": lambda k: random.categorical(k, np.linspace(0, 3, 5), shape=(50,)),
    "permutation": lambda k: random.permutation(k, 50),
    "rows": lambda k: random.permutation(k, np.arange(50).reshape(5, 10), 1, independent=True),
    "choice": lambda k: random.choice(k, np.arange(70), (50,), replace=False),
    "weighted": lambda k: random.choice(k, 60, (50,), False, np.arange(1.0, 61.0)),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_backends_agree(name, backend):
    """Integers exactly; floats to some units in the last place."""
    key = random.key(3)
    once = np.asarray(SMALL[name](key))
    found = np.asarray(irf.jit(SMALL[name], backend=backend)(key))
    assert found.dtype == once.dtype
    if once.dtype.kind == "i":
        np.testing.assert_array_equal(found, once)
    else:
        eps = np.finfo(once.dtype).eps
        np.testing.assert_allclose(found, once, rtol=200 * eps, atol=20 * eps)


def test_permutations_hold_every_element_once():
    x = np.arange(24).reshape(6, 4)
    order = np.asarray(random.permutation(random.key(4), 1000))
    assert sorted(order) == list(range(1000))
    assert np.abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.1
    rows = np.asarray(random.shuffle(random.key(4), x))
    assert {tuple(row) for row in rows} == {tuple(row) for row in x}
    apart = np.asarray(random.permutation(random.key(5), x, 1, independent=True))
    assert (np.sort(apart, 1) == x).all()
    assert len({tuple(row % 4) for row in apart}) > 1
    first = [int(random.permutation(random.key(i), 3)[0]) for i in range(300)]
    assert np.abs(np.bincount(first) - 100).max() < 35


def test_choice_without_replacement():
    for p in (None, np.arange(1.0, 11.0)):
        found = np.asarray(random.choice(random.key(6), np.arange(10) * 2, (7,), False, p))
        assert len(set(found)) == 7
        assert set(found) <= set(range(0, 20, 2))
    weights = np.array([1.0, 2.0, 0.0, 5.0])
    draw = irf.jit(lambda k: random.choice(k, 4, (2,), False, weights))
    pairs = np.array([np.asarray(draw(random.key(i))) for i in range(500)])
    np.testing.assert_allclose(np.bincount(pairs[:, 0]) / 500, weights / 8, atol=0.06)
    assert 2 not in pairs
    columns = random.choice(random.key(6), np.ones((2, 5, 3)), (2, 2), axis=1)
    assert columns.shape == (2, 2, 2, 3)
    with pytest.raises(irf.errors.UsageError, match="choice: 4 of 3 elements"):
        random.choice(random.key(0), 3, (4,), replace=False)
    with pytest.raises(irf.errors.UsageError, match="choice: 1 of 0 elements"):
        random.choice(random.key(0), 0, (1,))


def test_parameters_that_are_none():
    """No endless loop: NaN or -1 says that there is no such distribution."""
    a = np.array([-1.0, np.nan, np.inf, 2.0])
    found = np.asarray(random.gamma(random.key(7), a))
    assert np.isnan(found[:2]).all()
    assert found[2] == np.inf
    assert found[3] > 0
    rates = np.array([-1.0, np.nan, np.inf, 0.0, 30.0])
    found = random.poisson(random.key(7), rates).tolist()
    assert found[:4] == [-1, -1, -1, 0]
    found = random.binomial(random.key(7), [5, 5, 5, 5, 0], [-0.1, np.nan, 0.0, 1.0, 0.5])
    assert found.tolist() == [-1, -1, 0, 5, 0]
    with pytest.raises(irf.errors.UsageError, match="no probability between 30"):
        random.truncated_normal(random.key(0), (3,), low=30, high=31)


def test_shapes_and_types():
    key = random.key(8)
    assert random.gamma(key, np.ones((3, 1))).shape == (3, 1)
    assert random.beta(key, np.ones((3, 1)), np.ones(4)).shape == (3, 4)
    assert random.dirichlet(key, np.ones((2, 3)), (5, 2)).shape == (5, 2, 3)
    assert random.categorical(key, np.zeros((2, 3, 4)), 1).shape == (2, 4)
    assert random.gamma(key, 1.0, (), "bf16").dtype is irf.bf16
    assert random.poisson(key, 1.0, (2,), "i32").dtype is irf.i32
    samples = irf.jit(lambda k, x: random.categorical(k, x), spec=("u32[2]", "f32[n, 3]"))
    assert samples(key, np.zeros((5, 3), np.float32)).shape == (5,)
