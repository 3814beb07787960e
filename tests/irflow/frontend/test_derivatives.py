"""Derivatives of Python functions against finite differences, inside and outside of `jit`."""

from collections import namedtuple

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn, tree

Params = namedtuple("Params", "w b")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
PARAMS = {"first": Params(RNG.normal(size=(4, 5)), RNG.normal(size=5)), "scale": np.array(0.7)}


def network(params, x):
    hidden = inp.tanh(x @ params["first"].w + params["first"].b)
    return (nn.softmax(hidden) * hidden[:, ::-1]).sum() * params["scale"]


def numeric(function, args, position, step=1e-6):
    """Central differences of a scalar function by all leaves of one argument."""
    leaves, structure = tree.flatten(args[position])
    gradients = []
    for number, leaf in enumerate(leaves):
        gradient = np.zeros_like(leaf)
        for index in np.ndindex(np.shape(leaf)):
            ends = []
            for sign in (1, -1):
                moved = [np.array(array) for array in leaves]
                moved[number][index] += sign * step
                whole = [*args[:position], structure.unflatten(moved), *args[position + 1 :]]
                ends.append(float(function(*whole)))
            gradient[index] = (ends[0] - ends[1]) / (2 * step)
        gradients.append(gradient)
    return structure.unflatten(gradients)


def assert_close(result, expected, rtol=1e-5, atol=1e-7):
    (leaves, structure), (wanted, other) = tree.flatten(result), tree.flatten(expected)
    assert structure == other
    for leaf, array in zip(leaves, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(leaf), np.asarray(array), rtol=rtol, atol=atol)


WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, irf.jit], ids=["eager", "jit"])


@WRAPS
def test_grad_of_nested_structures(wrap):
    gradient = wrap(irf.grad(network))(PARAMS, X)
    assert type(gradient["first"]) is Params
    assert_close(gradient, numeric(network, (PARAMS, X), 0))


@WRAPS
def test_several_arguments(wrap):
    value, (by_params, by_x) = wrap(irf.value_and_grad(network, (0, -1)))(PARAMS, X)
    assert_close(value, network(PARAMS, X))
    assert_close(by_params, numeric(network, (PARAMS, X), 0))
    assert_close(by_x, numeric(network, (PARAMS, X), 1))
    (only,) = wrap(irf.grad(network, [1]))(PARAMS, X)
    assert_close(only, by_x)


@WRAPS
def test_keyword_arguments_and_settings(wrap):
    def loss(x, *, power=1.0, name="a"):
        assert name == "b"
        return (x**power).sum()

    gradient = wrap(lambda x: irf.grad(loss)(x, power=3.0, name="b"))(np.array([1.0, 2.0]))
    assert_close(gradient, np.array([3.0, 12.0]))


@WRAPS
def test_auxiliary_results(wrap):
    def loss(x):
        return (x * x).sum(), {"double": x * 2, "count": x.shape[0], "argmax": x.argmax()}

    x = np.array([1.0, 3.0])
    (value, aux), gradient = wrap(irf.value_and_grad(loss, has_aux=True))(x)
    assert_close((value, aux["double"], aux["argmax"]), (10.0, x * 2, 1))
    assert_close(gradient, 2 * x)
    gradient, aux = wrap(irf.grad(loss, has_aux=True))(x)
    assert_close((gradient, aux["count"]), (2 * x, 2))
    with pytest.raises(irf.errors.GradientError, match="a pair: the loss and the rest"):
        irf.grad(lambda x: x, has_aux=True)(1.0)
    with pytest.raises(irf.errors.GradientError, match="a pair: the loss and the rest"):
        irf.grad(lambda x: ((x, x), 1), has_aux=True)(1.0)


