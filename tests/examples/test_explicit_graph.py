"""The tutorial of the explicit graph runs and comes out as it says."""

import pytest

from tests.examples.running import number_after, run

SCRIPT = "explicit_graph.py"


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_it_learns_and_starts_again(backend: str) -> None:
    printed = run(SCRIPT, "--steps", "200", "--backend", backend)
    assert number_after("test accuracy:", printed) > 0.93
    assert number_after("steps by the variable:", printed) == 200
    assert number_after("accuracy after the reset:", printed) < 0.3
    assert "without labels: placeholders are not fed: y" in printed


def test_it_needs_its_steps() -> None:
    assert number_after("test accuracy:", run(SCRIPT, "--steps", "3", "--backend", "numpy")) < 0.8


def test_it_comes_out_as_it_says() -> None:
    assert number_after("test accuracy:", run(SCRIPT)) > 0.95
