"""What stands in front of a loop: right operands of its products, packed once for all repetitions.

    for step                              panels = w, as tiles read it
      h = f(h @ w)                ->      for step
                                            h = f(h @ panels)

Only what is the same in all repetitions is packed, and only what is too large for a cache: the
sizes decide (`blocks`). The copy is a kernel of its own, which threads share.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np

from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ir.types import TensorType
from irflow.lowering.group import Group
from irflow.lowering.steps import Step
from irflow.ops import Constant, Pad, Reshape, Transpose
from irflow.records import dataclass


@dataclass(slots=True, eq=False)
class Preheader:
    """What is computed before a loop for its body.

    Attributes:
        fixed: the buffers that no repetition changes.
        steps: those to run before the loop.
        packed: the panels of a buffer, by its number and their width.
    """

    fixed: frozenset[int]
    steps: list[Step] = field(default_factory=list)
    packed: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panels:
    """The columns of a matrix, a panel of some width after the other.

    Attributes:
        matrix: what is packed, `[k, n]`.
        width: columns of a panel.
    """

    matrix: Value
    width: int

    @property
    def type(self) -> TensorType:
        """`[panel * k * column]`."""
        inner, columns = self.matrix.type.static_shape
        return self.matrix.type.with_shape((-(-columns // self.width) * inner * self.width,))

    @property
    def group(self) -> Group:
        """How they are made; columns behind the last one are 0."""
        region = Graph("panels")
        x = region.add_input(self.matrix.type)
        builder = Builder(region)
        inner, columns = self.matrix.type.static_shape
        count = -(-columns // self.width)
        missing = count * self.width - columns
        if missing:
            zero = DenseArray(np.zeros((), x.type.dtype.numpy))
            (fill,) = builder.emit(Constant(zero), [])
            (x,) = builder.emit(Pad((0, 0), (0, missing), (0, 0)), [x, fill])
        (x,) = builder.emit(Reshape((inner, count, self.width)), [x])
        (x,) = builder.emit(Transpose((1, 0, 2)), [x])
        region.set_outputs([x])
        return Group.of_region(region, "panels")
