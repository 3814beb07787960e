"""What a graph says, as text to be hashed: quickly written, and never read.

It has all that printing shows (`ir.print`), but for the types of results that follow from the op
and its inputs. Equal texts are those of equal graphs; the contents of constants are digests in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from irflow import dims
from irflow.compiler import hashing
from irflow.dims import Dim, Symbol
from irflow.dtypes import DType
from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import OPS, Op, fields_of
from irflow.scalars import OWN, Scalar

SMALL = 64
"""Constants of so many bytes stand in the text."""

_PLAIN = (int, float, bool, str, type(None))


class Unknown(Exception):
    """Something in a graph is not irflow's own, or has no text."""


def content_of(graph: Graph) -> str | None:
    """The text of a graph; None if ops or rows in it are not those of irflow.

    What irflow has is known by name, since its sources are known.
    """
    writer = _Writer()
    try:
        writer.graph(graph)
    except Unknown:
        return None
    return writer.text()


class _Writer:
    """Collects the text of graphs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.arrays: list[DenseArray] = []
        self.symbols: set[Symbol] = set()
        self.classes: dict[type[Op], tuple[str, ...]] = {}

    def text(self) -> str:
        """All that was written, at last what stands for contents and for sizes."""
        hashing.finish()
        bounds = sorted(f"{s.name} {s.lower} {s.upper}" for s in self.symbols)
        return "\n".join([*self.lines, *map(_elements, self.arrays), *bounds])

    def graph(self, graph: Graph) -> None:
        """A graph: what it takes, its equations, what it returns."""
        inputs = [(self.type(value), value.hint) for value in graph.inputs]
        taken = [(role.kind, role.name) for role in graph.signature.inputs]
        given = [(role.kind, role.name) for role in graph.signature.outputs]
        self.lines.append(f"{graph.name!r} {inputs} {taken} {given}")
        numbers = {value: number for number, value in enumerate(graph.inputs)}
        for node in graph:
            self.node(node, numbers)
        self.lines.append(f"return {self.operands(graph.outputs, numbers)}")

    def node(self, node: Node, numbers: dict[Value, int]) -> None:
        """An equation, with the graphs in it behind."""
        op = node.op
        names = self.classes.get(type(op)) or self.known(type(op))
        texts = [self.attribute(getattr(op, name)) for name in names[1:]]
        types = [self.type(value) for value in node.outputs if not value.type.is_static]
        operands = self.operands(node.inputs, numbers)
        self.lines.append(f"{names[0]} {texts} {operands} {types} {len(node.regions)}")
        for value in node.outputs:
            numbers[value] = len(numbers)
        for region in node.regions:
            self.graph(region)

    def operands(self, values: Sequence[Value], numbers: dict[Value, int]) -> list[int]:
        try:
            return [numbers[value] for value in values]
        except KeyError:
            raise Unknown("a value that is not defined") from None

    def known(self, cls: type[Op]) -> tuple[str, ...]:
        """The name of an op, and those of its attributes."""
        if OPS.get(cls.name) is not cls or not cls.__module__.startswith("irflow."):
            raise Unknown(f"the op {cls.name}")
        found = self.classes[cls] = (cls.name, *fields_of(cls))
        return found

    def type(self, value: Value) -> str:
        if not value.type.is_static:
            self.symbols.update(dims.shape_symbols(value.type.shape))
        return str(value.type)

    def attribute(self, value: Attribute) -> str:
        """Text that no other attribute has: 1, 1.0 and True are equal, but not the same."""
        kind = type(value)
        if kind in _PLAIN:
            return repr(value)
        if kind is tuple:
            return f"({', '.join(map(self.attribute, value))})"
        if isinstance(value, DenseArray):
            self.arrays.append(value)
            return "array"
        if isinstance(value, Dim):
            self.symbols.update(dims.symbols(value))
            return f"size {value}"
        is_own = isinstance(value, DType) or OWN.get(getattr(value, "name", "")) is value
        if isinstance(value, DType | Scalar) and is_own:
            return f"{kind.__name__} {value.name}"
        raise Unknown(f"an attribute of type {kind.__name__}")


def _elements(array: DenseArray) -> str:
    if array.nbytes > SMALL:
        return array.digest
    return f"{array.dtype.str} {array.dtype.name} {array.shape} {array.array.tobytes().hex()}"
