"""`jit(memory_limit=)`: values computed again as far as a limit asks, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irflow as irf
from irflow.errors import ArenaError, UnsupportedError, UsageError

X = np.random.default_rng(0).random((64, 32), dtype=np.float32)
WEIGHTS = [X[i : i + 32] / 5 for i in range(5)]
LAYER = 64 * 32 * 4
"""The bytes of what one layer makes."""


def loss(x: irf.Tensor, weights: list[irf.Tensor]) -> Any:
    for weight in weights:
        x = irf.numpy.sin(x @ weight)
    return (x * x).mean()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit is several compilations, and what they compute is compared here."""
    monkeypatch.setenv("IRFLOW_CHECK", "1")


def gradient(backend: str = "llvm", **options: Any) -> Any:
    return irf.jit(irf.value_and_grad(loss, argnums=1), backend=backend, **options)


def arena(compiled: Any) -> int:
    program = compiled.executable.program
    return int(program.layout(dict.fromkeys(program.symbols, 64)).nbytes)


def test_values_are_computed_again_as_far_as_the_limit_asks() -> None:
    found, results = [], []
    for limit in (None, 10 * LAYER, 6 * LAYER, 5 * LAYER):
        compiled = gradient(memory_limit=limit).trace(X, WEIGHTS).lower().compile()
        found.append(arena(compiled))
        results.append(compiled(X, WEIGHTS)[1])
        assert limit is None or found[-1] <= limit
    # Without a limit, steps that run at the same time may need more.
    assert found[0] >= found[1] > found[2] > found[3]
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one.numpy(), another.numpy())


def test_calls_keep_the_limit() -> None:
    limited = gradient(memory_limit=6 * LAYER)
    limited(X, WEIGHTS)
    limited(X[:48], WEIGHTS)
    # A version for all sizes may need more than one for each of them.
    assert [arena(compiled) <= 6 * LAYER for compiled in limited.cache.values()] == [True] * 2


def test_a_limit_that_cannot_be_kept() -> None:
    with pytest.raises(ArenaError) as caught:
        gradient(memory_limit=LAYER)(X, WEIGHTS)
    first, *facts = str(caught.value).splitlines()
    assert first.startswith("loss: intermediate values need ")
    assert first.endswith(f"memory_limit= is {LAYER:,}")
    assert "f32[64, 32]" in facts[0]
    assert facts[0].endswith(f"{LAYER:,} bytes")


def test_sizes_that_are_known_at_the_call() -> None:
    limited = irf.jit(
        lambda x: (irf.numpy.sort(x, axis=1) @ WEIGHTS[0]).sum(0),
        backend="llvm",
        spec="f32[n, 32]",
        memory_limit=100_000,
    )
    assert limited(X).shape == (32,)
    with pytest.raises(ArenaError, match=r"memory_limit= is 100,000\n  b\d f32\[n, 32\]"):
        limited(np.ones((4096, 32), np.float32))


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "1 GB"])
def test_a_limit_is_a_number_of_bytes(limit: Any) -> None:
    with pytest.raises(UsageError, match=f"memory_limit={limit!r} is no positive number of bytes"):
        gradient(memory_limit=limit)


def test_a_backend_that_plans_no_memory() -> None:
    with pytest.raises(UnsupportedError, match="the numpy backend plans no memory"):
        gradient("numpy", memory_limit=10)(X, WEIGHTS)
