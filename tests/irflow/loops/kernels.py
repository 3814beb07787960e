"""Small kernels written by hand, each with what it computes in NumPy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from irflow import dims, dtypes, scalars
from irflow.dtypes import DType
from irflow.loops import (
    Apply,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    Kernel,
    Load,
    LoopKind,
    Ramp,
    Select,
    Space,
    integer,
    size_expr,
)
from irflow.loops.build import NestBuilder
from irflow.loops.intrinsics import multiply_add
from irflow.scalars import Scalar

N = dims.symbol("n")
ZERO = integer(0)


@dataclass(frozen=True)
class Sample:
    """A kernel, inputs for it, and its outputs."""

    kernel: Kernel
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def row_kernel(row: Scalar, dtype: DType, arity: int, size: dims.Size = N) -> Kernel:
    """`out[i] = row(x0[i], x1[i], …)`."""
    types = [dtypes.bool_ if row.selects and k == 0 else dtype for k in range(arity)]
    inputs = [Buffer(f"x{k}", t, (size,)) for k, t in enumerate(types)]
    output = Buffer("y", row.infer(types), (size,))
    nest = NestBuilder()
    with nest.loop("i", size) as i:
        nest.store(output, (i,), Apply(row, tuple(Load(b, (i,)) for b in inputs)))
    return nest.kernel(f"row_{row.name}", inputs, [output])


def cast_kernel(source: DType, target: DType) -> Kernel:
    x, y = Buffer("x", source, (N,)), Buffer("y", target, (N,))
    nest = NestBuilder()
    with nest.loop("i", N) as i:
        nest.store(y, (i,), Cast(target, Load(x, (i,))))
    return nest.kernel(f"cast_{source}_{target}", [x], [y])


def expression_kernel(make: Callable[..., Expr], *inputs: DType) -> Kernel:
    """`out[i] = make(x0[i], x1[i], …)`."""
    buffers = [Buffer(f"x{k}", dtype, (N,)) for k, dtype in enumerate(inputs)]
    nest = NestBuilder()
    with nest.loop("i", N, LoopKind.VECTOR) as i:
        value = nest.let(make(*(Load(b, (i,)) for b in buffers)), "value")
        output = Buffer("y", value.dtype, (N,))
        nest.store(output, (i,), value)
    return nest.kernel("expression", buffers, [output])


def transpose() -> Sample:
    x, y = Buffer("x", dtypes.f32, (N, 5)), Buffer("y", dtypes.f32, (5, N))
    nest = NestBuilder()
    with nest.loop("i", 5, LoopKind.PARALLEL) as i, nest.loop("j", N, LoopKind.VECTOR) as j:
        nest.store(y, (i, j), Load(x, (j, i)))
    array = numbers(7, 5)
    return Sample(nest.kernel("transpose", [x], [y]), [array], [array.T])


def row_sum() -> Sample:
    x, y = Buffer("x", dtypes.f32, (N, 9)), Buffer("y", dtypes.f32, (N,))
    nest = NestBuilder()
    with nest.loop("i", N, LoopKind.PARALLEL) as i:
        total = nest.alloc(dtypes.f32, (1,), name="total")
        nest.store(total, (ZERO,), Const(0.0, dtypes.f32))
        with nest.loop("j", 9, LoopKind.VECTOR) as j:
            nest.store(total, (ZERO,), Load(total, (ZERO,)) + Load(x, (i, j)))
        nest.store(y, (i,), Load(total, (ZERO,)))
    array = numbers(4, 9)
    expected = np.zeros(4, np.float32)
    for j in range(9):
        expected += array[:, j]
    return Sample(nest.kernel("row_sum", [x], [y]), [array], [expected])


def matmul() -> Sample:
    """A register tile of 2×8, unrolled, with the last columns masked."""
    a, b = Buffer("a", dtypes.f32, (N, 6)), Buffer("b", dtypes.f32, (6, 11))
    c = Buffer("c", dtypes.f32, (N, 11))
    nest = NestBuilder()
    with nest.loop("block", size_expr(N // 2), LoopKind.PARALLEL) as block:
        tile = nest.alloc(dtypes.f32, (2, 8), Space.REGISTER, "tile")
        with nest.loop("part", 2) as part:
            with nest.loop("r", 2, LoopKind.UNROLL) as r, nest.loop("s", 8, LoopKind.UNROLL) as s:
                nest.store(tile, (r, s), Const(0.0, dtypes.f32))
            with (
                nest.loop("k", 6) as k,
                nest.loop("r", 2, LoopKind.UNROLL) as r,
                nest.loop("s", 8, LoopKind.UNROLL) as s,
            ):
                column = part * 8 + s
                right = Load(b, (k, column), column < 11)
                product = Load(a, (block * 2 + r, k)) * right
                nest.store(tile, (r, s), Load(tile, (r, s)) + product)
            with nest.loop("r", 2, LoopKind.UNROLL) as r, nest.loop("s", 8, LoopKind.UNROLL) as s:
                column = part * 8 + s
                value = Load(tile, (r, s))
                nest.store(c, (block * 2 + r, column), value, column < 11)
    left, right_ = numbers(4, 6), numbers(6, 11)
    return Sample(nest.kernel("matmul", [a, b], [c]), [left, right_], [left @ right_])


def vector_matmul() -> Sample:
    """Explicit vectors of 4 lanes and fused multiply-adds."""
    a, b = Buffer("a", dtypes.f32, (N, 6)), Buffer("b", dtypes.f32, (6, 8))
    c = Buffer("c", dtypes.f32, (N, 8))
    nest = NestBuilder()
    with nest.loop("i", N) as i:
        tile = nest.alloc(dtypes.f32, (2, 4), Space.REGISTER, "tile")
        with nest.loop("v", 2, LoopKind.UNROLL) as v:
            lanes = Ramp(ZERO, 1, 4)
            nest.store(tile, (v, lanes), Broadcast(Const(0.0, dtypes.f32), 4))
        with nest.loop("k", 6) as k:
            left = nest.let(Broadcast(Load(a, (i, k)), 4), "left")
            with nest.loop("v", 2, LoopKind.UNROLL) as v:
                old = Load(tile, (v, Ramp(ZERO, 1, 4)))
                right = Load(b, (k, Ramp(v * 4, 1, 4)))
                nest.store(tile, (v, Ramp(ZERO, 1, 4)), multiply_add(left, right, old))
        with nest.loop("v", 2, LoopKind.UNROLL) as v:
            nest.store(c, (i, Ramp(v * 4, 1, 4)), Load(tile, (v, Ramp(ZERO, 1, 4))))
    left_, right_ = numbers(3, 6), numbers(6, 8)
    return Sample(nest.kernel("vectors", [a, b], [c]), [left_, right_], [left_ @ right_])


def strided_vectors() -> Sample:
    """Every second element reversed, through gathering loads, a mask by lanes and a scatter."""
    x, y = Buffer("x", dtypes.i32, (8,)), Buffer("y", dtypes.i32, (2, 4))
    nest = NestBuilder()
    lanes = Ramp(ZERO, 1, 4)
    picked = Load(x, (Ramp(ZERO, 2, 4),), scalars.less(lanes, 3))
    nest.store(y, (ZERO, Ramp(integer(3), -1, 4)), picked)
    nest.store(y, (integer(1), lanes), picked * 2, scalars.greater(lanes, 0))
    nest.store(y, (integer(1), ZERO), Const(7, dtypes.i32))
    array = np.arange(10, 18, dtype=np.int32)
    expected = np.array([[0, 14, 12, 10], [7, 24, 28, 0]], np.int32)
    return Sample(nest.kernel("strided", [x], [y]), [array], [expected])


def masked_vectors() -> Sample:
    """The first lanes of vectors: by a literal mask, and by one that is computed."""
    x, y = Buffer("x", dtypes.f32, (N, 6)), Buffer("y", dtypes.f32, (N, 8))
    flags = Buffer("flags", dtypes.bool_, (N, 6))
    nest = NestBuilder()
    lanes = Ramp(ZERO, 1, 8)
    with nest.loop("i", N) as i:
        first = nest.let(Load(x, (i, lanes), scalars.less(lanes, 6)), "first")
        flag = Load(flags, (i, lanes), scalars.less(lanes, 6))
        nest.store(y, (i, lanes), Select(flag, first * 2.0, Broadcast(Const(7.0, dtypes.f32), 8)))
        nest.store(y, (i, lanes), first, scalars.less(lanes, Broadcast(i, 8)))
    array, flag_ = numbers(4, 6), numbers(4, 6) > 0.5
    expected = np.pad(
        np.where(flag_, array * 2, np.float32(7)), ((0, 0), (0, 2)), constant_values=7
    )
    for row in range(4):
        expected[row, :row] = array[row, :row]
    return Sample(nest.kernel("masked", [x, flags], [y]), [array, flag_], [expected])


def pad() -> Sample:
    """Two columns of zeros on the left, one row below: loads outside are masked off."""
    x, y = Buffer("x", dtypes.f16, (N, 3)), Buffer("y", dtypes.f16, (N + 1, 5))
    nest = NestBuilder()
    with nest.loop("i", N + 1) as i, nest.loop("j", 5) as j:
        inside = nest.let((i < size_expr(N)) & (j >= 2), "inside")
        nest.store(y, (i, j), Load(x, (i, j - 2), inside))
    array = numbers(2, 3).astype(np.float16)
    return Sample(nest.kernel("pad", [x], [y]), [array], [np.pad(array, ((0, 1), (2, 0)))])


def gather() -> Sample:
    x, index = Buffer("x", dtypes.bf16, (6, 2)), Buffer("index", dtypes.i32, (N,))
    y = Buffer("y", dtypes.bf16, (N, 2))
    nest = NestBuilder()
    with nest.loop("i", N) as i:
        raw = nest.let(Cast(dtypes.i64, Load(index, (i,))), "raw")
        at = nest.let(scalars.minimum(scalars.maximum(raw, 0), 5), "at")
        with nest.loop("j", 2) as j:
            nest.store(y, (i, j), Load(x, (at, j)))
    table = numbers(6, 2).astype(dtypes.bf16.numpy)
    places = np.array([5, -3, 0, 99, 2], np.int32)
    return Sample(
        nest.kernel("gather", [x, index], [y]), [table, places], [table[np.clip(places, 0, 5)]]
    )


def collatz() -> Sample:
    """How many steps each number takes to reach 1: a `while`, a branch and mutable registers."""
    x, y = Buffer("x", dtypes.i64, (N,)), Buffer("y", dtypes.i64, (N,))
    nest = NestBuilder()
    with nest.loop("i", N) as i:
        state = nest.alloc(dtypes.i64, (2,), name="state")
        nest.store(state, (ZERO,), Load(x, (i,)))
        nest.store(state, (integer(1),), ZERO)
        with nest.while_(Load(state, (ZERO,)) > 1):
            value = nest.let(Load(state, (ZERO,)), "value")
            nest.store(state, (integer(1),), Load(state, (integer(1),)) + 1)
            with nest.if_(scalars.equal(value % 2, 0)):
                nest.store(state, (ZERO,), value // 2)
            with nest.else_():
                nest.store(state, (ZERO,), value * 3 + 1)
        nest.store(y, (i,), Load(state, (integer(1),)))
    array = np.array([1, 2, 3, 7, 27])
    return Sample(nest.kernel("collatz", [x], [y]), [array], [np.array([0, 1, 7, 16, 111])])


def scratch() -> Sample:
    """A buffer of the kernel's own, whose size is known only when it runs."""
    x, y = Buffer("x", dtypes.bool_, (N,)), Buffer("y", dtypes.bool_, (N,))
    nest = NestBuilder()
    copy = nest.alloc(dtypes.bool_, (N, 3), Space.GLOBAL, "copy")
    with nest.loop("i", N) as i:
        nest.store(copy, (i, integer(1)), ~Load(x, (i,)))
    with nest.loop("i", N) as i:
        mirrored = size_expr(N) - 1 - i
        nest.store(y, (i,), Load(copy, (mirrored, integer(1))))
    array = np.array([True, True, False, True])
    return Sample(nest.kernel("scratch", [x], [y]), [array], [~array[::-1]])


