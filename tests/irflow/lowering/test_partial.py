"""Reductions to few elements are cut by shape, and give the same bits when sizes are symbolic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.ir.types import TensorType
from irflow.loops import Alloc, For, Kernel, LoopKind, Space
from irflow.loops.walk import statements
from irflow.lowering import Target, schedule
from irflow.ops import Handle
from irflow.scalars import find
from tests.irflow.lowering.build import NARROW, WIDE, f32, fused, normal, run, the_kernel


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that an interpreter gets through."""
    monkeypatch.setattr(schedule, "CHUNK_ELEMENTS", 96)
    monkeypatch.setattr(schedule, "MOST_CHUNKS", 5)


def total(x: Handle) -> Handle:
    result: Handle = ops.reduce_sum(x, tuple(range(len(x.shape))))
    return result


def columns(x: Handle) -> Handle:
    result: Handle = ops.reduce_sum(x, tuple(range(len(x.shape) - 1)))
    return result


def loss(x: Handle) -> Handle:
    result: Handle = find("sqrt")(total(x * x) * 0.25) + 1.0
    return result


def largest_and_total(x: Handle) -> list[Handle]:
    axes = tuple(range(len(x.shape)))
    return [ops.reduce(find("maximum"), x, axes), total(find("exp")(x))]


FUNCTIONS = [total, columns, loss, largest_and_total]


def partials(kernel: Kernel) -> list[tuple[Size, ...]]:
    """The shapes of the buffers between the two steps."""
    return [
        part.buffer.shape
        for part in statements(kernel.body)
        if isinstance(part, Alloc) and part.buffer.space is Space.GLOBAL
    ]


@pytest.mark.parametrize("target", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(200,), (1, 331), (40, 7), (29, 33), (3, 20, 18), (96,), (97,)])
def test_symbolic_sizes_give_the_same_bits(
    function: Callable[[Handle], Handle], shape: tuple[int, ...], target: Target
) -> None:
    n = dims.symbol("n")
    x = normal(*shape)
    static = run(fused(function, f32(*shape)), [x], target)
    symbolic = run(fused(function, f32(n, *shape[1:])), [x], target)
    for a, b in zip(static, symbolic, strict=True):
        np.testing.assert_array_equal(a, b)
    axes = tuple(range(len(shape)))
    if function is total:
        np.testing.assert_allclose(static[0], x.sum(axes, np.float64), rtol=1e-4, atol=1e-4)
    if function is columns:
        np.testing.assert_allclose(static[0], x.sum(axes[:-1], np.float64), atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(0, 7), (1, 7), (0, 0)])
def test_nothing_and_little(function: Callable[[Handle], Handle], shape: tuple[int, int]) -> None:
    x = normal(*shape)
    for sizes in (
        shape,
        (dims.symbol("n", 0), shape[1]),
        (dims.symbol("n", 0), dims.symbol("m", 0)),
    ):
        results = run(fused(function, f32(*sizes)), [x], NARROW)
        if function is total:
            np.testing.assert_allclose(results[0], x.sum(), rtol=1e-6)
        if function is columns:
            np.testing.assert_array_equal(results[0], x.sum(0))


def test_chunks_are_shared_and_short_reductions_are_not_cut() -> None:
    kernel = the_kernel(fused(total, f32(500)), NARROW)
    assert partials(kernel) == [(5,)]
    first = next(part for part in statements(kernel.body) if isinstance(part, For))
    assert first.kind is LoopKind.PARALLEL
    assert partials(the_kernel(fused(total, f32(96)), NARROW)) == []
    assert partials(the_kernel(fused(columns, f32(40, 7)), NARROW)) == [(5, 7)]
    assert partials(the_kernel(fused(columns, f32(12, 8)), NARROW)) == []


def test_rows_are_not_cut() -> None:
    graph = fused(lambda x: ops.reduce_sum(x, (1,)), f32(40, 300))
    assert partials(the_kernel(graph, NARROW)) == []


def test_sums_that_wait_in_memory_are_those_of_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(x: Handle) -> list[Handle]:
        return [columns(x * x), columns(find("exp")(x))]

    x = normal(30, 3, 45)
    graph = fused(two, f32(30, 3, 45))
    loops = [p for p in statements(the_kernel(graph, NARROW).body) if isinstance(p, For)]
    swept = run(graph, [x], NARROW)
    monkeypatch.setattr(schedule, "sweeps", lambda *_: False)
    others = [p for p in statements(the_kernel(graph, NARROW).body) if isinstance(p, For)]
    assert len(loops) < len(others)
    for one, other in zip(swept, run(graph, [x], NARROW), strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_columns_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MOST_COLUMNS", 6)
    assert partials(the_kernel(fused(columns, f32(40, 7)), NARROW)) == []


def test_16_bit_floats_wait_in_32_bits() -> None:
    half = TensorType(dtypes.f16, (600,))
    x = np.full(600, 0.1, np.float16)
    kernel = the_kernel(fused(total, half), NARROW)
    (alloc,) = [
        p for p in statements(kernel.body) if isinstance(p, Alloc) and p.buffer.shape == (5,)
    ]
    assert alloc.buffer.dtype is dtypes.f32
    (result,) = run(fused(total, half), [x], NARROW)
    np.testing.assert_array_equal(result, x.astype(np.float32).sum().astype(np.float16))
