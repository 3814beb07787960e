"""Functions of Python files as models."""

import subprocess
import sys
from pathlib import Path

import pytest

from irflow.cli.functions import hint_of, split_function
from irflow.ir.parse import parse_graph
from tests.cli.conftest import Run

NUMPY = ("--backend", "numpy", "--passes", "")


def test_a_plain_function(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:forward", *NUMPY, "--input", "x=f32[n, 2]")
    assert done.code == 0, done.err
    graph = parse_graph(done.out)
    assert [str(type) for type in graph.input_types] == ["f32[n, 2]", "f32[2, 2]"]
    assert graph.signature.inputs[1].kind == "parameter"
    assert "// my-model.py:14" in done.out


def test_the_execution_is_announced_and_prints_to_stderr(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:forward", *NUMPY, "--input", "x=f32[n, 2]")
    assert f"irflow: executing {model} to load 'forward'\n" in done.err
    assert "the file is executed as irflow_model_my_model\n" in done.err
    assert "executed" not in done.out


def test_the_path_of_modules_is_left_as_it_was(irflow: Run, model: str) -> None:
    before = list(sys.path)
    assert irflow("compile", f"{model}:forward", *NUMPY, "--input", "x=f32[n, 2]").code == 0
    assert irflow("compile", f"{model}:crashing", *NUMPY, "--input", "x=f32[n, 2]").code == 1
    assert sys.path == before


def test_constraints(irflow: Run, model: str) -> None:
    options = (*NUMPY, "--input", "x=f32[n, 2]", "--constraints", "2 <= n <= 4096")
    done = irflow("compile", f"{model}:forward", *options)
    assert "where 2 <= n <= 4096 {" in done.out


def test_sizes_are_shared_between_inputs(irflow: Run, model: str) -> None:
    sizes = ("--input", "x=f32[n]", "--input", "y=f32[m]")
    done = irflow("compile", f"{model}:plain", *NUMPY, *sizes)
    assert done.code == 1
    assert "n" in done.err
    sizes = ("--input", "x=f32[n]", "--input", "y=f32[n]")
    assert irflow("compile", f"{model}:plain", *NUMPY, *sizes).code == 0


def test_a_jitted_function_with_nested_arguments(irflow: Run, model: str) -> None:
    options = ("x=f32[3, 2]", "params.w=f32[2, 4]", "params.layers[0]=f32[4]")
    inputs = [word for option in options for word in ("--input", option)]
    done = irflow("compile", f"{model}:nested", *NUMPY, *inputs)
    assert done.code == 0, done.err
    graph = parse_graph(done.out)
    assert [role.name for role in graph.signature.inputs] == [
        "params['layers'][0]",
        "params['w']",
        "x",
        "calls",
    ]
    assert [role.kind for role in graph.signature.outputs] == ["result", "update"]


def test_static_arguments_are_literals(irflow: Run, model: str) -> None:
    options = (*NUMPY, "--input", "x=f32[3]", "--input")
    yes = irflow(
        "compile", f"{model}:switched", *options, "training=True", "--input", "mode='double'"
    )
    no = irflow("compile", f"{model}:switched", *options, "training=false")
    assert (yes.out.count("multiply"), no.out.count("multiply")) == (1, 0)
    done = irflow("compile", f"{model}:switched", *options, "training=f32[2]")
    assert done.code == 2
    assert "training is a static argument and takes a Python literal" in done.err


def test_a_function_with_a_spec_needs_no_types(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:specified", *NUMPY)
    assert "(%x: f32[n, 2]) -> f32[n, 2] where 1 <= n <= 8 {" in done.out
    done = irflow("compile", f"{model}:specified", *NUMPY, "--input", "x=f32[3, 2]")
    assert "(%x: f32[3, 2])" in done.out


def test_a_function_inside_a_class(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:Scope.method", *NUMPY, "--input", "x=f32[2]")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("function", "inputs", "texts"),
    [
        ("plain", [], ["plain needs a type for x, y", "plain(x, y)", '--input "x=']),
        ("plain", ["x=f32[2]"], ["plain needs a type for y"]),
        ("plain", ["x=f32[2]", "z=f32[2]"], ["plain has no parameter 'z'", "plain(x, y)"]),
        ("nested", ["param.w=f32[2]"], ["has no parameter 'param.w'", "did you mean 'params'?"]),
        ("plain", ["x=f32[2", "y=f32[2]"], ["--input …=f32[2: line 1, column"]),
        ("plain", ["x=f32[2]", "x.a=f32[2]", "y=f32[2]"], ["a type and parts of it"]),
        ("nested", ["params[1]=f32[2]", "x=f32[2]"], ["the entries of a list are [0]"]),
        ("forwrd", [], ["has no function 'forwrd'", "did you mean 'forward'?", "plain, nested"]),
        ("Scope.missing", [], ["has no function 'Scope.missing'"]),
        ("number", [], ["number is no function but of type int"]),
    ],
)
def test_what_does_not_fit_the_function_is_misuse(
    irflow: Run, model: str, function: str, inputs: list[str], texts: list[str]
) -> None:
    options = [word for one in inputs for word in ("--input", one)]
    done = irflow("compile", f"{model}:{function}", *options)
    assert done.code == 2
    for text in texts:
        assert text in done.err


def test_malformed_constraints_are_misuse(irflow: Run, model: str) -> None:
    options = ("--input", "x=f32[n, 2]", "--constraints", "n < 3")
    done = irflow("compile", f"{model}:forward", *options)
    assert done.code == 2
    assert "--constraints" in done.err
    assert "expected '<=' or '>='" in done.err


def test_an_error_of_irflow_shows_the_users_line(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:mismatched", "--input", "x=f32[3, 4]")
    assert done.code == 1
    assert "ShapeError: matmul: inner sizes differ" in done.err
    assert "in my-model.py:38, mismatched:    return x @ inp.zeros((7, 7))" in done.err


def test_an_error_of_the_function_shows_its_frames_only(
    irflow: Run, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = irflow("compile", f"{model}:crashing", "--input", "x=f32[3]")
    assert done.code == 1
    assert f"ModelError: {model} raised KeyError: 'lost'\n" in done.err
    assert 'at  my-model.py:42, crashing:    raise KeyError("lost")' in done.err
    assert done.err.count("  at  ") == 1
    monkeypatch.setenv("IRFLOW_TRACEBACK", "full")
    assert "functions.py" in irflow("compile", f"{model}:crashing", "--input", "x=f32[3]").err


def test_a_function_that_ends_the_program(irflow: Run, model: str) -> None:
    done = irflow("compile", f"{model}:leaving", "--input", "x=f32[3]")
    assert done.code == 1
    assert "ended the program with code 5" in done.err


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("x = (1,\n", ["raised SyntaxError", "bad.py:1:    x = (1,"]),
        ("import no_such_module\n", ["ModuleNotFoundError", "bad.py:1, <module>"]),
        ("raise SystemExit\n", ["ended the program", "__main__"]),
        ("def f(x): return object()\n", ["TreeError: f returns something"]),
        ("x\0", ["raised "]),
    ],
)
def test_files_that_do_not_run(irflow: Run, tmp_path: Path, source: str, texts: list[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source, "utf-8")
    done = irflow("compile", f"{path}:f", "--input", "x=f32[2]")
    assert done.code == 1
    for text in texts:
        assert text in done.err
    assert "irflow_model_bad" not in sys.modules or source.startswith("def")


def test_the_command_itself_is_no_place_of_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f(x): return object()\n", "utf-8")
    script = tmp_path / "command"
    script.write_text("import sys\nfrom irflow.cli import main\nsys.exit(main())\n", "utf-8")
    done = subprocess.run(
        [sys.executable, script, "compile", f"{tmp_path}/bad.py:f", "--input", "x=f32[2]"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "TreeError: f returns something" in done.stderr
    assert "sys.exit(main())" not in done.stderr


def test_two_variables_of_one_name(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "twice.py"
    path.write_text(
        "import irflow as irf\n"
        "a, b = irf.Variable(1.0, name='v'), irf.Variable(2.0, name='v')\n"
        "def f(x):\n    return x + a.value + b.value\n",
        "utf-8",
    )
    done = irflow("compile", f"{path}:f", "--input", "x=f32[2]")
    assert done.code == 1
    assert "two variables are called 'v'" in done.err


def test_a_python_file_without_a_function(irflow: Run, model: str) -> None:
    done = irflow("compile", model)
    assert done.code == 2
    assert f"name a function: {model}:function" in done.err
    assert "executing" not in done.err


def test_a_missing_python_file(irflow: Run, tmp_path: Path) -> None:
    done = irflow("compile", f"{tmp_path}/none.py:f")
    assert done.code == 2
    assert "no such file" in done.err


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("a.py:f", ("a.py", "f")),
        ("dir.py/b.py:C.f", ("dir.py/b.py", "C.f")),
        ("a.py", None),
        ("a.py:", None),
        ("a.py:3f", None),
        ("a.ir:f", None),
        ("-", None),
    ],
)
def test_splitting(reference: str, parts: tuple[str, str] | None) -> None:
    assert split_function(reference) == parts


def test_hints_of_nested_names() -> None:
    assert hint_of("x") == "x"
    assert hint_of("params.dense/w[2].b") == "params['dense/w'][2]['b']"
    assert hint_of("no name") == "no name"
