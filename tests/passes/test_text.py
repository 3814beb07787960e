"""Every rule on the smallest graph that shows it.

The files hold cases, each a graph before and after a pipeline:

    // case merge_transposes: canonicalize
    graph @before(…) …
    // becomes
    graph @after(…) …

The name is that of the rule that must have been applied. `pytest --bless` writes what comes out.
A case marked `(rounds)` behind its pipeline may change the last place of a float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from irflow import dtypes
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Value
from irflow.ir.parse import parse_graph
from irflow.plugins import find_pass
from irflow.transform.manager import PassManager
from irflow.transform.pipeline import parse_pipeline
from irflow.transform.verify import choose_sizes
from irflow_passes import canonicalize, simplify

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
        head = f"// case {self.name}: {self.pipeline}{rounds}"
        return f"{head}\n{self.before}\n// becomes\n{self.after}\n"


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


def write(case: Case, after: str) -> None:
    """Write what came out as what is expected."""
    cases = [replace(c, after=after) if c.name == case.name else c for c in read(case.path)]
    case.path.write_text("\n".join(c.text() for c in cases), "utf-8")


ALL = all_cases()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_graph_becomes_what_its_file_says(case: Case, bless: bool) -> None:
    graph = parse_graph(case.before)
    report = PassManager(case.pipeline, find_pass).run(graph, check=3)
    assert report.unchecked is None
    if bless:
        write(case, str(graph).strip())
    else:
        assert str(graph).strip() == case.after
    applied = {rule for record in report.records for rule in record.statistics}
    if case.name.startswith("no_"):
        assert applied == set()
    else:
        assert case.name.partition("__")[0] in applied


@pytest.mark.parametrize("case", [c for c in ALL if not c.may_round], ids=str)
def test_hard_numbers_come_out_the_same_bit_by_bit(case: Case) -> None:
    before = parse_graph(case.before)
    after = before.copy()
    PassManager(case.pipeline, find_pass).run(after, check=0)
    sizes = choose_sizes(before)
    for seed in range(4):
        inputs = [hard_numbers(value, sizes, seed) for value in before.inputs]
        for x, y in zip(evaluate(before, inputs), evaluate(after, inputs), strict=True):
            np.testing.assert_array_equal(x, y)
            if dtypes.from_numpy(x.dtype).is_float:
                is_number = ~np.isnan(x)
                np.testing.assert_array_equal(np.signbit(x)[is_number], np.signbit(y)[is_number])


def hard_numbers(value: Value, sizes: dict[str, int], seed: int) -> np.ndarray:
    """Zeros of both signs, infinities, NaN, extremes of integers, in random places."""
    type = value.type.substitute(sizes)
    generator = np.random.default_rng(seed)
    if type.dtype.is_float:
        pool = np.array([0.0, -0.0, 1.0, -1.5, 3.0, np.inf, -np.inf, np.nan, 1e30, -1e-30])
    elif type.dtype.kind == "bool":
        pool = np.array([False, True])
    else:
        limits = np.iinfo(type.dtype.numpy)
        pool = np.array([0, 1, 2, 3, limits.min, limits.max], dtype=type.dtype.numpy)
    with np.errstate(over="ignore"):
        return np.asarray(generator.choice(pool, type.static_shape)).astype(type.dtype.numpy)


def test_every_rule_has_a_case() -> None:
    names = {case.name.partition("__")[0] for case in ALL}
    rules = [rule.name for rule in (*canonicalize.RULES, *simplify.RULES)]
    assert sorted(set(rules) - names) == []
    assert len(set(rules)) == len(rules)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_second_run_changes_nothing(case: Case) -> None:
    graph = parse_graph(case.before)
    PassManager(case.pipeline, find_pass).run(graph)
    assert not PassManager(case.pipeline, find_pass).run(graph).changed


def test_pipelines_of_cases_print_as_they_are_written() -> None:
    for case in ALL:
        assert str(parse_pipeline(case.pipeline, find_pass)) == case.pipeline
