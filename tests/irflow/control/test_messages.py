"""What loops say about bodies and conditions that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import irflow as irf

V = np.ones(3, np.float32)
left = irf.Variable(3, name="left")


def assigning(x: Any) -> Any:
    left.assign(1)
    return x > 0


CASES = [
    (
        lambda: irf.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0], {"w": c[1]["w"].astype("f64")}), (1, {"w": V})
        ),
        "while_loop: the body changes the type of the carry\n"
        "  carry[1]['w']  goes in as f32[3]  comes out as f64[3]\n",
        "hint: start with carry[1]['w'] as f64, or let the body return it as f32",
    ),
    (
        lambda: irf.scan(lambda c, x: (c + x, x), 0.0, np.ones((4, 3), np.float32)),
        "scan: the body changes the type of the carry\n"
        "  carry  goes in as f32[] (weak)  comes out as f32[3]\n",
        "hint: the body broadcasts carry; start with zeros of shape (3,)",
    ),
    (
        lambda: irf.fori_loop(0, 3, lambda i, c: c[:2], V),
        "fori_loop: the body changes the type of the carry\n"
        "  carry  goes in as f32[3]  comes out as f32[2]\n",
        "hint: carry keeps its shape (3,) in every step",
    ),
    (
        lambda: irf.while_loop(lambda c: c[0] < 3, lambda c: list(c), (1, 2)),
        "while_loop: the body returns a carry of another structure than it takes\n"
        "  takes    (*, *)\n  returns  [*, *]\n",
        "hint: return a tuple, as is taken",
    ),
    (
        lambda: irf.fori_loop(0, 3, lambda i, c: None, V),
        "fori_loop: the body returns a carry of another structure than it takes\n",
        "hint: the body returns nothing; return the carry",
    ),
    (
        lambda: irf.scan(lambda c, x: c, V, length=2),
        "scan: the body returns a pair of the carry and the outputs\n  returned  *\n",
        "hint: return (carry, None) if a step has no outputs",
    ),
    (
        lambda: irf.scan(lambda c, x: (c, x), V, {"a": np.ones(2), "b": np.ones(3)}),
        "scan: leading axes differ\n  xs['a']  f64[2]  axis 0 = 2\n  xs['b']  f64[3]  axis 0 = 3\n",
        "length",
    ),
    (
        lambda: irf.while_loop(
            lambda c: True, lambda c: {"a": c["a"], "b": (c["b"][0],)}, {"a": V, "b": (V, V)}
        ),
        "while_loop: the body returns a carry of another structure than it takes\n"
        "  takes       {'a': *, 'b': (*, *)}\n"
        "  returns     {'a': *, 'b': (*,)}\n"
        "  carry['b']  goes in as a tuple of 2  comes out as a tuple of 1\n",
        "",
    ),
    (
        lambda: irf.scan(lambda c, x: ((c[0], {"w": c[1]}), x), (V, V), length=2),
        "scan: the body returns a carry of another structure than it takes\n"
        "  takes     (*, *)\n"
        "  returns   (*, {'w': *})\n"
        "  carry[1]  goes in as a tensor  comes out as a dict with keys 'w'\n",
        "",
    ),
    (
        lambda: irf.while_loop(lambda c: True, V, V),
        "while_loop: body_fun is no function\n  body_fun  ndarray",
        "",
    ),
    (lambda: irf.fori_loop(0, 3, V, V), "fori_loop: body_fun is no function", ""),
    (lambda: irf.scan(None, V, length=2), "scan: f is no function\n  f  NoneType", ""),
    (lambda: irf.scan(lambda c, x: (c, x), V, length=-1), "scan: length is -1, less than 0", ""),
    (
        lambda: irf.scan(lambda c, x: (c, x), V, length=irf.asarray(3)),
        "scan: length is no int\n  length  Tensor\n",
        "hint: a number of steps that is a tensor needs fori_loop or while_loop",
    ),
    (
        lambda: irf.scan(lambda c, x: (c, x), V, np.ones(4), length=3),
        "scan: leading axes differ\n  xs      f64[4]  axis 0 = 4\n  length  3\n",
        "",
    ),
    (
        lambda: irf.scan(lambda c, x: (c, x), V, length=2, unroll=0),
        "scan: unroll is 0, less than 1",
        "",
    ),
    (
        lambda: irf.fori_loop(0, irf.asarray(3), lambda i, c: c, V, unroll=2),
        "fori_loop: unroll needs bounds that are Python ints\n  lower  int\n  upper  Tensor",
        "",
    ),
    (lambda: irf.scan(lambda c, x: (c, x), V), "scan: without sequences it needs length=", ""),
    (
        lambda: irf.scan(lambda c, x: (c, x), V, (1.0,)),
        "scan: a sequence has no leading axis\n  xs[0]  f32[]",
        "",
    ),
    (
        lambda: irf.while_loop(lambda c: c > 0, lambda c: c - 1, V),
        "while_loop: the condition is no scalar\n  returned  bool[3]\n",
        "hint: reduce it, for example with inp.any or inp.all",
    ),
    (
        lambda: irf.while_loop(lambda c: c, lambda c: c - 1, 3),
        "while_loop: the condition is no bool\n  returned  i64[]\n",
        "hint: compare with a number, for example carry != 0",
    ),
    (
        lambda: irf.while_loop(assigning, lambda c: c - 1, 3),
        "while_loop: the condition assigns a variable\n  variable  left\n",
        "hint: assign it in the body",
    ),
    (
        lambda: irf.fori_loop(irf.asarray(0.5), 3, lambda i, c: c, V),
        "fori_loop: a bound is no integer\n  lower  f32[]",
        "",
    ),
    (
        lambda: irf.while_loop(lambda c: True, lambda c: c, V, max_steps=-1),
        "while_loop: max_steps is -1, less than 0",
        "",
    ),
]


@pytest.mark.parametrize(("function", "start", "end"), CASES)
def test_messages(function: Any, start: str, end: str) -> None:
    with pytest.raises(irf.IrflowError) as caught:
        function()
    assert str(caught.value).startswith(start)
    assert end in str(caught.value)
    assert "test_messages.py" in str(caught.value)
