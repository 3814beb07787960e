"""The arena: nothing that is alive together shares memory."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from irflow.lowering.memory import ALIGNMENT, Interval, aligned, plan

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
