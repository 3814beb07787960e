"""`--input` of `irflow run`: arrays from files, literals and random numbers; and files of results.

Files are NumPy's own formats and are read without pickles, which could execute code.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

from irflow import dims, dtypes
from irflow.cli.console import note
from irflow.cli.failures import CommandError, misuse, unreachable_file
from irflow.cli.models import find_input, named_inputs
from irflow.errors import ArtifactError, DTypeError, IrflowError, ShapeError, UndecidableSizeError
from irflow.frontend.specs import Scope
from irflow.ir import Graph, TensorType, type_of
from irflow.records import dataclass
from irflow.transform.verify import choose_sizes

FORMS = "file.npy, file.npz, file.npz:NAME, random, zeros, a type as f32[2, 3], zeros:TYPE, [1, 2]"

_FILE = re.compile(r"(?P<path>.+\.(?:npy|npz))(?::(?P<member>.+))?")
_FILL = re.compile(r"(?P<kind>random|zeros)(?::(?P<type>.+))?")
_TYPE = re.compile(r"\w+\s*\[.*\]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the array of one input comes from.

    Attributes:
        text: as it was written.
        array: of a file or a literal.
        fill: `"random"` or `"zeros"` if there is no array.
        type: of the fill, if it was given.
        is_literal: whether the element type of `array` may still change; a literal without an array
            can only be a static argument.
    """

    text: str
    array: np.ndarray | None = None
    fill: str = ""
    type: TensorType | None = None
    is_literal: bool = False

    @property
    def known_type(self) -> TensorType | None:
        """The type as far as it is known without the model."""
        return self.type if self.array is None else type_of(self.array)


def read_source(name: str, text: str) -> Source:
    """What `--input name=text` stands for.

    Raises:
        CommandError: a malformed type, or no such file.
        ArtifactError: a damaged file, or one that holds Python objects.
    """
    fill = _FILL.fullmatch(text)
    if fill:
        return Source(
            text, fill=fill["kind"], type=_static_type(fill["type"]) if fill["type"] else None
        )
    file = _FILE.fullmatch(text)
    if file:
        return Source(text, _as_native(_read_file(file["path"], file["member"] or "", name)))
    if _TYPE.fullmatch(text):
        return Source(text, fill="random", type=_static_type(text))
    return Source(text, _literal(text), is_literal=True)


def _static_type(text: str) -> TensorType:
    with misuse(IrflowError, about=text):
        type = Scope().type(text)
    if not type.is_static:
        raise CommandError(f"{type}: an array needs sizes that are numbers")
    return type


