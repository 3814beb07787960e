"""Running: fetches in any structure, feeds, assignments, pruning, what is compiled and when."""

import collections

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp

Pair = collections.namedtuple("Pair", "left right")


def test_fetches_in_any_structure(graph, session):
    x = irf.placeholder("f32", (None,), name="x")
    w = irf.Variable(3.0, name="w")
    op = w.assign(4)
    total = x.sum()
    fetches = {"a": [x * 2, total], "b": (w, None, op), "c": Pair("x", total)}
    found = session.run(fetches, {x: [1, 2]})
    assert type(found["a"]) is list
    np.testing.assert_array_equal(found["a"][0], [2, 4])
    assert found["a"][1] == 3
    assert found["b"] == (3, None, None)
    assert type(found["c"]) is Pair
    assert found["c"].right == 3
    assert session.run([]) == []


def test_results_are_numpy(graph, session):
    x = irf.placeholder("f32", (2,))
    vector, scalar = session.run((x + 1, x.sum()), {x: [1, 2]})
    assert type(vector) is np.ndarray
    assert type(scalar) is np.float32


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_results_and_variables_have_memory_of_their_own(graph, backend):
    x = irf.placeholder("f32", (4,), name="x")
    w = irf.Variable(inp.zeros(4), name="w")
    session = irf.Session(graph, backend=backend)
    array = np.ones(4, np.float32)
    same, shape, read = session.run((x, w.value.reshape(2, 2), w), {x: array})
    same[0] = shape[0] = read[0] = 9
    assert array[0] == 1
    session.run(w.assign(x.reshape(2, 2).reshape(4)), {x: array})
    array[1] = 7
    np.testing.assert_array_equal(session.run(w), [1, 1, 1, 1])
    double = w * 2
    found, _ = session.run([double, w.assign(double)])
    found[0] = 9
    np.testing.assert_array_equal(session.run(w), [2, 2, 2, 2])


def test_constants_can_be_fetched(graph, session):
    assert session.run(irf.asarray([1, 2])).tolist() == [1, 2]
    assert session.run(inp.zeros(2) + 1).tolist() == [1, 1]


def test_what_is_not_needed_is_not_run(graph, session):
    x = irf.placeholder("f32", (None,), name="x")
    y = irf.placeholder("f32", (None,), name="y")
    w, unused = irf.Variable(2.0, name="w"), irf.Variable(1.0, name="unused")
    product = x * w
    product + y * unused
    assert session.run(product, {x: [1]}).tolist() == [2]
    (program,) = session._programs.values()
    assert program.part.variables == [w]
    assert [node.op.name for node in program.part.graph] == ["broadcast", "elementwise"]


def test_a_feed_that_is_not_needed(graph, session):
    x = irf.placeholder("f32", (None,), name="x")
    y = irf.placeholder("f32", ("m",), name="y")
    assert session.run(x * 2, {x: [1], y: [1, 2, 3]}).tolist() == [2]


def test_a_tensor_between_can_be_fed(graph, session):
    x = irf.placeholder("f32", (None, 2), name="x")
    middle = inp.tanh(x)
    end = middle.sum() / x.shape[0]
    fed = np.full((4, 2), 3, np.float32)
    assert session.run([end, middle], {middle: fed})[0] == 6
    np.testing.assert_array_equal(session.run(middle, {middle: fed}), fed)


def test_elements_of_a_placeholder_can_be_set(graph, session):
    x = irf.placeholder("f32", (3,), name="x")
    graph.label(x, "given")
    x[1] = 7
    with pytest.raises(irf.IrflowError, match="placeholders are not fed: x"):
        session.run(x)
    assert session.run(x, {"x": [1, 2, 3]}).tolist() == [1, 7, 3]
    assert session.run(["given", x], {x: [4, 5, 6], "x": [1, 2, 3]})[1].tolist() == [4, 5, 6]
    assert session.run(["given", x], {"x": [1, 2, 3]})[0].tolist() == [1, 2, 3]


def test_a_variable_can_be_fed(graph, session):
    w = irf.Variable(2.0, name="w")
    op = w.assign_add(1)
    assert session.run([w * 2, op], {w: 10.0}) == [20, None]
    assert session.run(w) == 11


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("f32", 1, 1),
        ("f32", [1.5, True], [1.5, 1]),
        ("f32", np.float64(1.5), 1.5),
        ("i32", [1, 2], [1, 2]),
        ("bf16", [1.5], [1.5]),
        ("bool", [True], [True]),
    ],
)
def test_numbers_and_lists_take_the_element_type(graph, session, dtype, given, expected):
    shape = () if np.ndim(given) == 0 else ("n",)
    x = irf.placeholder(dtype, shape, name="x")
    found = session.run(x, {x: given})
    assert found.dtype == x.dtype.numpy
    assert found.tolist() == expected


def test_tensors_and_variables_as_values(graph, session):
    x = irf.placeholder("f32", (2,))
    w = irf.Variable(np.ones(2, np.float32))
    assert session.run(x + 1, {x: irf.asarray([1.0, 2.0])}).tolist() == [2, 3]
    assert session.run(x + 1, {x: w}).tolist() == [2, 2]


