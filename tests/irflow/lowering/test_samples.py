"""The loops of every op, interpreted, give what the op means."""

from __future__ import annotations

import pytest

from irflow.testing.reference import Reference
from tests.irflow.lowering.build import NARROW, WIDE, interpreted, lowered, run
from tests.irflow.ops.test_samples import CASES, SYMBOLIC, Case


@pytest.mark.thinned(2)
@pytest.mark.parametrize("case", CASES)
def test_interpreted_loops_equal_numpy(case: Case) -> None:
    graph, inputs = case.bound, case.sample.inputs
    reference = Reference(graph, inputs)
    programs = {str(p): p for p in (lowered(graph, target) for target in (NARROW, WIDE))}
    for program in programs.values():
        reference.check(interpreted(program, inputs), f"{case.name}, lowered to\n{program}\n")


@pytest.mark.parametrize("case", SYMBOLIC)
def test_loops_with_symbolic_sizes_equal_numpy(case: Case) -> None:
    graph, inputs = case.declared, case.sample.inputs
    Reference(graph, inputs).check(run(graph, inputs, NARROW), case.name)
