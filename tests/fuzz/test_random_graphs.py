"""Random graphs through random pipelines on both backends, and derivatives of random functions."""

import os
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from irflow import plugins
from irflow.compiler import lower
from irflow.errors import PassError
from irflow.ir.graph import Graph
from irflow.ir.parse import parse_graph
from irflow.testing.graphs import Recipe, recipes, smooth_graphs
from irflow.testing.recipes import SMOOTH
from irflow.testing.reference import Reference
from irflow.transform import Pass, Rewriter, rewrites
from irflow.transform.verify import draw_inputs
from tests.fuzz.variants import SMOOTH_ONLY, VARIANTS
from tests.irflow.ops.derivatives import check_jvp, check_vjp, float_positions

IS_LONG = os.environ.get("IRFLOW_TEST") == "all"
PARTS = [(name, number) for name, (_, count) in VARIANTS.items() for number in range(count)]
EXAMPLES = -(-(20_000 if IS_LONG else 200) // len(PARTS))
GRADIENTS = 400 if IS_LONG else 60
MOST_STEPS = 20
PASSES = [
    *(
        n
        for n, e in plugins.entries(plugins.PASSES).items()
        if e.distribution.startswith("irflow ")
    ),
    "fold{limit=4}",
]
SEEDS = st.integers(0, 19)
DIFFERENTIABLE = ("f32", "f64", "f16", "bf16", "i64")


def pipelines() -> st.SearchStrategy[str]:
    """Passes in any order, some of them repeated until nothing changes; or those of a level."""
    names = st.lists(st.sampled_from(PASSES), max_size=5).map(",".join)
    repeated = st.builds(
        "{},fixpoint({}){{max=3}}".format,
        st.sampled_from(PASSES),
        st.lists(st.sampled_from(PASSES), min_size=1, max_size=3).map(",".join),
    )
    return names | repeated


def check(graph: Graph, inputs: Sequence[Sequence[np.ndarray]], pipeline: str) -> None:
    """Both backends compute what the graph means, on all inputs with one executable each.

    Every pass on the way keeps what is computed, and the text of the graph says all there is: what
    is compiled has been printed and read, before the passes and after them.
    """
    references = [Reference(graph, arrays) for arrays in inputs]
    work = read_again(graph)
    for name in ("numpy", "llvm"):
        backend = plugins.find_backend(name)
        text = ",".join(part for part in (pipeline, backend.pipeline(2)) if part)
        lowered = lower(work, backend, pipeline=text, check=3)
        read_again(lowered.graph)
        executable = lowered.compile()
        for arrays, reference in zip(inputs, references, strict=True):
            reference.check(executable(arrays), f"{name} after {text!r}")


def read_again(graph: Graph) -> Graph:
    """The graph, printed and read."""
    text = str(graph)
    again = parse_graph(text)
    assert str(again) == text
    return again


def recipes_for(variant: str) -> st.SearchStrategy[Recipe]:
    """Recipes over all ops, or over those whose derivatives are no matter of rounding."""
    if variant not in SMOOTH_ONLY:
        return recipes(MOST_STEPS)
    return recipes(MOST_STEPS // 2, [*SMOOTH, "integers", "positions"], DIFFERENTIABLE)


# One test each, so that several processes share the work. Where examples follow from the source of
# the test, they would be the same in all parts but for the seed.
@pytest.mark.parametrize(("variant", "part"), PARTS)
def test_backends_agree_on_random_graphs(variant: str, part: int) -> None:
    change, _ = VARIANTS[variant]

    @settings(max_examples=EXAMPLES)
    @given(recipes_for(variant), pipelines(), SEEDS)
    def run(recipe: Recipe, pipeline: str, seed: int) -> None:
        graph = recipe.build()
        try:
            changed, inputs = change(graph, seed)
            check(changed, inputs, pipeline)
        except Exception:
            note(f"{variant}, seed {seed}, pipeline {pipeline!r}:\n{graph}")
            raise

    (run if IS_LONG else with_seed(part)(run))()


@settings(max_examples=GRADIENTS)
@given(smooth_graphs(), st.integers(0, 9))
def test_reverse_and_forward_derivatives_equal_differences(graph: Graph, seed: int) -> None:
    note(str(graph))
    inputs = draw_inputs(graph, {}, seed)
    wrt = float_positions(graph.inputs)
    check_vjp(graph, inputs, wrt)
    check_jvp(graph, inputs, wrt)


@rewrites("subtract")
def subtract_the_other_way_round(node, build):
    """Wrong, and only seldom applicable, so that it must be looked for."""
    x, y = node.inputs
    repeated = [v.node is not None and v.node.op.name == "broadcast" for v in (x, y)]
    return build(node.op, y, x) if repeated == [False, True] else None


class Planted(Pass):
    """A pass with a wrong rule."""

    name = "planted"

    def run(self, graph, context):
        return Rewriter([subtract_the_other_way_round], context).run(graph)


def test_a_planted_wrong_rule_is_found_and_named() -> None:
    kinds = ("arithmetic", "convert", "integers", "literal", "repeat", "reshape", "sum", "total")

    # Shrinking has a test of its own, in tests/irflow/testing/test_graphs.py.
    @settings(max_examples=2000, database=None, phases=[Phase.generate])
    @given(recipes(MOST_STEPS, kinds), SEEDS)
    def run(recipe: Recipe, seed: int) -> None:
        graph = recipe.build()
        lower(graph, "numpy", pipeline="cse,planted,dce", check=3)

    with plugins.registered(plugins.PASSES, "planted", Planted), pytest.raises(PassError) as caught:
        run()
    text = str(caught.value)
    assert text.startswith("pass 'planted' changed what @random computes")
    assert "subtract_the_other_way_round" in text
    assert "elementwise<subtract>" in text
    assert "recipe:" in text
