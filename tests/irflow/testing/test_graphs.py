"""Random graphs are well-formed, varied, repeatable, and shrink to little."""

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from irflow.ir.check import check_graph
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import OPS
from irflow.ir.parse import parse_graph
from irflow.testing.graphs import (
    KINDS,
    Recipe,
    graphs,
    random_graph,
    random_inputs,
    random_recipe,
    recipes,
    smooth_graphs,
)
from irflow.testing.recipes import DTYPES
from irflow.testing.reference import Reference

NOT_GENERATED = {
    # Only gradients hold them, or only functions of the frontend; the tests of the ops compare them
    # with each other and with differences.
    "convolution_input_gradient",
    "convolution_weight_gradient",
    "custom_jvp",
    "custom_vjp",
    "attention",
    "attention_gradient",
    "integer_convolution",
    "integer_matmul",
    "pool_adjoint",
    "pool_hits",
    "pool_hits_adjoint",
    # Only a pass makes it.
    "fusion",
    # Its numbers are complex.
    "fourier",
    # Random matrices may be singular or nearly so, and then a rounding error changes everything:
    # the pivots of one, whether another exists. The samples of the ops are well conditioned.
    "cholesky",
    "eigh",
    "lu",
    "pinv",
    "qr",
    "solve",
    "svd",
    "triangular_solve",
}


@settings(max_examples=100)
@given(graphs(), st.integers(0, 30), st.booleans())
def test_graphs_are_well_formed_and_run(graph: Graph, seed: int, special: bool) -> None:
    check_graph(graph)
    inputs = random_inputs(graph, seed, special=special)
    reference = Reference(graph, inputs)
    types = [value.type.substitute(reference.sizes) for value in graph.outputs]
    assert [(r.dtype, r.shape) for r in reference.own] == [(t.dtype.numpy, t.shape) for t in types]
    reference.check(reference.own, "the reference itself")


@settings(max_examples=50)
@given(graphs())
def test_graphs_print_and_parse(graph: Graph) -> None:
    assert str(parse_graph(str(graph))) == str(graph)


def test_a_seed_gives_one_graph() -> None:
    assert [str(random_graph(s)) for s in range(20)] == [str(random_graph(s)) for s in range(20)]
    assert len({str(random_graph(s)) for s in range(20)}) == 20


def test_graphs_hold_all_kinds_of_things() -> None:
    ops: Counter[str] = Counter()
    sizes: Counter[object] = Counter()
    dtypes: Counter[str] = Counter()
    dead = several = 0
    for graph in map(random_graph, range(600)):
        ops.update(node.op.name for node in graph)
        values = [value for node in graph for value in node.outputs]
        sizes.update(size for value in values for size in value.type.shape)
        dtypes.update(value.type.dtype.name for value in values)
        dead += any(not value.uses for value in values)
        several += len(graph.outputs) > 1
    assert set(OPS) - set(ops) <= NOT_GENERATED
    assert set(DTYPES) == set(dtypes)
    assert all(sizes[size] for size in (0, 1, 2, 3))
    assert any(not isinstance(size, int) for size in sizes)
    assert dead > 100
    assert several > 100


def test_every_kind_of_step_fits_somewhere() -> None:
    fitting: Counter[str] = Counter()
    for seed in range(400):
        recipe = random_recipe(np.random.default_rng(seed))
        sizes = [len(prefix(recipe, count).build()) for count in range(len(recipe.steps) + 1)]
        grown = zip(recipe.steps, pairwise(sizes), strict=True)
        fitting.update(step.kind for step, (before, after) in grown if after > before)
    assert {kind: count for kind, count in fitting.items() if count < 3} == {}
    assert set(fitting) == set(KINDS)


def prefix(recipe: Recipe, count: int) -> Recipe:
    return Recipe(recipe.inputs, recipe.steps[:count], recipe.outputs)


FEW = ("arithmetic", "convert", "literal", "reshape", "reverse", "statistics", "sum", "total")


@pytest.mark.parametrize("kinds", [FEW, pytest.param(tuple(KINDS), marks=pytest.mark.slow)])
def test_a_failing_graph_shrinks_to_its_cause(kinds: tuple[str, ...]) -> None:
    def has_reversed_sum(recipe: Recipe) -> bool:
        graph = recipe.build()
        sums = [n for n in graph if n.op.name == "reduce" and n.op.row.name == "add"]
        return any(
            node.inputs[0].node and node.inputs[0].node.op.name == "reverse" for node in sums
        )

    def is_shrunk(seed: int) -> bool:
        options = settings(max_examples=20000, database=None)
        try:
            found = find(recipes(6, kinds), has_reversed_sum, settings=options, random=Random(seed))
        except NoSuchExample:
            return False
        return is_small(found)

    # Shrinking may end early, where no single change helps: then another start does.
    assert any(map(is_shrunk, range(5)))


def is_small(found: Recipe) -> bool:
    """Whether little is left but a sum of what was reversed."""
    kinds = {step.kind for step in found.steps}
    is_cause = "reverse" in kinds and bool(kinds & {"sum", "statistics"})
    return is_cause and len(found.inputs) == 1 and len(found.steps) <= 4


@settings(max_examples=50)
@given(smooth_graphs(), st.integers(0, 3))
def test_smooth_graphs_give_one_finite_number(graph: Graph, seed: int) -> None:
    check_graph(graph)
    (value,) = evaluate(graph, random_inputs(graph, seed))
    assert value.shape == ()
    assert value.dtype == np.float64
    assert np.isfinite(value)
