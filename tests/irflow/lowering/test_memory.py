"""The arena: nothing that is alive together shares memory."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from irflow.lowering.memory import ALIGNMENT, Interval, aligned, least_bytes, plan

pieces = st.builds(
    lambda first, length, nbytes: Interval(first, first + length, nbytes),
    st.integers(0, 12),
    st.integers(0, 6),
    st.integers(0, 1000),
)


@given(st.dictionaries(st.integers(0, 40), pieces, max_size=14))
def test_live_ranges_never_overlap(intervals: dict[int, Interval]) -> None:
    layout = plan(intervals)
    assert set(layout.offsets) == set(intervals)
    assert least_bytes(intervals.values()) <= layout.nbytes
    assert layout.nbytes <= sum(aligned(piece.nbytes) for piece in intervals.values())
    for number, piece in intervals.items():
        assert layout.offsets[number] % ALIGNMENT == 0
        assert layout.offsets[number] + piece.nbytes <= layout.nbytes
    for (a, first), (b, second) in combinations(intervals.items(), 2):
        start, other = layout.offsets[a], layout.offsets[b]
        apart = start + first.nbytes <= other or other + second.nbytes <= start
        assert apart or not first.overlaps(second), (first, second)


def test_memory_is_used_again() -> None:
    chain = {number: Interval(number, number + 1, 640) for number in range(6)}
    assert plan(chain).nbytes == 2 * 640


def test_neighbours_in_time_are_kept_apart() -> None:
    layout = plan({0: Interval(0, 1, 64), 1: Interval(1, 2, 64)})
    assert layout.offsets[0] != layout.offsets[1]


def test_an_arena_of_nothing() -> None:
    assert plan({}).nbytes == 0


def test_another_order_where_the_largest_first_leaves_a_gap() -> None:
    # By size, those of 4 and 3 lines lie at the bottom, and the others need 4 lines above them.
    rows = [(2, 4, 2), (1, 2, 2), (0, 1, 3), (3, 4, 4)]
    pieces = {i: Interval(first, last, 64 * lines) for i, (first, last, lines) in enumerate(rows)}
    assert plan(pieces).nbytes == least_bytes(pieces.values()) == 6 * 64
