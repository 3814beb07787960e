"""Random numbers: the same on every run, of the right shape and distribution, with checked keys."""

import numpy as np
import pytest

import irflow as irf
from irflow import random

N = 40_000


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def test_keys():
    assert random.key(5).tolist() == [5, 0]
    assert random.key(2**32 + 7).tolist() == [7, 1]
    assert random.key(-1).tolist() == [2**32 - 1, 2**32 - 1]
    assert random.key(0).dtype is irf.u32
    for seed in (True, "7", [7]):
        with pytest.raises(irf.errors.UsageError, match="a seed is a whole number, not "):
            random.key(seed)
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(irf.errors.UsageError, match="does not fit in 64 bits"):
            random.key(seed)


def test_known_bits():
    """Philox-4x32-10 with key 0 and counter 0: the first block of the published test vectors."""
    block = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert random.bits(random.key(0), (4,)).tolist() == block
    long = np.asarray(random.bits(random.key(0), (4 * 10,)))
    assert long[[0, 10, 20, 30]].tolist() == block, "word i div q of block i mod q"


def test_shapes_do_not_change_the_numbers_of_one_size():
    key = random.key(1)
    flat = np.asarray(random.bits(key, 24))
    assert same(random.bits(key, (2, 3, 4)), flat.reshape(2, 3, 4))
    assert random.bits(key).shape == ()
    assert random.normal(key, (0, 3)).shape == (0, 3)
    assert random.uniform(key, [2, 2]).shape == (2, 2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda k: random.bits(k, (5, 3)),
        lambda k: random.uniform(k, (5, 3), "f64", -1, 2),
        lambda k: random.normal(k, (5, 3)),
        lambda k: random.bernoulli(k, 0.3, (5, 3)),
        lambda k: random.randint(k, -3, 9, (5, 3)),
        lambda k: random.split(k, 3),
        lambda k: random.fold_in(k, 17),
    ],
)
def test_a_key_gives_the_same_numbers_everywhere(draw, monkeypatch):
    once = np.asarray(irf.numpy.stack(list(draw(random.key(9)))))
    compiled = irf.jit(lambda k: irf.numpy.stack(list(draw(k))))
    assert same(compiled(random.key(9)), once)
    assert not same(compiled(random.key(10)), once)
    monkeypatch.setenv("IRFLOW_EAGER", "jit")
    assert same(irf.numpy.stack(list(draw(random.key(9)))), once)


def test_split_and_fold_in_give_new_keys():
    key = random.key(0)
    keys = [key, *random.split(key, 3), *(random.fold_in(key, i) for i in range(4))]
    assert len({tuple(k.tolist()) for k in keys}) == 8
    draws = np.stack([np.asarray(random.uniform(k, (N,))) for k in keys])
    correlation = np.corrcoef(draws) - np.eye(8)
    assert np.abs(correlation).max() < 0.03
    a, b = random.split(key)
    assert a.shape == b.shape == (2,)
    step = irf.jit(lambda k, i: random.fold_in(k, i))
    assert same(step(key, 3), random.fold_in(key, 3)), "the number may be traced"


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
def test_uniform(dtype):
    found = random.uniform(random.key(2), (N,), dtype)
    assert str(found.dtype) == dtype
    x = np.asarray(found).astype(float)
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.01
    assert abs(x.var() - 1 / 12) < 0.002
    y = np.asarray(random.uniform(random.key(2), (N,), dtype, low=-2, high=5)).astype(float)
    assert y.min() >= -2
    assert y.max() < 5 or dtype in ("f16", "bf16")
    assert abs(y.mean() - 1.5) < 0.06


@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
def test_normal(dtype):
    found = random.normal(random.key(3), (N,), dtype)
    assert str(found.dtype) == dtype
    x = np.asarray(found).astype(float)
    assert np.isfinite(x).all()
    assert abs(x.mean()) < 0.02
    assert abs(x.var() - 1) < 0.03
    assert abs((x**3).mean()) < 0.06
    assert abs((x**4).mean() - 3) < 0.2
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.01


def test_bernoulli():
    for p in (0.0, 0.25, 1.0):
        found = np.asarray(random.bernoulli(random.key(4), p, (N,)))
        assert found.dtype == bool
        assert abs(found.mean() - p) <= (0.01 if 0 < p < 1 else 0)
    p = np.array([0.0, 0.5, 1.0], np.float32)
    found = np.asarray(random.bernoulli(random.key(4), p, (N, 3))).mean(0)
    assert found[0] == 0
    assert found[2] == 1
    assert abs(found[1] - 0.5) < 0.01
    assert random.bernoulli(random.key(4), p).shape == (3,)
    assert random.bernoulli(random.key(4)).shape == ()
    with pytest.raises(irf.errors.UsageError, match="is no probability"):
        random.bernoulli(random.key(4), 1.5, (3,))


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-7, 3), (0, 1), (-(2**40), 2**40)])
def test_randint(low, high):
    x = np.asarray(random.randint(random.key(5), low, high, (N,)))
    assert x.dtype == np.int64
    assert x.min() >= low
    assert x.max() < high
    if high - low < 20:
        counts = np.bincount(x - low, minlength=high - low) / N
        np.testing.assert_allclose(counts, 1 / (high - low), atol=0.01)
    else:
        assert abs(x.mean()) < 0.02 * high
    assert random.randint(random.key(5), 0, 6, (3,), "u8").dtype is irf.u8


@pytest.mark.parametrize("key", [7, np.zeros(2, np.int64), np.zeros(3, np.uint32), [0, 1]])
def test_what_is_no_key(key):
    with pytest.raises(irf.errors.UsageError) as caught:
        random.normal(key, (3,))
    assert caught.value.summary.startswith("a random key has type u32[2], not ")
    assert caught.value.hint == "make one with irf.random.key(seed)"
    assert caught.value.location.function == "test_what_is_no_key"


def test_symbolic_shapes():
    f = irf.jit(lambda k, x: random.uniform(k, x.shape), spec=("u32[2]", "f32[n, 3]"))
    for n in (1, 4):
        found = f(random.key(0), np.zeros((n, 3), np.float32))
        assert same(found, random.uniform(random.key(0), (n, 3)))
