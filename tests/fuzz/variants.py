"""What is made of a random graph before it is compiled: its derivatives, or the same on a batch.

Each variant gives a graph, and inputs of several sizes where it has symbolic ones. On the way it is
held against what it must equal: reverse mode against forward mode, a batch against its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from irflow.autodiff import jvp_graph, vjp_graph
from irflow.autodiff.batching import batch_graph
from irflow.dims import symbol
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.testing.graphs import random_inputs
from irflow.testing.reference import Reference
from irflow.transform.verify import to_f64, widened
from tests.irflow.ops.derivatives import float_positions

Arrays = list[np.ndarray]
Variant = tuple[Graph, list[Arrays]]
BATCH_SIZES = (2, 1, 3, 0)
AGREEMENT = 1e-9


def seeds_of(graph: Graph, seed: int) -> list[int]:
    """One seed, and for symbolic sizes others: with sizes of 1 and 0, and with large ones."""
    return list(dict.fromkeys((seed, 0, 10))) if graph.symbols else [seed]


def drawn(graph: Graph, seed: int, special: bool = False) -> list[Arrays]:
    """Inputs of several sizes."""
    return [random_inputs(graph, one, special=special) for one in seeds_of(graph, seed)]


def plain(graph: Graph, seed: int) -> Variant:
    """The graph itself."""
    return graph, drawn(graph, seed)


def special(graph: Graph, seed: int) -> Variant:
    """The graph itself, on NaN, infinities, denormal numbers and the limits of integers."""
    return graph, drawn(graph, seed, special=True)


def reverse(graph: Graph, seed: int) -> Variant:
    """Its results and gradients."""
    wrt = float_positions(graph.inputs)
    inputs = [arrays + _more(graph, arrays, seed)[1] for arrays in drawn(graph, seed)]
    return vjp_graph(graph, wrt), inputs


def forward(graph: Graph, seed: int) -> Variant:
    """Its results and tangents, which agree with the gradients."""
    wrt = float_positions(graph.inputs)
    result, inputs = jvp_graph(graph, wrt), []
    for arrays in drawn(graph, seed):
        tangents, cotangents = _more(graph, arrays, seed)
        check_modes_agree(graph, wrt, arrays, tangents, cotangents)
        inputs.append(arrays + tangents)
    return result, inputs


def _more(graph: Graph, arrays: Arrays, seed: int) -> tuple[Arrays, Arrays]:
    """Random tangents of the float inputs and cotangents of the float outputs."""
    generator = np.random.default_rng(seed)
    results = evaluate(graph, arrays)
    tangents = [arrays[i] for i in float_positions(graph.inputs)]
    cotangents = [results[i] for i in float_positions(graph.outputs)]

    def like(array: np.ndarray) -> np.ndarray:
        return np.asarray(generator.normal(size=np.shape(array))).astype(array.dtype)

    return [like(x) for x in tangents], [like(x) for x in cotangents]


def check_modes_agree(
    graph: Graph, wrt: Sequence[int], arrays: Arrays, tangents: Arrays, cotangents: Arrays
) -> None:
    """`<c, J t>` equals `<J^T c, t>`, in f64."""
    wide, count = to_f64(graph), len(graph.outputs)
    arrays, tangents, cotangents = (list(map(widened, x)) for x in (arrays, tangents, cotangents))
    pushed = evaluate(jvp_graph(wide, wrt), [*arrays, *tangents])[count:]
    pulled = evaluate(vjp_graph(wide, wrt), [*arrays, *cotangents])[count:]
    pairs = [(cotangents, pushed), (pulled, tangents)]
    with np.errstate(all="ignore"):
        sums = [sum(float(np.sum(a * b)) for a, b in zip(*p, strict=True)) for p in pairs]
        scale = sum(float(np.sum(np.abs(a * b))) for p in pairs for a, b in zip(*p, strict=True))
    if np.isfinite(scale):
        assert abs(sums[0] - sums[1]) <= AGREEMENT * max(scale, 1.0), f"forward, reverse: {sums}"


def batched(graph: Graph, seed: int) -> Variant:
    """The graph on a batch of a fixed or symbolic size, which does the same to each element."""
    generator = np.random.default_rng(seed)
    count = BATCH_SIZES[seed % len(BATCH_SIZES)]
    flags = [bool(generator.integers(2)) for _ in graph.inputs]
    flags[int(generator.integers(len(flags)))] = True
    size = symbol("b", lower=0) if generator.integers(2) else count
    result, are_batched = batch_graph(graph, flags, size)
    inputs = []
    for one in seeds_of(graph, seed):
        elements = [random_inputs(graph, one + 60 * number) for number in range(max(count, 1))]
        stacked = [
            np.stack(columns)[:count] if flag else columns[0]
            for flag, columns in zip(flags, zip(*elements, strict=True), strict=True)
        ]
        check_batch(graph, flags, result, are_batched, stacked, count)
        inputs.append(stacked)
    return result, inputs


def check_batch(
    graph: Graph,
    flags: Sequence[bool],
    result: Graph,
    are_batched: Sequence[bool],
    stacked: Arrays,
    count: int,
) -> None:
    """Each element of the batch is what the graph gives for it."""
    reference = Reference(result, stacked)
    singles = [
        evaluate(graph, [x[i] if flag else x for flag, x in zip(flags, stacked, strict=True)])
        for i in range(count)
    ]
    if not singles:
        return
    expected = [
        np.stack(columns) if is_batched else columns[0]
        for is_batched, columns in zip(are_batched, zip(*singles, strict=True), strict=True)
    ]
    reference.check(
        expected, f"the graph on each element, against the graph on the batch\n{result}"
    )


VARIANTS: dict[str, tuple[Callable[[Graph, int], Variant], int]] = {
    "plain": (plain, 5),
    "special": (special, 3),
    "reverse": (reverse, 3),
    "forward": (forward, 2),
    "batched": (batched, 3),
}
"""Each variant, and how many parts of all examples it gets."""
SMOOTH_ONLY = ("reverse", "forward")
