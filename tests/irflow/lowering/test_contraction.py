"""Tiled contractions: every operand order, remainder, prologue and epilogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.dims import Size
from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.loops import Alloc, For, Kernel, LoopKind, walk
from irflow.loops.print import print_kernel
from irflow.loops.walk import statements as every
from irflow.lowering import GENERIC, Target, schedule
from irflow.ops import Fusion, Handle
from irflow.scalars import find
from tests.irflow.lowering.build import (
    NARROW,
    WIDE,
    build,
    dense,
    f32,
    fused,
    lowered,
    normal,
    run,
    the_kernel,
)

SIZES = [(8, 20, 26), (1, 5, 40), (7, 1, 3), (3, 33, 1), (9, 4, 16), (0, 3, 4), (2, 0, 5)]
SIZES += [(2, 3, 0)]
TARGETS = pytest.mark.parametrize("target", [NARROW, WIDE], ids=lambda target: target.name)


def transposed(x: Handle) -> Handle:
    result: Handle = ops.transpose(x, (1, 0))
    return result


def by_weights(x: Handle, g: Handle) -> Handle:
    result: Handle = ops.matmul(transposed(x), g)
    return result


@TARGETS
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_matrix_products(size: tuple[int, int, int], target: Target) -> None:
    m, k, n = size
    a, b = normal(m, k), normal(k, n, seed=1)
    (result,) = run(fused(ops.matmul, f32(m, k), f32(k, n)), [a, b], target)
    np.testing.assert_allclose(result, a @ b, rtol=1e-5, atol=1e-5)


@TARGETS
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_transposed_operands_are_read_in_place(size: tuple[int, int, int], target: Target) -> None:
    m, k, n = size
    a, b = normal(k, m), normal(n, k, seed=1)
    left = fused(lambda x, y: ops.matmul(transposed(x), y), f32(k, m), f32(k, n))
    right = fused(lambda x, y: ops.matmul(x, transposed(y)), f32(m, k), f32(n, k))
    for graph, inputs in ((left, [a, b.T.copy()]), (right, [a.T.copy(), b])):
        (result,) = run(graph, inputs, target)
        np.testing.assert_allclose(result, a.T @ b.T, rtol=1e-5, atol=1e-5)


def test_prologue_and_epilogue_stand_in_the_kernel() -> None:
    def layer(x: Handle, w: Handle, b: Handle) -> list[Handle]:
        total = dense(find("square")(x), w, b)
        return [total, find("relu")(total)]

    graph = fused(layer, f32(6, 5), f32(5, 19), f32(19))
    x, w, b = normal(6, 5), normal(5, 19, seed=1), normal(19, seed=2)
    total, active = run(graph, [x, w, b], WIDE)
    np.testing.assert_allclose(total, x**2 @ w + b, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(active, np.maximum(total, 0))
    text = print_kernel(the_kernel(graph, WIDE))
    assert "fma(" in text
    assert "register" in text


def allocated(kernel: Kernel) -> dict[str, tuple[Size, ...]]:
    """The shapes of a kernel's own buffers by name."""
    return {name: buffer.shape for name, buffer in walk.allocated(kernel.body).items()}


def test_vectors_lie_along_the_columns() -> None:
    across = the_kernel(fused(ops.matmul, f32(8, 64), f32(64, 32)), WIDE)
    assert allocated(across) == {"sum": (8, 32), "b": (32,)}
    turned = fused(lambda x, y: ops.matmul(x, transposed(y)), f32(8, 64), f32(32, 64))
    names = allocated(the_kernel(turned, WIDE))
    assert (names["right"], names["square"], names["sum"]) == ((1, 64, 32), (16, 16), (8, 32))


def test_vectors_lie_along_the_sum_where_columns_are_few() -> None:
    few = the_kernel(fused(ops.matmul, f32(8, 64), f32(64, 1)), WIDE)
    assert allocated(few) == {"sum": (4, 1, 16)}


