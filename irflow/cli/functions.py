"""Functions of Python files as models: load the file, bind types to parameters, trace."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, TracebackType

import numpy as np

from irflow.cli.console import note
from irflow.cli.failures import CommandError, ModelError, misuse, unreachable_file
from irflow.errors import IrflowError, UsageError
from irflow.frontend import JitFunction, Variable, jit
from irflow.frontend.specs import Scope
from irflow.frontend.tracing import TracedFunction
from irflow.ir import Graph, TensorType
from irflow.location import Location

Spec = TensorType | dict[str, "Spec"] | list["Spec"]

_REFERENCE = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_JSON_WORDS = {"true": True, "false": False, "null": None}
_PATH = re.compile(r"(?P<root>[^\W\d]\w*)(?P<steps>(?:\.[^.\[\]]+|\[\d+\])*)")
_STEP = re.compile(r"\.[^.\[\]]+|\[\d+\]")
_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def split_function(reference: str) -> tuple[str, str] | None:
    """The file and the function of `file.py:function`; None for other forms of MODEL."""
    match = _REFERENCE.fullmatch(reference)
    return (match["path"], match["name"]) if match else None


def hint_of(name: str) -> str:
    """What a traced graph calls the input that users write as `params.w`: `params['w']`."""
    match = _PATH.fullmatch(name)
    if match is None:
        return name
    steps = _STEP.findall(match["steps"])
    return match["root"] + "".join(f"[{s[1:]!r}]" if s[0] == "." else s for s in steps)


def trace_function_of(
    path: str,
    name: str,
    types: Mapping[str, str],
    constraints: str | None,
    literals: Mapping[str, str],
) -> tuple[Graph, dict[str, np.ndarray]]:
    """Execute the file at `path` and trace its function `name`.

    Args:
        path: a Python file.
        name: of a function in it, jitted or plain; dots lead into classes and objects.
        types: a type by parameter name; entries of dicts and lists are written `params.w` and
            `layers[0]`, and static arguments are Python literals.
        constraints: bounds such as `1 <= n <= 4096`.
        literals: for static arguments, instead of their entry in `types`.

    Returns:
        The graph, and the values of the variables that it reads by name.

    Raises:
        CommandError: no such function; missing or unknown inputs.
        ModelError: the file or the function raised an error of its own.
    """
    note(f"executing {path} to load {name!r}")
    with running(path):
        module = _execute(path)
        function = _jitted(_find(module, path, name), path, name, constraints)
        traced = _trace(function, types, literals)
    return traced.graph, _variables(traced)


# --- Loading --------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(path: str) -> Iterator[None]:
    """Run the user's code as `python file.py` would, but with its output on stderr.

    Modules beside the file can be imported. Errors of the user's code become `ModelError`.
    """
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except IrflowError as error:
        if error.location is not None and error.location.file == _started_file():
            error.location = None  # the script that started this command is not the user's
        raise
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit) as error:
        raise _model_error(path, error) from error
    finally:
        sys.path.remove(folder)


def _started_file() -> str | None:
    return getattr(sys.modules["__main__"], "__file__", None)


def _execute(path: str) -> ModuleType:
    name = "irflow_model_" + re.sub(r"\W", "_", Path(path).stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        unreachable_file(path, "cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _model_error(path: str, error: BaseException) -> ModelError:
    frames = [("at", place) for place in _places(error.__traceback__)]
    if isinstance(error, SystemExit):
        return ModelError(
            f"{path} ended the program with code {error.code!r}",
            facts=frames,
            hint="guard what a script does with: if __name__ == '__main__':",
        )
    text = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        place = f"{os.path.basename(error.filename or path)}:{error.lineno}"
        frames = [("at", f"{place}:    {(error.text or '').strip()}")]
    return ModelError(f"{path} raised {text}", facts=frames)


def _places(trace: TracebackType | None) -> list[str]:
    """The user's frames, outermost first."""
    frames = [
        (frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(trace)
    ]
    return [
        Location(*frame).describe()
        for frame in frames
        if not frame[0].startswith((_OWN_FOLDER, "<frozen"))
    ]


def _find(module: ModuleType, path: str, name: str) -> object:
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = _functions(path)
            close = difflib.get_close_matches(name, known, n=1)
            raise CommandError(
                f"{path} has no function {name!r}",
                facts=[("functions", ", ".join(known) or "(none)")],
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
        found = getattr(found, part)
    return found


def _functions(path: str) -> list[str]:
    """The functions that stand at the top of a file."""
    tree = ast.parse(Path(path).read_bytes())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _jitted(found: object, path: str, name: str, constraints: str | None) -> JitFunction:
    if not callable(found):
        raise CommandError(f"{path}: {name} is no function but of type {type(found).__name__}")
    function = found if isinstance(found, JitFunction) else _jit(found)
    if constraints is None:
        return function
    return JitFunction(
        function.function, dataclasses.replace(function.options, constraints=constraints)
    )


def _jit(function: Callable[..., object]) -> JitFunction:
    made: JitFunction = jit(function)
    return made


# --- Binding --------------------------------------------------------------------------------------


def _trace(
    function: JitFunction, types: Mapping[str, str], literals: Mapping[str, str]
) -> TracedFunction:
    if function.options.spec is not None and not types:
        return function.trace().function
    signature = inspect.signature(function.function)
    roots = _roots(function.name, signature, types)
    _check_complete(function.name, signature, roots)
    scope = Scope(function.options.constraints)
    bound = signature.bind_partial()
    for name in signature.parameters:
        if name in roots:
            static = name in function.options.static_names
            bound.arguments[name] = (
                _static(name, literals.get(name, types.get(name)))
                if static
                else _spec(roots[name], scope)
            )
    return function.trace(*bound.args, **bound.kwargs).function


def _roots(
    function: str, signature: inspect.Signature, types: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """For each parameter what was given for it, by the steps that follow its name."""
    roots: dict[str, dict[str, str]] = {}
    for given, text in types.items():
        match = _PATH.fullmatch(given)
        kind = (
            signature.parameters[match["root"]].kind
            if match and match["root"] in signature.parameters
            else None
        )
        if match is None or kind is None or kind in (kind.VAR_POSITIONAL, kind.VAR_KEYWORD):
            close = difflib.get_close_matches(given, signature.parameters, n=1)
            raise CommandError(
                f"{function} has no parameter {given!r}",
                facts=[("signature", f"{function}{signature}")],
                hint=f"did you mean {close[0]!r}?" if close else None,
            )
        roots.setdefault(match["root"], {})[match["steps"]] = text
    return roots


def _check_complete(
    function: str, signature: inspect.Signature, given: Mapping[str, object]
) -> None:
    missing = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name not in given
    ]
    if missing:
        raise CommandError(
            f"{function} needs a type for {', '.join(missing)}",
            facts=[("signature", f"{function}{signature}")],
            hint=" ".join(f'--input "{name}=f32[n, 784]"' for name in missing[:3]),
        )


def _static(name: str, text: str | None) -> object:
    if text in _JSON_WORDS:
        return _JSON_WORDS[text]
    try:
        return ast.literal_eval(text or "")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise CommandError(
            f"--input {name}={text}: {name} is a static argument and takes a Python literal"
        ) from None


def _spec(given: Mapping[str, str], scope: Scope) -> Spec:
    """The nested structure of types that paths such as `.dense[0].w` describe."""
    if "" in given:
        if len(given) > 1:
            raise CommandError(f"--input gives a type and parts of it: {', '.join(given.values())}")
        with misuse(IrflowError, about=f"--input …={given['']}"):
            return scope.type(given[""])
    parts: dict[str, dict[str, str]] = {}
    for steps, text in given.items():
        step = _STEP.match(steps)
        assert step is not None
        parts.setdefault(step[0], {})[steps[step.end() :]] = text
    if all(step.startswith(".") for step in parts):
        return {step[1:]: _spec(rest, scope) for step, rest in parts.items()}
    expected = [f"[{position}]" for position in range(len(parts))]
    if sorted(parts) != sorted(expected):
        raise CommandError(
            f"--input: the entries of a list are {', '.join(expected)}", facts=[("given", *parts)]
        )
    return [_spec(parts[step], scope) for step in expected]


def _variables(traced: TracedFunction) -> dict[str, np.ndarray]:
    variables = [capture for capture in traced.captures if isinstance(capture, Variable)]
    values = {variable.name: variable.data for variable in variables}
    if len(values) < len(variables):
        names = [variable.name for variable in variables]
        repeated = next(name for name in names if names.count(name) > 1)
        raise UsageError(
            f"two variables are called {repeated!r}",
            hint="give Variable(…, name=…) different names",
        )
    return values
