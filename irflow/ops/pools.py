"""Pooling: windows of an image reduced, and what derivatives of that are made of.

All four ops see an image `x[N, *spatial, C]` through windows, of which there are `[N, *out, C]`.
`pool` reduces each window; `pool_adjoint` adds up what stands at all windows that see a position.
`pool_hits` and `pool_hits_adjoint` do the same for the elements only that a window has chosen, as
the largest or least one: those that equal its result. Positions outside of the image never count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.errors import GradientError
from irflow.ir.op import Sample, register
from irflow.ir.types import Shape, TensorType
from irflow.ops.broadcast import Reduce
from irflow.ops.constants import concrete
from irflow.ops.matmul import accumulator, check_factors
from irflow.ops.pool_op import PoolOp, chosen_type
from irflow.ops.windows import (
    Ints,
    Padding,
    check_sizes,
    check_spatial_rank,
)
from irflow.scalars import Scalar, find


@register("pool")
class Pool(PoolOp):
    """Each window reduced by `row`: `[N, *spatial, C] -> [N, *out, C]`.

    `add`, `maximum` or `minimum`. What lies outside of the image does not count; a window that sees
    nothing gives the row's identity. 16-bit floats are added in f32. Gradient of maximum and
    minimum: shared evenly among the elements of a window that equal its result.
    """

    row: Scalar
    window: Ints
    strides: Ints
    padding: Padding
    dilations: Ints

    def infer(self, x: TensorType) -> TensorType:
        check_spatial_rank(self.name, ("x", x), len(self.window) + 2)
        Reduce(self.row, ()).infer(x)
        return x.with_shape((x.shape[0], *self.counts(x.shape[1:-1]), x.shape[-1]))

    def numpy(self, x: np.ndarray) -> np.ndarray:
        rank = len(self.window)
        assert self.row.identity is not None
        fill = self.row.identity(dtypes.from_numpy(x.dtype))
        return Reduce(self.row, tuple(range(rank + 1, 2 * rank + 1))).numpy(self.seen(x, fill))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (x,), (y,), (g,) = inputs, outputs, cotangents
        if self.row.name == "add":
            return [g.emit(PoolAdjoint(x.shape[1:-1], *self.geometry), [g])[0]]
        return [x.emit(PoolHitsAdjoint(*self.geometry), [x, y, g / self._hits(x, y)])[0]]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        (x,), (y,), (t,) = inputs, outputs, tangents
        if t is None:
            return [None]
        if self.row.name == "add":
            return list(t.emit(self, [t]))
        return [x.emit(PoolHits(*self.geometry), [x, y, t])[0] / self._hits(x, y)]

    def _hits(self, x: Any, y: Any) -> Any:
        """How many elements of each window equal its result."""
        if self.row.name not in ("maximum", "minimum"):
            raise GradientError(f"pool<{self.row.name}> has no gradient")
        return x.emit(PoolHits(*self.geometry), [x, y])[0]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return self.over_windows(context, self.row, loads[0], index, loads[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        add, maximum = find("add"), find("maximum")
        n, m = dims.symbol("n"), dims.symbol("m", lower=3)
        for label, x, geometry in _cases():
            yield Sample(cls(maximum, *geometry), (x,), label=f"max-{label}")
            yield Sample(cls(add, *geometry), (x,), label=f"sum-{label}")
        x, geometry = _image(2, 6, 5, 3), _GEOMETRIES["overlapping"]
        yield Sample(cls(find("minimum"), *geometry), (x,), label="min")
        yield Sample(cls(maximum, *geometry), (np.round(x),), differentiable=(), label="ties")
        yield Sample(cls(maximum, *geometry), ((9 * x).astype(np.int64),), label="i64")
        yield Sample(cls(maximum, *geometry), (x,), ((n, 6, 5, 3),), label="symbolic-batch")
        yield Sample(cls(add, *geometry), (x,), ((n, 6, m, 3),), label="symbolic-axis")
        for small in (np.float16, ml_dtypes.bfloat16):
            label, wide = np.dtype(small).name, (x.astype(small),)
            yield Sample(cls(add, *geometry), wide, differentiable=(), label=label)


@register("pool_adjoint")
class PoolAdjoint(PoolOp):
    """`x[n, i, c]`: all `g[n, t, c]` of windows that see position `i` summed.

    `[N, *out, C] -> [N, *spatial, C]`, 0 where no window does. 16-bit floats are summed in f32. The
    adjoint of the sum over windows, which is its gradient.
    """

    spatial: Shape
    window: Ints
    strides: Ints
    padding: Padding
    dilations: Ints
    linear_in: ClassVar[tuple[int, ...] | None] = (0,)
    is_adjoint: ClassVar[bool] = True

    def infer(self, g: TensorType) -> TensorType:
        check_factors(self.name, ("g", g))
        check_spatial_rank(self.name, ("g", g), len(self.spatial) + 2)
        check_sizes(self.name, ("g", g), 1, self.counts(self.spatial), "windows")
        return g.with_shape((g.shape[0], *self.spatial, g.shape[-1]))

    def numpy(self, g: np.ndarray) -> np.ndarray:
        wide = self.over_window(g.astype(accumulator(g.dtype), copy=False))
        rank = len(self.window)
        shape = (*g.shape[: rank + 1], *self.window, g.shape[-1])
        windows = np.broadcast_to(wide, shape)
        return self.spread(windows, concrete(self.spatial)).astype(g.dtype, copy=False)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        (u,) = cotangents
        return [u.emit(Pool(find("add"), *self.geometry), [u])[0]]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return self.over_positions(context, loads[0], index, loads[0])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n = dims.symbol("n")
        for label, x, geometry in _cases():
            yield Sample(cls(x.shape[1:-1], *geometry), (_result_like(x, geometry),), label=label)
        geometry = _GEOMETRIES["overlapping"]
        g = _result_like(_image(2, 6, 5, 3), geometry)
        yield Sample(cls((6, 5), *geometry), (g,), ((n, *g.shape[1:]),), label="symbolic-batch")
        for small in (np.float16, ml_dtypes.bfloat16):
            label = np.dtype(small).name
            yield Sample(cls((6, 5), *geometry), (g.astype(small),), None, (), label=label)


@register("pool_hits")
class PoolHits(PoolOp):
    """The elements of `u` summed over a window where those of `x` equal its result `y`.

    `x[N, *spatial, C]`, `y[N, *out, C]` and `u[N, *spatial, C]` give `[N, *out, C]`; ones stand for
    `u` where it is not given. Numbers of one dtype; 16-bit floats are summed in f32. Gradient in
    `u`: `PoolHitsAdjoint`; none in `x` and `y`.
    """

    window: Ints
    strides: Ints
    padding: Padding
    dilations: Ints
    linear_in: ClassVar[tuple[int, ...] | None] = (2,)

    def infer(self, x: TensorType, y: TensorType, *u: TensorType) -> TensorType:
        check_factors(self.name, ("x", x), ("y", y))
        for operand in u:
            check_factors(self.name, ("x", x), ("u", operand))
            check_spatial_rank(self.name, ("u", operand), x.rank)
            check_sizes(self.name, ("u", operand), 0, x.shape, "image")
        return chosen_type(self, x, y)

    def numpy(self, x: np.ndarray, y: np.ndarray, *u: np.ndarray) -> np.ndarray:
        wide = accumulator(x.dtype)
        values = u[0] if u else np.ones(x.shape, wide)
        hit = self.seen(x, 0) == self.over_window(y)
        rank = len(self.window)
        kept = np.where(hit, self.seen(values.astype(wide, copy=False), 0), 0)
        total: np.ndarray = kept.sum(tuple(range(rank + 1, 2 * rank + 1)), dtype=wide)
        return total.astype(x.dtype)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, y, *u = inputs
        operands = [x, y, cotangents[0]]
        found = x.emit(PoolHitsAdjoint(*self.geometry), operands) if u else []
        return [None, None, *found]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        x, y, *u = loads
        result = y(index)

        def value(place: Sequence[Any]) -> Any:
            is_hit = find("equal")(x(place), result)
            if not u:
                return context.convert(is_hit, x.type.dtype)
            return find("where")(is_hit, u[0](place), 0)

        return self.over_windows(context, find("add"), x, index, value)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, x, geometry in _cases():
            y = Pool(find("maximum"), *geometry).numpy(x)
            yield Sample(cls(*geometry), (x, y, _image(*x.shape)), None, (2,), label=label)
            yield Sample(cls(*geometry), (x, y), None, (), label=f"count-{label}")
        x, y, shapes, geometry = _tied_case()
        yield Sample(cls(*geometry), (x, y, x + 1), (*shapes, shapes[0]), (2,), label="symbolic")
        for small in (np.float16, ml_dtypes.bfloat16):
            operands = x.astype(small), y.astype(small)
            yield Sample(cls(*geometry), operands, None, (), label=np.dtype(small).name)


@register("pool_hits_adjoint")
class PoolHitsAdjoint(PoolOp):
    """`[n, i, c]`: all `g[n, t, c]` summed of windows whose result `y` equals `x` at position `i`.

    `x[N, *spatial, C]`, `y[N, *out, C]` and `g[N, *out, C]` give `[N, *spatial, C]`. Numbers of one
    dtype; 16-bit floats are summed in f32. Gradient in `g`: `PoolHits`; none in `x` and `y`.
    """

    window: Ints
    strides: Ints
    padding: Padding
    dilations: Ints
    linear_in: ClassVar[tuple[int, ...] | None] = (2,)
    is_adjoint: ClassVar[bool] = True

    def infer(self, x: TensorType, y: TensorType, g: TensorType) -> TensorType:
        check_factors(self.name, ("x", x), ("y", y))
        check_factors(self.name, ("x", x), ("g", g))
        check_spatial_rank(self.name, ("g", g), x.rank)
        check_sizes(self.name, ("g", g), 0, chosen_type(self, x, y).shape, "windows")
        return x

    def numpy(self, x: np.ndarray, y: np.ndarray, g: np.ndarray) -> np.ndarray:
        hit = self.seen(x, 0) == self.over_window(y)
        wide = self.over_window(g.astype(accumulator(g.dtype), copy=False))
        total = self.spread(np.where(hit, wide, 0), x.shape[1:-1])
        result: np.ndarray = total.astype(g.dtype, copy=False)
        return result

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        x, y, _ = inputs
        return [None, None, x.emit(PoolHits(*self.geometry), [x, y, cotangents[0]])[0]]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        x, y, g = loads
        chosen = x(index)

        def value(place: Sequence[Any]) -> Any:
            return find("where")(find("equal")(y(place), chosen), g(place), 0)

        return self.over_positions(context, g, index, value)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, x, geometry in _cases():
            y = Pool(find("maximum"), *geometry).numpy(x)
            g = _result_like(x, geometry)
            yield Sample(cls(*geometry), (x, y, g), None, (2,), label=label)
        x, y, shapes, geometry = _tied_case()
        yield Sample(cls(*geometry), (x, y, y + 1), (*shapes, shapes[1]), (2,), label="symbolic")
        for small in (np.float16, ml_dtypes.bfloat16):
            operands = x.astype(small), y.astype(small), y.astype(small)
            yield Sample(cls(*geometry), operands, None, (), label=np.dtype(small).name)


# ----------------------------------------------------------------------------------------- samples

_GEOMETRIES: dict[str, tuple[Ints, Ints, Padding, Ints]] = {
    "tiles": ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "overlapping": ((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1)),
    "dilated": ((2, 3), (2, 1), ((0, 1), (2, 1)), (3, 2)),
    "gaps": ((1, 2), (3, 3), ((0, 0), (1, 0)), (1, 1)),
}


def _image(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def _cases() -> Iterable[tuple[str, np.ndarray, tuple[Ints, Ints, Padding, Ints]]]:
    """Labelled images and geometries."""
    for label, geometry in _GEOMETRIES.items():
        yield label, _image(2, 6, 5, 3), geometry
    yield "one-axis", _image(2, 7, 3), ((3,), (2,), ((1, 0),), (1,))
    yield "three-axes", _image(1, 3, 4, 2, 2), ((2, 2, 1), (1, 2, 1), ((0, 0),) * 3, (1,) * 3)
    yield "empty", _image(0, 6, 5, 3), _GEOMETRIES["tiles"]


def _tied_case() -> tuple[np.ndarray, np.ndarray, tuple[Shape, Shape], Any]:
    """An image with ties, its largest elements, symbolic shapes, and the geometry."""
    geometry, n = _GEOMETRIES["overlapping"], dims.symbol("n")
    x = np.round(_image(2, 6, 5, 3))
    y = Pool(find("maximum"), *geometry).numpy(x)
    return x, y, ((n, *x.shape[1:]), (n, *y.shape[1:])), geometry


def _result_like(x: np.ndarray, geometry: tuple[Ints, Ints, Padding, Ints]) -> np.ndarray:
    shape = Pool(find("add"), *geometry).numpy(x).shape
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)
