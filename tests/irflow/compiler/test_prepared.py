"""Compilations on disk: what is taken from there, what never is, and damage."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import plugins, scalars
from irflow.backend import cache
from irflow.compiler import kept, prepared
from irflow.compiler.compilations import recorded
from irflow.ir import TensorType
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ops import Elementwise
from irflow_llvm import LlvmBackend, linking
from irflow_llvm.stored import StoredExecutable

ROOT = Path(__file__).parents[3]
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(5, 4)).astype(np.float32)
X = RANDOM.normal(size=(3, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and sources that do not change, whatever happens to those of the tests."""
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "code"))
    monkeypatch.delenv("IRFLOW_CHECK")
    monkeypatch.setattr(kept, "_state", lambda _: "state")
    monkeypatch.setattr(prepared, "is_unchanged", lambda *_: True)
    return tmp_path / "code"


def compiled(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a new process would make of the first call."""
    jitted = irf.jit(function, **{"backend": "llvm", **options})
    jitted(*args)
    (made,) = jitted.cache.values()
    return made


def is_restored(made: Any) -> bool:
    return isinstance(made.executable, StoredExecutable)


def both(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[Any, Any]:
    """The same compilation, made and then taken from disk."""
    first, second = (compiled(function, *args, **options) for _ in range(2))
    assert not is_restored(first)
    assert is_restored(second)
    return first, second


def dense(x: Any) -> Any:
    hidden = inp.tanh(x @ TABLE)
    return hidden - inp.max(hidden, axis=0), inp.sum(hidden)


def looped(x: Any) -> Any:
    def body(carry: Any, row: Any) -> Any:
        carry = irf.cond(inp.sum(row) > 0, lambda c: c * 2, lambda c: c - row, carry)
        return carry, inp.exp(carry)

    return irf.scan(body, x[0], x)


def brief(x: Any) -> Any:
    table = inp.asarray(TABLE).astype(irf.bf16)
    return x[0].astype(irf.bf16) @ table, x > 0, x.reshape(-1), x


@pytest.mark.parametrize("function", [dense, looped, brief])
@pytest.mark.parametrize("spec", [None, ("f32[n, 5]",)])
def test_the_second_compilation_is_the_first(function: Callable[..., Any], spec: Any) -> None:
    first, second = both(function, X, spec=spec)
    for rows in (3, 3) if spec is None else (3, 7, 1):
        x = RANDOM.normal(size=(rows, 5)).astype(np.float32)
        results = [irf.tree.flatten(made(x))[0] for made in (first, second)]
        for a, b in zip(*results, strict=True):
            assert a.type == b.type
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("look", ["str", "graph", "loops", "llvm", "asm", "object", "report"])
def test_all_stages_can_still_be_seen(look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled(dense, X)
    runs: list[Graph] = []
    passed = prepared.passed
    monkeypatch.setattr(
        prepared, "passed", lambda graph, *a, **k: runs.append(graph) or passed(graph, *a, **k)
    )
    second = compiled(dense, X)
    assert is_restored(second)
    assert not runs

    def shown(made: Any) -> str:
        if look == "report":
            return str([(r.name, r.changed, r.nodes_after) for r in made.lowered.report.records])
        return str(made) if look == "str" else made.listing(look)

    assert shown(first) == shown(second)
    assert first.executable.listings == second.executable.listings
    assert str(first.lowered.graph) == str(second.lowered.graph) == str(second.executable.graph)
    assert len(runs) == 1


def test_long_work_is_still_long() -> None:
    def long(x: Any) -> Any:
        return inp.exp(x)

    assert both(long, np.ones((512, 512), np.float32))[1].executable.is_long
    assert not both(long, X)[1].executable.is_long


def test_another_constant() -> None:
    def scaled(by: np.ndarray) -> Callable[[Any], Any]:
        def times(x: Any) -> Any:
            return x @ by

        return times

    changed = TABLE.copy()
    changed[4, 3] = np.nextafter(changed[4, 3], 9)
    both(scaled(TABLE), X)
    assert not is_restored(compiled(scaled(changed), X))
    assert np.array_equal(compiled(scaled(changed), X)(X), compiled(scaled(changed), X)(X))
    assert not is_restored(compiled(scaled(TABLE.astype(np.float64)), X))
    assert is_restored(compiled(scaled(TABLE), X))


def test_another_level_backend_type_or_name() -> None:
    both(dense, X)
    assert not is_restored(compiled(dense, X, level=1))
    assert not is_restored(compiled(dense, X, level=3))
    assert not is_restored(compiled(dense, X[:2]))
    assert not is_restored(compiled(dense, X.astype(np.float64)))
    assert not is_restored(compiled(dense, X, backend="numpy"))
    assert not is_restored(compiled(lambda x: dense(x), X))
    assert is_restored(compiled(dense, X))


def test_another_processor_target_or_source(monkeypatch: pytest.MonkeyPatch) -> None:
    both(dense, X)
    with monkeypatch.context() as patch:
        patch.setattr(LlvmBackend, "fingerprint", lambda _: ("another",))
        assert not is_restored(compiled(dense, X))
    with monkeypatch.context() as patch:
        target = plugins.find_backend("llvm").target()
        other = type(target)(target.name, vector_bytes=16)
        patch.setattr(LlvmBackend, "target", lambda _: other)
        assert not is_restored(compiled(dense, X))
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_state", lambda _: "other state")
        assert not is_restored(compiled(dense, X))
    assert is_restored(compiled(dense, X))


@pytest.mark.parametrize("unknown", ["state", "changed"])
def test_sources_of_which_nothing_is_known(unknown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        if unknown == "state":
            patch.setattr(kept, "_state", lambda _: None)
        else:
            patch.setattr(prepared, "is_unchanged", lambda *_: False)
        compiled(dense, X)
    assert not is_restored(compiled(dense, X))


@pytest.mark.parametrize(
    "setting",
    [
        ("IRFLOW_CHECK", "1"),
        ("IRFLOW_DUMP", "dump"),
        *(("IRFLOW_LOG", topic) for topic in ("passes", "graph", "fusion", "kernels", "source")),
        ("IRFLOW_CACHE", "off"),
    ],
)
def test_whoever_watches_sees_it_happen(
    setting: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled(dense, X)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(*setting)
    assert not is_restored(compiled(dense, X))


def test_records_and_explicit_stages_see_it_happen() -> None:
    compiled(dense, X)
    with recorded():
        assert not is_restored(compiled(dense, X))
    stage = irf.jit(dense, backend="llvm").trace(X).lower(pipeline="inline,decompose,fuse")
    assert not is_restored(stage.compile())


def test_steps_on_the_host_are_not_kept() -> None:
    def spectrum(x: Any) -> Any:
        return inp.abs(inp.fft.fft(x * 2)) + 1

    compiled(spectrum, X)
    assert not is_restored(compiled(spectrum, X))


def test_a_row_or_backend_made_in_this_process() -> None:
    row = scalars.scalar("own_of_test", np.exp, expand=scalars.exp)
    del scalars.ROWS["own_of_test"]  # Other tests go through all rows.

    def graph_with(row: scalars.Scalar) -> Graph:
        graph = Graph("f")
        x = graph.add_input(TensorType(irf.f32, (3,)), "x")
        graph.set_outputs(Builder(graph).emit(Elementwise(row), (x,)))
        return graph

    backend = plugins.find_backend("llvm")
    lowered = prepared.prepare(graph_with(scalars.exp), backend)
    assert kept.name_for(lowered._traced, backend, "inline,dce", lowered.options)
    assert kept.name_for(graph_with(row), backend, "inline,dce", lowered.options) is None
    with plugins.registered(plugins.BACKENDS, "llvm", LlvmBackend):
        assert kept.name_for(lowered._traced, backend, "inline,dce", lowered.options) is None
    with plugins.registered(plugins.PASSES, "dce", plugins.find_pass("dce")):
        assert kept.name_for(lowered._traced, backend, "inline,dce", lowered.options) is None
        assert kept.name_for(lowered._traced, backend, "inline", lowered.options)


# ------------------------------------------------------------------------------------------ damage


def test_damaged_files_are_made_anew(place: Path) -> None:
    compiled(dense, X)
    wholes = {entry.path: entry.path.read_bytes() for entry in cache.entries(place)}
    for path, whole in wholes.items():
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        for damage in (b"", whole[:40], whole[:-1], flipped):
            path.write_bytes(damage)
            assert not is_restored(compiled(dense, X)), path
            assert is_restored(compiled(dense, X)), path
    assert {path: path.read_bytes() for path in wholes} == wholes


def test_code_that_is_gone_is_made_anew(place: Path) -> None:
    compiled(dense, X)
    for entry in cache.entries(place):
        shutil.copy(entry.path, f"{entry.path}.copy")
        entry.path.unlink()
        assert not is_restored(compiled(dense, X))
        assert is_restored(compiled(dense, X))


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"null", b"\xff\n", b'{"format": 1}\n'])
def test_an_entry_with_something_else(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LlvmBackend, "save", lambda *_: [content])
        compiled(dense, X)
    assert not is_restored(compiled(dense, X))
    assert is_restored(compiled(dense, X)), "it was replaced"


# ------------------------------------------------------------------------------------- processes

PROGRAM = """
import irflow.errors
irflow.errors.LOADED_AT += 10**11
import sys, numpy as np, irflow as irf, irflow.numpy as inp
x = np.arange(12, dtype=np.float32).reshape(3, 4)
f = irf.jit(lambda x: inp.tanh(x) @ x.T + 1, backend="llvm")
print(np.asarray(f(x)).tobytes().hex(), type(next(iter(f.cache.values())).executable).__name__)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    made = tmp_path_factory.mktemp("tree")
    for name in ("irflow", "backends", "passes"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    return made


def started(tree: Path, program: str = PROGRAM) -> subprocess.Popen[str]:
    paths = [str(tree), str(tree / "backends"), str(tree / "passes")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )


def answer(process: subprocess.Popen[str]) -> list[str]:
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return output.split()


def test_changed_sources_of_a_pass_are_noticed(tree: Path) -> None:
    result, *made = answer(started(tree))
    assert made == ["LlvmExecutable"]
    assert answer(started(tree)) == [result, "StoredExecutable"]
    (source,) = (tree / "passes" / "irflow_passes").glob("dce.py")
    source.write_text(f"{source.read_text('utf-8')}\nprint('changed')\n", "utf-8")
    assert answer(started(tree)) == ["changed", result, "LlvmExecutable"]
    assert answer(started(tree)) == [result, "StoredExecutable"]


@pytest.mark.skipif(not (linking.is_supported() and cache.booted()), reason="needs LLVM to load")
def test_what_is_found_on_disk_runs_without_llvm(tree: Path) -> None:
    program = f"{PROGRAM}print('llvmlite' in sys.modules, 'irflow.lowering.lower' in sys.modules)"
    first, second = (answer(started(tree, program)) for _ in range(2))
    assert first[-3:] == ["LlvmExecutable", "True", "True"]
    assert second == [first[-4], "StoredExecutable", "False", "False"]


def test_sources_that_change_in_a_running_process_are_not_believed(tree: Path) -> None:
    (source,) = (tree / "passes" / "irflow_passes").glob("dce.py")
    before, later = source.stat(), time.time() + 3600
    os.utime(source, (later, later))
    try:
        for _ in range(2):
            made = answer(started(tree, PROGRAM.replace("10**11", "0")))
            assert made[-1] == "LlvmExecutable", "a file is newer than what was loaded"
    finally:
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_two_processes_at_once(tree: Path, place: Path) -> None:
    answers = {tuple(answer(process)[-2:]) for process in [started(tree) for _ in range(4)]}
    assert len({result for result, _ in answers}) == 1
    assert answer(started(tree))[-1] == "StoredExecutable"
    assert not list(place.glob("*/*.part"))
