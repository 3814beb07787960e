"""What a scan stacks for its gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow.ir.graph import Node
from irflow.ops import Scan

Cell = Callable[[irf.Tensor, irf.Tensor, irf.Tensor], irf.Tensor]


def sigmoid(w: irf.Tensor, c: irf.Tensor, x: irf.Tensor) -> irf.Tensor:
    """Its gradient reads the result `s`, and `1 - s`."""
    return nn.sigmoid(c + x)


def product(w: irf.Tensor, c: irf.Tensor, x: irf.Tensor) -> irf.Tensor:
    """The gradient of `w` reads `c` transposed, that of `tanh` its result."""
    return inp.tanh(c @ w + x)


def scans(cell: Cell) -> list[Node]:
    def loss(w: irf.Tensor, c: irf.Tensor, x: irf.Tensor) -> irf.Tensor:
        def step(c: irf.Tensor, x: irf.Tensor) -> tuple[irf.Tensor, None]:
            return cell(w, c, x), None

        return irf.scan(step, c, x)[0].sum()

    shapes = (3, 3), (2, 3), (4, 2, 3)
    arguments = [np.ones(shape, np.float32) for shape in shapes]
    traced = irf.jit(irf.grad(loss, argnums=(0, 2))).trace(*arguments)
    return [node for node in traced.graph if isinstance(node.op, Scan)]


@pytest.mark.parametrize(
    ("cell", "stacks"), [(sigmoid, [(4, 2, 3)]), (product, [(4, 2, 3), (4, 2, 3)])]
)
def test_what_is_cheap_or_only_moved_is_not_stacked(
    cell: Cell, stacks: list[tuple[int, ...]]
) -> None:
    forward, _ = scans(cell)
    assert [value.type.shape for value in forward.outputs[1:]] == stacks
