"""Random graphs for property tests: `graphs()` is a hypothesis strategy that shrinks well.

    @given(graphs(), integers(0, 99))
    def test_my_pass(graph, seed): ...

Without hypothesis, `random_graph(seed)` gives one graph. Inputs come from `random_inputs`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

import irflow.testing.control_steps
import irflow.testing.elementwise_steps
import irflow.testing.ordering_steps
import irflow.testing.steps  # noqa: F401  all of them enter kinds of steps
from irflow import ops
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ops import Handle
from irflow.testing.recipes import (
    BASE,
    DTYPES,
    KINDS,
    LARGEST,
    NUMBERS,
    SHAPES,
    SMOOTH,
    Input,
    Recipe,
    Step,
    random_recipe,
    special_inputs,
)
from irflow.transform.verify import draw_inputs

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "KINDS",
    "Input",
    "Recipe",
    "Step",
    "graphs",
    "random_graph",
    "random_inputs",
    "random_recipe",
    "recipes",
    "smooth_graphs",
    "special_inputs",
]


def recipes(
    most_steps: int = 12,
    kinds: Collection[str] | None = None,
    dtypes: Collection[str] = DTYPES,
    shapes: Collection[tuple[int, ...]] = SHAPES,
) -> SearchStrategy[Recipe]:
    """A strategy of recipes, which print as what rebuilds them.

    Args:
        most_steps: how many steps a graph is made of at most.
        kinds: names of kinds of steps, all of `KINDS` by default.
        dtypes: names of the inputs' element types.
        shapes: shapes of inputs; `-1` and `-2` are symbolic sizes, the second may be 0.

    Raises:
        ImportError: hypothesis is not installed.
    """
    from hypothesis import strategies as st

    # Few draws a step make few ways to shrink it, all of which are tried soon.
    kind, number = st.sampled_from(sorted(kinds or KINDS)), st.integers(0, BASE**NUMBERS - 1)
    step = st.tuples(kind, number).map(lambda drawn: Step(drawn[0], digits(drawn[1])))
    types = [Input(dtype, shape) for dtype in dtypes for shape in shapes]
    given = st.sampled_from(types)
    # One list is mostly short, of its own accord. A least length would keep it from shrinking.
    half = most_steps // 2
    first = st.lists(step, min_size=1, max_size=max(most_steps - half, 1))
    return st.builds(
        Recipe,
        st.lists(given, min_size=1, max_size=3).map(tuple),
        st.tuples(first, st.lists(step, max_size=half)).map(lambda parts: (*parts[0], *parts[1])),
        st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple),
    )


def digits(number: int) -> tuple[int, ...]:
    """The numbers of a step, packed into one: the first is the lowest digit."""
    return tuple(number // BASE**place % BASE for place in range(NUMBERS))


def graphs(most_steps: int = 12) -> SearchStrategy[Graph]:
    """A strategy of graphs over all ops, with symbolic sizes, dead and repeated nodes."""
    return recipes(most_steps).map(Recipe.build)


def smooth_graphs(most_steps: int = 8) -> SearchStrategy[Graph]:
    """A strategy of graphs in f64 that return one number, which is smooth in every float input."""
    shapes = [shape for shape in SHAPES if all(size >= 0 for size in shape)]
    found = recipes(most_steps, SMOOTH, ("f64",), shapes)
    return found.map(scalar_graph)


def scalar_graph(recipe: Recipe) -> Graph:
    """The graph of a recipe with the sum of its float results as the only one."""
    graph = recipe.build()
    builder = Builder(graph)
    total = Handle(builder, graph.inputs[0]).full(0.0, ())
    for value in graph.outputs:
        if value.type.dtype.is_float:
            handle = Handle(builder, value)
            part = ops.reduce_sum(handle, range(handle.ndim))
            total = total + ops.convert(part, total.dtype)
    graph.set_outputs([total.value])
    return graph


def random_graph(seed: int, most_steps: int = 12) -> Graph:
    """One random graph, always the same for a seed."""
    return random_recipe(np.random.default_rng(seed), most_steps).build()


def random_inputs(graph: Graph, seed: int, *, special: bool = False) -> list[np.ndarray]:
    """Arrays for the inputs of a random graph, of sizes that depend on the seed.

    Args:
        graph: one whose symbolic sizes are those of recipes, or fewer.
        seed: even ones give floats of both signs, odd ones floats near 1.
        special: whether some elements are NaN, infinite or at the limit of their type.
    """
    sizes = {"n": seed % LARGEST["n"] + 1, "m": seed % (LARGEST["m"] + 1)}
    arrays = draw_inputs(graph, sizes, seed % 2)
    return special_inputs(arrays, np.random.default_rng(seed)) if special else arrays
