"""`custom_vjp`: the gradient is the user's, everything else as if it were not there."""

import functools

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp

WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, irf.jit], ids=["eager", "jit"])


@irf.custom_vjp
def square(x):
    """A square whose gradient is three times too large, to be told from the true one."""
    return x * x


square.defvjp(lambda x: (x * x, x), lambda x, g: (6 * x * g,))


@WRAPS
def test_the_gradient_is_the_given_one(wrap):
    assert wrap(square)(3.0).item() == 9
    assert wrap(irf.grad(square))(3.0).item() == 18
    assert wrap(irf.grad(lambda x: square(x) * x))(3.0).item() == 9 + 54
    assert square.__doc__.startswith("A square")


@WRAPS
def test_second_derivatives_differentiate_the_backward_function(wrap):
    assert wrap(irf.grad(irf.grad(square)))(3.0).item() == 6
    assert wrap(lambda x: irf.jvp(irf.grad(square), (x,), (2.0,))[1])(3.0).item() == 12


@WRAPS
def test_nested_structures_integers_and_missing_cotangents(wrap):
    @irf.custom_vjp
    def pick(params, index):
        return {"value": params["w"][index], "index": index, "sum": params["w"].sum()}

    def forward(params, index):
        return pick(params, index), (index, {"shape": params["w"]})

    def backward(residuals, cotangents):
        index, rest = residuals
        assert cotangents["index"] is None
        marks = (inp.arange(rest["shape"].shape[0]) == index) * cotangents["value"] * 10
        return {"w": marks + cotangents["sum"], "unused": None}, None

    pick.defvjp(forward, backward)

    def loss(params, index):
        found = pick(params, index)
        return found["value"] * 2 + found["sum"] + found["index"]

    params = {"w": np.array([1.0, 2.0, 3.0]), "unused": np.ones((2, 2))}
    gradient = wrap(irf.grad(loss))(params, 1)
    assert gradient["w"].tolist() == [1, 21, 1]
    assert gradient["unused"].tolist() == [[0, 0], [0, 0]]


@WRAPS
def test_arguments_that_are_not_differentiated(wrap):
    @functools.partial(irf.custom_vjp, nondiff_argnums=(0, -1))
    def apply(function, x, mode):
        assert mode == "m"
        return function(x)

    def forward(function, x, mode):
        return function(x), x

    def backward(function, mode, x, g):
        assert mode == "m"
        return (function(g) * 100,)

    apply.defvjp(forward, backward)
    assert wrap(irf.grad(lambda x: apply(lambda y: y * 3, x, "m")))(2.0).item() == 300
    assert wrap(irf.grad(lambda x: apply(lambda y: y * 3, x=x, mode="m")))(2.0).item() == 300


def test_it_is_one_node_until_differentiated():
    assert [node.op.name for node in irf.jit(square).trace("f32[3]").graph] == ["custom_vjp"]
    differentiated = irf.jit(irf.grad(square)).trace("f32[]").graph
    assert "custom_vjp" not in [node.op.name for node in differentiated]


def test_constants_from_outside_are_fine_and_tensors_are_not():
    table = inp.arange(3) * 1.5

    @irf.custom_vjp
    def scaled(x):
        return x * table

    scaled.defvjp(lambda x: (x * table, ()), lambda r, g: ((g * table).sum() * inp.ones(3),))
    assert irf.jit(irf.grad(lambda x: scaled(x).sum()))(np.ones(3, "f4")).tolist() == [4.5] * 3

    @irf.jit
    def outer(y):
        inner = irf.custom_vjp(lambda x: x * y)
        inner.defvjp(lambda x: (x * y, ()), lambda r, g: (g,))
        return inner(y)

    with pytest.raises(irf.errors.UsageError, match="uses a tensor or variable from outside"):
        outer(1.0)


def broken(forward, backward):
    function = irf.custom_vjp(lambda x: x)
    function.defvjp(forward, backward)
    return function


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (broken(lambda x: x, min), "UsageError", "the forward function of lambda returns (res"),
        (broken(lambda x: ((x, x), ()), min), "UsageError", "lambda and its forward function ret"),
        (
            broken(lambda x: (x, ()), lambda r, g: g),
            "GradientError",
            "the backward function of lambda returns a tuple of 1 cotangents, one an argument",
        ),
        (
            broken(lambda x: (x, ()), lambda r, g: (inp.ones(2),)),
            "GradientError",
            "the backward function of lambda returns a cotangent of another shape than its arg",
        ),
    ],
)
def test_rules_that_do_not_fit(function, error, text):
    with pytest.raises(getattr(irf.errors, error)) as caught:
        irf.grad(function)(1.0)
    assert str(caught.value).startswith(text)
    assert caught.value.location.function == "test_rules_that_do_not_fit"


@WRAPS
def test_results_that_are_arguments_or_each_other(wrap):
    """The gradient of the result is not added to that of the argument that it equals."""

    @irf.custom_vjp
    def same(x):
        return x, x, x * 2

    same.defvjp(
        lambda x: (lambda y: ((x, y, y), ()))(x * 2), lambda r, g: (g[0] * 10 + g[1] + g[2] * 100,)
    )
    assert wrap(irf.grad(lambda x: same(x)[0]))(1.0).item() == 10
    assert wrap(irf.grad(lambda x: same(x)[2] * 3 + x))(1.0).item() == 301
    assert wrap(irf.grad(irf.grad(lambda x: same(x * x)[0])))(1.0).item() == 20