# Caches so small that every kind of block appears in small products.
TINY = Target("tiny", vector_bytes=16, vector_registers=8, l1_bytes=64, l2_bytes=1024)


def plain(x: Handle, y: Handle) -> Handle:
    result: Handle = ops.matmul(x, y)
    return result


def computed(x: Handle, y: Handle) -> list[Handle]:
    total = ops.matmul(find("square")(x), find("exp")(y))
    return [total, find("relu")(total) + find("tanh")(total) * find("exp")(-total * total)]


def rounded(x: Handle, y: Handle) -> Handle:
    result: Handle = ops.matmul(ops.convert(x, dtypes.bf16), ops.convert(y, dtypes.bf16))
    return result


FORMS = [
    ("plain", plain),
    ("left", lambda x, y: ops.matmul(transposed(transposed(x) * 1.0), y)),
    ("computed", computed),
    ("right", lambda x, y: plain(x, transposed(transposed(y) + 1.0))),
    ("rounded", rounded),
]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[name for name, _ in FORMS])
@pytest.mark.parametrize("size", [(9, 21, 14), (26, 20, 11), (3, 37, 8)], ids=str)
def test_blocks(size: tuple[int, int, int], name: str, form: Callable[..., Any]) -> None:
    """Chunks, passes and copies give the same sums to the last bit as one tile after the other."""
    m, k, n = size
    inputs = [normal(m, k), normal(k, n, seed=1)]
    graph = fused(form, f32(m, k), f32(k, n))
    small, large = run(graph, inputs, TINY), run(graph, inputs, WIDE)
    for result, same, expected in zip(small, large, evaluate(graph, inputs), strict=True):
        np.testing.assert_array_equal(result, same)
        np.testing.assert_allclose(
            result.astype(np.float32), expected.astype(np.float32), rtol=2e-2, atol=2e-2
        )


def test_every_kind_of_block_is_chosen() -> None:
    kernel = the_kernel(fused(computed, f32(26, 20), f32(20, 11)), TINY)
    assert {"left", "right", "sum", "tile"} <= set(allocated(kernel))
    assert "for p in" in print_kernel(kernel)


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[name for name, _ in FORMS])
def test_threads_share_no_scratch_memory(name: str, form: Callable[..., Any]) -> None:
    kernel = the_kernel(fused(form, f32(96, 40), f32(40, 64)), TINY)
    loops = [s for s in every(kernel.body) if isinstance(s, For) and s.kind is LoopKind.PARALLEL]
    assert loops
    for loop in loops:
        written = walk.stored(loop.body).keys() - walk.allocated(loop.body).keys()
        assert written <= {"y0", "y1", "partial"}, f"{loop.var.name} of {name}"


def test_reshaped_inputs_cost_no_divisions() -> None:
    graph = fused(lambda x, w: ops.matmul(ops.reshape(x, (4, 6)), w), f32(4, 2, 3), f32(6, 5))
    assert "//" not in print_kernel(the_kernel(graph, WIDE))
    x, w = normal(4, 2, 3), normal(6, 5, seed=1)
    (result,) = run(graph, [x, w], WIDE)
    np.testing.assert_allclose(result, x.reshape(4, 6) @ w, rtol=1e-5, atol=1e-5)


def with_constant(form: Callable[..., Any], x: TensorType, w: np.ndarray) -> Graph:
    """A fused region whose second operand is a constant."""
    graph = Graph("test")
    first = graph.add_input(x, "x")
    second = Builder(graph).emit(ops.Constant(DenseArray(w)), [])[0]
    region = build(form, first.type, second.type)
    graph.set_outputs(Builder(graph).emit(Fusion("loop"), [first, second], [region]))
    return graph


def in_batch(x: Handle, y: Handle) -> Handle:
    result: Handle = ops.matmul(x, ops.broadcast(y, (x.shape[0], *y.shape), (1, 2)))
    return result


