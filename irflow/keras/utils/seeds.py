"""`set_random_seed`."""

from __future__ import annotations

import operator
import random as python_random

import numpy as np

# It draws numbers from Python's generator when it is loaded, which must be before that is seeded.
import rich.themes  # noqa: F401

from irflow.errors import UsageError
from irflow.keras import random


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and Keras's generators; what follows is then the same in each run.

    Raises:
        UsageError: the seed is no int of up to 32 bits.
    """
    if not 0 <= operator.index(seed) < 2**32:
        raise UsageError(f"a seed is an int from 0 to 2**32 - 1, not {seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    random.reset_global_seed_generator()
