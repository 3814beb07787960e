"""The policy for element types by its older names."""

from __future__ import annotations

from irflow.keras.config import dtype_policy as global_policy
from irflow.keras.config import set_dtype_policy as set_global_policy
from irflow.keras.dtype_policies import DTypePolicy as Policy

__all__ = ["Policy", "global_policy", "set_global_policy"]
