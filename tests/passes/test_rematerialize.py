"""Training steps take less memory by `hoist` and `rematerialize`, and give the same bits."""

import time

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import compiler, tree
from irflow.autodiff import jvp_graph, vjp_graph
from irflow.errors import UsageError
from irflow.ir.evaluate import evaluate
from irflow.lowering.lower import lower_graph
from irflow.plugins import find_pass
from irflow.testing.graphs import Input, Recipe, Step, random_graph
from irflow.transform.manager import PassManager
from irflow.transform.pipeline import parse_pipeline
from irflow_passes.recompute.memory import Memory
from irflow_passes.rematerialize import Rematerialize

CLEAN = "inline,canonicalize,fold,simplify,canonicalize,fold,cse,dce"
KERNELS = "inline,decompose,fuse,dce"


def gelu(x):
    return 0.5 * x * (1 + inp.tanh(0.797 * (x + 0.0447 * x * x * x)))


def layer_norm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / inp.sqrt((centred * centred).mean(axis=1, keepdims=True) + 1e-5)


def training_step(activation, depth, batch=32, width=16):
    """The graph of a step of gradient descent of a deep network, and arrays for it."""

    def loss(layers, x):
        for w, b in layers:
            x = activation(x @ w + b)
        return (x * x).mean()

    def step(layers, x):
        value, gradients = irf.value_and_grad(loss)(layers, x)
        rows = zip(layers, gradients, strict=True)
        return value, [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in rows]

    generator = np.random.default_rng(0)
    draw = lambda *shape: generator.normal(size=shape).astype(np.float32)  # noqa: E731
    args = [(draw(width, width) / 4, draw(width)) for _ in range(depth)], draw(batch, width)
    return irf.jit(step).trace(*args).graph, tree.flatten(args)[0]


def lowered(graph, passes):
    text = ",".join(part for part in (CLEAN, passes, KERNELS) if part)
    return compiler.lower(graph, "llvm", pipeline=text, check=0)


def arena(lowered):
    """Bytes of what intermediate values need where no two steps run at the same time."""
    program = lower_graph(lowered.graph, "step", lowered.backend.target(), has_forks=False)
    return program.layout({}).nbytes


def check_equal(results, others):
    for x, y in zip(results, others, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("activation", "passes", "share"),
    [
        (gelu, "hoist,rematerialize", 0.5),
        (lambda x: gelu(layer_norm(x)), "hoist,rematerialize", 0.4),
        (lambda x: inp.maximum(x, 0), "hoist,rematerialize", 0.65),
        (inp.tanh, "hoist", 0.7),
    ],
    ids=["gelu", "layer norm", "relu", "updates that follow their gradients"],
)
def test_the_arena_of_a_deep_network_shrinks(activation, passes, share):
    graph, arrays = training_step(activation, 5)
    before, after = lowered(graph, ""), lowered(graph, passes)
    assert arena(after) <= share * arena(before)
    check_equal(evaluate(before.graph, arrays), evaluate(after.graph, arrays))


def test_native_results_are_the_same_bits():
    graph, arrays = training_step(gelu, 2)
    before, after = lowered(graph, ""), lowered(graph, "hoist,rematerialize")
    assert "optimization_barrier" in [node.op.name for node in after.graph]
    check_equal(before.compile()(arrays), after.compile()(arrays))


@pytest.mark.parametrize("recompute", ["cheap", "all"])
def test_random_graphs_never_need_more(recompute):
    improved = 0
    for seed in range(40):
        graph = random_graph(seed)
        manager = PassManager(f"dce,hoist,rematerialize{{recompute={recompute}}}", find_pass)
        dead = PassManager("dce", find_pass)
        before = graph.copy()
        dead.run(before, check=0)
        assert manager.run(graph, check=3).unchecked is None
        peak = Memory(graph).peak().nbytes
        assert peak <= Memory(before).peak().nbytes
        improved += peak < Memory(before).peak().nbytes
    assert improved > 0


ABSOLUTE, REPEAT, POOL = Step("absolute", ()), Step("repeat", ()), Step("average_pool", (0, 0, 1))


@pytest.mark.parametrize(
    ("steps", "outputs", "change"),
    [
        ((ABSOLUTE, Step("argreduce", ()), *[Step("choice", ())] * 2), (0, 1), lambda g: g),
        ((REPEAT, POOL), (0,), lambda g: jvp_graph(g, [0])),
        ((Step("again", ()), Step("statistics", (0, 2))), (0,), lambda g: vjp_graph(g, [0])),
    ],
    ids=["back-in-place", "read-by-both", "behind-a-moved-node"],
)
def test_results_may_share_what_moves_with_them(steps, outputs, change):
    graph = change(Recipe((Input("f32", (2, 3)),), steps, outputs).build())
    report = PassManager("hoist", find_pass).run(graph, check=3)
    assert report.unchecked is None


def test_nothing_is_computed_again_within_the_limit():
    graph, _ = training_step(gelu, 4)
    manager = PassManager(f"{CLEAN},hoist", find_pass)
    manager.run(graph, check=0)
    peak = Memory(graph).peak().nbytes
    assert not PassManager(f"rematerialize{{limit={peak}}}", find_pass).run(graph).changed
    report = PassManager(f"rematerialize{{limit={peak - 1}}}", find_pass).run(graph)
    (note, *_) = [note for record in report.records for note in record.notes]
    assert note.text.startswith(f"{peak} bytes are alive behind it, now ")


def test_options_are_checked():
    assert str(parse_pipeline("rematerialize{recompute=all,limit=8}", find_pass)) == (
        "rematerialize{recompute=all,limit=8}"
    )
    with pytest.raises(UsageError, match="recompute is 'cheap' or 'all', not 'some'"):
        Rematerialize("some")


def test_time_grows_with_the_graph_and_not_faster():
    times = []
    for depth in (4, 16):
        graph, _ = training_step(lambda x: gelu(layer_norm(x)), depth, 4, 4)
        PassManager(CLEAN, find_pass).run(graph, check=0)
        start = time.process_time()
        PassManager("hoist,rematerialize", find_pass).run(graph, check=0)
        times.append(time.process_time() - start)
    assert times[1] < 8 * times[0] + 0.5
