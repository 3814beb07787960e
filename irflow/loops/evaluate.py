"""The meaning of expressions of the loop IR, in plain Python.

Scalars are NumPy's, so integers wrap and 16-bit floats round. An expression is read once and
becomes a function of a frame, since most of them are evaluated many times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.errors import CheckError
from irflow.loops.nodes import (
    Apply,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    Intrinsic,
    Load,
    Ramp,
    Select,
    Shuffle,
    Var,
)
from irflow.records import dataclass
from irflow.scalars import Scalar

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Frame:
    """What one thread sees: its variables, its buffers, and how deep in thread loops it is."""

    values: dict[str, Any]
    arrays: dict[str, Array]
    sizes: Mapping[str, int]
    backwards: bool
    is_thread: bool = False

    def fork(self) -> Frame:
        """A thread that shares the buffers made so far and has variables of its own."""
        return Frame(dict(self.values), dict(self.arrays), self.sizes, self.backwards, True)


Code = Callable[[Frame], Any]
"""What an expression, or a statement that is neither branch nor loop, does in a frame."""


def evaluate(expr: Expr, frame: Frame) -> Any:
    """The value of an expression: a NumPy scalar, or an array of `lanes` elements."""
    with np.errstate(all="ignore"):
        return translated(expr)(frame)


def translated(expr: Expr) -> Code:
    """The code of an expression."""
    match expr:
        case Const(value, dtype):
            constant = dtype.numpy.type(value)
            return lambda _: constant
        case Var(name):
            return lambda frame: frame.values[name]
        case Load():
            return _load(expr)
        case Apply(row, args) | Intrinsic(row, args):
            return _apply(row, args, expr.dtype)
        case Cast(dtype, value):
            source = translated(value)
            return lambda frame: convert(source(frame), dtype)
        case Select(condition, then, otherwise):
            test, yes, no = translated(condition), translated(then), translated(otherwise)
            return lambda frame: _choose(test(frame), yes(frame), no(frame))
        case Ramp(start, stride, lanes):
            first, steps = translated(start), np.arange(lanes, dtype=expr.dtype.numpy) * stride
            return lambda frame: first(frame) + steps
        case Broadcast(value, lanes):
            source = translated(value)
            return lambda frame: source(frame).repeat(lanes)
        case Shuffle(vectors, indices):
            return _shuffle([translated(vector) for vector in vectors], indices)
    raise AssertionError(f"unknown expression {type(expr).__name__}")


def _apply(row: Scalar, args: Sequence[Expr], dtype: DType) -> Code:
    # Floating-point warnings are off for the whole kernel; a row turns them off at every call.
    meaning = getattr(row.numpy, "__wrapped__", row.numpy)
    codes, scalar = [translated(arg) for arg in args], dtype.numpy.type

    def run(frame: Frame) -> Any:
        value = meaning(*[code(frame) for code in codes])
        return value if type(value) is scalar else _typed(value, dtype)

    return run


def _typed(value: Any, dtype: DType) -> Any:
    array = np.asarray(value)
    assert array.dtype == dtype.numpy, f"a scalar row gave {array.dtype} instead of {dtype}"
    return array[()]


def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    if isinstance(condition, np.ndarray):
        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def _shuffle(vectors: Sequence[Code], indices: Sequence[int]) -> Code:
    picked = list(indices) if len(indices) > 1 else indices[0]

    def run(frame: Frame) -> Any:
        return np.concatenate([np.atleast_1d(vector(frame)) for vector in vectors])[picked]

    return run


def _load(load: Load) -> Code:
    name, where = load.buffer.name, access("load of", load.buffer, load.index, load.mask)
    zeros = np.zeros(load.lanes, load.dtype.numpy)
    zero = zeros if load.lanes > 1 else zeros[0]

    def run(frame: Frame) -> Any:
        place, lanes = where(frame)
        if place is None:
            return zero
        if lanes is None:
            return frame.arrays[name][place]
        result = zeros.copy()
        result[lanes] = frame.arrays[name][place]
        return result

    return run if load.hint != "prefetch" else lambda _: zero


Access = Callable[[Frame], tuple[tuple[Any, ...] | None, Array | None]]
"""Where an array is read or written, None if nowhere, and in which lanes, None if in all."""


def access(word: str, buffer: Buffer, index: Sequence[Expr], mask: Expr | None) -> Access:
    """The code of the checked index of an access, which `word` names in an error."""
    codes = [translated(part) for part in index]
    test = None if mask is None else translated(mask)

    def run(frame: Frame) -> tuple[tuple[Any, ...] | None, Array | None]:
        lanes = None
        if test is not None:
            chosen = test(frame)
            lanes = np.flatnonzero(chosen)
            if lanes.size == 0:
                return None, None
            lanes = None if lanes.size == chosen.size else lanes
        place = tuple([in_lanes(code(frame), lanes) for code in codes])
        shape = frame.arrays[buffer.name].shape
        if not all(map(_is_inside, place, shape)):
            raise _outside(f"{word} {buffer.name}", place, shape, frame)
        return place, lanes

    return run


def in_lanes(value: Any, lanes: Array | None) -> Any:
    """A value in some lanes, or in all; a single one is the same in each."""
    return value if lanes is None or value.ndim == 0 else value[lanes]


def _is_inside(index: Any, size: int) -> bool:
    """Whether an index, or each of several, is one of an axis."""
    if index.ndim == 0:
        return bool(0 <= index < size)
    return bool(index.astype(np.uint64).max() < size)  # without its sign a negative one is huge


def _outside(what: str, place: Sequence[Any], shape: Sequence[int], frame: Frame) -> CheckError:
    """What to say of the first lane whose index lies outside."""
    lanes = np.stack(np.broadcast_arrays(*place), -1).reshape(-1, len(place)).tolist()
    index, axis = next(
        (index, axis)
        for index in lanes
        for axis, size in enumerate(shape)
        if not 0 <= index[axis] < size
    )
    return CheckError(
        f"{what}: index {index[axis]} is outside axis {axis} of size {shape[axis]}",
        facts=[("index", ", ".join(map(str, index)))]
        + [(name, str(value)) for name, value in frame.values.items()],
    )


def convert(value: Any, dtype: DType) -> Any:
    """Values in another element type: the meaning of `Cast`.

    Floats go to integers by dropping the fraction, the nearest representable value where there is
    none, and 0 for NaN. Integers wrap. Anything but zero is True. Complex numbers lose their
    imaginary part.

    Args:
        value: an array of any shape, or a NumPy scalar.
        dtype: the wanted type.

    Returns:
        An array of the same shape, or a scalar for a scalar.
    """
    array = np.asarray(value)
    source = dtypes.from_numpy(array.dtype)
    if source.kind == "complex" and dtype.kind not in ("complex", "bool"):
        return convert(array.real, dtype)
    with np.errstate(all="ignore"):
        if dtype is dtypes.bool_:
            return (array != 0)[()]
        if source.is_float and dtype.is_integer:
            return _saturate(array.astype(np.float64), dtype)[()]
        return array.astype(dtype.numpy)[()]


def _saturate(array: Array, dtype: DType) -> Array:
    limits = np.iinfo(dtype.numpy.name)
    above = array >= float(limits.max)
    below = array <= float(limits.min)
    inside = np.where(above | below | np.isnan(array), 0.0, array).astype(dtype.numpy)
    result = np.where(above, dtype.numpy.type(limits.max), inside)
    return np.asarray(np.where(below, dtype.numpy.type(limits.min), result))
