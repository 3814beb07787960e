"""Running compiled programs: memory, checks, and the calls into native code."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow import log
from irflow.backend import CompileOptions, Executable
from irflow.backend.calling import Builtin, Convention
from irflow.ir.evaluate import bind_sizes, run_node
from irflow.lowering.program import Program
from irflow.lowering.steps import HostStep, KernelStep, LoopStep, every_step
from irflow_llvm import workers
from irflow_llvm.address import address
from irflow_llvm.engine import Engine
from irflow_llvm.frames import PASSED_ON, Binding, Frame, concrete
from irflow_llvm.parts import Part, Segment

if TYPE_CHECKING:
    from irflow_llvm.batches import Batches

# What compiles and prints is imported when it is needed: programs that are found on disk start
# sooner without it.

KEPT_SIZES = 16
"""For so many combinations of symbolic sizes the memory is kept between calls."""

LONG = 30_000
"""From this much work on, in the units of `grain`, other threads of Python may run meanwhile; about
10 microseconds.
"""

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@lru_cache(maxsize=256)
def engine_for(codes: tuple[bytes, ...]) -> Engine:
    """Object files in memory; equal ones are there once."""
    return Engine.of_objects(codes)


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
        from irflow_llvm.batches import Batches
        from irflow_llvm.entry import entry_text, segments

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
        from irflow_llvm import listings

        return listings.text(self.program)

    def open(self, program: Program, parts: Sequence[Part], made: Engine) -> None:
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
        self._input_numbers = program.input_numbers()

    @property
    def is_native(self) -> bool:
        """Whether all of it is one native call."""
        return len(self._parts) == 1 and isinstance(self._parts[0], Segment)

    @property
    def is_long(self) -> bool:
        """Whether a call may take long enough that other threads should run meanwhile."""
        return is_long(self.program)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self.overwriting(arrays, ())

    def overwriting(self, arrays: Sequence[np.ndarray], spent: Collection[int]) -> list[np.ndarray]:
        bound = self._bind(arrays)
        held = [contiguous(array) for array in arrays]

        def result(shape: tuple[int, ...], dtype: np.dtype[Any], start: int | None) -> np.ndarray:
            if start is None:
                return np.empty(shape, dtype)
            return held[start] if start in spent else held[start].copy()

        results = [result(shape, dtype, start) for shape, dtype, _, start in bound.outputs]
        frame = bound.take()
        pointers = frame.pointers
        for number, array in zip(self._input_numbers, held, strict=True):
            pointers[number] = address(array)
        for (_, _, number, _), array in zip(bound.outputs, results, strict=True):
            pointers[number] = address(array)
        self._run(bound, frame, held, results)
        bound.frames.append(frame)
        return results

    def builtin(self, convention: Convention, arrays: Sequence[np.ndarray]) -> Builtin | None:
        if len(self._parts) != 1 or not isinstance(self._parts[0], Segment):
            return None
        bound = self._bind(arrays)
        if bound.passes_on():
            return None  # It would keep an arena, beside which a few microseconds are nothing.
        inputs = [
            (dtype, shape, number)
            for (dtype, shape), number in zip(bound.inputs, self._input_numbers, strict=True)
        ]
        outputs = [(dtype, shape, n, start) for shape, dtype, n, start in bound.outputs]

        def frame() -> tuple[int, int, object]:
            made = bound.take()
            places = ctypes.addressof(made.pointers), ctypes.addressof(made.sizes)
            return (*places, (made, self))

        from irflow_llvm.builtin import builtin

        entry = self._engine.address(self._parts[0].name)
        return builtin(convention, inputs, outputs, frame, entry, self.is_long)

    def _bind(self, arrays: Sequence[np.ndarray]) -> Binding:
        key = tuple([(array.dtype, array.shape) for array in arrays])
        found = self._bindings.get(key)
        if found is not None:
            return found
        sizes = bind_sizes(self.program.graph, arrays)
        if self.memory_limit is not None and sizes:  # Without symbols, it was asked before.
            from irflow.lowering.limit import require_within

            require_within(self.program, sizes, self.memory_limit)
        bound = Binding(self.program, sizes, self._spare)
        with self._lock:
            while len(self._bindings) >= KEPT_SIZES:
                self._bindings.pop(next(iter(self._bindings)))
            return self._bindings.setdefault(key, bound)

    def _spare(self, nbytes: int) -> np.ndarray | None:
        """A large arena that calls with other sizes had; those that are too small are freed."""
        for bound in list(self._bindings.values()) if nbytes >= PASSED_ON else ():
            found = bound.give()
            if found is not None and found.nbytes >= nbytes:
                return found
        return None

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
        memory.update((n, a) for (_, _, n, _), a in zip(bound.outputs, outputs, strict=True))
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
        from irflow_llvm import listings

        found = listings.listing(self.program, self.level, kind)
        return super().listing(kind) if found is None else found

    def object_code(self) -> bytes:
        """The machine code as an object file, which needs nothing else and runs on one thread."""
        from irflow_llvm import listings

        return listings.object_code(self.program, self.level)

    def machine_code(self, kind: str, triple: str, cpu: str) -> bytes:
        """The same for another machine, as `"object"` or `"asm"`; its loops are cut for this one.

        Raises:
            LoweringError: LLVM knows no such machine, or cannot compile a kernel for it.
        """
        from irflow_llvm import listings

        return listings.machine_code(self.program, self.level, kind, triple, cpu)


def is_long(program: Program) -> bool:
    """Whether a call may take long enough that other threads should run meanwhile."""
    from irflow.lowering import grain

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
