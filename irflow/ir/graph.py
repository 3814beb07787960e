"""The graph: tensors in static single assignment, with use lists.

Nodes stand in a doubly linked list, always in definition-before-use order, so nobody sorts. All
edits go through the methods of `Graph`; each keeps the use lists true and costs constant time a
use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from irflow import dims
from irflow.dims import Symbol
from irflow.errors import CheckError
from irflow.ir.op import Lowering, Op, infer_types
from irflow.ir.signature import InputRole, OutputRole, Signature
from irflow.ir.types import TensorType
from irflow.location import Location


class Value:
    """One tensor: an input of a graph or a result of a node; compared by identity.

    Attributes:
        type: its element type and shape.
        node: the node that makes it, None for a graph input.
        index: its position among the node's results or the graph's inputs.
        hint: a name for printing; no meaning.
        uses: who reads it, each with the operand position, in the order of reading.
    """

    __slots__ = ("hint", "index", "node", "type", "uses")

    def __init__(self, type: TensorType, node: Node | None, index: int, hint: str = "") -> None:
        self.type = type
        self.node = node
        self.index = index
        self.hint = hint
        self.uses: dict[tuple[Node | Graph, int], None] = {}

    def __repr__(self) -> str:
        source = self.node.op.name if self.node else "input"
        return f"<{self.hint or source}.{self.index}: {self.type}>"

    @property
    def users(self) -> list[Node]:
        """The nodes that read the value, each once."""
        return list(dict.fromkeys(user for user, _ in self.uses if isinstance(user, Node)))

    @property
    def is_output(self) -> bool:
        """Whether a graph returns the value."""
        return any(isinstance(user, Graph) for user, _ in self.uses)


class Node:
    """One operation of a graph, with its operands, regions and results."""

    __slots__ = ("graph", "inputs", "location", "next", "op", "outputs", "previous", "regions")

    def __init__(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        regions: tuple[Graph, ...],
        location: Location | None,
        types: Sequence[TensorType] | None = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.regions = regions
        self.location = location
        self.graph: Graph | None = None
        self.previous: Node | None = None
        self.next: Node | None = None
        if types is None:
            types = infer_types(op, [value.type for value in inputs], regions)
        self.outputs = tuple([Value(type, self, i) for i, type in enumerate(types)])

    @property
    def output(self) -> Value:
        """The only result."""
        assert len(self.outputs) == 1, f"{self.op.name} has {len(self.outputs)} results"
        return self.outputs[0]

    @property
    def is_read(self) -> bool:
        """Whether anyone reads a result."""
        return any(value.uses for value in self.outputs)

    @property
    def has_complex(self) -> bool:
        """Whether complex numbers are among the operands or results."""
        kinds = [value.type.dtype.kind for value in (*self.inputs, *self.outputs)]
        return "complex" in kinds

    @property
    def lowering(self) -> Lowering:
        """How the node becomes loops: as its op says, but on the host for complex numbers."""
        kind = self.op.lowering
        return Lowering.HOST if kind is not Lowering.REGION and self.has_complex else kind

    @property
    def is_contraction(self) -> bool:
        """Whether it is sums of products, as of matrices and in convolutions."""
        return self.op.lowering is Lowering.CONTRACTION and not self.has_complex

    def __repr__(self) -> str:
        return f"<{self.op.name} -> {', '.join(str(o.type) for o in self.outputs)}>"


class Graph:
    """A pure function of tensors. Regions of nodes are graphs too and never capture.

    Attributes:
        name: printed, no meaning.
        inputs, outputs: the values taken and returned.
        signature: what each of them stands for.
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.outputs: tuple[Value, ...] = ()
        self.signature = Signature()
        self.first: Node | None = None
        self.last: Node | None = None
        self.node_count = 0

    # ------------------------------------------------------------------------------------ reading

    def __iter__(self) -> Iterator[Node]:
        """All nodes in order; the node at hand may be erased, and nodes inserted around it."""
        node = self.first
        while node is not None:
            following = node.next
            yield node
            node = node.next if node.graph is self else following

    def __reversed__(self) -> Iterator[Node]:
        node = self.last
        while node is not None:
            before = node.previous
            yield node
            node = before

    def __len__(self) -> int:
        return self.node_count

    def __str__(self) -> str:
        from irflow.ir.print import print_graph

        return print_graph(self)

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        return tuple(value.type for value in self.inputs)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        return tuple(value.type for value in self.outputs)

    @property
    def values(self) -> list[Value]:
        """The inputs, then the results of all nodes in their order; without those of regions."""
        return [*self.inputs, *(value for node in self for value in node.outputs)]

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbolic sizes of the inputs, by name."""
        sizes = tuple(size for value in self.inputs for size in value.type.shape)
        return dims.shape_symbols(sizes)

    # ------------------------------------------------------------------------------------ editing

    def add_input(self, type: TensorType, hint: str = "", role: InputRole | None = None) -> Value:
        """Append an input."""
        value = Value(type, None, len(self.inputs), hint)
        self.inputs.append(value)
        self.signature.inputs.append(role or InputRole("argument", hint))
        return value

    def remove_input(self, value: Value) -> None:
        """Drop an unused input; the ones after it move up."""
        if value.uses:
            raise CheckError(f"input {value!r} is still used")
        position = value.index
        del self.inputs[position], self.signature.inputs[position]
        for index, other in enumerate(self.inputs):
            other.index = index

    def set_outputs(
        self, outputs: Sequence[Value], roles: Sequence[OutputRole] | None = None
    ) -> None:
        """Return `outputs` from now on."""
        for position, value in enumerate(self.outputs):
            del value.uses[(self, position)]
        self.outputs = tuple(outputs)
        for position, value in enumerate(self.outputs):
            value.uses[(self, position)] = None
        if roles is not None:
            self.signature.outputs = list(roles)
        elif len(self.signature.outputs) != len(self.outputs):
            self.signature.outputs = [OutputRole() for _ in outputs]

    def insert(self, node: Node, before: Node | None = None) -> Node:
        """Put a new node before another, or at the end."""
        if node.graph is not None:
            raise CheckError(f"{node!r} stands in a graph already")
        after = before.previous if before is not None else self.last
        node.graph, node.previous, node.next = self, after, before
        if after is None:
            self.first = node
        else:
            after.next = node
        if before is None:
            self.last = node
        else:
            before.previous = node
        for position, value in enumerate(node.inputs):
            value.uses[(node, position)] = None
        self.node_count += 1
        return node

    def erase(self, node: Node) -> None:
        """Take out a node whose results nobody reads."""
        used = [output for output in node.outputs if output.uses]
        if used:
            raise CheckError(f"{node!r} is erased while result {used[0].index} is used")
        self._unlink(node)
        for position, value in enumerate(node.inputs):
            del value.uses[(node, position)]

    def move(self, node: Node, before: Node | None) -> None:
        """Move a node; the caller keeps definitions before uses."""
        self._unlink(node)
        for position, value in enumerate(node.inputs):
            del value.uses[(node, position)]
        self.insert(node, before)

    def replace_uses(
        self, old: Value, new: Value, where: Callable[[Node | Graph], bool] | None = None
    ) -> None:
        """Let the readers of `old` (those for which `where` holds) read `new`."""
        if old is new:
            return
        if old.type != new.type:
            raise CheckError(f"{old!r} replaced by a value of another type: {new.type}")
        for user, position in list(old.uses):
            if where is None or where(user):
                self._set_operand(user, position, new)
        if not new.hint:
            new.hint = old.hint

    def set_operand(self, node: Node, position: int, value: Value) -> None:
        """Let `node` read `value`, of the same type, as one of its operands."""
        if value.type != node.inputs[position].type:
            raise CheckError(f"operand {position} of {node!r} replaced by a {value.type}")
        self._set_operand(node, position, value)

    def replace(self, node: Node, values: Sequence[Value]) -> None:
        """Replace the results of `node` by `values` and take it out."""
        for old, new in zip(node.outputs, values, strict=True):
            self.replace_uses(old, new)
        self.erase(node)

    def _set_operand(self, user: Node | Graph, position: int, value: Value) -> None:
        operands = user.outputs if isinstance(user, Graph) else user.inputs
        del operands[position].uses[(user, position)]
        changed = (*operands[:position], value, *operands[position + 1 :])
        if isinstance(user, Graph):
            user.outputs = changed
        else:
            user.inputs = changed
        value.uses[(user, position)] = None

    def _unlink(self, node: Node) -> None:
        if node.graph is not self:
            raise CheckError(f"{node!r} does not stand in graph {self.name}")
        if node.previous is None:
            self.first = node.next
        else:
            node.previous.next = node.next
        if node.next is None:
            self.last = node.previous
        else:
            node.next.previous = node.previous
        node.graph = node.previous = node.next = None
        self.node_count -= 1

    # ------------------------------------------------------------------------------------ copying

    def copy(self, sizes: Mapping[str, dims.Size] | None = None) -> Graph:
        """An equal graph that shares nothing; symbolic sizes are replaced where `sizes` says so."""
        result = Graph(self.name)
        mapping: dict[Value, Value] = {}
        for value, role in zip(self.inputs, self.signature.inputs, strict=True):
            type = value.type.substitute(sizes) if sizes else value.type
            mapping[value] = result.add_input(type, value.hint, role)
        result.copy_nodes(self, mapping, sizes)
        result.set_outputs([mapping[value] for value in self.outputs], self.signature.outputs)
        return result

    def copy_nodes(
        self,
        source: Graph,
        mapping: dict[Value, Value],
        sizes: Mapping[str, dims.Size] | None = None,
        before: Node | None = None,
    ) -> None:
        """Add copies of the nodes of `source`; `mapping` gives its inputs and takes its values."""
        for node in source:
            op = node.op.substitute(sizes) if sizes else node.op
            regions = tuple(region.copy(sizes) for region in node.regions)
            inputs = tuple(mapping[value] for value in node.inputs)
            is_same = not sizes and all(map(_share_type, inputs, node.inputs))
            types = [value.type for value in node.outputs] if is_same else None
            copied = self.insert(Node(op, inputs, regions, node.location, types), before)
            for old, new in zip(node.outputs, copied.outputs, strict=True):
                new.hint = old.hint
                mapping[old] = new


def _share_type(a: Value, b: Value) -> bool:
    return a.type is b.type
