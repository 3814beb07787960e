"""Graphs from text: the inverse of `print`, one method a rule of the grammar.

    text      = "graph" "@" (NAME | STRING) header ["where" constraints] "{" body "}"
    header    = "(" [input ("," input)*] ")" ["->" output ("," output)*]
    input     = "%" NAME ":" type [role]
    output    = type [role]
    role      = KIND "(" STRING ")"
    type      = DTYPE "[" [size ("," size)*] "]"
    body      = equation* "return" [value ("," value)*]
    equation  = [results "="] OP ["<" attributes ">"] [values] [":" types] region*
    region    = "{" header body "}"
    attribute = [NAME "="] item
    item      = "true" | "false" | "none" | number | STRING | DTYPE | SCALAR | size | array
              | "(" [item ("," item)* [","]] ")"
    array     = "dense(" type "," elements ")" | "data(" type "," STRING ")"
              | "resource(" type "," STRING ")"

Sizes and constraints are those of `dims.parse_size` and `dims.parse_constraint`. A comment
`// model.py:14` behind an equation is its location; other comments mean nothing, except
`// irflow graph text 1` on the first line, which states the version.

Text is never trusted: nesting, sizes and numbers are limited, and whatever an op objects to becomes
a `TextError` that shows the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from irflow import dims
from irflow.errors import IrflowError, nearest
from irflow.ir.attributes import DenseArray
from irflow.ir.fields import Argument, FieldError, annotation_text, match_fields
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.items import ItemReader, RawType
from irflow.ir.lexer import Scanner
from irflow.ir.op import Op, find_op
from irflow.ir.print import TEXT_VERSION, graph_symbols
from irflow.ir.signature import INPUT_ROLES, OUTPUT_ROLES, InputRole, OutputRole
from irflow.records import dataclass

_VERSION = re.compile(r"\s*//[ \t]*irflow graph text (\d+)")
_LONG_BOUND = re.compile(r"\d{20,}")
_EQUALS = re.compile(r"\s*=")


def parse_graph(text: str, resources: Mapping[str, DenseArray] | None = None) -> Graph:
    """The graph that `text` describes.

    Args:
        text: one graph, in the form that `print_graph` writes.
        resources: the arrays that `resource(...)` refers to.

    Raises:
        TextError: the text is malformed, or an op does not accept its operands or attributes. The
            summary gives line and column, the facts show the line.

    Example:
        >>> graph = parse_graph("graph @twice(%x: f32[n]) -> f32[n] { return %x }")
        >>> graph.input_types
        (f32[n],)
    """
    scanner = Scanner(text)
    try:
        return _Parser(scanner, resources or {}).text()
    except RecursionError:
        raise scanner.error("the text is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class _Header:
    inputs: list[tuple[str, RawType, tuple[str, str] | None]]
    outputs: list[tuple[RawType, tuple[str, str] | None]]


class _Parser(ItemReader):
    def __init__(self, scanner: Scanner, resources: Mapping[str, DenseArray]) -> None:
        super().__init__(scanner, resources)
        self.outer: list[dict[str, Value]] = []

    # ------------------------------------------------------------------------------------- graphs

    def text(self) -> Graph:
        scanner = self.scanner
        self.version()
        if not scanner.accept_word("graph"):
            raise scanner.expected("'graph'")
        scanner.expect("@")
        name = scanner.string() if scanner.looking_at('"') else scanner.name("the graph's name")
        header = self.header()
        bounded = self.constraints()
        scanner.expect("{")
        graph = self.body(name, header)
        scanner.expect("}")
        if scanner.start() < len(scanner.text):
            raise scanner.expected("the end of the text")
        self.check_constraints(graph, bounded)
        return graph

    def version(self) -> None:
        match = _VERSION.match(self.scanner.text)
        if match and match[1] != str(TEXT_VERSION):
            raise self.scanner.error(
                f"this is graph text {match[1][:20]}, not {TEXT_VERSION}", at=match.start(1)
            )

    def header(self) -> _Header:
        self.scanner.expect("(", "before the inputs")
        inputs = self.until(")", self.input)
        outputs = self.separated(self.output) if self.scanner.accept("->") else []
        return _Header(inputs, outputs)

    def input(self) -> tuple[str, RawType, tuple[str, str] | None]:
        name = self.scanner.value_name()
        self.scanner.expect(":", "and the type of the input")
        return name, self.raw_type(), self.role(INPUT_ROLES)

    def output(self) -> tuple[RawType, tuple[str, str] | None]:
        return self.raw_type(), self.role(OUTPUT_ROLES)

    def role(self, kinds: tuple[str, ...]) -> tuple[str, str] | None:
        start = self.scanner.start()
        kind = self.scanner.peek_name()
        if kind is None or not self.scanner.text.startswith("(", start + len(kind)):
            return None
        if kind not in kinds:
            raise self.unknown(nearest(kind, kinds, "role"), start)
        self.scanner.name("a role")
        self.scanner.expect("(")
        name = self.scanner.string()
        self.scanner.expect(")")
        return kind, name

    def constraints(self) -> dict[str, int]:
        """Read the bounds of sizes into the scope; the position where they stand, by name."""
        if not self.scanner.accept_word("where"):
            return {}
        start = self.scanner.start()
        end = self.scanner.text.find("{", start)
        text = self.scanner.text[start : end if end >= 0 else len(self.scanner.text)]
        if _LONG_BOUND.search(text):
            raise self.scanner.error("a bound is too large")
        try:
            symbols = dims.parse_constraint(text)
        except IrflowError as error:
            raise self.within(error, start) from None
        self.scanner.advance(start + len(text))
        self.scope.update((s.name, dims.symbol(s.name, s.lower, s.upper)) for s in symbols)
        return {s.name: start for s in symbols}

    def check_constraints(self, graph: Graph, bounded: Mapping[str, int]) -> None:
        used = {symbol.name for symbol in graph_symbols(graph)}
        for name, position in bounded.items():
            if name not in used:
                raise self.scanner.error(f"no type mentions the size {name}", at=position)

    def body(self, name: str, header: _Header) -> Graph:
        graph = Graph(name)
        values: dict[str, Value] = {}
        for label, raw, role in header.inputs:
            hint = "" if label.isdecimal() else label
            kind = InputRole(*role) if role else InputRole("argument", hint)
            self.define(values, label, graph.add_input(self.resolve(raw), hint, kind), raw.position)
        self.outer.append(values)
        while not self.scanner.accept_word("return"):
            self.equation(graph, values)
        start = self.scanner.end - len("return")
        returned = (
            self.separated(lambda: self.value(values)) if self.scanner.looking_at("%") else []
        )
        self.check_outputs(header, returned, start)
        graph.set_outputs(
            returned, [OutputRole(*role) if role else OutputRole() for _, role in header.outputs]
        )
        self.outer.pop()
        return graph

    def check_outputs(self, header: _Header, returned: list[Value], start: int) -> None:
        if len(returned) != len(header.outputs):
            problem = f"{len(returned)} values are returned, {len(header.outputs)} declared"
            raise self.scanner.error(problem, at=start)
        for value, (raw, _) in zip(returned, header.outputs, strict=True):
            declared = self.resolve(raw)
            if declared != value.type:
                problem = f"the output is declared {declared}, but {value.type} is returned"
                raise self.scanner.error(problem, at=raw.position)

    # ---------------------------------------------------------------------------------- equations

    def equation(self, graph: Graph, values: dict[str, Value]) -> None:
        scanner = self.scanner
        start = scanner.start()
        results = self.separated(self.result) if scanner.looking_at("%") else []
        if results:
            scanner.expect("=")
        op_start = scanner.start()
        op = self.op()
        operands = (
            tuple(self.separated(lambda: self.value(values))) if scanner.looking_at("%") else ()
        )
        raw = self.separated(self.raw_type) if scanner.accept(":") else []
        location = scanner.location()
        regions = self.regions()
        node = self.guarded(op_start, lambda: Node(op, operands, regions, location))
        self.check_results(node, raw, op_start)
        if len(results) != len(node.outputs):
            problem = f"{op.name} has {len(node.outputs)} results, {len(results)} are named"
            raise scanner.error(problem, at=start)
        graph.insert(node)
        for (label, position), value in zip(results, node.outputs, strict=True):
            value.hint = "" if label.isdecimal() else label
            self.define(values, label, value, position)

    def result(self) -> tuple[str, int]:
        start = self.scanner.start()
        return self.scanner.value_name(), start

    def regions(self) -> tuple[Graph, ...]:
        regions = []
        while self.scanner.accept("{"):
            self.enter()
            regions.append(self.body("graph", self.header()))
            self.depth -= 1
            self.scanner.expect("}")
        return tuple(regions)

    def check_results(self, node: Node, raw: list[RawType], start: int) -> None:
        declared = [self.resolve(item) for item in raw]
        inferred = [value.type for value in node.outputs]
        if declared == inferred:
            return
        given, due = (", ".join(map(str, types)) or "nothing" for types in (declared, inferred))
        position = raw[0].position if raw else start
        raise self.scanner.error(f"declared {given}, but {node.op.name} gives {due}", at=position)

    def op(self) -> Op:
        start = self.scanner.start()
        name = self.scanner.name("an operation")
        cls = self.guarded(start, lambda: find_op(name))
        has_arguments = self.scanner.accept("<")
        arguments = self.until(">", lambda: self.argument(cls)) if has_arguments else []
        try:
            fields = match_fields(cls, arguments, start)
        except FieldError as error:
            raise self.scanner.error(error.summary, at=error.position, hint=error.hint) from None
        return self.guarded(start, lambda: cls(**fields))

    def argument(self, cls: type[Op]) -> Argument:
        name = self.scanner.peek_name() or ""
        after = _EQUALS.match(self.scanner.text, self.scanner.position + len(name))
        if name and after:
            self.scanner.advance(after.end())
        else:
            name = ""
        position = self.scanner.start()
        return Argument(name, self.item(annotation_text(cls, name)), position)

    # ------------------------------------------------------------------------------------- values

    def define(self, values: dict[str, Value], label: str, value: Value, position: int) -> None:
        if label in values:
            raise self.scanner.error(f"%{label} is defined twice", at=position)
        values[label] = value

    def value(self, values: Mapping[str, Value]) -> Value:
        start = self.scanner.start()
        label = self.scanner.value_name()
        if label in values:
            return values[label]
        if any(label in outer for outer in self.outer):
            problem = f"%{label} is defined outside of the region, which must take it as an input"
            raise self.scanner.error(problem, at=start)
        raise self.unknown(nearest(label, values, "value"), start)
