"""The one device of eager tensors."""

from __future__ import annotations

from irflow.errors import UnsupportedError

CPU = "cpu"


def require_cpu(device: object) -> None:
    """UnsupportedError for a `device` argument other than None and `"cpu"`."""
    if device is not None and device != CPU:
        raise UnsupportedError(f"device {device!r}", facts=[("supported", CPU)])
