"""`while_loop`, `fori_loop` and `scan`: values, gradients, variables."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from tests.irflow.control.conftest import NUMPY_SLOW, Compile
from tests.irflow.control.numeric import slope

F64 = np.float64


def newton(a: Any, **options: Any) -> Any:
    """The square root of `a`."""
    return irf.while_loop(
        lambda c: inp.abs(c[0] - c[1]) > 1e-12 * a,
        lambda c: (0.5 * (c[0] + a / c[0]), c[0]),
        (a, a * 0),
        **options,
    )[0]


@pytest.mark.parametrize("compiled", NUMPY_SLOW, indirect=True)
@pytest.mark.parametrize("options", [{}, {"max_steps": 30}])
def test_newtons_iteration(compiled: Compile, options: dict[str, Any]) -> None:
    def root(a: Any) -> Any:
        return newton(a, **options)

    a = F64(7.0)
    assert compiled(root)(a).item() == pytest.approx(7**0.5)
    assert compiled(irf.grad(root))(a).item() == pytest.approx(0.5 / 7**0.5)
    assert compiled(irf.grad(irf.grad(root)))(a).item() == pytest.approx(-0.25 * 7**-1.5)
    _, tangent = compiled(lambda a: irf.jvp(root, (a,), (a * 0 + 1,)))(a)
    assert tangent.item() == pytest.approx(0.5 / 7**0.5)


@pytest.mark.parametrize("steps", [0, 1, 2, 15, 16, 17, 18, 40, 100, 333])
def test_the_gradient_goes_back_through_any_number_of_steps(compiled: Compile, steps: int) -> None:
    def last(x: Any, w: Any, n: Any) -> Any:
        test = lambda c: c[0] < n  # noqa: E731
        step = lambda c: (c[0] + 1, inp.sin(c[1] * w) + x)  # noqa: E731
        return irf.while_loop(test, step, (0, x))[1].sum()

    x, w = np.array([0.5, -0.25]), np.array([1.1, 0.9])
    gradient = compiled(irf.grad(last, argnums=(0, 1)))(x, w, np.int64(steps))
    expected = slope(lambda x, w: last(x, w, np.int64(steps)), x, w)
    for found, wanted in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8)


def test_max_steps_ends_a_loop(compiled: Compile) -> None:
    run = compiled(lambda x: irf.while_loop(lambda x: x > 0, lambda x: x + 1, x, max_steps=4))
    assert run(np.int32(1)).item() == 5
    assert run(np.int32(0)).item() == 0


def cell(w: Any, h: Any, x: Any) -> Any:
    return inp.tanh(h @ w["h"] + x @ w["x"] + w["b"])


def weights() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0).normal
    return {"h": draw(size=(3, 3)), "x": draw(size=(2, 3)), "b": draw(size=3)}


def scanned(w: Any, h: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = cell(w, h, x)
        return h, h * h

    h, ys = irf.scan(step, h, xs)
    return h.sum() + (ys * ys).sum()


def unrolled(w: Any, h: Any, xs: Any) -> Any:
    total = 0.0
    for i in range(5):
        h = cell(w, h, xs[i])
        total = total + ((h * h) ** 2).sum()
    return h.sum() + total


def test_a_recurrent_net_equals_its_unrolled_self(compiled: Compile) -> None:
    draw = np.random.default_rng(1).normal
    arguments = weights(), draw(size=(4, 3)), draw(size=(5, 4, 2))
    both = [
        compiled(irf.value_and_grad(function, argnums=(0, 1, 2)))(*arguments)
        for function in (scanned, unrolled)
    ]
    (value, (w, h, x)), (value_u, (w_u, h_u, x_u)) = both
    np.testing.assert_allclose(value, value_u, rtol=1e-12)
    for name in w:
        np.testing.assert_allclose(w[name], w_u[name], rtol=1e-9)
    np.testing.assert_allclose(h, h_u, rtol=1e-9)
    np.testing.assert_allclose(x, x_u, rtol=1e-9)


def test_what_is_the_same_in_all_steps_is_not_stacked() -> None:
    """The gradient reads `w.T`, which is computed once and kept once."""
    w = np.eye(8)

    def last(w: Any, h: Any) -> Any:
        return irf.scan(lambda h, _: (inp.sin(h @ w), None), h, length=100)[0].sum()

    graph = str(irf.jit(irf.grad(last)).trace(w, np.ones((2, 8))).graph)
    assert "f64[100, 2, 8]" in graph
    assert "f64[100, 8, 8]" not in graph


@pytest.mark.parametrize("reverse", [False, True])
def test_several_sequences_and_directions(compiled: Compile, reverse: bool) -> None:
    def run(c: Any, xs: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            return c * x["a"] + x["b"], (c, x["i"])

        return irf.scan(step, c, xs, reverse=reverse)

    a, b = np.array([0.5, 2.0, -1.0]), np.array([1.0, 3.0, 0.25])
    last, (before, numbers) = compiled(run)(F64(1.5), {"a": a, "b": b, "i": np.arange(3)})
    c, expected = 1.5, {}
    for i in reversed(range(3)) if reverse else range(3):
        expected[i] = c
        c = c * a[i] + b[i]
    assert last.item() == c
    np.testing.assert_array_equal(before, [expected[i] for i in range(3)])
    np.testing.assert_array_equal(numbers, [0, 1, 2])

    def loss(c: Any, a: Any, b: Any) -> Any:
        last, (before, _) = run(c, {"a": a, "b": b, "i": np.arange(3)})
        return last * last + inp.sin(before).sum()

    found = compiled(irf.grad(loss, argnums=(0, 1, 2)))(F64(1.5), a, b)
    for one, wanted in zip(found, slope(loss, 1.5, a, b), strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-6)


def test_no_steps(compiled: Compile) -> None:
    def run(c: Any, xs: Any) -> Any:
        return irf.scan(lambda c, x: (c * x.sum(), (x * 2, c)), c, xs)

    last, (doubled, carried) = compiled(run)(F64(3.0), np.zeros((0, 4)))
    assert last.item() == 3
    assert doubled.shape == (0, 4)
    assert (carried.shape, carried.dtype) == ((0,), irf.f64)
    by_c, by_x = compiled(irf.grad(lambda c, xs: run(c, xs)[0], argnums=(0, 1)))(
        F64(3.0), np.zeros((0, 4))
    )
    assert by_c.item() == 1
    assert by_x.shape == (0, 4)
    assert compiled(lambda: irf.fori_loop(5, 2, lambda i, c: c + 1, 7))().item() == 7


@pytest.mark.parametrize("compiled", NUMPY_SLOW, indirect=True)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("length", "unroll"), [(5, 2), (4, 2), (3, 8), (5, True), (0, 3)])
def test_steps_one_after_another_are_the_same_steps(
    compiled: Compile, reverse: bool, length: int, unroll: int | bool
) -> None:
    def run(w: Any, xs: Any, **options: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = inp.sin(c * w) + x["a"]
            return c, {"c": c, "b": x["b"] * c.sum()}

        return irf.scan(step, w * 0, xs, reverse=reverse, **options)

    def loss(w: Any, xs: Any, **options: Any) -> Any:
        last, ys = run(w, xs, **options)
        return (last * last).sum() + (ys["c"] ** 3).sum() + ys["b"].sum()

    draw = np.random.default_rng(0).normal
    w, xs = draw(size=3), {"a": draw(size=(length, 3)), "b": draw(size=length)}
    last, ys = compiled(lambda w, xs: run(w, xs, unroll=unroll))(w, xs)
    expected, rows = compiled(run)(w, xs)
    np.testing.assert_array_equal(last, expected)
    np.testing.assert_array_equal(ys["c"], rows["c"])
    np.testing.assert_array_equal(ys["b"], rows["b"])
    found = compiled(irf.grad(lambda w, xs: loss(w, xs, unroll=unroll), argnums=(0, 1)))(w, xs)
    wanted = compiled(irf.grad(loss, argnums=(0, 1)))(w, xs)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-12)
    np.testing.assert_allclose(found[1]["a"], wanted[1]["a"], rtol=1e-12)


def test_loops_are_as_short_as_unroll_says() -> None:
    def lengths(unroll: int | bool, length: int) -> list[str]:
        run = lambda x: irf.fori_loop(0, length, lambda i, c: c * x, x, unroll=unroll)  # noqa: E731
        return re.findall(r"scan<(\d+)", str(irf.jit(run).trace(1.0).graph))

    assert lengths(1, 7) == ["7"]
    assert lengths(3, 7) == ["2"]
    assert lengths(True, 7) == []
    traced = irf.jit(
        lambda x: irf.scan(lambda c, x: (c + x, c), 0.0, x, unroll=2), spec=("f32[n]",)
    )
    assert "scan<n," in str(traced.trace().graph)


def test_second_derivatives_of_a_scan(compiled: Compile) -> None:
    def last(x: Any) -> Any:
        return irf.scan(lambda c, s: (inp.sin(c * x) + s, None), x, np.arange(3.0))[0]

    x = F64(0.7)
    found = compiled(irf.grad(irf.grad(last)))(x).item()
    assert found == pytest.approx(slope(irf.grad(last), x)[0].item(), rel=1e-6)
    outer = compiled(lambda x: irf.jvp(irf.grad(last), (x,), (x * 0 + 1,))[1])
    assert outer(x).item() == pytest.approx(found)


def test_nested_loops(compiled: Compile) -> None:
    def function(x: Any, n: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            inner = irf.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * x + row), (0, c))
            c = irf.cond(inner[1] > 2, lambda: inner[1] / 3, lambda: inner[1])
            return c, irf.fori_loop(0, 2, lambda i, v: v * c + i, row)

        c, ys = irf.scan(outer, x, np.array([0.5, 1.0, -0.25]))
        return c + ys.sum()

    x, n = F64(1.2), np.int64(3)

    def plain(x: float, n: int) -> float:
        c, total = x, 0.0
        for row in (0.5, 1.0, -0.25):
            for _ in range(n):
                c = c * x + row
            c = c / 3 if c > 2 else c
            v = row
            for i in range(2):
                v = v * c + i
            total += v
        return c + total

    assert compiled(function)(x, n).item() == pytest.approx(plain(1.2, 3))
    gradient = compiled(irf.grad(function))(x, n).item()
    assert gradient == pytest.approx(slope(lambda x: plain(x, 3), x)[0].item(), rel=1e-6)


def test_bounds_known_and_unknown(compiled: Compile) -> None:
    def total(low: Any, high: Any, x: Any) -> Any:
        return irf.fori_loop(low, high, lambda i, c: c * x + i, x * 0)

    x = F64(1.5)
    expected, derivative = 0.0, 0.0
    for i in range(2, 6):
        expected, derivative = expected * 1.5 + i, derivative * 1.5 + expected
    dynamic = compiled(total)
    assert dynamic(np.int32(2), np.int32(6), x).item() == expected
    assert compiled(lambda x: total(2, 6, x))(x).item() == expected
    for function in (lambda x: total(2, 6, x), lambda x: total(np.int64(2), irf.asarray(6), x)):
        assert compiled(irf.grad(function))(x).item() == pytest.approx(derivative)


def test_python_numbers_take_the_type_of_the_body(compiled: Compile) -> None:
    run = compiled(lambda x: irf.fori_loop(0, 3, lambda i, c: c + x, 0))
    assert run(np.float16(0.5)).dtype is irf.f16
    halved = irf.while_loop(lambda c: c > 1, lambda c: c / 2, 5)
    assert halved.item() == 0.625
    assert (halved + np.float16(1)).dtype is irf.f16
    kept = irf.scan(lambda c, _: (1, None), np.float32(2), length=2)[0]
    assert kept.dtype is irf.f32


def test_variables_that_a_body_assigns_are_carried(compiled: Compile) -> None:
    count, rate = irf.Variable(0, name="count"), irf.Variable(2.0, name="rate")

    def function(x: Any) -> Any:
        def step(x: Any) -> Any:
            count.assign_add(1)
            return x * rate.value

        x = irf.while_loop(lambda x: x < 100, step, x)

        def more(c: Any, _: Any) -> Any:
            rate.assign(rate.value + c)
            return c + 1, rate.value

        return x, irf.scan(more, 1.0, length=3)[1]

    run = compiled(function)
    x, rates = run(np.float32(1))
    assert x.item() == 128
    assert count.value.item() == 7
    np.testing.assert_array_equal(rates, [3, 5, 8])
    assert rate.value.item() == 8
    assert run(np.float32(1))[0].item() == 512
    assert count.value.item() == 10


def test_a_condition_reads_a_variable_that_the_body_assigns(compiled: Compile) -> None:
    left = irf.Variable(3, name="left")

    def function(x: Any) -> Any:
        def step(x: Any) -> Any:
            left.assign_sub(1)
            return x * 2

        return irf.while_loop(lambda _: left.value > 0, step, x)

    assert compiled(function)(np.float32(1)).item() == 8
    assert left.value.item() == 0


def test_symbolic_sizes(compiled: Compile) -> None:
    def total(xs: Any, w: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = irf.cond(x.sum() > 0, lambda: inp.sin(c * w) + x, lambda: c * w)
            return c, c.sum()

        c, sums = irf.scan(step, w * 0, xs)
        extra = irf.while_loop(lambda c: c.sum() < 5, lambda c: c * w + 1, c)
        return extra.sum() + (sums * sums).sum()

    gradient = irf.grad(total, argnums=(0, 1))
    whole = irf.jit(gradient, spec=("f64[n, m]", "f64[m]"))
    for n, m in [(3, 2), (5, 4), (1, 1)]:
        draw = np.random.default_rng(n).uniform
        xs, w = draw(-0.5, 1.0, size=(n, m)), draw(1.0, 1.2, size=m)
        for found, wanted in zip(whole(xs, w), slope(total, xs, w), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_a_checkpoint_has_the_same_derivatives(compiled: Compile) -> None:
    def plain(x: Any, w: Any) -> Any:
        return inp.sin(inp.sin(x * w) * w).sum()

    x, w = np.array([0.5, -0.25]), np.array([1.5, 2.0])
    expected = irf.grad(plain, argnums=(0, 1))(x, w)
    found = compiled(irf.grad(irf.checkpoint(plain), argnums=(0, 1)))(x, w)
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-12)
    inside = irf.checkpoint(lambda x: plain(x, w))
    second = compiled(irf.grad(lambda x: irf.grad(inside)(x).sum()))(x)
    wanted = irf.grad(lambda x: irf.grad(lambda x: plain(x, w))(x).sum())(x)
    np.testing.assert_allclose(second, wanted, rtol=1e-12)


def test_a_checkpoint_keeps_its_operands_only() -> None:
    def loss(x: Any) -> Any:
        layer = irf.checkpoint(lambda c: inp.sin(inp.sin(inp.sin(c))))
        return irf.scan(lambda c, _: (layer(c), None), x, length=50)[0].sum()

    graph = str(irf.jit(irf.grad(loss)).trace(np.ones(7)).graph)
    loops = [line.split(" : ")[1] for line in graph.splitlines() if "scan<" in line]
    assert [types.count("f64[50, 7]") for types in loops] == [1, 0]
    lowered = irf.jit(irf.grad(loss)).trace(np.ones(7)).lower()
    assert "optimization_barrier" in str(lowered)


def test_gradients_of_ones_own_and_jitted_functions_inside(compiled: Compile) -> None:
    @irf.custom_vjp
    def doubled(x: Any) -> Any:
        return x * 2

    doubled.defvjp(lambda x: (x * 2, ()), lambda _, g: (g * 10,))
    halved = irf.jit(lambda x: x / 2)

    def last(x: Any) -> Any:
        return irf.scan(lambda c, _: (halved(doubled(c)), None), x, length=3)[0]

    assert compiled(last)(F64(0.5)).item() == 0.5
    assert compiled(irf.grad(last))(F64(0.5)).item() == 125
