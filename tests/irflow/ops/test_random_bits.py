"""Random bits: published vectors, the permanent layout, and the distributions made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from irflow import dims, dtypes
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError, UsageError
from irflow.ir.builder import Builder
from irflow.ir.evaluate import evaluate
from irflow.ir.graph import Graph
from irflow.ir.op import Sample, infer_types
from irflow.ir.types import TensorType, type_of
from irflow.loops.nodes import integer
from irflow.ops.distributions import (
    bernoulli,
    bits_shape,
    fold_in,
    normal,
    randint,
    split_key,
    uniform01,
)
from irflow.ops.operand import Handle
from irflow.ops.random_bits import RandomBits, philox_blocks, random_bits
from tests.irflow.ops.derivatives import graph_of
from tests.irflow.ops.elements import EagerContext, Load, run_loops, value_of

KEY = np.array([0xA4093822, 0x299F31D0], np.uint32)
NONE = np.zeros(2, np.uint32)

# Counter, key and result, as published with the generator.
VECTORS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


def run(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """A composite applied to arrays through a graph."""
    graph = Graph("composite")
    builder = Builder(graph)
    handles = [Handle(builder, graph.add_input(type_of(array))) for array in arrays]
    graph.set_outputs([function(*handles).value])
    (result,) = evaluate(graph, arrays)
    assert type_of(result) == graph.outputs[0].type
    return result


def draw(*shape: int) -> np.ndarray:
    return RandomBits(shape).numpy(KEY, NONE)


@pytest.mark.parametrize(("counter", "key", "result"), VECTORS)
def test_published_vectors(counter: str, key: str, result: str) -> None:
    low, high, *rest = words(counter)
    number = np.array([int(high) << 32 | int(low)], np.uint64)
    blocks = philox_blocks(number, words(key), np.array(rest, np.uint32))
    np.testing.assert_array_equal(blocks[:, 0], words(result))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 10])
def test_the_permanent_layout(count: int) -> None:
    counter = np.array([7, 9], np.uint32)
    quarter = -(-count // 4)
    blocks = philox_blocks(np.arange(quarter, dtype=np.uint64), KEY, counter)
    expected = [blocks[i // quarter, i % quarter] for i in range(count)]
    np.testing.assert_array_equal(RandomBits((count,)).numpy(KEY, counter), expected)


def test_the_layout_is_that_of_the_flat_tensor() -> None:
    np.testing.assert_array_equal(draw(3, 5, 2).reshape(-1), draw(30))


def test_words_for_all_time() -> None:
    """These numbers must never change: results published and models saved depend on them."""
    zero = RandomBits((4,)).numpy(NONE, NONE)
    np.testing.assert_array_equal(zero, words(VECTORS[0][2]))
    # Of six elements, those of even number are words of block 0.
    six = RandomBits((6,)).numpy(NONE, NONE)
    np.testing.assert_array_equal(six[::2], words(VECTORS[0][2])[:3])


def test_many_blocks_are_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(1003)
    monkeypatch.setattr(import_module("irflow.ops.random_bits"), "CHUNK", 16)
    np.testing.assert_array_equal(draw(1003), whole)


@pytest.mark.parametrize("sample", [pytest.param(s, id=s.label) for s in RandomBits.samples()])
def test_loops_equal_numpy(sample: Sample) -> None:
    (node,) = graph_of(sample.op, [type_of(array) for array in sample.inputs])
    (result,) = run_loops(node, sample.inputs)
    np.testing.assert_array_equal(result, sample.op.numpy(*sample.inputs))


def test_block_numbers_have_two_words() -> None:
    context = EagerContext()
    loads = [Load(context, array) for array in (KEY, NONE)]
    number = 2**33 + 5
    element = RandomBits((2**36,)).element(context, [integer(2**34 + number)], loads)
    block = philox_blocks(np.array([number], np.uint64), KEY, NONE)
    assert value_of(element) == block[1, 0]


def test_a_symbolic_shape() -> None:
    n = dims.symbol("n", lower=0)
    graph = Graph()
    x = graph.add_input(TensorType(dtypes.f32, (n,)))
    key = Handle(Builder(graph), graph.add_input(TensorType(dtypes.u32, (2,))))
    graph.set_outputs([random_bits(key, (n, 3)).value])
    assert graph.outputs[0].type.shape == (n, 3)
    for size in (0, 1, 5):
        (result,) = evaluate(graph, [np.zeros(size, np.float32), KEY])
        np.testing.assert_array_equal(result, draw(size, 3))
    assert x.type.shape == (n,)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (TensorType(dtypes.i32, (2,)), DTypeError),
        (TensorType(dtypes.u32, (3,)), ShapeError),
        (TensorType(dtypes.u32, ()), ShapeError),
    ],
)
def test_keys_of_another_type(key: TensorType, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"the key is u32\[2\]"):
        infer_types(RandomBits((4,)), [key, TensorType(dtypes.u32, (2,))])
    with pytest.raises(error, match=r"the counter is u32\[2\]"):
        infer_types(RandomBits((4,)), [TensorType(dtypes.u32, (2,)), key])


def test_keys_and_counters_of_different_batches() -> None:
    keys, counter = TensorType(dtypes.u32, (3, 2)), TensorType(dtypes.u32, (2,))
    with pytest.raises(ShapeError, match="keys and counters are of different batches"):
        infer_types(RandomBits((4,)), [keys, counter])


# -------------------------------------------------------------------------------------------- keys


def test_keys_made_of_a_key_differ_from_each_other_and_from_draws() -> None:
    split = run(lambda key: split_key(key, 5), KEY)
    folded = [run(fold_in, KEY, np.array(i, np.uint32)) for i in (0, 1, 2**32 - 1)]
    drawn = draw(10).reshape(5, 2)
    pairs = [tuple(pair) for pair in (*split, *folded, *drawn, KEY)]
    assert split.shape == (5, 2)
    assert len(set(pairs)) == len(pairs)


def test_folded_data_is_a_word_of_the_counter() -> None:
    block = philox_blocks(np.zeros(1, np.uint64), KEY, np.array([5, 2], np.uint32))
    folded = run(fold_in, KEY, np.array(5, np.uint32))
    np.testing.assert_array_equal(folded, block[:2, 0])


def test_folded_data_is_one_word() -> None:
    with pytest.raises(DTypeError, match="the data is one u32"):
        run(fold_in, KEY, np.array(5, np.int64))


# ----------------------------------------------------------------------------------- distributions


EDGES = np.array([0, 1, 2**8 - 1, 2**8, 2**31, 2**32 - 256, 2**32 - 1], np.uint32)
FLOATS: Sequence[tuple[DType, int]] = [
    (dtypes.bf16, 8),
    (dtypes.f16, 11),
    (dtypes.f32, 24),
    (dtypes.f64, 53),
]


def edges_of(dtype: DType) -> np.ndarray:
    if dtype is not dtypes.f64:
        return EDGES
    return np.stack([np.concatenate([EDGES, EDGES]), np.concatenate([EDGES, EDGES[::-1]])])


@pytest.mark.parametrize(("dtype", "precision"), FLOATS)
def test_uniforms_are_exact_multiples_below_1(dtype: DType, precision: int) -> None:
    bits = edges_of(dtype)
    result = run(lambda b: uniform01(b, dtype), bits)
    whole = [int(b) for b in bits] if bits.ndim == 1 else [int(a) << 32 | int(b) for a, b in bits.T]
    unused = (64 if bits.ndim == 2 else 32) - precision
    expected = [(number >> unused) / 2**precision for number in whole]
    assert result.astype(np.float64).tolist() == expected
    assert max(expected) == 1 - 2.0**-precision


def test_uniforms_are_spread_evenly() -> None:
    values = run(uniform01, draw(100_000))
    counts, _ = np.histogram(values, 20, (0, 1))
    assert np.abs(counts / 5000 - 1).max() < 0.06


@pytest.mark.parametrize("p", [0.0, 2.0**-24, 0.1, 0.3, 0.5, 0.999999999, 1.0])
def test_bernoulli_is_the_comparison_of_a_uniform(p: float) -> None:
    threshold = int(min(np.float32(p), np.float32(0.99)) * 2**24) << 8
    bits = np.concatenate([EDGES, draw(1000), np.array([threshold], np.uint32)])
    by_number = run(lambda b: bernoulli(b, p), bits)
    by_operand = run(bernoulli, bits, np.full(bits.shape, p, np.float32))
    np.testing.assert_array_equal(by_number, by_operand)
    np.testing.assert_array_equal(by_number, (bits >> 8) / 2**24 < np.float32(p))
    if p in (0.0, 1.0):
        assert (by_number == bool(p)).all()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_no_probability(p: float) -> None:
    with pytest.raises(UsageError, match="no probability"):
        run(lambda b: bernoulli(b, p), EDGES)


@pytest.mark.parametrize(("dtype", "_"), FLOATS)
def test_normals_are_finite_symmetric_and_never_0(dtype: DType, _: int) -> None:
    bits = edges_of(dtype)
    values = run(lambda b: normal(b, dtype), bits).astype(np.float64)
    opposite = run(lambda b: normal(b, dtype), ~bits).astype(np.float64)
    assert np.isfinite(values).all()
    assert (values != 0).all()
    np.testing.assert_array_equal(values, -opposite)
    assert 5.2 < np.abs(values).max() < (8.4 if dtype is dtypes.f64 else 5.5)


@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f64])
def test_normals_have_normal_moments(dtype: DType) -> None:
    bits = draw(*bits_shape((100_000,), dtype))
    values = run(lambda b: normal(b, dtype), bits).astype(np.float64)
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert abs((values**4).mean() - 3) < 0.1
    assert abs((values < -1).mean() - 0.158655) < 0.004


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 1, dtypes.i64),
        (-3, 4, dtypes.i32),
        (0, 2**32, dtypes.u32),
        (-(2**63), 2**63, dtypes.i64),
        (-(2**40), 2**41 + 3, dtypes.i64),
        (0, 2**64, dtypes.u64),
        (-128, 128, dtypes.i8),
    ],
)
def test_integers_are_a_scaled_word_or_a_remainder(low: int, high: int, dtype: DType) -> None:
    bits = np.stack([EDGES, EDGES[::-1]])
    result = run(lambda b: randint(b, low, high, dtype), bits)
    assert result.dtype == dtype.numpy
    count = high - low
    whole = [int(a) << 32 | int(b) for a, b in bits.T]
    scaled = count <= 2**32
    expected = [low + (word * count >> 64 if scaled else word % count) for word in whole]
    assert result.tolist() == expected


def test_integers_are_equally_likely() -> None:
    values = run(lambda b: randint(b, -3, 4), draw(2, 70_000))
    counts = np.bincount(values + 3)
    assert len(counts) == 7
    assert np.abs(counts / 10_000 - 1).max() < 0.04


@pytest.mark.parametrize(("low", "high"), [(3, 3), (0, 129), (-129, 0)])
def test_values_that_there_are_not(low: int, high: int) -> None:
    with pytest.raises(UsageError, match="randint: no values, or values that i8 does not hold"):
        run(lambda b: randint(b, low, high, dtypes.i8), draw(2, 3))


def test_wrong_bits_and_types() -> None:
    with pytest.raises(ShapeError, match="two words a draw"):
        run(lambda b: uniform01(b, dtypes.f64), EDGES)
    with pytest.raises(DTypeError, match="random numbers of type i32"):
        run(lambda b: uniform01(b, dtypes.i32), EDGES)
    with pytest.raises(DTypeError, match="no integer type"):
        run(lambda b: randint(b, 0, 2, dtypes.f32), draw(2, 3))
    assert bits_shape((3, 4), dtypes.f32) == (3, 4)
    assert bits_shape((3,), dtypes.f64) == bits_shape((3,), dtypes.i64) == (2, 3)