@WRAPS
def test_vjp(wrap):
    def function(x, params):
        return {"y": x @ params["w"], "n": (x > 0).sum()}, x.sum(0)

    def both(x, params, ct):
        value, pull_back = irf.vjp(function, x, params)
        return value, pull_back(({"y": ct, "n": None}, None)), pull_back((None, ct[0, 0] * x[0]))

    w = RNG.normal(size=(4, 2))
    ct = RNG.normal(size=(3, 2))
    value, (by_x, by_params), second = wrap(both)(X, {"w": w, "i": np.arange(2)}, ct)
    assert_close(value, ({"y": X @ w, "n": (X > 0).sum()}, X.sum(0)))
    assert_close(by_x, ct @ w.T)
    assert_close(by_params["w"], X.T @ ct)
    assert by_params["i"] is None
    assert_close(second[0], np.tile(ct[0, 0] * X[0], (3, 1)))
    assert_close(second[1]["w"], np.zeros_like(w))


@WRAPS
def test_vjp_with_auxiliary_results(wrap):
    def both(x):
        value, pull_back, aux = irf.vjp(lambda x: (x * x, (x.sum(), x + 1)), x, has_aux=True)
        return value, pull_back(inp.ones_like(value))[0], aux

    x = np.array([1.0, 2.0])
    assert_close(wrap(both)(x), (x * x, 2 * x, (3.0, x + 1)))


@WRAPS
def test_jvp(wrap):
    def run(params, x, direction):
        return irf.jvp(network, (params, x), (direction, None))

    direction = tree.map_leaves(lambda leaf: RNG.normal(size=np.shape(leaf)), PARAMS)
    value, tangent = wrap(run)(PARAMS, X, direction)
    gradient = irf.grad(network)(PARAMS, X)
    pairs = zip(tree.flatten(gradient)[0], tree.flatten(direction)[0], strict=True)
    assert_close(value, network(PARAMS, X))
    assert_close(tangent, sum(float((g * d).sum()) for g, d in pairs))


def test_jvp_of_integers():
    value, tangent = irf.jvp(lambda x, i: (x[i], i + 1), (X[0], 2), (X[1], None))
    assert_close(value, (X[0, 2], 3))
    assert_close(tangent[0], X[1, 2])
    assert tangent[1] is None


@WRAPS
def test_the_hessian(wrap):
    def loss(x):
        return inp.exp(x[0] * x[1]) + (x**3.0).sum() * x[2]

    def column(x, direction):
        return irf.jvp(irf.grad(loss), (x,), (direction,))[1]

    def row(x, direction):
        return irf.grad(lambda x: (irf.grad(loss)(x) * direction).sum())(x)

    x = np.array([0.3, -0.5, 1.5])
    a, b, c = x
    e = np.exp(a * b)
    expected = np.array(
        [
            [b * b * e + 6 * a * c, e + a * b * e, 3 * a * a],
            [e + a * b * e, a * a * e + 6 * b * c, 3 * b * b],
            [3 * a * a, 3 * b * b, 12 * c * c],
        ]
    )
    for way in (column, row):
        found = np.stack([np.asarray(wrap(way)(x, unit)) for unit in np.eye(3)])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


@WRAPS
def test_higher_orders(wrap):
    f = np.sin
    derivative = lambda x: inp.sin(x) * x  # noqa: E731
    for order in range(1, 5):
        derivative = irf.grad(derivative)
        x = np.float64(0.8)
        sine = [f(x + k * np.pi / 2) for k in range(order + 1)]
        expected = x * sine[order] + order * sine[order - 1]
        assert_close(wrap(derivative)(x), expected)


def test_branches_on_values_outside_of_jit():
    def loss(x):
        total = x * 0
        while total < 10:
            total = total + x * x
        return total if x > 0 else -total

    assert irf.grad(loss)(2.0).item() == 12
    assert irf.grad(loss)(-2.0).item() == 12
    assert irf.grad(irf.grad(loss))(2.0).item() == 6
    assert irf.vjp(loss, 2.0)[1](1.0)[0].item() == 12
    assert irf.jvp(loss, (2.0,), (1.0,))[1].item() == 12
    with pytest.raises(irf.errors.ConcretizationError):
        irf.jit(irf.grad(loss))(2.0)


