"""What users write programs with: tensors, `jit`, derivatives and variables."""

from irflow.frontend.batching import vmap
from irflow.frontend.conversion import asarray, from_dlpack
from irflow.frontend.custom_gradient import custom_vjp
from irflow.frontend.custom_tangent import custom_jvp
from irflow.frontend.derivatives import grad, stop_gradient, value_and_grad, vjp
from irflow.frontend.disabled import disable_jit
from irflow.frontend.forward_mode import jvp, linearize
from irflow.frontend.jacobians import hessian, jacfwd, jacrev
from irflow.frontend.jit import jit
from irflow.frontend.jit_function import JitFunction
from irflow.frontend.stages import Compiled, Lowered, Traced
from irflow.frontend.tensor import Tensor, as_tensor
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
    "custom_jvp",
    "custom_vjp",
    "disable_jit",
    "from_dlpack",
    "grad",
    "hessian",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
