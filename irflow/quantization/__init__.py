"""Inference with bytes: products and convolutions with constant weights in 8 bits, the rest as it
was.

    fast = quantization.quantize(model, x)
    print(fast)                                 # how far results move
    y = fast(x)

Weights are rounded once, with a scale a column, or channel of the result. What they are multiplied
with is rounded with a scale that each call finds, a row or image (`activations="dynamic"`), or with
one that examples determine (`"calibrated"`): then no call has to look at all numbers first, and
what a layer gives leaves it in bytes. Sums are exact, in 32 bits. Layers whose channels are in
groups stay in full precision.

See Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from irflow import compiler
from irflow.errors import UsageError
from irflow.frontend.jit import jit
from irflow.frontend.stages import Compiled, Traced
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ops import Handle
from irflow.quantization.examples import (
    Accuracy,
    Example,
    accuracy_of,
    errors_of,
    ranges_of,
    watching,
)
from irflow.quantization.layers import Found, Layer, found_layers
from irflow.quantization.rounding import Range, in_bytes, origin
from irflow.records import dataclass

__all__ = ["Accuracy", "Layer", "Quantized", "quantize"]

CLEAN = "inline,fixpoint(canonicalize,fold,simplify,cse){max=4},dce"
"""Passes after which batch normalisation is in the weights, and a 1x1 convolution a product."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A function with layers in bytes; called as the one it was made of.

    Attributes:
        compiled: what runs, for arguments of the types of the first example.
        accuracy: on the examples.
        layers: all products and convolutions.
    """

    compiled: Compiled
    accuracy: Accuracy
    layers: tuple[Layer, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.compiled(*args, **kwargs)

    @property
    def products(self) -> int:
        """How many layers are in bytes."""
        return sum(not layer.kept for layer in self.layers)

    @property
    def left(self) -> int:
        """How many layers stay in full precision; each says why."""
        return len(self.layers) - self.products

    def __str__(self) -> str:
        found = self.accuracy
        return (
            f"{self.products} of {len(self.layers)} products in 8 bits: "
            f"error {found.rms:.2%} (root mean square), {found.largest:.2%} (largest)"
        )

    def report(self) -> str:
        """A line a layer: its name, the shape of its weights, its error or why it is as it was."""
        rows = [("layer", "weights", "line", "error"), *map(_row, self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join([*lines, str(self)])


def _row(layer: Layer) -> tuple[str, str, str, str]:
    error = "in 8 bits" if layer.error is None else f"{layer.error:.2%}"
    shape = "x".join(map(str, layer.weights))
    return layer.name, shape, layer.place, f"as it was: {layer.kept}" if layer.kept else error


def quantize(
    function: Callable[..., Any],
    *args: Any,
    examples: Sequence[Example] = (),
    activations: str = "dynamic",
    share: float = 1.0,
    least: int = 24,
    exclude: Sequence[str] = (),
    by_layer: bool = False,
    backend: str | None = None,
) -> Quantized:
    """Let a function multiply by its constant `f32` weights in 8 bits.

    Numbers are taken to be finite.

    Args:
        function: of tensors; its weights are tensors or variables of its surroundings.
        args: the arguments of one call.
        examples: the arguments of more calls, of the same types.
        activations: `"dynamic"`, a scale that is found at each call, one a row of a product and one
            an image of a convolution; or `"calibrated"`, one a layer, from the smallest to the
            largest number of the examples.
        share: of the numbers that a calibrated layer is given by an example, so many are in its
            range; those beyond, half of them at each end, become its ends. A few large numbers
            then do not make the steps of all others long.
        least: layers with fewer summands or columns stay as they are.
        exclude: so do layers with these names, of `Quantized.report`, or at these lines, such as
            `"model.py:14"`; `*` stands for anything.
        by_layer: whether to compare the results of each layer, too: `Layer.error`.
        backend: which one compiles.

    Returns:
        The quantized function, with the accuracy on all examples.

    Raises:
        UsageError: the function assigns variables, `activations` or `share` is something else, or
            no layer has a name that is to be left out.

    Example:
        >>> w = irf.asarray(np.ones((64, 64), np.float32))
        >>> fast = quantize(lambda x: x @ w, np.ones((2, 64), np.float32))
        >>> fast.products
        1
    """
    _check_options(activations, share)
    traced = jit(function, backend=backend).trace(*args)
    if traced.function.updates:
        raise UsageError("quantize: the function assigns variables", hint="quantize inference only")
    calls = [args, *examples]
    whole = _cleaned(frozen(traced))
    graph = whole.graph.copy()
    layers = found_layers(graph, least, exclude)
    chosen = [found for found in layers if not found.layer.kept]
    outputs = [found.node.output for found in chosen]
    exact = watching(outputs, graph, whole) if by_layer else None
    results = _put_in_bytes(graph, chosen, _ranges(chosen, graph, whole, calls, activations, share))
    made = _compiled(_with_graph(whole, graph))
    told = {found.layer.name: found.layer for found in layers}
    if exact is not None:
        errors = errors_of(watching(results, graph, whole), exact, calls)
        for found, error in zip(chosen, errors, strict=True):
            told[found.layer.name] = replace(found.layer, error=error)
    return Quantized(made, accuracy_of(made, _compiled(whole), calls), tuple(told.values()))


def _check_options(activations: str, share: float) -> None:
    if activations not in ("dynamic", "calibrated"):
        hint = 'it is "dynamic" or "calibrated"'
        raise UsageError(f"quantize: no activations {activations!r}", hint=hint)
    if not 0 < share <= 1:
        raise UsageError(f"quantize: a share of {share}", hint="it is more than 0, and 1 at most")
    if share != 1 and activations == "dynamic":
        hint = 'say activations="calibrated"'
        raise UsageError("quantize: a share is for calibrated activations", hint=hint)


# ------------------------------------------------------------------------------------------ graphs


def _compiled(traced: Traced) -> Compiled:
    compiled: Compiled = traced.lower().compile()
    return compiled


def _with_graph(traced: Traced, graph: Graph) -> Traced:
    return replace(traced, function=replace(traced.function, graph=graph, captures=[]))


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
    return _with_graph(traced, closed)


def _cleaned(traced: Traced) -> Traced:
    """The same after passes that leave fewer and larger layers."""
    found = compiler.lower(traced.graph, traced.backend, pipeline=CLEAN)
    return _with_graph(traced, found.graph)


def _ranges(
    chosen: Sequence[Found],
    graph: Graph,
    traced: Traced,
    calls: Sequence[Example],
    activations: str,
    share: float,
) -> list[Range | None]:
    """Of what each layer is given; None where each call is to find it."""
    if activations == "dynamic" or not chosen:
        return [None] * len(chosen)
    origins = [origin(found.node.inputs[0])[0] for found in chosen]
    return [*ranges_of(origins, graph, traced, calls, share)]


def _put_in_bytes(
    graph: Graph, chosen: Sequence[Found], ranges: Sequence[Range | None]
) -> list[Value]:
    """Replace layers; what they give then."""
    results = [in_bytes(graph, *pair) for pair in zip(chosen, ranges, strict=True)]
    for found, result in zip(chosen, results, strict=True):
        graph.replace(found.node, [result])
    return results
