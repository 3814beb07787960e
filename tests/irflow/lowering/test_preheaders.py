"""Matrices by which all repetitions of a loop multiply are packed once, before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.lowering import Target, row_blocks
from irflow.lowering.lower import lower_graph
from irflow.lowering.program import Program
from irflow.lowering.steps import KernelStep, every_step
from irflow.ops import Handle, Scan, matmul
from irflow.ops.region_parts import new_region, returning
from irflow.scalars import find
from tests.irflow.lowering.build import build, f32, interpreted

SMALL = Target("small", vector_bytes=16, vector_registers=8, l1_bytes=64, l2_bytes=128)
LARGE = Target("large", vector_bytes=16, vector_registers=8)
ROWS, UNITS, STEPS = 5, 10, 2
TYPES = f32(UNITS, UNITS), f32(ROWS, UNITS), f32(STEPS, ROWS, UNITS)


def product(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    state = find("tanh")(matmul(h, w) + x)
    return state, state


def inner_loop(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    """A loop inside, whose constant is that of the loop around it."""
    region, ((v,), (g,), _) = new_region("inner", [w.type], [h.type], [])
    returning(region, product(v, g, g)[:1])
    (state,) = w.emit(Scan(2, 1, 1), [w, h], [region])
    return state + x, state


def carried(w: Handle, h: Handle, x: Handle) -> tuple[Handle, Handle]:
    """The matrix is that of the step before."""
    left = matmul(x, w)
    return find("tanh")(matmul(w, w)), left + h


def scan(body: Callable[..., tuple[Handle, Handle]], is_carried: bool = False) -> Graph:
    matrix, state, _ = TYPES
    given = [[state], [matrix]] if is_carried else [[matrix], [state]]
    region, ((first,), (second,), (step,)) = new_region("body", *given, [state])
    inner = body(second, first, step) if is_carried else body(first, second, step)
    returning(region, inner)

    def function(w: Handle, h: Handle, x: Handle) -> Any:
        return w.emit(Scan(STEPS, 1, 1), [h, w, x] if is_carried else [w, h, x], [region])

    return build(function, *TYPES)


def panels(program: Program) -> list[KernelStep]:
    steps = every_step(program.steps)
    return [s for s in steps if isinstance(s, KernelStep) and "panels" in s.kernel.name]


def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [0.3 * random.normal(size=type.static_shape).astype(np.float32) for type in TYPES]


@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "blocks of rows"])
@pytest.mark.parametrize("body", [product, inner_loop])
def test_once_for_all_repetitions(
    body: Callable[..., tuple[Handle, Handle]], is_cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_cut:
        monkeypatch.setattr(row_blocks, "LEAST_ROWS", 4)
        monkeypatch.setattr(row_blocks, "LEAST_ELEMENTS", 1)
        monkeypatch.setattr(row_blocks, "MOST_SHARED", 8)
    graph, inputs = scan(body), arrays()
    program = lower_graph(graph, "test", SMALL)
    (step,) = panels(program)
    assert step in program.steps
    assert not panels(lower_graph(graph, "test", LARGE))
    for found, expected in zip(interpreted(program, inputs), evaluate(graph, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_changes_is_not_packed() -> None:
    graph, inputs = scan(carried, is_carried=True), arrays()
    program = lower_graph(graph, "test", SMALL)
    assert not panels(program)
    for found, expected in zip(interpreted(program, inputs), evaluate(graph, inputs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
