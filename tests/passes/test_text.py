"""Every rule on the smallest graph that shows it; see `cases`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from irflow import dtypes
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph, Value
from irflow.ir.parse import parse_graph
from irflow.plugins import find_pass
from irflow.transform import PassManager, parse_pipeline
from irflow.transform.verify import choose_sizes
from irflow_passes import canonicalize, simplify


def _load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"passes_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cases = _load("cases")
ALL = cases.all_cases()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_graph_becomes_what_its_file_says(case, bless: bool) -> None:
    graph = parse_graph(case.before)
    report = PassManager(case.pipeline, find_pass).run(graph, check=3)
    assert report.unchecked is None
    if bless:
        cases.bless(case, str(graph).strip())
    else:
        assert str(graph).strip() == case.after
    applied = {rule for record in report.records for rule in record.statistics}
    if case.name.startswith("no_"):
        assert applied == set()
    else:
        assert case.name.partition("__")[0] in applied


@pytest.mark.parametrize("case", [c for c in ALL if not c.may_round], ids=str)
def test_hard_numbers_come_out_the_same_bit_by_bit(case) -> None:
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
    return np.asarray(generator.choice(pool, type.static_shape)).astype(type.dtype.numpy)


def test_every_rule_has_a_case() -> None:
    names = {case.name.partition("__")[0] for case in ALL}
    rules = [rule.name for rule in (*canonicalize.RULES, *simplify.RULES)]
    assert sorted(set(rules) - names) == []
    assert len(set(rules)) == len(rules)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_second_run_changes_nothing(case) -> None:
    graph: Graph = parse_graph(case.before)
    if "simplify" in case.pipeline:
        pytest.skip("canonicalize follows in the default pipeline")
    PassManager(case.pipeline, find_pass).run(graph)
    assert not PassManager(case.pipeline, find_pass).run(graph).changed


def test_pipelines_of_cases_print_as_they_are_written() -> None:
    for case in ALL:
        assert str(parse_pipeline(case.pipeline, find_pass)) == case.pipeline
