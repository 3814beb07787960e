"""Plugins: listed without importing; clashes and broken ones reported, in nobody's way."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irflow import plugins
from irflow.backend import Backend, Capabilities
from irflow.compiler import selected_backend, use_backend
from irflow.errors import BackendUnavailableError, PluginError, UnknownNameError
from irflow.transform import Pass

ROOT = Path(__file__).parents[2]

GOOD_PASS = """
from dataclasses import dataclass
from irflow.transform import Pass

@dataclass(frozen=True)
class Mine(Pass):
    name = "mine"
    def run(self, graph, context):
        return False
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Make a distribution in a folder, as an installer would: metadata and modules."""

    def make(name: str, points: dict[str, dict[str, str]], **modules: str) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = []
        for group, entries in points.items():
            lines += [f"[{group}]", *(f"{key} = {target}" for key, target in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for module, text in modules.items():
            (tmp_path / f"{module}.py").write_text(text)

    return make


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    """Run lines of Python in a new process that sees the folder; the value of `answer`."""

    def run(code: str, folder: Path | None = None) -> Any:
        program = f"import json, sys\n{code}\nprint(json.dumps(answer))"
        paths = [str(tmp_path), str(ROOT), str(ROOT / "backends"), str(ROOT / "passes")]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("IRFLOW_")}
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_listing_imports_no_plugin(install: Install, ask: Callable[[str], Any]) -> None:
    points = {"irflow.backends": {"boom": "boom:Backend"}, "irflow.passes": {"boom": "boom:Pass"}}
    install("irflow-boom", points, boom="raise SystemExit('imported')")
    listed = ask(
        "from irflow import plugins\n"
        "names = [plugins.names(group) for group in (plugins.BACKENDS, plugins.PASSES)]\n"
        "problems = plugins.problems()\n"
        "loaded = [m for m in sys.modules if m.startswith(('irflow_', 'boom', 'llvmlite'))]\n"
        "answer = [names, problems, loaded]"
    )
    (backends, passes), problems, loaded = listed
    assert {"boom", "llvm", "numpy"} <= set(backends)
    assert {"boom", "canonicalize", "fuse"} <= set(passes)
    assert backends == sorted(backends)
    assert problems == []
    assert loaded == []


def test_what_is_declared_is_what_the_standard_library_finds(
    install: Install, ask: Callable[..., Any], tmp_path: Path
) -> None:
    points = {"irflow.passes": {"mine": "mine:Mine", "# no": "x"}, "other.group": {"mine": "x:Y"}}
    install("irflow-mine", {**points, "irflow.backends": {"b": "mine:B"}})
    unpacked, archived, *loaded = ask(
        "import sys\n"
        "from irflow.plugins import declared\n"
        "groups = ('irflow.backends', 'irflow.passes')\n"
        "answer = [sorted(declared.points(groups)), 0, 'email' in sys.modules]\n"
        "open('mine.zip', 'w').close(); sys.path.append('mine.zip')\n"
        "answer[1] = sorted(declared.points(groups))\n"
        "answer.append('email' in sys.modules)",
        tmp_path,
    )
    assert unpacked == archived
    assert ["irflow.passes", "mine", "mine:Mine", "irflow-mine 1.5"] in unpacked
    assert loaded == [False, True], "whoever knows more is asked where there are archives"


def test_entries_say_where_a_plugin_comes_from(install: Install, ask: Callable[[str], Any]) -> None:
    install("irflow-mine", {"irflow.passes": {"mine": "mine:Mine"}}, mine=GOOD_PASS)
    answer = ask(
        "from irflow import plugins\n"
        "entry = plugins.entries(plugins.PASSES)['mine']\n"
        "answer = [entry.distribution, entry.target, plugins.find_pass('mine').__name__]"
    )
    assert answer == ["irflow-mine 1.5", "mine:Mine", "Mine"]


def test_of_two_plugins_of_a_name_the_first_is_used_and_both_are_reported(
    install: Install, ask: Callable[[str], Any]
) -> None:
    install("a-plugin", {"irflow.passes": {"mine": "mine:Mine"}}, mine=GOOD_PASS)
    install("b-plugin", {"irflow.passes": {"mine": "other:Mine"}}, other="raise ValueError")
    answer = ask(
        "from irflow import plugins\n"
        "answer = [plugins.find_pass('mine').__module__, plugins.problems()]"
    )
    expected = "irflow.passes: 'mine' is declared by a-plugin 1.5, b-plugin 1.5; the first is used"
    assert answer == ["mine", [expected]]


def test_a_plugin_cannot_displace_one_of_irflow(
    install: Install, ask: Callable[[str], Any]
) -> None:
    install("a-thief", {"irflow.passes": {"cse": "mine:Mine"}}, mine=GOOD_PASS)
    module, problems = ask(
        "from irflow import plugins\n"
        "answer = [plugins.find_pass('cse').__module__, plugins.problems()]"
    )
    assert module == "irflow_passes.cse"
    assert len(problems) == 1
    assert "'cse' is declared by irflow " in problems[0]
    assert "a-thief 1.5; the first is used" in problems[0]


BROKEN = {
    "raises": ("import numpy\nraise RuntimeError('no such card')", "RuntimeError: no such card"),
    "lacks": ("x = 1", "AttributeError: module 'broken' has no attribute 'Thing'"),
    "wrong": ("class Thing: pass", "broken:Thing is not a subclass of Backend"),
    "function": ("def Thing(): pass", "broken:Thing is not a subclass of Backend"),
    "syntax": ("def (", "SyntaxError: invalid syntax"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_reported_and_hinders_nobody(
    kind: str, install: Install, ask: Callable[[str], Any]
) -> None:
    text, reason = BROKEN[kind]
    install("irflow-broken", {"irflow.backends": {"broken": "broken:Thing"}}, broken=text)
    error, problems, default, result = ask(
        "import irflow as irf, numpy as np\n"
        "from irflow import plugins\n"
        "try:\n"
        "    plugins.find_backend('broken')\n"
        "except irf.IrflowError as e:\n"
        "    error = [type(e).__name__, str(e)]\n"
        "result = irf.jit(lambda x: x + 1, backend='numpy')(np.float32([1])).tolist()\n"
        "answer = [error, plugins.problems(load=True), plugins.default_backend().name, result]"
    )
    name, message = error
    assert name == "PluginError"
    assert "plugin 'broken' of irflow.backends cannot be loaded" in message
    assert "irflow-broken 1.5" in message
    assert "irflow doctor" in message
    assert reason in message
    assert len(problems) == 1
    assert reason in problems[0]
    assert default != "broken"
    assert result == [2.0]


def test_a_backend_that_cannot_be_made_is_a_broken_plugin(
    install: Install, ask: Callable[[str], Any]
) -> None:
    text = (
        "from irflow.backend import Backend\n"
        "class Thing(Backend):\n    name = 'broken'\n"  # `compile` is missing
    )
    install("irflow-broken", {"irflow.backends": {"broken": "broken:Thing"}}, broken=text)
    error, default = ask(
        "from irflow import plugins\n"
        "try:\n    plugins.find_backend('broken')\n"
        "except Exception as e:\n    error = [type(e).__name__, str(e)]\n"
        "answer = [error, plugins.default_backend().name]"
    )
    assert error[0] == "PluginError"
    assert "compile" in error[1]
    assert default != "broken"


class Absent(Backend):
    """A backend that cannot run here, and would be the default if it could."""

    name = "absent"
    priority = 99

    def available(self) -> str | None:
        return "no accelerator was found; install the extra irflow[absent]"

    def compile(self, work: Any, options: Any) -> Any:
        raise AssertionError


class Doubtful(Absent):
    """A backend that fails when it is asked whether it can run."""

    def available(self) -> str | None:
        raise OSError("driver mismatch")


def test_an_unavailable_backend_says_why() -> None:
    with plugins.registered(plugins.BACKENDS, "absent", Absent):
        assert plugins.find_backend("absent").name == "absent"
        with pytest.raises(BackendUnavailableError) as error:
            plugins.usable_backend("absent")
        assert str(error.value) == (
            "backend 'absent' cannot run here\n"
            "  reason  no accelerator was found; install the extra irflow[absent]"
        )
        with pytest.raises(BackendUnavailableError), use_backend("absent"):
            raise AssertionError("the block was entered")
        assert plugins.default_backend().name != "absent"


def test_a_backend_that_fails_when_asked_is_not_the_default() -> None:
    with plugins.registered(plugins.BACKENDS, "absent", Doubtful):
        assert plugins.default_backend().name != "absent"
        with pytest.raises(PluginError, match="driver mismatch"):
            plugins.usable_backend("absent")


@pytest.mark.parametrize(
    ("find", "wrong", "right", "kind"),
    [
        (plugins.find_pass, "canonicalise", "canonicalize", "pass"),
        (plugins.find_backend, "nunpy", "numpy", "backend"),
    ],
)
def test_unknown_names_give_the_nearest(
    find: Callable[[str], object], wrong: str, right: str, kind: str
) -> None:
    with pytest.raises(UnknownNameError) as error:
        find(wrong)
    lines = str(error.value).splitlines()
    assert lines[0] == f"unknown {kind} '{wrong}'"
    assert right in lines[1]
    assert lines[-1] == f"  hint: did you mean '{right}'?"


def test_a_registered_plugin_is_known_inside_the_block_alone() -> None:
    with plugins.registered(plugins.BACKENDS, "numpy", Absent):
        assert isinstance(plugins.find_backend("numpy"), Absent)
    assert not isinstance(plugins.find_backend("numpy"), Absent)
    with plugins.registered(plugins.BACKENDS, "absent", Absent):
        assert "absent" in plugins.names(plugins.BACKENDS)
    assert "absent" not in plugins.names(plugins.BACKENDS)
    with pytest.raises(UnknownNameError):
        plugins.find_backend("absent")


def test_the_keyword_goes_before_the_block_and_the_block_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IRFLOW_BACKEND", "llvm")
    assert selected_backend().name == "llvm"
    with use_backend("numpy"):
        assert selected_backend().name == "numpy"
        assert selected_backend("llvm").name == "llvm"
    monkeypatch.setenv("IRFLOW_BACKEND", "lvm")
    with pytest.raises(UnknownNameError, match="unknown backend 'lvm'"):
        selected_backend()
    monkeypatch.delenv("IRFLOW_BACKEND")
    assert selected_backend().name == plugins.default_backend().name


def test_all_plugins_of_irflow_load_and_describe_themselves() -> None:
    assert plugins.problems(load=True) == []
    for name, entry in plugins.entries(plugins.PASSES).items():
        found = entry.load()
        assert issubclass(found, Pass)
        assert found.name == name
        assert {"Before", "After", "Keeps", "Needs"} <= set(found.description())
    for name in plugins.entries(plugins.BACKENDS):
        backend = plugins.find_backend(name)
        assert backend.name == name
        assert isinstance(backend.capabilities(), Capabilities)
