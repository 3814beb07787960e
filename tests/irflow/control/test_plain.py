"""Control functions under `disable_jit`: Python runs the bodies, on values that it can look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp


def everything(x: Any) -> Any:
    """A number from each kind of control function."""
    last, rows = irf.scan(lambda c, s: (c * s + 1, (c, s)), x, inp.arange(1.0, 4.0), reverse=True)
    last = irf.fori_loop(0, 3, lambda i, c: c * 0.5 + i, last)
    last = irf.while_loop(lambda c: c < 50, lambda c: c * 2, last, max_steps=9)
    last = irf.cond(last > 60, lambda c: c - 1, lambda c: c + 1, last)
    last = irf.switch(inp.asarray(5), [lambda c: c, irf.checkpoint(lambda c: c * c)], last)
    return last + rows[0].sum() * rows[1][0]


def test_values_and_gradients_are_those_of_the_graph() -> None:
    x = np.float64(0.7)
    wanted = irf.value_and_grad(everything)(x)
    with irf.disable_jit():
        assert everything(x).item() == pytest.approx(wanted[0].item())
        found = irf.jit(irf.value_and_grad(everything))(x)
    for one, expected in zip(found, wanted, strict=True):
        assert one.item() == pytest.approx(expected.item())


def test_bodies_see_values_at_every_step() -> None:
    seen: list[float] = []

    def step(c: Any, s: Any) -> Any:
        seen.append(float(c))
        return c + s, None

    def look(c: Any) -> Any:
        seen.append(float(c))
        return c > 10

    def run(x: Any) -> Any:
        x = irf.cond(look(x), lambda c: c, lambda c: step(c, 1.0)[0], x)
        return irf.scan(step, irf.while_loop(look, lambda c: c / 2, x), np.float64([1, 2]))[0]

    with irf.disable_jit():
        irf.jit(run)(np.float64(24))
        assert seen == [24, 24, 12, 6, 6, 7]
        seen.clear()
        irf.grad(run)(np.float64(1))
        assert seen == [1, 1, 2, 2, 3]


def test_graphs_that_stay_are_traced_as_ever() -> None:
    with irf.disable_jit():
        traced = irf.jit(lambda x: irf.fori_loop(0, 3, lambda i, c: c * 2, x)).trace(1.0)
    assert "scan<" in str(traced.graph)


def test_members_of_a_batch_have_no_values_to_look_at() -> None:
    def run(x: Any) -> Any:
        return irf.while_loop(
            lambda c: c < 5, lambda c: irf.cond(c > 2, lambda: 7, lambda: c * 2), x
        )

    with irf.disable_jit():
        found = irf.vmap(run)(np.arange(1, 7))
    np.testing.assert_array_equal(found, [7, 7, 7, 7, 5, 6])


def test_types_of_python_numbers_and_of_no_steps() -> None:
    with irf.disable_jit():
        last, rows = irf.scan(lambda c, x: (c + x, c), 0, np.float32([1, 2]))
        assert (last.dtype, rows.dtype) == (irf.f32, irf.f32)
        _, none = irf.scan(lambda c, x: (c, x * 2), 0, np.zeros((0, 3)))
        assert none.shape == (0, 3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda: irf.while_loop(lambda c: c < 3, lambda c: (c, c), 1),
            "carry of another structure",
        ),
        (lambda: irf.while_loop(lambda c: c, lambda c: c, 1), "the condition is no bool"),
        (lambda: irf.while_loop(lambda c: (c,), lambda c: c, 1), "the condition is no bool scalar"),
        (lambda: irf.scan(lambda c, x: c, 1, length=2), "the body returns a pair"),
        (
            lambda: irf.scan(lambda c, x: (c[:1], x), np.ones(2), length=2),
            "scan: the body changes the type of the carry\n  carry  goes in as f64[2]",
        ),
    ],
)
def test_messages(function: Any, message: str) -> None:
    with irf.disable_jit(), pytest.raises(irf.IrflowError) as caught:
        function()
    assert message in str(caught.value)
