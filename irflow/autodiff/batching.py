"""Batching: the graph that does for a whole batch what a graph does for one element.

The batch axis is axis 0 of every value that depends on the batch; what does not depend on it is
computed once. Each op says in `batch` how it takes such operands; an op that does not say becomes
a `scan` over the elements, so that there is a batched graph of every graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from irflow import dims, dtypes
from irflow.autodiff.tape import is_inlined
from irflow.dims import Dim, Size
from irflow.errors import CheckError, IrflowError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op, fields_of
from irflow.ir.types import TensorType
from irflow.ops.broadcast import broadcast
from irflow.ops.operand import Handle
from irflow.ops.region_parts import fitted, new_region, returning, types_of, zeros
from irflow.ops.scan import Scan
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What an op's `batch` may ask.

    Attributes:
        size: of the batch axis.
        regions: of the op, as they are for one element.
        builder: where nodes are emitted.
    """

    size: Size
    regions: tuple[Graph, ...]
    builder: Builder

    def front(self, handle: Handle, is_batched: bool) -> Handle:
        """`handle` with the batch axis in front, repeated along it if it has none."""
        if is_batched:
            return handle
        shape = (self.size, *handle.shape)
        result: Handle = broadcast(handle, shape, range(1, len(shape)))
        return result

    def fronted(self, handles: Sequence[Handle], is_batched: Sequence[bool]) -> list[Handle]:
        """All of them with the batch axis in front."""
        return list(map(self.front, handles, is_batched))

    def batch(
        self, region: Graph, is_batched: Sequence[bool], outputs: Sequence[bool] | None = None
    ) -> tuple[Graph, tuple[bool, ...]]:
        """A region on a batch; see `batch_graph`.

        Symbolic sizes of its own must have been replaced by those of the operands.
        """
        return batch_graph(region, is_batched, self.size, outputs)


def batch_graph(
    graph: Graph,
    is_batched: Sequence[bool],
    size: Size,
    outputs: Sequence[bool] | None = None,
) -> tuple[Graph, tuple[bool, ...]]:
    """The graph on a batch.

    Args:
        graph: for one element of the batch; it is not changed.
        is_batched: which inputs get the batch axis in front; the others serve all elements.
        size: of the batch axis.
        outputs: which outputs are to have the batch axis even if they do not depend on the batch.

    Returns:
        The graph, and which of its outputs have the batch axis in front.
    """
    result = Graph(f"{graph.name}_batch")
    rows = zip(graph.inputs, graph.signature.inputs, is_batched, strict=True)
    inputs = [
        result.add_input(_batched(value.type, size) if batched else value.type, value.hint, role)
        for value, role, batched in rows
    ]
    batched = {value for value, is_one in zip(inputs, is_batched, strict=True) if is_one}
    batching = _Batching(Builder(result), size, batched)
    ends = batching.run(graph, inputs)
    forced = [False] * len(ends) if outputs is None else outputs
    finished = [
        batching.fronted(value) if force else value
        for value, force in zip(ends, forced, strict=True)
    ]
    result.set_outputs(finished, graph.signature.outputs)
    return result, tuple(value in batching.batched for value in finished)