def _literal(text: str) -> np.ndarray | None:
    try:
        array = np.asarray(json.loads(text))
    except (ValueError, RecursionError):
        return None
    if array.dtype.kind not in "bif":
        return None
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _read_file(path: str, member: str, name: str) -> np.ndarray:
    if not os.path.isfile(path):
        unreachable_file(path, "no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            chosen = _member(path, loaded.files, member, name)
            return np.asarray(loaded[chosen])
    except CommandError:
        raise
    except Exception as error:  # NumPy's reader raises errors of many kinds on damaged files
        raise ArtifactError(f"{path}: cannot be read as an array: {error}") from error


def _member(path: str, names: Sequence[str], member: str, name: str) -> str:
    """The array asked for, or the one called like the input, or the only one."""
    if member and member not in names:
        raise CommandError(f"{path} holds no array {member!r}", facts=[("arrays", *names)])
    if member or name in names:
        return member or name
    if len(names) != 1:
        raise CommandError(f"{path}: which array? as in {path}:NAME", facts=[("arrays", *names)])
    return names[0]


def _as_native(array: np.ndarray) -> np.ndarray:
    """The same numbers in C order and the machine's byte order.

    NumPy's files lack bfloat16; its two raw bytes an element become bfloat16 again.
    """
    if array.dtype == np.dtype("V2"):
        return np.array(array, order="C").view(dtypes.bf16.numpy)
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


# --- Binding --------------------------------------------------------------------------------------


def bind_arrays(
    graph: Graph, sources: Mapping[str, Source], stored: Mapping[str, np.ndarray], seed: int
) -> list[np.ndarray]:
    """An array for each input of `graph`.

    Args:
        graph: what will be run.
        sources: by the name of the input.
        stored: values of parameters and states by the names of their roles.
        seed: of random arrays.

    Raises:
        CommandError: an input is missing, unknown or does not fit.
    """
    inputs = named_inputs(graph)
    given = {find_input(graph, inputs, name): source for name, source in sources.items()}
    chosen = {**_stored_sources(graph, stored), **given}
    missing = [f"%{name}: {inputs[name].type}" for name in inputs if name not in chosen]
    if missing:
        raise CommandError(
            "an input has no value", facts=[("missing", *missing)], hint=f"--input NAME={FORMS}"
        )
    fitted = {name: _fit(name, inputs[name].type, source) for name, source in chosen.items()}
    sizes = _solve(graph, {name: (inputs[name].type, fitted[name]) for name in inputs})
    generator = np.random.default_rng(seed)
    return [_array(fitted[name], inputs[name].type.substitute(sizes), generator) for name in inputs]


def _stored_sources(graph: Graph, stored: Mapping[str, np.ndarray]) -> dict[str, Source]:
    return {
        name: Source("stored", stored[role.name])
        for name, role in zip(named_inputs(graph), graph.signature.inputs, strict=True)
        if role.kind != "argument" and role.name in stored
    }


def _fit(name: str, declared: TensorType, source: Source) -> Source:
    """The source with its element type checked, or converted if it is a literal."""
    if source.is_literal and source.array is None:
        raise CommandError(f"--input {name}={source.text} is no array", facts=[("forms", FORMS)])
    found = source.known_type
    if found is None or found.dtype is declared.dtype:
        return source
    if source.is_literal and source.array is not None:
        with np.errstate(all="ignore"):
            array = source.array.astype(declared.dtype.numpy)
        if declared.dtype.is_inexact or np.array_equal(array, source.array):
            return Source(source.text, array)
    with misuse(DTypeError):
        raise DTypeError(
            f"{name} is {source.text}, of type {found}",
            facts=[("declared", declared), ("given", found)],
            hint=f"convert the array to {declared.dtype}; nothing is converted silently",
        )


def _solve(graph: Graph, inputs: Mapping[str, tuple[TensorType, Source]]) -> dict[str, int]:
    patterns = [
        (name, declared.shape, source.known_type.static_shape)
        for name, (declared, source) in inputs.items()
        if source.known_type is not None
    ]
    with misuse(ShapeError, UndecidableSizeError):
        sizes = dims.solve(patterns)
    free = {name: size for name, size in choose_sizes(graph).items() if name not in sizes}
    if free:
        note("chose " + ", ".join(f"{name} = {size}" for name, size in free.items()))
    return {**sizes, **free}


def _array(source: Source, type: TensorType, generator: np.random.Generator) -> np.ndarray:
    if source.array is not None:
        return source.array
    try:
        return _filled(source, type, generator)
    except (ValueError, OverflowError) as error:  # more elements than an index can count
        raise CommandError(f"{type}: {error}") from None


def _filled(source: Source, type: TensorType, generator: np.random.Generator) -> np.ndarray:
    shape, dtype = type.static_shape, type.dtype
    if source.fill == "zeros":
        return np.zeros(shape, dtype.numpy)
    if dtype.kind == "bool":
        return np.asarray(generator.integers(0, 2, shape)).astype(np.bool_)
    if dtype.is_integer:
        return np.asarray(generator.integers(0, 5, shape)).astype(dtype.numpy)
    return np.asarray(generator.normal(size=shape)).astype(dtype.numpy)


# --- Results --------------------------------------------------------------------------------------


def result_names(graph: Graph) -> list[str]:
    """A name for each output: `result`, `result[0]`, `update:w`; numbered where they repeat."""
    roles = graph.signature.outputs
    plain = [f"{r.kind}{r.name}" if r.kind == "result" else f"{r.kind}:{r.name}" for r in roles]
    return [
        f"{name}{position}" if plain.count(name) > 1 else name.rstrip(":")
        for position, name in enumerate(plain)
    ]


def summarize(array: np.ndarray) -> tuple[str, str, str, str]:
    """Smallest, largest and mean element, and the first ones."""
    flat = array.reshape(-1)
    first = ", ".join(str(value) for value in flat[:4]) + (", …" if flat.size > 4 else "")
    if not flat.size or np.iscomplexobj(flat):
        return "-", "-", "-", f"[{first}]"
    wide = flat.astype(np.float64)
    with np.errstate(all="ignore"):
        cells = [f"{value:.6g}" for value in (wide.min(), wide.max(), wide.mean())]
    return cells[0], cells[1], cells[2], f"[{first}]"


def save_results(path: str, names: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
    """Write an `.npz` file, or an `.npy` file for a single array."""
    try:
        with open(path, "wb") as file:
            if path.endswith(".npy"):
                np.save(file, arrays[0], allow_pickle=False)
            else:
                np.savez(file, allow_pickle=False, **dict(zip(names, arrays, strict=True)))
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from error
