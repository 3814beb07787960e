"""Kernels in plain Python: results, bounds, threads, conversions."""

from collections.abc import Callable

import numpy as np
import pytest

from irflow import dims, dtypes, scalars
from irflow.errors import CheckError
from irflow.loops import (
    Apply,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Load,
    LoopKind,
    Ramp,
    Select,
    Shuffle,
    Space,
    integer,
)
from irflow.loops.build import NestBuilder
from irflow.loops.check import check
from irflow.loops.evaluate import convert
from irflow.loops.interpret import interpret, interpret_into
from irflow.loops.unroll import unroll
from tests.irflow.loops import kernels
from tests.irflow.loops.kernels import Sample


@pytest.mark.parametrize("make", kernels.ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("backwards", [False, True])
def test_kernels_by_hand(make: Callable[[], Sample], backwards: bool) -> None:
    sample = make()
    check(sample.kernel)
    check(unroll(sample.kernel))
    for kernel in (sample.kernel, unroll(sample.kernel)):
        (actual,) = interpret(kernel, sample.inputs, backwards=backwards)
        (expected,) = sample.outputs
        assert actual.dtype == expected.dtype
        tolerance = 1e-5 if make in (kernels.matmul, kernels.vector_matmul) else 0.0
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_unrolling_leaves_no_loop_to_unroll() -> None:
    kernel = unroll(kernels.matmul().kernel)
    text = str(kernel)
    assert "UNROLL" not in text
    assert "SERIAL" in text


def test_an_index_outside_is_named() -> None:
    x, y = Buffer("x", dtypes.f32, (3,)), Buffer("y", dtypes.f32, (4,))
    nest = NestBuilder()
    with nest.loop("i", 4) as i:
        nest.store(y, (i,), Load(x, (i,)))
    kernel = nest.kernel("copy", [x], [y])
    with pytest.raises(
        CheckError, match="load of x: index 3 is outside axis 0 of size 3"
    ) as caught:
        interpret(kernel, [np.zeros(3, np.float32)])
    assert ("i", "3") in caught.value.facts


def test_a_negative_index_is_outside_too() -> None:
    y = Buffer("y", dtypes.f32, (4, 4))
    nest = NestBuilder()
    nest.store(y, (integer(0), integer(-1)), Const(1.0, dtypes.f32))
    with pytest.raises(CheckError, match="store to y: index -1 is outside axis 1 of size 4"):
        interpret(nest.kernel("k", [], [y]), [], {})


def test_outputs_start_conspicuous() -> None:
    outputs = [Buffer(f"y{d}", d, (1,)) for d in (dtypes.f32, dtypes.i8, dtypes.u8, dtypes.bool_)]
    results = interpret(NestBuilder().kernel("nothing", [], outputs), [], {})
    assert np.isnan(results[0][0])
    assert [r.tolist() for r in results[1:]] == [[-77], [177], [True]]


def test_arrays_must_fit() -> None:
    sample = kernels.transpose()
    with pytest.raises(CheckError, match="the array for y does not fit"):
        interpret_into(
            sample.kernel, {"x": sample.inputs[0], "y": np.zeros((5, 8), np.float32)}, {"n": 7}
        )
    with pytest.raises(CheckError, match="the array for x does not fit"):
        interpret(sample.kernel, [sample.inputs[0].astype(np.float64)])


def test_the_order_of_parallel_iterations_can_be_reversed() -> None:
    y = Buffer("y", dtypes.i64, (1,))
    nest = NestBuilder()
    with nest.loop("i", 3, LoopKind.PARALLEL) as i:
        nest.store(y, (integer(0),), i)
    kernel = nest.kernel("race", [], [y])
    assert interpret(kernel, [], {})[0][0] == 2
    assert interpret(kernel, [], {}, backwards=True)[0][0] == 0


def test_all_threads_must_reach_a_barrier() -> None:
    nest = NestBuilder()
    with nest.loop("t", 4, LoopKind.THREAD_X) as t, nest.if_(t < 3):
        nest.barrier()
    kernel = nest.kernel("k", [], [])
    with pytest.raises(CheckError, match="3 of 4 threads of t reach a barrier"):
        interpret(kernel, [], {})


def test_threads_of_nested_loops_wait_for_each_other() -> None:
    y = Buffer("y", dtypes.i64, (2, 3))
    nest = NestBuilder()
    shared = nest.alloc(dtypes.i64, (6,), Space.SHARED, "shared")
    with nest.loop("v", 2, LoopKind.THREAD_Y) as v, nest.loop("u", 3, LoopKind.THREAD_X) as u:
        own = nest.let(v * 3 + u, "own")
        nest.store(shared, (own,), own * 10)
        nest.barrier()
        nest.store(y, (v, u), Load(shared, (5 - own,)))
    kernel = nest.kernel("mirror", [], [y])
    check(kernel)
    assert interpret(kernel, [], {})[0].tolist() == [[50, 40, 30], [20, 10, 0]]


def test_a_barrier_outside_of_threads() -> None:
    nest = NestBuilder()
    nest.barrier()
    with pytest.raises(CheckError, match="outside of all thread loops"):
        interpret(nest.kernel("k", [], []), [], {})


def test_vectors() -> None:
    y = Buffer("y", dtypes.i64, (2, 4))
    nest = NestBuilder()
    lanes = Ramp(integer(0), 1, 4)
    ramp = nest.let(Ramp(integer(10), 2, 4), "ramp")
    swapped = Shuffle((ramp, Broadcast(integer(7), 4)), (3, 4, 0, 1))
    nest.store(y, (integer(0), lanes), swapped)
    nest.store(y, (integer(1), lanes), Select(scalars.less(ramp, 13), ramp, ramp * -1))
    kernel = nest.kernel("vectors", [], [y])
    check(kernel)
    assert interpret(kernel, [], {})[0].tolist() == [[16, 7, 10, 12], [10, 12, -14, -16]]


def test_integers_wrap_and_short_floats_round() -> None:
    row = scalars.add
    small = kernels.row_kernel(row, dtypes.i8, 2)
    x = np.array([127, -128], np.int8)
    assert interpret(small, [x, x])[0].tolist() == [-2, 0]
    short = kernels.row_kernel(row, dtypes.bf16, 2)
    a = np.array([1.0], dtypes.bf16.numpy)
    b = np.array([2**-8], dtypes.bf16.numpy)
    assert interpret(short, [a, b])[0][0] == 1.0


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1.9, -1.9, np.nan, np.inf, -np.inf], dtypes.i32, [1, -1, 0, 2**31 - 1, -(2**31)]),
        ([300.0, -1.0, 255.9], dtypes.u8, [255, 0, 255]),
        ([2.0**63, -(2.0**63), 1e30], dtypes.i64, [2**63 - 1, -(2**63), 2**63 - 1]),
        ([2.0**64, 2.0**63], dtypes.u64, [2**64 - 1, 2**63]),
        ([0.0, -0.0, np.nan, 0.1], dtypes.bool_, [False, False, True, True]),
    ],
)
def test_convert_from_floats(values: list[float], dtype: dtypes.DType, expected: list[int]) -> None:
    assert convert(np.array(values), dtype).tolist() == expected


def test_convert_between_other_types() -> None:
    assert convert(np.array([-1, 300]), dtypes.u8).tolist() == [255, 44]
    assert convert(np.array([True, False]), dtypes.f32).tolist() == [1.0, 0.0]
    assert convert(np.array([1.5 + 2j]), dtypes.i32).tolist() == [1]
    assert convert(np.array([2j]), dtypes.bool_).tolist() == [True]
    assert convert(np.float32(2.5), dtypes.i8) == 2


def test_sizes_are_solved_from_shapes() -> None:
    n = dims.symbol("n")
    x, y = Buffer("x", dtypes.f32, (2 * n,)), Buffer("y", dtypes.f32, (n,))
    nest = NestBuilder()
    with nest.loop("i", n) as i:
        nest.store(y, (i,), Load(x, (i * 2,)))
    array = kernels.numbers(6)
    (actual,) = interpret(nest.kernel("half", [x], [y]), [array])
    np.testing.assert_array_equal(actual, array[::2])


def test_an_expression_may_share_parts_many_times() -> None:
    value = Cast(dtypes.i64, Const(1, dtypes.i32))
    for _ in range(100):
        value = Apply(scalars.add, (value, value))
    assert value.dtype is dtypes.i64
