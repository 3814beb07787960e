"""Element functions and nests without a compiler: every loop expression is evaluated at once.

`EagerContext` has the methods of the contexts that lowering hands to `Op.element` and `Op.nest`. It
checks what compiled code relies on: indices are in bounds, but where a mask is false, and the two
sides of a selection have one dtype. A masked-off load gives a wrong value, so that code that relies
on it shows. 16-bit floats are held as f32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Node
from irflow.ir.op import Lowering
from irflow.ir.types import type_of
from irflow.loops.nodes import Apply, Cast, Const, Expr, Select, integer, size_expr
from irflow.ops import Convert
from irflow.scalars import Scalar

WRONG = 77
Index = Sequence[Any]


def value_of(expr: Expr) -> np.ndarray:
    """The value of an expression without variables."""
    match expr:
        case Const(value, dtype):
            return np.asarray(value).astype(dtype.numpy)
        case Apply(row, args):
            assert row.infer([arg.dtype for arg in args])
            return np.asarray(row.numpy(*map(value_of, args)))
        case Cast(dtype, inner):
            return np.asarray(Convert(dtype).numpy(value_of(inner)))
        case Select(condition, then, otherwise):
            assert condition.dtype is dtypes.bool_
            assert then.dtype is otherwise.dtype
            return value_of(then if value_of(condition) else otherwise)
    raise TypeError(f"not a plain expression: {expr}")


def evaluated(expr: Expr) -> Const:
    return Const(value_of(expr).item(), expr.dtype)


def positions(extents: Sequence[Any]) -> Iterator[list[Expr]]:
    ranges = (range(int(e) if isinstance(e, int) else int(value_of(size_expr(e)))) for e in extents)
    return ([integer(i) for i in index] for index in itertools.product(*ranges))


class EagerContext:
    """Runs loops as they are written down."""

    def __init__(self, outputs: Sequence[np.ndarray] = ()) -> None:
        self.outputs = outputs
        self.is_masked_off = False

    def read(self, array: np.ndarray, index: Index) -> Const:
        dtype = dtypes.compute_dtype(dtypes.from_numpy(array.dtype))
        place = tuple(int(value_of(i)) for i in index)
        assert len(place) == array.ndim
        if self.is_masked_off:
            return Const(True if dtype.kind == "bool" else WRONG, dtype)
        assert all(0 <= i < size for i, size in zip(place, array.shape, strict=True)), place
        return Const(array[place].item(), dtype)

    @contextmanager
    def masked(self, condition: Expr) -> Iterator[None]:
        before = self.is_masked_off
        self.is_masked_off = before or not value_of(condition)
        yield
        self.is_masked_off = before

    def let(self, expr: Expr) -> Expr:
        return evaluated(expr)

    def convert(self, value: Expr, dtype: DType) -> Expr:
        return evaluated(Cast(dtype, value))

    def constant(self, value: DenseArray, index: Index) -> Expr:
        return self.read(value.array, index)

    def size(self, size: Size) -> Expr:
        return size_expr(size)

    def loop(self, extents: Sequence[Size], init: Index, body: Callable[..., Any]) -> Any:
        carried = tuple(map(evaluated, init))
        for index in positions(extents):
            results = body(index, carried)
            assert [r.dtype for r in results] == [c.dtype for c in carried]
            carried = tuple(map(evaluated, results))
        return carried

    def reduce(
        self, row: Scalar, dtype: DType, extents: Sequence[Size], body: Callable[..., Any]
    ) -> Expr:
        assert row.identity is not None
        total: Expr = Const(row.identity(dtype), dtypes.compute_dtype(dtype))
        for index in positions(extents):
            total = evaluated(row(total, body(index)))
        return total

    def for_each(self, extents: Sequence[Size], body: Callable[[list[Expr]], None]) -> None:
        for index in positions(extents):
            body(index)

    def if_(self, condition: Expr, body: Callable[[], None]) -> None:
        if value_of(condition):
            body()

    def load_output(self, number: int, index: Index) -> Expr:
        return self.read(self.outputs[number], index)

    def store(self, number: int, index: Index, value: Expr) -> None:
        output = self.outputs[number]
        place = tuple(int(value_of(i)) for i in index)
        assert len(place) == output.ndim
        assert all(0 <= i < size for i, size in zip(place, output.shape, strict=True)), place
        output[place] = value_of(value)


class Load:
    """An input as a load function."""

    def __init__(self, context: EagerContext, array: np.ndarray) -> None:
        self.context = context
        self.array = array
        self.type = type_of(array)

    def __call__(self, index: Index) -> Const:
        return self.context.read(self.array, index)


def run_loops(node: Node, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results of a node of static types, by its element function or its nest."""
    outputs = [np.empty(v.type.static_shape, v.type.dtype.numpy) for v in node.outputs]
    context = EagerContext(outputs)
    loads = [Load(context, array) for array in inputs]
    if node.op.lowering is Lowering.NEST:
        node.op.nest(context, loads, outputs)
        return outputs
    (output,) = outputs
    for place in np.ndindex(output.shape):
        value = node.op.element(context, [integer(i) for i in place], loads)
        assert value.dtype is dtypes.compute_dtype(node.output.type.dtype)
        output[place] = value_of(value)
    return outputs
