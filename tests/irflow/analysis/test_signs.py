"""Which values are known to have no negative elements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import irflow as irf
from irflow import nn
from irflow.analysis.signs import is_non_negative

Function = Callable[[irf.Tensor], irf.Tensor]

CASES: list[tuple[str, bool, Function]] = [
    ("an argument", False, lambda x: x),
    ("relu", True, nn.relu),
    ("clipped", True, nn.relu6),
    ("clipped below 0", False, lambda x: irf.numpy.minimum(nn.relu(x), -1.0)),
    ("at least 0", True, lambda x: irf.numpy.maximum(x, 0.0)),
    ("moved", True, lambda x: nn.relu(x).reshape(-1, 2).T[1:]),
    ("added", True, lambda x: nn.relu(x) + abs(x)),
    ("less", False, lambda x: nn.relu(x) - 1.0),
    ("pooled", True, lambda x: nn.max_pool(nn.relu(x), 2, 1, ((1, 1), (0, 1)))),
    ("of no element", False, lambda x: nn.max_pool(nn.relu(x), 2, 1, ((2, 0), (0, 0)))),
]


@pytest.mark.parametrize(
    ("is_known", "function"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_signs(is_known: bool, function: Function) -> None:
    graph = irf.jit(function).trace(np.zeros((1, 4, 4, 2), np.float32)).graph
    assert is_non_negative(graph.outputs[0]) == is_known
