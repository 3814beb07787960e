"""Joining operands along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims
from irflow.dims import Size
from irflow.errors import ShapeError
from irflow.ir.op import Lowering, Op, Sample, register
from irflow.ir.types import Shape, TensorType
from irflow.loops.nodes import Select, size_expr
from irflow.ops.index_map import (
    affine,
    check_dtypes,
    is_between,
    joint_jvp,
    replaced,
)
from irflow.ops.shape import slice_axis

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand


@register("concatenate")
class Concatenate(Op):
    """Join any number of operands along `axis`; all other sizes are equal. Gradient: slices."""

    axis: int
    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, *types: TensorType) -> TensorType:
        if not types:
            raise ShapeError("concatenate: no operands")
        first = types[0]
        if not 0 <= self.axis < first.rank:
            raise ShapeError(
                f"concatenate: no axis {self.axis}",
                facts=[("operand 0", first, f"rank {first.rank}")],
            )
        check_dtypes("concatenate", **{f"operand {i}": t for i, t in enumerate(types)})
        for position, other in enumerate(types):
            self._check_sizes(first, position, other)
        total = sum((t.shape[self.axis] for t in types[1:]), first.shape[self.axis])
        return first.with_shape(replaced(first.shape, self.axis, total))

    def _check_sizes(self, first: TensorType, position: int, other: TensorType) -> None:
        if other.rank != first.rank:
            raise ShapeError(
                "concatenate: ranks differ",
                facts=[
                    ("operand 0", first, f"rank {first.rank}"),
                    (f"operand {position}", other, f"rank {other.rank}"),
                ],
            )
        for axis, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)):
            if axis != self.axis and not dims.decide_equal(a, b):
                raise ShapeError(
                    f"concatenate: sizes differ outside of axis {self.axis}",
                    facts=[
                        ("operand 0", first, f"axis {axis} = {a}"),
                        (f"operand {position}", other, f"axis {axis} = {b}"),
                    ],
                )

    def numpy(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, self.axis)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        starts = self._starts([x.shape for x in inputs])
        return [
            slice_axis(cotangents[0], self.axis, start, stop) if context.needs(i) else None
            for i, (start, stop) in enumerate(pairwise(starts))
        ]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return joint_jvp(self, inputs, tangents)

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        place = index[self.axis]
        starts = self._starts([load.type.shape for load in loads])
        result: Any = None
        for start, stop, load in reversed(list(zip(starts, starts[1:], loads, strict=False))):
            if start == stop and result is not None:
                continue
            with context.masked(is_between(place, start, stop)):
                value = load(replaced(index, self.axis, affine(place, -start, 1)))
            result = value if result is None else Select(place < size_expr(stop), value, result)
        return result

    def with_leading_axis(self, size: Size) -> Op:
        return Concatenate(self.axis + 1)

    def _starts(self, shapes: Sequence[Shape]) -> list[Size]:
        """Where each operand begins, and the end."""
        starts: list[Size] = [0]
        for shape in shapes:
            starts.append(starts[-1] + shape[self.axis])
        return starts

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        n, m = dims.symbol("n"), dims.symbol("m")
        yield Sample(cls(0), (x, 10 + x), label="rows")
        yield Sample(cls(1), (x, x[:, :1], x[:, ::-2]), label="columns")
        yield Sample(cls(0), (x,), label="one")
        yield Sample(cls(1), (x[:, :0], x, x[:, :0]), label="some-empty")
        yield Sample(cls(0), (x[:0], x[:0]), label="empty")
        yield Sample(cls(0), (np.arange(2), np.arange(3)), label="i64")
        yield Sample(cls(0), (x, x[:1]), ((n, 3), (m, 3)), label="symbolic")


def concatenate(xs: Sequence[GraphOperand], axis: int) -> Any:
    """Operands joined along `axis`; a single one is returned as it is."""
    return xs[0] if len(xs) == 1 else xs[0].emit(Concatenate(axis), list(xs))[0]
