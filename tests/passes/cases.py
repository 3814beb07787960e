"""Text tests of passes: files of cases, each a graph before and after a pipeline.

    // case merge_transposes: canonicalize
    graph @before(…) …
    // becomes
    graph @after(…) …

The name is that of the rule that must have been applied. `pytest --bless` writes what comes out. A case
marked `(rounds)` behind its pipeline may change the last place of a float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "files" / "passes"
_HEAD = re.compile(r"// case (\w+): (.*?)( \(rounds\))?$")


@dataclass(frozen=True)
class Case:
    """One graph before and after a pipeline."""

    path: Path
    name: str
    pipeline: str
    may_round: bool
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path.stem}-{self.name}"

    def text(self) -> str:
        rounds = " (rounds)" if self.may_round else ""
        return f"// case {self.name}: {self.pipeline}{rounds}\n{self.before}\n// becomes\n{self.after}\n"


def read(path: Path) -> list[Case]:
    """The cases of a file, in order."""
    cases: list[Case] = []
    for block in re.split(r"(?m)^(?=// case )", path.read_text("utf-8")):
        if not block.strip():
            continue
        head, _, body = block.partition("\n")
        match = _HEAD.match(head)
        assert match is not None, f"{path.name}: {head!r}"
        before, _, after = body.partition("// becomes")
        cases.append(Case(path, match[1], match[2], bool(match[3]), before.strip(), after.strip()))
    return cases


def all_cases() -> list[Case]:
    return [case for path in sorted(FOLDER.glob("*.ir")) for case in read(path)]


def bless(case: Case, after: str) -> None:
    """Write what came out as what is expected."""
    cases = [replace(c, after=after) if c.name == case.name else c for c in read(case.path)]
    case.path.write_text("\n".join(c.text() for c in cases), "utf-8")
