"""Results of bodies that are written where the carry lies: whenever that may be, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
from irflow import ops
from irflow.ir.graph import Graph
from irflow.loops import Buffer, Kernel, Load, LoopKind
from irflow.loops.build import NestBuilder
from irflow.lowering.inplace import overwriting
from irflow.lowering.program import Program
from irflow.lowering.steps import CopyStep, LoopStep
from irflow.ops import Handle, Switch, While
from irflow.ops.region_parts import new_region, returning
from tests.irflow.lowering.build import build, f32, fused, normal
from tests.irflow.lowering.test_control import I64, check, scan_of

Body = Callable[..., list[Handle]]


def turned(x: Handle) -> Handle:
    result: Handle = ops.transpose(x, (1, 0))
    return result


def centred(x: Handle) -> Handle:
    result: Handle = x - ops.broadcast(ops.reduce_sum(x, (1,)), x.shape, (0,)) * 0.25
    return result


def read_late(a: Handle, b: Handle, x: Handle) -> list[Handle]:
    y = a + x
    return [y, b * y + a]


def chosen(a: Handle, b: Handle, x: Handle) -> list[Handle]:
    region, ((p, q),) = new_region("branch", [f32(3, 3), f32(3, 3)])
    returning(region, [p + q, turned(p)])
    other, ((p, q),) = new_region("branch", [f32(3, 3), f32(3, 3)])
    returning(other, [q, p])
    index = ops.convert(ops.reduce_sum(x, (0, 1)), I64.dtype)
    first, second = index.emit(Switch(), [index, a, b], [region, other])
    return [first, second + x]


def looped(a: Handle, x: Handle) -> Handle:
    test, ((limit, k, _),) = new_region("test", [I64, I64, f32(3, 3)])
    returning(test, [k < limit])
    step, ((_, k, v),) = new_region("step", [I64, I64, f32(3, 3)])
    returning(step, [k + 1, v * 0.5 + turned(v) * 0.25])
    three = ops.reduce_sum(ops.convert(x * 0.0, I64.dtype), (0, 1)) + 3
    inner: Handle = three.emit(While(1), [three, three * 0, a], [test, step])[1]
    return inner


def repeated(a: Handle, b: Handle, x: Handle) -> list[Handle]:
    return [looped(a, x) + x, a * 0.5 + b * 0.5]


def nested(a: Handle, b: Handle, x: Handle) -> list[Handle]:
    body, ((c, row),) = new_region("inner", [f32(3), f32(3)])
    returning(body, [c + row, c * row])
    last, rows = scan_of(body, 3, 0, 1)(ops.reduce_sum(b, (0,)), a)
    return [a * 0.5 + rows, b * 0.5 + ops.broadcast(last, (3, 3), (1,)) * 0.1, rows]


CASES: dict[str, tuple[Body, int]] = {
    "each element by itself": (lambda a, b, x: [a + x, b * x], 0),
    "unchanged": (lambda a, b, x: [a, b * x], 0),
    "read after it is written": (lambda a, b, x: [a + x, b + (a + x)], 0),
    "read before by others": (lambda a, b, x: [a + x, b * turned(a)], 0),
    "the old one read behind the new one": (read_late, 1),
    "exchanged": (lambda a, b, x: [b, a], 3),
    "exchanged and changed": (lambda a, b, x: [b + x, a * x], 1),
    "moved on": (lambda a, b, x: [b, a + b * x], 2),
    "one result twice": (lambda a, b, x: [a + b, a + b], 1),
    "carried and stacked": (lambda a, b, x: [a + x, b * 0.5, a + x, b], 3),
    "other places read": (lambda a, b, x: [turned(a) + x, b + x], 1),
    "other places of itself read": (lambda a, b, x: [turned(a) + a, b + x], 1),
    "rows read": (lambda a, b, x: [centred(a), centred(b) + a], 2),
    "a product": (lambda a, b, x: [ops.matmul(a, b) * 0.1, b + x], 1),
    "a number": (lambda a, b, x: [a + x, b.full(2.0, b.shape)], 0),
    "the sequence": (lambda a, b, x: [x, a + b], 1),
    "branches": (chosen, 1),
    "a loop inside": (repeated, 1),
    "a loop inside is stacked": (lambda a, b, x: [x, b * x, looped(a, x)], 2),
    "a scan inside": (nested, 1),
}

CONTROL = ("branches", "a loop inside", "a loop inside is stacked", "a scan inside")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("name", "is_fused"), [(n, f) for n in CASES for f in (False, True) if not (f and n in CONTROL)]
)
def test_carries(name: str, reverse: bool, is_fused: bool) -> None:
    function, most = CASES[name]
    body = scanned(function, is_fused)
    graph = build(scan_of(body, 4, 0, 2, reverse=reverse), f32(3, 3), f32(3, 3), f32(4, 3, 3))
    program = check(graph, normal(3, 3), normal(3, 3, seed=1), normal(4, 3, 3, seed=2))
    if not is_fused:
        assert copies(program) <= most


def scanned(function: Body, is_fused: bool) -> Graph:
    types = [f32(3, 3)] * 3
    if is_fused:
        return fused(function, *types)
    body, (handles,) = new_region("body", types)
    return returning(body, function(*handles))


def copies(program: Program) -> int:
    """How many copies a repetition of the outermost loop makes."""
    (loop,) = (step for step in program.steps if isinstance(step, LoopStep))
    return sum(isinstance(step, CopyStep) for step in loop.body)


MAKERS: list[Callable[..., Any]] = [
    lambda p, q: p + q,
    lambda p, q: p * 0.5 - q * 0.25,
    lambda p, q: turned(p) * 0.5 + q * 0.25,
    lambda p, q: centred(p) * 0.3,
    lambda p, q: ops.matmul(p, q) * 0.1,
    lambda p, q: p * 0.9,
]


@pytest.mark.parametrize("seed", range(24))
def test_any_body(seed: int) -> None:
    """Values made of each other at random; any of them are carried, and stacked."""
    choose = np.random.default_rng(seed)
    body, (handles,) = new_region("body", [f32(3, 3)] * 4)
    values = list(handles)
    for _ in range(choose.integers(2, 9)):
        p, q = (values[i] for i in choose.integers(0, len(values), 2))
        values.append(MAKERS[choose.integers(len(MAKERS))](p, q))
    results = [values[i] for i in choose.integers(0, len(values), 5)]
    results[int(choose.integers(3))] = values[-1]
    returning(body, results)
    graph = build(scan_of(body, 5, 0, 3), *[f32(3, 3)] * 3, f32(5, 3, 3))
    check(graph, *(normal(3, 3, seed=i) for i in range(3)), normal(5, 3, 3, seed=3))


def test_gradients_go_back_through_a_scan() -> None:
    def function(w: Any, x: Any, rows: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            a, b = carry
            sum_ = a @ w + b * row
            new = sum_ / (1.0 + sum_ * sum_)
            return (new, b * 0.9 + a * row), new * a

        (a, b), products = irf.scan(body, (x, x * 0.5), rows)
        return (a * b).sum() + products.sum()

    given = normal(4, 4), normal(4, 4, seed=1), normal(6, 4, 4, seed=2)
    both = [
        irf.jit(irf.grad(function, argnums=(0, 1, 2)), backend=backend)(*given)
        for backend in ("llvm", "numpy")
    ]
    for found, wanted in zip(*both, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


# --- single kernels -------------------------------------------------------------------------------

X, Y = Buffer("x", f32().dtype, (8,)), Buffer("y", f32().dtype, (8,))


def copied(extent: int, shift: int, again: bool = False, is_masked: bool = False) -> Kernel:
    """`y[i] = x[i + shift] * 2` for so many `i`, from both ends of `y`."""
    builder = NestBuilder()
    with builder.loop("i", extent, LoopKind.PARALLEL) as i:
        value = builder.let(Load(X, (i + shift if shift else i,)) * 2.0, "v")
        builder.store(Y, (i,), value, i < 4 if is_masked else None)
        if again:
            builder.let(Load(X, (i,)), "w")
    with builder.loop("j", 8 - extent) as j:
        builder.store(Y, (j + extent,), Load(X, (j + extent,)) * 3.0)
    return builder.kernel("copied", (X,), (Y,))


def test_a_kernel_that_may_overwrite_its_input() -> None:
    for extent in (8, 5, 0):
        found = overwriting(copied(extent, 0), X, Y)
        assert found is not None
        assert found.inputs == ()


def test_kernels_that_may_not() -> None:
    shorter = Buffer("x", X.dtype, (4, 2))
    assert overwriting(copied(8, 0), shorter, Y) is None
    assert overwriting(copied(8, 0, again=True), X, Y) is None
    assert overwriting(copied(5, 3), X, Y) is None
    assert overwriting(copied(8, 0, is_masked=True), X, Y) is None


def test_what_is_stored_twice_may_have_been_read_too_late() -> None:
    builder = NestBuilder()
    for _ in range(2):
        with builder.loop("i", 8) as i:
            builder.store(Y, (i,), Load(X, (i,)) * 2.0)
    assert overwriting(builder.kernel("twice", (X,), (Y,)), X, Y) is None


def test_what_is_read_from_the_output_is_no_longer_the_input() -> None:
    builder = NestBuilder()
    with builder.loop("i", 8) as i:
        builder.store(Y, (i,), Load(X, (i,)) + Load(Y, (i,)))
    assert overwriting(builder.kernel("both", (X,), (Y,)), X, Y) is None


def test_loops_of_differing_lengths_are_counted() -> None:
    builder = NestBuilder()
    with builder.loop("c", 2) as c:
        extent = builder.let(c * -2 + 5, "extent")
        with builder.loop("i", extent) as i:
            builder.store(Y, (c * 5 + i,), Load(X, (c * 5 + i,)))
    assert overwriting(builder.kernel("chunks", (X,), (Y,)), X, Y) is not None
    builder = NestBuilder()
    with builder.loop("c", 2) as c, builder.loop("i", c * 0 + 5) as i:
        builder.store(Y, (c * 3 + i,), Load(X, (c * 3 + i,)))
    assert overwriting(builder.kernel("overlapping", (X,), (Y,)), X, Y) is None
