"""MODEL in all its forms, and hostile ones: graph text, containers, standard input."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from irflow import artifact
from irflow.ir.parse import parse_graph
from tests.cli.conftest import GRAPH, Run

NUMPY = ("--backend", "numpy")


def test_graph_text_is_known_by_its_beginning(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "anything.txt"
    path.write_text(f"// irflow graph text 1\n// a comment\n\n{GRAPH}", "utf-8")
    assert irflow("compile", path, *NUMPY).code == 0


def test_graph_text_on_standard_input(irflow: Run) -> None:
    done = irflow("compile", "-", *NUMPY, stdin=GRAPH)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("graph @mlp(")


def test_errors_in_standard_input_say_so(irflow: Run) -> None:
    done = irflow("compile", "-", stdin="nonsense")
    assert done.code == 1
    assert done.err.startswith("TextError: standard input: line 1, column 1")


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ("graph @f(%x: f32[2]) -> f32[2] {\n  return %y\n}", "line 2, column 10", "return %y"),
        (
            "graph @f(%x: f32[2]) -> f32[2] {\n  %0 = tan %x : f32[2]",
            "line 2, column 8",
            "%0 = tan",
        ),
        ("graph @f(%x: f3[2]) -> f32[2] { return %x }", "line 1, column 14", "%x: f3[2]"),
        ("", "line 1, column 1", ""),
        ("graph @f(" + "(" * 10_000, "line 1", ""),
        ("graph @f(%x: f32[2]) -> f32[3] { return %x }", "", "f32[3]"),
    ],
)
def test_errors_in_graph_text_have_line_and_column(
    irflow: Run, tmp_path: Path, text: str, place: str, line: str
) -> None:
    path = tmp_path / "bad.ir"
    path.write_text(text, "utf-8")
    done = irflow("compile", path)
    assert done.code == 1
    assert f"{path}: " in done.err
    assert place in done.err
    assert line in done.err
    assert "Traceback" not in done.err


def test_a_missing_file_is_misuse(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph.with_name("mpl.ir"))
    assert done.code == 2
    assert "no such file" in done.err
    assert "did you mean 'mlp.ir'?" in done.err
    assert irflow("compile", graph / "deeper").code == 2


def test_a_folder_is_no_model(irflow: Run, tmp_path: Path) -> None:
    done = irflow("compile", tmp_path)
    assert done.code == 2
    assert "is a folder" in done.err


@pytest.mark.parametrize(
    "content", [b"hello", b"", b"\xff\xfe\x00", b"import os\n", pickle.dumps([1, 2])]
)
def test_other_files_are_no_models(irflow: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    done = irflow("compile", path)
    assert done.code == 2
    assert "is no model" in done.err


class Trap:
    """A pickle of it creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["x.irflow", "x.ir", "x.npy", "x.npz", "x.pkl"])
def test_pickles_are_never_loaded(irflow: Run, graph: Path, tmp_path: Path, name: str) -> None:
    trap, victim = tmp_path / name, tmp_path / "victim"
    trap.write_bytes(pickle.dumps(Trap(victim)))
    assert irflow("compile", trap).code in (1, 2)
    assert irflow("run", trap, "--input", "x=random").code in (1, 2)
    assert irflow("run", graph, "--input", f"x={trap}", "--input", "w=random").code in (1, 2)
    assert not victim.exists()


# --- Containers -----------------------------------------------------------------------------------


@pytest.fixture
def container(tmp_path: Path) -> Path:
    first, second = (parse_graph(GRAPH.replace("@mlp", f"@{name}")) for name in ("mlp", "other"))
    path = tmp_path / "two.irflow"
    artifact.save(path, artifact.Container({"first": first, "second": second}))
    return path


