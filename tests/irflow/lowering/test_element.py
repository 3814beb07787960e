"""Element functions: each value once, in the outermost scope that knows its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from irflow import dtypes, ops
from irflow.ir.graph import Value
from irflow.ir.op import Lowering, Op
from irflow.ir.types import TensorType
from irflow.loops import Alloc, For, If, Kernel, Load, Store
from irflow.loops.print import print_kernel
from irflow.loops.walk import loads, statements
from irflow.lowering.group import Group
from irflow.lowering.nest import NestContext
from irflow.ops import Handle
from irflow.scalars import find
from tests.irflow.lowering.build import NARROW, build, f32, fused, normal, run, the_kernel


def count(kernel: Kernel, kind: type) -> int:
    return sum(1 for stmt in statements(kernel.body) if isinstance(stmt, kind))


def doubled(x: Handle, times: int) -> Handle:
    for _ in range(times):
        x = x + x
    return x


def test_a_deep_diamond_gives_linear_code() -> None:
    graph = fused(lambda x: doubled(x, 30), f32(16))
    assert count(the_kernel(graph), Store) == 1
    assert len(print_kernel(the_kernel(graph)).splitlines()) < 45
    (result,) = run(graph, [np.ones(16, np.float32)])
    np.testing.assert_array_equal(result, np.full(16, 2.0**30, np.float32))


def symmetrized(x: Handle, times: int) -> Handle:
    for _ in range(times):
        x = x + ops.transpose(x, (1, 0))
    return x


def test_a_value_read_at_two_indices_is_computed_twice_only() -> None:
    kernel = the_kernel(fused(lambda x: symmetrized(x, 20), f32(4, 4)), NARROW)
    assert len(print_kernel(kernel).splitlines()) < 60
    x = normal(4, 4)
    (result,) = run(fused(lambda x: symmetrized(x, 3), f32(4, 4)), [x])
    np.testing.assert_allclose(result, 4 * (x + x.T), rtol=1e-6)


def depth_of_loops(kernel: Kernel, buffer: str) -> set[int]:
    """How many loops are around the loads of a buffer."""

    def visit(stmt: object, depth: int) -> set[int]:
        if isinstance(stmt, For):
            return set().union(*(visit(s, depth + 1) for s in stmt.body.statements))
        found = any(load.buffer.name == buffer for load in loads(stmt))  # type: ignore[arg-type]
        return {depth} if found else set()

    return set().union(*(visit(stmt, 0) for stmt in kernel.body.statements))


def test_what_depends_on_the_row_is_computed_once_a_row() -> None:
    exp, log = find("exp"), find("log")
    graph = fused(lambda x, b: exp(x) * ops.broadcast(log(b), (6, 16), (0,)), f32(6, 16), f32(6))
    kernel = the_kernel(graph, NARROW)
    assert depth_of_loops(kernel, "x1") == {1}
    assert depth_of_loops(kernel, "x0") == {2}


def test_softmax_reduces_once_a_row() -> None:
    graph = fused(lambda x: ops.softmax(x, -1), f32(3, 37))
    kernel = the_kernel(graph, NARROW)
    # Two sums and one row between passes.
    assert count(kernel, Alloc) == 3
    x = normal(3, 37)
    (result,) = run(graph, [x], NARROW)
    expected = np.exp(x - x.max(-1, keepdims=True))
    np.testing.assert_allclose(result, expected / expected.sum(-1, keepdims=True), rtol=1e-5)


def test_a_uniform_constant_is_a_literal_and_another_a_buffer() -> None:
    def add_constants(x: Handle) -> Handle:
        halves = x.constant(np.full(4, 0.5, np.float32))
        ramp = x.constant(np.arange(4, dtype=np.float32))
        return x + halves + ramp

    graph = fused(add_constants, f32(4))
    kernel = the_kernel(graph)
    assert [buffer.name for buffer in kernel.inputs] == ["x0", "constant"]
    assert "0.5" in print_kernel(kernel)
    (result,) = run(graph, [np.zeros(4, np.float32)])
    np.testing.assert_array_equal(result, [0.5, 1.5, 2.5, 3.5])


def test_constants_differ_when_only_the_sign_of_zero_does() -> None:
    def signs(x: Handle) -> list[Handle]:
        both = x.constant(np.array([0.0, -0.0], np.float32))
        return [x * both, x * x.full(0.0, (2,)), x * x.full(-0.0, (2,))]

    results = run(fused(signs, f32(2)), [np.ones(2, np.float32)])
    expected = [[False, True], [False, False], [True, True]]
    assert [np.signbit(result).tolist() for result in results] == expected


def test_converting_to_16_bits_rounds_although_kernels_hold_f32() -> None:
    graph = fused(lambda x: ops.convert(ops.convert(x, dtypes.f16), dtypes.f32), f32(3))
    x = np.array([0.1, 1e6, 3.0], np.float32)
    (result,) = run(graph, [x])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(result, x.astype(np.float16).astype(np.float32))


def test_16_bit_floats_are_not_rounded_between_operations() -> None:
    half = TensorType(dtypes.f16, (1,))
    graph = fused(lambda x: (x * 2048.0 + 1.0) - x * 2048.0, half)
    (result,) = run(graph, [np.ones(1, np.float16)])
    assert result[0] == 1.0


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum"])
def test_a_reduction_over_nothing_is_the_identity(name: str) -> None:
    row = find(name)
    graph = fused(lambda x: ops.reduce(row, x, (1,)), f32(2, 0))
    (result,) = run(graph, [np.zeros((2, 0), np.float32)])
    assert row.identity is not None
    np.testing.assert_array_equal(result, np.full(2, row.identity(dtypes.f32), np.float32))


def test_a_masked_value_is_not_mistaken_for_an_unmasked_one() -> None:
    def edges(x: Handle) -> Handle:
        padded = ops.pad(x, (1,), (0,), None, 7.0)
        return padded + ops.pad(x, (0,), (1,), None, 5.0)

    (result,) = run(fused(edges, f32(3)), [np.array([1, 2, 3], np.float32)], NARROW)
    np.testing.assert_array_equal(result, [8, 3, 5, 8])


def context_of_vector() -> tuple[NestContext, Value]:
    graph = build(lambda x: x + 1.0, f32(8))
    (value,) = graph.inputs
    group = Group("test", (value,), tuple(graph), graph.outputs)
    return NestContext(group, NARROW), value


def test_a_mask_holds_for_the_loads_inside_only() -> None:
    context, value = context_of_vector()
    with context.one_loop(8) as i:
        with context.masked(i < 3):
            inside = context.at(value, [i])
        outside = context.at(value, [i])
        assert inside != outside
        with context.masked(i < 5):
            assert context.at(value, [i]) == outside


def test_what_a_condition_guards_stays_behind_it() -> None:
    context, value = context_of_vector()
    n = context.builder.define("n")

    def guarded() -> None:
        context.for_each([4], lambda index: context.store(0, index, context.at(value, [n])))

    context.if_(n < 8, guarded)
    branch = context.builder.finish().statements[-1]
    assert isinstance(branch, If)
    assert any(True for _ in loads(branch.then))


@dataclass(frozen=True)
class Shifted(Op):
    """`sum over k of x[k, j]`, plus `s`, which is read before the sum."""

    name: ClassVar[str] = "shifted"
    lowering: ClassVar[Lowering] = Lowering.REDUCTION

    def infer(self, x: TensorType, s: TensorType) -> TensorType:  # type: ignore[override]
        return x.with_shape(x.shape[1:])

    def numpy(self, x: np.ndarray, s: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return x.sum(0) + s

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        shift = loads[1]([])
        x = loads[0]
        total = context.reduce(find("add"), dtypes.f32, x.type.shape[:1], lambda k: x([*k, *index]))
        return total + shift


def test_a_reduction_in_an_operand_is_not_taken_for_that_of_the_op() -> None:
    graph = fused(
        lambda x, y: x.emit(Shifted(), [x, ops.reduce_sum(y, (0,))])[0], f32(3, 8), f32(5)
    )
    x, y = normal(3, 8), normal(5, seed=1)
    (result,) = run(graph, [x, y], NARROW)
    np.testing.assert_allclose(result, x.sum(0) + y.sum(), rtol=1e-5)
    assert "alloc sum" in print_kernel(the_kernel(graph, NARROW))


def test_elementwise_groups_are_one_flat_loop() -> None:
    kernel = the_kernel(fused(lambda x, y: x * y + 1.0, f32(3, 5, 7), f32(3, 5, 7)))
    assert kernel.outputs[0].shape == (105,)
    assert all(len(load.index) == 1 for load in loads(kernel.body) if isinstance(load, Load))
