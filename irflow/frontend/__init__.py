"""What users write programs with: tensors, `jit`, derivatives and variables."""

from irflow.frontend.custom import custom_vjp
from irflow.frontend.derivatives import grad, jvp, stop_gradient, value_and_grad, vjp
from irflow.frontend.jit import JitFunction, disable_jit, jit
from irflow.frontend.stages import Compiled, Lowered, Traced
from irflow.frontend.tensor import Tensor, as_tensor, asarray
from irflow.frontend.variable import Variable

__all__ = [
    "Compiled",
    "JitFunction",
    "Lowered",
    "Tensor",
    "Traced",
    "Variable",
    "as_tensor",
    "asarray",
    "custom_vjp",
    "disable_jit",
    "grad",
    "jit",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
