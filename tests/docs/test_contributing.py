"""The recipes of CONTRIBUTING.md run as printed, and what the page says of the repository is so."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
KNOWN_BACKEND = """\
import pytest
from irflow import plugins

@pytest.fixture(autouse=True)
def known(request):
    with plugins.registered(plugins.BACKENDS, "python", request.module.PythonBackend):
        yield
"""


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def recipes() -> dict[str, str]:
    """The section of each recipe by its name."""
    sections = re.split(r"^## ", page(), flags=re.MULTILINE)
    recipes = [section.partition("\n") for section in sections if section.startswith("Recipe: ")]
    return {title.removeprefix("Recipe: "): text for title, _, text in recipes}


def blocks(text: str, language: str) -> list[str]:
    return [content for found, content in BLOCK.findall(text) if found == language]


def script_of(name: str, folder: Path) -> Path:
    path = folder / "test_recipe.py"
    path.write_text("\n\n".join(blocks(recipes()[name], "python")), encoding="utf-8")
    return path


def run(*arguments: object, folder: Path, **settings: str) -> str:
    """What a Python process prints; it sees the tests, as one that pytest runs does."""
    places = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), **settings}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", list(recipes()))
def test_a_recipe_runs_and_prints_what_the_page_says(
    name: str, tmp_path: Path, bless: bool
) -> None:
    (expected,) = blocks(recipes()[name], "text")
    printed = run(script_of(name, tmp_path), folder=tmp_path).rstrip("\n") + "\n"
    if bless:
        section = recipes()[name]
        blessed = section.replace(f"```text\n{expected}```", f"```text\n{printed}```")
        PAGE.write_text(page().replace(section, blessed), encoding="utf-8")
        return
    assert printed == expected


@pytest.mark.slow
def test_the_backend_of_the_recipe_fulfils_the_contract(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(KNOWN_BACKEND, encoding="utf-8")
    script = script_of("add a backend", tmp_path)
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", script)
    printed = run(*command, folder=tmp_path, IRFLOW_CHECK="0")
    passed = re.search(r"(\d+) passed", printed)
    assert passed is not None, printed
    assert int(passed[1]) > 100


@pytest.mark.parametrize("name", list(recipes()))
def test_the_code_of_a_recipe_is_formatted_like_ours(name: str) -> None:
    for block in blocks(recipes()[name], "python"):
        assert max(map(len, block.splitlines())) <= 100


def test_the_layers_are_those_of_the_test() -> None:
    path = ROOT / "tests" / "test_layers.py"
    spec = importlib.util.spec_from_file_location("layers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = ROOT / "irflow"
    here = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    existing = [[name for name in layer if name in here] for layer in module.LAYERS]
    (printed,) = blocks(page().partition("<!-- layers -->")[2].partition("##")[0], "text")
    assert [line.split() for line in printed.splitlines()] == [layer for layer in existing if layer]


PAGES = ("CONTRIBUTING.md", "backends/README.md", "passes/README.md", "examples/README.md")


@pytest.mark.parametrize("name", PAGES)
def test_links_and_paths_lead_somewhere(name: str) -> None:
    path = ROOT / name
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [link for link in links if not (path.parent / link).exists()]
    named = re.findall(r"`((?:irflow|tests|passes|backends|examples|\.ci)/[\w./]*)`", text)
    missing += [file for file in named if not (ROOT / file).exists()]
    assert not missing


@pytest.mark.parametrize("name", PAGES)
def test_variables_and_commands_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    files = [
        path for part in ("irflow", "backends", "passes") for path in (ROOT / part).rglob("*.py")
    ]
    source = "\n".join(path.read_text("utf-8") for path in files)
    variables = re.findall(r"\bIRFLOW_[A-Z_]+", text)
    assert [name for name in variables if f'"{name}"' not in source] == []
    targets = re.findall(r"`make ([\w-]+)", text)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [name for name in targets if f"\n{name}:" not in makefile] == []
