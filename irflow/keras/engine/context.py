"""What the layers of one call share: whether it is training."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Context(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.training: bool | None = None


_context = _Context()


def is_training() -> bool | None:
    """The `training` of the calls around this one, None if none has any."""
    return _context.training


def depth() -> int:
    """How many layers are being called, one in another."""
    return _context.depth


@contextmanager
def calling(training: bool | None) -> Iterator[None]:
    """A layer is called: calls inside have its `training`."""
    before = _context.training
    _context.training = training
    _context.depth += 1
    try:
        yield
    finally:
        _context.depth -= 1
        _context.training = before
