"""Attention on LLVM: against its composition in f64, bits on any number of threads, and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dims, dtypes, nn
from irflow.autodiff import vjp_graph
from irflow.compiler import compile_graph
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType, type_of
from irflow.keras import layers
from irflow.loops.walk import allocated
from irflow.lowering.attention_plan import Plan
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.lowering.steps import KernelStep
from irflow.ops import Attention, AttentionGradient
from irflow.ops.attention_forms import BLOCKED, composed
from irflow.transform import PassContext
from irflow.transform.verify import to_f64, widened
from irflow_llvm import backend, workers
from irflow_passes.decompose import Decompose
from tests.irflow.lowering.build import build
from tests.irflow.ops.derivatives import graph_of

Arrays = Sequence[np.ndarray]

pytestmark = pytest.mark.usefixtures("unchecked")


@dataclass(frozen=True)
class Problem:
    """Operands of an attention, and its attributes."""

    inputs: tuple[np.ndarray, ...]
    scale: float
    is_causal: bool

    @property
    def op(self) -> Attention:
        return Attention(self.scale, self.is_causal)

    @property
    def types(self) -> list[TensorType]:
        return [type_of(x) for x in self.inputs]

    def graphs(self, types: Sequence[TensorType] | None = None) -> tuple[Graph, Graph]:
        """Result and gradients by queries, keys and values: by the ops, and by their parts."""
        types = self.types if types is None else types

        def parts(*inputs: Any) -> Any:
            return composed(inputs, self.scale, self.is_causal)[0]

        graphs = graph_of(self.op, types), build(parts, *types)
        first, second = (vjp_graph(graph, (0, 1, 2)) for graph in graphs)
        return first, second

    def given(self, seed: int = 0) -> list[np.ndarray]:
        """The operands, and a cotangent."""
        q, _, v = self.inputs[:3]
        g = np.random.default_rng(seed).normal(size=(*q.shape[:-1], v.shape[-1]))
        return [*self.inputs, g.astype(q.dtype)]

    def least(self, g: np.ndarray) -> list[float]:
        """What each result is a difference of: it may be much less itself."""
        q, k, v, outer = (widened(x) for x in (*self.inputs[:3], g))
        inner = float(np.linalg.norm(outer, axis=-1).max() * np.linalg.norm(v, axis=-1).max())
        return [0.1, *(inner * self.scale * float(np.abs(x).max()) for x in (k, q)), 0.1]


def drawn(seed: int) -> Problem:
    """A problem of random sizes, heads, terms and type."""
    r = np.random.default_rng(seed)
    b, groups, shared = (int(r.integers(1, n)) for n in (3, 3, 4))
    t, s = (int(r.choice([1, 3, 16, 17, 40, 64, 100, 150])) for _ in range(2))
    d, e = (int(r.choice([1, 5, 8, 16, 40, 64, 72])) for _ in range(2))
    dtype = r.choice([np.float32, np.float32, np.float64, ml_dtypes.bfloat16, np.float16])
    h = groups * shared

    def made(*shape: int) -> np.ndarray:
        return np.asarray(r.normal(size=shape)).astype(dtype)

    terms: list[np.ndarray] = []
    if r.integers(2):
        shape = [n if r.integers(2) else 1 for n in (b, h, t, s)]
        terms.append(np.asarray(r.normal(size=shape) * 3).astype(dtype))
    if r.integers(2):
        shape = [n if r.integers(2) else 1 for n in (b, h, t, s)]
        terms.append(np.asarray(r.uniform(size=shape) < 0.7))
    inputs = made(b, t, h, d), made(b, s, groups, d), made(b, s, groups, e), *terms
    return Problem(inputs, float(r.uniform(0.1, 1)), bool(r.integers(2)))


def check(
    found: Arrays,
    expected: Arrays,
    dtype: np.dtype[Any],
    least: Sequence[float] = (),
    factor: int = 40,
) -> None:
    """Each result within a multiple of epsilon of its largest element, or of what it is made of."""
    for number, (got, exact) in enumerate(zip(found, expected, strict=True)):
        assert got.dtype == dtype
        scale = max(np.abs(exact).max(initial=0), least[number] if least else 0.1)
        limit = factor * dtypes.from_numpy(dtype).epsilon * scale
        assert np.abs(got.astype(np.float64) - exact).max(initial=0) <= limit


def exact_results(graph: Graph, given: Arrays) -> list[np.ndarray]:
    return [np.asarray(x) for x in evaluate(to_f64(graph), [widened(x) for x in given])]


@pytest.mark.parametrize("seed", range(12))
def test_result_and_gradients_equal_those_of_the_composition(seed: int) -> None:
    problem = drawn(seed)
    graph, parts = problem.graphs()
    given = problem.given(seed)
    found = compile_graph(graph, "llvm")(given)
    check(found, exact_results(parts, given), problem.inputs[0].dtype, problem.least(given[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_more_problems(seed: int) -> None:
    test_result_and_gradients_equal_those_of_the_composition(seed)


def plain(b: int, t: int, s: int, h: int, d: int, *terms: np.ndarray, **more: Any) -> Problem:
    r = np.random.default_rng(5)
    shapes = ((b, t, h, d), (b, s, h, d), (b, s, h, d))
    arrays = [r.normal(size=shape).astype(np.float32) for shape in shapes]
    return Problem((*arrays, *terms), more.get("scale", d**-0.5), more.get("is_causal", False))


def blocked_rows(length: int = 300) -> np.ndarray:
    mask = np.random.default_rng(1).uniform(size=(1, 2, length, length)) < 0.5
    mask[0, 0, 200], mask[0, 1, :7] = False, False
    return mask


def low_rows(value: float) -> np.ndarray:
    bias = np.zeros((1, 1, 300, 300), np.float32)
    bias[0, 0, 3], bias[0, 0, 50, :299] = value, value
    return bias


HARD = {
    "blocks of keys": plain(1, 300, 700, 2, 16),
    "causal blocks": plain(2, 450, 450, 2, 16, is_causal=True),
    "more queries than keys": plain(1, 600, 450, 2, 16, is_causal=True),
    "more keys than queries": plain(1, 150, 400, 2, 16, is_causal=True),
    "rows that see nothing": plain(1, 300, 300, 2, 16, blocked_rows()),
    "causal rows that see nothing": plain(1, 500, 500, 2, 16, blocked_rows(500), is_causal=True),
    "a bias of -1e9": plain(1, 300, 300, 2, 16, low_rows(-1e9), is_causal=True),
    "the lowest bias": plain(1, 300, 300, 2, 16, low_rows(-3.4e38), is_causal=True),
    "large scores": plain(1, 300, 300, 2, 16, scale=30.0),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_problems(name: str) -> None:
    problem = HARD[name]
    if "-1e9" in name:  # In f32 nothing is left of scores beside it, in f64 most of them is.
        problem = replace(problem, inputs=tuple(x.astype(np.float64) for x in problem.inputs))
    graph, parts = problem.graphs()
    given = problem.given()
    found = compile_graph(graph, "llvm")(given)
    factor = 400 if "large" in name else 40
    least = problem.least(given[-1])
    check(found, exact_results(parts, given), problem.inputs[0].dtype, least, factor)


def test_rows_without_finite_scores() -> None:
    """Where some scores are `-inf` the others count; where all are, the result is NaN."""
    problem = plain(1, 300, 300, 2, 16, low_rows(-np.inf))
    (found,) = compile_graph(graph_of(problem.op, problem.types), "llvm")(problem.inputs)
    (exact,) = exact_results(graph_of(problem.op, problem.types), problem.inputs)
    assert np.isnan(found[0, 3]).all()
    np.testing.assert_allclose(found, exact, atol=1e-5)


# ------------------------------------------------------------------------------------------ threads


@pytest.mark.parametrize(
    "name", ["more queries than keys", "causal blocks", "rows that see nothing"]
)
def test_equal_bits_for_any_number_of_threads(name: str, pool: workers.Pool) -> None:
    problem = HARD[name]
    graph, _ = problem.graphs()
    results, first = [], None
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        compiled = compile_graph(graph, "llvm") if threads in (1, 5) else first
        first = first or compiled
        results.append(compiled(problem.given()))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["more queries than keys", "causal blocks"])
def test_a_symbolic_batch_gives_the_same_bits(name: str) -> None:
    problem, b = HARD[name], dims.symbol("b")
    types = [x.with_shape((b, *x.shape[1:])) for x in problem.types]
    given = problem.given()
    pairs = [compile_graph(problem.graphs(x)[0], "llvm")(given) for x in (types, None)]
    for one, two in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("is_causal", [False, True])
def test_symbolic_lengths(is_causal: bool) -> None:
    t, s = dims.symbol("t"), dims.symbol("s")
    r = np.random.default_rng(0)
    programs = None
    for lengths in ((150, 400), (400, 150), (1, 1), (64, 64)):
        problem = plain(2, *lengths, 2, 8, r.uniform(size=(1, 2, *lengths)) < 0.7)
        problem = replace(problem, is_causal=is_causal)
        q, k, v, mask = problem.types
        shapes = (2, t, 2, 8), (2, s, 2, 8), (2, s, 2, 8), (1, 2, t, s)
        types = [x.with_shape(y) for x, y in zip((q, k, v, mask), shapes, strict=True)]
        programs = programs or compile_graph(problem.graphs(types)[0], "llvm")
        expected = exact_results(problem.graphs()[1], problem.given())
        check(programs(problem.given()), expected, np.dtype(np.float32))


def test_few_heads_are_cut_into_chunks_of_queries() -> None:
    """By the sizes of a head alone; a thread has all chunks of a head where heads are many."""
    plans = []
    for name, b in (
        ("more queries than keys", 1),
        ("more queries than keys", 9),
        ("causal blocks", 1),
    ):
        types = [x.with_shape((b, *x.shape[1:])) for x in HARD[name].types]
        (node,) = graph_of(HARD[name].op, types)
        plans.append(Plan.of(node, backend.host_target()))
    assert [plan.chunks for plan in plans] == [2, 2, 1]
    assert [plan.has_few_heads for plan in plans] == [True, False, True]


# ------------------------------------------------------------------------------------------- memory


def program_of(function: Callable[..., Any], *arrays: np.ndarray) -> Program:
    lowered = irf.jit(function, backend="llvm").trace(*arrays).lower()
    return lower_graph(lowered.graph, "main", backend.host_target())


def largest(program: Program) -> int:
    """The elements of the largest buffer, of the program or of a kernel's own."""
    shapes = [buffer.type.shape for buffer in program.buffers]
    for kernel in program.kernels():
        shapes += [buffer.shape for buffer in allocated(kernel.body).values()]
    return max(dims.evaluate(dims.product(shape), {}) for shape in shapes)