CONSTANTS: list[tuple[str, Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = [
    ("plain", plain, (9, 21), (21, 14)),
    ("passes", plain, (26, 50), (50, 11)),
    ("one row", plain, (1, 70), (70, 40)),
    ("transposed", lambda x, y: plain(x, transposed(y)) + 1.0, (9, 21), (14, 21)),
    ("repeated", in_batch, (2, 3, 8), (8, 37)),
    ("of a batch", plain, (2, 3, 8), (2, 8, 37)),
    ("reshaped", lambda x, y: plain(x, ops.reshape(y, (6, 35))), (4, 6), (2, 3, 35)),
]


@pytest.mark.parametrize(
    ("form", "left", "right"), [row[1:] for row in CONSTANTS], ids=[row[0] for row in CONSTANTS]
)
@pytest.mark.parametrize("target", [TINY, WIDE], ids=lambda target: target.name)
def test_constants_are_packed_when_code_is_made(
    form: Callable[..., Any], left: tuple[int, ...], right: tuple[int, ...], target: Target
) -> None:
    """Nothing is copied at a call, the sums have the same bits, and one copy is kept."""
    x, w = normal(*left), normal(*right, seed=1)
    graph = with_constant(form, f32(*left), w)
    program = lowered(graph, target)
    assert not [name for name in allocated(the_kernel(graph, target)) if "right" in name]
    assert len(program.numbers("constant")) == 1
    (expected,) = run(fused(form, f32(*left), f32(*right)), [x, w], target)
    np.testing.assert_array_equal(run(graph, [x], target)[0], expected)
    again = lowered(graph, target)
    pairs = zip(program.numbers("constant"), again.numbers("constant"), strict=True)
    for first, second in pairs:
        assert program.buffers[first].content is again.buffers[second].content, "shared"


CROWDED = Target("crowded", vector_bytes=16, vector_registers=32, l1_bytes=256, l2_bytes=1024)


def test_rows_that_share_cache_lines_are_spread_once() -> None:
    """And each tile fetches a part of the next panel of constants; the bits stay the same."""
    x, w = normal(24, 8), normal(8, 130, seed=1)
    graph = with_constant(plain, f32(24, 8), w)
    kernel = the_kernel(graph, CROWDED)
    assert "left" in allocated(kernel)
    assert print_kernel(kernel).count("prefetch") > 1
    assert "prefetch" not in print_kernel(the_kernel(graph, WIDE))
    (found,) = run(graph, [x], CROWDED)
    np.testing.assert_array_equal(found, run(graph, [x], WIDE)[0])
    np.testing.assert_allclose(found, x @ w, rtol=1e-5, atol=1e-5)


def test_constants_of_one_panel_are_read_in_place() -> None:
    content = normal(200, 32)
    graph = with_constant(lambda x, w: ops.matmul(x, w) + 1.0, f32(64, 200), content)
    program = lowered(graph, WIDE)
    (number,) = program.numbers("constant")
    found = program.buffers[number].content
    assert found is not None
    assert found.array.shape == (200, 32)
    assert found.array.ctypes.data % 64 == 0


def tiles(kernel: Kernel) -> int:
    """How many pieces of code sum up a tile."""
    return sum(isinstance(s, Alloc) and s.buffer.name[:3] == "sum" for s in every(kernel.body))


@pytest.mark.parametrize("size", [(128, 784, 128), (127, 100, 77), (1, 768, 768), (32, 128, 10)])
@pytest.mark.parametrize("target", [NARROW, GENERIC, WIDE], ids=lambda target: target.name)
def test_few_kernels_a_shape(size: tuple[int, int, int], target: Target) -> None:
    m, k, n = size
    kernel = the_kernel(fused(plain, f32(m, k), f32(k, n)), target)
    assert 1 <= tiles(kernel) <= 4
    accumulators = [shape for name, shape in allocated(kernel).items() if name[:3] == "sum"]
    lanes = target.lanes(dtypes.f32)
    assert max(rows * width // lanes for rows, width in accumulators) < target.vector_registers


@TARGETS
def test_column_sums_run_along_the_columns(target: Target) -> None:
    graph = fused(lambda x: ops.reduce_sum(x, (0,)) * 2.0, f32(11, 37))
    x = normal(11, 37)
    (result,) = run(graph, [x], target)
    np.testing.assert_allclose(result, 2 * x.sum(0), rtol=1e-5, atol=1e-5)
    lanes = target.vector_bytes // 4
    assert f"ramp(0, 1, {lanes})" in print_kernel(the_kernel(graph, target))


def test_two_column_sums_share_a_nest() -> None:
    def moments(x: Handle) -> list[Handle]:
        return [ops.reduce_sum(x, (0,)), ops.reduce_sum(x * x, (0,))]

    graph = fused(moments, f32(5, 9))
    kernel = the_kernel(graph, NARROW)
    assert sum(isinstance(stmt, Alloc) for stmt in every(kernel.body)) == 4
    x = normal(5, 9)
    total, squares = run(graph, [x], NARROW)
    np.testing.assert_allclose(total, x.sum(0), rtol=1e-5)
    np.testing.assert_allclose(squares, (x * x).sum(0), rtol=1e-5)


@TARGETS
@pytest.mark.parametrize("rows", [1, 4, 9, 17])
def test_symbolic_rows_sum_in_the_same_order(rows: int, target: Target) -> None:
    n = dims.symbol("n")
    inputs = [normal(rows, 21), normal(21, 18, seed=1), normal(18, seed=2)]
    symbolic = run(fused(dense, f32(n, 21), f32(21, 18), f32(18)), inputs, target)
    static = run(fused(dense, f32(rows, 21), f32(21, 18), f32(18)), inputs, target)
    np.testing.assert_array_equal(symbolic[0], static[0])


ORDERS: list[tuple[str, Callable[..., Any], tuple[str, str], tuple[str, str]]] = [
    ("rows", plain, ("m", "K"), ("K", "N")),
    ("sum", plain, ("M", "k"), ("k", "N")),
    ("both", plain, ("m", "k"), ("k", "N")),
    ("left turned", lambda x, y: ops.matmul(transposed(x), y), ("k", "M"), ("k", "N")),
    ("left turned, rows", lambda x, y: ops.matmul(transposed(x), y), ("K", "m"), ("K", "N")),
    ("right turned", lambda x, y: ops.matmul(x, transposed(y)), ("m", "K"), ("N", "K")),
    ("right turned, sum", lambda x, y: ops.matmul(x, transposed(y)), ("M", "k"), ("N", "k")),
    ("left computed", computed, ("m", "k"), ("k", "N")),
]
"""Products by what is symbolic in them, which has a small letter in the shapes of the operands."""


@pytest.mark.parametrize(("name", "form", "left", "right"), ORDERS, ids=[row[0] for row in ORDERS])
@pytest.mark.parametrize("size", [(1, 3, 2), (4, 21, 1), (10, 18, 7), (2, 0, 5)])
@pytest.mark.parametrize("target", [WIDE, TINY], ids=lambda target: target.name)
def test_symbolic_products_sum_in_the_same_order(
    name: str,
    form: Callable[..., Any],
    left: tuple[str, str],
    right: tuple[str, str],
    size: tuple[int, int, int],
    target: Target,
) -> None:
    sizes = dict(zip("MKN", size, strict=True))
    shapes = [tuple(sizes[letter.upper()] for letter in pair) for pair in (left, right)]
    symbolic = [
        tuple(dims.symbol(letter, 0) if letter.islower() else sizes[letter] for letter in pair)
        for pair in (left, right)
    ]
    inputs = [normal(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    expected = run(fused(form, *(f32(*shape) for shape in shapes)), inputs, target)
    found = run(fused(form, *(f32(*shape) for shape in symbolic)), inputs, target)
    for result, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(result, same)


@pytest.mark.parametrize(("name", "form", "left", "right"), ORDERS, ids=[row[0] for row in ORDERS])
@pytest.mark.parametrize("size", [(2, 23, 1), (3, 31, 2), (10, 19, 7), (4, 2, 3)])
@pytest.mark.parametrize("most", [1000, 60])
def test_threads_share_long_sums(
    name: str,
    form: Callable[..., Any],
    left: tuple[str, str],
    right: tuple[str, str],
    size: tuple[int, int, int],
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In chunks that depend on the sizes only, whenever these are known."""
    monkeypatch.setattr(schedule, "LONG_SUM", 4)
    monkeypatch.setattr(schedule, "MOST_SHARED", most)
    sizes = dict(zip("MKN", size, strict=True))
    shapes = [tuple(sizes[letter.upper()] for letter in pair) for pair in (left, right)]
    symbolic = [
        tuple(dims.symbol(letter, 0) if letter.islower() else sizes[letter] for letter in pair)
        for pair in (left, right)
    ]
    inputs = [normal(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    graph = fused(form, *(f32(*shape) for shape in shapes))
    runs_down = "left turned" in name and size[2] == 1
    is_cut = size[1] >= 8 and size[0] * size[2] <= most and not runs_down
    kernels = lowered(graph, WIDE).kernels()
    assert any("partial" in allocated(kernel) for kernel in kernels) == is_cut
    expected = run(graph, inputs, WIDE)
    found = run(fused(form, *(f32(*shape) for shape in symbolic)), inputs, WIDE)
    for result, same, exact in zip(found, expected, evaluate(graph, inputs), strict=True):
        np.testing.assert_array_equal(result, same)
        np.testing.assert_allclose(result, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(3, 23, 2), (10, 31, 19), (4, 7, 5)])
@pytest.mark.parametrize("target", [WIDE, TINY], ids=lambda target: target.name)
def test_long_sums_of_broad_results(
    size: tuple[int, int, int], target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients by weights, in chunks that go through in passes; also with any number of rows."""
    for name, value in (("LONG_SUM", 8), ("MOST_SHARED", 5), ("LEAST_TURNED", 2)):
        monkeypatch.setattr(schedule, name, value)
    monkeypatch.setattr(schedule, "TURNED_LENGTH", 6)
    m, k, n = size
    steps = dims.symbol("k", 0)
    inputs = [normal(k, m), normal(k, n, seed=1)]

    graph = fused(by_weights, f32(k, m), f32(k, n))
    kernels = lowered(graph, target).kernels()
    assert any("partial" in allocated(kernel) for kernel in kernels) == (k >= 8)
    (expected,) = run(graph, inputs, target)
    (found,) = run(fused(by_weights, f32(steps, m), f32(steps, n)), inputs, target)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(expected, inputs[0].T @ inputs[1], rtol=1e-5, atol=1e-5)


def test_batches() -> None:
    a, b = normal(2, 3, 5, 4), normal(2, 3, 4, 6, seed=1)
    (result,) = run(fused(ops.matmul, f32(2, 3, 5, 4), f32(2, 3, 4, 6)), [a, b], NARROW)
    np.testing.assert_allclose(result, a @ b, rtol=1e-5, atol=1e-5)


def test_an_epilogue_at_another_index_is_still_right() -> None:
    graph = fused(lambda x, y: transposed(ops.matmul(x, y)), f32(3, 4), f32(4, 5))
    a, b = normal(3, 4), normal(4, 5, seed=1)
    (result,) = run(graph, [a, b], NARROW)
    np.testing.assert_allclose(result, (a @ b).T, rtol=1e-5, atol=1e-5)
    square = fused(lambda x: transposed(ops.matmul(x, x)), f32(4, 4))
    (result,) = run(square, [a[:, [0, 1, 2, 3]][[0, 1, 2, 0]]], NARROW)
    assert "sum" not in print_kernel(the_kernel(square, NARROW))
