"""Random bits inside of fused loops: four elements of each scrambled block at a time."""

from __future__ import annotations

import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.ir.evaluate import evaluate
from irflow.ir.types import TensorType
from irflow.loops import Apply, Store
from irflow.loops.walk import expressions, statements
from irflow.lowering import Target
from irflow.ops import Handle
from irflow.ops.random_bits import ROUNDS, WORDS, random_bits
from tests.irflow.lowering.build import NARROW, WIDE, f32, fused, interpreted, lowered

N = dims.symbol("n")
KEY = TensorType(dtypes.u32, (2,))
SHAPES: list[tuple[dims.Size, ...]] = [
    (8,), (64,), (36,), (4, 3), (8, 5, 2), (4, 40), (1, 64), (3, 32), (5, 36), (2, 3, 64),
    (N, 32), (N, 3, 64), (7, 5), (6,), (N,), (0, 32), (3, 0),
]  # fmt: skip


def dropout(key: Handle, x: Handle) -> list[Handle]:
    bits, other = random_bits(key, x.shape), random_bits(key + 1, x.shape)
    kept = ops.convert(bits >> 9, f32().dtype) * x
    return [bits, kept + ops.convert(other >> 9, f32().dtype)]


@pytest.mark.parametrize("target", [WIDE, NARROW], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_are_those_of_the_whole_tensor(shape: tuple[dims.Size, ...], target: Target) -> None:
    graph = fused(dropout, KEY, f32(*shape))
    program = lowered(graph, target)
    for n in (1, 2, 3, 5) if N in shape else (1,):
        sizes = [n if size is N else int(size) for size in shape]
        given = [np.array([n, 7], np.uint32), np.ones(sizes, np.float32)]
        for found, wanted in zip(interpreted(program, given), evaluate(graph, given), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("shape", [(8, 16), (N, 64), (2, N, 64), (64,)], ids=str)
def test_a_block_is_scrambled_once_for_four_elements(shape: tuple[dims.Size, ...]) -> None:
    (kernel,) = lowered(fused(dropout, KEY, f32(*shape)), WIDE).kernels()
    names = [e.row.name for e in expressions(kernel.body) if isinstance(e, Apply)]
    assert names.count("multiply_high") <= 2 * 2 * ROUNDS
    assert sum(isinstance(stmt, Store) for stmt in statements(kernel.body)) == 2 * WORDS


@pytest.mark.parametrize("keeps", [True, False], ids=["stored", "dropped"])
@pytest.mark.parametrize(("rows", "columns"), [(8, 16), (N, 64), (6, 7)], ids=str)
def test_behind_a_product_a_block_is_scrambled_once_too(
    rows: dims.Size, columns: int, keeps: bool
) -> None:
    """The bits are in memory before the tiles are; where they fall into no quarters, as before."""

    def layer(key: Handle, x: Handle, w: Handle) -> list[Handle]:
        product = ops.matmul(x, w)
        bits = random_bits(key, product.shape)
        return [product * ops.convert(bits >> 9, f32().dtype), *([bits] if keeps else [])]

    program = lowered(fused(layer, KEY, f32(rows, 5), f32(5, columns)), WIDE)
    (kernel,) = program.kernels()
    names = [e.row.name for e in expressions(kernel.body) if isinstance(e, Apply)]
    if columns != 7:
        assert names.count("multiply_high") <= 2 * ROUNDS
    for n in (1, 3) if rows is N else (int(rows),):
        generator = np.random.default_rng(n)
        x, w = (generator.normal(size=s).astype(np.float32) for s in ((n, 5), (5, columns)))
        given = [np.array([n, 7], np.uint32), x, w]
        wanted = evaluate(program.graph, given)
        for found, expected in zip(interpreted(program, given), wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2**23 * 1e-6)
