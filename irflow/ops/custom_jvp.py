"""A function with a derivative of the user's own, given in forward mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import GradientError
from irflow.ir.graph import Graph
from irflow.ir.op import Evaluator, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.operand import Handle
from irflow.ops.region_parts import (
    fitted,
    inlined,
    new_region,
    results_of,
    returning,
    types_of,
    zeros_or,
)
from irflow.ops.regions import check_types

Types = Sequence[TensorType]


@register("custom_jvp")
class CustomJvp(Op):
    """A function with a derivative of the user's own, in two regions.

    `primal`: inputs to outputs. `rule`: inputs, then tangents of the float inputs, to outputs, then
    tangents of the float outputs. The rule takes the place of the primal under differentiation.
    It is linear in the tangents; so its gradient by them, which serves reverse mode, is the same at
    all of them, and is taken at zero.
    """

    lowering: ClassVar[Lowering] = Lowering.REGION

    def infer(self, *types: TensorType, regions: Sequence[Graph]) -> tuple[TensorType, ...]:
        primal, rule = regions
        results = results_of(self.name, primal, types)
        found = results_of(self.name, rule, [*types, *_floats(types)])
        check_types(self.name, "results of the rule", found, [*results, *_floats(results)])
        return results

    def numpy(self, *inputs: np.ndarray, regions: Sequence[Evaluator]) -> tuple[np.ndarray, ...]:
        return regions[0](*inputs)

    def push_forward(
        self, context: Any, inputs: Sequence[Handle], tangents: Sequence[Handle | None]
    ) -> tuple[Sequence[Handle], Sequence[Handle | None]]:
        """Emit the rule: handles of the outputs, and their tangents."""
        builder, rule = inputs[0].builder, _rule(context, inputs)
        moves = [
            zeros_or(t, x.type, builder)
            for x, t in zip(inputs, tangents, strict=True)
            if x.dtype.is_inexact
        ]
        found = inlined(builder, rule, [*inputs, *moves])
        count = len(context.regions[0].outputs)
        rest = iter(found[count:])
        changes = [next(rest) if y.dtype.is_inexact else None for y in found[:count]]
        return found[:count], changes

    def forward(
        self, context: Any, inputs: Sequence[Handle], regions: Sequence[Graph]
    ) -> tuple[Sequence[Handle], tuple[Graph, Sequence[Handle]]]:
        """Emit the rule at tangents of zero; kept is its gradient by them, and what this reads."""
        builder, rule = inputs[0].builder, _rule(context, inputs)
        wanted = range(len(inputs), len(rule.inputs))
        forward, backward = context.differentiate(rule, wanted)
        _check_linear(forward, len(inputs), len(rule.outputs))
        still = [zeros_or(None, type, builder) for type in rule.input_types[len(inputs) :]]
        values = inlined(builder, forward, [*inputs, *still])
        return values[: len(regions[0].outputs)], (backward, values[len(rule.outputs) :])

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        backward, residuals = context.residuals
        builder = inputs[0].builder
        floats = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.dtype.is_inexact]
        # The outputs of the rule do not depend on the tangents; only their tangents do.
        seeds = [zeros_or(None, y.type, builder) for y, _ in floats]
        seeds += [zeros_or(g, y.type, builder) for y, g in floats]
        gradients = iter(inlined(builder, backward, [*residuals, *seeds]))
        return [next(gradients) if x.dtype.is_inexact else None for x in inputs]

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any]:
        """The same op on a batch; the tangent of an operand has the batch axis if that has it."""
        types = [
            x.type.with_shape(x.shape[1:]) if flag else x.type
            for x, flag in zip(inputs, is_batched, strict=True)
        ]
        primal, rule = context.regions
        floats = [f for f, type in zip(is_batched, types, strict=True) if type.dtype.is_inexact]
        regions = [
            context.batch(fitted(self.name, region, given), flags, [True] * len(region.outputs))[0]
            for region, given, flags in (
                (primal, types, is_batched),
                (rule, [*types, *_floats(types)], [*is_batched, *floats]),
            )
        ]
        results: Sequence[Any] = inputs[0].emit(self, inputs, regions)
        return results

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = np.array([0.5, -1.0, 2.0], np.float32)
        inputs = (x, np.arange(3), x[::-1].copy())
        yield Sample(cls(), inputs, regions=_product_regions(3), label="product")
        n = dims.symbol("n")
        regions = _product_regions(n)
        yield Sample(cls(), inputs, ((n,), (n,), (n,)), regions=regions, label="symbolic")


def _floats(types: Types) -> list[TensorType]:
    return [type for type in types if type.dtype.is_inexact]


def _rule(context: Any, inputs: Sequence[Handle]) -> Graph:
    """The rule, with the sizes of the operands."""
    types = types_of(inputs)
    return fitted("custom_jvp", context.regions[1], [*types, *_floats(types)])


def _check_linear(forward: Graph, first: int, count: int) -> None:
    """GradientError if the gradient of a rule reads a tangent: then they are not linear in it.

    Loops and branches are not looked into: they return what depends on tangents beside what does
    not.

    Args:
        forward: the rule, which also returns what its gradient reads.
        first: the position of the first tangent among the inputs.
        count: how many outputs stand before what the gradient reads.
    """
    moving = set(forward.inputs[first:])
    for node in forward:
        if not node.regions and any(value in moving for value in node.inputs):
            moving.update(node.outputs)
    if any(value in moving for value in forward.outputs[count:]):
        raise GradientError(
            "custom_jvp: the rule is not linear in the tangents, so it has no gradient",
            hint="the tangent of the result is a sum of products with the tangents given",
        )


def _product_regions(size: Size) -> tuple[Graph, Graph]:
    """`(x, i, y) -> (x * y, i)` with its true derivative."""
    vector, integers = TensorType(dtypes.f32, (size,)), TensorType(dtypes.i64, (size,))
    primal, ((x, i, y),) = new_region("product", [vector, integers, vector])
    returning(primal, [x * y, i])
    types = [vector, integers, vector]
    rule, ((x, i, y), (dx, dy)) = new_region("product_rule", types, [vector, vector])
    return primal, returning(rule, [x * y, i], [dx * y + x * dy])
