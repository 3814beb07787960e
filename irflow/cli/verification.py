"""`--verify`: an executable against the reference evaluator, on random inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from irflow.analysis import every_graph
from irflow.backend import Executable
from irflow.cli.failures import VerificationError
from irflow.ir import Graph
from irflow.ir.evaluate import evaluate
from irflow.records import dataclass
from irflow.transform.verify import (
    DRAWS,
    choose_sizes,
    draw_inputs,
    to_f64,
    widened,
    wrong_elements,
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared.

    Attributes:
        draws: how many sets of random inputs.
        sizes: the values of symbolic sizes.
        elements: how many elements were compared.
        largest_error: the largest finite distance of an element from an evaluation in f64.
    """

    draws: int
    sizes: Mapping[str, int]
    elements: int
    largest_error: float


def verify(
    executable: Executable, reference: Graph, arrays: Mapping[str, np.ndarray]
) -> Verification:
    """Compare what an executable computes with what its traced graph means.

    A result may be as far from an evaluation in f64 as the reference's, times a small factor, plus
    a few units in the last place; integers and bools must agree.

    Args:
        executable: takes what `reference` takes.
        reference: the graph before any pass.
        arrays: values of parameters and states by the names of their roles; others are random.

    Raises:
        VerificationError: an element differs.
    """
    sizes = choose_sizes(reference)
    wide, epsilon = to_f64(reference), _epsilon(reference)
    elements, largest = 0, 0.0
    for draw in range(DRAWS):
        inputs = _inputs(reference, sizes, draw, arrays)
        with np.errstate(all="ignore"):  # random inputs leave the domain of a logarithm
            before = evaluate(reference, inputs, sizes)
            exact = evaluate(wide, [widened(array) for array in inputs], sizes)
            after = executable([array.copy() for array in inputs])
        if len(after) != len(before):
            raise VerificationError(f"{len(after)} outputs instead of {len(before)}")
        for number, results in enumerate(zip(before, exact, after, strict=True)):
            _compare(number, *results, epsilon)
            elements += results[0].size
            largest = max(largest, _distance(*results[1:]))
    return Verification(DRAWS, sizes, elements, largest)


def _inputs(
    graph: Graph, sizes: dict[str, int], draw: int, arrays: Mapping[str, np.ndarray]
) -> Sequence[np.ndarray]:
    drawn = draw_inputs(graph, sizes, draw)
    roles = graph.signature.inputs
    return [
        arrays[role.name] if role.kind != "argument" and role.name in arrays else array
        for role, array in zip(roles, drawn, strict=True)
    ]


def _epsilon(graph: Graph) -> float:
    """That of the coarsest float in the graph, regions included."""
    parts = list(every_graph(graph))
    types = [type for part in parts for type in part.input_types]
    types += [output.type for part in parts for node in part for output in node.outputs]
    return max((type.dtype.epsilon for type in types), default=0.0)


def _compare(
    number: int, before: np.ndarray, exact: np.ndarray, after: np.ndarray, epsilon: float
) -> None:
    if before.shape != after.shape or before.dtype != after.dtype:
        raise VerificationError(
            f"output {number} is {after.dtype}{after.shape}, not {before.dtype}{before.shape}"
        )
    wrong = wrong_elements(before, exact, after, epsilon)
    if not wrong.any():
        return
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    raise VerificationError(
        f"output {number} differs from the reference in {wrong.sum()} of {wrong.size} elements",
        facts=[
            ("first at", str(index)),
            ("executable", after[index]),
            ("reference", before[index]),
            ("in f64", exact[index]),
        ],
    )


def _distance(exact: np.ndarray, after: np.ndarray) -> float:
    wide = np.complex128 if np.iscomplexobj(exact) else np.float64
    with np.errstate(all="ignore"):
        gaps = np.abs(after.astype(wide) - exact.astype(wide))
    return float(np.max(gaps, where=np.isfinite(gaps), initial=0.0))
