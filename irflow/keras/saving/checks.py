"""What must hold before a model or its weights are written."""

from __future__ import annotations

import os
from typing import Any

from irflow.errors import UsageError


def may_replace(path: str, overwrite: bool) -> None:
    """Check that no file is replaced against the user's will.

    Raises:
        UsageError: there is a file at `path`, and it may not be overwritten.
    """
    if not overwrite and os.path.exists(path):
        raise UsageError(f"{path} is there already", hint="pass overwrite=True to replace it")


def has_weights(model: Any) -> None:
    """Check that a model is built.

    Raises:
        UsageError: it has no weights yet.
    """
    if not model.built:
        raise UsageError(
            f'model "{model.name}" has no weights yet',
            hint="call it on data, or build it with an input shape",
        )
