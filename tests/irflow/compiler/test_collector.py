"""Collections of garbage are rare while something is compiled, and as before afterwards."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from irflow.compiler.collector import OBJECTS, rare_collections


@pytest.mark.parametrize(("before", "inside"), [(700, OBJECTS), (0, 0), (OBJECTS * 2, OBJECTS * 2)])
def test_the_threshold(before: int, inside: int) -> None:
    found = gc.get_threshold()
    try:
        gc.set_threshold(before, 11, 12)
        first, second = rare_collections(), rare_collections()
        with suppress(KeyError), first:
            second.__enter__()
            assert gc.get_threshold()[0] == inside
            raise KeyError
        assert gc.get_threshold()[0] == inside, "another thread is still inside"
        second.__exit__(None, None, None)
        assert gc.get_threshold() == (before, 11, 12)
    finally:
        gc.set_threshold(*found)
