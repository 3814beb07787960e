"""Parts that stand side by side along rows have loops of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from irflow.ir.evaluate import evaluate
from irflow.loops.print import print_kernel
from irflow.lowering.columns import MOST_PIECES
from irflow.lowering.interpret import run_program
from irflow.ops import Handle, broadcast, concatenate, pad, slice_
from tests.irflow.lowering.build import WIDE, f32, fused, lowered

LANES, ROWS = 16, 16


def joined(x: Handle, y: Handle) -> Handle:
    """Three parts, two of them joined before; the second one is twice as wide."""
    width = x.shape[1]
    wide = broadcast(slice_(y, (0, 0), (ROWS, 1)), (ROWS, 2 * width), (0, 1))
    return concatenate([x * 2.0, concatenate([wide + 1.0, x], 1)], 1)


def padded(x: Handle, y: Handle) -> Handle:
    width = x.shape[1]
    return pad(x, (0, 0), (0, width)) + pad(y * 3.0, (0, width), (0, 0))


@pytest.mark.parametrize(("function", "pieces"), [(joined, 3), (padded, 2)])
@pytest.mark.parametrize(("width", "is_cut"), [(LANES, True), (LANES - 3, False)])
def test_pieces_of_rows(
    function: Callable[..., Handle], pieces: int, width: int, is_cut: bool
) -> None:
    graph = fused(function, f32(ROWS, width), f32(ROWS, width))
    program = lowered(graph, WIDE)
    text = "".join(map(print_kernel, program.kernels()))
    assert ("select" not in text and "|" not in text) == is_cut
    assert text.count("y0[") == pieces or not is_cut
    x = np.arange(ROWS * width, dtype=np.float32).reshape(ROWS, width)
    (found,), (wanted,) = run_program(program, [x, x + 0.5]), evaluate(graph, [x, x + 0.5])
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("axis", "shape"), [(0, (3, ROWS, LANES)), (1, (ROWS, 2, 5)), (2, (1, ROWS, LANES))]
)
def test_pieces_of_other_axes_and_of_one_image(axis: int, shape: tuple[int, ...]) -> None:
    graph = fused(lambda x, y: concatenate([x * 2.0, y, x + y], axis), f32(*shape), f32(*shape))
    program = lowered(graph, WIDE)
    text = "".join(map(print_kernel, program.kernels()))
    assert "select" not in text
    assert "|" not in text
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    (found,), (wanted,) = run_program(program, [x, x + 0.5]), evaluate(graph, [x, x + 0.5])
    np.testing.assert_array_equal(found, wanted)


def test_many_pieces_are_one_loop() -> None:
    graph = fused(lambda *x: concatenate(x, 1), *[f32(ROWS, LANES)] * (MOST_PIECES + 1))
    (kernel,) = lowered(graph, WIDE).kernels()
    assert "select" in print_kernel(kernel)