def block_sum() -> Sample:
    """A tree sum over the threads of each block, through shared memory and barriers."""
    x, y = Buffer("x", dtypes.i32, (3, 8)), Buffer("y", dtypes.i32, (3,))
    nest = NestBuilder()
    with nest.loop("b", 3, LoopKind.BLOCK_X) as b:
        shared = nest.alloc(dtypes.i32, (8,), Space.SHARED, "shared")
        with nest.loop("t", 8, LoopKind.THREAD_X) as t:
            nest.store(shared, (t,), Load(x, (b, t)))
            nest.barrier()
            for distance in (4, 2, 1):
                other = nest.let(Load(shared, (t + distance,), t < distance), "other")
                nest.barrier()
                nest.store(shared, (t,), Load(shared, (t,)) + other, t < distance)
                nest.barrier()
            with nest.if_(scalars.equal(t, 0)):
                nest.store(y, (b,), Load(shared, (ZERO,)))
    array = np.arange(24, dtype=np.int32).reshape(3, 8)
    total = array.sum(1).astype(np.int32)
    return Sample(nest.kernel("block_sum", [x], [y]), [array], [total])


NATIVE = [
    transpose,
    row_sum,
    matmul,
    vector_matmul,
    strided_vectors,
    masked_vectors,
    pad,
    gather,
    collatz,
    scratch,
]
ALL = [*NATIVE, block_sum]