@dataclass(slots=True)
class _Batching:
    """One graph being batched.

    Attributes:
        builder: of the new graph.
        size: of the batch axis.
        batched: the values of the new graph that have the batch axis in front.
    """

    builder: Builder
    size: Size
    batched: set[Value]

    def run(self, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
        """Emit the nodes of `graph` for the batch; its outputs."""
        mapping = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph:
            operands = [mapping[value] for value in node.inputs]
            self.builder.location = node.location
            for old, new in zip(node.outputs, self._emit(node, operands), strict=True):
                new.hint = new.hint or old.hint
                mapping[old] = new
        self.builder.location = None
        return [mapping[value] for value in graph.outputs]

    def fronted(self, value: Value) -> Value:
        """A value with the batch axis in front."""
        if value not in self.batched:
            value = self._context(()).front(Handle(self.builder, value), False).value
            self.batched.add(value)
        return value

    def _context(self, regions: tuple[Graph, ...]) -> BatchContext:
        return BatchContext(self.size, regions, self.builder)

    def _emit(self, node: Node, operands: list[Value]) -> Sequence[Value]:
        flags = [value in self.batched for value in operands]
        if not any(flags):
            copies = tuple(region.copy() for region in node.regions)
            return self.builder.emit(node.op, operands, copies)
        try:
            if is_inlined(node.op):
                return self._call(node, operands, flags)
            outputs = self._apply(node, [Handle(self.builder, v) for v in operands], flags)
        except IrflowError as error:
            raise error.at(node.location) from None
        pairs = zip(outputs, node.outputs, strict=True)
        self.batched.update(new for new, old in pairs if new.type.rank > old.type.rank)
        return outputs

    def _call(self, node: Node, operands: list[Value], flags: list[bool]) -> Sequence[Value]:
        """A call stays one: its region is batched, and what in it is the same for all stays so."""
        region = fitted(node.op.name, node.regions[0], types_of(node.inputs))
        body, found = batch_graph(region, flags, self.size)
        outputs = self.builder.emit(node.op, operands, [body])
        self.batched.update(value for value, batched in zip(outputs, found, strict=True) if batched)
        return outputs

    def _apply(self, node: Node, inputs: list[Handle], flags: list[bool]) -> list[Value]:
        results = node.op.batch(self._context(node.regions), inputs, flags)
        if results is None:
            results = by_element(node.op, self._context(node.regions), inputs, flags)
        outputs = [handle.value for handle in results]
        expected = [_batched(value.type, self.size) for value in node.outputs]
        # An op with regions may also return what does not depend on the batch as it is.
        fits = [
            new.type == wanted or new.type == old.type
            for new, old, wanted in zip(outputs, node.outputs, expected, strict=False)
        ]
        if len(outputs) != len(expected) or not all(fits):
            raise CheckError(
                f"{node.op.name} on a batch has other results than expected",
                facts=[
                    ("expected", ", ".join(map(str, expected))),
                    ("found", ", ".join(str(value.type) for value in outputs)),
                ],
                hint="a bug in the op's batch",
            )
        return outputs


def _batched(type: TensorType, size: Size) -> TensorType:
    return type.with_shape((size, *type.shape))


def by_element(
    op: Op, context: BatchContext, inputs: Sequence[Handle], is_batched: Sequence[bool]
) -> Sequence[Handle]:
    """The outputs of `op` on a batch, by a scan that takes one element of it after another."""
    order = sorted(range(len(inputs)), key=lambda i: is_batched[i])
    constants = [inputs[i] for i in order if not is_batched[i]]
    sequences = [inputs[i] for i in order if is_batched[i]]
    slices = [x.type.with_shape(x.shape[1:]) for x in sequences]
    constants += _size_givers(op, context.builder, [*types_of(constants), *slices])
    region, (fixed, parts) = new_region(op.name, types_of(constants), slices)
    ordered = dict(zip(order, [*fixed[: len(inputs) - len(parts)], *parts], strict=True))
    copies = [graph.copy() for graph in context.regions]
    body = Builder(region, location=context.builder.location)
    values = body.emit(op, [ordered[i].value for i in range(len(inputs))], copies)
    returning(region, [Handle(body, value) for value in values])
    scan = Scan(context.size, len(constants), 0)
    return sequences[0].emit(scan, [*constants, *sequences], [region])


def _size_givers(op: Op, builder: Builder, known: Sequence[TensorType]) -> list[Handle]:
    """Zeros in whose shapes stand the symbolic sizes of `op` that no operand's shape has."""
    names = {symbol.name for type in known for symbol in dims.shape_symbols(type.shape)}
    found = [size for name in fields_of(type(op)) for size in _sizes(getattr(op, name))]
    missing = [symbol for symbol in dims.shape_symbols(found) if symbol.name not in names]
    shapes = [(dims.symbol(s.name, s.lower, s.upper),) for s in missing]
    return [zeros(builder, TensorType(dtypes.u8, shape)) for shape in shapes]


def _sizes(attribute: object) -> list[Size]:
    """All symbolic sizes in an attribute."""
    if isinstance(attribute, tuple):
        return [size for item in attribute for size in _sizes(item)]
    return [attribute] if isinstance(attribute, Dim) else []
