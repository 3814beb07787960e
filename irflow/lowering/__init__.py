"""From graphs to programs: element functions composed into kernels, kernels and memory into a
program.

`lower_graph` is the whole way. `element` composes, `nest` and `contraction` write loops,
`schedule` decides on their order and tiles, `vectorize` makes vector code, `memory` shares it,
and `run_program` runs the result slowly.
"""

from irflow.lowering.element import Element, ElementContext
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.memory import Interval, Layout, plan
from irflow.lowering.program import CopyStep, HostStep, KernelStep, Program, Step, Storage
from irflow.lowering.target import GENERIC, Target

__all__ = [
    "GENERIC",
    "CopyStep",
    "Element",
    "ElementContext",
    "HostStep",
    "Interval",
    "KernelStep",
    "Layout",
    "Program",
    "Step",
    "Storage",
    "Target",
    "lower_graph",
    "plan",
    "run_program",
]
