"""Every op on a batch: what `batch_graph` makes equals a Python loop over the batch."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.autodiff import batch_graph
from irflow.compiler import compile_graph
from irflow.dims import Size
from irflow.ir.builder import Builder
from irflow.ir.check import check_graph
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import Op
from irflow.ir.types import Shape, TensorType
from irflow.ops import Broadcast, Call, Matmul, Reshape, Solve, TriangularSolve
from irflow.testing.cases import SampleCase, merged, sample_cases, single

CASES = [case for case in sample_cases() if case.inputs]
SYMBOLIC = [case for case in CASES if case.sample.shapes is not None]
COPIES = 3
SLOW = pytest.mark.slow


def perturbed(x: np.ndarray, number: int) -> np.ndarray:
    """Another array like `x`: floats nearer to zero, integers moved on, bools exchanged."""
    if x.dtype == bool:
        return x ^ bool(number % 2)
    if dtypes.from_numpy(x.dtype).is_inexact:
        with np.errstate(all="ignore"):
            return np.asarray(x * x.dtype.type(1 - number / 8))
    return np.asarray(x + x.dtype.type(number))


def choices(count: int) -> Iterator[tuple[bool, ...]]:
    """Which inputs are batched: all, and each alone."""
    yield (True,) * count
    if count > 1:
        yield from (tuple(i == alone for i in range(count)) for alone in range(count))


def stacked(case: SampleCase, flags: Sequence[bool], copies: int) -> list[np.ndarray]:
    """The inputs, those with a flag as a batch of perturbed copies."""
    return [
        np.stack([perturbed(x, i) for i in range(copies)]) if flag else x
        for x, flag in zip(case.inputs, flags, strict=True)
    ]


def looped(
    case: SampleCase, inputs: Sequence[np.ndarray], flags: Sequence[bool]
) -> list[np.ndarray]:
    """The results by a Python loop."""
    steps = [
        evaluate(
            case.bound, [x[i, ...] if flag else x for x, flag in zip(inputs, flags, strict=True)]
        )
        for i in range(COPIES)
    ]
    return [np.stack(results) for results in zip(*steps, strict=True)]


def assert_close(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        dtype = dtypes.from_numpy(x.dtype)
        epsilon = float(dtype.epsilon) if dtype.is_inexact else 0.0
        wide = (
            np.complex128 if dtype.kind == "complex" else np.float64 if dtype.is_inexact else None
        )
        np.testing.assert_allclose(
            x.astype(wide or x.dtype), y.astype(wide or y.dtype), 50 * epsilon, 50 * epsilon
        )


def batched(case: SampleCase, graph: Graph, size: Size, flags: Sequence[bool]) -> Graph:
    """The graph on a batch, checked, with the batch axis in all results."""
    result, found = batch_graph(graph, flags, size, [True] * len(graph.outputs))
    check_graph(result)
    assert all(found)
    return result


def names(graph: Graph) -> set[str]:
    return {node.op.name for node in graph}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_op_on_a_batch_is_a_loop_over_it(case: SampleCase) -> None:
    for flags in choices(len(case.inputs)):
        graph = batched(case, case.bound, COPIES, flags)
        inputs = stacked(case, flags, COPIES)
        assert_close(evaluate(graph, inputs), looped(case, inputs, flags))


@pytest.mark.parametrize("case", SYMBOLIC, ids=str)
def test_sizes_may_be_symbolic_that_of_the_batch_too(case: SampleCase) -> None:
    for flags in choices(len(case.inputs)):
        graph = batched(case, case.declared, dims.symbol("batch", lower=0), flags)
        inputs = stacked(case, flags, COPIES)
        assert_close(evaluate(graph, inputs), looped(case, inputs, flags))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_batch_may_be_empty(case: SampleCase) -> None:
    for flags in choices(len(case.inputs)):
        graph = batched(case, case.bound, 0, flags)
        inputs = [
            np.zeros((0, *x.shape), x.dtype) if flag else x
            for x, flag in zip(case.inputs, flags, strict=True)
        ]
        for value, found in zip(case.bound.outputs, evaluate(graph, inputs), strict=True):
            assert (found.dtype, found.shape) == (value.type.dtype.numpy, (0, *value.type.shape))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_op_that_does_not_say_how_is_scanned(
    case: SampleCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(case.sample.op), "batch", lambda *arguments: None)
    graph = case.bound if case.sample.shapes is None else case.declared
    for flags in choices(len(case.inputs)):
        result = batched(case, graph, COPIES, flags)
        assert names(result) >= {"scan"} or case.op in ("call", "fusion")
        inputs = stacked(case, flags, COPIES)
        assert_close(evaluate(result, inputs), looped(case, inputs, flags))


def test_which_ops_are_scanned() -> None:
    """Only what is here; a plugin's op would be too, and control flow has loops of its own."""
    scanned = {
        (case.op, flags)
        for case in CASES
        for flags in choices(len(case.inputs))
        if not case.sample.regions and "scan" in names(batched(case, case.bound, COPIES, flags))
    }
    # A convolution whose image and weights both have the batch would be one of many groups.
    assert scanned == {
        ("convolution", (True, True)),
        ("convolution_input_gradient", (True, True)),
        ("convolution_weight_gradient", (True, True)),
        ("integer_convolution", (True, True)),
    }


