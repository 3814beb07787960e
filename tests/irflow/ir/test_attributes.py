"""Attribute values: when constants are the same."""

import numpy as np
import pytest

from irflow.ir.attributes import DenseArray

LONG = np.arange(100.0)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (LONG.copy(), True),
        (np.where(LONG < 99, LONG, -1), False),  # All but the last element is the same.
        (LONG.astype(np.float32), False),
        (LONG.reshape(10, 10), False),
        (LONG[:99], False),
    ],
)
def test_sameness_is_that_of_all_elements(other, is_same):
    a, b = DenseArray(LONG), DenseArray(other)
    assert (a == b) is is_same
    assert len({a, b, DenseArray(LONG.reshape(20, 5)).reshaped((100,))}) == (1 if is_same else 2)