def test_values_can_be_looked_at_outside_of_jit():
    seen = []

    def loss(x):
        y = x * x
        seen.append((float(y[1]), y.tolist(), f"{y.sum():.1f}", [0, 1, 2][y[0].astype("i32")]))
        return y.sum()

    irf.grad(loss)(np.array([1.0, 3.0]))
    assert seen == [(9.0, [1.0, 9.0], "10.0", 1)]


def test_long_chains_need_no_deep_recursion():
    def loss(x):
        for _ in range(3000):
            x = x + 1
        return x if x > 0 else x * 2

    assert irf.grad(loss)(1.0).item() == 1


@WRAPS
def test_closures_over_outer_tensors(wrap):
    def outer(x):
        y = x * x
        inner = irf.grad(lambda z: (z * y * x).sum())(x)  # y x = x^3
        return (inner * x).sum()  # x^4

    x = np.array([1.0, 2.0])
    assert_close(wrap(outer)(x), (x**4).sum())
    assert_close(wrap(irf.grad(outer))(x), 4 * x**3)


@WRAPS
def test_stop_gradient(wrap):
    def loss(x):
        stopped = irf.stop_gradient({"a": x * x, "b": (x,)})
        return (stopped["a"] * x + stopped["b"][0]).sum()

    x = np.array([1.0, 2.0])
    assert_close(wrap(irf.grad(loss))(x), x * x)
    assert_close(wrap(lambda x: irf.jvp(loss, (x,), (inp.ones_like(x),))[1])(x), (x * x).sum())


@WRAPS
def test_arguments_that_do_not_matter(wrap):
    gradient = wrap(irf.grad(lambda x, y: (y * 2).sum()))(X, X)
    assert_close(gradient, np.zeros_like(X))
    assert_close(wrap(irf.grad(lambda x: 1.0))(X), np.zeros_like(X))
    assert_close(wrap(lambda x: irf.jvp(lambda x: 2.0, (x,), (x,))[1])(X), 0.0)


@WRAPS
def test_an_argument_returned_twice(wrap):
    def both(x):
        _, pull_back = irf.vjp(lambda x: (x, x, x * 2), x)
        return pull_back((x, x * 10, x * 100))[0]

    assert_close(wrap(both)(np.array([1.0])), np.array([211.0]))


def test_element_types_of_gradients():
    for dtype in ("bf16", "f16", "f32", "f64"):
        x = inp.ones(3, dtype)
        assert irf.grad(lambda x: (x * x).sum().astype("f32"))(x).dtype is x.dtype
    assert irf.grad(lambda x: x * x)(3.0).dtype is irf.f32


def test_pull_back_after_its_trace_has_ended():
    kept = []

    @irf.jit
    def f(x):
        value, pull_back = irf.vjp(lambda x: x * x, x)
        kept.append(pull_back)
        return value

    f(1.0)
    with pytest.raises(irf.errors.LeakedTracerError):
        kept[0](1.0)


def test_derivatives_of_bare_calls():
    with pytest.raises(irf.errors.UsageError, match="at least one argument"):
        irf.vjp(lambda: 1.0)
    with pytest.raises(irf.errors.UsageError, match="one tangent for each argument"):
        irf.jvp(abs, (1.0,), ())
    with pytest.raises(irf.errors.TreeError):
        irf.jvp(lambda x: x[0], ((1.0, 2.0),), ((1.0,),))
    with pytest.raises(irf.errors.GradientError, match="no number"):
        irf.grad(lambda pair: pair[0])((1.0, "a"))


BY = [
    lambda: irf.vjp(lambda z: z, 1j),
    lambda: irf.jvp(lambda z: z, (1j,), (1j,)),
    lambda: irf.grad(lambda z: 1.0)(1j),
]


@pytest.mark.parametrize("differentiate", BY, ids=["vjp", "jvp", "grad"])
def test_complex_arguments_are_refused(differentiate):
    with pytest.raises(irf.errors.GradientError, match="complex64"):
        differentiate()
