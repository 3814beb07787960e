"""`cond` and `switch`: values, gradients, variables, messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from tests.irflow.control.conftest import Compile
from tests.irflow.control.numeric import slope


def test_one_branch_is_taken(compiled: Compile) -> None:
    run = compiled(lambda p, x: irf.cond(p, lambda x: x + 1, lambda x: x * 10, x))
    assert run(True, 2.0).item() == 3
    assert run(False, 2.0).item() == 20


def test_a_number_holds_unless_it_is_0(compiled: Compile) -> None:
    run = compiled(lambda n: irf.cond(n, lambda: 1, lambda: 2))
    assert [run(np.float32(n)).item() for n in (-0.5, 0, 3)] == [1, 2, 1]


def test_indices_outside_are_clipped(compiled: Compile) -> None:
    branches = [lambda x: x, lambda x: -x, lambda x: x * x]
    run = compiled(lambda i, x: irf.switch(i, branches, x))
    assert [run(np.int32(i), 3.0).item() for i in (-2, 0, 1, 2, 9)] == [3, 3, -3, 9, 9]


def test_structures_go_in_and_come_out(compiled: Compile) -> None:
    def function(p: Any, a: Any) -> Any:
        return irf.cond(
            p,
            lambda t, y: {"sum": t["x"] + y, "both": (t["x"], y)},
            lambda t, y: {"sum": t["x"] - y, "both": (y, t["x"])},
            {"x": a},
            a * 2,
        )

    result = compiled(function)(False, np.float32([1, 2]))
    np.testing.assert_array_equal(result["sum"], [-1, -2])
    np.testing.assert_array_equal(result["both"][0], [2, 4])


def test_captures_have_gradients(compiled: Compile) -> None:
    def function(x: Any, y: Any) -> Any:
        z = inp.sin(x * y)
        inside = irf.cond(
            x.sum() > 0,
            lambda: (inp.exp(z) * y, z * z),
            lambda: (inp.cos(z) + x, z * y * 3),
        )
        return (inside[0] * inside[1]).sum()

    gradient = compiled(irf.grad(function, argnums=(0, 1)))
    for sign in (1.0, -1.0):
        x, y = sign * np.array([0.5, 0.25, 1.0]), np.array([1.5, -0.5, 0.75])
        for found, expected in zip(gradient(x, y), slope(function, x, y), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_derivative_of_the_derivative(compiled: Compile) -> None:
    def function(x: Any) -> Any:
        return irf.switch(x > 1, [lambda: inp.sin(x) * x, lambda: x**3], *())

    def by_index(x: Any) -> Any:
        return irf.switch((x > 1).astype("i32"), [lambda: inp.sin(x) * x, lambda: x * x * x])

    second = compiled(irf.grad(irf.grad(by_index)))
    x = 0.5
    assert second(np.float64(x)).item() == pytest.approx(2 * np.cos(x) - x * np.sin(x))
    assert second(np.float64(2.0)).item() == pytest.approx(12.0)
    with pytest.raises(irf.IrflowError, match="the index is no integer"):
        function(np.float64(0.5))


def test_forward_mode(compiled: Compile) -> None:
    def function(x: Any) -> Any:
        return irf.cond(x > 0, lambda: (inp.sin(x), 3), lambda: (x * x, 4))

    run = compiled(lambda x: irf.jvp(function, (x,), (x * 0 + 2,)))
    for x, expected in [(0.5, 2 * np.cos(0.5)), (-3.0, -12.0)]:
        _, (tangent, nothing) = run(np.float64(x))
        assert tangent.item() == pytest.approx(expected)
        assert nothing is None


def test_variables_are_assigned_on_both_branches(compiled: Compile) -> None:
    a, b = irf.Variable(1.0, name="a"), irf.Variable(10.0, name="b")

    def function(p: Any) -> Any:
        def yes() -> Any:
            a.assign(a.value + b.value)
            return a.value

        def no() -> Any:
            b.assign_add(1.0)
            return a.value * 0

        return irf.cond(p, yes, no) + a.value

    run = compiled(function)
    assert run(True).item() == 22
    assert (a.value.item(), b.value.item()) == (11, 10)
    assert run(False).item() == 11
    assert (a.value.item(), b.value.item()) == (11, 11)


def test_a_variable_that_one_branch_assigns_without_reading_it(compiled: Compile) -> None:
    v = irf.Variable(1.0, name="v")

    def function(p: Any) -> Any:
        irf.cond(p, lambda: v.assign(5.0), lambda: None)
        return v.value

    run = compiled(function)
    assert [run(False).item(), run(True).item()] == [1, 5]
    assert v.value.item() == 5


def test_a_gradient_by_a_variable(compiled: Compile) -> None:
    w = irf.Variable(np.float64(3.0), name="w")

    def function(value: Any, x: Any) -> Any:
        w.assign(value)
        return irf.cond(x > 0, lambda: w.value * x, lambda: w.value * w.value)

    gradient = compiled(irf.grad(function))
    assert gradient(np.float64(3.0), np.float64(2.0)).item() == 2
    assert gradient(np.float64(3.0), np.float64(-2.0)).item() == 6


def test_numbers_take_the_type_of_the_other_branch(compiled: Compile) -> None:
    run = compiled(lambda p, x: irf.cond(p, lambda: 0, lambda: x))
    assert run(True, np.float16(2)).dtype is irf.f16
    weak = irf.cond(True, lambda: 1, lambda: 2.5)
    assert (weak + np.float16(1)).dtype is irf.f16


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: irf.cond(True, lambda: (x, 1), lambda: x),
            "cond: the branches return different structures\n"
            "  false_fun  *       result is a tensor\n"
            "  true_fun   (*, *)  result is a tuple of 2",
        ),
        (
            lambda x: irf.switch(0, [lambda: (x, {"w": x}), lambda: (x, {"w": None})]),
            "switch: the branches return different structures\n"
            "  branches[0]  (*, {'w': *})     result[1]['w'] is a tensor\n"
            "  branches[1]  (*, {'w': None})  result[1]['w'] is None",
        ),
        (lambda x: irf.cond(True, x, lambda: 2), "cond: true_fun is no function\n  true_fun  "),
        (lambda x: irf.switch(0, [lambda: x, 3]), "switch: branches[1] is no function"),
        (lambda x: irf.cond(None, lambda: 1, lambda: 2), "cond: the predicate is not a tensor"),
        (lambda x: irf.switch("a", [lambda: 1]), "switch: the index is not a tensor\n  index  str"),
        (
            lambda x: irf.cond(True, lambda: {"w": x}, lambda: {"w": x[:1]}),
            "cond: the branches return different shapes\n"
            "  false_fun  result['w']  f32[1]\n"
            "  true_fun   result['w']  f32[3]",
        ),
        (
            lambda x: irf.switch(0, [lambda: x, lambda: x.astype("int32")]),
            "switch: the branches return different element types\n"
            "  branches[0]  result  f32[3]\n"
            "  branches[1]  result  i32[3]",
        ),
        (
            lambda x: irf.cond(x > 0, lambda: 1, lambda: 2),
            "cond: the predicate is no scalar\n  pred  bool[3]\n",
        ),
        (lambda x: irf.switch(0, [], x), "switch: there is no branch"),
        (
            lambda x: irf.cond(True, lambda a: 1, lambda a: 2, "relu"),
            "cond: an argument is not a tensor\n  operands[0]  str",
        ),
    ],
)
def test_messages(function: Any, message: str) -> None:
    with pytest.raises(irf.IrflowError) as caught:
        function(np.float32([1, 2, 3]))
    assert str(caught.value).startswith(message)
