"""The worklist: what is visited again, what is taken out, what is refused."""

from __future__ import annotations

import pytest

from irflow.errors import PassError
from irflow.ir.check import check_graph
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.parse import parse_graph
from irflow.ops import Elementwise
from irflow.scalars import find
from irflow.transform import NoMatch, PassContext, Rewriter, Rule, RuleBuilder, rewrites


def chain(*rows: str) -> Graph:
    lines = [f"%{i + 1} = elementwise<{row}> %{i} : f32[n]" for i, row in enumerate(rows)]
    body = "\n".join(lines).replace("%0", "%x")
    return parse_graph(f"graph @f(%x: f32[n]) -> f32[n] {{\n{body}\nreturn %{len(rows)} }}")


def rows(graph: Graph) -> list[str]:
    return [str(node.op.row) for node in graph]


def rewrite(graph: Graph, *rules: Rule) -> PassContext:
    context = PassContext()
    Rewriter(rules, context).run(graph)
    check_graph(graph)
    return context


@rewrites("negative")
def cancel(node: Node, build: RuleBuilder) -> Value | None:
    inner = node.inputs[0].node
    is_negative = inner is not None and str(getattr(inner.op, "row", "")) == "negative"
    return inner.inputs[0] if is_negative else None


def test_readers_and_producers_are_visited_again() -> None:
    graph = chain("sin", *["negative"] * 6, "cos")
    context = rewrite(graph, cancel)
    assert rows(graph) == ["sin", "cos"]
    assert context.statistics == {"cancel": 3}


def test_a_reader_is_visited_again_after_its_operand_changed_late() -> None:
    @rewrites("sin")
    def forget(node: Node, build: RuleBuilder) -> Value:
        return node.graph.inputs[0]

    @rewrites("tan")
    def of_one_reader(node: Node, build: RuleBuilder) -> Value | None:
        return build.row("exp", node.inputs[0]) if len(node.output.uses) == 1 else None

    @rewrites("negative")
    def of_exp(node: Node, build: RuleBuilder) -> Value | None:
        is_exp = node.inputs[0].node.op == Elementwise(find("exp"))
        return build.row("floor", node.inputs[0]) if is_exp else None

    graph = parse_graph(
        """graph @f(%x: f32[n]) -> f32[n], f32[n] {
          %0 = elementwise<tan> %x : f32[n]
          %1 = elementwise<negative> %0 : f32[n]
          %2 = elementwise<sin> %0 : f32[n]
          return %1, %2
        }"""
    )
    rewrite(graph, forget, of_one_reader, of_exp)
    assert rows(graph) == ["exp", "floor"]


def test_new_nodes_are_visited_and_stand_in_front() -> None:
    @rewrites("tan")
    def expand(node: Node, build: RuleBuilder) -> Value:
        x = node.inputs[0]
        return build.row("divide", build.row("sin", x), build.row("cos", x))

    @rewrites("cos")
    def to_exp(node: Node, build: RuleBuilder) -> Value:
        return build.row("exp", node.inputs[0])

    graph = chain("tan", "negative")
    rewrite(graph, expand, to_exp)
    assert rows(graph) == ["sin", "exp", "divide", "negative"]


def test_nodes_of_a_rule_that_gives_up_vanish() -> None:
    @rewrites(Elementwise)
    def undecided(node: Node, build: RuleBuilder) -> NoMatch:
        build.row("exp", node.inputs[0])
        return NoMatch("the day is cloudy")

    graph = chain("sin")
    context = rewrite(graph, undecided)
    assert rows(graph) == ["sin"]
    assert [str(note) for note in context.notes] == [
        "elementwise<sin> f32[n]: undecided: the day is cloudy"
    ]


def test_regions_are_rewritten() -> None:
    graph = parse_graph(
        """graph @f(%x: f32[n]) -> f32[n] {
          %0 = call<"g"> %x : f32[n] {
            (%a: f32[n]) -> f32[n]
            %0 = elementwise<negative> %a : f32[n]
            %1 = elementwise<negative> %0 : f32[n]
            return %1
          }
          %1 = elementwise<negative> %0 : f32[n]
          %2 = elementwise<negative> %1 : f32[n]
          return %2
        }"""
    )
    rewrite(graph, cancel)
    assert len(graph) == 1
    assert len(graph.first.regions[0]) == 0


def test_rules_that_undo_each_other_are_named() -> None:
    @rewrites("sin")
    def there(node: Node, build: RuleBuilder) -> Value:
        return build.row("cos", node.inputs[0])

    @rewrites("cos")
    def back(node: Node, build: RuleBuilder) -> Value:
        return build.row("sin", node.inputs[0])

    with pytest.raises(PassError, match="rules undo each other without end") as caught:
        rewrite(chain("sin"), there, back)
    assert sorted(fact[0] for fact in caught.value.facts) == ["back", "there"]


def test_a_budget_stops_after_so_many_applications() -> None:
    graph = chain(*["negative"] * 8)
    context = PassContext(budget=2)
    Rewriter([cancel], context).run(graph)
    assert len(graph) == 4
    assert context.applied == 2
    assert context.last.rule == "cancel"
