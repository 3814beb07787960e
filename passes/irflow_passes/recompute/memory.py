"""How much memory values take, and where in the order of nodes most of it is taken."""

from __future__ import annotations

from irflow import dims
from irflow.ir.graph import Graph, Node, Value
from irflow.ops.barrier import OptimizationBarrier
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.concatenation import Concatenate
from irflow.ops.constants import Constant, Iota, SizeOf
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.random_bits import RandomBits
from irflow.ops.regions import StopGradient
from irflow.ops.shape import Pad, Reverse, Slice, Transpose
from irflow.records import dataclass

NOMINAL = 64
"""What a symbolic size is taken for, as far as its bounds allow it."""

CHEAP = (
    Broadcast,
    Concatenate,
    Convert,
    Elementwise,
    Pad,
    RandomBits,
    Reshape,
    Reverse,
    Slice,
    Transpose,
)
"""What costs little for an element."""

# Their results are the memory of the operand, or are made where they are read.
VIEWS = (Broadcast, OptimizationBarrier, Reshape, StopGradient)
SOURCES = (Constant, Iota, SizeOf)


@dataclass(frozen=True, slots=True)
class Peak:
    """Where most is alive at once.

    Attributes:
        position: as many nodes stand before it.
        nbytes: the bytes that are alive there.
    """

    position: int
    nbytes: int


class Memory:
    """What the values of a graph take, and how long.

    Inputs, constants and what the graph returns take nothing, for they have memory of their own
    all the time; nor does what is made where it is read, or lies in the memory of an operand.

    Attributes:
        order: the nodes.
        number: their positions.
    """

    def __init__(self, graph: Graph) -> None:
        self.order: list[Node] = list(graph)
        self.number: dict[Node, int] = {node: i for i, node in enumerate(self.order)}

    def nbytes(self, value: Value) -> int:
        """The bytes of a value, symbolic sizes being nominal."""
        symbols = dims.shape_symbols(value.type.shape)
        sizes = {symbol.name: _nominal(symbol.lower, symbol.upper) for symbol in symbols}
        return dims.evaluate(value.type.nbytes, sizes)

    @staticmethod
    def is_free(value: Value) -> bool:
        """Whether the value needs no memory of the program."""
        return value.node is None or value.is_output or isinstance(value.node.op, SOURCES)

    def peak(self) -> Peak:
        """The first place where most is alive."""
        changes = [0] * (len(self.order) + 2)
        ends = self._ends()
        for node in self.order:
            if isinstance(node.op, VIEWS):
                continue
            start = self.number[node] + 1
            for value in node.outputs:
                if not self.is_free(value) and ends.get(value, 0) >= start:
                    nbytes = self.nbytes(value)
                    changes[start] += nbytes
                    changes[ends[value] + 1] -= nbytes
        best, alive = Peak(0, 0), 0
        for position, change in enumerate(changes):
            alive += change
            if alive > best.nbytes:
                best = Peak(position, alive)
        return best

    def _ends(self) -> dict[Value, int]:
        """The number of the last node that reads each value, itself or through a view."""
        ends: dict[Value, int] = {}
        for node in reversed(self.order):
            last = self.number[node]
            if isinstance(node.op, VIEWS):
                last = max(last, ends.get(node.output, 0))
            for value in node.inputs:
                ends[value] = max(ends.get(value, 0), last)
        return ends


def root(value: Value) -> Value:
    """The value in whose memory a value lies: itself, unless it is a view."""
    while value.node is not None and isinstance(value.node.op, VIEWS):
        value = value.node.inputs[0]
    return value


def _nominal(lower: int, upper: int | None) -> int:
    wanted = max(NOMINAL, lower)
    return wanted if upper is None else min(wanted, upper)
