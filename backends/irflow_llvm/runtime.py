"""Running compiled programs: memory, checks, and the calls into native code."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from llvmlite import binding

from irflow import dims, log
from irflow.backend import CompileOptions, Executable
from irflow.backend.calling import Builtin, Convention
from irflow.errors import ArenaError
from irflow.ir.evaluate import bind_sizes, run_node
from irflow.ir.types import TensorType
from irflow.lowering import grain
from irflow.lowering.limit import require_within
from irflow.lowering.memory import Interval, Layout, least_bytes
from irflow.lowering.program import HostStep, KernelStep, LoopStep, Program, every_step
from irflow_llvm import engine, workers
from irflow_llvm.address import address
from irflow_llvm.backend import host_features
from irflow_llvm.batches import Batches
from irflow_llvm.builtin import builtin
from irflow_llvm.emit import emit_module
from irflow_llvm.entry import Part, Segment, entry_text, segments

ALIGNMENT = 64
LARGEST = 5
"""So many buffers are named where memory is short."""

LISTED = 30
"""So many buffers are in the log."""

KEPT_SIZES = 16
"""For so many combinations of symbolic sizes the memory is kept between calls."""

LONG = 30_000
"""From this much work on, in the units of `grain`, other threads of Python may run meanwhile; about
10 microseconds.
"""

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@lru_cache(maxsize=256)
def engine_for(codes: tuple[bytes, ...]) -> engine.Engine:
    """Object files in memory; equal ones are there once."""
    return engine.Engine.of_objects(codes)


class Frame:
    """The memory of one call in flight, for one combination of sizes.

    Attributes:
        pointers: one a buffer of the program; those of constants and temporaries are there
            already.
        sizes: the values of the symbols.
        arrays: constants and temporaries by number, for host steps.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        layout = program.layout(sizes)
        log.write("memory", lambda: memory_report(program, layout, sizes))
        self.arena = arena(program, layout, sizes)
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
        outputs: shape, dtype and buffer number of each output.
        frames: memory that no call uses at the moment.
    """

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        self.program = program
        self.sizes = dict(sizes)
        self.inputs = [(v.type.dtype.numpy, concrete(v.type, sizes)) for v in program.graph.inputs]
        self.outputs = [
            (concrete(program.buffers[n].type, sizes), program.buffers[n].type.dtype.numpy, n)
            for n in program.output_numbers()
        ]
        self.frames: deque[Frame] = deque()

    def take(self) -> Frame:
        """Memory for one call; given back by `frames.append`."""
        try:
            return self.frames.pop()
        except IndexError:
            return Frame(self.program, self.sizes)


class LlvmExecutable(Executable):
    """A program as machine code.

    Any number of threads may call it at once; each call has memory of its own, and results are
    new arrays.

    Args:
        program: lowered code.
        options: how hard LLVM tries.
        batches: what has some of its kernels already.
    """

    def __init__(
        self, program: Program, options: CompileOptions, batches: Batches | None = None
    ) -> None:
        super().__init__(program.graph)
        self.program = program
        self.level = self.level_of(options)
        self.memory_limit = options.memory_limit
        log.write("source", lambda: self.text)
        parts = segments(program)
        with batches or Batches(self.level) as made:
            entries = entry_text(parts, program, workers.is_supported())
            codes = made.finish(program.kernels(), entries)
            if made.has_cuts:
                workers.pool()  # The engine finds its function by name.
        self.codes = tuple(codes)
        self.open(program, parts, engine_for(tuple(code for _, code in codes)))

    @staticmethod
    def level_of(options: CompileOptions) -> int:
        """How hard LLVM tries."""
        # Lowering has made the vectors, so LLVM's own search for them is left to the highest level.
        return 2 if options.level >= 3 else 1

    @cached_property
    def text(self) -> str:
        """The module, as LLVM IR."""
        return self._module_text(workers.is_supported(), host_features())

    def open(self, program: Program, parts: Sequence[Part], made: engine.Engine) -> None:
        """Get ready for calls.

        Args:
            program: of which nothing but the memory matters here.
            parts: its native calls and host steps; the steps within native ones do not matter.
            made: the machine code.
        """
        self.program = program
        self._parts = parts
        # Held, since the machine code lives as long as the engine.
        self._engine = made
        self._functions = {
            part.name: _PROTOTYPE(made.address(part.name))
            for part in parts
            if isinstance(part, Segment)
        }
        self._bindings: dict[tuple[tuple[np.dtype[np.generic], tuple[int, ...]], ...], Binding] = {}
        self._lock = threading.Lock()
        self._input_numbers = program.numbers("input")

    @property
    def is_native(self) -> bool:
        """Whether all of it is one native call."""
        return len(self._parts) == 1 and isinstance(self._parts[0], Segment)

    @property
    def is_long(self) -> bool:
        """Whether a call may take long enough that other threads should run meanwhile."""
        return is_long(self.program)

    def _module_text(self, cuts: bool, features: frozenset[str] = frozenset()) -> str:
        entries = entry_text(segments(self.program), self.program, cuts)
        return emit_module(self.program.kernels(), entries, cuts=cuts, features=features)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        bound = self._bind(arrays)
        held = [contiguous(array) for array in arrays]
        results = [np.empty(shape, dtype) for shape, dtype, _ in bound.outputs]
        frame = bound.take()
        pointers = frame.pointers
        for number, array in zip(self._input_numbers, held, strict=True):
            pointers[number] = address(array)
        for (_, _, number), array in zip(bound.outputs, results, strict=True):
            pointers[number] = address(array)
        self._run(bound, frame, held, results)
        bound.frames.append(frame)
        return results

    def builtin(self, convention: Convention, arrays: Sequence[np.ndarray]) -> Builtin | None:
        if len(self._parts) != 1 or not isinstance(self._parts[0], Segment):
            return None
        bound = self._bind(arrays)
        inputs = [
            (dtype, shape, number)
            for (dtype, shape), number in zip(bound.inputs, self._input_numbers, strict=True)
        ]
        outputs = [(dtype, shape, number) for shape, dtype, number in bound.outputs]

        def frame() -> tuple[int, int, object]:
            made = bound.take()
            places = ctypes.addressof(made.pointers), ctypes.addressof(made.sizes)
            return (*places, (made, self))

        entry = self._engine.address(self._parts[0].name)
        return builtin(convention, inputs, outputs, frame, entry, self.is_long)

    def _bind(self, arrays: Sequence[np.ndarray]) -> Binding:
        key = tuple([(array.dtype, array.shape) for array in arrays])
        found = self._bindings.get(key)
        if found is not None:
            return found
        sizes = bind_sizes(self.program.graph, arrays)
        if self.memory_limit is not None and sizes:  # Without symbols, it was asked before.
            require_within(self.program, sizes, self.memory_limit)
        bound = Binding(self.program, sizes)
        with self._lock:
            while len(self._bindings) >= KEPT_SIZES:
                self._bindings.pop(next(iter(self._bindings)))
            return self._bindings.setdefault(key, bound)

    def _run(
        self,
        bound: Binding,
        frame: Frame,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
    ) -> None:
        if len(self._parts) == 1 and isinstance(self._parts[0], Segment):
            self._functions[self._parts[0].name](frame.pointers, frame.sizes)
            return
        memory = dict(frame.arrays)
        memory.update(zip(self._input_numbers, inputs, strict=True))
        memory.update((n, a) for (_, _, n), a in zip(bound.outputs, outputs, strict=True))
        for part in self._parts:
            match part:
                case Segment(name):
                    self._functions[name](frame.pointers, frame.sizes)
                case HostStep():
                    run_host(part, memory, bound.sizes)

    @property
    def listings(self) -> tuple[str, ...]:
        return ("graph", "loops", "llvm", "asm", "object")

    def listing(self, kind: str) -> str:
        match kind:
            case "loops":
                return str(self.program)
            case "llvm":
                return self.text
            case "asm":
                return engine.assembly(self.text, self.level)
            case "object":
                return section_table(self.object_code())
            case _:
                return super().listing(kind)

    def object_code(self) -> bytes:
        """The machine code as an object file, which needs nothing else and runs on one thread."""
        return engine.object_code(self._module_text(False, host_features()), self.level)

    def machine_code(self, kind: str, triple: str, cpu: str) -> bytes:
        """The same for another machine, as `"object"` or `"asm"`; its loops are cut for this one.

        Raises:
            LoweringError: LLVM knows no such machine, or cannot compile a kernel for it.
        """
        from irflow_llvm import child

        machine = child.Machine(cpu, "", triple)
        text = self._module_text(cuts=False)
        return child.machine_code(text, self.level, machine, "assembly" if kind == "asm" else kind)


def is_long(program: Program) -> bool:
    """Whether a call may take long enough that other threads should run meanwhile."""
    steps = list(every_step(program.steps))
    if program.symbols or any(isinstance(step, LoopStep) for step in steps):
        return True
    kernels = [step.kernel for step in steps if isinstance(step, KernelStep)]
    return sum(grain.work(kernel.body) for kernel in kernels) >= LONG


def run_host(step: HostStep, memory: Mapping[int, np.ndarray], sizes: Mapping[str, int]) -> None:
    """Run a node by its NumPy meaning and write its results into their buffers."""
    operands = [
        memory[number].reshape(concrete(value.type, sizes))
        for number, value in zip(step.inputs, step.node.inputs, strict=True)
    ]
    results = run_node(step.node, operands, sizes)
    for number, result in zip(step.outputs, results, strict=True):
        memory[number][...] = result.reshape(memory[number].shape)


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array, or a copy where its elements do not lie in order or not on their boundaries."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.array(array, order="C", copy=True)


def aligned_bytes(count: int) -> np.ndarray:
    """Memory that starts at a multiple of the alignment."""
    whole = np.empty(count + ALIGNMENT, np.uint8)
    offset = -address(whole) % ALIGNMENT
    return whole[offset : offset + count]


def concrete(type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape for given sizes."""
    return tuple(dims.evaluate(size, sizes) for size in type.shape)


def section_table(code: bytes) -> str:
    """The sections of an object file: name and size."""
    sections = binding.ObjectFileRef.from_data(code).sections()
    rows = [((section.name() or b"-").decode(), section.size()) for section in sections]
    return "\n".join(f"{name:24} {size:8} bytes" for name, size in rows)
