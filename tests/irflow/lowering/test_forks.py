"""Independent steps at the same time: which ones, and that nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow.ir.evaluate import bind_sizes
from irflow.lowering import Target, forks
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.lowering.steps import ForkStep, KernelStep, LoopStep, every_step
from irflow.report.costs import program_costs
from irflow.testing.graphs import random_graph, random_inputs
from tests.irflow.lowering.build import WIDE

THREE = replace(WIDE, threads=3)
RANDOM = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def program(function: Callable[..., Any], *arguments: np.ndarray, target: Target) -> Program:
    graph = irf.jit(function, backend="llvm").trace(*arguments).lower().graph
    made, again = (lower_graph(graph, "test", target) for _ in range(2))
    assert made.steps == again.steps, "always the same"
    return made


def found_in(made: Program) -> list[ForkStep]:
    return [step for step in every_step(made.steps) if isinstance(step, ForkStep)]


# ------------------------------------------------------------------------------------------- which


def heads(x: irf.Tensor, w: irf.Tensor) -> list[irf.Tensor]:
    """Four networks of three layers each."""
    found = []
    for i in range(4):
        h = x
        for j in range(3):
            h = inp.tanh(h @ w[i, j])
        found.append(h)
    return found


def chain(x: irf.Tensor, w: irf.Tensor) -> irf.Tensor:
    for i in range(4):
        for j in range(3):
            x = inp.tanh(x @ w[i, j])
    return x


def diamonds(x: irf.Tensor, w: irf.Tensor) -> irf.Tensor:
    for i in range(2):
        halves = [x, x]
        for j in range(2):
            halves = [inp.tanh(half @ w[2 * i + j, k]) for k, half in enumerate(halves)]
        x = halves[0] @ halves[1].T @ x
    return x


def directions(x: irf.Tensor, w: irf.Tensor) -> irf.Tensor:
    kernel, recurrent = w[0, 0][:, :32], w[1, 0][:8, :32]
    there, _ = nn.lstm(x, kernel, recurrent)
    back, _ = nn.lstm(x, kernel, recurrent, reverse=True)
    return there + back


SMALL, WEIGHTS = draw(8, 64), draw(4, 3, 64, 64) / 8
CASES: dict[str, tuple[Callable[..., Any], np.ndarray, Target, list[int]]] = {
    "heads": (heads, SMALL, THREE, [4]),
    "one chain": (chain, SMALL, THREE, []),
    "a join between": (diamonds, SMALL, THREE, [2, 2]),
    "one thread": (heads, SMALL, WIDE, []),
    "shared by threads anyway": (heads, draw(256, 64), THREE, []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_runs_at_the_same_time(name: str) -> None:
    function, x, target, branches = CASES[name]
    made = program(function, x, WEIGHTS, target=target)
    assert [len(fork.branches) for fork in found_in(made)] == branches


def test_what_threads_share_comes_before_a_fork() -> None:
    made = program(directions, draw(8, 200, 64), WEIGHTS, target=THREE)
    (fork,) = found_in(made)
    assert [[type(step) for step in branch] for branch in fork.branches] == [[LoopStep]] * 2
    products = [step for step in made.steps if isinstance(step, KernelStep)]
    assert any("matmul" in step.kernel.name for step in products)


def test_no_fork_where_it_would_take_much_more_memory() -> None:
    small = replace(THREE, l2_bytes=1 << 10)
    assert not found_in(program(heads, SMALL, WEIGHTS, target=small))


# ----------------------------------------------------------------------------------- nothing else


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks wherever there can be one."""
    monkeypatch.setattr(forks, "CALL", 0)
    monkeypatch.setattr(forks, "LEAST_GAIN", 1)
    monkeypatch.setattr(forks, "LEAST_SHARE", 1 << 30)


@pytest.mark.usefixtures("eager")
def test_random_graphs_with_forks_compute_the_same() -> None:
    count = 0
    for seed in range(12):
        graph = random_graph(seed, 20)
        plain, made = (lower_graph(graph, "test", t) for t in (WIDE, THREE))
        inputs = random_inputs(graph, seed)
        expected = [result.tobytes() for result in run_program(plain, inputs)]
        for backwards in (False, True):
            results = run_program(made, inputs, backwards)
            assert [result.tobytes() for result in results] == expected, seed
        assert Counter(program_costs(made)) == Counter(program_costs(plain)), seed
        count += len(found_in(made))
        assert not overlaps(made, bind_sizes(graph, inputs)), seed
    assert count > 8


@pytest.mark.usefixtures("eager")
def test_buffers_of_branches_do_not_overlap() -> None:
    def step(x: irf.Tensor, w: irf.Tensor) -> irf.Tensor:
        return sum((part * part).sum() for part in (*heads(x, w), directions(x[:, None], w)))

    made = program(irf.value_and_grad(step, argnums=(0, 1)), SMALL, WEIGHTS, target=THREE)
    assert len(found_in(made)) > 1
    assert not overlaps(made, {})


def overlaps(made: Program, sizes: dict[str, int]) -> list[tuple[int, int]]:
    """Pairs of buffers in one place, of which a branch writes one while another needs the other."""
    layout, roots = made.layout(sizes), forks._roots(made.steps)

    def place(number: int) -> range:
        offset = layout.offsets.get(number)
        if offset is None:  # not in the arena
            return range(-number - 2, -number - 1)
        nbytes = made.buffers[number].type.substitute(sizes).nbytes
        assert isinstance(nbytes, int)
        return range(offset, offset + nbytes)

    found = []
    for fork in found_in(made):
        used = [[forks.touched(step, roots) for step in branch] for branch in fork.branches]
        writes = [frozenset(n for one in branch for n in one.writes) for branch in used]
        needs = [frozenset(n for one in branch for n in one.reads | one.writes) for branch in used]
        for a, b in combinations(range(len(used)), 2):
            for first, second in ((writes[a], needs[b]), (writes[b], needs[a])):
                pairs = ((n, m) for n in first for m in second)
                found += [(n, m) for n, m in pairs if _meet(place(n), place(m))]
    return found


def _meet(a: range, b: range) -> bool:
    return max(a.start, b.start) < min(a.stop, b.stop)


def test_a_step_waits_for_all_that_it_needs() -> None:
    graph = random_graph(0, 4)
    kernel = next(lower_graph(graph).kernels())

    def step(reads: list[int], writes: list[int]) -> KernelStep:
        return KernelStep(kernel, tuple(reads), tuple(writes))

    # Buffer 9 lies in buffer 1.
    steps = [step([0], [1]), step([9], [2]), step([0], [3]), step([2], [9]), step([3], [0])]
    expected = [set(), {0}, set(), {0, 1}, {0, 2}]
    assert forks.dependences(steps, {9: 1}) == expected
