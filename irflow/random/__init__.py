"""Random numbers from explicit keys.

    key = irf.random.key(0)
    a, b = irf.random.split(key)
    irf.random.normal(a, (3, 4))

A key is a tensor of two u32 words. Use each key once: split it, or fold a number in, to get more.
The bits come from the counter-based generator Philox-4x32-10 (Salmon et al., 2011).

Bits, integers, uniform numbers and Booleans are the same on every backend, bit for bit, and so are
permutations and choices. Normal numbers agree to about 3 units in the last place, as the backends'
logarithms differ; so do the other continuous distributions, to some more. A class, a count or a
trial that is decided by comparing such numbers comes out the same but where they all but tie.
"""

from typing import TYPE_CHECKING

from irflow import names
from irflow.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    truncated_normal,
    uniform,
)
from irflow.random.discrete import (
    bernoulli,
    categorical,
    choice,
    permutation,
    randint,
    shuffle,
)
from irflow.random.keys import bits, fold_in, key, split
from irflow.random.rejection import (
    beta,
    binomial,
    chisquare,
    dirichlet,
    gamma,
    poisson,
    student_t,
)

__all__ = [
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "fold_in",
    "gamma",
    "gumbel",
    "key",
    "laplace",
    "logistic",
    "normal",
    "permutation",
    "poisson",
    "randint",
    "shuffle",
    "split",
    "student_t",
    "truncated_normal",
    "uniform",
]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error as it is

    def __getattr__(name: str) -> object:
        """The error that says where irflow has a name of another system."""
        raise names.unknown(__name__, name)
