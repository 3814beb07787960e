"""The contract of a backend as a test class.

A third party writes

    from irflow.testing import BackendConformance

    class TestMine(BackendConformance):
        backend = "mine"

and runs pytest. What the backend claims by its capabilities it must run, and run right; what it
does not claim it may express by simpler ops or refuse with UnsupportedError, which skips the case
and says what is missing. Nothing here imports pytest; hypothesis is optional.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar
from unittest import SkipTest

import numpy as np

from irflow import dtypes, frontend, plugins
from irflow.backend import Capabilities, Executable
from irflow.errors import DTypeError, ShapeError, UnsupportedError
from irflow.ir.graph import Graph
from irflow.ir.op import OPS
from irflow.scalars import find
from irflow.testing.bench import Bench, lacking
from irflow.testing.cases import (
    DTypeCase,
    Part,
    SampleCase,
    SampleGroup,
    dtype_cases,
    merged,
    sample_cases,
    sample_groups,
)
from irflow.testing.functions import GRADIENTS, GradientCase, Training, arrays_of
from irflow.testing.graphs import random_inputs, recipes
from irflow.testing.recipes import Recipe
from irflow.testing.reference import Reference, assert_same_bits
from irflow.testing.small_graphs import (
    SHARING,
    StrangeOp,
    floats,
    pair,
    symbolic_graph,
)
from irflow.transform.pipeline import parse_pipeline

if TYPE_CHECKING:
    import pytest

THREADS = 8
CALLS_PER_THREAD = 20
LEVELS = (0, 1, 2, 3)


class BackendConformance:
    """Everything that holds for every backend; subclasses name theirs.

    Class attributes:
        backend: the name in the entry point, or under which `plugins.registered` knows it.
        examples: how many random graphs are tried.
        most_merged: how many samples of an op are compiled as one graph, which is faster than each
            alone; where that fails, each alone shows which.
        share: one in so many samples of an op is tried in an element type, others in the next one.
    """

    backend: ClassVar[str] = ""
    examples: ClassVar[int] = 25
    most_merged: ClassVar[int] = 1
    share: ClassVar[int] = 1

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test that takes cases one call a case; pytest asks for this."""
        tables: dict[str, Callable[[], Sequence[object]]] = {
            "sample": lambda: sample_groups(self.most_merged),
            "symbolic": lambda: [c for c in sample_cases() if c.sample.shapes is not None],
            "typed": dtype_cases,
            "gradient": lambda: GRADIENTS,
            "sharing": lambda: list(SHARING),
            "level": lambda: LEVELS,
        }
        for name, table in tables.items():
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, table(), ids=str)

    @property
    def bench(self) -> Bench:
        return Bench(self.backend)

    # -------------------------------------------------------------------------- what it says

    def test_the_backend_is_found_by_its_name(self) -> None:
        backend = plugins.find_backend(self.backend)
        assert backend.name == self.backend
        assert backend.level in ("graph", "program")

    def test_it_says_whether_it_can_run_here(self) -> None:
        reason = plugins.find_backend(self.backend).available()
        assert reason is None or len(reason) > 10, reason

    def test_capabilities_name_what_exists(self) -> None:
        backend = plugins.find_backend(self.backend)
        abilities = backend.capabilities()
        assert isinstance(abilities, Capabilities)
        assert abilities == backend.capabilities(), "capabilities change from call to call"
        assert abilities.dtypes <= frozenset(dtypes.ALL)
        assert abilities.ops is None or abilities.ops <= frozenset(OPS), abilities.ops
        for name in abilities.rows or ():
            assert find(name).name == name

    def test_its_passes_exist(self, level: int) -> None:
        parse_pipeline(plugins.find_backend(self.backend).pipeline(level), plugins.find_pass)

    def test_the_graph_is_listed(self) -> None:
        executable = self.bench.compile(pair(lambda x, y: [x + y]))
        assert "graph @" in executable.listing("graph")
        assert all(executable.listing(kind) for kind in executable.listings)
        try:
            executable.listing("tea leaves")
        except UnsupportedError:
            return
        raise AssertionError("a listing of an unknown kind raises UnsupportedError")

    # -------------------------------------------------------------------------- what it computes

    def test_sample(self, sample: SampleCase | SampleGroup) -> None:
        """Every sample of every op, with concrete sizes."""
        parts = sample.parts
        is_able = all(lacking(self.bench.backend, graph) is None for _, graph, _ in parts)
        if len(parts) == 1 or not is_able:
            self._check_each(parts)
            return
        _, graph, inputs = merged(parts)
        try:
            self.bench.check(graph, inputs, f"samples {sample}")
        except Exception:
            self._check_each(parts)
            raise

    def _check_each(self, parts: Sequence[Part]) -> None:
        """Each part alone; skipped only if all of them are."""
        skipped = []
        for label, graph, inputs in parts:
            try:
                self.bench.check(graph, inputs, f"sample {label}")
            except SkipTest as reason:
                skipped.append(reason)
        if len(skipped) == len(parts):
            raise skipped[0]

    def test_symbolic_sample(self, symbolic: SampleCase) -> None:
        """Every sample that is declared with symbolic sizes, compiled for all sizes."""
        self.bench.check(symbolic.declared, symbolic.inputs, f"symbolic sample {symbolic}")

    def test_dtype(self, typed: DTypeCase) -> None:
        """Every op in every element type that the backend claims."""
        backend = self.bench.backend
        cases = [(lacking(backend, part[1]), part) for part in typed.parts(self.share)]
        parts = [part for gap, part in cases if gap is None]
        if not parts:
            raise SkipTest(f"{self.backend} lacks {cases[0][0]}")
        _, graph, inputs = merged(parts)
        try:
            self.bench.check(graph, inputs, f"{typed}")
        except Exception:
            for label, single, arrays in parts:
                self.bench.check(single, arrays, f"{typed.op} ({label}) in {typed.dtype}")
            raise

    def test_gradient(self, gradient: GradientCase) -> None:
        """Gradients of functions, by `grad` inside `jit`."""
        function = gradient.gradient
        traced = frontend.jit(function).trace(*gradient.arguments)
        self.bench.compile(traced.graph)
        results = frontend.jit(function, backend=self.backend)(*gradient.arguments)
        reference = Reference(traced.graph, arrays_of(gradient.arguments))
        what = f"{self.backend}: the gradient of {gradient.name}"
        reference.check(arrays_of(results), what)

    def test_levels_agree(self, level: int) -> None:
        """Every optimisation level gives the same results."""
        case = GRADIENTS[0]
        graph = frontend.jit(case.gradient).trace(*case.arguments).graph
        self.bench.check(graph, arrays_of(case.arguments), f"level {level}", level)

    def test_one_compilation_serves_all_sizes(self) -> None:
        """An executable for a symbolic batch, called with several sizes in turn."""
        graph = symbolic_graph()
        executable = self.bench.compile(graph)
        for size in (3, 1, 8, 17, 3):
            inputs = [floats(size, 4, seed=size), floats(4, 2)]
            Reference(graph, inputs).check(executable(inputs), f"{self.backend}: batch of {size}")

    def test_training(self) -> None:
        """A training step with dropout and Adam, step by step; equal bits from run to run."""
        training = Training()
        params, state = training.start()
        graph = frontend.jit(training.step).trace(*training.arguments(0, params, state)).graph
        executable = self.bench.compile(graph)
        first, second = (self._train(training, executable, graph) for _ in range(2))
        assert_same_bits(first, second, f"{self.backend}: two trainings from one seed")

    def _train(self, training: Training, executable: Executable, graph: Graph) -> list[np.ndarray]:
        state = arrays_of(training.start())
        for number in range(4):
            rest = arrays_of(training.arguments(number, (), ()))
            inputs = [*state, *rest]
            results = executable(inputs)
            Reference(graph, inputs).check(results, f"{self.backend}: training step {number}")
            state = results[1:]
        return state

    def test_random_graphs(self) -> None:
        """Random graphs over all ops, shrunk where one fails."""
        try:
            from hypothesis import HealthCheck, Phase, given, note, settings
            from hypothesis import strategies as st
        except ImportError:
            raise SkipTest("hypothesis is not installed") from None
        bench, slow = self.bench, list(HealthCheck)
        phases = (Phase.generate, Phase.shrink)

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=slow,
        )
        @given(recipes(), st.integers(0, 20), st.booleans())
        def run(recipe: Recipe, seed: int, special: bool) -> None:
            graph = recipe.build()
            note(str(graph))
            if lacking(bench.backend, graph) is None:
                inputs = random_inputs(graph, seed, special=special)
                bench.check(graph, inputs, f"random graph, inputs of seed {seed}")

        run()

    # -------------------------------------------------------------------------- how it is called

    def test_equal_calls_give_equal_bits(self) -> None:
        """Twice the same call, and twice the same compilation."""
        case = GRADIENTS[0]
        graph = frontend.jit(case.gradient).trace(*case.arguments).graph
        inputs = arrays_of(case.arguments)
        first = self.bench.compile(graph)
        results = first(inputs)
        assert_same_bits(results, first(inputs), f"{self.backend}: two calls")
        assert_same_bits(
            results, self.bench.compile(graph)(inputs), f"{self.backend}: two compilations"
        )

    def test_results_stand_alone(self, sharing: str) -> None:
        """No result shares memory with an input, another result, or a result of the next call."""
        executable = self.bench.compile(pair(SHARING[sharing]))
        inputs = [floats(2, 3), floats(2, 3, seed=1)]
        kept = [array.copy() for array in inputs]
        first = executable(inputs)
        expected = [array.copy() for array in first]
        arrays = [*inputs, *first]
        for i, one in enumerate(arrays):
            for other in arrays[:i]:
                assert one is not other, "an array is returned that the caller has already"
                assert not np.shares_memory(one, other), "two arrays share memory"
        for array in first:
            assert array.flags.writeable, "a result is read-only"
            array.fill(77)
        assert_same_bits(kept, inputs, "writing into results changed the inputs")
        second = executable(inputs)
        assert_same_bits(expected, second, "writing into results changed those of the next call")
        executable([floats(2, 3, seed=2), floats(2, 3, seed=3)])
        assert_same_bits(expected, second, "the next call changed earlier results")

    def test_inputs_may_be_read_only_and_strided(self) -> None:
        """Views with steps, reversed, in Fortran order, repeated, read-only; none is written to."""
        executable = self.bench.compile(pair(lambda x, y: [x * y + x, y * 2.0]))
        wide = floats(8, 9)
        views = [
            wide[:4:2, ::3],
            wide[7:5:-1, 2::-1],
            np.asfortranarray(floats(2, 3)),
            wide[:3, :2].T,
        ]
        views.append(np.broadcast_to(floats(3), (2, 3)))
        for view in views:
            view = view.view()
            view.flags.writeable = False
            before = wide.copy()
            expected = executable([np.ascontiguousarray(view), floats(2, 3, seed=1)])
            got = executable([view, floats(2, 3, seed=1)])
            assert_same_bits(expected, got, f"{self.backend}: an input with strides {view.strides}")
            assert_same_bits([before], [wide], f"{self.backend}: an input was written to")

    def test_wrong_arguments_are_refused(self) -> None:
        """Too few, too many, of another shape, rank or element type: a ShapeError or DTypeError."""
        executable = self.bench.compile(pair(lambda x, y: [x + y]))
        good, wide = floats(2, 3), floats(3, 2)
        wrong: dict[str, list[np.ndarray]] = {
            "one argument too few": [good],
            "one argument too many": [good, good, good],
            "another shape": [good, wide],
            "another rank": [good, good[0]],
            "size 1 instead of 3": [good, good[:, :1]],
            "another element type": [good, good.astype(np.float64)],
            "integers": [good.astype(np.int32), good],
        }
        for what, arrays in wrong.items():
            self._refuses(executable, arrays, what)
        executable([good, good])

    def test_sizes_that_contradict_are_refused(self) -> None:
        """One symbolic size with two values, and a size below its bound."""
        executable = self.bench.compile(symbolic_graph(second=True))
        self._refuses(executable, [floats(3, 4), floats(2, 4)], "n = 3 and n = 2")
        self._refuses(executable, [floats(0, 4), floats(0, 4)], "n = 0 below its bound 1")

    def _refuses(self, executable: Executable, arrays: list[np.ndarray], what: str) -> None:
        try:
            executable(arrays)
        except (ShapeError, DTypeError):
            return
        raise AssertionError(
            f"{self.backend}: {what} is not refused with a ShapeError or DTypeError"
        )

    def test_what_it_lacks_is_refused(self) -> None:
        """An op that no backend knows, unless its NumPy meaning may be run for it."""
        abilities = self.bench.backend.capabilities()
        if abilities.ops is None and abilities.host_steps:
            raise SkipTest(f"{self.backend} runs every op, by its NumPy meaning if need be")
        with StrangeOp() as graph:
            try:
                executable = self.bench.compile(graph)
            except SkipTest:
                return
        raise AssertionError(f"{self.backend} compiled an op that it cannot know: {executable}")

    def test_threads_do_not_disturb_each_other(self) -> None:
        """One executable called from several threads, each with inputs of its own."""
        case = GRADIENTS[0]
        graph = frontend.jit(case.gradient).trace(*case.arguments).graph
        executable = self.bench.compile(graph)
        inputs = [
            [a + np.float32(i) / 8 for a in arrays_of(case.arguments)] for i in range(THREADS)
        ]
        expected = [executable(arrays) for arrays in inputs]
        problems: list[str] = []
        start = threading.Barrier(THREADS)

        def work(number: int) -> None:
            start.wait()
            try:
                results = [executable(inputs[number]) for _ in range(CALLS_PER_THREAD)]
                for result in results:
                    assert_same_bits(expected[number], result, f"thread {number}")
            except Exception as error:
                problems.append(f"thread {number}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems[0]