def names(program: Program) -> list[str]:
    return [step.kernel.name for step in program.steps if isinstance(step, KernelStep)]


LENGTH, HEADS, SIZE = 512, 2, 16
X = np.random.default_rng(3).normal(size=(1, LENGTH, HEADS * SIZE)).astype(np.float32)
W = np.random.default_rng(4).normal(size=(HEADS * SIZE, 3 * HEADS * SIZE)).astype(np.float32) / 5


def projected(x: Any, w: Any) -> list[Any]:
    """Queries, keys and values of one projection."""
    parts = (x @ w).reshape(1, x.shape[1], 3, HEADS, SIZE)
    return [parts[:, :, i] for i in range(3)]


def by_distance(x: Any, w: Any) -> Any:
    """With a bias that grows with the distance, and keys hidden by distance and by content."""
    i, j = inp.arange(x.shape[1])[:, None], inp.arange(x.shape[1])[None]
    slopes = inp.arange(1, HEADS + 1).astype("float32")[None, :, None, None]
    bias = (j - i).astype("float32") * slopes * 0.1
    mask = (i - j < 100) & (x[:, None, None, :, 0] > -1)
    return nn.dot_product_attention(*projected(x, w), bias=bias, mask=mask, is_causal=True)


def rotated(x: Any) -> Any:
    """Pairs of features turned by angles that grow with the position."""
    half = SIZE // 2
    angles = inp.arange(x.shape[1]).astype("float32")[:, None, None] / (1 + inp.arange(half))
    c, s = inp.cos(angles), inp.sin(angles)
    low, high = x[..., :half], x[..., half:]
    return inp.concatenate([low * c - high * s, high * c + low * s], -1)


