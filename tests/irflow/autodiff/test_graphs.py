"""Derivatives on graphs: what they take and return, and the cut of a joint graph in two."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import autodiff, nn, random
from irflow.errors import CheckError, GradientError
from irflow.ir.check import check_graph as check
from irflow.ir.evaluate import evaluate
from irflow.ops import Elementwise
from irflow.scalars import find

RNG = np.random.default_rng(0)


def graph_of(function, *types):
    return irf.jit(function).trace(*types).graph


def network(x, w, i):
    hidden = nn.relu(x @ w)
    return nn.softmax(hidden).sum(0) * 2, i + 1, hidden * irf.stop_gradient(hidden)


TYPES = ("f64[3, 4]", "f64[4, 2]", "i64[2]")
X, W, I = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2)), np.arange(2)


def test_vjp_graph_takes_cotangents_of_float_outputs_only():
    graph = graph_of(network, *TYPES)
    before = str(graph)
    joint = autodiff.vjp_graph(graph, [0, 1])
    check(joint)
    assert str(graph) == before, "the graph itself is not changed"
    assert [str(t) for t in joint.input_types] == [*TYPES, "f64[2]", "f64[3, 2]"]
    assert [str(t) for t in joint.output_types] == ["f64[2]", "i64[2]", "f64[3, 2]", *TYPES[:2]]
    kinds = [role.kind for role in joint.signature.outputs]
    assert kinds == ["result", "result", "result", "gradient", "gradient"]
    assert autodiff.differentiable_outputs(graph) == [0, 2]


def test_split_joint():
    graph = graph_of(network, *TYPES)
    joint = autodiff.vjp_graph(graph, [0, 1])
    forward, backward = autodiff.split_joint(joint, 3, 3)
    check(forward)
    check(backward)
    cotangents = [RNG.normal(size=2), RNG.normal(size=(3, 2))]
    whole = evaluate(joint, [X, W, I, *cotangents])
    *outputs, _ = first = evaluate(forward, [X, W, I])
    residuals = first[3:]
    assert len(outputs) >= 3
    gradients = evaluate(backward, [*residuals, *cotangents])
    for found, expected in zip([*first[:3], *gradients], whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert "relu" not in str(backward), "what the forward part has computed is handed over"


def test_constants_are_no_residuals():
    def function(x):
        mask = inp.tril(inp.ones((3, 3), "f64"))
        return x * mask * 2.0

    joint = autodiff.vjp_graph(graph_of(function, "f64[3, 3]"), [0])
    forward, backward = autodiff.split_joint(joint, 1, 1)
    assert len(forward.outputs) == 1
    assert len(backward.inputs) == 1
    x = RNG.normal(size=(3, 3))
    (found,) = evaluate(backward, [x])
    np.testing.assert_array_equal(found, x * np.tril(np.ones((3, 3))) * 2)


def test_a_gradient_that_is_an_input_or_a_constant():
    joint = autodiff.vjp_graph(graph_of(lambda x, y: x * y, "f64[]", "f64[]"), [0, 1])
    forward, backward = autodiff.split_joint(joint, 2, 1)
    x, y, g = (np.asarray(v) for v in (2.0, 3.0, 10.0))
    value, *residuals = evaluate(forward, [x, y])
    assert value == 6
    assert [float(v) for v in evaluate(backward, [*residuals, g])] == [30, 20]
    joint = autodiff.vjp_graph(graph_of(lambda x: 1.0, "f64[]"), [0])
    forward, backward = autodiff.split_joint(joint, 1, 1)
    assert len(forward.outputs) == 1
    assert [float(v) for v in evaluate(backward, [g.astype("f4")])] == [0]


def test_only_active_values_are_differentiated():
    def function(x, key):
        mask = random.bernoulli(key, 0.5, (4,))  # has no gradient, and needs none
        return inp.where(mask, x, 0.0).sum()

    graph = autodiff.gradient_graph(graph_of(function, "f32[4]", "u32[2]"), [0])
    check(graph)
    assert sum(node.op.name == "random_bits" for node in graph) == 1


def test_calls_are_looked_through():
    inner = irf.jit(lambda x: inp.sin(x))
    graph = graph_of(lambda x, y: inner(x) * inner(y), "f64[]", "f64[]")
    names = [node.op.name for node in autodiff.gradient_graph(graph, [0])]
    assert names.count("call") == 1, "the call that does not depend on x stays"
    assert "call" not in [node.op.name for node in autodiff.jvp_graph(graph, [0, 1])]


def test_locations_of_gradients_are_those_of_the_forward_nodes():
    graph = graph_of(lambda x: inp.tanh(x) * 2.0, "f64[]")
    lines = {node.location.line for node in graph}
    gradient = autodiff.gradient_graph(graph, [0])
    assert {node.location.line for node in gradient if node.location is not None} >= lines


def test_jvp_graph():
    graph = graph_of(network, *TYPES)
    tangent = RNG.normal(size=(3, 4))
    pushed = autodiff.jvp_graph(graph, [0])
    check(pushed)
    outputs = evaluate(pushed, [X, W, I, tangent])
    ends = [evaluate(graph, [X + sign * 1e-6 * tangent, W, I]) for sign in (1, -1)]
    np.testing.assert_allclose(outputs[3], (ends[0][0] - ends[1][0]) / 2e-6, atol=1e-7)
    hidden = np.maximum(X @ W, 0)
    np.testing.assert_allclose(outputs[4], hidden * ((tangent @ W) * (hidden > 0)))


@pytest.mark.parametrize(
    "differentiate", [autodiff.vjp_graph, autodiff.jvp_graph, autodiff.gradient_graph]
)
def test_integers_have_no_derivative(differentiate):
    with pytest.raises(GradientError, match=r"derivative with respect to i of type i64\[2\]"):
        differentiate(graph_of(lambda x, i: (x * i).sum(), "f32[2]", "i64[2]"), [1])


def test_an_op_without_a_gradient_names_its_line():
    graph = graph_of(lambda x: inp.floor(x).sum() + inp.cbrt(x).sum(), "f32[2]")
    assert autodiff.gradient_graph(graph, [0])

    def bits(x):
        return irf.numpy.bitwise_and(x.astype("i32"), 1).astype("f32").sum() * 1.0

    assert autodiff.gradient_graph(graph_of(bits, "f32[2]"), [0]), "not active, so no gradient"


def test_a_wrong_rule_is_told(monkeypatch):
    def wrong(self, context, inputs, outputs, cotangents):
        return [cotangents[0].full(0.0, (7,)) for _ in inputs]

    graph = graph_of(lambda x: inp.tanh(x), "f32[]")
    monkeypatch.setattr(Elementwise, "vjp", wrong)
    with pytest.raises(CheckError) as caught:
        autodiff.gradient_graph(graph, [0])
    assert str(caught.value) == (
        "the gradient of elementwise has another type than its operand\n"
        "  operand   f32[]\n  gradient  f32[7]\n  hint: a bug in the op's vjp"
    )
    assert find("tanh").is_differentiable


def test_a_thirty_deep_diamond_stays_linear():
    def diamond(x):
        for _ in range(30):
            x = x + x
        return x

    graph = graph_of(diamond, "f64[]")
    gradient = autodiff.gradient_graph(graph, [0])
    assert len(gradient) < 130
    assert evaluate(gradient, [np.asarray(1.0)])[1] == 2.0**30
