"""How the coefficients of the elementary functions in `backends/irflow_llvm` were obtained.

    python tests/tools/fit_elementary.py           # prints all tables, with the error of each
    python tests/tools/fit_elementary.py EXP SINE  # these only

Needs mpmath (a tool of the tests). Every table holds the polynomial p that makes the largest of
|weight (p - function)| on an interval as small as possible, found by Remez's exchange algorithm
with 50 digits; `weight` turns that into the relative error of the function that is computed from
p. In f32 each coefficient is rounded before the next is fitted. The error printed is the largest
of the rounded polynomial. Two tables belong to one quotient, which becomes linear in both when it
is multiplied by its divisor.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np

DIGITS = 50
ROUNDS = 12
"""Of the exchange; it converges quadratically."""
DENSITY = 12
"""Points between two extrema at which errors are looked at."""
Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True, slots=True)
class Fit:
    """One table, or the two of a quotient.

    Attributes:
        name: of the table in the sources.
        function: what the polynomial replaces.
        weight: what its error counts.
        low, high: the interval of the polynomial's argument.
        terms: how many coefficients there are in f32 and in f64.
        columns: the functions that are multiplied with the coefficients, by their number; the
            powers of the argument unless given.
    """

    name: str
    function: Function
    weight: Function
    low: mp.mpf
    high: mp.mpf
    terms: tuple[int, int]
    columns: Callable[[int], Sequence[Function]] | None = None

    def basis(self, count: int) -> Sequence[Function]:
        if self.columns:
            return self.columns(count)
        return [lambda t, k=k: t**k for k in range(count)]


@dataclass(slots=True)
class Grid:
    """The columns, function and weight of a fit at many points."""

    rows: list[list[mp.mpf]]
    values: list[mp.mpf]

    @classmethod
    def of(cls, fit: Fit, count: int) -> Grid:
        size = DENSITY * (count + 1)
        middle, radius = (fit.high + fit.low) / 2, (fit.high - fit.low) / 2
        # Chebyshev's points of the second kind, a little inside where 0 / 0 would be.
        points = [
            middle + radius * (1 - mp.mpf(10) ** -12) * -mp.cos(mp.pi * k / size)
            for k in range(size + 1)
        ]
        weights = [fit.weight(t) for t in points]
        columns = fit.basis(count)
        rows = [[w * f(t) for f in columns] for t, w in zip(points, weights, strict=True)]
        return cls(rows, [w * fit.function(t) for t, w in zip(points, weights, strict=True)])

    def errors(self, coefficients: Sequence[mp.mpf]) -> list[mp.mpf]:
        """What the sum of the columns lacks, at each point."""
        return [
            value - mp.fdot(row, coefficients)
            for row, value in zip(self.rows, self.values, strict=True)
        ]

    def best(self, fixed: Sequence[mp.mpf]) -> list[mp.mpf]:
        """The coefficients of the least largest error, the first of which are given."""
        free = len(self.rows[0]) - len(fixed)
        step = (len(self.rows) - 1) / (free or 1)
        chosen = [round(k * step) for k in range(free + 1)]
        for _ in range(ROUNDS):
            found = [*fixed, *self._levelled(chosen, fixed)]
            peaks = alternating(self.errors(found), free + 1)
            if peaks == chosen or len(peaks) <= free:
                break
            chosen = peaks
        return found

    def _levelled(self, chosen: Sequence[int], fixed: Sequence[mp.mpf]) -> list[mp.mpf]:
        """The free coefficients with errors of one size and alternating signs at these points."""
        done = len(fixed)
        matrix = mp.matrix([[*self.rows[k][done:], (-1) ** sign] for sign, k in enumerate(chosen)])
        right = [self.values[k] - mp.fdot(self.rows[k][:done], fixed) for k in chosen]
        return list(mp.lu_solve(matrix, mp.matrix(right)))[:-1]


def alternating(errors: Sequence[mp.mpf], count: int) -> list[int]:
    """The places of the largest errors of alternating signs, `count` of them at most."""
    peaks: list[int] = []
    for place, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = place
        else:
            peaks.append(place)
    while len(peaks) > count:
        # One at an end is dropped, so that signs go on alternating.
        is_first = abs(errors[peaks[0]]) < abs(errors[peaks[-1]])
        del peaks[0 if is_first else -1]
    return peaks


def coefficients(fit: Fit, dtype: type[np.floating]) -> tuple[list[float], mp.mpf]:
    """The rounded coefficients, lowest degree first, and the largest error with them."""
    count = fit.terms[dtype is np.float64]
    grid = Grid.of(fit, count)
    if dtype is np.float64:
        rounded = [mp.mpf(float(c)) for c in grid.best(())]
    else:
        rounded = []
        for place in range(count):
            rounded.append(mp.mpf(float(np.float32(float(grid.best(rounded)[place])))))
    return [float(c) for c in rounded], max(map(abs, grid.errors(rounded)))


# ------------------------------------------------------------------------------------------ tables


def odd(name: str, function: Function, largest: mp.mpf, terms: tuple[int, int]) -> Fit:
    """(f(r) - r) / r³ as a polynomial in r² for 0 <= r <= `largest`."""

    def rest(square: mp.mpf) -> mp.mpf:
        r = mp.sqrt(square)
        return (function(r) - r) / r**3

    def weight(square: mp.mpf) -> mp.mpf:
        r = mp.sqrt(square)
        return r**3 / function(r)

    return Fit(name, rest, weight, mp.mpf(0), largest**2, terms)


ROUGH = (1.7725, 2.348, 1.4624, 0.48745, 0.07597)
"""V below for `erfc`, found by fitting with a weight, which needs V, a few times."""


def tail(name: str, weight: float, factor: mp.mpf) -> Fit:
    """The polynomials V and M of `error_functions`, one after the other, in f32.

    R = c V / (1 + x (V + M)) is the same as V (c - x R) - M x R = R, where R(0) = weight and
    `factor` is c: sqrt(weight / pi), or a number near it with which rounding the coefficients
    happens to cost less.
    """
    narrow = mp.sqrt(weight)
    rough = [mp.mpf(v) * narrow ** (k + 1) for k, v in enumerate(ROUGH)]

    def scaled(x: mp.mpf) -> mp.mpf:
        return weight * mp.erfc(narrow * x) * mp.exp(weight * x * x)

    def columns(_count: int) -> Sequence[Function]:
        upper = [lambda x, k=k: x**k * (factor - x * scaled(x)) for k in range(len(rough))]
        lower = [lambda x, k=k: -(x ** (k + 1)) * scaled(x) for k in range(len(rough) - 1)]
        return [*upper, *lower]

    def relative(x: mp.mpf) -> mp.mpf:
        return 1 / (factor * mp.polyval(rough[::-1], x))

    high = mp.mpf(14.5) / mp.sqrt(2) / narrow
    return Fit(name, scaled, relative, mp.mpf(0), high, (2 * len(ROUGH) - 1, 0), columns)


def all_fits() -> list[Fit]:
    """Every table, in the order of the sources."""
    ln2, root, quarter = mp.log(2), mp.sqrt(2), mp.pi / 4
    narrow = ((root - 1) / (root + 1)) ** 2

    def artanh(z: mp.mpf) -> mp.mpf:
        return 2 * mp.atanh(mp.sqrt(z))

    return [
        Fit("EXP", lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: r**2 / mp.exp(r),
            -ln2 / 2, ln2 / 2, (5, 10)),
        odd("SINH", mp.sinh, mp.mpf(1), (4, 8)),
        Fit("LOG_F32", lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
            lambda f: f**3 / mp.log1p(f), 1 / root - 1, root - 1, (8, 0)),
        Fit("LOG_F64", lambda z: (artanh(z) - 2 * mp.sqrt(z)) / mp.sqrt(z) ** 3,
            lambda z: mp.sqrt(z) ** 3 / artanh(z), mp.mpf(0), narrow, (0, 7)),
        odd("SINE", mp.sin, quarter, (3, 6)),
        Fit("COSINE", lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
            lambda z: z**2 / mp.cos(mp.sqrt(z)), mp.mpf(0), quarter**2, (3, 6)),
        odd("ARCTANGENT", mp.atan, root - 1, (5, 11)),
        odd("ARCSINE", mp.asin, mp.mpf(1) / 2, (5, 12)),
        Fit("power's LOG", lambda z: artanh(z) / mp.sqrt(z) / ln2,
            lambda z: mp.sqrt(z) * ln2 / artanh(z), mp.mpf(0), narrow, (0, 6)),
        Fit("power's EXP", lambda r: 2**r, lambda r: 2**-r, -mp.mpf(1) / 2, mp.mpf(1) / 2, (0, 7)),
        tail("RATIO of erfc", 1.0, mp.mpf(float(np.float32(1 / np.sqrt(np.pi))))),
        tail("RATIO of normal_cdf", 0.5, 1 / mp.sqrt(2 * mp.pi)),
    ]  # fmt: skip


def main(names: Sequence[str]) -> None:
    """Print the tables."""
    mp.mp.dps = DIGITS
    for fit in all_fits():
        if names and fit.name not in names:
            continue
        for dtype, count in zip((np.float32, np.float64), fit.terms, strict=True):
            if count:
                numbers, error = coefficients(fit, dtype)
                print(f"{fit.name} {dtype.__name__}: error {mp.nstr(error, 2)}")
                print(textwrap.indent(textwrap.fill(", ".join(map(repr, numbers)), 96), "    "))


if __name__ == "__main__":
    main(sys.argv[1:])
