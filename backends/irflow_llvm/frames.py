"""The memory of calls: arenas for what lives within them, and pointers to all buffers."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from irflow import dims, log
from irflow.errors import ArenaError
from irflow.ir.types import TensorType
from irflow.lowering.memory import Interval, Layout, least_bytes
from irflow.lowering.program import Program
from irflow_llvm.address import address

ALIGNMENT = 64
LARGEST = 5
"""So many buffers are named where memory is short."""

LISTED = 30
"""So many buffers are in the log."""

PASSED_ON = 2**22
"""Arenas of so many bytes are not kept for sizes that may not come again: others get them."""

Spare = Callable[[int], np.ndarray | None]
"""Finds an arena of at least so many bytes that nobody uses any more, or None."""


class Frame:
    """The memory of one call in flight, for one combination of sizes.

    Args:
        program: whose memory.
        sizes: the values of its symbols.
        spare: finds an arena.

    Attributes:
        arena: where the temporaries are.
        pointers: one a buffer of the program; those of constants and temporaries are there
            already.
        sizes: the values of the symbols.
        arrays: constants and temporaries by number, for host steps.
    """

    def __init__(
        self, program: Program, sizes: Mapping[str, int], spare: Spare = lambda _: None
    ) -> None:
        layout = program.layout(sizes)
        log.write("memory", lambda: memory_report(program, layout, sizes))
        found = spare(layout.nbytes)
        self.arena = arena(program, layout, sizes) if found is None else found
        self.arrays: dict[int, np.ndarray] = {}
        self.pointers = (ctypes.c_void_p * max(len(program.buffers), 1))()
        self.sizes = (ctypes.c_int64 * max(len(sizes), 1))(*(sizes[s] for s in program.symbols))
        for number, storage in enumerate(program.buffers):
            if storage.content is not None:
                self.arrays[number] = storage.content.array
            elif number in layout.offsets:
                self.arrays[number] = self.view(storage.type, layout.offsets[number], sizes)
            else:
                continue
            self.pointers[number] = address(self.arrays[number])

    def view(self, type: TensorType, offset: int, sizes: Mapping[str, int]) -> np.ndarray:
        """A temporary in the arena."""
        shape = concrete(type, sizes)
        nbytes = type.dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        return self.arena[offset : offset + nbytes].view(type.dtype.numpy).reshape(shape)


def arena(program: Program, layout: Layout, sizes: Mapping[str, int]) -> np.ndarray:
    """The memory of all temporaries.

    Raises:
        ArenaError: there is not so much; it names the largest of them.
    """
    try:
        return aligned_bytes(layout.nbytes)
    except (MemoryError, ValueError):  # ValueError for more than an array can have
        rows = _temporaries(program, layout, sizes)[:LARGEST]
        facts = [(f"b{n} {program.buffers[n].type}", f"{nbytes:,} bytes") for n, nbytes in rows]
        raise ArenaError(
            f"{program.name}: no memory for an arena of {layout.nbytes:,} bytes",
            facts=facts,
            hint="smaller batches, or irf.checkpoint, make intermediate values smaller",
        ) from None


def memory_report(program: Program, layout: Layout, sizes: Mapping[str, int]) -> str:
    """The arena and the largest of what lies in it: type, bytes, place, steps that need it."""
    times, rows = program.lifetimes(), _temporaries(program, layout, sizes)
    least = least_bytes(Interval(*times[number], nbytes) for number, nbytes in rows)
    lines = [f"{program.name}: an arena of {layout.nbytes:,} bytes, of which {least:,} at once"]
    for number, nbytes in rows[:LISTED]:
        first, last = times[number]
        place = f"at {layout.offsets[number]:,}, steps {first} to {last}"
        lines.append(f"  b{number} {program.buffers[number].type}: {nbytes:,} bytes {place}")
    if len(rows) > LISTED:
        lines.append(f"  and {len(rows) - LISTED} more of {rows[LISTED][1]:,} bytes at the most")
    return "\n".join(lines)


def _temporaries(
    program: Program, layout: Layout, sizes: Mapping[str, int]
) -> list[tuple[int, int]]:
    """The number and bytes of each buffer in the arena, the largest first."""
    rows = [(n, dims.evaluate(program.buffers[n].type.nbytes, sizes)) for n in layout.offsets]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


class Binding:
    """What is known of a program once its sizes are.

    Attributes:
        sizes: values by name.
        inputs: dtype and shape of each input.
        outputs: shape, dtype and buffer number of each output, and the input whose elements it
            starts with.
        frames: memory that no call uses at the moment.

    Args:
        program: as above.
        sizes: as above.
        spare: finds an arena for a new frame.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int], spare: Spare) -> None:
        self.program = program
        self.spare = spare
        self.sizes = dict(sizes)
        self.inputs = [(v.type.dtype.numpy, concrete(v.type, sizes)) for v in program.graph.inputs]
        outputs = [(n, program.buffers[n]) for n in program.output_numbers()]
        self.outputs = [
            (concrete(b.type, sizes), b.type.dtype.numpy, n, b.start) for n, b in outputs
        ]
        self.frames: deque[Frame] = deque()

    def take(self) -> Frame:
        """Memory for one call; given back by `frames.append`."""
        try:
            return self.frames.pop()
        except IndexError:
            return Frame(self.program, self.sizes, self.spare)

    def passes_on(self) -> bool:
        """Whether other sizes may come, for which its arenas are large enough to be given."""
        frame = self.take()
        self.frames.append(frame)
        return bool(self.sizes) and frame.arena.nbytes >= PASSED_ON

    def give(self) -> np.ndarray | None:
        """A large arena that no call uses, for other sizes; None if there is none."""
        try:
            frame = self.frames.pop()
        except IndexError:
            return None
        if frame.arena.nbytes >= PASSED_ON:
            return frame.arena
        self.frames.append(frame)
        return None


def aligned_bytes(count: int) -> np.ndarray:
    """Memory that starts at a multiple of the alignment."""
    whole = np.empty(count + ALIGNMENT, np.uint8)
    offset = -address(whole) % ALIGNMENT
    return whole[offset : offset + count]


def concrete(type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape for given sizes."""
    return tuple(dims.evaluate(size, sizes) for size in type.shape)
