"""The loops of ops that move elements give what their NumPy meanings give."""

from __future__ import annotations

import numpy as np
import pytest

from irflow.ir.evaluate import evaluate
from tests.irflow.ops.elements import run_loops
from tests.irflow.ops.test_samples import CASES, Case

NAMES = (
    "arg_reduce",
    "broadcast",
    "concatenate",
    "constant",
    "dynamic_slice",
    "dynamic_update_slice",
    "gather",
    "iota",
    "overlap_add",
    "pad",
    "reduce",
    "reshape",
    "reverse",
    "scatter",
    "size_of",
    "slice",
    "transpose",
    "windows",
)


@pytest.mark.parametrize("case", [p for p in CASES if p.values[0].name in NAMES])
def test_loops_equal_numpy(case: Case) -> None:
    graph = case.bound
    (node,) = graph
    expected = evaluate(graph, case.sample.inputs)
    for result, wanted in zip(run_loops(node, case.sample.inputs), expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-5)


def test_every_name_is_an_op() -> None:
    assert set(NAMES) <= {p.values[0].name for p in CASES}
