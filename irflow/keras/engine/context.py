"""What layers share: whether a call is training, whether weights are to come from a file, and
whether something has changed that compiled steps depend on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Context(threading.local):
    def __init__(self) -> None:
        self.depth = 0
        self.training: bool | None = None
        self.is_to_be_filled = False


_context = _Context()
_changes = 0


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


def is_to_be_filled() -> bool:
    """Whether weights that are made now get their values from a file afterwards."""
    return _context.is_to_be_filled


@contextmanager
def to_be_filled() -> Iterator[None]:
    """Weights that are made inside are zeros, as drawing millions of numbers takes seconds."""
    before = _context.is_to_be_filled
    _context.is_to_be_filled = True
    try:
        yield
    finally:
        _context.is_to_be_filled = before


def note_change() -> None:
    """Something has changed that compiled steps depend on, such as which layers are trained."""
    global _changes
    _changes += 1


def changes() -> int:
    """How many such changes there were, of all models; steps look closer where it has grown."""
    return _changes
