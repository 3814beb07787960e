"""The conformance kit finds what is wrong with a backend: each of these fails a named test."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest

from irflow import dtypes, plugins
from irflow.backend import Backend, Capabilities, Executable
from irflow.errors import IrflowError, UnsupportedError
from irflow.ir.evaluate import bind_sizes, evaluate
from irflow.ir.graph import Graph
from irflow.testing import BackendConformance
from irflow.testing.cases import (
    DTypeCase,
    SampleCase,
    dtype_cases,
    sample_cases,
    sample_groups,
)

Arrays = Sequence[np.ndarray]


class Faulty(Executable):
    """Runs the reference evaluator, and then what a test says."""

    def __init__(
        self, graph: Graph, spoil: Callable[[Graph, Arrays, list[np.ndarray]], Any]
    ) -> None:
        super().__init__(graph)
        self.spoil = spoil

    def __call__(self, arrays: Arrays) -> list[np.ndarray]:
        bind_sizes(self.graph, arrays)
        results = [np.array(result) for result in evaluate(self.graph, arrays)]
        changed: list[np.ndarray] = self.spoil(self.graph, arrays, results)
        return changed


def nothing(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
    return results


class Kit(BackendConformance):
    backend = "faulty"
    examples = 40


def kit_for(spoil: Any = nothing, **abilities: Any) -> Any:
    """The kit, with a backend registered that spoils its results."""

    class FaultyBackend(Backend):
        name = "faulty"

        def capabilities(self) -> Capabilities:
            return Capabilities(**abilities)

        def compile(self, work: Any, options: Any) -> Executable:
            return Faulty(work, spoil)

    return plugins.registered(plugins.BACKENDS, "faulty", FaultyBackend)


def sample(op: str, label: str) -> SampleCase:
    return next(c for c in sample_cases() if c.op == op and c.sample.label == label)


TANH = sample("elementwise", "tanh-f32")
KIT = Kit()


def rows_of(graph: Graph) -> list[str]:
    return [node.op.row.name for node in graph if node.op.name == "elementwise"]


def test_a_right_backend_passes() -> None:
    with kit_for():
        KIT.test_sample(TANH)
        KIT.test_threads_do_not_disturb_each_other()
        KIT.test_wrong_arguments_are_refused()
        KIT.test_training()
        for name in ("an-input-twice", "views"):
            KIT.test_results_stand_alone(name)


def test_a_wrong_value_is_named_with_op_sample_dtype_and_element() -> None:
    def spoil(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        results[0][1, 2] += np.float32(1e-3)
        results[0][0, 0] += np.float32(1e-4)
        return results

    with kit_for(spoil), pytest.raises(AssertionError) as error:
        KIT.test_sample(TANH)
    text = str(error.value)
    assert text.startswith(f"faulty: sample {TANH}: result 0 is wrong")
    assert "worst at      (1, 2)  (f32[4, 3]; 2 of 12 elements are wrong)" in text
    expected = np.tanh(TANH.inputs[0].astype(np.float64))[1, 2]
    assert f"expected      {expected}" in text
    got = np.tanh(TANH.inputs[0])[1, 2] + np.float32(1e-3)
    assert f"got           {got!s}" in text


def test_a_wrong_sample_is_named_where_several_are_compiled_together() -> None:
    group = next(g for g in sample_groups(8) if TANH in g.cases)
    assert len(group.cases) == 8
    compiled = []

    def spoil(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        compiled.append(len(graph.outputs))
        if "tanh" in rows_of(graph):
            results[rows_of(graph).index("tanh")] += np.float32(1e-3)
        return results

    with kit_for(spoil), pytest.raises(AssertionError, match=f"^faulty: sample {TANH}: "):
        KIT.test_sample(group)
    assert compiled[0] == 8
    with kit_for():
        KIT.test_sample(group)


def test_a_wrong_dtype_and_a_wrong_shape_are_found() -> None:
    with (
        kit_for(lambda g, a, results: [r.astype(np.float64) for r in results]),
        pytest.raises(AssertionError, match=r"expected +f32\[4, 3\]\s+got +f64\[4, 3\]"),
    ):
        KIT.test_sample(TANH)
    with (
        kit_for(lambda g, a, results: [r[..., None] for r in results]),
        pytest.raises(AssertionError, match=r"got +f32\[4, 3, 1\]"),
    ):
        KIT.test_sample(TANH)
    with kit_for(lambda g, a, results: []), pytest.raises(AssertionError, match="0 instead of 1"):
        KIT.test_sample(TANH)


def test_an_off_by_one_integer_is_found() -> None:
    case = DTypeCase("matmul", dtypes.i32)
    with (
        kit_for(lambda g, a, results: [r + r.dtype.type(1) for r in results]),
        pytest.raises(AssertionError, match="matmul .* in i32: result 0 is wrong"),
    ):
        KIT.test_dtype(case)


def test_a_wrong_row_in_one_dtype_is_named() -> None:
    def spoil(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        for node, result in zip(graph, results, strict=False):
            if rows_of(graph)[:1] == ["left_shift"] or getattr(node.op, "row", None) is None:
                continue
            if node.op.row.name == "left_shift" and result.dtype == np.uint8:
                result += 1
        if rows_of(graph) == ["left_shift"] and results[0].dtype == np.uint8:
            results[0] += 1
        return results

    with kit_for(spoil), pytest.raises(AssertionError, match=r"elementwise \(left_shift\) in u8"):
        KIT.test_dtype(DTypeCase("elementwise", dtypes.u8))


def test_shared_memory_is_found() -> None:
    def views(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        return evaluate(graph, arrays)

    for name in ("an-input", "an-input-twice", "a-result-twice", "views"):
        with (
            kit_for(views),
            pytest.raises(AssertionError, match="share memory|has already"),
        ):
            KIT.test_results_stand_alone(name)


def test_a_result_that_the_next_call_overwrites_is_found() -> None:
    kept: dict[int, list[np.ndarray]] = {}

    def reuse(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        buffers = kept.setdefault(id(graph), results)
        for buffer, result in zip(buffers, results, strict=True):
            np.copyto(buffer, result)
        return buffers

    with kit_for(reuse), pytest.raises(AssertionError, match="next call"):
        KIT.test_results_stand_alone("a-constant")


def test_a_changed_input_is_found() -> None:
    def write(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        if arrays[0].flags.writeable is False:
            arrays[0].base[...] = 0
        return results

    with kit_for(write), pytest.raises(AssertionError):
        KIT.test_inputs_may_be_read_only_and_strided()


def test_threads_that_share_a_buffer_are_found() -> None:
    kept: dict[int, list[np.ndarray]] = {}
    pause = threading.Event()

    def reuse(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        buffers = kept.setdefault(id(graph), [r.copy() for r in results])
        for buffer, result in zip(buffers, results, strict=True):
            np.copyto(buffer, result)
        pause.wait(0.001)
        return [buffer.copy() for buffer in buffers]

    with kit_for(reuse), pytest.raises(AssertionError, match="thread"):
        KIT.test_threads_do_not_disturb_each_other()


def test_results_that_change_from_call_to_call_are_found() -> None:
    calls = iter(range(100))

    def drift(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        return [np.nextafter(r, np.inf, dtype=r.dtype) if next(calls) else r for r in results]

    with kit_for(drift), pytest.raises(AssertionError, match="differs in bits"):
        KIT.test_equal_calls_give_equal_bits()


def test_arguments_that_are_not_checked_are_found() -> None:
    class Careless(Faulty):
        def __call__(self, arrays: Arrays) -> list[np.ndarray]:
            return [np.zeros((2, 3), np.float32)]

    class CarelessBackend(Backend):
        name = "faulty"

        def compile(self, work: Any, options: Any) -> Executable:
            return Careless(work, nothing)

    with (
        plugins.registered(plugins.BACKENDS, "faulty", CarelessBackend),
        pytest.raises(AssertionError, match="one argument too few is not refused"),
    ):
        KIT.test_wrong_arguments_are_refused()


def test_what_is_claimed_must_run() -> None:
    class Refusing(Backend):
        name = "faulty"

        def compile(self, work: Any, options: Any) -> Executable:
            raise UnsupportedError("not today")

    with (
        plugins.registered(plugins.BACKENDS, "faulty", Refusing),
        pytest.raises(AssertionError, match="claims all that this graph needs, but refuses"),
    ):
        KIT.test_sample(TANH)


def test_what_is_not_claimed_is_skipped_with_the_reason() -> None:
    limits = {
        "ops": {"ops": frozenset({"reduce"})},
        "rows": {"rows": frozenset({"add"})},
        "dtypes": {"dtypes": frozenset({dtypes.i32})},
    }
    reasons = {
        "ops": r"faulty lacks elementwise<tanh> f32\[4, 3\]",
        "rows": r"faulty lacks elementwise<tanh> f32\[4, 3\]",
        "dtypes": "faulty lacks the element type f32",
    }
    for name, abilities in limits.items():
        with kit_for(**abilities), pytest.raises(SkipTest, match=reasons[name]):
            KIT.test_sample(TANH)
    with kit_for(dynamic_sizes=False), pytest.raises(SkipTest, match="dynamic sizes"):
        KIT.test_one_compilation_serves_all_sizes()


def test_an_unavailable_backend_is_skipped_with_its_reason() -> None:
    class Absent(Backend):
        name = "faulty"

        def available(self) -> str | None:
            return "no card is plugged in"

        def compile(self, work: Any, options: Any) -> Executable:
            raise IrflowError("")

    with (
        plugins.registered(plugins.BACKENDS, "faulty", Absent),
        pytest.raises(SkipTest, match="faulty is not available: no card is plugged in"),
    ):
        KIT.test_sample(TANH)


def test_the_random_graphs_find_a_wrong_op(monkeypatch: pytest.MonkeyPatch) -> None:
    # One graph in four has the op, and then not always in front of a result.
    monkeypatch.setattr(type(KIT), "examples", 300)

    def spoil(graph: Graph, arrays: Arrays, results: list[np.ndarray]) -> list[np.ndarray]:
        if any(node.op.name == "reduce" for node in graph):
            results[0] = np.logical_not(results[0]).astype(results[0].dtype)
        return results

    with kit_for(spoil), pytest.raises(AssertionError, match="random graph"):
        KIT.test_random_graphs()


def test_there_are_cases_for_every_op_and_dtype() -> None:
    from irflow.ir.op import OPS

    assert {case.op for case in sample_cases()} == set(OPS)
    typed = dtype_cases()
    assert {case.dtype for case in typed} == {d for d in dtypes.ALL if d.kind != "complex"}
    of_matmul = {case.dtype.name for case in typed if case.op == "matmul"}
    assert {"f16", "bf16", "f64", "i32"} <= of_matmul
    assert "f32" not in of_matmul, "the samples themselves are"
    every, shared = (list(DTypeCase("reduce", d).parts(s)) for d in (dtypes.f64,) for s in (1, 3))
    assert len(every) / 3 <= len(shared) < len(every) / 2
    labels = [label for label, _, _ in DTypeCase("elementwise", dtypes.bf16).parts()]
    assert "tanh" in labels
    assert "bitwise_and" not in labels


def test_nothing_of_pytest_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys, irflow.testing\n"
        "print([m for m in ('pytest', 'hypothesis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
