"""Jacobians and Hessians against finite differences and each other; linear maps against `jvp`."""

import functools
from collections import namedtuple

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import tree

RNG = np.random.default_rng(0)
Point = namedtuple("Point", "x y")
WRAPS = pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        functools.partial(irf.jit, backend="numpy"),
        functools.partial(irf.jit, backend="llvm"),
    ],
    ids=["eager", "numpy", "llvm"],
)
JACOBIANS = pytest.mark.parametrize("jacobian", [irf.jacfwd, irf.jacrev])


def differences(function, argument, step=1e-6):
    """The Jacobian of a function of one array to one array."""
    result = np.asarray(function(argument))
    jacobian = np.zeros(result.shape + argument.shape)
    for index in np.ndindex(argument.shape):
        ends = []
        for sign in (1, -1):
            moved = argument.copy()
            moved[index] += sign * step
            ends.append(np.asarray(function(moved)))
        jacobian[(..., *index)] = (ends[0] - ends[1]) / (2 * step)
    return jacobian


def mixed(x):
    """Every element of the result depends on several of the argument."""
    weights = np.arange(6.0).reshape(3, 2) / 7
    return inp.tanh(x @ weights) * inp.sum(x * x, axis=1, keepdims=True)


def looping(x):
    last, steps = irf.scan(lambda c, row: (inp.sin(c) * row, c + row), x[0], x)
    return last + irf.cond(x[0, 0] > 0, inp.exp, inp.cos, x[1]) + steps.sum(axis=0)


@WRAPS
@JACOBIANS
@pytest.mark.parametrize(
    "function", [mixed, looping, lambda x: x.sum(), lambda x: x[:0], lambda x: inp.ones(2)]
)
def test_jacobians_are_finite_differences(wrap, jacobian, function):
    x = RNG.normal(size=(2, 3))
    found = wrap(jacobian(function))(x)
    wanted = differences(function, x)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


@WRAPS
@JACOBIANS
def test_jacobians_have_the_structure_of_results_then_arguments(wrap, jacobian):
    def function(point, scale, count, *, name):
        assert name == "n"
        return {"a": point.x * scale, "b": (point.y.sum() * count, [point.x[0] + scale * 0])}

    point = Point(np.array([1.0, 2.0]), np.ones((2, 1)))
    found = wrap(lambda p, s: jacobian(function, (0, -2))(p, s, 3, name="n"))(point, 5.0)
    (by_point, by_scale) = found["a"]
    assert type(by_point) is Point
    assert by_point.x.tolist() == [[5, 0], [0, 5]]
    assert by_point.y.tolist() == [[[0], [0]]] * 2
    assert by_scale.tolist() == [1, 2]
    (by_point, _) = found["b"][0]
    assert by_point.x.tolist() == [0, 0]
    assert by_point.y.tolist() == [[3], [3]]
    assert found["b"][1][0][0].x.tolist() == [1, 0]


@WRAPS
@JACOBIANS
def test_auxiliary_results_are_those_of_one_call(wrap, jacobian):
    variable = irf.Variable(np.zeros(2), name="seen")

    def function(x):
        variable.assign(x * 10)
        return x * x, {"whole": 7, "float": x.sum()}

    found, aux = wrap(jacobian(function, has_aux=True))(np.array([1.0, 3.0]))
    assert found.tolist() == [[2, 0], [0, 6]]
    assert (aux["whole"].item(), aux["float"].item()) == (7, 4)
    assert variable.value.tolist() == [10, 30]


@WRAPS
def test_hessians(wrap):
    x = RNG.normal(size=(2, 2))

    def function(x):
        return inp.sum(inp.sin(x) * x[::-1] ** 2)

    found = wrap(irf.hessian(function))(x)
    np.testing.assert_allclose(found, differences(irf.grad(function), x), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found, wrap(irf.jacrev(irf.jacfwd(function)))(x), rtol=1e-12)
    pair, aux = wrap(irf.hessian(lambda p: (p["a"] * p["b"], 1), has_aux=True))(
        {"a": 2.0, "b": 3.0}
    )
    assert [leaf.item() for leaf in tree.flatten(pair)[0]] == [0, 1, 1, 0]
    assert aux.item() == 1


