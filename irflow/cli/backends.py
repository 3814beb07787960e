"""`irflow backends`: which backends are installed, and whether they can run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from irflow import plugins
from irflow.backend import Backend
from irflow.cli.choices import first_line
from irflow.cli.console import print_json, print_table
from irflow.cli.failures import DONE, CommandParser
from irflow.compiler.config import selected_name
from irflow.errors import BackendUnavailableError, IrflowError
from irflow.records import dataclass

_EXAMPLES = """\
  irflow backends
  irflow backends --json

The default is marked with *: IRFLOW_BACKEND, or else the available one of the highest priority.
"""


@dataclass(frozen=True, slots=True)
class Description:
    """One backend.

    Attributes:
        distribution: which installed package declares it.
        target: `module:Class`.
        status: `"available"`, `"unavailable"` or `"broken"`.
        reason: why it cannot run here.
        is_default: whether it is used when none is asked for.
        level: whether it takes graphs or programs.
    """

    name: str
    distribution: str
    target: str
    status: str
    reason: str | None
    is_default: bool
    level: str | None = None
    priority: int | None = None
    dtypes: tuple[str, ...] = ()
    dynamic_sizes: bool | None = None
    control_flow: bool | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    parser = CommandParser(
        "backends", "List the backends, and whether they can run here.", _EXAMPLES
    )
    parser.add_argument("--json", action="store_true", help="print a list for programs")
    as_json = parser.parse_args(arguments).json
    found = describe_backends()
    if as_json:
        print_json([asdict(backend) for backend in found])
        return DONE
    rows = [
        (b.name + " *" * b.is_default, b.status, b.level or "-", b.distribution, b.reason or "")
        for b in found
    ]
    print_table(["backend", "status", "takes", "from", "reason"], rows)
    return DONE


def describe_backends() -> list[Description]:
    """All backends by name; those that do not load are described as broken."""
    default = _default_name()
    return [_describe(name, name == default) for name in plugins.names(plugins.BACKENDS)]


def _default_name() -> str | None:
    name = selected_name()
    if name is not None:
        return name
    try:
        return plugins.default_backend().name
    except BackendUnavailableError:
        return None


def _describe(name: str, is_default: bool) -> Description:
    entry = plugins.entries(plugins.BACKENDS).get(name)
    distribution, target = (entry.distribution, entry.target) if entry else ("this process", "-")
    try:
        backend = plugins.find_backend(name)
        reason = backend.available()
    except IrflowError as error:
        cause = next((fact[1] for fact in error.facts if fact[0] == "reason"), None)
        return Description(
            name, distribution, target, "broken", cause or first_line(error), is_default
        )
    except Exception as error:  # a third party's constructor may raise anything
        text = f"{type(error).__name__}: {error}"
        return Description(name, distribution, target, "broken", text, is_default)
    return _describe_loaded(backend, name, distribution, target, reason, is_default)


def _describe_loaded(
    backend: Backend, name: str, distribution: str, target: str, reason: str | None, default: bool
) -> Description:
    abilities = backend.capabilities()
    return Description(
        name,
        distribution,
        target,
        "unavailable" if reason else "available",
        reason,
        default,
        backend.level,
        backend.priority,
        tuple(sorted(dtype.name for dtype in abilities.dtypes)),
        abilities.dynamic_sizes,
        abilities.control_flow,
    )
