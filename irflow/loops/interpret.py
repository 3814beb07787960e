"""Running kernels in plain Python: the meaning of loop code, and the test of every schedule.

Every access is checked against its buffer, fresh buffers hold NaN or a conspicuous number, and the
threads of a block really take turns between barriers.

Parallel iterations run in order, or backwards on request: a kernel whose result depends on it is
wrong. Sibling thread loops of a block run one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from irflow import dims
from irflow.errors import CheckError
from irflow.loops.evaluate import Array, Code, Frame, access, in_lanes, translated
from irflow.loops.nodes import (
    Alloc,
    Barrier,
    Block,
    Buffer,
    For,
    If,
    Kernel,
    Let,
    LoopKind,
    Stmt,
    Store,
    While,
)
from irflow.loops.walk import statements

THREADS = (LoopKind.THREAD_X, LoopKind.THREAD_Y, LoopKind.THREAD_Z)
UNORDERED = (LoopKind.PARALLEL, LoopKind.BLOCK_X, LoopKind.BLOCK_Y, LoopKind.BLOCK_Z)


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
    with np.errstate(all="ignore"):
        for _ in _turns(kernel.body)(frame):
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


Turns = Callable[[Frame], Iterator[None]]
"""What a statement does: it yields at every barrier."""


def _turns(stmt: Stmt) -> Turns:
    """The code of a statement."""
    match stmt:
        case Block(inner):
            return _block(inner)
        case For(kind=kind) if kind in THREADS and _has_barrier(stmt):
            return _lockstep(stmt)
        case For():
            return _loop(stmt)
        case While(condition, body):
            return _while(translated(condition), _turns(body))
        case If(condition, then, otherwise):
            return _if(translated(condition), _turns(then), _turns(otherwise or Block(())))
        case Barrier():
            return lambda _: iter((None,))
    raise AssertionError(f"unknown statement {type(stmt).__name__}")


def _block(parts: Sequence[Stmt]) -> Turns:
    pairs = [
        (code, None if code is not None else _turns(part))
        for part, code in ((part, _simple(part)) for part in parts)
    ]

    def run(frame: Frame) -> Iterator[None]:
        for code, turns in pairs:
            if turns is not None:
                yield from turns(frame)
            elif code is not None:
                code(frame)

    return run


def _simple(stmt: Stmt) -> Code | None:
    """The code of a statement without others in it, for which no iterator is made."""
    match stmt:
        case Let(var, value):
            name, code = var.name, translated(value)
            return lambda frame: frame.values.__setitem__(name, code(frame))
        case Store():
            return _store(stmt)
        case Alloc(buffer):
            return lambda frame: frame.arrays.__setitem__(buffer.name, fresh(buffer, frame.sizes))
    return None


def _while(condition: Code, body: Turns) -> Turns:
    def run(frame: Frame) -> Iterator[None]:
        while condition(frame):
            yield from body(frame)

    return run


def _if(condition: Code, then: Turns, otherwise: Turns) -> Turns:
    return lambda frame: (then if condition(frame) else otherwise)(frame)


def _loop(loop: For) -> Turns:
    name, iterations, body = loop.var.name, _iterations(loop), _turns(loop.body)

    def run(frame: Frame) -> Iterator[None]:
        for i in iterations(frame):
            frame.values[name] = i
            yield from body(frame)

    return run


def _has_barrier(stmt: Stmt) -> bool:
    return any(isinstance(inner, Barrier) for inner in statements(stmt))


def _iterations(loop: For) -> Callable[[Frame], Iterator[Any]]:
    extent, is_unordered = translated(loop.extent), loop.kind in UNORDERED

    def run(frame: Frame) -> Iterator[Any]:
        order = range(int(extent(frame)))
        return map(np.int64, reversed(order) if is_unordered and frame.backwards else order)

    return run


def _lockstep(loop: For) -> Turns:
    """Run the threads of a loop from barrier to barrier; those of an outer loop join in."""
    name, iterations, body = loop.var.name, _iterations(loop), _turns(loop.body)

    def run(frame: Frame) -> Iterator[None]:
        threads: list[Iterator[None]] = []
        for i in iterations(frame):
            thread = frame.fork()
            thread.values[name] = i
            threads.append(body(thread))
        while threads:
            waiting = [thread for thread in threads if next(thread, _ENDED) is not _ENDED]
            if len(waiting) not in (0, len(threads)):
                raise CheckError(
                    f"{len(waiting)} of {len(threads)} threads of {name} reach a barrier"
                )
            if waiting and frame.is_thread:
                yield
            threads = waiting

    return run


_ENDED = object()


def _store(stmt: Store) -> Code:
    name, value = stmt.buffer.name, translated(stmt.value)
    where = access("store to", stmt.buffer, stmt.index, stmt.mask)

    def run(frame: Frame) -> None:
        place, lanes = where(frame)
        if place is not None:
            frame.arrays[name][place] = in_lanes(value(frame), lanes)

    return run
