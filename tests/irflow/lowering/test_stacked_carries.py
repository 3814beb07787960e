"""Carries that lie in a stack of their values are copied in no repetition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from irflow import dims
from irflow.ir.graph import Graph
from irflow.lowering import row_blocks
from irflow.lowering.program import Program
from irflow.lowering.steps import CopyStep, LoopStep, every_step
from irflow.ops import Handle, Scan
from irflow.ops.region_parts import new_region, returning
from tests.irflow.lowering.build import build, f32
from tests.irflow.lowering.test_control import check

ROWS = 9
KINDS = [
    # what is stacked, which results are read, copies in a repetition: forwards, and in reverse
    ("new", (1, 2), 0, 0),
    ("new, read at the end", (0, 1, 2), 1, 1),
    ("old", (0, 1, 2), 0, 1),
    ("old", (2,), 0, 1),
    ("new and old", (2, 3), 1, 1),
    ("old of both", (0, 2, 3), 0, 2),
]


def recurrence(kind: str, results: tuple[int, ...], length: dims.Size, reverse: bool) -> Graph:
    state = f32(ROWS, 3)
    body, ((w,), (h, c), (x,)) = new_region("body", [f32(ROWS, 3)], [state, state], [state])
    y = h * w + x
    d = c + y
    stacks = {"new and old": [y, h], "old of both": [h, c]}.get(kind, [h if kind == "old" else y])
    returning(body, [y, d, *stacks])

    def function(*operands: Handle) -> Any:
        found = operands[0].emit(Scan(length, 1, 2, reverse), operands, [body])
        return [found[i] for i in results]

    return build(function, state, state, state, f32(length, ROWS, 3))


def copies(program: Program, length: dims.Size) -> int:
    """How many copies there are in the loop."""
    (loop,) = [
        step
        for step in every_step(program.steps)
        if isinstance(step, LoopStep) and step.length == length and len(step.body) > 1
    ]
    return sum(isinstance(step, CopyStep) for step in loop.body)


@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "blocks of rows"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "results", "forwards", "backwards"), KINDS)
def test_carries_lie_in_stacks(
    kind: str,
    results: tuple[int, ...],
    forwards: int,
    backwards: int,
    reverse: bool,
    is_cut: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_cut:
        monkeypatch.setattr(row_blocks, "LEAST_ROWS", 4)
        monkeypatch.setattr(row_blocks, "LEAST_ELEMENTS", 1)
    random = np.random.default_rng(0)
    for length in (1, 3):
        shapes = (ROWS, 3), (ROWS, 3), (ROWS, 3), (length, ROWS, 3)
        arrays = [random.normal(size=shape).astype(np.float32) for shape in shapes]
        program = check(recurrence(kind, results, length, reverse), *arrays)
        if not is_cut:
            assert copies(program, length) == (backwards if reverse else forwards)


@pytest.mark.parametrize("kind", ["new", "old"])
@pytest.mark.parametrize("length", [0, 2])
def test_any_length(kind: str, length: int) -> None:
    graph = recurrence(kind, (1, 2), dims.symbol("t", 0), False)
    random = np.random.default_rng(0)
    shapes = (ROWS, 3), (ROWS, 3), (ROWS, 3), (length, ROWS, 3)
    check(graph, *(random.normal(size=shape).astype(np.float32) for shape in shapes))
