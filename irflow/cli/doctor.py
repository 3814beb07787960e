"""`irflow doctor`: what is installed, what works here, and what is wrong."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, field
from importlib import metadata

import numpy as np

import irflow.ops  # noqa: F401  the self-test names operations, which exist once they are imported
from irflow import compiler, plugins
from irflow.artifact.manifest import irflow_version
from irflow.cli.backends import Description, describe_backends
from irflow.cli.console import print_json, print_table
from irflow.cli.failures import DONE, FAILED, CommandParser
from irflow.cli.verification import verify
from irflow.errors import IrflowError
from irflow.ir.parse import parse_graph
from irflow.log import TOPICS
from irflow.records import dataclass

_EXAMPLES = """\
  irflow doctor
  irflow doctor --json

Exit codes: 0 all is well, 1 something is broken.
"""

REQUIRED = ("numpy", "ml_dtypes", "networkx", "rich", "safetensors", "llvmlite")
OPTIONAL = ("cupy", "onnx", "h5py", "matplotlib", "pillow", "tensorboard", "ziglang")
_SELF_TEST = """\
graph @self_test(%x: f32[n, 8], %w: f32[8, 4]) -> f32[n, 4], f32[] where 1 <= n <= 64 {
  %0 = matmul %x, %w : f32[n, 4]
  %1 = elementwise<tanh> %0 : f32[n, 4]
  %2 = elementwise<multiply> %1, %1 : f32[n, 4]
  %3 = reduce<add, axes=(0, 1)> %2 : f32[]
  return %1, %3
}
"""


@dataclass(slots=True)
class Health:
    """What the command found.

    Attributes:
        versions: of irflow and the packages it needs; None for one that is not installed.
        settings: the environment variables of irflow that are set.
        tests: per available backend, what is wrong with it, or None.
        problems: one sentence each; none means that all is well.
    """

    python: str
    platform: str
    cpu_features: list[str]
    threads: int
    versions: dict[str, str | None]
    settings: dict[str, str]
    backends: list[Description]
    tests: dict[str, str | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    parser = CommandParser("doctor", "Check the installation.", _EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print the findings for programs")
    as_json = parser.parse_args(arguments).json
    health = examine()
    if as_json:
        print_json(asdict(health))
    else:
        _print(health)
    return FAILED if health.problems else DONE


def examine() -> Health:
    """Look at everything, and run a small graph on every available backend."""
    health = Health(
        python=f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        platform=platform.platform(),
        cpu_features=_cpu_features(),
        threads=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        versions={
            "irflow": irflow_version(),
            **{name: _version(name) for name in (*REQUIRED, *OPTIONAL)},
        },
        settings={
            name: value for name, value in sorted(os.environ.items()) if name.startswith("IRFLOW_")
        },
        backends=describe_backends(),
    )
    usable = [backend.name for backend in health.backends if backend.status == "available"]
    health.tests = {name: self_test(name) for name in usable}
    health.problems = _problems(health)
    return health


def self_test(backend: str) -> str | None:
    """What is wrong with a small graph compiled by a backend, or None."""
    graph = parse_graph(_SELF_TEST)
    try:
        verify(compiler.lower(graph, backend, check=3).compile(), graph, {})
    except IrflowError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a third party's backend may raise anything
        return f"{type(error).__name__}: {error}"
    return None


def _cpu_features() -> list[str]:
    """The vector extensions that NumPy found on this processor."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return [*extensions.get("baseline", []), *extensions.get("found", [])]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _problems(health: Health) -> list[str]:
    missing = [f"{name} is not installed" for name in REQUIRED if health.versions[name] is None]
    broken = [f"backend {b.name!r}: {b.reason}" for b in health.backends if b.status == "broken"]
    failed = [f"the self-test fails on {name}: {why}" for name, why in health.tests.items() if why]
    return [
        *missing,
        *plugins.problems(),
        *broken,
        *_broken_passes(),
        *([] if health.tests else ["no backend can run here"]),
        *failed,
        *_wrong_settings(health),
    ]


def _broken_passes() -> list[str]:
    found = []
    for name in plugins.names(plugins.PASSES):
        try:
            plugins.find_pass(name)
        except IrflowError as error:
            found.append(str(error))
    return found


def _wrong_settings(health: Health) -> list[str]:
    wrong = []
    backend = health.settings.get("IRFLOW_BACKEND", "")
    if backend and backend not in [known.name for known in health.backends]:
        wrong.append(f"IRFLOW_BACKEND: no backend is called {backend!r}")
    check = health.settings.get("IRFLOW_CHECK", "0")
    if check not in ("0", "1", "2", "3"):
        wrong.append(f"IRFLOW_CHECK is 0, 1, 2 or 3, not {check!r}")
    for topic in filter(None, health.settings.get("IRFLOW_LOG", "").split(",")):
        if topic not in (*TOPICS, "all"):
            wrong.append(f"IRFLOW_LOG: no topic is called {topic!r}; known: {', '.join(TOPICS)}")
    return wrong


def _print(health: Health) -> None:
    facts: list[tuple[str, str]] = [
        ("python", health.python),
        ("platform", health.platform),
        ("cpu", " ".join(health.cpu_features) or "unknown"),
        ("threads", str(health.threads)),
        *((name, version or "not installed") for name, version in health.versions.items()),
        *(health.settings.items() or [("settings", "none")]),
    ]
    print_table(["what", "found"], facts)
    print()
    rows = [(b.name, b.status, _verdict(health, b), b.distribution) for b in health.backends]
    print_table(["backend", "status", "self-test", "from"], rows)
    print()
    for problem in health.problems:
        print(f"problem: {problem}")
    count = len(health.problems)
    print(f"{count} problem{'s' * (count > 1)}" if count else "all is well")


def _verdict(health: Health, backend: Description) -> str:
    if backend.name not in health.tests:
        return backend.reason or "-"
    return "failed" if health.tests[backend.name] else "passed"
