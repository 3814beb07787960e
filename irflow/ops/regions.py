"""Ops around a part of a graph: calls, fused groups, gradients of one's own; the gradient stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import GradientError, ShapeError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.op import Cost, Evaluator, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.broadcast import reduce_sum
from irflow.ops.operand import Handle
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

Types = Sequence[TensorType]


@register("stop_gradient")
class StopGradient(Op):
    """The operand itself, through which no derivative passes, in either direction."""

    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, x: TensorType) -> TensorType:
        return x

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        return loads[0](index)

    def with_leading_axis(self, size: Size) -> Op:
        return self

    def cost(self, inputs: Types, outputs: Types) -> Cost:
        return Cost(0, inputs[0].nbytes + outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        yield Sample(cls(), (x,), differentiable=())
        yield Sample(cls(), (x,), ((dims.symbol("n"), 3),), differentiable=(), label="symbolic")


class Inlinable(Op):
    """An op that means its only region, applied to the operands.

    Symbolic sizes of the region's inputs stand for the operands' sizes. Differentiation and
    inlining put the nodes of the region in the op's place.
    """

    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(self, *types: TensorType, regions: Sequence[Graph]) -> tuple[TensorType, ...]:
        (region,) = regions
        sizes = region_sizes(self.name, region, types)
        return tuple(type.substitute(sizes) for type in region.output_types)

    def numpy(self, *inputs: np.ndarray, regions: Sequence[Evaluator]) -> tuple[np.ndarray, ...]:
        return regions[0](*inputs)


@register("call")
class Call(Inlinable):
    """A named part of a graph, which a pass or a backend may recognise by its name.

    It can always be replaced by its region. `callee` says what the region computes, for instance
    `"softmax"`.
    """

    callee: str

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        n = dims.symbol("n")
        x = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)
        y = x[::-1].copy()
        yield Sample(cls("product_sum"), (x, y), regions=(_product_and_sum((2, 3)),))
        declared, region = ((n, 3), (n, 3)), (_product_and_sum((n, 3)),)
        yield Sample(cls("product_sum"), (x, y), declared, regions=region, label="symbolic")


@register("fusion")
class Fusion(Inlinable):
    """A group of nodes that becomes one kernel; `kind` says by which template."""

    kind: str

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([[0.5, -1.0, 2.0]], np.float32)
        yield Sample(cls("loop"), (x, x + 1), regions=(_product_and_sum((1, 3)),))
        n = dims.symbol("n")
        regions = (_product_and_sum((n, 3)),)
        yield Sample(cls("loop"), (x, x), ((n, 3), (n, 3)), regions=regions, label="symbolic")


@register("custom_vjp")
class CustomVjp(Op):
    """A function with a gradient of the user's own, in three regions.

    `primal`: inputs to outputs. `forward`: inputs to outputs, then residuals. `backward`:
    residuals, then cotangents of the float outputs, to cotangents of the float inputs. The latter
    two take the place of the primal under differentiation in reverse; there is no forward mode.
    """

    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(self, *types: TensorType, regions: Sequence[Graph]) -> tuple[TensorType, ...]:
        primal, forward, backward = regions
        results = _results(self.name, primal, types)
        kept = _results(self.name, forward, types)
        check_types(self.name, "results of forward", kept[: len(results)], results)
        cotangents = [type for type in results if type.dtype.is_inexact]
        given = [*kept[len(results) :], *cotangents]
        gradients = _results(self.name, backward, given)
        wanted = [type for type in types if type.dtype.is_inexact]
        check_types(self.name, "results of backward", gradients, wanted)
        return results

    def numpy(self, *inputs: np.ndarray, regions: Sequence[Evaluator]) -> tuple[np.ndarray, ...]:
        return regions[0](*inputs)

    def forward(
        self, context: Any, inputs: Sequence[Any], regions: Sequence[Graph]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Emit the forward region: handles of the outputs, and of the residuals for `vjp`."""
        values = context.inline(regions[1], inputs)
        count = len(regions[0].outputs)
        return values[:count], values[count:]

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        given = [
            output.full(0, output.shape) if g is None else g
            for output, g in zip(outputs, cotangents, strict=True)
            if output.dtype.is_inexact
        ]
        gradients = iter(context.inline(context.regions[2], [*context.residuals, *given]))
        return [next(gradients) if x.dtype.is_inexact else None for x in inputs]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        raise GradientError(
            "custom_vjp functions have no forward mode",
            hint="only their gradient in reverse is given",
        )

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """The same on a batch, in all three regions.

        The cotangent of an operand without the batch axis is the sum over all members.
        """
        types = [
            x.type.with_shape(x.shape[1:]) if flag else x.type
            for x, flag in zip(inputs, is_batched, strict=True)
        ]
        primal, forward, backward = context.regions
        count = len(primal.outputs)
        sizes = region_sizes(self.name, forward, types)
        kept = [type.substitute(sizes) for type in forward.output_types[count:]]
        results = _results(self.name, primal, types)
        cotangents = [type for type in results if type.dtype.is_inexact]
        outer, _ = context.batch(_fit(self.name, primal, types), is_batched, [True] * count)
        whole = _fit(self.name, forward, types)
        wanted = [True] * count + [False] * len(kept)
        there, found = context.batch(whole, is_batched, wanted)
        flags = [*found[count:], *[True] * len(cotangents)]
        back = _fit(self.name, backward, [*kept, *cotangents])
        again, _ = context.batch(back, flags, [True] * len(back.outputs))
        pairs = zip(inputs, is_batched, strict=True)
        _add_up(again, [flag for x, flag in pairs if x.dtype.is_inexact])
        values: Sequence[Any] = inputs[0].emit(self, inputs, [outer, there, again])
        return values

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([0.5, -1.0, 2.0], np.float32)
        regions = _square_regions(3)
        yield Sample(cls(), (x, np.arange(3)), regions=regions, differentiable=(), label="square")
        n = dims.symbol("n")
        inputs, declared = (x, np.arange(3)), ((n,), (n,))
        yield Sample(cls(), inputs, declared, (), regions=_square_regions(n), label="symbolic")


