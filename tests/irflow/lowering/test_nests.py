"""Which loop of a nest threads share, and that results do not depend on how they do."""

from __future__ import annotations

import numpy as np
import pytest

from irflow import dims, ops
from irflow.dims import Size
from irflow.loops import Const, For, Kernel, LoopKind
from irflow.loops.walk import statements
from irflow.lowering import Target, schedule
from irflow.ops import Handle
from irflow.scalars import find
from tests.irflow.lowering.build import NARROW, WIDE, f32, fused, normal, run, the_kernel


def shared(kernel: Kernel) -> list[object]:
    """The extents of the loops that threads share."""
    loops = [part for part in statements(kernel.body) if isinstance(part, For)]
    shared = [loop.extent for loop in loops if loop.kind is LoopKind.PARALLEL]
    return [extent.value if isinstance(extent, Const) else extent for extent in shared]


def scaled(x: Handle) -> Handle:
    result: Handle = find("exp")(x) * 2.0
    return result


def centred(x: Handle) -> Handle:
    mean = ops.reduce_sum(x, (1,)) * (1 / 7)
    result: Handle = x - ops.broadcast(mean, x.shape, (0,))
    return result


def test_a_flat_nest_shares_whole_vectors() -> None:
    assert shared(the_kernel(fused(scaled, f32(3, 37)), NARROW)) == [27]


@pytest.mark.parametrize(
    ("shape", "is_heavy", "expected"),
    [
        ((), False, (None, None)),
        ((1, 1), False, (None, None)),
        ((1, 50), False, (1, 1)),
        ((40, 50), False, (1, 0)),
        ((2, 50), False, (1, 1)),
        ((2, 50), True, (1, 0)),
        ((2, 40, 50), True, (2, 1)),
        ((2, 3, 5), False, (2, 0)),
        ((dims.symbol("n"), 50), False, (1, 0)),
        ((3, dims.symbol("n")), False, (1, 1)),
    ],
)
def test_axes_of_loops(
    shape: tuple[Size, ...], is_heavy: bool, expected: tuple[int | None, int | None]
) -> None:
    assert schedule.loop_axes(shape, is_heavy) == expected


def test_rows_are_shared_where_each_one_is_reduced() -> None:
    kernel = the_kernel(fused(lambda x: ops.reduce_sum(x, (1,)), f32(20, 33)), NARROW)
    assert shared(kernel) == [20]


@pytest.mark.parametrize("target", [NARROW, WIDE])
@pytest.mark.parametrize("rows", [0, 1, 2, 17])
def test_any_number_of_rows(rows: int, target: Target) -> None:
    n = dims.symbol("n", 0)
    x = normal(rows, 7)
    for function in (scaled, centred, lambda x: ops.reduce_sum(x, (1,))):
        static = run(fused(function, f32(rows, 7)), [x], target)
        symbolic = run(fused(function, f32(n, 7)), [x], target)
        np.testing.assert_array_equal(static[0], symbolic[0])


def test_a_transposed_nest_with_few_rows_shares_its_vectors() -> None:
    graph = fused(lambda x: ops.transpose(x, (1, 0)) * 2.0, f32(50, 3))
    assert shared(the_kernel(graph, NARROW)) == [12]
    x = normal(50, 3)
    np.testing.assert_array_equal(run(graph, [x], NARROW)[0], x.T * 2)
