"""The loops of every op, interpreted, give what the op means."""

from __future__ import annotations

import pytest

from irflow.ir.graph import Graph
from irflow.lowering import Target
from irflow.testing.reference import Reference
from tests.irflow.lowering.build import NARROW, WIDE, run
from tests.irflow.ops.test_samples import CASES, SYMBOLIC, Case


def compare(graph: Graph, case: Case, target: Target) -> None:
    inputs = case.sample.inputs
    Reference(graph, inputs).check(run(graph, inputs, target), case.name)


@pytest.mark.parametrize("target", [NARROW, WIDE], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_interpreted_loops_equal_numpy(case: Case, target: Target) -> None:
    compare(case.bound, case, target)


@pytest.mark.parametrize("case", SYMBOLIC)
def test_loops_with_symbolic_sizes_equal_numpy(case: Case) -> None:
    compare(case.declared, case, NARROW)