def by_rotation(x: Any, w: Any) -> Any:
    q, k, v = projected(x, w)
    return nn.dot_product_attention(rotated(q), rotated(k), v, is_causal=True)


def plainly(x: Any, w: Any) -> Any:
    return nn.dot_product_attention(*projected(x, w))


@pytest.mark.parametrize("function", [plainly, by_distance, by_rotation])
def test_scores_are_never_in_memory(function: Callable[..., Any]) -> None:
    assert largest(program_of(function, X, W)) < LENGTH**2
    gradient = irf.grad(lambda x, w: (function(x, w) ** 2).sum(), (0, 1))
    assert largest(program_of(gradient, X, W)) < LENGTH**2


@pytest.mark.parametrize("function", [plainly, by_distance, by_rotation])
def test_what_stands_in_front_gives_the_same_results(function: Callable[..., Any]) -> None:
    def run(x: Any, w: Any) -> list[Any]:
        gradient = irf.grad(lambda x, w: (function(x, w) ** 2).sum(), (0, 1))
        return [function(x, w), *gradient(x, w)]

    x, w = X[:, :40], W
    exact = run(x.astype(np.float64), w.astype(np.float64))
    found = irf.jit(run, backend="llvm")(x, w)
    check(list(map(np.asarray, found)), list(map(np.asarray, exact)), np.dtype(np.float32))


