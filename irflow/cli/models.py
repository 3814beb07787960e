"""MODEL on the command line: graph text, a container, or a function of a Python file.

Graph text and containers are data and are only parsed. A Python file is executed, and that is said
on stderr.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

import numpy as np

import irflow.ops  # noqa: F401  graph text names operations, which exist once they are imported
from irflow import artifact, dims
from irflow.cli.failures import CommandError, misuse, unreachable_file
from irflow.cli.functions import hint_of, split_function, trace_function_of
from irflow.errors import DTypeError, IrflowError, ShapeError, TextError, UndecidableSizeError
from irflow.frontend.specs import Scope
from irflow.ir import Graph, TensorType, Value
from irflow.ir.check import check_graph
from irflow.ir.parse import parse_graph
from irflow.records import dataclass

HELP = """\
file.py:function (this executes the file), a graph text file, a .irflow container
(file.irflow:graph if it holds several), or - for graph text on standard input"""

_GRAPH_START = re.compile(r"(?:\s|//[^\n]*(?:\n|\Z))*graph\s+@")
_ZIP_START = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Model:
    """What MODEL stands for.

    Attributes:
        source: MODEL as it was written.
        graph: a checked graph.
        arrays: values of parameters and states, by the names in the graph's signature.
    """

    source: str
    graph: Graph
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


def load_model(
    reference: str,
    types: Mapping[str, str],
    constraints: str | None,
    literals: Mapping[str, str] | None = None,
) -> Model:
    """The model that `reference` names.

    Args:
        reference: MODEL.
        types: types such as `f32[n, 784]` by the name of a parameter; they are needed to trace a
            function, and give a graph's symbolic sizes values.
        constraints: bounds of the symbolic sizes of a function.
        literals: Python literals for static arguments whose entry in `types` is another text.

    Raises:
        CommandError: no such file, function or graph; missing or unknown inputs.
        IrflowError: the model is malformed, or the function cannot be traced.
    """
    function = split_function(reference)
    if function is not None:
        path, name = function
        _require_file(path)
        if constraints is not None:
            with misuse(TextError, about="--constraints"):
                dims.parse_constraint(constraints)
        graph, arrays = trace_function_of(path, name, types, constraints, literals or {})
        return Model(reference, graph, arrays)
    if constraints is not None:
        raise CommandError(
            "--constraints belongs to a Python function",
            hint="a graph states the bounds of its sizes itself, after `where`",
        )
    model = _load_graph(reference)
    return Model(reference, specialise(model.graph, types), model.arrays) if types else model


def specialise(graph: Graph, types: Mapping[str, str]) -> Graph:
    """A copy of `graph` with the sizes that `types` gives the inputs of these names."""
    inputs = named_inputs(graph)
    scope = Scope()
    patterns = []
    for name, text in types.items():
        value = inputs[find_input(graph, inputs, name)]
        with misuse(IrflowError, about=f"--input {name}={text}"):
            type = scope.type(text)
        patterns.append((name, value.type.shape, _static_shape(name, value.type, type)))
    with misuse(ShapeError, UndecidableSizeError):
        sizes = dims.solve(patterns)
    return graph.copy(sizes) if sizes else graph


def named_inputs(graph: Graph) -> dict[str, Value]:
    """The inputs by name: the hint, the name of the role, or else the position."""
    named: dict[str, Value] = {}
    for value, role in zip(graph.inputs, graph.signature.inputs, strict=True):
        name = value.hint or role.name
        named[name if name and name not in named else str(value.index)] = value
    return named


def find_input(graph: Graph, inputs: Mapping[str, Value], name: str) -> str:
    """The input that users call `name`: its own name, that of its role, `a.b` for `a['b']`.

    Raises:
        CommandError: there is none; lists all.
    """
    spellings = (name, hint_of(name))
    for known, role in zip(inputs, graph.signature.inputs, strict=True):
        if known in spellings or role.name in spellings:
            return known
    close = difflib.get_close_matches(name, inputs, n=1)
    raise CommandError(
        f"@{graph.name} has no input {name!r}",
        facts=[(f"%{known}", value.type) for known, value in inputs.items()],
        hint=f"did you mean {close[0]!r}?" if close else None,
    )


def _static_shape(name: str, declared: TensorType, wanted: TensorType) -> tuple[int, ...]:
    if declared.dtype is not wanted.dtype:
        with misuse(DTypeError):
            raise DTypeError(f"{name} is {declared}, not {wanted}")
    if not wanted.is_static:
        raise CommandError(
            f"--input {name}={wanted}: a graph's sizes can only become numbers",
            facts=[("declared", declared)],
        )
    return wanted.static_shape


# --- Files ----------------------------------------------------------------------------------------


def _load_graph(reference: str) -> Model:
    if reference == "-":
        return Model(reference, _parse(_read_stdin(), "standard input"))
    path, _, member = (
        reference.partition(":") if not os.path.exists(reference) else (reference, "", "")
    )
    _require_file(path)
    if path.endswith(".irflow") or _first_bytes(path).startswith(_ZIP_START):
        return _load_container(reference, path, member)
    graph = _parse(_read_text(path), path)
    if member:
        raise CommandError(f"{reference}: {path} is one graph and has no members")
    return Model(reference, graph)


def _require_file(path: str) -> None:
    if os.path.isdir(path):
        unreachable_file(path, "is a folder, not a model")
    if os.path.exists(path):
        return
    folder, name = os.path.split(path)
    try:
        close = difflib.get_close_matches(name, os.listdir(folder or "."), n=1)
    except OSError:
        close = []
    unreachable_file(path, "no such file", f"did you mean {close[0]!r}?" if close else None)


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(len(_ZIP_START))
    except OSError as error:
        unreachable_file(path, f"cannot be read: {error.strerror}")


def _read_text(path: str) -> str:
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        unreachable_file(path, f"cannot be read: {error.strerror}")
    if path.endswith(".ir") or _GRAPH_START.match(text):
        return text
    raise CommandError(
        f"{path} is no model",
        facts=[("models are", "file.py:function, graph text, .irflow containers, -")],
        hint=_hint(path),
    )


def _hint(path: str) -> str | None:
    if path.endswith(".py"):
        return f"name a function: {path}:function"
    return "ONNX files are not read yet" if path.endswith(".onnx") else None


def _read_stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise TextError("standard input: no UTF-8 text") from None


def _parse(text: str, place: str) -> Graph:
    try:
        graph = parse_graph(text)
        check_graph(graph)
    except IrflowError as error:
        raise type(error)(
            f"{place}: {error.summary}", facts=error.facts, location=error.location, hint=error.hint
        ) from error
    return graph


def _load_container(reference: str, path: str, member: str) -> Model:
    container = artifact.load(path)
    names = list(container.graphs)
    if container.kind == "keras":
        raise CommandError(
            f"{path} holds a model that can be trained, not a graph",
            hint="keras.models.load_model(path).export('served.irflow') writes its graph",
        )
    if not member and len(names) != 1:
        raise CommandError(
            f"{path} holds {len(names)} graphs; name one as {path}:NAME", facts=[("graphs", *names)]
        )
    if member and member not in names:
        raise CommandError(f"{path} holds no graph {member!r}", facts=[("graphs", *names)])
    return Model(reference, container.graphs[member or names[0]], container.arrays)
