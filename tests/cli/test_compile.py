"""`irflow compile`: stages, passes, files, verification and the report."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from irflow import artifact, plugins
from irflow.backend import Backend, CompileOptions, Executable
from irflow.ir import Graph
from irflow.ir.evaluate import evaluate
from irflow.ir.parse import parse_graph
from irflow.lowering.program import Program
from irflow.transform import Pass, PassContext
from tests.cli.conftest import GRAPH, Run

NUMPY = ("--backend", "numpy")


class WrongExecutable(Executable):
    def __init__(self, graph: Graph, change: str) -> None:
        super().__init__(graph)
        self.change = change

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        (result,) = evaluate(self.graph, arrays)
        if self.change == "value":
            result = result.copy()
            result[1, 2] += 0.5
        if self.change == "dtype":
            result = result.astype(np.float64)
        return [] if self.change == "count" else [result]


class WrongBackend(Backend):
    name: ClassVar[str] = "wrong"
    change: ClassVar[str] = "value"

    def compile(self, work: Graph | Program, options: CompileOptions) -> Executable:
        assert isinstance(work, Graph)
        return WrongExecutable(work, self.change)


@dataclasses.dataclass(frozen=True)
class WrongPass(Pass):
    """Replace everything by the first input's product."""

    name: ClassVar[str] = "wrong"

    def run(self, graph: Graph, context: PassContext) -> bool:
        last = graph.last
        assert last is not None
        context.count("drop_last", last)
        graph.replace(last, [last.inputs[0]])
        return True


# --- Stages ---------------------------------------------------------------------------------------


def test_the_graph_is_printed_by_default(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY)
    assert done.code == 0
    assert done.err == ""
    compiled = parse_graph(done.out)
    assert (len(parse_graph(GRAPH)), len(compiled)) == (4, 3)


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("graph", "graph @mlp("),
        ("loops", "program @mlp "),
        ("llvm", "declare "),
        ("asm", "\t.file"),
        ("manifest", "{"),
    ],
)
def test_one_stage_is_printed(irflow: Run, graph: Path, kind: str, start: str) -> None:
    done = irflow("compile", graph, "--backend", "llvm", "--emit", kind)
    assert done.code == 0, done.err
    assert done.out.lstrip("\n").startswith(start)


def test_an_unknown_stage_is_misuse(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, "--emit", "llvn")
    assert done.code == 2
    assert "unknown stage 'llvn'" in done.err
    assert "did you mean 'llvm'?" in done.err


