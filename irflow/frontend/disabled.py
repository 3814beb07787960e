"""`irf.disable_jit`: jitted functions as plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

disabled: ContextVar[bool] = ContextVar("irflow_jit_disabled", default=False)
"""What the innermost `disable_jit` says, for whoever has no time for a call."""


@contextmanager
def disable_jit() -> Iterator[None]:
    """Run jitted functions as plain Python inside a `with` block, for debugging.

    Their arguments and results are tensors as otherwise. Branches and loops (`irf.cond`,
    `irf.scan`, …) run as Python too, so that their functions may print, and stop in a debugger.
    """
    token = disabled.set(True)
    try:
        yield
    finally:
        disabled.reset(token)


def is_jit_disabled() -> bool:
    """Whether this is inside of `disable_jit`."""
    return disabled.get()
