"""Attention of one query on LLVM: chunks of keys that threads share, heads along the lanes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
from irflow import dims, nn
from irflow.compiler import compile_graph
from irflow.dims import Size
from irflow.loops.walk import allocated
from irflow.lowering.attention_plan import Plan
from irflow.lowering.lower import lower_graph
from irflow.ops import Attention
from irflow_llvm import backend, workers
from tests.backends.test_llvm_attention import Problem, check, exact_results
from tests.irflow.ops.derivatives import graph_of


def one_query(
    b: int, s: int, heads: tuple[int, int], sizes: tuple[int, int], *terms: Any, **more: Any
) -> Problem:
    """One query a head, drawn; `heads` are those of the queries and the keys."""
    r = np.random.default_rng(7)
    (h, g), (d, e) = heads, sizes
    shapes = ((b, 1, h, d), (b, s, g, d), (b, s, g, e))
    arrays = [r.normal(size=shape).astype(more.get("dtype", np.float32)) for shape in shapes]
    return Problem((*arrays, *terms), more.get("scale", d**-0.5), more.get("is_causal", False))


def seen(*shape: int) -> np.ndarray:
    return np.random.default_rng(8).uniform(size=shape) < 0.5


def late(count: int) -> np.ndarray:
    """The first keys, which fill a chunk, are not seen, by head 1 none at all."""
    mask = np.ones((1, 3, 1, count), bool)
    mask[..., : count - 9], mask[:, 1] = False, False
    return mask


def low(count: int) -> np.ndarray:
    bias = np.random.default_rng(9).normal(size=(2, 1, 1, count)).astype(np.float32)
    bias[0, ..., : count - 5] = -np.inf
    return bias


PROBLEMS = {
    "one chunk": one_query(2, 40, (4, 4), (32, 32)),
    "one key": one_query(3, 1, (2, 1), (5, 7)),
    "chunks": one_query(2, 1300, (3, 3), (16, 20), is_causal=True),
    "shared heads": one_query(2, 300, (24, 4), (40, 24)),
    "odd shares": one_query(1, 60, (35, 7), (8, 72), scale=0.3),
    "masks": one_query(2, 700, (3, 3), (16, 16), seen(2, 3, 1, 700), seen(1, 1, 1, 700)),
    "chunks that nobody sees": one_query(2, 1200, (3, 3), (16, 16), late(1200)),
    "a bias of -inf": one_query(2, 1200, (3, 3), (16, 16), low(1200)),
    "large scores": one_query(1, 1200, (3, 3), (16, 16), scale=30.0),
    "bf16": one_query(1, 900, (6, 2), (16, 16), dtype=ml_dtypes.bfloat16),
    "f64": one_query(1, 700, (6, 2), (16, 12), dtype=np.float64),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_result_and_statistics(name: str) -> None:
    problem = PROBLEMS[name]
    graph = graph_of(Attention(problem.scale, problem.is_causal, True), problem.types)
    found = compile_graph(graph, "llvm")(problem.inputs)
    exact = exact_results(graph, problem.inputs)
    check(found[:1], exact[:1], problem.inputs[0].dtype, factor=400 if "large" in name else 40)
    for numbers, expected in zip(found[1:], exact[1:], strict=True):
        np.testing.assert_allclose(numbers, expected, rtol=1e-4, atol=1e-4)


def test_chunks_are_those_of_the_target() -> None:
    """All of the long problems have several; else nothing of what follows would be tested."""
    problem, target = PROBLEMS["chunks"], backend.host_target()
    (node,) = graph_of(problem.op, problem.types)
    assert 2 * Plan.of(node, target).with_heads_in_lanes(target).block < 1300


@pytest.mark.parametrize("name", ["masks", pytest.param("shared heads", marks=pytest.mark.slow)])
def test_gradients(name: str) -> None:
    graph, parts = PROBLEMS[name].graphs()
    given = PROBLEMS[name].given()
    found = compile_graph(graph, "llvm")(given)
    least = PROBLEMS[name].least(given[-1])
    check(found, exact_results(parts, given), np.dtype(np.float32), least)


def test_equal_bits_for_threads_and_symbolic_sizes(pool: workers.Pool) -> None:
    problem = PROBLEMS["chunks"]
    b, s = dims.symbol("b"), dims.symbol("s", lower=1)
    shapes: list[tuple[Size, ...]] = [(b, 1, 3, 16), (b, s, 3, 16), (b, s, 3, 20)]
    types = [x.with_shape(y) for x, y in zip(problem.types, shapes, strict=True)]
    results = []
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        for given in (problem.types, types):
            results += compile_graph(graph_of(problem.op, given), "llvm")(problem.inputs)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_decoding_computes_no_key_twice() -> None:
    """A step over a cache is one kernel; keys computed in front of it are kept for all heads."""
    problem = PROBLEMS["shared heads"]

    def step(q: Any, k: Any, v: Any) -> Any:
        return nn.dot_product_attention(q, k * 2.0, v, scale=problem.scale / 2)

    lowered = irf.jit(step, backend="llvm").trace(*problem.inputs).lower()
    (kernel,) = lower_graph(lowered.graph, "main", backend.host_target()).kernels()
    assert "rows" in allocated(kernel.body)
    (found,) = lowered.compile().executable(problem.inputs)
    check([found], exact_results(graph_of(problem.op, problem.types), problem.inputs), found.dtype)
    plain = replace(problem, scale=1.0)
    (kernel,) = lower_graph(
        graph_of(plain.op, plain.types), "main", backend.host_target()
    ).kernels()
    assert "rows" not in allocated(kernel.body)
