"""The LLVM backend: results, memory, threads, errors and listings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
from irflow import dims, dtypes, ops
from irflow.autodiff import gradient_graph
from irflow.backend import CompileOptions, Executable
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError, UnsupportedError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.lowering.lower import lower_graph
from irflow.ops import Handle
from irflow.plugins import find_pass
from irflow.scalars import find
from irflow.transform.manager import PassManager
from irflow_llvm import LlvmBackend, frames, host_target
from irflow_llvm.address import address, fast_address, slow_address
from irflow_llvm.entry import Segment, segments
from irflow_llvm.frames import ALIGNMENT, aligned_bytes
from irflow_llvm.runtime import KEPT_SIZES, LlvmExecutable
from irflow_llvm.workers import thread_count
from tests.irflow.lowering.build import build, dense, f32, normal
from tests.irflow.lowering.test_program import SortRows

BACKEND = LlvmBackend()
PIPELINE = "canonicalize,fold,simplify,cse,dce," + BACKEND.pipeline(2)


def optimized(graph: Graph) -> Graph:
    work = graph.copy()
    PassManager(PIPELINE, find_pass).run(work, check=0)
    return work


def compiled(graph: Graph, level: int = 2) -> LlvmExecutable:
    program = lower_graph(optimized(graph), graph.name, BACKEND.target())
    executable = BACKEND.compile(program, CompileOptions(graph.name, level))
    assert isinstance(executable, LlvmExecutable)
    return executable


def check(graph: Graph, inputs: Sequence[np.ndarray], rtol: float = 1e-5) -> None:
    for result, expected in zip(compiled(graph)(inputs), evaluate(graph, inputs), strict=True):
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(result, expected, rtol=rtol, atol=rtol)


# ---------------------------------------------------------------------------------------- results


def training_step(batch: Size) -> Graph:
    """Loss and updated weights of a perceptron with one hidden layer."""
    shapes = [(batch, 20), (batch, 5), (20, 33), (33,), (33, 5), (5,)]

    def loss(x: Handle, y: Handle, *weights: Handle) -> Handle:
        hidden = find("relu")(dense(x, *weights[:2]))
        scores = ops.log_softmax(dense(hidden, *weights[2:]), -1)
        result: Handle = find("negative")(ops.mean(ops.reduce_sum(y * scores, (1,))))
        return result

    graph = gradient_graph(build(loss, *(f32(*shape) for shape in shapes)), [2, 3, 4, 5])
    builder = Builder(graph)
    handles = [Handle(builder, value) for value in graph.outputs]
    inputs = [Handle(builder, value) for value in graph.inputs]
    steps = [w - 0.1 * g for w, g in zip(inputs[2:], handles[1:], strict=True)]
    graph.set_outputs([handles[0].value, *(step.value for step in steps)])
    return graph


def training_inputs(batch: int) -> list[np.ndarray]:
    labels = np.eye(5, dtype=np.float32)[np.arange(batch) % 5]
    weights = [normal(20, 33, seed=1), normal(33, seed=2), normal(33, 5, seed=3), normal(5, seed=4)]
    return [normal(batch, 20), labels, *weights]


def test_a_training_step_is_one_native_call() -> None:
    graph = training_step(32)
    check(graph, training_inputs(32), rtol=1e-4)
    parts = segments(compiled(graph).program)
    assert len(parts) == 1
    assert isinstance(parts[0], Segment)


def test_one_compilation_serves_all_sizes() -> None:
    graph = training_step(dims.symbol("n"))
    executable = compiled(graph)
    for batch in (32, 1, 7, 64, 32):
        inputs = training_inputs(batch)
        for result, expected in zip(executable(inputs), evaluate(graph, inputs), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_symbolic_rows_come_in_the_order_that_caches_like() -> None:
    """Few of them for each chunk of columns, many once for all; the sums are the same."""
    symbolic = compiled(build(dense, f32(dims.symbol("n"), 784), f32(784, 96), f32(96)))
    for rows in (5, 33, 512):
        inputs = [normal(rows, 784), normal(784, 96, seed=1), normal(96, seed=2)]
        static = compiled(build(dense, f32(rows, 784), f32(784, 96), f32(96)))
        np.testing.assert_array_equal(symbolic(inputs)[0], static(inputs)[0])


def layer_norm(x: Handle) -> Handle:
    def repeated(row: Handle) -> Handle:
        return ops.expand(row, x.shape, (x.ndim - 1,))

    centered = x - repeated(ops.mean(x, -1))
    scale = find("rsqrt")(ops.mean(centered * centered, -1) + 1e-5)
    result: Handle = centered * repeated(scale)
    return result


@pytest.mark.parametrize("shape", [(5, 37), (1, 16), (64, 3), (2, 3, 100)], ids=str)
def test_normalisations(shape: tuple[int, ...]) -> None:
    check(build(lambda x: ops.softmax(x, -1), f32(*shape)), [normal(*shape)])
    check(build(layer_norm, f32(*shape)), [normal(*shape)], rtol=1e-4)


@pytest.mark.parametrize("dtype", [dtypes.f16, dtypes.bf16], ids=str)
def test_16_bit_floats_accumulate_in_f32(dtype: DType) -> None:
    graph = build(ops.matmul, TensorType(dtype, (3, 400)), TensorType(dtype, (400, 5)))
    a, b = (normal(*s).astype(dtype.numpy) for s in ((3, 400), (400, 5)))
    (result,) = compiled(graph)([a, b])
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert result.dtype == dtype.numpy
    error = np.abs(result.astype(np.float64) - exact)
    assert (error <= float(ml_dtypes.finfo(dtype.numpy).eps) * np.abs(exact) + 1e-5).all()


def test_scalars_and_empty_tensors() -> None:
    check(build(lambda x: x * 2.0, f32()), [np.array(3, np.float32)])
    check(build(lambda x: [x + 1.0, ops.reduce_sum(x, (0,))], f32(0, 3)), [normal(0, 3)])
    check(build(lambda x: ops.reduce_sum(x, (0, 1)), f32(4, 5)), [normal(4, 5)])


def test_bools_go_in_and_out() -> None:
    graph = build(lambda x, y: find("logical_and")(x, y), *[TensorType(dtypes.bool_, (5,))] * 2)
    x, y = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    (result,) = compiled(graph)([x, y])
    assert result.tobytes() == (x & y).tobytes()


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels(level: int) -> None:
    inputs = training_inputs(8)
    graph = training_step(8)
    results = compiled(graph, level)(inputs)
    for result, expected in zip(results, evaluate(graph, inputs), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


# ----------------------------------------------------------------------------------------- memory


def sharing() -> Graph:
    def function(x: Handle) -> list[Handle]:
        y = x + 1.0
        return [y, y, x, ops.reshape(y, (6,)), x.constant(np.ones((2, 3), np.float32))]

    return build(function, f32(2, 3))


def test_results_share_memory_with_nothing() -> None:
    x = normal(2, 3)
    executable = compiled(sharing())
    results = executable([x])
    for i, result in enumerate(results):
        assert result.flags.owndata
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in [x, *results[:i]])
    for result in results:
        result[...] = -1
    np.testing.assert_array_equal(executable([x])[4], np.ones((2, 3)))


def test_a_result_outlives_the_next_call() -> None:
    executable = compiled(build(lambda x: ops.softmax(x, -1) * 2.0, f32(4, 9)))
    first_input, second_input = normal(4, 9), normal(4, 9, seed=1)
    (first,) = executable([first_input])
    copy = first.copy()
    (second,) = executable([second_input])
    np.testing.assert_array_equal(first, copy)
    assert not np.array_equal(first, second)


def test_strided_and_unaligned_inputs() -> None:
    executable = compiled(build(lambda x: x * 2.0, f32(3, 4)))
    wide = normal(4, 6)
    raw = np.zeros(49, np.uint8)
    unaligned = raw[1:].view(np.float32).reshape(3, 4)
    read_only = normal(3, 4)
    read_only.flags.writeable = False
    for x in (wide.T[:3, :], wide[1:, 1:5], wide[::-1][:3, :4], unaligned, read_only):
        x = x[:3, :4]
        np.testing.assert_array_equal(executable([x])[0], 2 * x)


def test_temporaries_are_given_back() -> None:
    executable = compiled(training_step(4))
    inputs = training_inputs(4)
    for _ in range(5):
        executable(inputs)
    (bound,) = executable._bindings.values()
    assert len(bound.frames) == 1


def test_threads_have_memory_of_their_own() -> None:
    executable = compiled(training_step(16))
    batches = [[normal(16, 20, seed=i), *training_inputs(16)[1:]] for i in range(8)]
    expected = [executable(batch) for batch in batches]
    failures: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            for result, right in zip(executable(batches[number]), expected[number], strict=True):
                if not np.array_equal(result, right):
                    failures.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_the_arena_is_aligned() -> None:
    assert all(address(aligned_bytes(count)) % ALIGNMENT == 0 for count in (1, 100, 4096))


def test_the_fast_address_is_the_right_one() -> None:
    for array in (normal(3), normal(3, 4)[1:, ::2], np.zeros(()), np.zeros((0, 2))):
        assert fast_address(array) == slow_address(array)


def test_memory_is_kept_for_some_sizes_only() -> None:
    executable = compiled(build(lambda x: x * 2.0, f32(dims.symbol("n"))))
    for size in range(1, 2 * KEPT_SIZES):
        np.testing.assert_array_equal(executable([normal(size)])[0], 2 * normal(size))
    assert len(executable._bindings) == KEPT_SIZES


@pytest.mark.parametrize(("sizes", "arenas"), [((90, 100, 80, 90, 100), 2), ((5, 6, 7, 5), 3)])
def test_large_memory_is_passed_on_to_other_sizes(
    sizes: tuple[int, ...], arenas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(frames, "aligned_bytes", lambda n: made.append(n) or aligned_bytes(n))
    n = dims.symbol("n")
    executable = compiled(build(lambda x: x.emit(SortRows(), [x * 2.0])[0] + 0.0, f32(n, 16_384)))
    for size in sizes:
        x = normal(size, 16_384)
        np.testing.assert_array_equal(executable([x])[0], np.sort(2 * x, -1))
    assert len(made) == arenas


def test_calls_that_come_again_keep_no_large_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(frames, "aligned_bytes", lambda n: made.append(n) or aligned_bytes(n))
    w = normal(16, 1024)
    function = irf.jit(lambda x: irf.nn.relu(x @ w) @ w.T, spec=("f32[n, 16]",), backend="llvm")
    for size in (2000, 1999, 1998) * 4:
        x = normal(size, 16)
        expected = np.maximum(x @ w, 0) @ w.T
        np.testing.assert_allclose(function(x), expected, rtol=1e-3, atol=1e-2)
    assert len([count for count in made if count >= frames.PASSED_ON]) == 1


def test_host_steps_cut_the_native_code() -> None:
    def function(x: Handle) -> list[Handle]:
        ordered = x.emit(SortRows(), [x * 2.0])[0]
        return [ordered + 1.0, ordered]

    graph = build(function, f32(dims.symbol("n"), 4))
    executable = compiled(graph)
    for rows in (3, 1):
        x = normal(rows, 4)
        plus_one, ordered = executable([x])
        np.testing.assert_array_equal(ordered, np.sort(2 * x, -1))
        np.testing.assert_array_equal(plus_one, np.sort(2 * x, -1) + 1)


# ----------------------------------------------------------------------------- errors and listings


def test_inputs_are_checked_before_memory_is_touched() -> None:
    n = dims.symbol("n")
    executable = compiled(build(lambda x, y: x + y, f32(n, 3), f32(n, 3)))
    x = normal(4, 3)
    with pytest.raises(ShapeError, match="takes 2 inputs, not 1"):
        executable([x])
    with pytest.raises((ShapeError, DTypeError), match="f64"):
        executable([x, x.astype(np.float64)])
    with pytest.raises(ShapeError):
        executable([x, x[:2]])
    with pytest.raises(ShapeError):
        executable([x, x[:, :2]])


def listings(executable: Executable) -> dict[str, str]:
    return {kind: executable.listing(kind) for kind in executable.listings}


def test_listings() -> None:
    found = listings(compiled(build(lambda x: x + 1.0, f32(4))))
    assert list(found) == ["graph", "loops", "llvm", "asm", "object"]
    assert "graph @test" in found["graph"]
    assert "program @test {" in found["loops"]
    assert "define void @entry0(ptr noalias %buffers" in found["llvm"]
    assert ".text" in found["asm"]
    assert ".text" in found["object"]


def test_an_unknown_listing() -> None:
    with pytest.raises(UnsupportedError, match="no listing 'cuda'"):
        compiled(build(lambda x: x + 1.0, f32(4))).listing("cuda")


def test_equal_modules_are_compiled_once() -> None:
    one, two = (compiled(build(lambda x: x + 3.25, f32(7))) for _ in range(2))
    assert one._engine is two._engine


def test_a_graph_is_not_a_program() -> None:
    with pytest.raises(UnsupportedError, match="lower the graph first"):
        BACKEND.compile(build(lambda x: x, f32(1)), CompileOptions())


def test_what_the_backend_says_of_itself() -> None:
    assert BACKEND.available() is None
    assert set(dtypes.ALL) == BACKEND.capabilities().dtypes, "complex numbers by host steps"
    assert BACKEND.target() == replace(host_target(), threads=thread_count())
    assert host_target().lanes(dtypes.f32) in (4, 8, 16)
