"""Pooling and its gradients on LLVM, against NumPy; the same bits for any number of threads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
from irflow import nn
from irflow.lowering import windows
from irflow.lowering.group import Group
from irflow.lowering.nest import Built
from irflow.lowering.target import Target
from irflow_llvm import workers

RANDOM = np.random.default_rng(0)

pytestmark = pytest.mark.usefixtures("unchecked")


class Case(NamedTuple):
    """An image, and windows of it."""

    image: tuple[int, ...]
    channels: int
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))
    dilations: tuple[int, ...] = (1, 1)
    batch: int = 3

    def operand(self, dtype: str = "f4") -> np.ndarray:
        """Few numbers, so that many elements are equal."""
        x = RANDOM.normal(size=(self.batch, *self.image, self.channels))
        return np.round(3 * x).astype(dtype)

    def pooled(self, kind: str, x: irf.Tensor) -> irf.Tensor:
        geometry = self.window, self.strides, self.padding
        if kind == "max":
            return nn.max_pool(x, *geometry, dilations=self.dilations)
        return nn.avg_pool(x, *geometry, dilations=self.dilations)

    def both(self, kind: str, x: irf.Tensor) -> tuple[irf.Tensor, irf.Tensor]:
        """The result with an epilogue, and the gradient of its squares."""
        gradient = irf.grad(lambda x: (self.pooled(kind, x) ** 2).sum())(x)
        return nn.relu(self.pooled(kind, x) * 2 - 1), gradient * 2


CASES = {
    "tiles": Case((26, 26), 32, (2, 2), (2, 2)),
    "overlapping": Case((21, 17), 64, (3, 3), (2, 2), ((1, 1), (0, 1))),
    "rest of channels": Case((9, 30), 41, (3, 2), (1, 1), ((1, 1), (1, 0))),
    "gaps": Case((14, 15), 16, (2, 1), (3, 4)),
    "dilated": Case((16, 18), 24, (2, 3), (1, 2), ((1, 0), (2, 2)), (3, 2)),
    "one axis": Case((40,), 80, (4,), (2,), ((1, 2),), (1,)),
    "whole image": Case((7, 7), 48, (7, 7), (7, 7)),
}


def values(compiled: irf.Tensor) -> list[np.ndarray]:
    return [np.asarray(part) for part in compiled]


def check(
    case: Case, kind: str, dtype: str, x: np.ndarray, results: list[list[np.ndarray]]
) -> None:
    """Near enough to NumPy in f64, and the same to the last bit in all versions."""
    wide = x.astype(np.float64)
    expected = values(irf.jit(lambda x: case.both(kind, x), backend="numpy")(wide))
    for found, exact in zip(results[0], expected, strict=True):
        atol = 64 * float(np.finfo(dtype).eps) * max(np.abs(exact).max(initial=0), 1)
        np.testing.assert_allclose(found, exact, rtol=0, atol=atol)
    for other in results[1:]:
        for found, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("name", CASES)
def test_equal_bits_for_any_number_of_threads(
    name: str, kind: str, pool: workers.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, built = CASES[name], []
    template = windows.pool_nest

    def watched(group: Group, target: Target) -> Built | None:
        built.append(template(group, target))
        return built[-1]

    monkeypatch.setattr(windows, "pool_nest", watched)
    x = case.operand()
    compiled = irf.jit(lambda x: case.both(kind, x), backend="llvm")
    results = []
    for threads in (1, 2, 5):
        pool.resize(threads)
        results.append(values(compiled(x)))
    assert sum(one is not None for one in built) >= 2, "the template takes them"
    symbolic = irf.jit(lambda x: case.both(kind, x), backend="llvm", dynamic=True)
    results.append(values(symbolic(x)))
    check(case, kind, "f4", x, results)


@pytest.mark.parametrize("dtype", ["f2", "f8"])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_dtypes(kind: str, dtype: str) -> None:
    case = CASES["overlapping"]
    x = case.operand(dtype)
    check(case, kind, dtype, x, [values(irf.jit(lambda x: case.both(kind, x))(x))])


def test_not_a_number_stays_in_its_windows() -> None:
    x = np.arange(4 * 6 * 16, dtype=np.float32).reshape(1, 4, 6, 16)
    x[0, 1, 2, 3] = np.nan
    found = np.asarray(irf.jit(lambda x: nn.max_pool(x, 2), backend="llvm")(x))
    assert np.argwhere(np.isnan(found)).tolist() == [[0, 0, 1, 3]]


@st.composite
def pools(draw: st.DrawFn) -> Case:
    """Windows of one or two axes; padding is smaller than a window."""
    rank = draw(st.integers(1, 2))
    window = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    sides = [st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)) for k in window]
    return Case(
        tuple(draw(st.integers(8, 24)) for _ in range(rank)),
        draw(st.sampled_from([5, 16, 33, 64])),
        window,
        tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        tuple(draw(side) for side in sides),
        tuple(draw(st.integers(1, 2)) for _ in range(rank)),
        draw(st.integers(1, 3)),
    )


def check_any(case: Case, kind: str) -> None:
    x = case.operand()
    results = [
        values(irf.jit(lambda x: case.both(kind, x), backend="llvm", dynamic=dynamic)(x))
        for dynamic in (None, True)
    ]
    check(case, kind, "f4", x, results)


@given(case=pools(), kind=st.sampled_from(["max", "avg"]))
@settings(max_examples=3, deadline=None)
def test_any_pool(case: Case, kind: str) -> None:
    check_any(case, kind)


@pytest.mark.slow
@given(case=pools(), kind=st.sampled_from(["max", "avg"]))
@settings(max_examples=200, deadline=None)
def test_many_pools(case: Case, kind: str) -> None:
    check_any(case, kind)
