"""Inference with bytes: products with constant weights in 8 bits, everything else as it was.

    fast = quantization.quantize(model, x)
    print(fast)                                 # how far results move
    y = fast(x)

Weights are rounded once, with a scale a column; what they are multiplied with is rounded at each
call, with a scale a row of its own or one that examples determine. Sums are exact, in 32 bits.
See Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from irflow import compiler, dtypes, ops, tree
from irflow.errors import UsageError
from irflow.frontend.jit import jit
from irflow.frontend.stages import Compiled, Traced
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Broadcast, Constant, Convert, Handle, Matmul, Reshape, Transpose
from irflow.ops.barrier import optimization_barrier
from irflow.scalars import find

MOST_SUMMANDS = 1 << 16
"""Products of bytes whose sum surely fits 32 bits."""
STEPS = 127
"""Steps from 0 to the largest number of a row or column."""
CENTRE = 128
"""What stands for 0 on the left, where bytes have no sign."""
SMALLEST = 1e-30
"""Rows of nothing but smaller numbers become 0."""

Example = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far the results on the examples are from those in full precision.

    Attributes:
        rms: the root of the mean square of the error, relative to that of the results.
        largest: the largest error, relative to the largest result.
    """

    rms: float
    largest: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """A function with products in bytes; called as the one it was made of.

    Attributes:
        compiled: what runs, for arguments of the types of the first example.
        accuracy: on the examples.
        products: how many products are in bytes.
        left: how many are not: narrow ones, and those of two computed operands.
    """

    compiled: Compiled
    accuracy: Accuracy
    products: int
    left: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.compiled(*args, **kwargs)

    def __str__(self) -> str:
        count, found = self.products + self.left, self.accuracy
        return (
            f"{self.products} of {count} products in 8 bits: "
            f"error {found.rms:.2%} (root mean square), {found.largest:.2%} (largest)"
        )


def quantize(
    function: Callable[..., Any],
    *args: Any,
    examples: Sequence[Example] = (),
    activations: str = "dynamic",
    least: int = 64,
    backend: str | None = None,
) -> Quantized:
    """Let a function multiply by its constant `f32` weights in 8 bits.

    Args:
        function: of tensors; its weights are tensors or variables of its surroundings.
        args: the arguments of one call.
        examples: the arguments of more calls, of the same types.
        activations: `"dynamic"`, a scale a row that is found at each call, or `"calibrated"`, one
            a product, with which no number of the examples is cut off; larger ones are.
        least: products with fewer summands or columns stay as they are.
        backend: which one compiles.

    Returns:
        The quantized function, with the accuracy on all examples.

    Raises:
        UsageError: the function assigns variables, or `activations` is something else.

    Example:
        >>> w = irf.asarray(np.ones((64, 64), np.float32))
        >>> fast = quantize(lambda x: x @ w, np.ones((2, 64), np.float32))
        >>> fast.products
        1
    """
    if activations not in ("dynamic", "calibrated"):
        hint = 'it is "dynamic" or "calibrated"'
        raise UsageError(f"quantize: no activations {activations!r}", hint=hint)
    traced = jit(function, backend=backend).trace(*args)
    if traced.function.updates:
        raise UsageError("quantize: the function assigns variables", hint="quantize inference only")
    calls = [args, *examples]
    whole = frozen(traced)
    graph = whole.graph.copy()
    products = [(node, weights_of(node, least)) for node in graph if isinstance(node.op, Matmul)]
    chosen = [(node, weights) for node, weights in products if weights is not None]
    ranges: list[float | None] = [None] * len(chosen)
    if activations == "calibrated":
        ranges = [*largest_of([node.inputs[0] for node, _ in chosen], graph, calls, whole)]
    for (node, weights), reach in zip(chosen, ranges, strict=True):
        graph.replace(node, [in_bytes(graph, node, weights, reach)])
    made = _compiled(replace(whole, function=replace(whole.function, graph=graph)))
    accuracy = compare(made, _compiled(whole), calls)
    return Quantized(made, accuracy, len(chosen), len(products) - len(chosen))


def _compiled(traced: Traced) -> Compiled:
    compiled: Compiled = traced.lower().compile()
    return compiled


def frozen(traced: Traced) -> Traced:
    """The same with the variables that it reads as constants."""
    function, graph = traced.function, traced.graph.copy()
    first = len(graph.inputs) - len(function.captures)
    builder = Builder(graph, before=next(iter(graph), None))
    for value, capture in zip(graph.inputs[first:], function.captures, strict=True):
        constant = Handle(builder, value).constant(np.asarray(capture.data)).value
        graph.replace_uses(value, constant)
    closed = Graph(graph.name)
    roles = graph.signature.inputs
    mapping = {
        value: closed.add_input(value.type, value.hint, role)
        for value, role in zip(graph.inputs[:first], roles, strict=False)
    }
    closed.copy_nodes(graph, mapping)
    closed.set_outputs([mapping[value] for value in graph.outputs], graph.signature.outputs)
    return replace(traced, function=replace(function, graph=closed, captures=[]))


