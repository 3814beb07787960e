"""`irflow run`: compile a model and run it on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from irflow import compiler
from irflow.cli.arrays import (
    FORMS,
    Source,
    bind_arrays,
    read_source,
    result_names,
    save_results,
    summarize,
)
from irflow.cli.choices import add_backend, add_inputs, choose_backend, parse_assignments
from irflow.cli.console import note, print_table, progress
from irflow.cli.failures import DONE, CommandError, CommandParser
from irflow.cli.functions import hint_of, split_function
from irflow.cli.models import HELP as MODEL_HELP
from irflow.cli.models import Model, load_model, named_inputs
from irflow.ir import Graph, type_of
from irflow.records import dataclass

_EXAMPLES = """\
  irflow run model.irflow --input x=images.npy -o result.npz
  irflow run graph.ir --input x=random --input y=zeros --backend llvm
  irflow run graph.ir --input "x=f32[32, 784]" --seed 7
  irflow run model.py:forward --input "x=[[1, 2], [3, 4]]" --input w=weights.npz:dense

Values of parameters that a container holds need no --input. Sizes that no input decides are chosen,
and printed. Files are read without pickles; bfloat16 stands in them as two raw bytes an element.
Exit codes: 0 done, 1 compiling or running failed, 2 wrong command line.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command, named as on the command line."""

    model: str
    input: list[str]
    constraints: str | None
    backend: str | None
    level: int
    output: str | None
    seed: int


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    request = Request(**vars(_parser().parse_args(arguments)))
    given = parse_assignments(request.input)
    read = {name: read_source(name, text) for name, text in given.items()}
    backend = choose_backend(request.backend)
    model, sources = _load(request, given, read)
    _check_output(request.output, model.graph)
    arrays = bind_arrays(model.graph, sources, model.arrays, request.seed)
    with progress(f"running on {backend.name}"):
        executable = compiler.lower(model.graph, backend, level=request.level).compile()
        results = executable(arrays)
    names = result_names(model.graph)
    rows = [
        (name, type_of(array), *summarize(array))
        for name, array in zip(names, results, strict=True)
    ]
    print_table(["output", "type", "min", "max", "mean", "first"], rows)
    if request.output is not None:
        save_results(request.output, names, results)
        note(f"wrote {request.output}")
    return DONE


def _parser() -> CommandParser:
    parser = CommandParser("run", "Compile a model and run it on arrays.", _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    add_inputs(parser, f"the value of an input: {FORMS}", metavar="NAME=VALUE")
    add_backend(parser)
    parser.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        help="save all results as .npz, or the only one as .npy",
    )
    parser.add_argument("--seed", type=int, default=0, help="of random inputs (0)")
    return parser


def _load(
    request: Request, given: Mapping[str, str], sources: Mapping[str, Source]
) -> tuple[Model, Mapping[str, Source]]:
    """The model, and the sources of its inputs: those of static arguments are gone."""
    if split_function(request.model) is None:
        return load_model(request.model, {}, request.constraints), sources
    literals = {name: text for name, text in given.items() if sources[name].is_literal}
    model = load_model(request.model, _types(sources), request.constraints, literals)
    inputs = named_inputs(model.graph)
    kept = {
        name: source
        for name, source in sources.items()
        if name not in literals or hint_of(name) in inputs
    }
    return model, kept


def _types(sources: Mapping[str, Source]) -> dict[str, str]:
    """The types to trace a function for."""
    unknown = [name for name, source in sources.items() if source.fill and source.type is None]
    if unknown:
        raise CommandError(
            f"a function's {unknown[0]} needs a type",
            hint=f'--input "{unknown[0]}={sources[unknown[0]].fill}:f32[32, 784]"',
        )
    return {name: str(source.known_type or source.text) for name, source in sources.items()}


def _check_output(path: str | None, graph: Graph) -> None:
    if path is None or path.endswith(".npz") or (path.endswith(".npy") and len(graph.outputs) == 1):
        return
    raise CommandError(f"-o {path}: {len(graph.outputs)} results are saved as .npz")
