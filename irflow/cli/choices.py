"""What commands share: the options about a model, and what they choose."""

from __future__ import annotations

import argparse

from irflow import plugins
from irflow.backend import Backend
from irflow.cli.failures import CommandError, misuse
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import Model, load_model, named_inputs
from irflow.compiler import pipeline_for, selected_backend
from irflow.dims import format_constraint
from irflow.errors import IrflowError, TextError, UnknownNameError
from irflow.ir import Graph
from irflow.records import dataclass
from irflow.transform.pipeline import Pipeline, parse_pipeline


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The options of `add_model`, named as on the command line."""

    model: str
    input: list[str]
    constraints: str | None
    backend: str | None
    level: int | None
    passes: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and how to compile it."""

    model: Model
    backend: Backend
    level: int
    pipeline: str


def add_model(parser: argparse.ArgumentParser, passes: str) -> None:
    """A model, its inputs, and how to compile it; `passes` says what --passes is for."""
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_inputs(parser)
    add_backend(parser)
    parser.set_defaults(level=None)
    parser.add_argument("--passes", metavar="PIPELINE", help=passes)


def open_model(request: ModelRequest) -> Model:
    """Load the model that is asked for."""
    return load_model(request.model, parse_assignments(request.input), request.constraints)


def choose(request: ModelRequest) -> Choice:
    """Find the backend and the pipeline, and load the model that is asked for."""
    backend = choose_backend(request.backend)
    level = 2 if request.level is None else request.level
    pipeline = str(choose_pipeline(request.passes, backend, level))
    return Choice(open_model(request), backend, level, pipeline)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """The options that choose backend and optimisation level."""
    parser.add_argument(
        "--backend",
        metavar="B",
        help="a name of `irflow backends`; IRFLOW_BACKEND or the best one by default",
    )
    parser.add_argument(
        "-O", dest="level", type=int, choices=range(4), default=2, help="the optimisation level (2)"
    )


def add_inputs(
    parser: argparse.ArgumentParser,
    meaning: str = "the type of a function's parameter, as in x=f32[n,784]",
    metavar: str = "NAME=TYPE",
) -> None:
    """The options that describe what goes into a model, and bound its symbolic sizes."""
    parser.add_argument("--input", action="append", default=[], metavar=metavar, help=meaning)
    parser.add_argument(
        "--constraints",
        metavar="TEXT",
        help='bounds of symbolic sizes, as in "1 <= n <= 4096, m >= 2"',
    )


def parse_assignments(texts: list[str]) -> dict[str, str]:
    """`name=value` texts as a table."""
    table: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise CommandError(f"--input {text!r} is not NAME=VALUE")
        if name in table:
            raise CommandError(f"--input {name} is given twice")
        table[name] = value
    return table


def choose_backend(name: str | None) -> Backend:
    """The backend to use; CommandError with the nearest names when there is none of that name."""
    with misuse(UnknownNameError):
        return selected_backend(name)


def choose_pipeline(text: str | None, backend: Backend, level: int) -> Pipeline:
    """The pipeline to run, with the passes that the backend adds when none is given."""
    if text is None:
        return parse_pipeline(pipeline_for(backend, level), plugins.find_pass)
    with misuse(UnknownNameError, TextError):
        return parse_pipeline(text, plugins.find_pass)


def describe_interface(graph: Graph) -> dict[str, list[dict[str, str]] | list[str]]:
    """The inputs, outputs and bounds of sizes of a graph, for programs."""
    signature = graph.signature
    return {
        "inputs": [
            {"name": name, "type": str(value.type), "role": role.kind, "role_name": role.name}
            for (name, value), role in zip(
                named_inputs(graph).items(), signature.inputs, strict=True
            )
        ],
        "outputs": [
            {"type": str(value.type), "role": role.kind, "role_name": role.name}
            for value, role in zip(graph.outputs, signature.outputs, strict=True)
        ],
        "sizes": [format_constraint(symbol) for symbol in graph.symbols],
    }


def first_line(error: IrflowError) -> str:
    """An error in one line, for tables."""
    return f"{type(error).__name__}: {error.summary}"
