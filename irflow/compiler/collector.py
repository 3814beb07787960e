"""Memory around compilations: fewer collections of garbage, and what is free for the system."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OBJECTS = 100_000
"""So many objects are made between two collections. Graphs and loops are hundreds of thousands, of
which nearly all are alive to the end; looking at them every 700 takes a tenth of the time.
"""

_lock = threading.Lock()
_inside = 0
_before = gc.get_threshold()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect less often inside; any number of threads may be inside at once."""
    global _inside, _before
    with _lock:
        _inside += 1
        if _inside == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < OBJECTS:  # 0 is never.
                gc.set_threshold(OBJECTS, *_before[1:])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_before)


def give_back_memory() -> None:
    """Let the system have what the C library keeps of memory that was freed.

    Constants that are found in a file leave as much of it as they had. Where the library has no
    such function, it stays.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
