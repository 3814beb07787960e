"""The tutorial of the explicit graph runs and comes out as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "explicit_graph.py"


def run(*arguments: str) -> str:
    """What the script prints, run as a user does but for warnings, which are errors."""
    settings = {key: value for key, value in os.environ.items() if key != "IRFLOW_CHECK"}
    command = [sys.executable, "-W", "error", str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_after(label: str, printed: str) -> float:
    found = re.search(rf"{label}\s*(-?[\d.]+)", printed)
    assert found is not None, printed
    return float(found[1])


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_it_learns_and_starts_again(backend: str) -> None:
    printed = run("--steps", "200", "--backend", backend)
    assert number_after("test accuracy:", printed) > 0.93
    assert number_after("steps by the variable:", printed) == 200
    assert number_after("accuracy after the reset:", printed) < 0.3
    assert "without labels: placeholders are not fed: y" in printed


def test_it_needs_its_steps() -> None:
    assert number_after("test accuracy:", run("--steps", "3", "--backend", "numpy")) < 0.8


def test_it_comes_out_as_it_says() -> None:
    assert number_after("test accuracy:", run()) > 0.95
