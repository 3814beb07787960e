"""Results in the place of inputs that are lent: whenever that may be, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn, ops
from irflow.lowering import lending
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.ops import Handle
from tests.irflow.lowering.build import WIDE, f32, fused

RANDOM = np.random.default_rng(0)
SHAPES = {"w": (6, 40), "v": (6, 40), "x": (5, 6), "y": (5, 40)}
GIVEN = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}

Function = Callable[[irf.Tensor, irf.Tensor, irf.Tensor, irf.Tensor], Any]


def momentum(w: irf.Tensor, v: irf.Tensor, x: irf.Tensor, y: irf.Tensor) -> Any:
    """A step of training of one layer, whose weights are read before."""
    v = v * 0.9 + x.T @ (nn.relu(x @ w) - y)
    return w - v * 0.1, v


def by_other_names(w: irf.Tensor, v: irf.Tensor, x: irf.Tensor, y: irf.Tensor) -> Any:
    return w + inp.flip(w.reshape(-1)).reshape(6, 40)


def branched(w: irf.Tensor, v: irf.Tensor, x: irf.Tensor, y: irf.Tensor) -> Any:
    chosen = irf.cond(x[0, 0] > 0, lambda: w.sum(), lambda: w[0, 0])
    return w * chosen


def looped(w: irf.Tensor, v: irf.Tensor, x: irf.Tensor, y: irf.Tensor) -> Any:
    """Steps of training in a loop; `v` is read in each of them."""

    def body(carried: irf.Tensor, row: irf.Tensor) -> Any:
        return carried - v * row[0], carried.sum()

    return irf.scan(body, w, x)


CASES: dict[str, tuple[Function, tuple[int | None, ...]]] = {
    "element by element": (lambda w, v, x, y: w - v * 0.5, (0,)),
    "each in its own place": (lambda w, v, x, y: (v * 2, w - 1), (1, 0)),
    "a step of training": (momentum, (0, 1)),
    "read later": (lambda w, v, x, y: (w + 1, (w + 1) @ w.T), (None, None)),
    "read by another one": (lambda w, v, x, y: (w + 1, x @ w), (0, None)),
    "elsewhere": (lambda w, v, x, y: w + inp.flip(w), (None,)),
    "returned as it is": (lambda w, v, x, y: (w + v, w, v), (None, None, None)),
    "another type": (lambda w, v, x, y: (w + v).astype("float64"), (None,)),
    "by other names": (by_other_names, (None,)),
    "by rows, which are read twice": (lambda w, v, x, y: nn.softmax(w), (None,)),
    "in branches before": (branched, (0,)),
    "in a loop that carries it": (looped, (0, None)),
    "carried twice": (lambda w, v, x, y: irf.fori_loop(0, 2, swapped, (w, w)), (None, None)),
    "steps on the host": (lambda w, v, x, y: (w + 1, inp.linalg.svd(x)[1]), (None, None)),
    "one result for two inputs": (lambda w, v, x, y: (w + v, (w * v).sum()), (0, None)),
}


def swapped(_: irf.Tensor, carried: tuple[irf.Tensor, irf.Tensor]) -> Any:
    first, second = carried
    return second + 1, first * 2


def starts(program: Program) -> tuple[int | None, ...]:
    return tuple(program.buffers[number].start for number in program.output_numbers())


@pytest.mark.parametrize("name", CASES)
def test_which_results_take_the_place_of_inputs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "LEAST", 0)
    function, expected = CASES[name]
    graph = irf.jit(function, backend="llvm").trace(*GIVEN.values()).lower().graph
    made = lower_graph(graph, "test", WIDE, lent=range(4))
    before = {key: array.copy() for key, array in GIVEN.items()}
    for backwards in (False, True):
        plain = run_program(lower_graph(graph, "test", WIDE), list(GIVEN.values()), backwards)
        for found, wanted in zip(
            run_program(made, list(GIVEN.values()), backwards), plain, strict=True
        ):
            np.testing.assert_array_equal(found, wanted)
    assert all(np.array_equal(array, before[key]) for key, array in GIVEN.items())
    assert starts(made) == expected, str(made)
    assert all(start is None for start in starts(lower_graph(graph, "test", WIDE)))


def test_inputs_that_fit_the_nearest_cache_are_left_alone() -> None:
    graph = irf.jit(lambda w: w + 1, backend="llvm").trace("f32[32, 32]").lower().graph
    assert starts(lower_graph(graph, lent=[0])) == (None,)
    graph = irf.jit(lambda w: w + 1, backend="llvm").trace("f32[33, 32]").lower().graph
    assert starts(lower_graph(graph, lent=[0])) == (0,)


def test_what_waits_keeps_little_memory() -> None:
    """The update reads what is large and needed no longer; it comes first as it did."""

    def step(w: irf.Tensor, x: irf.Tensor) -> Any:
        g = nn.relu(x)
        return w - x.T @ g, (w * 2).sum()

    found = {}
    for rows in (8, 512):
        graph = irf.jit(step, backend="llvm").trace("f32[64, 64]", f"f32[{rows}, 64]").lower().graph
        found[rows] = starts(lower_graph(graph, lent=[0]))[0]
    assert found == {8: 0, 512: None}


def test_two_kernels_of_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "LEAST", 0)

    def both(w: Handle) -> list[Handle]:
        part: Handle = ops.slice_(w, (0, 0), (4, 4), (1, 1))
        return [w + 1, part * 2]

    w = RANDOM.normal(size=(4, 8)).astype(np.float32)
    for turn, expected in ((1, (None, None)), (-1, (None, 0))):
        made = lower_graph(fused(lambda w, t=turn: both(w)[::t], f32(4, 8)), lent=[0])
        assert starts(made) == expected, str(made)
        expected_results = [w + 1, w[:, :4] * 2][::turn]
        for found, wanted in zip(run_program(made, [w]), expected_results, strict=True):
            np.testing.assert_array_equal(found, wanted)
