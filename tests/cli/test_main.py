"""Dispatch, help, exit codes and how errors are printed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from irflow.cli import COMMANDS, failures
from irflow.errors import ShapeError
from tests.cli.conftest import GRAPH, Run


def process(
    *arguments: object, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "irflow.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_names_every_command(irflow: Run) -> None:
    done = irflow("--help")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")][
        : len(COMMANDS)
    ] == list(COMMANDS)
    assert "examples:" in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(irflow: Run, command: str) -> None:
    done = irflow(command, "--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: irflow {command} ")
    assert f"examples:\n  irflow {command}" in done.out


def test_no_command_is_misuse_and_prints_the_help(irflow: Run) -> None:
    done = irflow()
    assert (done.code, done.out) == (2, "")
    assert "commands:" in done.err


def test_version(irflow: Run) -> None:
    done = irflow("--version")
    assert done.code == 0
    assert done.out.startswith("irflow ")
    assert done.out.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("command", "hint"), [("compil", "did you mean 'compile'?"), ("xyzzy", "known: compile, run")]
)
def test_an_unknown_command_is_misuse(irflow: Run, command: str, hint: str) -> None:
    done = irflow(command)
    assert done.code == 2
    assert f"unknown command {command!r}; {hint}" in done.err


def test_an_unknown_option_is_misuse(irflow: Run, graph: Path) -> None:
    done = irflow("compile", graph, "--emti", "graph")
    assert done.code == 2
    assert "--emti" in done.err


def test_options_are_not_abbreviated(irflow: Run, graph: Path) -> None:
    assert irflow("compile", graph, "--back", "numpy").code == 2


def test_an_error_prints_without_traceback(
    irflow: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.ir"
    path.write_text("graph @f(", "utf-8")
    done = irflow("compile", path)
    assert done.code == 1
    assert done.err.startswith("TextError: ")
    assert "Traceback" not in done.err
    monkeypatch.setenv("IRFLOW_TRACEBACK", "full")
    assert "Traceback" in irflow("compile", path).err


def interrupted() -> int:
    raise KeyboardInterrupt


def broken_pipe() -> int:
    raise BrokenPipeError


def out_of_memory() -> int:
    raise MemoryError


def misused() -> int:
    with failures.misuse(ShapeError, about="--input x"):
        raise ShapeError("rank differs", facts=[("declared", 2)], hint="drop an axis")
    return 0


def failed() -> int:
    raise ShapeError("rank differs")


def ended() -> int:
    sys.exit("a text")


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (interrupted, 130, "irflow: interrupted\n"),
        (broken_pipe, 1, ""),
        (out_of_memory, 1, "irflow: out of memory\n"),
        (
            misused,
            2,
            "irflow: error: --input x: rank differs\n  declared  2\n  hint: drop an axis\n",
        ),
        (failed, 1, "ShapeError: rank differs\n"),
        (ended, 1, ""),
        (lambda: 0, 0, ""),
        (lambda: 7, 7, ""),
    ],
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], command: failures.Callable[[], int], code: int, text: str
) -> None:
    assert failures.exit_code_of(command) == code
    assert capsys.readouterr().err == text


def test_misuse_lets_other_errors_pass() -> None:
    with pytest.raises(ShapeError) as caught, failures.misuse(failures.ModelError):
        raise ShapeError("rank differs")
    assert not isinstance(caught.value, failures.CommandError)


def test_mistakes_of_irflow_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        failures.exit_code_of(lambda: 1 // 0)


def test_as_a_process_with_stdin() -> None:
    done = process("compile", "-", "--backend", "numpy", stdin=GRAPH)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("graph @mlp(")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", "0.0, …]"), ("ascii", "0.0, \\u2026]")])
def test_text_that_the_encoding_lacks(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "f.ir"
    path.write_text("graph @f(%x: f32[9]) -> f32[9] { return %x }", "utf-8")
    command = [sys.executable, "-m", "irflow.cli", "run", path, "--input", "x=zeros"]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "IRFLOW_BACKEND": "numpy"},
    )
    assert text in done.stdout.decode(encoding)


def test_as_a_process_that_fails() -> None:
    done = process("compile", "-", stdin="graph @f(%x: f99[2]) -> f32[2] { return %x }")
    assert done.returncode == 1
    assert "line 1, column" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(graph: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "irflow.cli", "compile", graph, "--backend", "numpy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_help_does_not_import_the_commands() -> None:
    code = (
        "import sys, irflow.cli; irflow.cli.main(['--help']); "
        "print([m for m in ('irflow.cli.compile', 'irflow.cli.doctor', 'irflow.demo', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
