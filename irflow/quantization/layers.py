"""The layers of a network: its products and convolutions, and which of them may be in bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from irflow import dtypes
from irflow.errors import UsageError
from irflow.ir.graph import Graph, Node, Value
from irflow.ops import Broadcast, Constant, Convert, Convolution, Matmul, Reshape, Transpose
from irflow.records import dataclass

MOST_SUMMANDS = 1 << 16
"""Products of bytes whose sum surely fits 32 bits."""
EXCLUDED = "left out by name"


@dataclass(frozen=True, slots=True)
class Layer:
    """A product or a convolution of a network.

    Attributes:
        name: `product_0`, `product_1`, `convolution_0`, …: by the order of computation.
        weights: the shape of the operand on the right, `[k, n]` or `[*kernel, channels, n]`.
        place: the line of the program, such as `model.py:14`; empty where it is not known.
        kept: why it stays in full precision; empty for a layer in bytes.
        error: the root of the mean square of the error of its results on the examples, relative to
            that of the results; None where that was not asked for, or it stays as it is.
    """

    name: str
    weights: tuple[int, ...]
    place: str
    kept: str
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A layer where it stands.

    Attributes:
        layer: what is told of it.
        node: in the graph.
        weights: the constant on its right, if it is one.
    """

    layer: Layer
    node: Node
    weights: np.ndarray | None


def found_layers(graph: Graph, least: int, exclude: Sequence[str]) -> list[Found]:
    """All layers of a graph, in order.

    Args:
        graph: that of a network.
        least: layers with fewer summands or columns stay as they are.
        exclude: so do those whose name fits a pattern, with `*` for anything.

    Raises:
        UsageError: a pattern fits no layer.
    """
    layers = [_checked(found, least) for found in _layers(graph)]
    for pattern in exclude:
        if not any(_fits(found, pattern) for found in layers):
            names = ", ".join(found.layer.name for found in layers) or "none"
            facts = [("exclude", pattern), ("layers", names)]
            raise UsageError("quantize: no layer has a name to be left out", facts=facts)
    return [_excluded(found, exclude) for found in layers]


def _layers(graph: Graph) -> Iterator[Found]:
    counts = {"product": 0, "convolution": 0}
    for node in graph:
        if not isinstance(node.op, Matmul | Convolution):
            continue
        kind = "product" if isinstance(node.op, Matmul) else "convolution"
        shape = tuple(size for size in node.inputs[1].type.shape if isinstance(size, int))
        place = "" if node.location is None else str(node.location)
        layer = Layer(f"{kind}_{counts[kind]}", shape, place, "")
        counts[kind] += 1
        yield Found(layer, node, content(node.inputs[1]))


def _checked(found: Found, least: int) -> Found:
    kept = _reason(found, least)
    return replace(found, layer=replace(found.layer, kept=kept)) if kept else found


def _reason(found: Found, least: int) -> str:
    """Why a layer stays in full precision; empty if it need not."""
    node, op = found.node, found.node.op
    if found.weights is None:
        return "both operands are computed"
    if node.inputs[0].type.dtype is not dtypes.f32:
        return f"its operands are {node.inputs[0].type.dtype}"
    if isinstance(op, Convolution) and op.groups != 1:
        return f"its channels are in {op.groups} groups"
    if isinstance(op, Matmul) and (node.inputs[0].type.rank, found.weights.ndim) != (2, 2):
        return "it is a batch of products"
    *inner, columns = found.weights.shape
    summands = int(np.prod(inner))
    if summands >= MOST_SUMMANDS:
        return f"{summands} summands: more than 32 bits surely hold"
    if min(summands, columns) < least:
        return f"{summands} summands and {columns} columns: fewer than {least}"
    return ""


def _excluded(found: Found, exclude: Sequence[str]) -> Found:
    if found.layer.kept or not any(_fits(found, pattern) for pattern in exclude):
        return found
    return replace(found, layer=replace(found.layer, kept=EXCLUDED))


def _fits(found: Found, pattern: str) -> bool:
    return any(fnmatchcase(text, pattern) for text in (found.layer.name, found.layer.place))


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
