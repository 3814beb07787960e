"""irflow: a graph compiler for training and deploying models.

    import irflow as irf
    import irflow.numpy as inp

`irf.jit` compiles a Python function of tensors, `irf.grad` and `irf.value_and_grad` differentiate
it. Everything is loaded when it is first used, so that `import irflow` and the command line start
at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irflow.compiler import use_backend
    from irflow.control import cond, fori_loop, scan, switch, while_loop
    from irflow.control.checkpoint import checkpoint
    from irflow.draw import draw
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
        custom_jvp,
        custom_vjp,
        disable_jit,
        from_dlpack,
        grad,
        hessian,
        jacfwd,
        jacrev,
        jvp,
        linearize,
        stop_gradient,
        value_and_grad,
        vjp,
        vmap,
    )
    from irflow.frontend.jit import jit
    from irflow.keras.engine.tape import GradientTape
    from irflow.session import (
        Graph,
        Session,
        get_default_graph,
        global_variables_initializer,
        gradients,
        group,
        placeholder,
        reset_default_graph,
    )

__version__ = "0.1.0"

_GRAPH_NAMES = [
    "Graph",
    "Session",
    "get_default_graph",
    "global_variables_initializer",
    "gradients",
    "group",
    "placeholder",
    "reset_default_graph",
]
_CONTROL_NAMES = ["checkpoint", "cond", "fori_loop", "scan", "switch", "while_loop"]
_HOMES = {
    "IrflowError": "errors",
    "GradientTape": "keras.engine.tape",
    "use_backend": "compiler",
    **dict.fromkeys(_GRAPH_NAMES, "session"),
    **dict.fromkeys(_CONTROL_NAMES, "control"),
}
_DTYPES = [
    "bf16",
    "bool_",
    "complex64",
    "complex128",
    "f16",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "u8",
    "u16",
    "u32",
    "u64",
]
_NAMESPACES = (
    "artifact",
    "data",
    "datasets",
    "draw",
    "keras",
    "losses",
    "nn",
    "numpy",
    "optim",
    "quantization",
    "random",
    "testing",
)

__all__ = [
    "GradientTape",
    "Graph",
    "IrflowError",
    "Session",
    "Tensor",
    "Variable",
    "asarray",
    "bf16",
    "bool_",
    "checkpoint",
    "complex64",
    "complex128",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "disable_jit",
    "from_dlpack",
    "draw",
    "f16",
    "f32",
    "f64",
    "get_default_graph",
    "global_variables_initializer",
    "fori_loop",
    "grad",
    "gradients",
    "group",
    "hessian",
    "i8",
    "i16",
    "i32",
    "i64",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "placeholder",
    "reset_default_graph",
    "scan",
    "stop_gradient",
    "switch",
    "u8",
    "u16",
    "u32",
    "u64",
    "use_backend",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    """Load a public name, or a namespace such as `irf.nn`, when it is first used."""
    if name in _NAMESPACES:
        return importlib.import_module(f"irflow.{name}")
    if name not in __all__:
        raise importlib.import_module("irflow.names").unknown("irflow", name)
    home = "dtypes" if name in _DTYPES else _HOMES.get(name, "frontend")
    found = globals()[name] = getattr(importlib.import_module(f"irflow.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_NAMESPACES})
