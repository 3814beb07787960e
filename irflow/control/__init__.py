"""Branches and loops that stay in the graph: spelled as in JAX.

Unlike Python's `if`, `while` and `for`, they may depend on the values of tensors inside `jit`. What
a branch or body uses from outside is passed in for it, and a variable that it assigns is assigned
when the op is done. All of them have derivatives.
"""

from irflow.control.branches import cond, switch
from irflow.control.checkpoint import checkpoint
from irflow.control.loops import fori_loop, while_loop
from irflow.control.scanning import scan

__all__ = ["checkpoint", "cond", "fori_loop", "scan", "switch", "while_loop"]
