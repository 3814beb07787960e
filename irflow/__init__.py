"""irflow: a graph compiler for training and deploying models.

    import irflow as irf
    import irflow.numpy as inp

`irf.jit` compiles a Python function of tensors, `irf.grad` and `irf.value_and_grad` differentiate it.
`irf.numpy`, `irf.nn`, `irf.random`, `irf.optim`, `irf.losses` and `irf.datasets` are loaded when they are
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from irflow.dtypes import (
    bf16,
    bool_,
    complex64,
    complex128,
    f16,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
)
from irflow.errors import IrflowError
from irflow.frontend import (
    Tensor,
    Variable,
    asarray,
    custom_vjp,
    disable_jit,
    grad,
    jit,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

if TYPE_CHECKING:
    from irflow.compiler import use_backend

__version__ = "0.1.0"

__all__ = [
    "IrflowError",
    "Tensor",
    "Variable",
    "asarray",
    "bf16",
    "bool_",
    "complex64",
    "complex128",
    "custom_vjp",
    "disable_jit",
    "f16",
    "f32",
    "f64",
    "grad",
    "i8",
    "i16",
    "i32",
    "i64",
    "jit",
    "jvp",
    "stop_gradient",
    "u8",
    "u16",
    "u32",
    "u64",
    "use_backend",
    "value_and_grad",
    "vjp",
]

_NAMESPACES = ("artifact", "datasets", "losses", "nn", "numpy", "optim", "random", "testing")


def __getattr__(name: str) -> Any:
    """Import a namespace when it is first used, so that `import irflow` stays light."""
    if name in _NAMESPACES:
        return importlib.import_module(f"irflow.{name}")
    if name == "use_backend":
        return importlib.import_module("irflow.compiler").use_backend
    raise AttributeError(f"module 'irflow' has no attribute {name!r}")
