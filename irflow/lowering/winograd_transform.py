"""Winograd's transforms F(m, 3): m results of a kernel of three taps from m + 2 products.

    result = Aᵀ ((G w) * (Bᵀ x))        along one axis; along two, on both sides of a matrix
    gradient of w = Gᵀ ((A g) * (Bᵀ x))     where g is the gradient of the result

These are products of polynomials by their values at m + 1 points and their highest coefficient
(Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2016). The points besides 0 come in pairs p and -p, whose rows of Bᵀ
and columns of Aᵀ share their even and their odd part.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from irflow.loops import Const, Expr
from irflow.loops.build import NestBuilder
from irflow.loops.intrinsics import multiply_add
from irflow.records import dataclass

TAPS = 3


@dataclass(frozen=True)
class Transform:
    """F(m, 3).

    Attributes:
        results: m.
        pairs: the points p besides 0, each of which stands for -p, too. Those that are powers of
            two or their small multiples are exact in every float type.
    """

    results: int
    pairs: tuple[float, ...]

    @property
    def size(self) -> int:
        """Elements that m results see, and products along an axis."""
        return self.results + TAPS - 1

    @cached_property
    def points(self) -> tuple[float, ...]:
        """All points but that at infinity."""
        return (0.0, *(sign * p for p in self.pairs for sign in (1, -1)))

    # ------------------------------------------------------------------------------------ matrices

    @cached_property
    def of_weights(self) -> np.ndarray:
        """G, `[size, 3]`."""
        rows = [
            [p**k / np.prod([p - q for q in self.points if q != p]) for k in range(TAPS)]
            for p in self.points
        ]
        return np.array([*rows, [0.0] * (TAPS - 1) + [1.0]])

    @cached_property
    def of_results(self) -> np.ndarray:
        """A, `[size, results]`."""
        rows = [[p**k for k in range(self.results)] for p in self.points]
        return np.array([*rows, [0.0] * (self.results - 1) + [1.0]])

    @cached_property
    def of_image(self) -> np.ndarray:
        """Bᵀ, `[size, size]`: the polynomials that vanish at all other points."""
        rows = [np.poly([q for q in self.points if q != p])[::-1] for p in self.points]
        return np.array([*([*row, 0.0] for row in rows), np.poly(self.points)[::-1]])

    def weights(self, kernel: np.ndarray) -> np.ndarray:
        """`[3, 3, depth, columns]` as `[size * size, depth, columns]`, by way of f64."""
        both = np.kron(self.of_weights, self.of_weights)
        found = both @ kernel.reshape(TAPS**2, -1).astype(np.float64)
        return found.reshape(-1, *kernel.shape[2:]).astype(kernel.dtype)

    # ---------------------------------------------------------------------------------------- code

    def taps(self, builder: NestBuilder, taps: Sequence[Expr]) -> list[Expr]:
        """Three weights times G."""
        return _at_points(builder, self.of_weights, taps)

    def gradient(self, builder: NestBuilder, results: Sequence[Expr]) -> list[Expr]:
        """The gradients of `results` results times A."""
        return _at_points(builder, self.of_results, results)

    def image(self, builder: NestBuilder, seen: Sequence[Expr]) -> list[Expr]:
        """`size` elements times Bᵀ."""
        rows = self.of_image
        found = [_sum(builder, rows[0], seen)]
        for p, row in zip(self.pairs, rows[1::2], strict=False):
            even, odd = ([c * (k % 2 == part) for k, c in enumerate(row)] for part in (0, 1))
            halves = _sum(builder, even, seen), _sum(builder, [c / p for c in odd], seen)
            found += [_sum(builder, (1.0, sign * p), halves) for sign in (1, -1)]
        return [*found, _sum(builder, rows[-1], seen)]

    def result(self, builder: NestBuilder, products: Sequence[Expr]) -> list[Expr]:
        """`size` products times Aᵀ."""
        return _from_points(builder, self.of_results, products)

    def kernel(self, builder: NestBuilder, products: Sequence[Expr]) -> list[Expr]:
        """`size` products times Gᵀ."""
        return _from_points(builder, self.of_weights, products)


def _at_points(builder: NestBuilder, rows: np.ndarray, values: Sequence[Expr]) -> list[Expr]:
    """Coefficients times a matrix whose inner rows come in pairs, for p and -p."""
    first, *inner, last = rows
    parities = [np.arange(len(values)) % 2 == part for part in (0, 1)]
    found = [_sum(builder, first, values)]
    for row in inner[::2]:
        even, odd = (_sum(builder, row * parity, values) for parity in parities)
        found += [_sum(builder, (1.0, sign), (even, odd)) for sign in (1.0, -1.0)]
    return [*found, _sum(builder, last, values)]


def _from_points(builder: NestBuilder, rows: np.ndarray, values: Sequence[Expr]) -> list[Expr]:
    """Values times the same matrix transposed."""
    first, *inner, last = values
    sums, differences = [], []
    for a, b in zip(inner[::2], inner[1::2], strict=True):
        sums.append(builder.let(a + b))
        differences.append(builder.let(a - b))
    found = []
    for k, column in enumerate(rows.T):
        parts = differences if k % 2 else sums
        factors = column[0], column[-1], *column[1:-1:2]
        found.append(_sum(builder, factors, [first, last, *parts]))
    return found


def _sum(builder: NestBuilder, factors: Sequence[float], values: Sequence[Expr]) -> Expr:
    """Values times constants, added up: those first that need no multiplication."""
    terms = [(float(c), v) for c, v in zip(factors, values, strict=True) if c != 0]
    terms.sort(key=lambda term: abs(term[0]) != 1)
    return builder.let(_added(terms), "sum")


def _added(terms: Sequence[tuple[float, Expr]]) -> Expr:
    (factor, total), *others = terms
    total = total if factor == 1 else total * Const(factor, total.dtype)
    for factor, value in others:
        if factor == 1:
            total = total + value
        elif factor == -1:
            total = total - value
        else:
            total = multiply_add(value, Const(factor, value.dtype), total)
    return total


SMALL = Transform(2, (1.0,))
"""F(2, 3): 16 products for 4 results in place of 36.

On random data its rounding errors are 0.6 to 0.8 of those of the direct form.
"""
LARGE = Transform(4, (0.75, 1.5))
"""F(4, 3): 36 products for 16 results in place of 144.

On random data its rounding errors are 1.8 to 2.4 times those of the direct form, half of what the
customary points 1 and 2 give; the largest is 8 units of 2^-23 of the sum of the magnitudes of what
a result adds up (2.5 in the direct form). They are those of the largest results of a tile: what is
small next to large results is less exact than in the direct form.
"""