# ------------------------------------------------------------------------------------------- types


def region_sizes(name: str, region: Graph, types: Types) -> dict[str, Size]:
    """What the symbolic sizes of a region stand for when it is applied to operands of `types`.

    Args:
        name: the op, for messages.
        region: its inputs declare the sizes; a size that is a bare symbol is solved for it.
        types: those of the operands.

    Returns:
        Sizes by name; empty where the types are equal as they stand, which is the usual case.

    Raises:
        ShapeError: an operand does not fit the type of its input.
    """
    if region.input_types == tuple(types):
        return {}
    if len(region.inputs) != len(types):
        raise ShapeError(
            f"{name}: a region with {len(region.inputs)} inputs is given {len(types)} operands"
        )
    sizes: dict[str, Size] = {}
    for declared, type in zip(region.input_types, types, strict=True):
        for size, actual in zip(declared.shape, type.shape, strict=False):
            symbols = dims.symbols(size)
            if len(symbols) == 1 and str(size) == symbols[0].name:
                sizes.setdefault(symbols[0].name, actual)
    found = [declared.substitute(sizes) for declared in region.input_types]
    check_types(name, f"operands of @{region.name}", list(types), found)
    return sizes


def check_types(name: str, what: str, types: Types, expected: Types) -> None:
    """ShapeError unless the types are those expected; sizes have equal normal forms."""
    if len(types) != len(expected):
        raise ShapeError(f"{name}: {len(types)} {what}, not {len(expected)}")
    for position, (type, wanted) in enumerate(zip(types, expected, strict=True)):
        if type != wanted:
            raise ShapeError(
                f"{name}: {what} have other types",
                facts=[(f"number {position}", type), ("expected", wanted)],
            )


def _results(name: str, region: Graph, types: Types) -> tuple[TensorType, ...]:
    sizes = region_sizes(name, region, types)
    return tuple(type.substitute(sizes) for type in region.output_types)


def _fit(name: str, region: Graph, types: Types) -> Graph:
    """The region with its own symbolic sizes replaced by those of the operands."""
    sizes = region_sizes(name, region, types)
    return region.copy(sizes) if sizes else region


def _add_up(region: Graph, keep: Sequence[bool]) -> None:
    """Sum the outputs of a batched region over the batch, but for those to keep."""
    builder = Builder(region)
    pairs = zip(region.outputs, keep, strict=True)
    ends = [
        value if kept else reduce_sum(Handle(builder, value), (0,)).value for value, kept in pairs
    ]
    region.set_outputs(ends)


# ----------------------------------------------------------------------------------------- samples


def _region(name: str, types: Types) -> tuple[Graph, list[Handle]]:
    graph = Graph(name)
    builder = Builder(graph)
    return graph, [Handle(builder, graph.add_input(type)) for type in types]


def _product_and_sum(shape: tuple[Size, ...]) -> Graph:
    """`(x, y) -> (x * tanh(y), x + y)`."""
    graph, (x, y) = _region("product_sum", [TensorType(dtypes.f32, shape)] * 2)
    graph.set_outputs([(x * find("tanh")(y)).value, (x + y).value])
    return graph


def _square_regions(size: Size) -> tuple[Graph, Graph, Graph]:
    """`(x, i) -> (x * x, i)` with the made-up gradient `g * x * 3`."""
    vector, integers = TensorType(dtypes.f32, (size,)), TensorType(dtypes.i64, (size,))
    graphs = []
    for name in ("square", "square_forward"):
        graph, (x, i) = _region(name, [vector, integers])
        results = [(x * x).value, i.value, x.value]
        graph.set_outputs(list(islice(results, 2 + (name == "square_forward"))))
        graphs.append(graph)
    backward, (x, g) = _region("square_backward", [vector, vector])
    backward.set_outputs([(g * x * 3).value])
    return graphs[0], graphs[1], backward


# ------------------------------------------------------------------------------------ constructors


def stop_gradient(x: GraphOperand) -> Any:
    """`x`, through which no derivative passes."""
    return x.emit(StopGradient(), [x])[0]


def call(callee: str, region: Graph, operands: Sequence[GraphOperand]) -> tuple[Any, ...]:
    """The results of a named region applied to at least one operand."""
    return operands[0].emit(Call(callee), operands, [region])
