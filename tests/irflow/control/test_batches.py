"""`vmap` of control functions equals a Python loop over the batch, with all derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from tests.irflow.control.conftest import NUMPY_SLOW, Compile

X = np.array([[0.5, 1.5, -0.25], [3.0, 0.25, 2.0], [-2.0, -1.0, 0.125], [0.7, 0.1, 6.0]])
W = np.array([1.1, 0.9, 0.6])
TANGENTS = np.cos(X)


def branches(x: Any, w: Any) -> Any:
    """Each member has a branch of its own; the other one is NaN."""
    total = x.sum()
    root, rest = irf.cond(
        total > 0,
        lambda t: (inp.sqrt(t) * w, t),
        lambda t: (inp.log(-t) * w[::-1], 2.0),
        total,
    )
    return (root * x).sum() + rest


def alone(x: Any, w: Any) -> Any:
    """Branches without an operand that all members share."""
    index = inp.floor(x[0]).astype("i64")
    return irf.switch(index, [lambda: inp.sqrt(2 - x[0]), lambda: x[1] ** 2, lambda: x[2]]) * w[0]


def together(x: Any, w: Any) -> Any:
    """All members take the same branch, which makes one of two results depend on them."""
    part, rest = irf.cond(inp.asarray(w)[0] > 1, lambda: (w[0], x[0]), lambda: (x[1] * w[1], w[2]))
    return part * rest


def members(x: Any, w: Any) -> Any:
    """As many steps as each needs; a step more would be NaN, also for what all share."""
    end, steps = irf.while_loop(
        lambda c: c[0] > 1, lambda c: (inp.sqrt(c[0] - 1) * w[0], c[1] + x[1] * w), (x.max(), w)
    )
    return end * w[1] + (steps * w).sum()


def endless(x: Any, w: Any) -> Any:
    """Inner loops that never end for members that have finished, or take another branch."""

    def outer(c: Any) -> Any:
        k, y = c
        count, y = irf.while_loop(lambda s: s[0] != 0, lambda s: (s[0] - 1, s[1] * 0.9), (k, y))
        return irf.cond(
            k > 2,
            lambda: (k - 1, irf.while_loop(lambda z: z[0] != 2, lambda z: (z[0] - 1, z[1]), c)[1]),
            lambda: (k - 1, y + count),
        )

    return irf.while_loop(lambda c: c[0] > 0, outer, (inp.floor(x.max()), x))[1].sum() + w[0]


def steps(x: Any, w: Any) -> Any:
    """Carries that come to depend on the batch one after the other; a number of steps for all."""

    def body(c: Any) -> Any:
        i, a, b, same = c
        return i + 1, a * w[0] + b, inp.sin(b + x.sum()), same * 1.5

    i, a, b, same = irf.while_loop(lambda c: c[0] < 4, body, (0, w, w[0], w[1]), max_steps=9)
    return (a * b).sum() * same + i


def bounds(x: Any, w: Any) -> Any:
    """As many steps as a number of each member says."""
    number = inp.floor(inp.abs(x[0])).astype("i64")
    return irf.fori_loop(0, number + 1, lambda i, c: inp.sin(c * w) + i, x).sum()


def recurrence(x: Any, w: Any) -> Any:
    """Sequences of each member and shared ones, constants of both kinds, backwards."""

    def step(c: Any, s: Any) -> Any:
        held, sums, count = c
        held = inp.tanh(held * w + s["x"] * x)
        return (held, sums * w + s["w"], count + 1), (held.sum() * s["w"], sums, count)

    start = (w, w * 0, 0)
    (held, sums, count), (first, second, counts) = irf.scan(
        step, start, {"x": x, "w": w}, reverse=True
    )
    return (held * sums).sum() + count + (first * second[:, 0]).sum() + counts.sum()


def again(x: Any, w: Any) -> Any:
    """A part that is computed twice."""
    return irf.checkpoint(lambda x, w: inp.sin(inp.sin(x * w) * w).sum())(x, w)


@irf.custom_vjp
def scaled(x: Any, w: Any, n: Any) -> Any:
    return x * w, w.sum() * n


scaled.defvjp(
    lambda x, w, n: (scaled(x, w, n), (x, w, n)),
    # Not the true gradient, so that it is seen who uses it.
    lambda kept, g: (g[0] * kept[1] * 3, g[0] * kept[0] + g[1] * 5, None),
)


def owned(x: Any, w: Any) -> Any:
    """A gradient of one's own, with an operand that all share."""
    product, total = scaled(x, w, 2)
    return irf.fori_loop(0, 2, lambda i, c: c + scaled(c, w, 1)[0].sum(), product).sum() * total


