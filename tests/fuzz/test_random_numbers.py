"""Random masks and whole trainings, bit for bit."""

import numpy as np
import pytest

import irflow as irf
from irflow import random
from irflow.testing.functions import Training, arrays_of
from irflow.testing.reference import assert_same_bits

BACKENDS = ("numpy", "llvm")


@pytest.mark.parametrize("shape", [(), (1,), (7,), (64, 33), (0, 3), (3, 5, 2)])
def test_dropout_masks_have_the_same_bits_on_all_backends(shape: tuple[int, ...]) -> None:
    def mask(key):
        return random.bernoulli(key, 0.8, shape), random.bits(key, shape)

    eager = arrays_of(mask(random.key(3)))
    for name in BACKENDS:
        compiled = arrays_of(irf.jit(mask, backend=name)(random.key(3)))
        assert_same_bits(eager, compiled, f"{name}: masks of shape {shape}")


def test_dropout_keeps_the_same_elements_on_all_backends() -> None:
    x = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32) + 5

    def drop(x, key):
        return irf.nn.dropout(x, 0.3, key)

    results = [
        arrays_of(irf.jit(drop, backend=name)(x, random.key(11)))[0] != 0 for name in BACKENDS
    ]
    assert_same_bits(results[:1], results[1:], "masks")
    assert 0.65 < results[0].mean() < 0.75


def train(backend: str, seed: int, steps: int = 12) -> list[np.ndarray]:
    """The weights after a training with its own compilation."""
    training = Training()
    step = irf.jit(training.step, backend=backend)
    params, state = training.start()
    for number in range(steps):
        _, params, state = step(*training.arguments(1000 * seed + number, params, state))
    return arrays_of((params, state))


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_seed_gives_the_same_weights(backend: str) -> None:
    first = train(backend, 1)
    assert_same_bits(first, train(backend, 1), backend)
    assert any((a != b).any() for a, b in zip(first, train(backend, 2), strict=True))


def test_weights_of_both_backends_agree() -> None:
    for a, b in zip(*(train(backend, 1) for backend in BACKENDS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
