"""A group of nodes that become one kernel, while it is collected from its results upwards."""

from __future__ import annotations

from collections.abc import Hashable

from irflow.ir.graph import Node, Value
from irflow.ir.types import Shape
from irflow_passes.fusion import traits
from irflow_passes.fusion.traits import Reading

RESULT = 0
"""The index class of what is computed at the index of the group's results."""


class Group:
    """Nodes of one kernel.

    Every member belongs to an *index class*: members of one class are evaluated at the same
    index, as a function of the index of the results. A class is repeated when its index map meets
    some elements several times; little may be computed in such classes.

    Attributes:
        number: the position among groups and lone nodes, from the end of the graph.
        shape: the shape of all results.
        kind: `loop`, `reduce` or `contraction`.
        members: the class of each.
        inputs: the values read from outside.
        reduction: what all reductions of the group have in common, None without any.
        repeated: for each class whether it is.
        columns: for each class whether it is repeated for every one of many rows.
        prologue: for each class whether a contraction reads what belongs to it.
        repeated_flops: operations an element of all members of repeated classes.
    """

    __slots__ = (
        "_classes",
        "columns",
        "inputs",
        "kind",
        "members",
        "number",
        "prologue",
        "reduction",
        "repeated",
        "repeated_flops",
        "shape",
    )

    def __init__(self, number: int, root: Node) -> None:
        self.number = number
        self.shape: Shape = root.output.type.shape
        self.kind = "loop"
        self.members: dict[Node, int] = {}
        self.inputs: dict[Value, None] = {}
        self.reduction: Hashable | None = None
        self.repeated = [False]
        self.columns = [False]
        self.prologue = [False]
        self.repeated_flops = 0
        self._classes: dict[Hashable, int] = {}
        self.add(root, RESULT)

    def add(self, node: Node, index_class: int) -> None:
        """Take a node in; `refuses` has been asked."""
        self.members[node] = index_class
        if self.repeated[index_class]:
            self.repeated_flops += traits.flops(node)
        self.inputs.pop(node.output, None)
        for value in node.inputs:
            self.inputs[value] = None
        if node.is_contraction:
            self.kind = "contraction"
        elif self.reduction is None and (found := traits.reduction(node)) is not None:
            self.kind, self.reduction = "reduce", found

    def class_of(self, readers: list[tuple[Node, int]]) -> int | str:
        """The index class of a value that these members read, or why it cannot be computed here."""
        found: int | None = None
        for reader, position in readers:
            how = traits.reading(reader, position)
            if how is Reading.NEVER:
                return f"{reader.op.name} reads its operand {position} from memory"
            current = self.members[reader]
            if how is not Reading.SAME:
                current = self._mapped(current, reader, position, how)
            if found is None:
                found = current
            elif found != current:
                # Evaluated at two indices, so twice.
                prologue = self.prologue[found] or self.prologue[current]
                columns = self.columns[found] and self.columns[current]
                found = self._intern((None, found, current), True, prologue, columns)
        assert found is not None
        return found

    def _mapped(self, outer: int, reader: Node, position: int, how: Reading) -> int:
        repeated = self.repeated[outer] or how is Reading.REPEATED
        prologue = self.prologue[outer] or reader.is_contraction
        columns = self.columns[outer] or traits.repeats_columns(reader)
        key = outer, traits.index_map(reader, position)
        return self._intern(key, repeated, prologue, columns)

    def _intern(self, key: Hashable, repeated: bool, prologue: bool, columns: bool) -> int:
        known = self._classes.setdefault(key, len(self.repeated))
        if known == len(self.repeated):
            self.repeated.append(repeated)
            self.columns.append(columns)
            self.prologue.append(prologue)
        return known

    def refuses(self, node: Node, index_class: int, limits: tuple[int, int]) -> str | None:
        """Why `node` cannot be computed in this class, or None."""
        nodes, inputs = limits
        if len(self.members) >= nodes:
            return f"the group has {nodes} nodes already"
        added = sum(value not in self.inputs for value in node.inputs)
        if len(self.inputs) + added - (node.output in self.inputs) > inputs:
            return f"the group would read more than {inputs} inputs"
        if self.prologue[index_class] and not traits.is_prologue(node):
            return "a contraction reads its operands through moves of elements only, by strides"
        if node.is_contraction or traits.reduction(node) is not None:
            return self._refuses_loop(node, index_class)
        if self.columns[index_class] and traits.flops(node):
            return "it is computed once a column, not once an element"
        repeated = self.repeated_flops + traits.flops(node) if self.repeated[index_class] else 0
        if repeated > traits.EXPENSIVE:
            return f"{repeated} operations an element would be repeated"
        return None

    def _refuses_loop(self, node: Node, index_class: int) -> str | None:
        """Why a reduction or contraction cannot be what the rest of the group follows."""
        if index_class != RESULT:
            return f"{node.op.name} would be repeated, or computed at another index"
        if self.kind == "contraction":
            return "the group has a contraction already"
        if node.is_contraction:
            return "the group has reductions" if self.kind == "reduce" else None
        if self.reduction is not None and self.reduction != traits.reduction(node):
            return "the group reduces another shape or other axes"
        return None