def test_one_of_several_graphs(irflow: Run, container: Path) -> None:
    assert irflow("compile", f"{container}:first", *NUMPY).out.startswith("graph @mlp(")
    assert irflow("compile", f"{container}:second", *NUMPY).out.startswith("graph @other(")
    done = irflow("compile", container)
    assert done.code == 2
    assert f"holds 2 graphs; name one as {container}:NAME" in done.err
    done = irflow("compile", f"{container}:third")
    assert done.code == 2
    assert "holds no graph 'third'" in done.err
    assert "first  second" in done.err


def test_graph_text_has_no_members(irflow: Run, graph: Path) -> None:
    done = irflow("compile", f"{graph}:first")
    assert done.code == 2
    assert "has no members" in done.err


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_a_truncated_container_fails(irflow: Run, container: Path, share: float) -> None:
    content = container.read_bytes()
    container.write_bytes(content[: int(len(content) * share)])
    done = irflow("compile", f"{container}:first")
    assert done.code == 1
    assert done.err.startswith(f"ArtifactError: {container}: ")
    assert "Traceback" not in done.err


def test_a_damaged_container_fails(irflow: Run, container: Path) -> None:
    content = bytearray(container.read_bytes())
    for position in range(0, len(content), 7):
        damaged = content.copy()
        damaged[position] ^= 0x41
        container.write_bytes(damaged)
        done = irflow("compile", f"{container}:first", *NUMPY, "--passes", "")
        assert done.code in (0, 1), position
        assert done.code == 1 or done.out.startswith("graph @mlp("), position


def test_a_zip_of_something_else_fails(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "other"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../escape.py", "print('no')")
    done = irflow("compile", path)
    assert done.code == 1
    assert done.err.startswith("ArtifactError: ")


# --- Sizes of graphs ------------------------------------------------------------------------------


def test_types_of_inputs_fix_the_sizes_of_a_graph(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, *NUMPY, "--input", "x=f32[5, 4]")
    assert done.code == 0
    assert done.out.startswith("graph @mlp(%x: f32[5, 4], %w: f32[4, 3]) -> f32[5, 3] {")


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("x=f32[5, 5]", "x: size differs on axis 1"),
        ("x=f32[65, 4]", "n"),
        ("x=f32[5]", "x: rank differs"),
        ("x=f64[5, 4]", "x is f32[n, 4], not f64[5, 4]"),
        ("x=f32[m, 4]", "a graph's sizes can only become numbers"),
        ("x=f32[5", "--input x=f32[5: line 1, column"),
        ("x=f33[5]", "f33"),
        ("y=f32[5, 4]", "@mlp has no input 'y'"),
        ("x", "--input 'x' is not NAME=VALUE"),
        ("=f32[2]", "is not NAME=VALUE"),
    ],
)
def test_types_that_do_not_fit_a_graph(
    irflow: Run, graph: Path, assignment: str, text: str
) -> None:
    done = irflow("compile", graph, "--input", assignment)
    assert done.code == 2
    assert text in done.err


def test_an_input_is_given_once(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, "--input", "x=f32[5, 4]", "--input", "x=f32[6, 4]")
    assert done.code == 2
    assert "--input x is given twice" in done.err


def test_constraints_belong_to_functions(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, "--constraints", "n <= 3")
    assert done.code == 2
    assert "--constraints belongs to a Python function" in done.err


def test_parameters_travel_in_containers(irflow: Run, model: str, tmp_path: Path) -> None:
    path, results = tmp_path / "m.irflow", tmp_path / "r.npz"
    done = irflow("compile", f"{model}:forward", "--input", "x=f32[n, 2]", *NUMPY, "-o", path)
    assert done.code == 0, done.err
    np.testing.assert_array_equal(artifact.load(path).arrays["dense/w"], [[1, 2], [3, 4]])
    assert irflow("run", path, *NUMPY, "--input", "x=[[1, 0]]", "-o", results).code == 0
    with np.load(results) as loaded:
        np.testing.assert_allclose(loaded["result"], 2 * np.tanh([[1.0, 2.0]]), rtol=1e-6)
