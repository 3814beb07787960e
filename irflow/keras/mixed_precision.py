"""The policy for element types, also by its older names."""

from __future__ import annotations

from irflow.keras.config import dtype_policy, set_dtype_policy
from irflow.keras.dtype_policies import DTypePolicy

Policy, global_policy, set_global_policy = DTypePolicy, dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
