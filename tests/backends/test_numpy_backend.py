"""The NumPy backend: results, and whose memory may be written to."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.autodiff import vjp_graph
from irflow.backend import CompileOptions, Executable
from irflow.errors import ShapeError, UnsupportedError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.lowering.lower import lower_graph
from irflow.ops import Handle
from irflow.ops.region_parts import new_region, returning
from irflow.scalars import find
from irflow_numpy import NumpyBackend
from tests.irflow.lowering.build import build, dense, f32, fused, normal

BACKEND = NumpyBackend()


def compiled(graph: Graph) -> Executable:
    return BACKEND.compile(graph, CompileOptions())


def check(graph: Graph, *inputs: np.ndarray) -> list[np.ndarray]:
    """Run twice: equal results, inputs as they were."""
    copies = [array.copy() for array in inputs]
    executable = compiled(graph)
    expected = evaluate(graph, copies)
    for _ in range(2):
        results = executable(inputs)
        for result, right in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, right)
            assert result.dtype == right.dtype
    for array, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    return results


def test_a_chain_works_in_place() -> None:
    def chain(x: Handle) -> Handle:
        for _ in range(10):
            x = find("negative")(x * x)
        return x

    executable = compiled(build(chain, f32(512, 512)))
    x = normal(512, 512)
    executable([x])
    tracemalloc.start()
    executable([x])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * x.nbytes


def test_inputs_are_never_written_to() -> None:
    check(build(lambda x: x * 2.0 + x, f32(3)), normal(3))
    check(build(lambda x: find("negative")(x), f32(3)), normal(3))


@pytest.mark.parametrize(
    "view",
    [
        lambda y: ops.reshape(y, (6,)),
        lambda y: ops.reshape(ops.transpose(y, (1, 0)), (6,)),
        lambda y: ops.reshape(ops.slice_axis(y, 0, 0, 2), (6,)),
        lambda y: ops.reshape(ops.broadcast(y, (2, 3), (0, 1)), (6,)),
    ],
)
def test_what_a_view_shows_is_not_written_to(view: object) -> None:
    assert callable(view)

    def function(x: Handle) -> list[Handle]:
        y = x * 2.0
        seen = view(y)
        overwritten = find("negative")(y)
        return [seen + 1.0, overwritten]

    check(build(function, f32(2, 3)), normal(2, 3))


def test_a_view_is_not_written_to() -> None:
    def function(x: Handle) -> list[Handle]:
        y = x * 2.0
        seen = ops.reshape(y, (6,))
        return [find("negative")(seen), y]

    check(build(function, f32(2, 3)), normal(2, 3))


def test_constants_are_not_written_to() -> None:
    graph = build(lambda x: x.constant(np.ones(3, np.float32)) * x, f32(3))
    check(graph, normal(3))


def test_outputs_are_not_written_to() -> None:
    def function(x: Handle) -> list[Handle]:
        y = x * 2.0
        return [y, find("negative")(y), y + 1.0]

    check(build(function, f32(3)), normal(3))


def test_results_share_memory_with_nothing() -> None:
    def function(x: Handle) -> list[Handle]:
        y = x + 1.0
        repeated = x.full(2.0, (2, 3))
        return [x, y, y, ops.reshape(y, (6,)), ops.transpose(y, (1, 0)), repeated]

    x = normal(2, 3)
    results = check(build(function, f32(2, 3)), x)
    for i, result in enumerate(results):
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in [x, *results[:i]])


def test_results_of_other_types() -> None:
    half = TensorType(dtypes.bf16, (4,))
    check(build(lambda x: x * x + x, half), normal(4).astype(dtypes.bf16.numpy))
    check(build(lambda x: find("less")(x * 2.0, x), f32(4)), normal(4))
    check(build(lambda x: ops.convert(x * 2.0, dtypes.i32) + 1, f32(4)), normal(4))
    check(build(lambda x: x * 2.0 + 1.0, f32()), np.array(3, np.float32))


def test_symbolic_sizes() -> None:
    n = dims.symbol("n")
    executable = compiled(build(dense, f32(n, 3), f32(3, 2), f32(2)))
    for rows in (4, 2, 1, 4):
        x, w, b = normal(rows, 3), normal(3, 2), normal(2)
        np.testing.assert_allclose(executable([x, w, b])[0], x @ w + b, rtol=1e-6)
    with pytest.raises(ShapeError):
        executable([normal(4, 2), normal(3, 2), normal(2)])


def test_regions() -> None:
    check(fused(lambda x: ops.softmax(x, -1), f32(3, 4)), normal(3, 4))


def test_threads() -> None:
    executable = compiled(build(lambda x: (x * 2.0 + 1.0) * x, f32(1000)))
    arrays = [normal(1000, seed=i) for i in range(8)]
    failures: list[int] = []

    def work(number: int) -> None:
        x = arrays[number]
        for _ in range(50):
            if not np.array_equal(executable([x])[0], (x * np.float32(2) + np.float32(1)) * x):
                failures.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_what_the_backend_says_of_itself() -> None:
    assert BACKEND.available() is None
    assert BACKEND.level == "graph"
    graph = build(lambda x: x, f32(1))
    assert "graph @test" in compiled(graph).listing("graph")
    with pytest.raises(UnsupportedError, match="not programs"):
        BACKEND.compile(lower_graph(graph), CompileOptions())


# -------------------------------------------------------------------------------------------- loops


def stacking(seen_as: str) -> Graph:
    """60 steps of `stack[i] = x`; what is seen of the stack is carried, too."""
    types = [f32(64, 512), TensorType(dtypes.i64, ()), f32(512), f32(512)]
    body, ((stack, i, x, seen),) = new_region("body", types)
    starts = ops.concatenate([ops.reshape(i, (1,)), i.full(0, (1,))], 0)
    row = ops.dynamic_slice(stack, starts, (1, 512))
    written = ops.dynamic_update_slice(stack, ops.reshape(x, (1, 512)), starts)
    match seen_as:
        case "copy":
            seen = seen + ops.reshape(row, (512,))
        case "view":
            seen = ops.reshape(ops.slice_axis(stack, 0, 0, 1), (512,))
        case "view-after":
            seen = ops.reshape(ops.slice_axis(written, 0, 0, 1), (512,))
        case "two-places":
            seen = (seen + 1.0) * x
        case "itself":
            x = ops.reshape(ops.dynamic_slice(written, starts, (1, 512)), (512,))
    test, ((_, number, _, _),) = new_region("test", types)
    returning(test, [number < 60])
    graph = Graph("stacking")
    operands = [Handle(Builder(graph), graph.add_input(type)) for type in types]
    moved = seen if seen_as == "two-places" else x + 1.0
    returning(body, [written, i + 1, moved, seen])
    graph.set_outputs([h.value for h in operands[0].emit(ops.While(0), operands, [test, body])])
    return graph


def copies(graph: Graph, inputs: list[np.ndarray]) -> int:
    """How often an update copies what it writes to."""
    counted = 0
    original = ops.DynamicUpdateSlice.numpy

    def counting(op: ops.DynamicUpdateSlice, *arrays: np.ndarray) -> np.ndarray:
        nonlocal counted
        counted += 1
        return original(op, *arrays)

    executable = compiled(graph)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops.DynamicUpdateSlice, "numpy", counting)
        executable(inputs)
    return counted


@pytest.mark.parametrize(
    ("seen_as", "expected"),
    [
        ("nothing", 0),
        ("copy", 0),
        ("itself", 0),
        ("two-places", 0),
        ("view", 60),
        ("view-after", 60),
    ],
)
def test_a_loop_writes_to_memory_of_its_own(seen_as: str, expected: int) -> None:
    graph = stacking(seen_as)
    inputs = [normal(64, 512), np.asarray(0), normal(512), normal(512)]
    check(graph, *inputs)
    assert copies(graph, inputs) == expected


def test_the_snapshots_of_a_gradient_are_written_in_place() -> None:
    types = [f32(3), TensorType(dtypes.i64, ())]
    body, ((x, i),) = new_region("body", types)
    returning(body, [find("sin")(x), i + 1])
    test, ((_, number),) = new_region("test", types)
    returning(test, [number < 40])
    graph = Graph("loop")
    operands = [Handle(Builder(graph), graph.add_input(type)) for type in types]
    graph.set_outputs([operands[0].emit(ops.While(0), operands, [test, body])[0].value])
    gradient = vjp_graph(graph, [0])
    inputs = [normal(3), np.asarray(0), normal(3)]
    check(gradient, *inputs)
    assert copies(gradient, inputs) == 2  # the first snapshot of each carry
