"""Stores past the caches: whole vectors on their boundaries, of long outputs only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from irflow import dims, ops
from irflow.dims import Size
from irflow.loops import Kernel, Store, Var, integer
from irflow.loops.walk import loads, statements
from irflow.lowering.streaming import is_multiple
from irflow.ops import Handle
from tests.irflow.lowering.build import WIDE, f32, fused, normal, run, the_kernel

SMALL = replace(WIDE, l2_bytes=256, l3_bytes=1024)
"""Its caches hold 256 numbers at most."""

I = Var("i")


def hints(kernel: Kernel) -> tuple[int, int]:
    """The stores to outputs that go past the caches, and those that do not."""
    stores = [s for s in statements(kernel.body) if isinstance(s, Store)]
    found = [s.hint for s in stores if s.buffer in kernel.outputs]
    return found.count("stream"), found.count("")


def softmax(x: Handle) -> Handle:
    result: Handle = ops.softmax(x, -1)
    return result


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((256,), (1, 0)),
        ((240,), (0, 1)),
        ((256 + 7,), (1, 3)),  # the rest is not on the boundary of a vector
        ((16, 16), (1, 0)),
        ((dims.symbol("n"), 16), (0, 1)),
    ],
)
def test_long_outputs(shape: Sequence[Size], expected: tuple[int, int]) -> None:
    graph = fused(lambda x: x * x, f32(*shape))
    assert hints(the_kernel(graph, SMALL)) == expected
    x = normal(*(20 if not isinstance(size, int) else size for size in shape))
    np.testing.assert_array_equal(run(graph, [x], SMALL)[0], x * x)


@pytest.mark.parametrize(
    ("shape", "expected"), [((20, 32), (1, 0)), ((20, 33), (0, 2)), ((4, 32), (0, 1))]
)
def test_rows(shape: Sequence[int], expected: tuple[int, int]) -> None:
    graph = fused(softmax, f32(*shape))
    kernel = the_kernel(graph, SMALL)
    assert hints(kernel) == expected
    fetched = {load.buffer.name for load in loads(kernel.body) if load.hint == "prefetch"}
    assert fetched == ({"x0", "y0"} if not expected[0] and shape[0] < 5 else {"x0"})
    x = normal(*shape)
    np.testing.assert_array_equal(run(graph, [x], SMALL)[0], run(graph, [x], WIDE)[0])


@pytest.mark.parametrize(
    ("index", "holds"),
    [
        (integer(32), True),
        (integer(8), False),
        (I * 16, True),
        (I * 24, False),
        (I * 64 + I * 32, True),
        (I * 64 + 8, False),
        (I, False),
    ],
)
def test_multiples(index: object, holds: bool) -> None:
    assert is_multiple(index, 16) is holds
