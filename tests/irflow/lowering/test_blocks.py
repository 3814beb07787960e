"""What is chosen for matrix products of known shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.lowering import Target
from irflow.lowering.blocks import Blocks, Factor, Product
from irflow.lowering.row_blocks import block_size
from irflow.lowering.schedule import Tile, steps_in_round

AVX512 = Target("avx512", vector_bytes=64, vector_registers=32)
AVX2 = Target("avx2", vector_bytes=32, vector_registers=16)
NEON = Target("neon", vector_bytes=16, vector_registers=32)
SIMD128 = Target("simd128", vector_bytes=16, vector_registers=16)


def blocks(target: Target, rows: Size, columns: int, inner: Size, turned: bool = False) -> Blocks:
    left = Factor((inner,), (1,), is_computed=False)
    right = Factor((inner,), (1,), False) if turned else Factor((1,), (columns,), False)
    chosen = Product(target, dtypes.f32, rows, columns, inner, left, right).blocks()
    assert chosen is not None
    return chosen


TILES = [
    (AVX512, 128, 128, 784, (8, 2)),
    (AVX512, 1024, 1024, 1024, (8, 2)),
    (AVX512, 32, 10, 128, (16, 1)),
    (AVX512, 4, 768, 768, (4, 6)),
    (AVX512, 16, 512, 128, (16, 1)),
    (AVX2, 128, 128, 784, (6, 2)),
    (SIMD128, 128, 128, 784, (6, 2)),
    (NEON, 128, 128, 784, (4, 4)),
]


@pytest.mark.parametrize(("target", "rows", "columns", "inner", "tile"), TILES, ids=str)
def test_tiles_fill_the_registers(
    target: Target, rows: int, columns: int, inner: int, tile: tuple[int, int]
) -> None:
    chosen = blocks(target, rows, columns, inner).tile
    assert (chosen.rows, chosen.columns) == tile


def test_operands_are_copied_where_that_pays() -> None:
    small, large = blocks(AVX512, 128, 128, 784), blocks(AVX512, 2048, 2048, 2048)
    assert (small.packs_left, small.packs_right) == (False, False)
    assert (large.packs_left, large.packs_right) == (True, True)
    assert blocks(AVX512, 4, 128, 784, turned=True).packs_right, "transposed, so always"
    assert blocks(AVX2, 128, 128, 784).packs_right, "narrow panels"


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(14, 2, 1), (8, 3, 1), (8, 2, 2), (4, 4, 2), (6, 1, 4), (3, 3, 4), (1, 1, 4)],
)
def test_small_tiles_take_more_steps_in_a_round(rows: int, columns: int, expected: int) -> None:
    assert steps_in_round(Tile(rows, columns, 16)) == expected


def test_passes_and_chunks() -> None:
    large = blocks(AVX512, 2048, 2048, 2048)
    assert large.inner == 512
    assert large.stack < 2048 // large.tile.rows
    assert blocks(AVX512, 128, 128, 784).inner == 784
    row = blocks(AVX512, 1, 768, 768)
    assert (row.inner, row.tile.rows) == (8, 1), "read row by row"


def test_one_thread_reads_rows_whole() -> None:
    alone, shared = (blocks(replace(AVX512, threads=n), 1, 768, 768) for n in (1, 2))
    assert alone.panels * alone.tile.width >= 768
    assert shared.panels * shared.tile.width == 384
    assert (alone.tile, alone.inner) == (shared.tile, shared.inner)


def test_symbolic_rows_and_sums() -> None:
    n, block = dims.symbol("n"), block_size(dims.symbol("n"), 16)
    assert blocks(AVX512, block, 512, 128).tile.rows == 16, "but for the last one, blocks are whole"
    chosen = blocks(AVX512, n, 128, 784)
    assert chosen.tile.rows <= 8
    assert not chosen.packs_left
    assert blocks(AVX512, 784, 128, n).inner == n


def test_long_sums_read_the_left_operand_once_for_several_tiles() -> None:
    def gradient(columns: int) -> Blocks | None:
        left, right = Factor((1,), (128,), False), Factor((1,), (columns,), False)
        return Product(AVX512, dtypes.f32, 128, columns, 6400, left, right).blocks()

    wide, narrow = gradient(512), gradient(128)
    assert wide is not None
    assert narrow is not None
    assert (wide.packs_left, wide.packs_right) == (False, True)
    assert (wide.panels, wide.inner) == (4, 128), "an eighth of the cache in each pass"
    assert narrow.panels == 1, "four chunks for threads"
