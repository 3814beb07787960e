"""The text of every error that the ops on shapes and positions raise for wrong operands."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, IrflowError, ShapeError, UndecidableSizeError, UsageError
from irflow.ir.op import Op
from irflow.ir.types import TensorType
from irflow.ops import (
    QR,
    SVD,
    ArgReduce,
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Eigh,
    Fourier,
    Gather,
    IntegerConvolution,
    IntegerMatmul,
    Pad,
    PseudoInverse,
    Reverse,
    Scatter,
    Slice,
    Transpose,
)

n, m = dims.symbol("n"), dims.symbol("m")


def f32(*shape: Size) -> TensorType:
    return TensorType(dtypes.f32, shape)


def i64(*shape: Size) -> TensorType:
    return TensorType(dtypes.i64, shape)


CASES = [
    (
        "transpose-rank",
        Transpose((1, 0)),
        [f32(2, 3, 4)],
        ShapeError,
        """
        transpose: not a permutation of the axes
          operand  f32[2, 3, 4]  rank 3
          perm     (1, 0)
        """,
    ),
    (
        "transpose-twice",
        Transpose((0, 0)),
        [f32(n, 4)],
        ShapeError,
        """
        transpose: not a permutation of the axes
          operand  f32[n, 4]  rank 2
          perm     (0, 0)
        """,
    ),
    (
        "slice-entries",
        Slice((0,), (2,), (1,)),
        [f32(2, 3)],
        ShapeError,
        """
        slice: start does not have one entry an axis
          operand  f32[2, 3]  rank 2
          start    (0,)       1 entry
        """,
    ),
    (
        "slice-stop",
        Slice((0, 1), (2, 5), (1, 1)),
        [f32(2, 4)],
        ShapeError,
        """
        slice: outside the operand
          operand  f32[2, 4]    axis 1 = 4
          slice    1 to 5 by 1  axis 1
        """,
    ),
    (
        "slice-start",
        Slice((0, -1), (2, 4), (1, 1)),
        [f32(2, 4)],
        ShapeError,
        """
        slice: outside the operand
          operand  f32[2, 4]     axis 1 = 4
          slice    -1 to 4 by 1  axis 1
        """,
    ),
    (
        "slice-crossed",
        Slice((3,), (2,), (1,)),
        [f32(4)],
        ShapeError,
        """
        slice: it ends before it starts
          operand  f32[4]       axis 0 = 4
          slice    3 to 2 by 1  axis 0
        """,
    ),
    (
        "slice-step",
        Slice((0,), (4,), (-1,)),
        [f32(4)],
        ShapeError,
        """
        slice: steps are positive
          operand  f32[4]        axis 0 = 4
          slice    0 to 4 by -1  axis 0
          hint: reverse the slice instead
        """,
    ),
    (
        "slice-symbolic",
        Slice((0,), (n + 1,), (1,)),
        [f32(n)],
        ShapeError,
        """
        slice: outside the operand
          operand  f32[n]           axis 0 = n
          slice    0 to n + 1 by 1  axis 0
        """,
    ),
    (
        "reverse-range",
        Reverse((2,)),
        [f32(2, 3)],
        ShapeError,
        """
        reverse: axes ascend and count from 0
          operand  f32[2, 3]  rank 2
          axes     (2,)
        """,
    ),
    (
        "reverse-order",
        Reverse((1, 0)),
        [f32(2, 3)],
        ShapeError,
        """
        reverse: axes ascend and count from 0
          operand  f32[2, 3]  rank 2
          axes     (1, 0)
        """,
    ),
    (
        "pad-entries",
        Pad((1,), (1, 2), (0, 0)),
        [f32(2, 3), f32()],
        ShapeError,
        """
        pad: low does not have one entry an axis
          operand  f32[2, 3]  rank 2
          low      (1,)       1 entry
        """,
    ),
    (
        "pad-negative",
        Pad((1, -1), (0, 2), (0, 0)),
        [f32(2, 3), f32()],
        ShapeError,
        """
        pad: amounts are not negative
          operand              f32[2, 3]   axis 1 = 3
          low, high, interior  (-1, 2, 0)  axis 1
          hint: slice the operand first
        """,
    ),
    (
        "pad-fill-rank",
        Pad((1,), (1,), (0,)),
        [f32(3), f32(1)],
        ShapeError,
        """
        pad: the fill value is a scalar
          fill  f32[1]
        """,
    ),
    (
        "pad-fill-dtype",
        Pad((1,), (1,), (0,)),
        [f32(3), i64()],
        DTypeError,
        """
        pad: operands of different dtypes
          operand  f32[3]  f32
          fill     i64[]   i64
        """,
    ),
    (
        "concatenate-none",
        Concatenate(0),
        [],
        ShapeError,
        """
        concatenate: no operands
        """,
    ),
    (
        "concatenate-axis",
        Concatenate(2),
        [f32(2, 3), f32(2, 3)],
        ShapeError,
        """
        concatenate: no axis 2
          operand 0  f32[2, 3]  rank 2
        """,
    ),
    (
        "concatenate-ranks",
        Concatenate(0),
        [f32(2, 3), f32(3)],
        ShapeError,
        """
        concatenate: ranks differ
          operand 0  f32[2, 3]  rank 2
          operand 1  f32[3]     rank 1
        """,
    ),
    (
        "concatenate-sizes",
        Concatenate(0),
        [f32(2, 3), f32(10, 3), f32(2, 4)],
        ShapeError,
        """
        concatenate: sizes differ outside of axis 0
          operand 0  f32[2, 3]  axis 1 = 3
          operand 2  f32[2, 4]  axis 1 = 4
        """,
    ),
    (
        "concatenate-dtypes",
        Concatenate(0),
        [f32(2), i64(12)],
        DTypeError,
        """
        concatenate: operands of different dtypes
          operand 0  f32[2]   f32
          operand 1  i64[12]  i64
        """,
    ),
    (
        "gather-float",
        Gather(),
        [f32(4, 3), f32(2, 1)],
        DTypeError,
        """
        gather: indices are integers
          indices  f32[2, 1]
        """,
    ),
    (
        "gather-depth",
        Gather(),
        [f32(4, 3), i64(2, 3)],
        ShapeError,
        """
        gather: the last axis of the indices addresses 1 to rank axes of the operand
          operand  f32[4, 3]  rank 2
          indices  i64[2, 3]  axis 1 = 3
        """,
    ),
    (
        "gather-no-depth",
        Gather(),
        [f32(4, 3), i64(2, 0)],
        ShapeError,
        """
        gather: the last axis of the indices addresses 1 to rank axes of the operand
          operand  f32[4, 3]  rank 2
          indices  i64[2, 0]  axis 1 = 0
        """,
    ),
    (
        "gather-symbolic-depth",
        Gather(),
        [f32(4, 3), i64(n)],
        ShapeError,
        """
        gather: the last axis of the indices addresses 1 to rank axes of the operand
          operand  f32[4, 3]  rank 2
          indices  i64[n]     axis 0 = n
        """,
    ),
    (
        "gather-scalar",
        Gather(),
        [f32(4, 3), i64()],
        ShapeError,
        """
        gather: the last axis of the indices addresses 1 to rank axes of the operand
          operand  f32[4, 3]  rank 2
          indices  i64[]      rank 0
        """,
    ),
    (
        "gather-empty",
        Gather(),
        [f32(2, 0), i64(5, 2)],
        ShapeError,
        """
        gather: nothing to read along an empty axis
          operand  f32[2, 0]  axis 1 = 0
          indices  i64[5, 2]
        """,
    ),
    (
        "gather-outside",
        Gather("wrap"),
        [f32(4, 3), i64(2, 1)],
        UsageError,
        """
        gather: outside is one of clip, drop, not 'wrap'
        """,
    ),
    (
        "scatter-kind",
        Scatter("most"),
        [f32(4), i64(2, 1), f32(2)],
        UsageError,
        """
        scatter: kind is one of add, set, multiply, min, max, not 'most'
        """,
    ),
    (
        "scatter-rank",
        Scatter(),
        [f32(4, 3), i64(2, 1), f32(2)],
        ShapeError,
        """
        scatter: updates do not fit operand and indices
          expected  f32[2, 3]  rank 2
          actual    f32[2]     rank 1
        """,
    ),
    (
        "scatter-sizes",
        Scatter(),
        [f32(4, 3), i64(n, 1), f32(n, 2)],
        ShapeError,
        """
        scatter: updates do not fit operand and indices
          expected  f32[n, 3]  axis 1 = 3
          actual    f32[n, 2]  axis 1 = 2
        """,
    ),
    (
        "scatter-dtypes",
        Scatter(),
        [f32(4), i64(2, 1), i64(2)],
        DTypeError,
        """
        scatter: operands of different dtypes
          operand  f32[4]  f32
          updates  i64[2]  i64
        """,
    ),
    (
        "scatter-bool",
        Scatter(),
        [TensorType(dtypes.bool_, (4,)), i64(2, 1), TensorType(dtypes.bool_, (2,))],
        DTypeError,
        """
        scatter: add is not defined for bool
          operand  bool[4]  bool
        """,
    ),
    (
        "dynamic-slice-entries",
        DynamicSlice((2,)),
        [f32(4, 3), i64(2)],
        ShapeError,
        """
        dynamic_slice: sizes does not have one entry an axis
          operand  f32[4, 3]  rank 2
          sizes    (2,)       1 entry
        """,
    ),
    (
        "dynamic-slice-starts",
        DynamicSlice((2, 2)),
        [f32(4, 3), i64(3)],
        ShapeError,
        """
        dynamic_slice: starts does not have one entry an axis
          operand  f32[4, 3]  rank 2
          starts   i64[3]
        """,
    ),
    (
        "integer-matmul-dtypes",
        IntegerMatmul(),
        [f32(4, 3), TensorType(dtypes.i8, (3, 2))],
        DTypeError,
        """
        integer_matmul: operands of other dtypes
          left   f32[4, 3]  u8 is wanted
          right  i8[3, 2]   i8 is wanted
        """,
    ),
    (
        "integer-convolution-dtypes",
        IntegerConvolution((1,), ((0, 0),), (1,)),
        [TensorType(dtypes.i8, (1, 4, 3)), TensorType(dtypes.i8, (2, 3, 5))],
        DTypeError,
        """
        integer_convolution: operands of other dtypes
          x  i8[1, 4, 3]  u8 is wanted
          w  i8[2, 3, 5]  i8 is wanted
        """,
    ),
    (
        "dynamic-slice-dtype",
        DynamicSlice((2,)),
        [f32(4), f32(1)],
        DTypeError,
        """
        dynamic_slice: starts are i64
          starts  f32[1]  f32
        """,
    ),
    (
        "dynamic-slice-large",
        DynamicSlice((2, 4)),
        [f32(4, 3), i64(2)],
        ShapeError,
        """
        dynamic_slice: the window does not fit into the operand
          operand  f32[4, 3]  axis 1 = 3
          window   f32[2, 4]  axis 1 = 4
        """,
    ),
    (
        "dynamic-slice-negative",
        DynamicSlice((-1,)),
        [f32(4), i64(1)],
        ShapeError,
        """
        dynamic_slice: the window does not fit into the operand
          operand  f32[4]   axis 0 = 4
          window   f32[-1]  axis 0 = -1
        """,
    ),
    (
        "update-ranks",
        DynamicUpdateSlice(),
        [f32(4, 3), f32(3), i64(2)],
        ShapeError,
        """
        dynamic_update_slice: ranks differ
          operand  f32[4, 3]  rank 2
          update   f32[3]     rank 1
        """,
    ),
    (
        "update-dtypes",
        DynamicUpdateSlice(),
        [f32(4), i64(3), i64(1)],
        DTypeError,
        """
        dynamic_update_slice: operands of different dtypes
          operand  f32[4]  f32
          update   i64[3]  i64
        """,
    ),
    (
        "update-large",
        DynamicUpdateSlice(),
        [f32(n), f32(n + 1), i64(1)],
        ShapeError,
        """
        dynamic_update_slice: the window does not fit into the operand
          operand  f32[n]      axis 0 = n
          window   f32[n + 1]  axis 0 = n + 1
        """,
    ),
    (
        "arg-kind",
        ArgReduce("most", 0),
        [f32(4)],
        UsageError,
        """
        arg_reduce: kind is one of max, min, not 'most'
        """,
    ),
    (
        "arg-axis",
        ArgReduce("max", 1),
        [f32(4)],
        ShapeError,
        """
        arg_reduce: no axis 1
          operand  f32[4]  rank 1
        """,
    ),
    (
        "arg-empty",
        ArgReduce("max", 1),
        [f32(4, 0)],
        ShapeError,
        """
        arg_reduce: an empty axis has no largest or smallest element
          operand  f32[4, 0]  axis 1 = 0
        """,
    ),
    (
        "arg-complex",
        ArgReduce("max", 0),
        [TensorType(dtypes.complex64, (4,))],
        DTypeError,
        """
        arg_reduce: complex64 has no order
        """,
    ),
    (
        "qr-integers",
        QR(),
        [i64(3, 3)],
        DTypeError,
        """
        qr: matrices of floats, not of i64
          hint: convert them first
        """,
    ),
    (
        "svd-vector",
        SVD(),
        [f32(3)],
        ShapeError,
        """
        svd: a matrix has two axes
          operand  f32[3]  rank 1
        """,
    ),
    (
        "eigh-square",
        Eigh(),
        [f32(3, 4)],
        ShapeError,
        """
        eigh: the matrix is not square
          operand  f32[3, 4]  3 rows  4 columns
        """,
    ),
    (
        "pinv-tolerance",
        PseudoInverse(),
        [f32(2, 3, 4), f32(3)],
        ShapeError,
        """
        pinv: the tolerance does not fit the batch
          expected  f32[2]  axis 0 = 2
          actual    f32[3]  axis 0 = 3
        """,
    ),
    (
        "fourier-real",
        Fourier("fft", (0,)),
        [f32(4)],
        DTypeError,
        """
        fft: the operand has another element type
          operand  f32[4]
          wanted   complex64, complex128
        """,
    ),
    (
        "fourier-axes",
        Fourier("rfft", (1,)),
        [f32(4)],
        ShapeError,
        """
        rfft: axes (1,) of f32[4]
        """,
    ),
    (
        "fourier-empty",
        Fourier("rfft", (0,)),
        [f32(0)],
        ShapeError,
        """
        rfft: a transform of no points
          operand  f32[0]
        """,
    ),
]


@pytest.mark.parametrize(
    ("op", "types", "kind", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_infer_refuses(op: Op, types: list[TensorType], kind: type[IrflowError], text: str) -> None:
    with pytest.raises(kind) as error:
        op.infer(*types)
    assert type(error.value) is kind
    assert str(error.value) == dedent(text).strip()


@pytest.mark.parametrize(
    ("op", "types"),
    [
        (Slice((0,), (5,), (1,)), [f32(n)]),
        (Slice((n,), (m,), (1,)), [f32(m)]),
        (Pad((n - m,), (0,), (0,)), [f32(3), f32()]),
        (Concatenate(0), [f32(2, n), f32(3, m)]),
        (Scatter(), [f32(4), i64(n, 1), f32(m)]),
        (DynamicSlice((m,)), [f32(n), i64(1)]),
    ],
    ids=["slice", "slice-start", "pad", "concatenate", "scatter", "dynamic_slice"],
)
def test_sizes_that_cannot_be_compared_are_not_guessed(op: Op, types: list[TensorType]) -> None:
    with pytest.raises(UndecidableSizeError):
        op.infer(*types)


def test_an_empty_axis_that_shows_only_at_run_time() -> None:
    empty = np.zeros((0, 2), np.float32)
    with pytest.raises(ShapeError, match="arg_reduce: an empty axis has no largest"):
        ArgReduce("max", 0).numpy(empty)
