"""The loops of ops that move elements give what their NumPy meanings give."""

from __future__ import annotations

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.errors import UndecidableSizeError
from irflow.ir.evaluate import evaluate
from irflow.ir.types import TensorType, type_of
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.ops import ArgReduce, Gather, Scatter
from tests.irflow.ops.derivatives import graph_of
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


@pytest.mark.parametrize("outside", ["clip", "drop"])
def test_an_axis_that_turns_out_empty_is_neither_read_nor_written(outside: str) -> None:
    n = dims.symbol("n", lower=0)
    x, rows = np.zeros((0, 2), np.float32), np.array([[0], [-1], [5]])
    updates = np.ones((3, 2), np.float32)
    operands = [TensorType(dtypes.f32, (n, 2)), type_of(rows)]
    gathering = graph_of(Gather(outside), operands)
    scattering = graph_of(Scatter("add", outside), [*operands, type_of(updates)])
    for graph, arrays in [(gathering, [x, rows]), (scattering, [x, rows, updates])]:
        (wanted,) = evaluate(graph, arrays)
        (result,) = run_program(lower_graph(graph), arrays)
        np.testing.assert_array_equal(result, wanted)
        assert not result.any()


def test_positions_along_an_axis_that_may_be_empty_are_refused() -> None:
    with pytest.raises(UndecidableSizeError, match="n >= 1"):
        graph_of(ArgReduce("max", 0), [TensorType(dtypes.f32, (dims.symbol("n", lower=0), 2))])