def test_heads_are_read_where_one_projection_left_them() -> None:
    """One kernel projects, one attends; nothing is copied in between."""
    assert len(names(program_of(plainly, X, W))) == 2
    short = [name for name in names(program_of(by_rotation, X[:, :100], W)) if "attention" in name]
    assert len(names(program_of(by_rotation, X[:, :100], W))) <= 4
    assert len(short) == 1


def test_layers_attend_without_scores() -> None:
    layer = layers.MultiHeadAttention(HEADS, SIZE)
    layer(X, X)
    lowered = irf.jit(lambda x: layer(x, x, use_causal_mask=True), backend="llvm").trace(X).lower()
    assert "is_causal=true" in str(lowered.graph)
    assert largest(program_of(lambda x: layer(x, x, use_causal_mask=True), X)) < LENGTH**2
    alone = layers.Attention()
    assert largest(program_of(lambda x: alone([x, x]), X)) < LENGTH**2


# ----------------------------------------------------------------------------------- other backends


def test_backends_without_attention_get_its_parts() -> None:
    problem = drawn(3)
    graph, _ = problem.graphs()
    given = problem.given()
    expected = evaluate(graph, given)
    ops = (Attention, AttentionGradient)
    context = PassContext(lacks=lambda node: isinstance(node.op, ops))
    assert Decompose().run(graph, context)
    assert not any(isinstance(node.op, ops) for node in graph)
    for one, two in zip(evaluate(graph, given), expected, strict=True):
        np.testing.assert_allclose(one.astype("f8"), two.astype("f8"), rtol=1e-2, atol=1e-2)


def test_blocked_scores_are_numbers_of_every_type() -> None:
    assert float(np.float32(BLOCKED)) == BLOCKED
