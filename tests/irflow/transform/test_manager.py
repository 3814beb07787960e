"""The manager: what it records, writes and finds out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from irflow.errors import PassError, UnknownNameError, UsageError
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.parse import parse_graph
from irflow.transform import Pass, PassContext, Rewriter, Rule, RuleBuilder, rewrites
from irflow.transform.manager import PassManager

TEXT = """graph @model(%x: f32[n, 3], %i: i32[n]) -> f32[n, 3], i32[n] {
  %0 = elementwise<sin> %x : f32[n, 3]    // model.py:7
  %1 = elementwise<tanh> %0 : f32[n, 3]   // model.py:8
  %2 = elementwise<cos> %1 : f32[n, 3]    // model.py:9
  %3 = elementwise<negative> %i : i32[n]  // model.py:10
  return %2, %3
}"""


def passes(**runs: Callable[[Graph, PassContext], bool]) -> Callable[[str], type[Pass]]:
    """A lookup of passes made of functions."""

    def lookup(name: str) -> type[Pass]:
        @dataclass(frozen=True)
        class Made(Pass):
            """A pass."""

            def run(self, graph: Graph, context: PassContext) -> bool:
                return runs[name](graph, context)

        Made.name = name
        return Made

    return lookup


def nothing(graph: Graph, context: PassContext) -> bool:
    return False


def rewriting(*rules: Rule) -> Callable[[Graph, PassContext], bool]:
    return lambda graph, context: Rewriter(rules, context).run(graph)


def replace_row(old: str, new: str, rule: str) -> Rule:
    def function(node: Node, build: RuleBuilder) -> Value:
        return build.row(new, node.inputs[0])

    function.__name__ = rule
    return rewrites(old)(function)


@rewrites("sin")
def sin_by_parts(node: Node, build: RuleBuilder) -> Value:
    """Right: sin x = -sin -x. Emitted with cosines, so that it is not visited again."""
    inner = build.row("negative", node.inputs[0])
    tangent, cosine = build.row("tan", inner), build.row("cos", inner)
    return build.row("negative", build.row("multiply", tangent, cosine))


def test_a_wrong_rule_is_named_with_pass_rule_and_line() -> None:
    wrong = replace_row("tanh", "arctan", "tanh_is_arctan")
    lookup = passes(honest=nothing, bad=rewriting(sin_by_parts, wrong))
    with pytest.raises(PassError) as caught:
        PassManager("honest,bad", lookup).run(parse_graph(TEXT), check=3)
    error = caught.value
    assert error.summary == "pass 'bad' changed what @model computes"
    assert error.facts[:2] == (
        ("rule", "tanh_is_arctan"),
        ("applied to", "elementwise<tanh> f32[n, 3]"),
    )
    assert error.facts[2] == ("output 0", "at index (0, 2)")
    assert [fact[0] for fact in error.facts[3:]] == ["before", "after", "in f64"]
    assert str(error.location) == "model.py:8"


@pytest.mark.parametrize("wrong_at", range(10))
def test_the_one_wrong_application_among_many_is_found(wrong_at: int) -> None:
    @rewrites("sin")
    def sometimes_wrong(node: Node, build: RuleBuilder) -> Value:
        inner = build.row("negative", node.inputs[0])
        tangent, cosine = build.row("tan", inner), build.row("cos", inner)
        product = build.row("multiply", tangent, cosine)
        return product if node.location.line == wrong_at else build.row("negative", product)

    lines = "\n".join(f"%{i + 1} = elementwise<sin> %{i} : f32[n] // a.py:{i}" for i in range(10))
    text = f"graph @f(%x: f32[n]) -> f32[n] {{\n{lines}\nreturn %10 }}".replace("%0 ", "%x ")
    with pytest.raises(PassError) as caught:
        PassManager("bad", passes(bad=rewriting(sometimes_wrong))).run(parse_graph(text), check=3)
    assert str(caught.value.location) == f"a.py:{wrong_at}"


def test_integers_must_agree_exactly() -> None:
    lookup = passes(bad=rewriting(replace_row("negative", "invert", "negative_is_invert")))
    with pytest.raises(PassError) as caught:
        PassManager("bad", lookup).run(parse_graph(TEXT), check=3)
    assert caught.value.facts[0] == ("rule", "negative_is_invert")
    assert caught.value.facts[2][0] == "output 1"


def test_a_right_rule_that_rounds_otherwise_is_no_error() -> None:
    report = PassManager("fine", passes(fine=rewriting(sin_by_parts))).run(
        parse_graph(TEXT), check=3
    )
    assert report.changed
    assert report.unchecked is None


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    def bad(graph: Graph, context: PassContext) -> bool:
        graph.node_count += 1
        return True

    with pytest.raises(PassError, match="pass 'bad' changed what @model computes") as caught:
        PassManager("bad", passes(bad=bad)).run(parse_graph(TEXT), check=2)
    assert caught.value.facts[0][0] == "check"


def test_a_pass_may_not_change_the_signature() -> None:
    def bad(graph: Graph, context: PassContext) -> bool:
        graph.set_outputs(graph.outputs[:1])
        return True

    with pytest.raises(PassError) as caught:
        PassManager("bad", passes(bad=bad)).run(parse_graph(TEXT), check=2)
    assert caught.value.facts == (("outputs", "f32[n, 3], i32[n]"), ("outputs", "f32[n, 3]"))


@pytest.mark.parametrize("claims", [True, False])
def test_a_false_claim_is_an_error(claims: bool) -> None:
    def bad(graph: Graph, context: PassContext) -> bool:
        if not claims:
            Rewriter([sin_by_parts], context).run(graph)
        return claims

    manager = PassManager("bad", passes(bad=bad))
    with pytest.raises(PassError, match=r"says the graph is (un)?changed, but it is (un)?changed"):
        manager.run(parse_graph(TEXT), check=2)
    manager.run(parse_graph(TEXT), check=1)


def test_an_error_inside_a_pass_names_the_pass() -> None:
    @rewrites("tanh")
    def clumsy(node: Node, build: RuleBuilder) -> Value:
        return build.row("add", node.inputs[0], node.graph.inputs[1])

    with pytest.raises(PassError, match="pass 'bad' failed: add: operands of different dtypes"):
        PassManager("bad", passes(bad=rewriting(clumsy))).run(parse_graph(TEXT))


def test_a_bug_in_a_pass_keeps_its_traceback_and_names_the_pass() -> None:
    def bad(graph: Graph, context: PassContext) -> bool:
        raise KeyError("lost")

    with pytest.raises(KeyError) as caught:
        PassManager("bad", passes(bad=bad)).run(parse_graph(TEXT))
    assert caught.value.__notes__ == ["in pass 'bad'"]


def test_records_of_passes() -> None:
    def talkative(graph: Graph, context: PassContext) -> bool:
        context.explain(graph.first, "hello")
        context.explain(graph.first, "hello")
        return False

    lookup = passes(parts=rewriting(sin_by_parts), talkative=talkative)
    report = PassManager("parts,talkative", lookup).run(parse_graph(TEXT))
    first, second = report.records
    assert (first.name, first.nodes_before, first.nodes_after, first.changed) == (
        "parts",
        4,
        8,
        True,
    )
    assert first.statistics == {"sin_by_parts": 1}
    assert [str(note) for note in second.notes] == [
        "elementwise<negative> f32[n, 3] (model.py:7): hello"
    ]
    assert "sin_by_parts 1" in str(report)


def test_dumps_are_numbered_and_can_be_read_again(tmp_path: Path) -> None:
    graph = parse_graph(TEXT)
    PassManager("parts,idle", passes(parts=rewriting(sin_by_parts), idle=nothing)).run(
        graph, dump=tmp_path
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["00-traced.ir", "01-parts.ir", "02-idle.ir"]
    assert str(parse_graph((tmp_path / "02-idle.ir").read_text())) == str(graph)


def test_the_environment_gives_folder_level_and_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IRFLOW_DUMP", str(tmp_path / "new"))
    monkeypatch.setenv("IRFLOW_LOG", "passes")
    monkeypatch.setenv("IRFLOW_CHECK", "2")
    manager = PassManager("idle", passes(idle=nothing))
    manager.run(parse_graph(TEXT))
    assert (tmp_path / "new" / "01-idle.ir").exists()
    assert "[irflow passes] idle" in capsys.readouterr().err
    monkeypatch.setenv("IRFLOW_CHECK", "9")
    with pytest.raises(UsageError, match="IRFLOW_CHECK is 0, 1, 2 or 3, not '9'"):
        manager.run(parse_graph(TEXT))


def test_parts_of_a_pipeline() -> None:
    manager = PassManager(
        "a,b,fixpoint(c,d),e", passes(a=nothing, b=nothing, c=nothing, d=nothing, e=nothing)
    )

    def ran(**options: str) -> list[str]:
        return [record.name for record in manager.run(parse_graph(TEXT), **options).records]

    assert ran(stop_after="b") == ["a", "b"]
    assert ran(start_from="c") == ["c", "d", "e"]
    assert ran(start_from="b", stop_after="d") == ["b", "c", "d"]
    with pytest.raises(UnknownNameError, match="unknown pass in this pipeline: 'f'"):
        ran(stop_after="f")


def test_a_fixpoint_ends_when_nothing_changes_or_at_its_maximum() -> None:
    def remaining(times: int) -> Callable[[Graph, PassContext], bool]:
        left = [True] * times
        return lambda graph, context: bool(left and left.pop())

    def runs(pipeline: str, times: int) -> int:
        manager = PassManager(pipeline, passes(a=remaining(times)))
        return len(manager.run(parse_graph(TEXT), check=0).records)

    assert runs("fixpoint(a)", 3) == 4
    assert runs("fixpoint(a){max=2}", 3) == 2


def test_printing_and_timing(capsys: pytest.CaptureFixture[str]) -> None:
    manager = PassManager("idle", passes(idle=nothing))
    manager.run(parse_graph(TEXT), print_after_all=True, time=True)
    written = capsys.readouterr().err
    assert "// after idle\ngraph @model(" in written
    assert "total" in written
