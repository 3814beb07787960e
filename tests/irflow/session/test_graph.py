"""Building: what is recorded where, placeholders and their sizes, the default graph, threads."""

import threading

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.frontend.tracing import current_trace
from irflow.session import Operation


def types(*tensors):
    return [str(tensor.type) for tensor in tensors]


def test_sizes_of_placeholders(graph):
    x = irf.placeholder("f32", (None, 784), name="x")
    y = irf.placeholder(np.int64, (None,))
    z = irf.placeholder(irf.f64, ("n", "2*n + 1", None), name="in/z")
    assert types(x, y, z) == ["f32[batch, 784]", "i64[batch]", "f64[n, 2*n + 1, in_z_2]"]
    assert types(irf.placeholder("bool")) == ["bool[]"]
    assert list(graph.placeholders) == ["x", "placeholder", "in/z", "placeholder_1"]


def test_a_size_of_another_placeholder_can_be_used(graph, session):
    x = irf.placeholder("f32", ("n", 2))
    y = irf.placeholder("f32", (x.shape[0] * 2,))
    assert types(y) == ["f32[2*n]"]
    total = x.sum() + y.sum()
    assert session.run(total, {x: np.ones((3, 2), np.float32), y: np.ones(6, np.float32)}) == 12


def test_the_same_name_is_the_same_size(graph):
    x = irf.placeholder("f32", ("n", "m"))
    y = irf.placeholder("f32", ("m",))
    assert types(x * y, x @ y.reshape(-1, 1)) == ["f32[n, m]", "f32[n, 1]"]


def test_ops_are_recorded_and_print(graph):
    x = irf.placeholder("f32", (3,), name="x")
    inp.tanh(x * 2)
    assert "%x: f32[3]" in str(graph)
    assert "elementwise<tanh>" in str(graph.graph)
    assert repr(graph) == f"Graph('g', {len(graph.graph)} nodes)"


def test_a_jitted_function_becomes_a_call_node(graph, session):
    @irf.jit
    def double(x):
        return x * 2

    x = irf.placeholder("f32", (3,), name="x")
    y = double(x)
    assert 'call<"double">' in str(graph)
    np.testing.assert_array_equal(session.run(y, {x: [1, 2, 3]}), [2, 4, 6])


def test_leaving_makes_ops_run_again():
    graph = irf.Graph()
    with graph.as_default():
        x = irf.placeholder("f32", ())
    assert float(irf.asarray(1.0) + 1) == 2
    with graph.as_default():
        y = x + 1
    assert irf.Session(graph).run(y, {x: 1}) == 2


def test_leaving_by_an_error():
    def fail():
        with irf.Graph().as_default():
            raise KeyError("mine")

    with pytest.raises(KeyError):
        fail()
    assert current_trace() is None


def test_graphs_nest():
    with irf.Graph("outer").as_default() as outer:
        with irf.Graph("inner").as_default() as inner:
            assert irf.get_default_graph() is inner
            x = irf.placeholder("f32", ())
            with outer.as_default(), inner.as_default():
                y = x * 2
        assert irf.get_default_graph() is outer
    assert len(outer.graph) == 0
    assert irf.Session(inner).run(y, {x: 2}) == 4


def test_the_default_graph():
    assert irf.get_default_graph() is irf.get_default_graph()
    assert current_trace() is None
    w = irf.Variable(2.0)
    x = irf.placeholder("f32", ())
    assert current_trace() is irf.get_default_graph()
    y = x * w
    with irf.Session() as session:
        assert session.run(y, {x: 3}) == 6
    first = irf.get_default_graph()
    irf.reset_default_graph()
    assert current_trace() is None
    assert irf.get_default_graph() is not first
    assert irf.Session(first).run(y, {x: 3}) == 6


def test_the_default_graph_can_be_entered_by_with():
    with irf.get_default_graph().as_default():
        irf.placeholder("f32", ())
    assert current_trace() is None
    irf.placeholder("f32", ())
    assert len(irf.get_default_graph().placeholders) == 2


def test_other_threads_are_left_alone(graph):
    results = {}

    def work():
        results["trace"] = current_trace()
        results["eager"] = float(irf.asarray(1.0) * 3)
        results["jit"] = float(irf.jit(lambda x: x + 1)(irf.asarray(1.0)))
        irf.placeholder("f32", ())
        results["own"] = irf.get_default_graph()

    before = len(graph.graph)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (results["trace"], results["eager"], results["jit"]) == (None, 3, 2)
    assert results["own"] is not graph
    assert len(graph.graph) == before
    assert irf.get_default_graph() is graph


def test_a_session_runs_in_another_thread():
    with irf.Graph().as_default() as graph:
        x = irf.placeholder("f32", (None,))
        y = (x * irf.Variable(2.0)).sum()
    results = []
    session = irf.Session(graph)

    def work(count):
        results.append((count, session.run(y, {x: np.ones(count, np.float32)})))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(i, 2 * i) for i in range(1, 9)]


def test_variables_of_a_graph():
    before = irf.Variable(1.0, name="before")
    irf.Variable(1.0, name="never")
    with irf.Graph().as_default() as graph:
        made = irf.Variable(inp.ones(2) * 3, name="made", trainable=False)
        before + 1
    irf.Variable(1.0, name="after")
    assert graph.variables == [made, before]
    assert graph.trainable_variables == [before]
    np.testing.assert_array_equal(made.numpy(), [3, 3])


def test_initial_values_may_be_random(graph):
    w = irf.Variable(irf.random.normal(irf.random.key(0), (3,)))
    with_graph = irf.Session(graph).run(w)
    irf_value = []
    thread = threading.Thread(
        target=lambda: irf_value.append(irf.random.normal(irf.random.key(0), (3,)).numpy())
    )
    thread.start()
    thread.join()
    np.testing.assert_array_equal(with_graph, irf_value[0])


def test_the_graph_does_not_keep_what_it_computed_for_an_initial_value(graph):
    irf.Variable(irf.random.normal(irf.random.key(0), (30,)))
    assert graph._known == {}


def test_names(graph, session):
    x = irf.placeholder("f32", (), name="x")
    w = irf.Variable(2.0, name="w")
    y = graph.label(x * w, "y")
    assert graph.find("x").value is x.value
    assert graph.find("w") is w
    assert graph.find("y").value is y.value
    assert session.run("y", {"x": 2}) == 4
    assert session.run(["y", "w"], {"x": 2, "w": 5}) == [10, 5]


def test_names_of_operations(graph):
    w = irf.Variable(2.0, name="w")
    first, second = w.assign(3), w.assign_add(1)
    assert [repr(first), repr(second)] == ["Operation('w/assign')", "Operation('w/assign_1')"]
    assert isinstance(w.assign_sub(1), Operation)
    assert graph.find("w/assign_1") is second
    assert irf.group(first, name="both").name == "both"
    assert irf.group(first).name == "group"
    assert irf.global_variables_initializer().name == "init"


def test_variables_meet_variables():
    a, b = irf.Variable(6.0), irf.Variable(2.0)
    assert [float(t) for t in (a + b, a - b, a / b, a**b)] == [8, 4, 3, 36]
    assert bool(a > b)


def test_each_thread_has_a_default_graph():
    found = []
    irf.placeholder("f32", ())
    thread = threading.Thread(target=lambda: found.append(irf.get_default_graph()))
    thread.start()
    thread.join()
    assert found[0] is not irf.get_default_graph()