def test_reads_see_the_values_from_before_the_run(graph, session):
    a, b = irf.Variable(1.0, name="a"), irf.Variable(2.0, name="b")
    swap = irf.group(a.assign(b), b.assign(a))
    assert session.run([a, swap, b]) == [1, None, 2]
    assert session.run([a, b]) == [2, 1]


def test_assigning_is_not_done_by_building(graph, session):
    w = irf.Variable(1.0)
    op = w.assign_add(1)
    later = w * 10
    assert session.run(later) == 10
    session.run(op)
    session.run([op, op])
    assert session.run(later) == 30


def test_assigning_converts(graph, session):
    w = irf.Variable(1.0)
    session.run(w.assign(irf.placeholder("i32", (), name="x")), {"x": 7})
    assert w.dtype is irf.f32
    assert session.run(w) == 7


def test_variables_are_shared_and_read_outside():
    w = irf.Variable(1.0)
    with irf.Graph().as_default() as graph:
        op = w.assign_add(1)
    irf.Session(graph).run(op)
    irf.Session(graph).run(op)
    assert float(w.value) == 3
    w.assign(10)
    irf.Session(graph).run(op)
    assert float(w.value) == 11


def test_a_jitted_function_that_assigns(graph, session):
    counter = irf.Variable(0, name="counter")

    @irf.jit
    def count(x):
        counter.assign_add(1)
        return x + counter.value

    y = count(irf.placeholder("i64", (), name="x"))
    assert session.run(y, {"x": 10}) == 11
    assert session.run(counter) == 0
    session.run("counter/assign", {"x": 10})
    assert session.run(counter) == 1


def test_the_initializer(graph, session):
    w = irf.Variable(1.0, name="w")
    initial = irf.global_variables_initializer()
    session.run(initial)
    assert session.run(w) == 1
    session.run(w.assign(5))
    later = irf.Variable(2.0, name="later")
    session.run(later.assign(6))
    assert session.run([w, initial, later]) == [5, None, 6]
    assert session.run([w, later]) == [1, 2]
    session.run(irf.group(initial, irf.group(initial)))
    assert not np.shares_memory(graph.initial_values[w], w.data)


def test_the_initial_value_is_the_one_that_the_graph_found():
    w = irf.Variable(1.0)
    w.assign(2)
    with irf.Graph().as_default() as graph:
        op = w.assign(3)
        initial = irf.global_variables_initializer()
    session = irf.Session(graph)
    session.run(op)
    session.run(initial)
    assert float(w.value) == 2


# ------------------------------------------------------------------------------------- compiling


@pytest.fixture
def compilations(monkeypatch, capsys):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")

    def read():
        prefix = "[irflow recompiles] session on g: "
        return [line.removeprefix(prefix) for line in capsys.readouterr().err.splitlines()]

    return read


def test_each_kind_of_run_is_compiled_once(graph, session, compilations, monkeypatch):
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
    x = irf.placeholder("f32", (None,), name="x")
    scale = irf.placeholder("f32", (), name="scale")
    y, z = x * 2, x * scale
    for value in (1, 2, 3):
        session.run(y, {x: [value]})
    assert compilations() == [
        "1 values and 0 updates, fed placeholder x (1,): first compilation of these fetches"
    ]
    session.run(y, {x: [1, 2]})
    session.run(y, {x: [3]})
    assert compilations() == [
        "1 values and 0 updates, fed placeholder x (2,): compiled again for other shapes"
    ]
    session.run(y, {x: [1], scale: 1})
    (line,) = compilations()
    assert line.endswith(": compiled again, other tensors are fed")
    session.run([y, z], {x: [1], scale: 1})
    session.run({"a": y, "b": [z, y]}, {x: [1], scale: 2})
    (line,) = compilations()
    assert line.endswith(": first compilation of these fetches")
    monkeypatch.setenv("IRFLOW_BACKEND", "llvm")
    session.run(y, {x: [1]})
    (line,) = compilations()
    assert line.endswith(": compiled again for backend llvm")


def test_initial_values_need_no_compilation(graph, session, compilations):
    irf.Variable(1.0)
    session.run(irf.global_variables_initializer())
    assert compilations() == []


def test_building_on_does_not_compile_again(graph, session, compilations):
    x = irf.placeholder("f32", (), name="x")
    y = x * 2
    session.run(y, {x: 1})
    compilations()
    irf.gradients(inp.sin(y), x)
    assert session.run(y, {x: 2}) == 4
    assert compilations() == []


def test_the_backend_of_a_session(graph):
    x = irf.placeholder("f32", (None,), name="x")
    y = inp.exp(x)
    found = {}
    for backend in ("numpy", "llvm"):
        with irf.Session(graph, backend=backend) as session:
            found[backend] = session.run(y, {x: [0, 1]})
            (program,) = session._programs.values()
            assert backend in type(program.executable).__module__
    np.testing.assert_allclose(found["numpy"], found["llvm"], rtol=1e-6)
