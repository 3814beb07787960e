"""`irflow run`: where arrays come from, what is printed and saved."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from irflow import plugins
from irflow.cli import arrays
from irflow.ir.parse import parse_graph
from tests.cli.conftest import Run
from tests.cli.test_compile import WrongBackend

NUMPY = ("--backend", "numpy")
X = np.arange(8, dtype=np.float32).reshape(2, 4) / 8
W = np.ones((4, 3), np.float32)
EXPECTED = 2 * np.tanh(X @ W)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "all.npz", x=X, w=W)
    np.savez(tmp_path / "one.npz", anything=W)
    return tmp_path


def result(path: Path) -> np.ndarray:
    with np.load(path) as loaded:
        assert loaded.files == ["result"]
        return np.asarray(loaded["result"])


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize(
    ("x", "w"),
    [
        ("{}/x.npy", "{}/one.npz"),
        ("{}/all.npz", "{}/all.npz"),
        ("{}/all.npz:x", "{}/one.npz:anything"),
        (str(X.tolist()), str(W.astype(int).tolist())),
    ],
)
def test_arrays_of_files_and_literals(
    irflow: Run, graph: Path, files: Path, x: str, w: str, backend: str
) -> None:
    inputs = ("--input", f"x={x.format(files)}", "--input", f"w={w.format(files)}")
    done = irflow("run", graph, "--backend", backend, *inputs, "-o", files / "out.npz")
    assert done.code == 0, done.err
    np.testing.assert_allclose(result(files / "out.npz"), EXPECTED, rtol=1e-5)


def test_the_summary(irflow: Run, files: Path) -> None:
    path = files / "sum.ir"
    path.write_text(
        "graph @f(%x: f32[2, 4], %i: i32[0]) -> f32[2, 4], i32[0] { return %x, %i }", "utf-8"
    )
    done = irflow("run", path, *NUMPY, "--input", f"x={files}/x.npy", "--input", "i=zeros")
    assert done.code == 0, done.err
    lines = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert lines[0][0] == "output"
    assert lines[1] == [
        "result0",
        "f32[2, 4]  0    0.875  0.4375  [0.0, 0.125, 0.25, 0.375, …]",
    ]
    assert lines[2] == ["result1", "i32[0]     -    -      -       []"]


def test_random_arrays_follow_the_seed(irflow: Run, graph: Path) -> None:
    inputs = ("--input", "x=f32[2, 4]", "--input", "w=random")
    first, again, other = (
        irflow("run", graph, *NUMPY, *inputs, "--seed", seed).out for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("text", ["zeros", "zeros:f32[2, 4]"])
def test_zeros(irflow: Run, graph: Path, tmp_path: Path, text: str) -> None:
    inputs = ("--input", f"x={text}", "--input", "w=random:f32[4, 3]")
    done = irflow("run", graph, *NUMPY, *inputs, "-o", tmp_path / "out.npz")
    assert done.code == 0
    assert not result(tmp_path / "out.npz").any()
    assert ("irflow: chose n = 3" in done.err) == (text == "zeros")


def test_random_arrays_of_every_kind(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "kinds.ir"
    path.write_text(
        "graph @f(%a: bool[9], %b: u8[9], %c: bf16[9]) -> bool[9], u8[9], bf16[9] {\n"
        "  return %a, %b, %c\n}",
        "utf-8",
    )
    inputs = [word for name in "abc" for word in ("--input", f"{name}=random")]
    done = irflow("run", path, *NUMPY, *inputs)
    assert done.code == 0, done.err
    assert [line.split()[1] for line in done.out.splitlines()[1:]] == [
        "bool[9]",
        "u8[9]",
        "bf16[9]",
    ]


def test_bfloat16_survives_files(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "half.ir"
    path.write_text("graph @f(%x: bf16[3]) -> bf16[3] { return %x }", "utf-8")
    values = np.array([1, 2.5, -3]).astype(ml_dtypes.bfloat16)
    np.save(tmp_path / "x.npy", values)
    for _ in range(2):
        done = irflow(
            "run", path, *NUMPY, "--input", f"x={tmp_path}/x.npy", "-o", f"{tmp_path}/x.npy"
        )
        assert done.code == 0, done.err
    loaded = np.load(tmp_path / "x.npy").view(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(loaded, values)


def test_arrays_of_other_layouts(irflow: Run, graph: Path, files: Path) -> None:
    np.save(files / "x.npy", np.asfortranarray(X).astype(">f4"))
    inputs = ("--input", f"x={files}/x.npy", "--input", f"w={files}/all.npz")
    done = irflow("run", graph, "--backend", "llvm", *inputs, "-o", files / "out.npz")
    assert done.code == 0, done.err
    np.testing.assert_allclose(result(files / "out.npz"), EXPECTED, rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "texts"),
    [
        (["x=random"], ["an input has no value", "missing  %w: f32[4, 3]", "--input NAME="]),
        (["x=random", "w=random", "z=random"], ["@mlp has no input 'z'"]),
        (["x={}/none.npy", "w=random"], ["none.npy: no such file"]),
        (["x={}/all.npz:y", "w=random"], ["all.npz holds no array 'y'", "x  w"]),
        (["x=random", "w=word"], ["--input w=word is no array", "file.npy"]),
        (["x=random", "w=[[1], [2, 3]]"], ["is no array"]),
        (["x=random", 'w=["a"]'], ["is no array"]),
        (["x=random", "w=f32[n, 3]"], ["an array needs sizes that are numbers"]),
        (["x=random", "w=f32[3"], ["f32[3", "is no array"]),
        (["x=random", "w=zeros:f32[3"], ["f32[3: line 1, column"]),
        (["x=random", "w=[1, 2]"], ["w: rank differs"]),
        (["x=f32[4611686018427387904, 4]", "w=random"], ["x"]),
        (["x={}/x.npy", "w=f64[4, 3]"], ["w is f64[4, 3]", "nothing is converted silently"]),
        (["x={}/x.npy", "w=f32[4, 4]"], ["w: size differs on axis 1"]),
    ],
)
def test_inputs_that_do_not_fit(
    irflow: Run, graph: Path, files: Path, inputs: list[str], texts: list[str]
) -> None:
    options = [word for one in inputs for word in ("--input", one.format(files))]
    done = irflow("run", graph, *NUMPY, *options)
    assert done.code == 2
    assert done.out == ""
    for text in texts:
        assert text in done.err


def test_an_npz_file_of_several_arrays_without_the_right_name(
    irflow: Run, graph: Path, files: Path
) -> None:
    np.savez(files / "ab.npz", a=X, b=X)
    done = irflow("run", graph, "--input", f"x={files}/ab.npz", "--input", "w=random")
    assert done.code == 2
    assert f"which array? as in {files}/ab.npz:NAME" in done.err


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("name", ["x.npy", "all.npz"])
def test_damaged_files_fail(irflow: Run, graph: Path, files: Path, name: str, share: float) -> None:
    content = (files / name).read_bytes()
    (files / name).write_bytes(content[: int(len(content) * share)])
    done = irflow("run", graph, *NUMPY, "--input", f"x={files}/{name}", "--input", "w=random")
    assert done.code == 1
    assert done.err.startswith("ArtifactError: ")
    assert "cannot be read as an array" in done.err


def test_arrays_of_objects_are_refused(irflow: Run, graph: Path, files: Path) -> None:
    np.save(files / "o.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    done = irflow("run", graph, "--input", f"x={files}/o.npy", "--input", "w=random")
    assert done.code == 1
    assert "allow_pickle=False" in done.err


def test_integer_literals_must_be_whole(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "int.ir"
    path.write_text("graph @f(%i: i32[], %b: bool[2]) -> i32[] { return %i }", "utf-8")
    yes = irflow("run", path, *NUMPY, "--input", "i=3", "--input", "b=[true, false]")
    assert yes.code == 0, yes.err
    assert yes.out.splitlines()[1].split()[-1] == "[3]"
    assert irflow("run", path, "--input", "i=3.5", "--input", "b=[true, false]").code == 2
    assert irflow("run", path, "--input", "i=3", "--input", "b=[2, 0]").code == 2
    assert irflow("run", path, "--input", "i=3000000000", "--input", "b=[1, 0]").code == 2


def test_a_function_and_its_variables(irflow: Run, model: str, tmp_path: Path) -> None:
    options = ("x=[[1, 2]]", "params.w=[[1.5, 0], [0, 1]]", "params.layers[0]=zeros:f32[2]")
    inputs = [word for option in options for word in ("--input", option)]
    done = irflow("run", f"{model}:nested", *NUMPY, *inputs, "-o", tmp_path / "out.npz")
    assert done.code == 0, done.err
    with np.load(tmp_path / "out.npz") as loaded:
        assert loaded.files == ["result['y']", "update:calls"]
        np.testing.assert_array_equal(loaded["result['y']"], [[1.5, 2]])
        assert loaded["update:calls"] == 1


def test_static_arguments_of_a_function(irflow: Run, model: str) -> None:
    inputs = ("--input", "x=[1.0, 2.0]", "--input", "training=true", "--input", "mode='double'")
    done = irflow("run", f"{model}:switched", *NUMPY, *inputs)
    assert done.code == 0, done.err
    assert "[2.0, 4.0]" in done.out


def test_a_function_needs_types(irflow: Run, model: str) -> None:
    done = irflow("run", f"{model}:plain", "--input", "x=zeros", "--input", "y=f32[2]")
    assert done.code == 2
    assert "a function's x needs a type" in done.err
    assert '"x=zeros:f32[32, 784]"' in done.err


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("out.txt", "1 results are saved as .npz"),
        ("none/out.npz", "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_saved(
    irflow: Run, graph: Path, tmp_path: Path, path: str, text: str
) -> None:
    inputs = ("--input", "x=zeros", "--input", "w=zeros")
    done = irflow("run", graph, *NUMPY, *inputs, "-o", tmp_path / path)
    assert done.code == 2
    assert text in done.err


def test_the_backend_that_is_asked_for_runs(irflow: Run, graph: Path, files: Path) -> None:
    inputs = ("--input", f"x={files}/x.npy", "--input", f"w={files}/all.npz")
    with plugins.registered(plugins.BACKENDS, "wrong", WrongBackend):
        right, wrong = (
            irflow("run", graph, "--backend", backend, *inputs) for backend in ("numpy", "wrong")
        )
    assert (right.code, wrong.code) == (0, 0)
    assert right.out != wrong.out


def test_names_of_results() -> None:
    text = (
        'graph @f(%x: f32[]) -> f32[], f32[] loss(""), f32[] update("w"), f32[] gradient("w") {'
        " return %x, %x, %x, %x }"
    )
    assert arrays.result_names(parse_graph(text)) == ["result", "loss", "update:w", "gradient:w"]
