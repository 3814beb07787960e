"""The plugin fulfils the contract of a backend; its pass does what it says and nothing else."""

import numpy as np
import pytest

import irflow as irf
from irflow import plugins
from irflow.errors import UnsupportedError
from irflow.ir.parse import parse_graph
from irflow.testing import BackendConformance
from irflow.transform.manager import PassManager

GRAPH = """
graph @f(%x: f32[3], %y: f32[3]) -> f32[3], f32[3], f32[3] {
  %0 = constant<dense(f32[], 2.0)> : f32[]
  %1 = broadcast<(3,), axes=()> %0 : f32[3]
  %2 = elementwise<multiply> %x, %1 : f32[3]
  %3 = elementwise<multiply> %x, %y : f32[3]
  %4 = elementwise<multiply> %1, %y : f32[3]
  return %2, %3, %4
}
"""


class TestToy(BackendConformance):
    backend = "toy"


def rows(graph):
    return [node.op.row.name for node in graph if node.op.name == "elementwise"]


def test_the_pass_doubles_by_addition():
    graph = parse_graph(GRAPH)
    report = PassManager("toy", plugins.find_pass).run(graph, check=3)
    assert report.changed
    assert rows(graph) == ["add", "multiply", "multiply"]
    assert report.records[0].statistics == {"double": 1}


def test_the_pass_says_when_it_changes_nothing():
    graph = parse_graph(GRAPH)
    manager = PassManager("toy", plugins.find_pass)
    manager.run(graph, check=3)
    assert not manager.run(graph, check=3).changed


def test_both_are_declared_by_this_distribution():
    for group in (plugins.BACKENDS, plugins.PASSES):
        assert plugins.entries(group)["toy"].distribution.startswith("irflow-toy ")


def test_jit_takes_the_backend_by_name():
    assert irf.jit(lambda x: x * 2, backend="toy")(np.float32([1, 2])).tolist() == [2.0, 4.0]


def test_what_it_lacks_is_decomposed():
    compiled = irf.jit(lambda x: abs(x), backend="toy").trace("f32[3]").lower().compile()
    assert "absolute" not in str(compiled)
    assert compiled(np.float32([-1, 0, 2])).tolist() == [1.0, 0.0, 2.0]


def test_what_it_lacks_is_refused():
    with pytest.raises(UnsupportedError, match="backend toy cannot run"):
        irf.jit(lambda x: x[::-1], backend="toy")(np.float32([1, 2]))


def test_it_is_not_the_default():
    assert plugins.default_backend().name != "toy"