N = dims.symbol("n")


@pytest.mark.parametrize(
    ("op", "shapes", "flags", "shape"),
    [
        (Matmul(), [(4, 5), (5, 6)], (True, False), (12, 6)),
        (Matmul(), [(N, 5), (5, 6)], (True, False), (3 * N, 6)),
        (Matmul(), [(4, 5), (5, 6)], (False, True), (18, 4)),
        (Matmul(), [(2, 4, 5), (2, 5, 6)], (True, False), (2, 12, 6)),
        (Solve(), [(4, 4), (4, 2)], (False, True), (4, 6)),
        (TriangularSolve(), [(4, 4), (4, N)], (False, True), (4, 3 * N)),
    ],
)
def test_a_factor_that_is_the_same_for_all_is_not_repeated(
    op: Op, shapes: list[Shape], flags: tuple[bool, ...], shape: Shape
) -> None:
    graph, _ = batch_graph(single(op, [TensorType(dtypes.f32, s) for s in shapes]), flags, COPIES)
    (node,) = (node for node in graph if type(node.op) is type(op))
    assert node.output.type.shape == shape
    assert "broadcast" not in names(graph)


def test_a_scan_gets_the_sizes_that_only_the_op_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broadcast, "batch", lambda *arguments: None)
    graph = Graph("repeated")
    n, x = dims.symbol("n"), TensorType(dtypes.f32, ())
    inputs = [graph.add_input(x.with_shape((n,)), "like"), graph.add_input(x, "x")]
    graph.set_outputs(Builder(graph).emit(Broadcast((n,), ()), inputs[1:]))
    result, _ = batch_graph(graph, (False, True), COPIES)
    check_graph(result)
    arrays = [np.zeros(2, np.float32), np.arange(3, dtype=np.float32)]
    expected = np.repeat(arrays[1][:, None], 2, 1)
    assert_close(evaluate(result, arrays), [expected])
    assert_close(compile_graph(result, "llvm")(arrays), [expected])


def test_a_size_of_a_region_may_have_the_name_of_that_of_the_batch() -> None:
    n = dims.symbol("n")
    region = single(Reshape((n, 1)), [TensorType(dtypes.f32, (n,))])
    graph = single(Call("column"), [TensorType(dtypes.f32, (4,))], [region])
    result, _ = batch_graph(graph, (True,), n)
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert_close(evaluate(result, [x]), [x[..., None]])
    assert names(result) == {"call"}


def test_what_does_not_depend_on_the_batch_stays_as_it_is() -> None:
    for case in CASES:
        graph, found = batch_graph(case.bound, [False] * len(case.inputs), COPIES)
        assert not any(found)
        assert graph.output_types == case.bound.output_types
        assert_close(evaluate(graph, case.inputs), evaluate(case.bound, case.inputs))


OPS = sorted({case.op for case in CASES})


@pytest.mark.parametrize(
    ("op", "most"), [(op, 2) for op in OPS] + [pytest.param(op, 6, marks=SLOW) for op in OPS]
)
def test_the_loops_of_a_batch_equal_numpy(op: str, most: int) -> None:
    """What the LLVM backend makes of each op's batched graphs, for a few samples."""
    cases = [case for case in CASES if case.op == op][:most]
    parts = []
    for number, case in enumerate(cases):
        for flags in choices(len(case.inputs)):
            inputs = stacked(case, flags, COPIES)
            graph = batched(case, case.bound, COPIES, flags)
            parts.append((f"p{number}{len(parts)}", graph, tuple(inputs)))
    _, graph, arrays = merged(parts)
    found = compile_graph(graph, "llvm")(list(arrays))
    assert_close(found, evaluate(graph, arrays))
