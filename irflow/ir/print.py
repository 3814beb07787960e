"""Graphs as text.

The text is deterministic and `parse.parse_graph` reads it back to an equal graph:

    graph @mlp(%x: f32[n, 784], %w: f32[784, 10] parameter("w")) -> f32[n, 10] where 1 <= n <= 64 {
      %0 = matmul %x, %w : f32[n, 10]   // model.py:14
      %1 = elementwise<tanh> %0 : f32[n, 10]
      return %1
    }

Inputs are named after their hints, results are numbered; inputs without a hint take the first
numbers. An input role is left out when it is an argument of the printed name, an output role when
it is a plain result, the bounds of a size when they are `1 <= n`. Regions follow their node in
braces, with names of their own:

      %2 = call<"double"> %x : f32[8] {   // model.py:20
        (%a: f32[8]) -> f32[8]
        %0 = elementwise<add> %a, %a : f32[8]
        return %0
      }
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from irflow import dims, dtypes
from irflow.dims import Dim, Symbol
from irflow.dtypes import DType
from irflow.errors import DTypeError
from irflow.ir import literal
from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op
from irflow.ir.signature import InputRole, OutputRole
from irflow.records import dataclass
from irflow.scalars import ROWS, Scalar

TEXT_VERSION = 1
KEYWORDS = ("true", "false", "none", "nan", "inf")
_LINE_LENGTH = 100
_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")

ArrayFormatter = Callable[[DenseArray], str]
Role = TypeVar("Role", InputRole, OutputRole)


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line, and the node whose equation begins on it."""

    text: str
    node: Node | None = None


def print_graph(
    graph: Graph, *, locations: bool = True, resources: dict[str, DenseArray] | None = None
) -> str:
    """The text of `graph`.

    Args:
        graph: any graph; one that breaks rules is printed as well as possible.
        locations: whether each equation is followed by the user's file and line.
        resources: takes the arrays of more than 16 elements, as `c0`, `c1`, …; each content once,
            also when it holds arrays of other graphs already. Without it they stand in the text.

    Returns:
        Lines that end in a newline each.
    """
    array = literal.format_array if resources is None else _resource_formatter(resources)
    printer = _Printer(locations=locations, named=True, array=array)
    return "".join(f"{line.text}\n" for line in printer.print(graph))


def graph_lines(
    graph: Graph,
    *,
    named: bool = True,
    array: ArrayFormatter = literal.format_array,
    regions: bool = True,
) -> list[Line]:
    """The text of `graph` without locations, line by line.

    Args:
        graph: any graph.
        named: False numbers the inputs too and leaves out the names of arguments and of the graph,
            which mean nothing: two graphs that compute the same in the same way are equal then.
        array: how constants are written.
        regions: whether regions are printed; they are shown as `{ ... }` otherwise.
    """
    return _Printer(locations=False, named=named, array=array, regions=regions).print(graph)


