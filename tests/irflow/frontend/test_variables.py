"""`Variable`: state outside of graphs, read and assigned inside."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp


@pytest.fixture
def counter():
    return irf.Variable(0, name="counter", trainable=False)


def bump(variable, by=1):
    variable.assign(variable.value + by)
    return variable.value * 10


def test_outside_of_traces(counter):
    assert bump(counter).item() == 10
    counter.assign_add(5)
    counter.assign_sub(2)
    assert int(counter) == counter.numpy() == 4
    counter.value = 9
    assert counter.item() == 9
    assert repr(counter) == "Variable('counter', i64[])"


def test_arithmetic_and_methods():
    v = irf.Variable([[1.0, -2.0], [3.0, 4.0]])
    array = v.numpy()
    for result, expected in [
        (v + 1, array + 1),
        (2 / v, 2 / array),
        (v @ v, array @ array),
        (np.ones(2, np.float32) @ v, np.ones(2) @ array),
        (np.ones(2, np.float32) + v, np.ones(2) + array),
        (irf.asarray([1.0, 2.0]) * v, np.array([1.0, 2.0]) * array),
        (-abs(v), -abs(array)),
        (v.sum(axis=0), array.sum(axis=0)),
        (v.mean(1, keepdims=True), array.mean(1, keepdims=True)),
        (v.reshape(-1), array.reshape(-1)),
        (v[0], array[0]),
        (v.T, array.T),
        (inp.exp(v), np.exp(array)),
        (v > 1, array > 1),
        (next(iter(v)), array[0]),
    ]:
        np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-6)
    assert v.shape == (2, 2)
    assert v.ndim == len(v) == 2
    assert v.dtype is irf.f32
    assert {v: 1}[v] == 1, "a variable is itself, whatever its value"


def test_the_type_stays():
    v = irf.Variable([1.0, 2.0], dtype="f64")
    v.assign(np.array([3, 4]))
    assert v.value.dtype is irf.f64
    with pytest.raises(irf.errors.ShapeError):
        v.assign(3.0)


def test_a_variable_owns_its_memory():
    array = np.ones(2)
    v = irf.Variable(array)
    array[:] = 5
    assert v.tolist() == [1, 1]
    v.assign(array)
    array[:] = 7
    assert v.tolist() == [5, 5]
    v.numpy()[:] = 9
    assert v.tolist() == [5, 5]


def test_names_are_unique():
    assert irf.Variable(0).name != irf.Variable(0).name


def test_reads_and_writes_in_a_compiled_function(counter):
    f = irf.jit(lambda by: (counter.value, bump(counter, by), counter.value))
    assert [leaf.item() for leaf in f(2)] == [0, 20, 2]
    assert [leaf.item() for leaf in f(3)] == [2, 50, 5]
    assert counter.item() == 5
    counter.assign(100)
    assert f(1)[0].item() == 100, "the value is no constant of the graph"


def test_roles_in_the_graph(counter):
    weight = irf.Variable([1.0], name="dense/w")
    text = str(irf.jit(lambda x: (x * weight, bump(counter))).trace("f32[1]"))
    assert 'parameter("dense/w")' in text
    assert 'state("counter")' in text
    assert 'update("counter")' in text


def test_a_variable_that_is_only_assigned(counter):
    f = irf.jit(lambda x: counter.assign(x))
    assert f(7) is None
    assert counter.item() == 7
    graph = f.trace(7).graph
    assert [role.kind for role in graph.signature.inputs] == ["argument", "state"]


def test_nested_compiled_functions(counter):
    inner = irf.jit(lambda: bump(counter))

    @irf.jit
    def outer():
        counter.assign(counter.value * 2)
        return inner() + inner(), counter.value

    counter.assign(3)
    total, end = outer()
    assert (total.item(), end.item(), counter.item()) == (70 + 80, 8, 8)


@pytest.mark.parametrize("wrap", [lambda f: f, irf.jit])
def test_updates_in_a_differentiated_function_happen_once(wrap, counter):
    weight = irf.Variable(3.0)

    def loss(x):
        bump(counter)
        return x * x * weight.value

    for transformed, result in [
        (lambda x: irf.grad(loss)(x), 12.0),
        (lambda x: irf.value_and_grad(loss)(x)[0], 12.0),
        (lambda x: irf.vjp(loss, x)[1](1.0)[0], 12.0),
        (lambda x: irf.jvp(loss, (x,), (1.0,))[1], 12.0),
        (lambda x: irf.grad(irf.grad(loss))(x), 6.0),
    ]:
        before = counter.item()
        assert wrap(transformed)(2.0).item() == result
        assert counter.item() == before + 1


def test_the_gradient_with_respect_to_a_variables_value():
    weight = irf.Variable([1.0, 2.0])
    gradient = irf.grad(lambda w: (w * w).sum())(weight)
    assert gradient.tolist() == [2, 4]


def test_a_value_assigned_before_is_seen_by_an_inner_trace(counter):
    def outer(x):
        counter.assign(5)

        def inner(y):
            return y * 2 if counter.value > 4 else y

        return irf.grad(inner)(x)

    assert irf.grad(lambda x: outer(x) * x)(1.0).item() == 2


def test_a_branch_on_a_variable_is_refused_when_compiled(counter):
    with pytest.raises(irf.errors.ConcretizationError):
        irf.jit(lambda x: x if counter.value > 0 else -x)(1.0)
    assert irf.grad(lambda x: x if counter.value > 0 else -x)(1.0).item() == -1


@pytest.mark.parametrize("wrap", [irf.jit, irf.grad])
def test_an_error_leaves_variables_as_they_were(wrap, counter):
    def fail(x):
        counter.assign(99)
        raise KeyError

    with pytest.raises(KeyError):
        wrap(fail)(1.0)
    assert counter.item() == 0
    assert bump(counter).item() == 10


def test_the_last_of_several_assignments_counts(counter):
    @irf.jit
    def f():
        for i in range(3):
            counter.assign(counter.value * 10 + i)

    f()
    assert counter.item() == 12
