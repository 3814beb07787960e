"""What LLVM says of this machine, and of itself.

It is noted on disk for as long as the system runs, so that processes that find all of their code
there do not load LLVM's library.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from irflow.backend.cache import booted, noted

LIBRARY = "llvmlite"


class Host(NamedTuple):
    """A processor, and the LLVM that compiles for it.

    Attributes:
        versions: of llvmlite and LLVM.
        triple: the kind of machine, such as `"x86_64-unknown-linux-gnu"`.
        cpu: a name that LLVM knows, such as `"znver4"`.
        features: what it has, as in `"+avx2,-fma"`.
    """

    versions: str
    triple: str
    cpu: str
    features: str


@cache
def host() -> Host:
    """This machine.

    Raises:
        ImportError: llvmlite is missing.
        RuntimeError: it does not know this processor.
    """
    state = _state()
    if state is None:
        return _asked()
    try:
        return Host(*json.loads(noted("host", state, lambda: json.dumps(_asked()))))
    except (TypeError, ValueError):
        return _asked()


def _asked() -> Host:
    from irflow_llvm import llvm

    return Host(*llvm.identity())


def _state() -> str | None:
    """What changes when LLVM may say something else; None if that is not known."""
    spec, boot = find_spec(LIBRARY), booted()
    if spec is None or spec.origin is None or boot is None:
        return None
    try:
        status = os.stat(spec.origin)
    except OSError:  # in an archive
        return None
    return f"{boot} {spec.origin} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