def format_attribute(value: Attribute, array: ArrayFormatter = literal.format_array) -> str:
    """The text of one attribute; what is none becomes `?` and the name of its type.

    Example:
        >>> format_attribute((1, 2.0, None, "a"))
        '(1, 2.0, none, "a")'
    """
    if isinstance(value, tuple):
        items = ", ".join(format_attribute(item, array) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, DenseArray):
        return _format_dense(value, array)
    if isinstance(value, Dim):
        return _format_size(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if type(value) is str:
        return json.dumps(value)
    if type(value) is int or type(value) is float:
        return repr(value)
    return value.name if isinstance(value, DType | Scalar) else f"?{type(value).__name__}"


def format_op(op: Op, array: ArrayFormatter = literal.format_array) -> str:
    """`transpose<(1, 0)>`: the name of the op and the attributes that are not at their defaults."""
    texts = []
    for position, field in enumerate(op_fields(op).values()):
        text = format_attribute(getattr(op, field.name), array)
        if not _is_default(field, text, array):
            texts.append(text if position == 0 else f"{field.name}={text}")
    return f"{op.name}<{', '.join(texts)}>" if texts else op.name


def op_fields(op: object) -> dict[str, dataclasses.Field[object]]:
    """The fields of an op by name, in order; none for an object that no decorator made an op."""
    if not dataclasses.is_dataclass(op):
        return {}
    return {field.name: field for field in dataclasses.fields(op)}


def graph_symbols(graph: Graph, *, regions: bool = True) -> tuple[Symbol, ...]:
    """The symbolic sizes in all types and attributes of `graph` and its regions, by name."""
    found: set[Symbol] = set()
    pending = [graph]
    while pending:
        current = pending.pop()
        _collect_types(current.inputs, found)
        for node in current:
            _collect_types(node.outputs, found)
            for name in op_fields(node.op):
                found.update(attribute_symbols(getattr(node.op, name)))
            pending.extend(node.regions if regions else ())
    return tuple(sorted(found, key=lambda symbol: symbol.key))


def attribute_symbols(value: Attribute) -> Iterable[Symbol]:
    """The symbolic sizes in an attribute."""
    if isinstance(value, tuple):
        return [symbol for item in value for symbol in attribute_symbols(item)]
    return dims.symbols(value) if isinstance(value, Dim) else ()


def _collect_types(values: Sequence[Value], found: set[Symbol]) -> None:
    for value in values:
        if not value.type.is_static:
            found.update(dims.shape_symbols(value.type.shape))


def _is_default(field: dataclasses.Field[object], text: str, array: ArrayFormatter) -> bool:
    """Told by the text, as `==` takes 1 for 1.0 and True, and no NaN for another."""
    if field.default is not dataclasses.MISSING:
        return format_attribute(field.default, array) == text
    if field.default_factory is not dataclasses.MISSING:
        return format_attribute(field.default_factory(), array) == text
    return False


def _format_dense(value: DenseArray, array: ArrayFormatter) -> str:
    try:
        return array(value)
    except DTypeError:
        return f"?{value.array.dtype.name}"


def _format_size(size: Dim) -> str:
    """A size called like a keyword, dtype or scalar function stands in parentheses."""
    text = str(size)
    name = text.removeprefix("-")
    is_taken = name in KEYWORDS or dtypes.is_name(name) or name in ROWS
    return f"({text})" if is_taken else text


def _resource_formatter(resources: dict[str, DenseArray]) -> ArrayFormatter:
    names = {array.digest: name for name, array in resources.items()}

    def place(array: DenseArray) -> str:
        if array.size <= literal.INLINE_LIMIT:
            return literal.format_array(array)
        name = names.get(array.digest)
        if name is None:
            name = _unique(f"c{len(names)}", resources)
            names[array.digest] = name
            resources[name] = array
        return f'resource({literal.format_array_type(array)}, "{name}")'

    return place


class _Printer:
    def __init__(
        self, *, locations: bool, named: bool, array: ArrayFormatter, regions: bool = True
    ) -> None:
        self.regions = regions
        self.locations = locations
        self.named = named
        self.array = array
        self.lines: list[Line] = []

    def print(self, graph: Graph) -> list[Line]:
        name = graph.name if _IDENTIFIER.match(graph.name) else json.dumps(graph.name)
        bounds = ", ".join(
            dims.format_constraint(symbol)
            for symbol in graph_symbols(graph, regions=self.regions)
            if (symbol.lower, symbol.upper) != (1, None)
        )
        end = f" where {bounds} {{" if bounds else " {"
        self.body(graph, f"graph @{name if self.named else 'graph'}", end, "", "  ")
        self.lines.append(Line("}"))
        return self.lines

    def body(self, graph: Graph, start: str, end: str, outer: str, inner: str) -> None:
        """The header from `start` to `end`, then the equations and `return`."""
        names = self.name_inputs(graph)
        self.header(graph, names, outer + start, end)
        numbered = sum(1 for name in names.values() if name.isdecimal())
        for node in graph:
            for value in node.outputs:
                names[value] = str(numbered)
                numbered += 1
            self.equation(node, names, inner)
        returned = _operands(graph.outputs, names)
        self.lines.append(Line(f"{inner}return {returned}".rstrip()))

    def header(self, graph: Graph, names: dict[Value, str], start: str, end: str) -> None:
        inputs = [
            f"%{names[value]}: {value.type}{self.input_role(role, names[value])}"
            for value, role in _paired(graph.inputs, graph.signature.inputs)
        ]
        outputs = ", ".join(
            f"{value.type}{_output_role(role)}"
            for value, role in _paired(graph.outputs, graph.signature.outputs)
        )
        end = f") -> {outputs}{end}" if outputs else f"){end}"
        line = f"{start}({', '.join(inputs)}{end}"
        if len(line) <= _LINE_LENGTH or not inputs:
            self.lines.append(Line(line))
            return
        indent = " " * (len(start) - len(start.lstrip()))
        rows = [f"{indent}  {text}," for text in inputs]
        rows[-1] = rows[-1].removesuffix(",")
        self.lines += [Line(row) for row in (f"{start}(", *rows, indent + end)]

    def equation(self, node: Node, names: dict[Value, str], indent: str) -> None:
        text = format_op(node.op, self.array)
        if node.inputs:
            text += " " + _operands(node.inputs, names)
        if node.outputs:
            text = f"{_operands(node.outputs, names)} = {text} : "
            text += ", ".join(str(value.type) for value in node.outputs)
        brace = " {" if node.regions else ""
        if node.regions and not self.regions:
            self.lines.append(Line(f"{indent}{text} {{ ... }}", node))
            return
        self.lines.append(Line(f"{indent}{text}{brace}{self.location(node)}", node))
        inner = indent + "  "
        for position, region in enumerate(node.regions):
            if position:
                self.lines.append(Line(f"{indent}}} {{"))
            self.body(region, "", "", inner, inner)
        if node.regions:
            self.lines.append(Line(f"{indent}}}"))

    def location(self, node: Node) -> str:
        if not self.locations or node.location is None:
            return ""
        text = "".join(c if c.isprintable() else "?" for c in str(node.location))
        return f"   // {text}"

    def name_inputs(self, graph: Graph) -> dict[Value, str]:
        names: dict[Value, str] = {}
        taken: dict[str, None] = {}
        numbered = 0
        for value in graph.inputs:
            name = _unique(_identifier(value.hint), taken) if self.named and value.hint else ""
            if not name:
                name = str(numbered)
                numbered += 1
            names[value] = name
            taken[name] = None
        return names

    def input_role(self, role: InputRole | None, name: str) -> str:
        if role is None:
            return " ?"
        if role.kind == "argument":
            own = "" if name.isdecimal() else name
            if not self.named or role.name == own:
                return ""
        return f" {role.kind}({json.dumps(role.name)})"


def _output_role(role: OutputRole | None) -> str:
    if role is None:
        return " ?"
    return "" if role == OutputRole() else f" {role.kind}({json.dumps(role.name)})"


def _operands(values: Sequence[Value], names: dict[Value, str]) -> str:
    """A value that is not defined before is shown as `%?`, with what is known of it."""
    return ", ".join(
        f"%{names[value]}" if value in names else f"%?{value.hint}" for value in values
    )


def _identifier(hint: str) -> str:
    name = re.sub(r"\W", "_", hint)
    return name if _IDENTIFIER.match(name) else f"_{name}"


def _unique(name: str, taken: Iterable[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{name}_{number}"
        number += 1
    return candidate


def _paired(values: Sequence[Value], roles: Sequence[Role]) -> list[tuple[Value, Role | None]]:
    """Each value with its role, None for those that a broken signature leaves out."""
    return [(v, roles[i] if i < len(roles) else None) for i, v in enumerate(values)]
