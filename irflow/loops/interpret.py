"""Running kernels in plain Python: the meaning of loop code, and the test of every schedule.

Every access is checked against its buffer, fresh buffers hold NaN or a conspicuous number, and the
threads of a block really take turns between barriers. Scalars are NumPy's, so integers wrap and
16-bit floats round.

Parallel iterations run in order, or backwards on request: a kernel whose result depends on it is
wrong. Sibling thread loops of a block run one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import dims, dtypes
from irflow.dtypes import DType
from irflow.errors import CheckError
from irflow.loops.nodes import (
    Alloc,
    Apply,
    Barrier,
    Block,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    For,
    If,
    Intrinsic,
    Kernel,
    Let,
    Load,
    LoopKind,
    Ramp,
    Select,
    Shuffle,
    Stmt,
    Store,
    Var,
    While,
)
from irflow.loops.walk import statements

THREADS = (LoopKind.THREAD_X, LoopKind.THREAD_Y, LoopKind.THREAD_Z)
UNORDERED = (LoopKind.PARALLEL, LoopKind.BLOCK_X, LoopKind.BLOCK_Y, LoopKind.BLOCK_Z)

Array = np.ndarray[Any, Any]


def interpret(
    kernel: Kernel,
    inputs: Sequence[Array],
    sizes: Mapping[str, int] | None = None,
    backwards: bool = False,
) -> list[Array]:
    """Run `kernel` on arrays and return its outputs.

    Args:
        kernel: checked code.
        inputs: one array an input buffer, of its dtype and shape.
        sizes: values of the symbolic sizes; solved from the shapes of `inputs` when None.
        backwards: run the iterations of parallel loops and of blocks in reverse.

    Raises:
        CheckError: an access outside its buffer, or a barrier that some threads do not reach.
    """
    if sizes is None:
        pairs = zip(kernel.inputs, inputs, strict=True)
        sizes = dims.solve((b.name, b.shape, np.shape(array)) for b, array in pairs)
    arrays = {b.name: array for b, array in zip(kernel.inputs, inputs, strict=True)}
    outputs = [fresh(b, sizes) for b in kernel.outputs]
    arrays |= {b.name: array for b, array in zip(kernel.outputs, outputs, strict=True)}
    interpret_into(kernel, arrays, sizes, backwards)
    return outputs


def interpret_into(
    kernel: Kernel,
    arrays: Mapping[str, Array],
    sizes: Mapping[str, int],
    backwards: bool = False,
) -> None:
    """Run `kernel` on arrays given by buffer name; those of its outputs are written.

    Raises:
        CheckError: an array does not fit its buffer; and as `interpret`.
    """
    for buffer in (*kernel.inputs, *kernel.outputs):
        _check_array(kernel, buffer, arrays[buffer.name], sizes)
    values = {var.name: np.int64(sizes[var.name]) for var in kernel.sizes}
    frame = Frame(dict(values), dict(arrays), sizes, backwards)
    for _ in _run(kernel.body, frame):
        raise CheckError(f"kernel @{kernel.name}: a barrier stands outside of all thread loops")


def fresh(buffer: Buffer, sizes: Mapping[str, int]) -> Array:
    """An array for `buffer` filled with NaN, True or a conspicuous number."""
    shape = tuple(dims.evaluate(size, sizes) for size in buffer.shape)
    value = {"bool": True, "int": -77, "uint": 177}.get(buffer.dtype.kind, np.nan)
    return np.full(shape, value, buffer.dtype.numpy)


def _check_array(kernel: Kernel, buffer: Buffer, array: Array, sizes: Mapping[str, int]) -> None:
    shape = tuple(dims.evaluate(size, sizes) for size in buffer.shape)
    if array.shape != shape or array.dtype != buffer.dtype.numpy:
        raise CheckError(
            f"kernel @{kernel.name}: the array for {buffer.name} does not fit",
            facts=[
                ("declared", f"{buffer.dtype}{list(shape)}"),
                ("given", f"{array.dtype}{list(array.shape)}"),
            ],
        )


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


# -------------------------------------------------------------------------------------- statements


def _run(stmt: Stmt, frame: Frame) -> Iterator[None]:
    """Execute `stmt`, yielding at every barrier."""
    match stmt:
        case Block(inner):
            for part in inner:
                yield from _run(part, frame)
        case Let(var, value):
            frame.values[var.name] = evaluate(value, frame)
        case Store():
            _store(stmt, frame)
        case For(kind=kind) if kind in THREADS and _has_barrier(stmt):
            yield from _lockstep(stmt, frame)
        case For(var, _, kind, body):
            for i in _iterations(stmt, frame):
                frame.values[var.name] = i
                yield from _run(body, frame)
        case While(condition, body):
            while evaluate(condition, frame):
                yield from _run(body, frame)
        case If(condition, then, otherwise):
            if evaluate(condition, frame):
                yield from _run(then, frame)
            elif otherwise is not None:
                yield from _run(otherwise, frame)
        case Alloc(buffer):
            frame.arrays[buffer.name] = fresh(buffer, frame.sizes)
        case Barrier():
            yield


def _has_barrier(stmt: Stmt) -> bool:
    return any(isinstance(inner, Barrier) for inner in statements(stmt))


def _iterations(loop: For, frame: Frame) -> Iterator[Any]:
    extent = int(evaluate(loop.extent, frame))
    order = range(extent)
    backwards = frame.backwards and loop.kind in UNORDERED
    return (np.int64(i) for i in (reversed(order) if backwards else order))


def _lockstep(loop: For, frame: Frame) -> Iterator[None]:
    """Run the threads of a loop from barrier to barrier; those of an outer loop join in."""
    threads: list[Iterator[None]] = []
    for i in _iterations(loop, frame):
        thread = frame.fork()
        thread.values[loop.var.name] = i
        threads.append(_run(loop.body, thread))
    while threads:
        waiting = [thread for thread in threads if next(thread, _ENDED) is not _ENDED]
        if len(waiting) not in (0, len(threads)):
            raise CheckError(
                f"{len(waiting)} of {len(threads)} threads of {loop.var.name} reach a barrier"
            )
        if waiting and frame.is_thread:
            yield
        threads = waiting


_ENDED = object()


def _store(stmt: Store, frame: Frame) -> None:
    value = evaluate(stmt.value, frame)
    mask = True if stmt.mask is None else evaluate(stmt.mask, frame)
    index = [evaluate(part, frame) for part in stmt.index]
    lanes = max([stmt.value.lanes, *(part.lanes for part in stmt.index)])
    array = frame.arrays[stmt.buffer.name]
    for lane in range(lanes):
        if _lane(mask, lane):
            position = _position("store to", stmt.buffer, array, index, lane, frame)
            array[position] = _lane(value, lane)


# ------------------------------------------------------------------------------------- expressions


def evaluate(expr: Expr, frame: Frame) -> Any:
    """The value of an expression: a NumPy scalar, or an array of `lanes` elements."""
    match expr:
        case Const(value, dtype):
            return _constant(value, dtype)
        case Var(name):
            return frame.values[name]
        case Load():
            return _load(expr, frame)
        case Apply(row, args):
            values = [evaluate(arg, frame) for arg in args]
            return _typed(row.numpy(*values), expr.dtype)
        case Cast(dtype, value):
            return convert(evaluate(value, frame), dtype)
        case Select(condition, then, otherwise):
            sides = evaluate(then, frame), evaluate(otherwise, frame)
            return _choose(evaluate(condition, frame), *sides)
        case Ramp(start, stride, lanes):
            return evaluate(start, frame) + np.arange(lanes, dtype=expr.dtype.numpy) * stride
        case Broadcast(value, lanes):
            return np.broadcast_to(evaluate(value, frame), (lanes,))
        case Shuffle(vectors, indices):
            joined = np.concatenate([np.atleast_1d(evaluate(v, frame)) for v in vectors])
            return joined[list(indices)] if len(indices) > 1 else joined[indices[0]]
        case Intrinsic(row, args, dtype):
            return _typed(row.numpy(*[evaluate(arg, frame) for arg in args]), dtype)
    raise AssertionError(f"unknown expression {type(expr).__name__}")


def _constant(value: bool | int | float, dtype: DType) -> Any:
    return dtype.numpy.type(value)


def _typed(value: Any, dtype: DType) -> Any:
    array = np.asarray(value)
    assert array.dtype == dtype.numpy, f"a scalar row gave {array.dtype} instead of {dtype}"
    return array[()]


def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    if np.ndim(condition):
        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def _load(load: Load, frame: Frame) -> Any:
    if load.hint == "prefetch":
        return _zero(load)
    mask = True if load.mask is None else evaluate(load.mask, frame)
    index = [evaluate(part, frame) for part in load.index]
    array = frame.arrays[load.buffer.name]
    if load.lanes == 1:
        return (
            array[_position("load of", load.buffer, array, index, 0, frame)]
            if mask
            else _zero(load)
        )
    result = _zero(load)
    for lane in range(load.lanes):
        if _lane(mask, lane):
            result[lane] = array[_position("load of", load.buffer, array, index, lane, frame)]
    return result


def _zero(load: Load) -> Any:
    zeros = np.zeros(load.lanes, load.dtype.numpy)
    return zeros if load.lanes > 1 else zeros[0]


def _lane(value: Any, lane: int) -> Any:
    return value[lane] if isinstance(value, np.ndarray) else value


def _position(
    access: str, buffer: Buffer, array: Array, index: Sequence[Any], lane: int, frame: Frame
) -> tuple[int, ...]:
    position = tuple(int(_lane(part, lane)) for part in index)
    for axis, (i, size) in enumerate(zip(position, array.shape, strict=True)):
        if not 0 <= i < size:
            raise CheckError(
                f"{access} {buffer.name}: index {i} is outside axis {axis} of size {size}",
                facts=[("index", ", ".join(map(str, position)))]
                + [(name, str(value)) for name, value in frame.values.items()],
            )
    return position


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
