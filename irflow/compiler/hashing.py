"""Digests of large constants, computed while the main thread traces and imports.

Hashing needs no lock of Python's but between two arrays, so the time of it is hidden where a second
processor is free.
"""

from __future__ import annotations

import threading
from collections import deque

from irflow.backend.cache import is_usable
from irflow.ir.attributes import DenseArray

LARGE = 2**16
"""Constants of fewer bytes are hashed when they are asked for."""

_lock = threading.Lock()
_waiting: deque[DenseArray] = deque()
_helper: threading.Thread | None = None


def hash_soon(array: DenseArray) -> None:
    """Begin to compute the digest of a constant that will be compiled, if it is large.

    Where nothing is kept on disk, nobody asks for it.
    """
    global _helper
    if array.nbytes < LARGE or not is_usable():
        return
    _waiting.append(array)
    with _lock:
        if _helper is None or not _helper.is_alive():
            _helper = threading.Thread(target=_work)
            _helper.start()


def finish() -> None:
    """Take part in the work until nothing of it is left."""
    _work()
    helper = _helper
    if helper is not None:
        helper.join()


def _work() -> None:
    while True:
        try:
            array = _waiting.popleft()
        except IndexError:
            return
        _ = array.digest