def test_a_jacobian_is_one_batched_evaluation():
    traced = irf.jit(irf.jacrev(mixed)).trace("f64[n, 3]").graph
    ops = [node.op.name for node in traced]
    assert ops.count("matmul") == 2
    assert "scan" not in ops


@WRAPS
@JACOBIANS
def test_jacobians_inside_other_transformations(wrap, jacobian):
    x = RNG.normal(size=(4, 2, 3))
    np.testing.assert_allclose(
        wrap(irf.vmap(jacobian(mixed)))(x), [irf.jacfwd(mixed)(one) for one in x], rtol=1e-12
    )
    trace = lambda v: inp.sum(inp.diagonal(jacobian(lambda u: u**3)(v)))  # noqa: E731
    assert wrap(irf.grad(trace))(np.array([1.0, 2.0])).tolist() == [6, 12]


@JACOBIANS
def test_what_has_no_jacobian(jacobian):
    name = jacobian.__name__
    with pytest.raises(irf.errors.GradientError, match="derivative with respect to x of type i64"):
        jacobian(lambda x: x * 1.0)(3)
    with pytest.raises(irf.errors.GradientError) as caught:
        jacobian(lambda x: {"a": x, "b": x > 0})(1.0)
    assert str(caught.value).startswith(f"{name}: a result of no float type\n  result['b']  bool[]")
    assert caught.value.location.function == "test_what_has_no_jacobian"
    with pytest.raises(irf.errors.UsageError, match="with has_aux the function returns a pair"):
        jacobian(lambda x: x, has_aux=True)(1.0)
    with pytest.raises(irf.errors.UsageError, match=f"{name}: argnums has an argument twice"):
        jacobian(lambda x: x, (0, 0))(1.0)


# ---------------------------------------------------------------------------------------- linearize


@WRAPS
@pytest.mark.parametrize("function", [mixed, looping, irf.checkpoint(mixed), irf.jit(mixed)])
def test_linearize_is_jvp_for_many_directions(wrap, function):
    x, moves = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 2, 3))

    def both(x, first, second):
        value, push_forward = irf.linearize(function, x)
        return value, push_forward(first), push_forward(second)

    value, *changes = wrap(both)(x, *moves)
    np.testing.assert_allclose(value, function(x), rtol=1e-12)
    for change, move in zip(changes, moves, strict=True):
        np.testing.assert_allclose(change, irf.jvp(function, (x,), (move,))[1], rtol=1e-12)


def test_linearize_keeps_what_depends_on_the_arguments_alone():
    _, push_forward = irf.linearize(inp.exp, 0.5)
    traced = irf.jit(push_forward).trace("f32[]").graph
    assert [n.op.name for n in traced if n.op.name != "constant"] == ["elementwise"]


def test_linearize_takes_structures_and_checks_directions():
    value, push_forward, aux = irf.linearize(
        lambda p, i: ({"z": p["x"] * i, "i": i}, "rest" and p["x"]), {"x": 2.0}, 3, has_aux=True
    )
    assert (value["z"].item(), aux.item()) == (6, 2)
    change = push_forward({"x": 10.0}, None)
    assert (change["z"].item(), change["i"]) == (30, None)
    assert push_forward(None, None)["z"].item() == 0
    with pytest.raises(irf.errors.UsageError, match="takes one tangent for each argument"):
        push_forward({"x": 1.0})
    with pytest.raises(irf.errors.GradientError, match="a tangent has another shape"):
        push_forward({"x": np.ones(2)}, None)
    with pytest.raises(irf.errors.UsageError, match="linearize needs at least one argument"):
        irf.linearize(lambda: 1.0)
