"""The reference: what it accepts, what it refuses, and what it says."""

import numpy as np
import pytest

from irflow import dtypes, ops
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import type_of
from irflow.ops import Handle
from irflow.testing import Reference, assert_same_bits


def graph_of(function, *arrays):
    graph = Graph("main")
    builder = Builder(graph)
    handles = [Handle(builder, graph.add_input(type_of(a), f"x{i}")) for i, a in enumerate(arrays)]
    graph.set_outputs([function(*handles).value])
    return graph


def reference(function, *arrays):
    return Reference(graph_of(function, *arrays), arrays)


X = np.float32([1.0, 1e3, -2.0])


def test_rounding_is_accepted_and_more_is_not() -> None:
    r = reference(lambda x: x * x, X)
    assert r.mismatch([r.own[0] * np.float32(1 + 2**-20)]) is None
    found = r.mismatch([r.own[0] * np.float32(1 + 2**-12)])
    assert found is not None
    assert "(1,)" in str(found)


def test_cancellation_is_measured() -> None:
    """(x + 1e4) - 1e4 loses four digits in f32, in whatever way it is computed."""
    r = reference(lambda x: (x + 1e4) - 1e4, X[:1] + np.float32(0.1))
    assert r.mismatch([r.own[0] + np.float32(2e-3)]) is None
    assert r.mismatch([r.own[0] + np.float32(0.2)]) is not None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_nan_and_infinity_are_told_from_numbers(wrong: float) -> None:
    r = reference(lambda x: x + 1.0, X)
    assert r.mismatch([np.float32([2.0, wrong, -1.0])]) is not None


def test_nan_stands_for_nan_alone() -> None:
    r = reference(lambda x: x + 1.0, np.float32([np.nan, np.inf]))
    assert r.mismatch([np.float32([np.nan, np.inf])]) is None
    assert r.mismatch([np.float32([np.inf, np.inf])]) is not None
    assert r.mismatch([np.float32([np.nan, -np.inf])]) is not None


def test_integers_and_bools_are_exact() -> None:
    r = reference(lambda x: x * x, np.array([2, 3]))
    assert r.mismatch([np.array([4, 9])]) is None
    assert r.mismatch([np.array([4, 10])]) is not None
    r = reference(lambda x: x > 0, X)
    assert r.mismatch([np.array([True, True, True])]) is not None


def test_complex_numbers_are_compared_in_both_parts() -> None:
    z = np.complex64([1 + 2j])
    r = reference(lambda x: x * x, z)
    assert r.mismatch([z * z]) is None
    assert r.mismatch([np.conj(z * z)]) is not None


def test_sums_in_f16_may_be_as_exact_as_in_f32() -> None:
    x = np.full(3000, 0.1, np.float16)
    r = reference(lambda x: ops.reduce_sum(x, [0]), x)
    assert r.mismatch([np.asarray(x.astype(np.float64).sum()).astype(np.float16)]) is None
    assert r.epsilon == dtypes.f16.epsilon


def test_bits_are_compared_with_signs_of_zero() -> None:
    assert_same_bits([X], [X.copy()], "same")
    with pytest.raises(AssertionError, match=r"what: result 0 differs in bits, first at \(2,\)"):
        assert_same_bits([X], [np.float32([1.0, 1e3, 2.0])], "what")
    with pytest.raises(AssertionError, match="the sign of a zero"):
        assert_same_bits([np.zeros(2)], [-np.zeros(2)], "what")
    with pytest.raises(AssertionError, match="float32 and float64"):
        assert_same_bits([X], [X.astype(np.float64)], "what")
