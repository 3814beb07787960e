"""`--emit` and `-o`: which stages are wanted, where they go, and writing them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from irflow import artifact
from irflow.backend import Executable
from irflow.cli.failures import CommandError, misuse
from irflow.errors import UnknownNameError, UnsupportedError, nearest
from irflow.ir import Graph
from irflow.records import dataclass

FILES: dict[str, str] = {
    "graph": "graph.ir",
    "loops": "loops.txt",
    "llvm": "llvm.ll",
    "asm": "asm.s",
    "cuda": "cuda.cu",
    "ptx": "ptx.ptx",
    "object": "object.o",
    "manifest": "manifest.json",
}
"""The kinds of `--emit`, and the file of each in a folder."""

BINARY = frozenset({"object"})
MACHINE_CODE = frozenset({"asm", "object"})
WITHOUT_BACKEND = frozenset({"graph", "manifest"})


@runtime_checkable
class HasObjectCode(Protocol):
    """An executable that can be written as an object file."""

    def object_code(self) -> bytes:
        """The content of the file."""


@runtime_checkable
class HasMachineCode(Protocol):
    """An executable that can be compiled for other machines."""

    def machine_code(self, kind: str, triple: str, cpu: str) -> bytes:
        """The content of the file of `"asm"` or `"object"`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Another machine to compile for, as LLVM calls it; an empty name is that of this machine."""

    triple: str
    cpu: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written where.

    Attributes:
        kinds: the stages to show or write.
        path: the file or folder, None for standard output.
        form: `"text"` (one stage), `"folder"` or `"container"`.
    """

    kinds: tuple[str, ...]
    path: str | None
    form: str

    @property
    def needs_executable(self) -> bool:
        return not WITHOUT_BACKEND.issuperset(self.kinds)


@dataclass(frozen=True, slots=True)
class Stages:
    """What there is to write.

    Attributes:
        graph: after the passes.
        arrays: values of parameters and states, for a container.
        manifest: about the compilation, for JSON.
        executable: None when only the graph is wanted.
        machine: what machine code is for; None for this one.
    """

    graph: Graph
    arrays: Mapping[str, np.ndarray]
    manifest: Mapping[str, object]
    executable: Executable | None = None
    machine: Machine | None = None
    listings: dict[str, str] = field(default_factory=dict)

    def text(self, kind: str) -> str:
        """A stage as text; UnsupportedError when the backend has none of that kind."""
        if kind not in self.listings:
            self.listings[kind] = self._make(kind).rstrip("\n") + "\n"
        return self.listings[kind]

    def _make(self, kind: str) -> str:
        if kind == "graph":
            return str(self.graph)
        if kind == "manifest":
            return json.dumps(self.manifest, indent=2, ensure_ascii=False)
        assert self.executable is not None
        if kind == "asm" and self.machine is not None:
            return self._machine_code(kind, self.machine).decode()
        return self.executable.listing(kind)

    def content(self, kind: str) -> bytes:
        """What stands in the file of a stage."""
        if kind not in BINARY:
            return self.text(kind).encode("utf-8")
        if self.machine is not None:
            return self._machine_code(kind, self.machine)
        assert self.executable is not None
        if isinstance(self.executable, HasObjectCode):
            return self.executable.object_code()
        raise UnsupportedError("this backend makes no object files")

    def _machine_code(self, kind: str, machine: Machine) -> bytes:
        assert self.executable is not None
        if isinstance(self.executable, HasMachineCode):
            return self.executable.machine_code(kind, machine.triple, machine.cpu)
        raise UnsupportedError("this backend compiles for this machine only")


def parse_kinds(text: str | None) -> tuple[str, ...]:
    """The stages that `--emit` names, each once; the graph by default."""
    if text is None:
        return ("graph",)
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for kind in kinds:
        if kind not in FILES:
            with misuse(UnknownNameError):
                raise nearest(kind, FILES, "stage")
    return kinds


def parse_machine(triple: str | None, cpu: str | None, kinds: Sequence[str]) -> Machine | None:
    """The machine that `--target` and `--target-cpu` name; None for this one.

    Raises:
        CommandError: there is no stage that depends on it.
    """
    if triple is None and cpu is None:
        return None
    if not MACHINE_CODE.intersection(kinds):
        raise CommandError(
            "--target and --target-cpu are for machine code", hint="--emit asm or --emit object"
        )
    return Machine(triple or "", cpu or "")


def plan_output(emit: str | None, path: str | None, *, prints: bool) -> Plan:
    """Decide on the form of the output from `--emit` and `-o`.

    Args:
        emit: the stages, separated by commas; the graph when None.
        path: a file or folder; standard output when None.
        prints: whether standard output takes a listing, which a report in JSON rules out.

    Raises:
        CommandError: several or binary stages for standard output; a container of something else
            than the graph.
    """
    kinds = parse_kinds(emit)
    if path is None:
        _check_printable(kinds, prints)
        return Plan(kinds, None, "text")
    if path.endswith((os.sep, "/")) or os.path.isdir(path):
        return Plan(kinds, path, "folder")
    if len(kinds) > 1:
        raise CommandError(f"several stages go to a folder: -o {path}/")
    _check_parent(path)
    if path.endswith(".irflow"):
        if kinds != ("graph",):
            raise CommandError(f"{path}: a container takes the graph, not --emit {kinds[0]}")
        return Plan(kinds, path, "container")
    return Plan(kinds, path, "text")


def _check_printable(kinds: Sequence[str], prints: bool) -> None:
    if prints and len(kinds) > 1:
        raise CommandError("several stages need a folder", hint="-o FOLDER/")
    if BINARY.intersection(kinds):
        raise CommandError(f"{kinds[0] if len(kinds) == 1 else 'object'} is binary", hint="-o FILE")


def _check_parent(path: str) -> None:
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no folder {folder}")


def write_output(plan: Plan, stages: Stages) -> dict[str, str]:
    """Write the files of a plan.

    Returns:
        The path of each stage that was written.
    """
    if plan.path is None:
        return {}
    try:
        return _WRITERS[plan.form](plan, plan.path, stages)
    except OSError as error:
        raise CommandError(f"{error.filename}: cannot be written: {error.strerror}") from error


def _write_container(_: Plan, path: str, stages: Stages) -> dict[str, str]:
    arrays = {
        role.name: stages.arrays[role.name]
        for role in stages.graph.signature.inputs
        if role.name in stages.arrays
    }
    container = artifact.Container(
        {_safe(stages.graph.name): stages.graph}, arrays, stages.manifest
    )
    artifact.save(path, container)
    return {"graph": path}


def _safe(name: str) -> str:
    """A graph's name as a container can hold it."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in name)[:100]
    return kept if kept and kept[0] not in "-." else f"_{kept[:99]}"


def _write_text(plan: Plan, path: str, stages: Stages) -> dict[str, str]:
    (kind,) = plan.kinds
    Path(path).write_bytes(stages.content(kind))
    return {kind: path}


def _write_folder(plan: Plan, path: str, stages: Stages) -> dict[str, str]:
    contents = {kind: stages.content(kind) for kind in plan.kinds}  # all or nothing
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    files = {kind: folder / FILES[kind] for kind in plan.kinds}
    for kind, file in files.items():
        file.write_bytes(contents[kind])
    return {kind: str(file) for kind, file in files.items()}


_WRITERS: dict[str, Callable[[Plan, str, Stages], dict[str, str]]] = {
    "container": _write_container,
    "text": _write_text,
    "folder": _write_folder,
}
