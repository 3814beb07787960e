"""`custom_jvp`: the derivative is the user's in both modes, everything else as if not there."""

import functools

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp

WRAPS = pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        functools.partial(irf.jit, backend="numpy"),
        functools.partial(irf.jit, backend="llvm"),
    ],
    ids=["eager", "numpy", "llvm"],
)


@irf.custom_jvp
def grown(x):
    """An exponential that claims to grow three times as fast, to be told from the true one."""
    return inp.exp(x)


@grown.defjvp
def rule(primals, tangents):
    return grown(*primals), grown(*primals) * 3 * tangents[0]


def jvp_of(function):
    return lambda x: irf.jvp(function, (x,), (1.0,))[1]


@WRAPS
@pytest.mark.parametrize(
    ("derive", "factor"),
    [
        (lambda f: f, 1),
        (irf.grad, 3),
        (jvp_of, 3),
        (lambda f: lambda x: irf.linearize(f, x)[1](1.0), 3),
        (lambda f: irf.grad(irf.grad(f)), 9),
        (lambda f: irf.grad(jvp_of(f)), 9),
        (lambda f: jvp_of(irf.grad(f)), 9),
        (lambda f: jvp_of(jvp_of(f)), 9),
        (lambda f: irf.grad(irf.grad(irf.grad(f))), 27),
        # Beyond the third order the exponential's own derivative follows.
        (lambda f: irf.grad(irf.grad(irf.grad(irf.grad(f)))), 27),
        (lambda f: lambda x: irf.vmap(irf.grad(f))(inp.stack([x, x]))[1], 3),
        (lambda f: irf.grad(lambda x: irf.vmap(f, axis_size=2, in_axes=None)(x).sum()), 6),
        (lambda f: irf.grad(irf.checkpoint(f)), 3),
        (lambda f: irf.grad(lambda x: irf.cond(x > 0, f, inp.sin, x)), 3),
    ],
)
def test_the_derivative_is_the_given_one(wrap, derive, factor):
    assert wrap(derive(grown))(0.5).item() == pytest.approx(factor * np.exp(0.5), rel=1e-6)
    assert grown.__doc__.startswith("An exponential")


@WRAPS
def test_nested_structures_integers_and_missing_tangents(wrap):
    @irf.custom_jvp
    def pick(params, index):
        return {"value": params["w"][index], "index": index, "sum": params["w"].sum()}

    @pick.defjvp
    def pick_rule(primals, tangents):
        params, index = primals
        assert tangents[1] is None
        change = tangents[0]["w"]
        return pick(params, index), {"value": change[index] * 10, "index": None, "sum": None}

    def loss(params, index):
        found = pick(params, index)
        return found["value"] * 2 + found["sum"] + found["index"]

    params = {"w": np.array([1.0, 2.0, 3.0]), "unused": np.ones((2, 2))}
    gradient = wrap(irf.grad(loss))(params, 1)
    assert gradient["w"].tolist() == [0, 20, 0]
    assert gradient["unused"].tolist() == [[0, 0], [0, 0]]
    moved = wrap(lambda p, i: irf.jvp(loss, (p, i), (p, None))[1])(params, 1)
    assert moved.item() == 40


@WRAPS
def test_arguments_that_are_not_differentiated(wrap):
    @functools.partial(irf.custom_jvp, nondiff_argnums=(0, -1))
    def apply(function, x, mode):
        assert mode == "m"
        return function(x)

    @apply.defjvp
    def apply_rule(function, mode, primals, tangents):
        assert mode == "m"
        return function(*primals), function(tangents[0]) * 100

    assert wrap(irf.grad(lambda x: apply(lambda y: y * 3, x, "m")))(2.0).item() == 300
    assert wrap(irf.grad(lambda x: apply(lambda y: y * 3, x=x, mode="m")))(2.0).item() == 300


