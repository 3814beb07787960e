"""The threads of the worker pool: how many, where they run, when they begin and end.

There is one pool a process. It begins with the first program that has parallel loops, and its code
stays in memory as long as the process. A forked child begins with a pool of its own. On systems
without futexes there are no workers, and parallel loops run on the calling thread.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from irflow import log
from irflow.errors import UsageError
from irflow_llvm.engine import Engine, add_function
from irflow_llvm.pool import FUTEX, MOST_PROCESSORS, PARALLEL, pool_text

_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_lock = threading.Lock()
_pool: Pool | None = None


def thread_count() -> int:
    """How many threads run a parallel loop.

    `IRFLOW_NUM_THREADS`, or else as many as the process may use of the machine: its affinity, and
    the limit of its control group, rounded up.

    Raises:
        UsageError: `IRFLOW_NUM_THREADS` is no positive number.
    """
    text = os.environ.get("IRFLOW_NUM_THREADS", "").strip()
    if not text:
        return max(1, min(len(_allowed()), _quota()))
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"IRFLOW_NUM_THREADS={text} is no number of threads", hint="give a number from 1 on"
        )
    return int(text)


def _allowed() -> list[int]:
    """The processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _quota() -> int:
    """The processors' time that the control group has, in processors."""
    with suppress(OSError, ValueError):
        quota, period = _CGROUP.read_text("ascii").split()
        return max(1, -(-int(quota) // int(period)))  # "max" is a ValueError: no limit
    return sys.maxsize


def pool() -> Pool:
    """The pool of this process; it begins with the first call."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool()
            _pool.start(thread_count() - 1)
    return _pool


def is_supported() -> bool:
    """Whether this system has what the pool is made of."""
    return sys.platform == "linux" and platform.machine() in FUTEX


def has_begun() -> bool:
    """Whether there is a pool already."""
    return _pool is not None


def code() -> tuple[str, int]:
    """The module of the pool, and how hard LLVM tries for it."""
    return pool_text(platform.machine()), 1


class Pool:
    """The threads, and the machine code that they run.

    Attributes:
        address: of the function that runs a loop.
    """

    def __init__(self) -> None:
        self._engine = Engine(*code())
        self.address = self._engine.address(PARALLEL)
        add_function(PARALLEL, self.address)
        self._worker = ctypes.c_void_p(self._engine.address("irflow_worker"))
        prototype = ctypes.CFUNCTYPE(None)
        self._stop = prototype(self._engine.address("irflow_stop_workers"))
        self._reset = prototype(self._engine.address("irflow_reset_pool"))
        set_type = ctypes.CFUNCTYPE(None, ctypes.c_int32)
        self._set_workers = set_type(self._engine.address("irflow_set_workers"))
        self._leave_empty = set_type(self._engine.address("irflow_leave_empty"))
        self._threads: list[ctypes.c_ulong] = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        atexit.register(self.stop)
        os.register_at_fork(after_in_child=self._after_fork)

    @property
    def threads(self) -> int:
        """How many threads run a loop, the calling one included."""
        return len(self._threads) + 1

    def start(self, number: int) -> None:
        """Begin with so many workers; with fewer, if the system gives no more threads."""
        processors = [p for p in _allowed() if p < MOST_PROCESSORS] or [0]
        if number < len(processors):
            self._leave_empty(processors[0])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:  # Signals are for the threads that Python knows.
            for position in range(number):
                thread = ctypes.c_ulong()
                place = ctypes.c_void_p(processors[(position + 1) % len(processors)])
                if self._libc.pthread_create(ctypes.byref(thread), None, self._worker, place):
                    break
                self._threads.append(thread)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._set_workers(len(self._threads))
        log.write("kernels", f"{self.threads} threads run parallel loops")

    def resize(self, threads: int) -> None:
        """Run loops on so many threads from now on, the calling one included."""
        self.stop()
        self._reset()
        self.start(threads - 1)

    def stop(self) -> None:
        """End all workers; loops run on the calling thread from now on."""
        self._stop()
        for thread in self._threads:
            self._libc.pthread_join(thread, None)
        self._threads.clear()

    def _after_fork(self) -> None:
        """A child has the code of the pool, but none of its threads."""
        number = len(self._threads)
        self._threads.clear()
        self._reset()
        self.start(number)
