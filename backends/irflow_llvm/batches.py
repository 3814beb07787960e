"""Machine code of a program while its kernels are still being written.

Lowering tells of each kernel as it is made. Some of them together are a module, which a thread of
its own compiles: LLVM needs no lock of Python's, so that with two processors its time is not added
to that of writing the other kernels. What is left at the end, with the entry functions, is the last
module; of a small program it is the only one, and there is no thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType

from irflow.loops import Kernel
from irflow_llvm import workers
from irflow_llvm.backend import host_features
from irflow_llvm.emit import declaration, write_kernel
from irflow_llvm.engine import Code, cached_code
from irflow_llvm.module import Module
from irflow_llvm.pool import PARALLEL

SENT = 50_000
"""Characters of kernels that are compiled together; some hundredths of a second."""

TURN = 2e-4
"""Seconds after which a thread that computes in Python gives way to one that waits for its lock."""


class _Turns:
    """Lets LLVM's threads go on soon, as long as any program is compiled.

    Each of LLVM's functions ends with a wait for Python's lock. At Python's 5 ms a turn, half of
    the time of a thread that compiles went by with that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs = 0
        self._usual = 0.0

    def begin(self) -> None:
        with self._lock:
            self._programs += 1
            if self._programs == 1:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(self._usual, TURN))

    def end(self) -> None:
        with self._lock:
            self._programs -= 1
            if not self._programs:
                sys.setswitchinterval(self._usual)


_turns = _Turns()


class _Job:
    """A module to compile.

    Attributes:
        made: its machine code, or what went wrong; None before.
    """

    def __init__(self, text: str, level: int) -> None:
        self._text, self._level = text, level
        self.made: Code | Exception | None = None

    def run(self) -> None:
        try:
            self.made = cached_code(self._text, self._level)
        except Exception as error:  # for the thread that waits for it
            self.made = error
        self._text = ""

    def result(self) -> Code:
        if isinstance(self.made, Exception):
            raise self.made
        assert self.made is not None
        return self.made


class Batches:
    """Takes kernels and gives machine code; as a context, it ends its thread when it is left.

    Attributes:
        has_cuts: whether a kernel so far needs the worker pool.

    Args:
        level: how hard LLVM tries.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._module, self._size = Module(features=host_features()), 0
        self._known: dict[str, Kernel] = {}
        self._outside: list[Kernel] = []
        self._waiting: list[Kernel] = []
        self._jobs: list[_Job] = []
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.has_cuts = False

    def __enter__(self) -> Batches:
        _turns.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _turns.end()
        for _ in self._left():  # After an error, nobody needs them.
            pass
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def add(self, kernel: Kernel) -> None:
        """Take a kernel. Names are unique."""
        self._known[kernel.name] = kernel
        self._waiting.append(kernel)
        self._size += write_kernel(self._module, kernel, cuts=workers.is_supported())
        if self._size >= SENT:
            self._send()

    def finish(self, kernels: Iterable[Kernel], entries: str) -> list[Code]:
        """The machine code of everything.

        Args:
            kernels: all that are called, those that were taken before among them.
            entries: the functions that call them.

        Raises:
            LoweringError: LLVM rejects the code.
        """
        for kernel in kernels:
            if kernel.name not in self._known:
                self.add(kernel)
            assert self._known[kernel.name] == kernel, f"two kernels named {kernel.name}"
        declared = [declaration(kernel) for kernel in self._outside]
        self._jobs.append(self._job("\n".join([*declared, entries])))
        self._jobs[-1].run()
        for job in self._left():
            job.run()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        return [job.result() for job in self._jobs]

    def _send(self) -> None:
        """Let the thread compile what was taken since the last time."""
        had_cuts = self.has_cuts
        self._jobs.append(self._job(""))
        if self.has_cuts and not had_cuts and not workers.has_begun():
            self._queue.put(_Job(*workers.code()))  # It is in memory when the pool begins.
        self._outside += self._waiting
        self._module, self._size = Module(features=host_features()), 0
        self._waiting = []
        self._queue.put(self._jobs[-1])
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="irflow-llvm", daemon=True)
            with suppress(RuntimeError):  # There may be no more threads; `finish` does it then.
                thread.start()
                self._thread = thread

    def _job(self, more: str) -> _Job:
        text = self._module.text(more)
        self.has_cuts = self.has_cuts or PARALLEL in text
        return _Job(text, self._level)

    def _work(self) -> None:
        for job in iter(self._queue.get, None):
            job.run()

    def _left(self) -> Iterator[_Job]:
        """What nobody has begun to compile."""
        with suppress(Empty):
            while job := self._queue.get_nowait():
                yield job
