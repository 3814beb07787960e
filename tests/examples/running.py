"""Running an example as its user does, and reading what it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    """What an example prints, run as a user does but for warnings, which are errors."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    settings = {key: value for key, value in os.environ.items() if key != "IRFLOW_CHECK"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_after(label: str, printed: str) -> float:
    """The number behind a label."""
    found = re.search(rf"{label}\s*(-?[\d.]+)", printed)
    assert found is not None, printed
    return float(found[1])
