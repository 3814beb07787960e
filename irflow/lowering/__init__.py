"""From graphs to programs: element functions composed into kernels, kernels and memory into a
program.

`lower_graph` is the whole way. `element` composes, `nest` and `contraction` write loops,
`schedule` decides on their order and tiles, `vectorize` makes vector code, `memory` shares it,
and `run_program` runs the result slowly.
"""

from irflow.lowering.target import GENERIC, Target

__all__ = [
    "GENERIC",
    "Target",
]
