"""The cases made by peers, where they are at hand: gradients, and training runs within the peers'
band.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared"
CASES = SHARED / "conformance"

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the peers' cases (../shared/conformance) are not at hand"
)


def run(script: str, *arguments: str, **environment: str) -> str:
    """What a runner of the peers' cases printed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("IRFLOW_", "OPENBLAS_"))}
    process = subprocess.run(
        [sys.executable, str(CASES / script), *arguments],
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**clean, **environment},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("eager", ["", pytest.param("jit", marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_gradients(backend, eager):
    cases = str(CASES / "gradients" / "cases")
    printed = run(
        "gradients/check_cases.py", "--cases", cases, "--adapter", "gradients_adapter",
        IRFLOW_BACKEND=backend, IRFLOW_EAGER=eager,
    )  # fmt: skip
    passed = int(re.search(r"pass=(\d+)/", printed)[1])
    failed = [
        line for line in printed.splitlines() if re.match(r"\s+(fail|error|crash|timeout)", line)
    ]
    assert not failed, "\n".join(failed)
    assert passed >= 253


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_digits_training_is_as_good_as_the_peers(backend):
    printed = run(
        "training/run_training.py", "--adapter", "training_adapter", "--case", "digits_mlp",
        IRFLOW_BACKEND=backend,
    )  # fmt: skip
    assert "pass=1/1" in printed, printed


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_mnist_training_is_as_good_as_the_peers(backend):
    printed = run(
        "training/run_training.py", "--adapter", "training_adapter", "--case", "mnist_mlp",
        "--data", str(SHARED / "data"), IRFLOW_BACKEND=backend,
    )  # fmt: skip
    assert "pass=1/1" in printed, printed


@pytest.mark.slow
def test_training_with_keras_is_as_good_as_the_peers():
    printed = run(
        "training/run_training.py", "--adapter", "keras_training_adapter",
        "--case", "digits_mlp,mnist_mlp,mnist_cnn,shakes_lstm", "--data", str(SHARED / "data"),
        IRFLOW_BACKEND="llvm",
    )  # fmt: skip
    assert "pass=4/4" in printed, printed


@pytest.mark.parametrize("backend", ["numpy", pytest.param("llvm", marks=pytest.mark.slow)])
def test_training_runs_of_keras(backend):
    printed = run(
        "trajectories/check_trajectories.py", "--cases", str(CASES / "trajectories" / "cases"),
        KERAS_LIKE="irflow.keras", IRFLOW_BACKEND=backend,
    )  # fmt: skip
    assert "pass=44/44" in printed, printed