# ----------------------------------------------------------------------------------------- products


def weights_of(node: Node, least: int) -> np.ndarray | None:
    """The constant `f32[k, n]` on the right of a product; None where it stays as it is."""
    left, right = (value.type for value in node.inputs)
    if left.dtype is not dtypes.f32 or left.rank != 2 or not right.is_static:
        return None
    inner, columns = right.static_shape
    return (
        content(node.inputs[1]) if least <= min(inner, columns) and inner < MOST_SUMMANDS else None
    )


def content(value: Value) -> np.ndarray | None:
    """What a value always is; None where it is computed from arguments."""
    node = value.node
    if node is None:
        return None
    if isinstance(node.op, Constant):
        return node.op.value.array
    if not isinstance(node.op, Broadcast | Convert | Reshape | Transpose):
        return None
    inner = content(node.inputs[0])
    return None if inner is None else np.asarray(node.op.numpy(inner))


def in_bytes(graph: Graph, node: Node, weights: np.ndarray, reach: float | None) -> Value:
    """The product of a node, with `weights` on the right.

    Args:
        graph: where new nodes go, in front of `node`.
        node: with the left operand, `[m, k]`.
        weights: `[k, n]`.
        reach: the largest number expected on the left; None for that of each row.
    """
    x = Handle(Builder(graph, before=node, location=node.location), node.inputs[0])
    columns = np.maximum(np.abs(weights).max(axis=0), np.float32(SMALLEST)) / np.float32(STEPS)
    right = np.rint(weights / columns).astype(np.int8)
    left, rows = rounded(x, reach)
    total = ops.integer_matmul(optimization_barrier(left), x.constant(right))
    shift = CENTRE * right.sum(axis=0, dtype=np.int32)
    shape = total.shape
    centred = total - ops.broadcast(x.constant(shift), shape, (1,))
    scaled = ops.convert(centred, dtypes.f32) * ops.broadcast(x.constant(columns), shape, (1,))
    result: Value = (scaled * (rows if reach else ops.broadcast(rows, shape, (0,)))).value
    return result


def rounded(x: Handle, reach: float | None) -> tuple[Any, Any]:
    """`[m, k]` in bytes around `CENTRE`, and the size of a step: of each row, or of all."""
    if reach:
        steps: Any = x * (STEPS / reach)
        scale: Any = reach / STEPS
    else:
        highest = ops.reduce(find("maximum"), find("absolute")(x), (1,))
        safe = find("maximum")(highest, x.full(SMALLEST, highest.shape))
        steps = x * ops.broadcast(x.full(float(STEPS), safe.shape) / safe, x.shape, (0,))
        scale = safe * (1 / STEPS)
    return ops.convert(find("rint")(steps) + float(CENTRE), dtypes.u8), scale


# ----------------------------------------------------------------------------------------- examples


def largest_of(
    values: Sequence[Value], graph: Graph, calls: Sequence[Example], traced: Traced
) -> list[float]:
    """The largest absolute number of each value over all calls."""
    if not values:
        return []
    watched = graph.copy()
    places = dict(zip(graph.values, watched.values, strict=True))
    watched.set_outputs([places[value] for value in values])
    executable = compiler.compile_graph(watched, backend=traced.backend)
    found = np.full(len(values), SMALLEST)
    for call in calls:
        arrays = executable(leaves_of(traced, call))
        found = np.maximum(found, [float(np.abs(array).max(initial=0)) for array in arrays])
    return [float(reach) for reach in found]


def leaves_of(traced: Traced, call: Example) -> list[np.ndarray]:
    """The arrays of a call's arguments."""
    signature = traced.signature
    tensors = signature.tensors(signature.parameters.split(call, {}))
    return [tensor.data for tensor in tensors]


def compare(made: Compiled, exact: Compiled, calls: Sequence[Example]) -> Accuracy:
    """How far the float results of a function are from those of another."""
    square = error = largest = reach = 0.0
    for call in calls:
        for result, wanted in zip(_results(made, call), _results(exact, call), strict=True):
            off = result - wanted
            error, square = error + float((off**2).sum()), square + float((wanted**2).sum())
            largest = max(largest, float(np.abs(off).max(initial=0)))
            reach = max(reach, float(np.abs(wanted).max(initial=0)))
    return Accuracy((error / max(square, SMALLEST)) ** 0.5, largest / max(reach, SMALLEST))


def _results(compiled: Compiled, call: Example) -> list[np.ndarray]:
    """The results that are floats, in f64."""
    leaves = [np.asarray(leaf) for leaf in tree.flatten(compiled(*call))[0]]
    floats = [leaf for leaf in leaves if dtypes.from_numpy(leaf.dtype).is_float]
    return [leaf.astype(np.float64) for leaf in floats]
