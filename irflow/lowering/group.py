"""What one kernel computes: the nodes of a fused region, or a single node."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field, replace

from irflow import dims
from irflow.analysis import structure_of
from irflow.dims import Size
from irflow.ir.attributes import DenseArray, has_symbols
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering, fields_of
from irflow.ir.types import TensorType
from irflow.ops import Broadcast, Constant, Convert, Elementwise, Reshape
from irflow.records import dataclass

HEAVY = (Lowering.REDUCTION, Lowering.CONTRACTION)


@dataclass(frozen=True)
class Group:
    """A connected part of a graph that becomes one kernel.

    Attributes:
        name: of the kernel.
        inputs: what is read from memory.
        nodes: in order of definition.
        outputs: what is written.
        literals: those of the inputs whose content is known; they are not read from memory.
        fixed: those that are the same in all repetitions of a loop around the kernel.
    """

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    literals: dict[Value, DenseArray] = field(default_factory=dict)
    fixed: frozenset[Value] = frozenset()

    @classmethod
    def of_node(cls, node: Node, name: str) -> Group:
        """A node by itself."""
        return cls(name, tuple(dict.fromkeys(node.inputs)), (node,), node.outputs)

    @classmethod
    def of_region(cls, region: Graph, name: str) -> Group:
        """The nodes of a region."""
        return cls(name, tuple(region.inputs), tuple(region), region.outputs)

    def with_reshaped_inputs(self) -> tuple[Group, dict[Value, Value]]:
        """The same with reshaped inputs as inputs of their own, and the input that each one is.

        Memory has no shape, so that such a kernel needs no divisions to find its elements.
        """
        origins = {value: value for value in self.inputs if value not in self.literals}
        nodes = []
        for node in self.nodes:
            if isinstance(node.op, Reshape) and node.inputs[0] in origins:
                origins[node.output] = origins[node.inputs[0]]
            else:
                nodes.append(node)
        read = {value for node in nodes for value in node.inputs}.union(self.outputs)
        inputs = [value for value in (*self.inputs, *origins) if value in read]
        group = replace(self, inputs=tuple(dict.fromkeys(inputs)), nodes=tuple(nodes))
        return group, {value: origin for value, origin in origins.items() if value in read}

    def in_order_of_use(self) -> Group:
        """The same with nodes and inputs in the order in which the outputs ask for them.

        What no output asks for is left out. Groups that differ in order only, as those of equal
        layers do, are then of equal structure.
        """
        made = {value: node for node in self.nodes for value in node.outputs}
        order: dict[Value, None] = {}
        pending = [*reversed(self.outputs)]
        while pending:
            operands = made[pending[-1]].inputs if pending[-1] in made else ()
            missing = [value for value in operands if value not in order]
            pending += reversed(missing)
            if not missing:
                order[pending.pop()] = None
        nodes = dict.fromkeys(made[value] for value in order if value in made)
        inputs = tuple(value for value in order if value not in made)
        return replace(self, inputs=inputs, nodes=tuple(nodes))

    def structure(self) -> Hashable:
        """All that a kernel depends on: groups of equal structure have equal kernels."""
        numbers = {value: number for number, value in enumerate(self.inputs)}
        nodes = []
        for node in self.nodes:
            regions = tuple(structure_of(region) for region in node.regions)
            operands = tuple(numbers[value] for value in node.inputs)
            nodes.append((node.op, operands, regions))
            for value in node.outputs:
                numbers[value] = len(numbers)
        inputs = tuple((v.type, self.literals.get(v), v in self.fixed) for v in self.inputs)
        return self.name, inputs, tuple(nodes), tuple(numbers[value] for value in self.outputs)

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of all values."""
        made = [value.type for node in self.nodes for value in node.outputs]
        return (*(value.type for value in self.inputs), *made)

    def symbols(self) -> tuple[str, ...]:
        """The names of all symbolic sizes in types and attributes."""
        sizes = [size for type in self.types for size in type.shape]
        for node in self.nodes:
            for name in fields_of(type(node.op)):
                sizes += _sizes_in(getattr(node.op, name))
        return tuple(symbol.name for symbol in dims.shape_symbols(sizes))

    def has_outputs_of_one_shape(self) -> bool:
        return len({value.type.shape for value in self.outputs}) == 1

    def is_flat(self) -> bool:
        """Whether element `i` of every result, in row-major order, depends on elements `i` only."""
        total = self.outputs[0].type.size
        return all(self._is_flat_node(node, total) for node in self.nodes)

    def _is_flat_node(self, node: Node, total: Size) -> bool:
        if node.output.type.size != total and node.output.type.rank:
            return False
        match node.op:
            case Elementwise() | Convert():
                return True
            case Reshape():
                # A tensor of rank 0 has no index, flat or not.
                return bool(node.inputs[0].type.rank) == bool(node.output.type.rank)
            case Constant():
                return True
            case Broadcast(_, axes):
                return axes == () or node.inputs[0].type.shape == node.output.type.shape
            case _:
                return False

    def heavy(self) -> list[Node]:
        """The reductions and contractions."""
        return [node for node in self.nodes if node.op.lowering in HEAVY]

    def anchors(self) -> tuple[Node, ...]:
        """Reductions of the outputs' shape that are read element by element behind them."""
        heavy = self.heavy()
        shape = self.outputs[0].type.shape
        return tuple(
            node
            for node in heavy
            if node.output.type.shape == shape and self._is_read_pointwise(node)
        )

    def _is_read_pointwise(self, anchor: Node) -> bool:
        reached = set(anchor.outputs)
        for node in self.nodes:
            if reached.isdisjoint(node.inputs):
                continue
            if not isinstance(node.op, (Elementwise, Convert)):
                return False
            reached.update(node.outputs)
        return not reached.isdisjoint(self.outputs)


def _sizes_in(attribute: object) -> list[Size]:
    if isinstance(attribute, tuple):
        return [size for item in attribute for size in _sizes_in(item)]
    return [attribute] if isinstance(attribute, dims.Dim) and has_symbols(attribute) else []
