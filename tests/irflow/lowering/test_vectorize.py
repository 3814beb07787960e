"""Vector loops become vectors, and stay loops where they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.loops import Buffer, Kernel, Load, LoopKind, integer
from irflow.loops.build import NestBuilder
from irflow.loops.check import check
from irflow.loops.interpret import interpret
from irflow.loops.print import print_kernel
from irflow.lowering.target import Target
from irflow.lowering.vectorize import vectorize

FOUR = Target("four", vector_bytes=16, vector_registers=8)


def scaled(extent: Size) -> Kernel:
    """`y[i] = x[i] * x[0]`."""
    x, y = (Buffer(name, dtypes.f32, (extent,)) for name in "xy")
    nest = NestBuilder(["x", "y", "n"])
    with nest.loop("i", extent, LoopKind.VECTOR) as i:
        nest.store(y, (i,), nest.let(Load(x, (i,)) * Load(x, (integer(0),))))
    return nest.kernel("scaled", (x,), (y,))


def test_whole_vectors_and_shrinking_ones() -> None:
    text = print_kernel(vectorize(scaled(11), FOUR))
    assert "for i in 2 {" in text
    assert text.count("f32x4 =") == 1
    assert text.count("f32x2 =") == 1
    assert text.count("f32 =") == 1


def test_few_copies_of_the_body() -> None:
    eight = Target("eight", vector_bytes=32, vector_registers=16)
    text = print_kernel(vectorize(scaled(15), eight))
    assert [text.count(f"f32x{lanes} =") for lanes in (8, 4, 2)] == [1, 1, 1]
    assert "for i_rest in 1 {" in text


def test_what_does_not_depend_on_the_lane_is_loaded_once() -> None:
    assert "broadcast(x[0], 4)" in print_kernel(vectorize(scaled(8), FOUR))


@pytest.mark.parametrize("count", [1, 3, 4, 8, 11, 15])
def test_static_and_symbolic_extents(count: int) -> None:
    x = np.arange(1, count + 1, dtype=np.float32)
    for extent in (count, dims.symbol("n")):
        kernel = vectorize(scaled(extent), FOUR)
        check(kernel)
        np.testing.assert_array_equal(interpret(kernel, [x])[0], x * x[0])


def total(kind: LoopKind) -> Kernel:
    """A sum carried from one iteration to the next."""
    x, y = Buffer("x", dtypes.f32, (8,)), Buffer("y", dtypes.f32, (1,))
    nest = NestBuilder(["x", "y"])
    cell = nest.alloc(dtypes.f32, (1,), name="cell")
    zero = (integer(0),)
    nest.store(cell, zero, Load(x, zero) * 0.0)
    with nest.loop("i", 8, kind) as i:
        nest.store(cell, zero, Load(cell, zero) + Load(x, (i,)))
    nest.store(y, zero, Load(cell, zero))
    return nest.kernel("total", (x,), (y,))


def test_a_carried_sum_keeps_its_order() -> None:
    assert vectorize(total(LoopKind.VECTOR), FOUR) == total(LoopKind.SERIAL)


def row_sums() -> Kernel:
    """`y[i] = sum over k of x[k, i]` with a loop inside the vector loop."""
    x, y = Buffer("x", dtypes.f32, (3, 6)), Buffer("y", dtypes.f32, (6,))
    nest = NestBuilder(["x", "y"])
    zero = (integer(0),)
    with nest.loop("i", 6, LoopKind.VECTOR) as i:
        cell = nest.alloc(dtypes.f32, (1,), name="cell")
        nest.store(cell, zero, Load(x, (integer(0), i)) * 0.0)
        with nest.loop("k", 3) as k:
            nest.store(cell, zero, Load(cell, zero) + Load(x, (k, i)))
        nest.store(y, (i,), Load(cell, zero))
    return nest.kernel("rows", (x,), (y,))


def test_cells_inside_a_vector_loop_become_vectors() -> None:
    kernel = vectorize(row_sums(), FOUR)
    check(kernel)
    assert "f32[1, 4] register" in print_kernel(kernel)
    x = np.arange(18, dtype=np.float32).reshape(3, 6)
    np.testing.assert_array_equal(interpret(kernel, [x])[0], x.sum(0))


def test_lanes_follow_the_widest_element() -> None:
    x, y = Buffer("x", dtypes.f64, (8,)), Buffer("y", dtypes.f64, (8,))
    nest = NestBuilder(["x", "y"])
    with nest.loop("i", 8, LoopKind.VECTOR) as i:
        nest.store(y, (i,), Load(x, (i,)))
    text = print_kernel(vectorize(nest.kernel("copy", (x,), (y,)), FOUR))
    assert "ramp(i * 2, 1, 2)" in text
