"""The line between the user's code and ours, where errors are made readable."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from irflow.errors import AxisError, IrflowError
from irflow.location import innermost, is_internal, raised_at, user_location, user_traceback

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate what users call: errors name the user's line, and tracebacks hold the user's frames.

    Our frames stay with `IRFLOW_TRACEBACK=full`, and where the error is a mistake of our own: one
    of another kind that was raised in our code.

    A tensor that a function hands back as it came is returned as another handle, for `x[i] = v`
    changes a handle: after `y = np.floor(x)` it must not change both.
    """
    # Functions of the namespace call each other; what runs the user's functions does not count.
    is_in_namespace = function.__module__.startswith("irflow.numpy.")

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
            if args and result is args[0] and hasattr(result, "__irflow_alias__"):
                return result.__irflow_alias__()  # type: ignore[no-any-return]
            return result
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, AxisError) and (not error.function or is_in_namespace):
                error.name(function.__name__)
            shorten(error)
            raise

    return call


def shorten(error: BaseException) -> None:
    """Attach the user's line to an error of ours, and take our frames out of the traceback.

    A bare `raise` adds no entry for its frame to what is set here.
    """
    if isinstance(error, IrflowError):
        error.at(raised_at(error.__traceback__) or user_location())
    if _is_shortened(error):
        error.__traceback__ = user_traceback(error.__traceback__)


def _is_shortened(error: BaseException) -> bool:
    if os.environ.get("IRFLOW_TRACEBACK") == "full":
        return False
    # Where an interrupt found us says nothing.
    if isinstance(error, (IrflowError, KeyboardInterrupt)) or error.__traceback__ is None:
        return True
    frame = innermost(error.__traceback__)
    if not is_internal(frame):
        return True
    # A name that a module does not have, and arguments that a public function does not take, are
    # mistakes of whoever asked.
    code = frame.f_code
    return code.co_name == "__getattr__" or (
        code.co_filename == __file__ and code.co_name == "call"
    )
