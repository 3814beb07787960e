"""Packages that only some functions need."""

from __future__ import annotations

import importlib
from typing import Any

from irflow.errors import MissingPackageError


def optional(module: str, purpose: str, extra: str) -> Any:
    """Import a module, or say which extra of irflow brings it.

    Args:
        module: its dotted name.
        purpose: what it is for, as the beginning of the message.
        extra: the extra's name.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"{purpose} need the package {module.partition('.')[0]}, which is not installed",
            hint=f"pip install 'irflow[{extra}]'",
        ) from error
