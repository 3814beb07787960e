"""`irflow doctor`, `irflow demo` and what tables look like on a terminal."""

import io
from pathlib import Path

import pytest

from irflow import demo, plugins
from irflow.cli import console, doctor
from irflow.plugins import Entry
from tests.cli.conftest import Run
from tests.cli.test_compile import WrongBackend
from tests.cli.test_listings import Absent


class Raising(WrongBackend):
    def available(self) -> str | None:
        return None

    def compile(self, work: object, options: object) -> WrongBackend:  # type: ignore[override]
        raise OSError("no driver")


def test_a_healthy_installation(irflow: Run) -> None:
    done = irflow("doctor")
    assert done.code == 0, done.out
    facts, backends, verdict = done.out.split("\n\n")
    rows = {line.split()[0]: line.split()[1:] for line in facts.splitlines()}
    assert rows["python"][0] == "CPython"
    assert set(doctor.REQUIRED + doctor.OPTIONAL) <= set(rows)
    tested = {line.split()[0]: line.split()[1:3] for line in backends.splitlines()[1:]}
    assert tested["numpy"] == ["available", "passed"]
    assert verdict == "all is well\n"


def test_findings_for_programs(
    irflow: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IRFLOW_DUMP", str(tmp_path))
    found = irflow("doctor", "--json").json()
    assert found["problems"] == []
    assert found["tests"]["numpy"] is None
    assert set(found["versions"]) == {"irflow", *doctor.REQUIRED, *doctor.OPTIONAL}
    assert found["versions"]["numpy"]
    assert found["settings"]["IRFLOW_DUMP"] == str(tmp_path)
    assert found["threads"] >= 1
    assert isinstance(found["cpu_features"], list)
    assert [one["name"] for one in found["backends"]] == plugins.names(plugins.BACKENDS)


def test_an_unavailable_backend_is_no_problem(irflow: Run) -> None:
    with plugins.registered(plugins.BACKENDS, "absent", Absent):
        done = irflow("doctor")
    assert done.code == 0
    assert "there is no card" in done.out


@pytest.mark.parametrize(
    ("backend", "text"),
    [
        (WrongBackend, "VerificationError: output 0 differs from the reference"),
        (Raising, "OSError: no driver"),
    ],
)
def test_a_wrong_backend_is_a_problem(
    irflow: Run, monkeypatch: pytest.MonkeyPatch, backend: type[WrongBackend], text: str
) -> None:
    one_result = "graph @f(%x: f32[4, 4]) -> f32[4, 4] { return %x }"
    monkeypatch.setattr(doctor, "_SELF_TEST", one_result)
    with plugins.registered(plugins.BACKENDS, "wrong", backend):
        done = irflow("doctor")
    assert done.code == 1
    assert f"problem: the self-test fails on wrong: {text}" in done.out
    assert done.out.endswith("\n1 problem\n")


def test_broken_plugins_and_clashes_are_problems(
    irflow: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = plugins.entries

    def entries(group: str) -> dict[str, Entry]:
        entry = Entry(group, "broken", "no_such_module:Class", "toy 1.0")
        return {**declared(group), "broken": entry}

    monkeypatch.setattr(plugins, "entries", entries)
    monkeypatch.setattr(plugins, "problems", lambda *, load=False: ["irflow.passes: a clash"])
    done = irflow("doctor")
    assert done.code == 1
    assert "problem: backend 'broken': ModuleNotFoundError: " in done.out
    assert "problem: plugin 'broken' of irflow.passes cannot be loaded" in done.out
    assert "problem: irflow.passes: a clash" in done.out
    assert "3 problems" in done.out


def test_a_missing_dependency_is_a_problem(irflow: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "REQUIRED", (*doctor.REQUIRED, "no-such-distribution"))
    done = irflow("doctor")
    assert done.code == 1
    assert "problem: no-such-distribution is not installed" in done.out


def test_without_a_backend(irflow: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "describe_backends", list)
    done = irflow("doctor")
    assert done.code == 1
    assert "problem: no backend can run here" in done.out


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("IRFLOW_BACKEND", "nampy", "IRFLOW_BACKEND: no backend is called 'nampy'"),
        ("IRFLOW_CHECK", "9", "IRFLOW_CHECK is 0, 1, 2 or 3, not '9'"),
        ("IRFLOW_LOG", "passes,passed", "IRFLOW_LOG: no topic is called 'passed'"),
    ],
)
def test_wrong_settings_are_problems(
    irflow: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(name, value)
    done = irflow("doctor")
    assert done.code == 1
    assert f"problem: {text}" in done.out


# --- Demo -----------------------------------------------------------------------------------------


def test_demo_hands_its_options_on(
    irflow: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[Path, int]] = []
    monkeypatch.setattr(demo, "main", lambda folder, epochs: calls.append((folder, epochs)))
    assert irflow("demo").code == 0
    assert irflow("demo", "--folder", tmp_path, "--epochs", "2").code == 0
    assert calls == [(Path("irflow-demo"), demo.EPOCHS), (tmp_path, 2)]
    assert irflow("demo", "--epochs", "0").code == 2


# --- Tables ---------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_plain_table() -> None:
    stream = io.StringIO()
    console.print_table(["name", "n"], [("a long name", 1), ("b", 22)], stream)
    assert stream.getvalue() == "name         n\na long name  1\nb            22\n"


def test_a_table_on_a_terminal() -> None:
    stream = Terminal()
    console.print_table(["name", "n"], [("[bold]x[/bold]", 1)], stream)
    text = stream.getvalue()
    assert "─" in text
    assert "[bold]x[/bold]" in text


def test_progress_is_shown_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr("sys.stdout", stream)
        monkeypatch.setattr("sys.stderr", stream)
        with console.progress("compiling"):
            pass
        shown.append(stream.getvalue())
    assert shown[0] == ""
    assert "compiling" in shown[1]
