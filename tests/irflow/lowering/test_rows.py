"""Kernels that go row by row: one pass a stage, equal bits for known and symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from irflow.testing.reference import Reference
from tests.irflow.lowering.build import NARROW, WIDE, f32, fused, normal, run, the_kernel

exp, log, rsqrt, maximum = (find(name) for name in ("exp", "log", "rsqrt", "maximum"))


def spread(number: Handle, x: Handle) -> Handle:
    """One number a row at every element."""
    result: Handle = ops.broadcast(number, x.shape, tuple(range(len(x.shape) - 1)))
    return result


def total(x: Handle) -> Handle:
    result: Handle = ops.reduce_sum(x, (len(x.shape) - 1,))
    return result


def softmax(x: Handle) -> Handle:
    result: Handle = ops.softmax(x, -1)
    return result


def normalised(x: Handle) -> Handle:
    centred = x - spread(total(x) * 0.125, x)
    result: Handle = centred * spread(rsqrt(total(centred * centred) + 1e-3), x)
    return result


def normalised_gradient(x: Handle) -> list[Handle]:
    """Two reductions in one pass, and results of both shapes."""
    powers = exp(x)
    first, second = total(powers), total(x * x)
    return [x * spread(first, x) - spread(second, x) * powers, first, second]


def loss_and_gradient(x: Handle) -> list[Handle]:
    lead = (*x.shape[:-1], 1)
    top = ops.reduce(maximum, x, (len(x.shape) - 1,))
    powers = exp(x - spread(top, x))
    sums = total(powers)
    return [log(sums) + top, ops.reshape(sums, lead), powers / spread(sums, x)]


def scale_gradient(x: Handle) -> list[Handle]:
    """Sums down the columns of what the first and the last pass compute, and what follows."""
    axes = tuple(range(len(x.shape) - 1))
    first = ops.reduce_sum(x * x, axes)
    last = ops.reduce_sum(normalised(x) * x, axes)
    return [normalised(x), first, exp(last * 0.125) + first, total(x)]


FUNCTIONS = [softmax, normalised, normalised_gradient, loss_and_gradient, scale_gradient]


def shared_and_passes(kernel: Kernel) -> tuple[int, int]:
    """Parallel loops, and other loops of more than one iteration."""
    loops = [part for part in statements(kernel.body) if isinstance(part, For)]
    kinds = [loop.kind for loop in loops]
    return kinds.count(LoopKind.PARALLEL), kinds.count(LoopKind.SERIAL)


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of rows that an interpreter gets through."""
    monkeypatch.setattr(schedule, "CHUNK_ELEMENTS", 96)
    monkeypatch.setattr(schedule, "MOST_CHUNKS", 5)


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("target", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 37), (20, 2), (1, 16), (2, 3, 70), (0, 5), (4, 0), (5, 150)])
def test_symbolic_sizes_give_the_same_bits(
    function: Callable[[Handle], Handle], shape: Sequence[int], target: Target
) -> None:
    x = normal(*shape)
    known = fused(function, f32(*shape))
    static = run(known, [x], target)
    Reference(known, [x]).check(static, "known")
    cases: list[tuple[Size, ...]] = [
        (dims.symbol("n", 0), *shape[1:]),
        (*shape[:-1], dims.symbol("m", 0)),
    ]
    for sizes in cases:
        symbolic = run(fused(function, f32(*sizes)), [x], target)
        for a, b in zip(static, symbolic, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("function", "passes", "rows"),
    [(softmax, 3, 1), (normalised, 3, 0), (normalised_gradient, 2, 1), (loss_and_gradient, 3, 1)],
)
def test_a_pass_a_stage(function: Callable[[Handle], Handle], passes: int, rows: int) -> None:
    kernel = the_kernel(fused(function, f32(40, 128)), WIDE)
    assert shared_and_passes(kernel) == (1, passes)
    kept = [
        part.buffer
        for part in statements(kernel.body)
        if isinstance(part, Alloc) and part.buffer.space is Space.GLOBAL
    ]
    assert len(kept) == rows


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize(("shape", "chunks"), [((40, 24), 5), ((1, 30, 16), 5), ((3, 16), 1)])
def test_sums_down_the_columns_are_cut(shape: Sequence[int], chunks: int) -> None:
    kernel = the_kernel(fused(scale_gradient, f32(*shape)), NARROW)
    found = [part.buffer for part in statements(kernel.body) if isinstance(part, Alloc)]
    assert [b.shape for b in found if b.name.startswith("down")] == [(chunks, shape[-1])] * 2


def test_long_rows_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(3, 64)
    short = run(fused(softmax, f32(3, 64)), [x], NARROW)
    monkeypatch.setattr(schedule, "LONGEST_KEPT_ROW", 63)
    graph = fused(softmax, f32(3, 64))
    allocs = [p for p in statements(the_kernel(graph, NARROW).body) if isinstance(p, Alloc)]
    assert all(alloc.buffer.space is Space.REGISTER for alloc in allocs)
    np.testing.assert_array_equal(run(graph, [x], NARROW)[0], short[0])


@pytest.mark.parametrize("dtype", [dtypes.f16, dtypes.bf16, dtypes.f64])
def test_other_floats(dtype: dtypes.DType) -> None:
    x = normal(3, 21).astype(dtype.numpy)
    graph = fused(softmax, TensorType(dtype, (3, 21)))
    Reference(graph, [x]).check(run(graph, [x], WIDE), "softmax")


def test_what_is_not_finite_stays_in_its_row() -> None:
    x = normal(4, 19)
    x[1, 3], x[2, 18] = np.nan, np.inf
    (result,) = run(fused(normalised, f32(4, 19)), [x], NARROW)
    assert np.isnan(result).all(1).tolist() == [False, True, True, False]


def test_masked_lanes_count_for_no_reduction() -> None:
    def products(x: Handle) -> list[Handle]:
        product = ops.reduce(find("multiply"), exp(x), (1,))
        return [x + spread(product, x), ops.reduce(find("minimum"), x + 1.0, (1,))]

    sizes: tuple[Size, Size] = (3, dims.symbol("m"))
    x = normal(3, 5) + 3
    graph = fused(products, f32(*sizes))
    Reference(fused(products, f32(3, 5)), [x]).check(run(graph, [x], NARROW), "products")