def test_a_stage_that_the_backend_lacks_fails(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--emit", "asm")
    assert done.code == 1
    assert done.err.startswith("UnsupportedError: ")
    assert "graph" in done.err


def test_a_backend_without_object_files(irflow: Run, graph: Path, tmp_path: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--emit", "object", "-o", tmp_path / "x.o")
    assert done.code == 1
    assert "makes no object files" in done.err
    assert not (tmp_path / "x.o").exists()


def test_machine_code_for_other_machines(irflow: Run, graph: Path, tmp_path: Path) -> None:
    arm = ("--backend", "llvm", "--target", "aarch64-linux-gnu", "--target-cpu", "cortex-a76")
    done = irflow("compile", graph, *arm, "--emit", "asm")
    assert done.code == 0, done.err
    assert "fmla\tv" in done.out
    path = tmp_path / "x.o"
    assert irflow("compile", graph, *arm, "--emit", "object", "-o", path).code == 0
    assert path.read_bytes()[18] == 183, "the number of the machine in ELF"
    done = irflow("compile", graph, "--backend", "llvm", "--target-cpu", "x86-64", "--emit", "asm")
    assert "%xmm" in done.out
    assert "%ymm" not in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--target", "wasm32"), 2, "--target and --target-cpu are for machine code"),
        ((*NUMPY, "--target-cpu", "i486", "--emit", "asm"), 1, "for this machine only"),
        (("--backend", "llvm", "--target", "xyz", "--emit", "asm"), 1, "knows no such machine"),
    ],
)
def test_machines_that_are_not_taken(
    irflow: Run, graph: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    done = irflow("compile", graph, *arguments)
    assert done.code == code
    assert text in done.err


@pytest.mark.parametrize(
    ("emit", "text"),
    [("graph,loops", "several stages need a folder"), ("object", "object is binary")],
)
def test_what_standard_output_does_not_take(irflow: Run, graph: Path, emit: str, text: str) -> None:
    done = irflow("compile", graph, "--emit", emit)
    assert done.code == 2
    assert text in done.err
    assert "-o " in done.err


# --- Files ----------------------------------------------------------------------------------------


def test_a_container_holds_the_compiled_graph(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlp.irflow"
    done = irflow("compile", graph, *NUMPY, "-o", path)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"irflow: wrote graph to {path}\n"
    container = artifact.load(path)
    assert list(container.graphs) == ["mlp"]
    assert len(container.graphs["mlp"]) == 3
    assert container.metadata["backend"] == "numpy"
    assert irflow("compile", path, *NUMPY).out == irflow("compile", graph, *NUMPY).out


def test_a_graph_text_file(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.ir"
    assert irflow("compile", graph, *NUMPY, "-o", path).code == 0
    assert path.read_text("utf-8") == irflow("compile", graph, *NUMPY).out


def test_any_single_stage_goes_to_a_file(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "listing"
    assert irflow("compile", graph, "--backend", "llvm", "--emit", "loops", "-o", path).code == 0
    assert path.read_text("utf-8").startswith("program @mlp")


def test_a_folder_takes_one_file_a_stage(irflow: Run, graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "listings"
    kinds = "graph,loops,llvm,asm,object,manifest"
    done = irflow("compile", graph, "--backend", "llvm", "--emit", kinds, "-o", f"{folder}/")
    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "asm.s",
        "graph.ir",
        "llvm.ll",
        "loops.txt",
        "manifest.json",
        "object.o",
    ]
    assert (folder / "object.o").read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    parse_graph((folder / "graph.ir").read_text("utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert [one["name"] for one in manifest["inputs"]] == ["x", "w"]
    assert manifest["sizes"] == ["1 <= n <= 64"]


def test_an_existing_folder_needs_no_slash(irflow: Run, graph: Path, tmp_path: Path) -> None:
    assert irflow("compile", graph, *NUMPY, "-o", tmp_path).code == 0
    assert (tmp_path / "graph.ir").exists()


def test_a_stage_that_fails_leaves_no_files(irflow: Run, graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert irflow("compile", graph, *NUMPY, "--emit", "graph,asm", "-o", f"{folder}/").code == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("-o", "{}/a", "--emit", "graph,asm"), "several stages go to a folder"),
        (("-o", "{}/a.irflow", "--emit", "asm"), "a container takes the graph"),
        (("-o", "{}/none/a.ir"), "there is no folder"),
        (("--dump", "{}/mlp.ir/x"), "cannot be made"),
    ],
)
def test_outputs_that_do_not_fit(
    irflow: Run, graph: Path, tmp_path: Path, options: tuple[str, ...], text: str
) -> None:
    done = irflow("compile", graph, *(option.format(tmp_path) for option in options))
    assert done.code == 2
    assert text in done.err


# --- Passes ---------------------------------------------------------------------------------------


def test_a_pipeline_of_ones_own(irflow: Run, graph: Path) -> None:
    assert len(parse_graph(irflow("compile", graph, *NUMPY, "--passes", "").out)) == 4
    assert len(parse_graph(irflow("compile", graph, *NUMPY, "--passes", "cse").out)) == 3


@pytest.mark.parametrize(
    ("pipeline", "text"),
    [
        ("cs", "unknown pass 'cs'"),
        ("fold{limits=3}", "did you mean 'limit'?"),
        ("fold{limit=x}", "'x' is no int"),
        ("fold,,dce", "column 6"),
    ],
)
def test_a_malformed_pipeline_is_misuse(irflow: Run, graph: Path, pipeline: str, text: str) -> None:
    done = irflow("compile", graph, *NUMPY, "--passes", pipeline)
    assert done.code == 2
    assert text in done.err


def test_levels(irflow: Run, graph: Path) -> None:
    assert len(parse_graph(irflow("compile", graph, *NUMPY, "-O0").out)) == 4
    assert len(parse_graph(irflow("compile", graph, *NUMPY, "-O", "3").out)) == 3
    assert irflow("compile", graph, "-O4").code == 2


def test_stop_after_and_start_from(irflow: Run, graph: Path) -> None:
    names = ("--passes", "canonicalize,cse,dce", "--json")
    before = irflow("compile", graph, *NUMPY, *names, "--stop-after", "canonicalize").json()
    assert [one["pass"] for one in before["passes"]] == ["canonicalize"]
    after = irflow("compile", graph, *NUMPY, *names, "--start-from", "cse").json()
    assert [one["pass"] for one in after["passes"]] == ["cse", "dce"]


@pytest.mark.parametrize("option", ["--stop-after", "--start-from"])
def test_a_border_that_is_not_in_the_pipeline(irflow: Run, graph: Path, option: str) -> None:
    done = irflow("compile", graph, *NUMPY, option, "cze")
    assert done.code == 2
    assert "'cze'" in done.err
    assert "did you mean 'dce' or 'cse'" in done.err


def test_printing_after_every_pass(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--passes", "cse,dce", "--print-ir-after-all")
    assert done.err.count("graph @mlp(") == 2
    assert "// after cse\n" in done.err
    assert done.out.count("graph @mlp(") == 1


def test_times_of_passes(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--passes", "cse,dce", "--time-passes")
    lines = [line.split() for line in done.err.splitlines()]
    assert lines[0] == ["pass", "ms", "before", "after", "rules"]
    assert [line[0] for line in lines[1:]] == ["cse", "dce", "total"]
    assert lines[1][2:] == ["4", "3", "merge_equal", "1"]


def test_dumps_can_be_fed_back(irflow: Run, graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stages"
    assert irflow("compile", graph, *NUMPY, "--passes", "cse,dce", "--dump", folder).code == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names[:3] == ["00-traced.ir", "01-cse.ir", "02-dce.ir"]
    for name in names[:3]:
        assert irflow("compile", folder / name, *NUMPY).code == 0


def test_an_unknown_backend_is_misuse(
    irflow: Run, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = irflow("compile", graph, "--backend", "numpi")
    assert done.code == 2
    assert "did you mean 'numpy'?" in done.err
    monkeypatch.setenv("IRFLOW_BACKEND", "lvm")
    done = irflow("compile", graph)
    assert done.code == 2
    assert "did you mean 'llvm'?" in done.err


def test_a_backend_that_cannot_run_fails(irflow: Run, graph: Path) -> None:
    class Absent(WrongBackend):
        def available(self) -> str | None:
            return "there is no such card; pip install irflow[card]"

    with plugins.registered(plugins.BACKENDS, "absent", Absent):
        done = irflow("compile", graph, "--backend", "absent")
    assert done.code == 1
    assert done.err.startswith("BackendUnavailableError: ")
    assert "pip install irflow[card]" in done.err


# --- Verification ---------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_verification(irflow: Run, graph: Path, backend: str) -> None:
    done = irflow("compile", graph, "--backend", backend, "--verify")
    assert done.code == 0, done.err
    assert "verified: 18 elements of 2 draws, largest error " in done.err


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ("value", ["differs from the reference in 1 of 9 elements", "(1, 2)", "in f64"]),
        ("dtype", ["output 0 is float64(3, 3), not float32(3, 3)"]),
        ("count", ["0 outputs instead of 1"]),
    ],
)
def test_a_wrong_executable_is_found(
    irflow: Run, graph: Path, monkeypatch: pytest.MonkeyPatch, change: str, texts: list[str]
) -> None:
    monkeypatch.setattr(WrongBackend, "change", change)
    with plugins.registered(plugins.BACKENDS, "wrong", WrongBackend):
        assert irflow("compile", graph, "--backend", "wrong").code == 0
        done = irflow("compile", graph, "--backend", "wrong", "--verify")
    assert done.code == 1
    assert done.err.startswith("VerificationError: ")
    for text in texts:
        assert text in done.err


def test_a_wrong_pass_is_found(irflow: Run, graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_CHECK", "0")
    with plugins.registered(plugins.PASSES, "wrong", WrongPass):
        assert irflow("compile", graph, *NUMPY, "--passes", "wrong").code == 0
        done = irflow("compile", graph, *NUMPY, "--passes", "wrong", "--verify")
    assert done.code == 1
    assert "pass 'wrong' changed what @mlp computes" in done.err


# --- Report ---------------------------------------------------------------------------------------


def test_the_report_for_programs(irflow: Run, graph: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.irflow"
    done = irflow("compile", graph, "--backend", "llvm", "--json", "--verify", "-o", path)
    report = done.json()
    assert report["model"] == str(graph)
    assert report["backend"] == "llvm"
    assert report["level"] == 2
    assert report["pipeline"].startswith("inline,")
    assert report["inputs"][0] == {
        "name": "x",
        "type": "f32[n, 4]",
        "role": "argument",
        "role_name": "x",
    }
    assert report["outputs"] == [{"type": "f32[n, 3]", "role": "result", "role_name": ""}]
    assert report["nodes"]["traced"] == 4
    assert report["kernels"]
    assert report["verified"]["elements"] == 18
    assert report["verified"]["sizes"] == {"n": 3}
    assert report["files"] == {"graph": str(path)}
    assert report["listings"] == {}
    assert set(report["seconds"]) == {"load", "passes", "compile", "verify"}
    assert all(seconds >= 0 for seconds in report["seconds"].values())
    cse = next(one for one in report["passes"] if one["pass"] == "cse")
    assert (cse["nodes_before"], cse["nodes_after"], cse["changed"]) == (4, 3, True)
    assert cse["rules"] == {"merge_equal": 1}
    assert set(cse) == {
        "pass",
        "seconds",
        "nodes_before",
        "nodes_after",
        "changed",
        "rules",
        "notes",
    }


def test_the_report_holds_the_listings_that_have_no_file(irflow: Run, graph: Path) -> None:
    report = irflow("compile", graph, "--backend", "llvm", "--json", "--emit", "graph,loops").json()
    assert set(report["listings"]) == {"graph", "loops"}
    assert report["verified"] is None
    parse_graph(report["listings"]["graph"])


def test_a_failed_compilation_prints_no_report(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--emit", "asm", "--json")
    assert (done.code, done.out) == (1, "")