FUNCTIONS = [
    branches,
    alone,
    together,
    members,
    endless,
    steps,
    bounds,
    recurrence,
    again,
    owned,
]
Function = Callable[..., Any]


def looped(function: Function, *arrays: Any) -> list[np.ndarray]:
    """The leaves of the results for each member, stacked."""
    rows = [irf.tree.flatten(function(*row))[0] for row in zip(*arrays, strict=True)]
    return [np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*rows, strict=True)]


def close(found: Any, expected: Any) -> None:
    for one, wanted in zip(found, expected, strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_allclose(one, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("compiled", NUMPY_SLOW[1:], indirect=True)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_and_gradients(compiled: Compile, function: Function) -> None:
    both = irf.value_and_grad(function, argnums=(0, 1))

    def run(x: Any, w: Any) -> Any:
        value, gradients = irf.vmap(both, (0, None))(x, w)
        mapped = irf.vmap(function, (0, None))
        total = irf.grad(lambda x, w: mapped(x, w).sum(), argnums=(0, 1))(x, w)
        return mapped(x, w), value, *gradients, *total

    values, by_x, by_w = looped(lambda x: both(x, W), X)
    close(compiled(run)(X, W), [values, values, by_x, by_w, by_x, by_w.sum(0)])


@pytest.mark.parametrize("compiled", ["llvm"], indirect=True)
@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f is not owned])
def test_forward_mode(compiled: Compile, function: Function) -> None:
    def along(x: Any, t: Any) -> Any:
        return irf.jvp(lambda x: function(x, W), (x,), (t,))

    def run(x: Any, t: Any) -> Any:
        mapped = irf.vmap(lambda x: function(x, W))
        return *irf.vmap(along)(x, t), *irf.jvp(mapped, (x,), (t,))

    expected = looped(along, X, TANGENTS)
    close(compiled(run)(X, TANGENTS), [*expected, *expected])


@pytest.mark.parametrize("compiled", ["eager"], indirect=True)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_batches_of_batches(compiled: Compile, function: Function) -> None:
    """Over both operands, each with an axis of its own."""
    grid = irf.vmap(irf.vmap(function, (None, 0)), (0, None))
    weights = np.stack([W, W * 0.9])
    expected = np.stack([[np.asarray(function(x, w)) for w in weights] for x in X])
    close([compiled(grid)(X, weights)], [expected])


def test_a_branch_that_nobody_takes_does_no_harm() -> None:
    both = irf.grad(lambda w: irf.vmap(lambda x: branches(x, w))(X[:2]).sum())
    (expected,) = looped(lambda x: irf.grad(lambda w: branches(x, w))(W), X[:2])
    close([both(W)], [expected.sum(0)])


@pytest.mark.parametrize("function", [branches, members, bounds, recurrence])
def test_empty_and_symbolic_batches(function: Function) -> None:
    mapped = irf.vmap(lambda x: function(x, W))
    assert mapped(X[:0]).shape == (0,)
    whole = irf.jit(mapped, spec=("f64[n, 3]",))
    for count in (1, 4):
        close([whole(X[:count])], looped(lambda x: function(x, W), X[:count]))


def test_a_bound_is_the_same_for_each_member() -> None:
    def run(x: Any) -> Any:
        return irf.while_loop(lambda c: c > 0, lambda c: c - 1, x, max_steps=2)

    np.testing.assert_array_equal(irf.vmap(run)(np.arange(5)), [0, 0, 0, 1, 2])


def test_what_does_not_depend_on_the_batch_is_not_repeated() -> None:
    def run(x: Any) -> Any:
        def body(c: Any) -> Any:
            return c[0] + 1, c[1] * x, c[2] * 2

        return irf.while_loop(lambda c: c[0] < 3, body, (0, x, 1.0))

    text = str(irf.jit(irf.vmap(run, out_axes=(None, 0, None))).trace(X[:, 0]).graph)
    assert ": i64[], f64[4], f32[]" in text
    assert "where" not in text


def test_the_inner_gradient_is_the_users_too() -> None:
    by_x = irf.vmap(irf.grad(lambda x, w: scaled(x, w, 2)[0].sum()), (0, None))(X, W)
    np.testing.assert_allclose(by_x, np.broadcast_to(3 * W, X.shape))
    by_w = irf.grad(lambda w: irf.vmap(lambda x: scaled(x, w, 2)[1])(X).sum())(W)
    np.testing.assert_allclose(by_w, np.full(3, 5.0 * len(X)))
