"""Is a graph well formed? The rules that every pass must keep, in words and in code.

A graph, and each region in it, is well formed when:

1.  List. From `first`, following `next`, one meets `node_count` nodes and ends at `last`;
    `previous` is the inverse of `next`; each node's `graph` is the graph it stands in.
2.  Values. Inputs have no node, results have theirs; `index` is the position; none occurs twice.
3.  Signature. It has one role an input and one an output, of the kinds in `signature`. An `update`
    names a parameter, state or key among the inputs, and no two updates name the same one.
4.  Ops. Each op is of a class that is registered under its name. Its attributes are values of the
    attribute grammar (bool, int, float, string, None, dtype, scalar row, size, array, or a tuple of
    such), of exactly these Python types, and can be hashed.
5.  Order. An operand is an input of the same graph or a result of an earlier node of it. So a
    region captures nothing.
6.  Types. The results have the types that the op's shape rule gives for the operands now.
7.  Regions. Each is a graph of its own, in one place only, and well formed itself.
8.  Sizes. A symbolic size in an attribute or a result occurs in the type of an input of the same
    graph. A name stands for the same bounds in the graph and all its regions.
9.  Outputs. Each is an input or a result of the graph.
10. Uses. `uses` of a value are exactly the operands and outputs that are this value.

The time is linear in the number of nodes, operands and results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from irflow import dims, dtypes
from irflow.dims import Dim, Symbol
from irflow.dtypes import DType
from irflow.errors import CheckError, DTypeError
from irflow.ir import literal
from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.items import MAX_DEPTH
from irflow.ir.op import OPS, infer_types
from irflow.ir.print import attribute_symbols, graph_lines, op_fields
from irflow.ir.signature import INPUT_ROLES, OUTPUT_ROLES
from irflow.scalars import Scalar

_AROUND = 2
_UPDATED = ("parameter", "state", "key")
_SIMPLE = (bool, int, float, str, type(None), DType, Scalar, Dim)


def check_graph(graph: Graph) -> None:
    """Do nothing if `graph` keeps all rules of this module.

    Raises:
        CheckError: the first rule found broken, with the node and the lines around it.
    """
    _Checker().check(graph, 0)


class _Checker:
    """What is shared between a graph and its regions: their identities and the sizes' names."""

    def __init__(self) -> None:
        self.seen: set[Graph] = set()
        self.symbols: dict[str, Symbol] = {}

    def check(self, graph: Graph, depth: int) -> None:
        if graph in self.seen:
            raise CheckError(f"graph @{graph.name} is a region in two places, or of itself")
        if depth > MAX_DEPTH:
            raise CheckError(f"graph @{graph.name}: regions nest more than {MAX_DEPTH} deep")
        self.seen.add(graph)
        _check_list(graph)
        _check_inputs(graph)
        _check_signature(graph)
        _Body(self, graph, depth).check()


def _check_list(graph: Graph) -> None:
    previous: Node | None = None
    node, counted = graph.first, 0
    while node is not None and counted < graph.node_count:
        if node.graph is not graph:
            raise CheckError(
                f"graph @{graph.name}: {node!r} is listed, but belongs to {_owner(node)}"
            )
        if node.previous is not previous:
            raise CheckError(f"graph @{graph.name}: {node!r} does not link back to {previous!r}")
        previous, node, counted = node, node.next, counted + 1
    if node is not None or previous is not graph.last or counted != graph.node_count:
        raise CheckError(
            f"graph @{graph.name}: the list of {len(graph)} nodes does not end at the last one",
            facts=[("reached", repr(previous)), ("last", repr(graph.last))],
        )


def _check_inputs(graph: Graph) -> None:
    if len(set(graph.inputs)) != len(graph.inputs):
        raise CheckError(f"graph @{graph.name}: an input is listed twice")
    for position, value in enumerate(graph.inputs):
        if value.node is not None or value.index != position:
            raise CheckError(f"graph @{graph.name}: input {position} calls itself {value!r}")


def _check_signature(graph: Graph) -> None:
    name, signature = f"graph @{graph.name}", graph.signature
    _check_kinds(f"{name}: input", [r.kind for r in signature.inputs], graph.inputs, INPUT_ROLES)
    _check_kinds(
        f"{name}: output", [r.kind for r in signature.outputs], graph.outputs, OUTPUT_ROLES
    )
    targets = {role.name for role in signature.inputs if role.kind in _UPDATED}
    updates = [role.name for role in signature.outputs if role.kind == "update"]
    for target in updates:
        if target not in targets:
            raise CheckError(
                f"{name}: an output updates {target!r}, which is no state of the graph"
            )
    if len(set(updates)) != len(updates):
        raise CheckError(f"{name}: two outputs update the same state")


def _check_kinds(
    what: str, kinds: Sequence[str], values: Sequence[Value], allowed: Sequence[str]
) -> None:
    if len(kinds) != len(values):
        raise CheckError(f"{what}s number {len(values)}, their roles {len(kinds)}")
    for position, kind in enumerate(kinds):
        if kind not in allowed:
            raise CheckError(f"{what} {position} has the unknown role {kind!r}")


