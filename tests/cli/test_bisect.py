"""`irflow bisect`: a wrong rule, a wrong kernel and a wrong whole are each found and named."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from irflow import plugins
from irflow.analysis import every_graph
from irflow.backend import Backend, CompileOptions, Executable
from irflow.ir import Graph, Node, Value
from irflow.ir.evaluate import evaluate
from irflow.lowering.program import Program
from irflow.transform import Pass, PassContext, Rewriter, RuleBuilder, rewrites
from tests.cli.conftest import Run

GRAPH = """\
graph @net(%x: f32[n, 4], %w: f32[4, 3]) -> f32[n, 3] where n <= 16 {
  %0 = matmul %x, %w : f32[n, 3]                 // model.py:4
  %1 = elementwise<exp> %0 : f32[n, 3]           // model.py:5
  %2 = elementwise<tanh> %1 : f32[n, 3]          // model.py:6
  %3 = constant<dense(f32[], 0.5)> : f32[]       // model.py:7
  %4 = broadcast<(n, 3), axes=()> %3 : f32[n, 3] // model.py:7
  %5 = elementwise<multiply> %2, %4 : f32[n, 3]  // model.py:7
  return %5
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.ir"
    path.write_text(GRAPH, "utf-8")
    return path


@rewrites("tanh")
def tanh_is_arctan(node: Node, build: RuleBuilder) -> Value:
    return build.row("arctan", node.inputs[0])


@dataclasses.dataclass(frozen=True)
class WrongPass(Pass):
    """Replace a function by another."""

    name: ClassVar[str] = "wrong"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return Rewriter((tanh_is_arctan,), context).run(graph)


class WrongExecutable(Executable):
    def __init__(self, graph: Graph, kind: str) -> None:
        super().__init__(graph)
        self.kind = kind

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = [result.copy() for result in evaluate(self.graph, arrays)]
        nodes = [node for part in every_graph(self.graph) for node in part]
        names = [str(getattr(node.op, "row", "")) for node in nodes]
        is_whole = len(nodes) > 2
        if (self.kind == "tanh" and "tanh" in names) or (self.kind == "whole" and is_whole):
            results[0][1, 2] += 0.25
        return results


class WrongTanh(Backend):
    name: ClassVar[str] = "tanh"

    def compile(self, work: Graph | Program, options: CompileOptions) -> Executable:
        assert isinstance(work, Graph)
        return WrongExecutable(work, self.name)


class WrongWhole(WrongTanh):
    name: ClassVar[str] = "whole"


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_all_is_well(irflow: Run, net: Path, backend: str) -> None:
    done = irflow("bisect", net, "--backend", backend)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first.startswith("passes: all ")
    assert first.endswith(" keep the results")
    assert second.startswith(f"backend {backend}: the graph and its ")
    assert second.endswith(" nodes agree")


def test_a_wrong_rule_is_named_with_its_line(irflow: Run, net: Path) -> None:
    with plugins.registered(plugins.PASSES, "wrong", WrongPass):
        done = irflow("bisect", net, "--passes", "cse,wrong,dce", "--backend", "numpy")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "passes: pass 'wrong' changed what @net computes"
    assert lines[1].split() == ["rule", "tanh_is_arctan"]
    assert lines[2].split() == ["applied", "to", "elementwise<tanh>", "f32[n,", "3]"]
    assert [line.split()[0] for line in lines[3:7]] == ["output", "before", "after", "in"]
    assert lines[7] == "  in model.py:6"
    assert len(lines) == 8


def test_a_wrong_node_is_named_with_its_line(irflow: Run, net: Path) -> None:
    with plugins.registered(plugins.BACKENDS, "tanh", WrongTanh):
        done = irflow("bisect", net, "--backend", "tanh")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[1] == "backend tanh: the results of the graph differ"
    assert lines[2] == "  result 0   1 of 9 elements, first at (1, 2)"
    assert "first node that differs: elementwise<tanh> f32[n, 3]" in lines
    assert lines[-1] == "  in model.py:6"


def test_an_operation_inside_of_a_fused_group_is_named(irflow: Run, net: Path) -> None:
    with plugins.registered(plugins.BACKENDS, "tanh", WrongTanh):
        done = irflow("bisect", net, "--backend", "tanh", "--passes", "fuse")
    assert done.code == 1
    lines = done.out.splitlines()
    assert any(line.startswith("first node that differs: fusion ") for line in lines)
    inner = "an operation inside of it that differs by itself: elementwise<tanh> f32[n, 3]"
    assert inner in lines
    assert lines[-1] == "  in model.py:6"


def test_a_difference_that_no_node_makes_alone(irflow: Run, net: Path) -> None:
    with plugins.registered(plugins.BACKENDS, "whole", WrongWhole):
        done = irflow("bisect", net, "--backend", "whole")
    assert done.code == 1
    last = done.out.splitlines()[-1]
    assert last == "each node alone agrees: suspect the order of steps, or memory they share"


def test_what_cannot_be_evaluated_is_not_compared(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    path.write_text("graph @g(%x: f32[100000, 100000]) -> f32[100000, 100000] {\n return %x\n}\n")
    done = irflow("bisect", path, "--backend", "numpy")
    assert done.code == 1
    assert done.out.startswith("not compared, as the graph cannot be evaluated: more than")


@pytest.mark.parametrize("option", [("--passes", "csf"), ("--backend", "nompy")])
def test_misuse(irflow: Run, net: Path, option: tuple[str, str]) -> None:
    assert irflow("bisect", net, *option).code == 2
