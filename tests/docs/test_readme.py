"""The README's examples run and print what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


EXAMPLES = list(zip(blocks("python"), blocks("text"), strict=True))


@pytest.mark.parametrize(("source", "expected"), EXAMPLES, ids=["keras", "function"])
def test_examples_print_what_the_readme_says(tmp_path, bless, source, expected):
    script = tmp_path / "example.py"
    script.write_text(source, encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    if bless:
        text = README.read_text(encoding="utf-8")
        README.write_text(
            text.replace(f"```text\n{expected}```", f"```text\n{printed}```"), encoding="utf-8"
        )
    assert printed == expected


@pytest.mark.parametrize(("source", "_"), EXAMPLES, ids=["keras", "function"])
def test_examples_are_short(source, _):
    assert len([line for line in source.splitlines() if line.strip()]) <= 20


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (README.parent / target).exists()]
    assert not missing
