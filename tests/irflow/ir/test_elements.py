"""Constants whose elements are somewhere else: equal content, and in memory once."""

import numpy as np
import pytest

from irflow.ir.attributes import DenseArray
from irflow.ir.elements import LINE_BYTES, Moved

ARRAY = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
TURNED = [("transpose", (1, 0))]


def moved_pair() -> tuple[DenseArray, DenseArray]:
    """A constant, and the one in whose place it is."""
    dense, place = DenseArray(ARRAY), DenseArray(np.pad(ARRAY.T, ((0, 0), (0, 3))))
    dense.elements.move(Moved(place.elements, [("columns", (6,)), *TURNED]))
    return dense, place


def test_a_constant_that_has_moved_is_the_same() -> None:
    dense, place = moved_pair()
    assert np.shares_memory(dense.array, place.array)
    assert np.array_equal(dense.array, ARRAY)
    assert dense == DenseArray(ARRAY)
    assert (dense.shape, dense.dtype, dense.size) == ((6, 5), ARRAY.dtype, 30)
    assert not dense.is_uniform


def test_constants_of_two_shapes_share_their_elements() -> None:
    dense, _ = moved_pair()
    flat = DenseArray(ARRAY).reshaped((30,))
    assert dense.reshaped((30,)) == flat == DenseArray(ARRAY.reshape(30))
    assert hash(flat) == hash(DenseArray(ARRAY.reshape(30)))
    long = flat.reshaped((15, 2))
    assert np.shares_memory(flat.array, long.array)
    turned = DenseArray(long.array.T)
    long.elements.move(Moved(turned.elements, TURNED))
    assert np.array_equal(flat.array, ARRAY.reshape(30))
    place = DenseArray(turned.array.reshape(3, 10))
    turned.elements.move(Moved(place.elements, []))
    assert np.shares_memory(turned.array, place.array)
    assert np.array_equal(long.array, ARRAY.reshape(15, 2))


def test_what_a_program_reads_stays_in_memory_on_a_line() -> None:
    dense, place = moved_pair()
    dense.elements.settle()
    assert dense.array.ctypes.data % LINE_BYTES == 0
    assert not np.shares_memory(dense.array, place.array)
    dense.elements.move(Moved(place.elements, [("columns", (0,))]))
    assert np.array_equal(dense.array, ARRAY)


@pytest.mark.parametrize("move", [("reshape", (7,)), ("transpose", (0, 2)), ("turn", ())])
def test_moves_that_do_not_fit(move: tuple[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _ = Moved(DenseArray(ARRAY).elements, [move]).array


@pytest.mark.parametrize(("last", "is_uniform"), [(0.0, True), (-0.0, False), (1.0, False)])
def test_uniform(last: float, is_uniform: bool) -> None:
    assert DenseArray(np.array([0.0] * 5 + [last])).is_uniform is is_uniform
    assert DenseArray(np.array([0.0, last, 0.0])).is_uniform is is_uniform
    assert not DenseArray(np.zeros((0, 3))).is_uniform
    assert DenseArray(np.float32(3)).is_uniform