class _Body:
    """The walk over the nodes of one graph.

    Attributes:
        reads: for each value defined so far, who reads it.
        sizes: the names of the sizes that the inputs define.
    """

    def __init__(self, checker: _Checker, graph: Graph, depth: int) -> None:
        self.checker = checker
        self.graph = graph
        self.depth = depth
        self.reads: dict[Value, set[tuple[Node | Graph, int]]] = {v: set() for v in graph.inputs}
        self.sizes: set[str] = set()

    def check(self) -> None:
        for value in self.graph.inputs:
            self.check_symbols(value.type.shape, None, defines=True)
        for node in self.graph:
            self.check_node(node)
        for position, value in enumerate(self.graph.outputs):
            if value not in self.reads:
                problem = f"output {position}, {value!r}, {self.why_undefined(value)}"
                raise self.error(problem, value.node)
            self.reads[value].add((self.graph, position))
        for value, reads in self.reads.items():
            self.check_uses(value, reads)

    def check_node(self, node: Node) -> None:
        self.check_op(node)
        for position, value in enumerate(node.inputs):
            if value not in self.reads:
                raise self.error(f"operand {position} {self.why_undefined(value)}", node)
            self.reads[value].add((node, position))
        for region in node.regions:
            self.checker.check(region, self.depth + 1)
        self.check_types(node)
        for index, value in enumerate(node.outputs):
            if value.node is not node or value.index != index or value in self.reads:
                raise self.error(f"result {index} calls itself {value!r}", node)
            self.reads[value] = set()
            self.check_symbols(value.type.shape, node)

    def check_op(self, node: Node) -> None:
        op = node.op
        if OPS.get(op.name) is not type(op):
            raise self.error(f"{type(op).__name__} is not registered as {op.name!r}", node)
        for name in op_fields(op):
            value = getattr(op, name)
            wrong = _not_attribute(value, MAX_DEPTH)
            if wrong is not None:
                raise self.error(f"attribute {name} {wrong}", node)
            self.check_symbols(value if isinstance(value, tuple) else (value,), node)

    def check_types(self, node: Node) -> None:
        types = [value.type for value in node.inputs]
        try:
            due = infer_types(node.op, types, node.regions)
        except Exception as error:
            problem = f"the shape rule refuses the operands: {error}"
            raise self.error(problem.splitlines()[0], node) from error
        found = tuple(value.type for value in node.outputs)
        if found != due:
            given, expected = (", ".join(map(str, t)) or "no results" for t in (found, due))
            raise self.error(f"the results are {given}, the shape rule gives {expected}", node)

    def check_symbols(
        self, values: Iterable[Attribute], node: Node | None, defines: bool = False
    ) -> None:
        for symbol in attribute_symbols(tuple(values)):
            known = self.checker.symbols.setdefault(symbol.name, symbol)
            if known != symbol:
                both = " and ".join(map(dims.format_constraint, (known, symbol)))
                raise self.error(f"the size {symbol.name} has two sets of bounds: {both}", node)
            if defines:
                self.sizes.add(symbol.name)
            elif symbol.name not in self.sizes:
                raise self.error(f"no input defines the size {symbol.name}", node)

    def check_uses(self, value: Value, reads: set[tuple[Node | Graph, int]]) -> None:
        if value.uses.keys() == reads:
            return
        wrong = [(use, "misses") for use in reads if use not in value.uses]
        wrong += [(use, "wrongly has") for use in value.uses if use not in reads]
        (user, position), verb = wrong[0]
        kind = "output" if isinstance(user, Graph) else "operand"
        shown = f"@{user.name}" if isinstance(user, Graph) else repr(user)
        near = value.node or (user if isinstance(user, Node) else None)
        problem = f"the use list of {value!r} {verb} {kind} {position} of {shown}"
        raise self.error(problem, near)

    def why_undefined(self, value: Value) -> str:
        """What is wrong with reading a value that is not defined so far."""
        if value.node is None:
            return "is an input of another graph; a region takes what it reads as its own input"
        if value.node.graph is None:
            return "is a result of a node that was erased"
        if value.node.graph is not self.graph:
            return (
                f"is defined in {_owner(value.node)}; a region takes what it reads as its own input"
            )
        return "is defined after its use"

    def error(self, problem: str, node: Node | None) -> CheckError:
        shown = f"{node.op.name}: {problem}" if node is not None else problem
        error = CheckError(
            f"graph @{self.graph.name}: {shown}",
            facts=[(line,) for line in neighbourhood(self.graph, node)],
        )
        error.at(node.location if node is not None else None)
        return error


def neighbourhood(graph: Graph, node: Node | None) -> list[str]:
    """The header and the lines around `node`, which is marked; only the header without a node.

    Regions are left out: whether they can be printed is not known yet.
    """
    lines = graph_lines(graph, array=_short_array, regions=False)
    at = next((i for i, line in enumerate(lines) if node is not None and line.node is node), 0)
    if not at:
        return [f"  {lines[0].text}"]
    first, last = max(0, at - _AROUND), at + _AROUND + 1
    head = [f"  {lines[0].text}"] * (first > 0) + ["    ..."] * (first > 1)
    shown = enumerate(lines[first:last], first)
    tail = ["    ..."] * (last < len(lines))
    return [*head, *(f"{'>' if i == at else ' '} {line.text}" for i, line in shown), *tail]


def _short_array(array: DenseArray) -> str:
    if array.array.size <= literal.INLINE_LIMIT:
        return literal.format_array(array)
    return f"data({literal.format_array_type(array)}, ...)"


def _not_attribute(value: Attribute, depth: int) -> str | None:
    """What is wrong with an attribute, None when nothing is."""
    if isinstance(value, tuple):
        if depth == 0:
            return f"nests tuples more than {MAX_DEPTH} deep"
        return next(filter(None, (_not_attribute(item, depth - 1) for item in value)), None)
    if isinstance(value, DenseArray):
        try:
            dtypes.from_numpy(value.array.dtype)
        except DTypeError as error:
            return f"is not allowed: {error.summary}"
        return None
    if type(value) in _SIMPLE:
        return None
    return f"holds a {type(value).__module__}.{type(value).__qualname__}, which is no attribute"


def _owner(node: Node) -> str:
    return f"graph @{node.graph.name}" if node.graph is not None else "no graph"