@WRAPS
def test_one_function_an_argument(wrap):
    @irf.custom_jvp
    def product(x, y, z):
        return x * y, z

    product.defjvps(
        lambda t, result, x, y, z: (t * y, 0.0), lambda t, result, x, y, z: (result[0] * t, t), None
    )
    by_x, by_y, by_z = wrap(irf.grad(lambda *args: sum(product(*args)), (0, 1, 2)))(2.0, 3.0, 4.0)
    assert (by_x.item(), by_y.item(), by_z.item()) == (3, 7, 0)
    product.defjvps(None, None, None)
    assert wrap(irf.grad(lambda x: product(x, x, x)[0]))(2.0).item() == 0


@WRAPS
def test_control_flow_in_function_and_rule(wrap):
    """A rule that itself differentiates a loop: `x ** 3`, told from the true one by a factor."""

    def power(x):
        return irf.fori_loop(0, 3, lambda i, y: y * x, 1.0)

    @irf.custom_jvp
    def cube(x):
        return power(x)

    @cube.defjvp
    def cube_rule(primals, tangents):
        value, change = irf.jvp(power, primals, tangents)
        return value, change * 2

    for derive in (irf.grad, jvp_of, lambda f: lambda x: irf.linearize(f, x)[1](1.0)):
        assert wrap(derive(cube))(2.0).item() == 24


def test_it_is_one_node_until_differentiated():
    assert [node.op.name for node in irf.jit(grown).trace("f32[3]").graph] == ["custom_jvp"]
    graph = irf.jit(lambda x: jvp_of(jvp_of(jvp_of(grown)))(x)).trace("f32[]").graph
    assert "custom_jvp" not in [node.op.name for node in graph]


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda x, t: x, "UsageError", "the rule of lambda returns (result, tangent of the result"),
        (lambda x, t: ((x, x), t), "UsageError", "lambda and its rule return different structures"),
        (lambda x, t: (x > 0, t), "GradientError", "lambda and its rule return different types"),
        (
            lambda x, t: (x, inp.ones(2)),
            "GradientError",
            "the rule of lambda returns a tangent of another shape than its result",
        ),
    ],
)
def test_rules_that_do_not_fit(result, error, text):
    function = irf.custom_jvp(lambda x: x)
    function.defjvp(lambda primals, tangents: result(*primals, *tangents))
    with pytest.raises(getattr(irf.errors, error)) as caught:
        irf.grad(function)(1.0)
    assert str(caught.value).startswith(text)
    assert caught.value.location.function == "test_rules_that_do_not_fit"


def test_functions_without_a_rule_and_tensors_from_outside():
    function = irf.custom_jvp(lambda x: x)
    assert function(2.0).item() == 2
    with pytest.raises(irf.errors.UsageError, match="custom_jvp function lambda has no derivative"):
        irf.jvp(function, (1.0,), (1.0,))

    @irf.jit
    def outer(y):
        inner = irf.custom_jvp(lambda x: x * y)
        inner.defjvp(lambda primals, tangents: (primals[0] * y, tangents[0]))
        return inner(y)

    with pytest.raises(irf.errors.UsageError, match="custom_jvp function lambda uses a tensor"):
        outer(1.0)


def test_reverse_mode_needs_a_linear_rule():
    function = irf.custom_jvp(lambda x: x)
    function.defjvp(lambda primals, tangents: (primals[0], tangents[0] * tangents[0]))
    assert jvp_of(function)(3.0).item() == 1
    with pytest.raises(irf.errors.GradientError, match="the rule is not linear in the tangents"):
        irf.grad(function)(3.0)


@WRAPS
def test_results_that_are_arguments(wrap):
    """The tangent of the result is another one than that of the argument that it equals."""
    function = irf.custom_jvp(lambda x: x)
    function.defjvp(lambda primals, tangents: (primals[0], tangents[0] * 10))
    for derive in (irf.grad, jvp_of):
        assert wrap(derive(lambda x: function(x) + 100 * x))(1.0).item() == 110
