"""How the numbers of `irflow/special` were obtained, and how they are checked.

Three commands, all of which need mpmath (a tool of the tests; irflow itself never imports it):

    python tests/tools/fit_special.py coefficients     # prints the coefficient tables
    python tests/tools/fit_special.py reference        # writes tests/files/special_reference.json
    python tests/tools/fit_special.py measure 20000    # largest errors over random arguments

Every coefficient table is a Chebyshev interpolant, computed with 60 digits, of a smooth function on
a finite interval; it is rewritten as a polynomial in the stated variable and rounded once. The
smooth functions come from the usual reductions:

    erf(x)     = x P(x^2)                                             |x| <= 1
    erfc(x)    = exp(-x^2) P(t) / (1 + 2 x),  t = (x - 3.75) / (x + 3.75)   1/2 <= x <= 28
    erfinv(x)  = x P(w - c) or x P(sqrt(w) - c),  w = -log((1 - x) (1 + x))
    lgamma(x)  = u P(u),  u = x - 2                                   |u| <= 1/2
    lgamma(x)  = (x - 1/2) log x - x + log(2 pi) / 2 + P(1 / x^2) / x      x >= 7.5
    digamma(x) = log x - 1 / (2 x) - P(1 / x^2) / x^2                 x >= 8

The printed error is the largest distance between the function and its interpolant, before rounding.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np

from irflow import special
from irflow.special import tables

DIGITS = 60
REFERENCE = Path(__file__).resolve().parents[1] / "files" / "special_reference.json"
Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True, slots=True)
class Fit:
    """One coefficient table: `function(variable + centre)` on `[low, high]`, as a polynomial.

    The polynomial's argument is the variable minus `centre`; `dtype` is what it is rounded to.
    """

    name: str
    function: Function
    low: float | mp.mpf
    high: float | mp.mpf
    degree: int
    centre: float = 0.0
    dtype: type[np.floating] = np.float64

    def coefficients(self) -> tuple[list[float], mp.mpf]:
        """The rounded coefficients, highest degree first, and the error before rounding."""
        centre = mp.mpf(self.centre)
        interval = [mp.mpf(self.low) - centre, mp.mpf(self.high) - centre]
        exact, error = mp.chebyfit(
            lambda t: self.function(t + centre), interval, self.degree + 1, error=True
        )
        return [float(self.dtype(float(c))) for c in exact], error


def erf_over_x(square: mp.mpf) -> mp.mpf:
    """erf(x) / x as a function of x^2."""
    if square < mp.mpf(10) ** -50:
        return 2 / mp.sqrt(mp.pi)
    x = mp.sqrt(square)
    return mp.erf(x) / x


def scaled_erfc(t: mp.mpf) -> mp.mpf:
    """(1 + 2 x) exp(x^2) erfc(x) as a function of t = (x - k) / (x + k)."""
    x = mp.mpf(tables.ERFC_SCALE) * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def erfinv_over_x(w: mp.mpf) -> mp.mpf:
    """erfinv(x) / x as a function of w = -log(1 - x^2)."""
    if w < mp.mpf(10) ** -40:
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    return mp.erfinv(x) / x


def erfinv_over_x_of_root(root: mp.mpf) -> mp.mpf:
    """erfinv(x) / x as a function of sqrt(w)."""
    return erfinv_over_x(root * root)


def lgamma_over_u(u: mp.mpf) -> mp.mpf:
    """lgamma(2 + u) / u."""
    if abs(u) < mp.mpf(10) ** -40:
        return mp.psi(0, 2)
    return mp.loggamma(2 + u) / u


def stirling_rest(z: mp.mpf) -> mp.mpf:
    """What Stirling's formula lacks of lgamma(x), times x, as a function of z = 1 / x^2."""
    if z < mp.mpf(10) ** -30:
        return mp.mpf(1) / 12 - z / 360
    x = 1 / mp.sqrt(z)
    main = (x - mp.mpf(1) / 2) * mp.log(x) - x + mp.log(2 * mp.pi) / 2
    return (mp.loggamma(x) - main) * x


def digamma_rest(z: mp.mpf) -> mp.mpf:
    """(log x - 1 / (2 x) - digamma(x)) x^2 as a function of z = 1 / x^2."""
    if z < mp.mpf(10) ** -30:
        return mp.mpf(1) / 12 - z / 120
    x = 1 / mp.sqrt(z)
    return (mp.log(x) - 1 / (2 * x) - mp.psi(0, x)) / z


def position(x: float) -> mp.mpf:
    """The variable t of the erfc table at x."""
    return (mp.mpf(x) - tables.ERFC_SCALE) / (mp.mpf(x) + tables.ERFC_SCALE)


def all_fits() -> Iterator[Fit]:
    """Every table of `irflow/special/tables.py`, in its order."""
    split, far = tables.ERFINV_SPLIT, tables.ERFINV_FAR
    # The smallest 1 - x that f64 (f32) can hold is 2**-53 (2**-24).
    largest = mp.sqrt(52 * mp.log(2) + mp.mpf(10) ** -6)
    largest_f32 = mp.sqrt(23 * mp.log(2) + mp.mpf(10) ** -6)
    yield Fit("ERF_CENTRAL", erf_over_x, 0, 1, 12)
    yield Fit("ERFC_SCALED", scaled_erfc, position(0.5), position(28), 21)
    yield Fit("ERFINV_CENTRAL", erfinv_over_x, 0, split, 23, tables.ERFINV_CENTRE)
    yield Fit(
        "ERFINV_TAIL", erfinv_over_x_of_root, mp.sqrt(split), far, 20, tables.ERFINV_TAIL_CENTRE
    )
    yield Fit("ERFINV_FAR_TAIL", erfinv_over_x_of_root, far, largest, 18, tables.ERFINV_FAR_CENTRE)
    yield Fit("LGAMMA_CENTRAL", lgamma_over_u, -mp.mpf(1) / 2, mp.mpf(1) / 2, 17)
    yield Fit("LGAMMA_STIRLING", stirling_rest, 0, 1 / mp.mpf(7.5) ** 2, 6)
    yield Fit("DIGAMMA_STIRLING", digamma_rest, 0, 1 / mp.mpf(8) ** 2, 6)
    split32, f32 = tables.ERFINV_F32_SPLIT, np.float32
    centre, tail_centre = tables.ERFINV_F32_CENTRE, tables.ERFINV_F32_TAIL_CENTRE
    yield Fit("ERFINV_F32_CENTRAL", erfinv_over_x, 0, split32, 9, centre, f32)
    root = mp.sqrt(split32)
    yield Fit("ERFINV_F32_TAIL", erfinv_over_x_of_root, root, largest_f32, 9, tail_centre, f32)


def print_coefficients() -> None:
    """Print every table as Python source, with its error as a comment."""
    for fit in all_fits():
        numbers, error = fit.coefficients()
        print(f"{fit.name} = (  # error {mp.nstr(error, 2)}")
        lines = textwrap.fill(", ".join(map(repr, numbers)) + ")", 96)
        print(textwrap.indent(lines, "    "))


def exact(name: str, x: float) -> mp.mpf:
    """The function `name` of `irflow.special` at x, to far more digits than f64 holds."""
    point = mp.mpf(x)
    match name:
        case "erfinv":
            return inverse_erf(point)
        case "lgamma":
            # |gamma| drops the imaginary part that mpmath's loggamma has for negative arguments.
            return mp.re(mp.loggamma(point))
        case "digamma":
            return mp.psi(0, point)
        case "sigmoid":
            return 1 / (1 + mp.exp(-point))
        case "normal_cdf":
            return mp.erfc(-point / mp.sqrt(2)) / 2
        case "normal_pdf":
            return mp.npdf(point)
        case "softplus":
            return mp.log1p(mp.exp(point))
        case _:
            return getattr(mp, name)(point)


def inverse_erf(x: mp.mpf) -> mp.mpf:
    """erfinv by Newton's method from the f64 value; three steps give more than 60 digits."""
    if x == 0:
        return x
    y = mp.mpf(float(special.erfinv(float(x))))
    for _ in range(3):
        # erfc keeps the digits of 1 - x where x is close to 1.
        rest = mp.erfc(abs(y)) - (1 - abs(x))
        y += mp.sign(y) * rest * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
    return y


def random_points(name: str, count: int, rng: random.Random) -> list[float]:
    """Arguments that cover the interesting parts of the domain of `name`, not of its tests only."""
    ranges: dict[str, list[Callable[[], float]]] = {
        "erf": [lambda: rng.uniform(-6, 6), lambda: 10 ** rng.uniform(-12, 0)],
        "erfc": [lambda: rng.uniform(-6, 27.2), lambda: rng.uniform(0, 3)],
        "erfinv": [
            lambda: rng.uniform(-1, 1),
            lambda: 1 - 2 ** rng.uniform(-53, -1),
            lambda: -(10 ** rng.uniform(-12, 0)),
        ],
        "lgamma": [
            lambda: rng.uniform(0, 10),
            lambda: 10 ** rng.uniform(-12, 12),
            lambda: rng.uniform(-30, 0),
        ],
        "digamma": [
            lambda: rng.uniform(0, 10),
            lambda: 10 ** rng.uniform(-12, 12),
            lambda: rng.uniform(-30, 0),
        ],
        "normal_cdf": [lambda: rng.uniform(-37.5, 8), lambda: rng.uniform(-4, 4)],
        "normal_pdf": [lambda: rng.uniform(-37.5, 37.5), lambda: rng.uniform(-4, 4)],
        "sigmoid": [lambda: rng.uniform(-700, 40), lambda: rng.uniform(-4, 4)],
        "softplus": [lambda: rng.uniform(-700, 40), lambda: rng.uniform(-4, 4)],
    }
    return [ranges[name][i % len(ranges[name])]() for i in range(count)]


def edge_points(name: str) -> list[float]:
    """Arguments beside the places where `irflow/special` changes its formula."""
    seams: dict[str, list[float]] = {
        "erf": [1.0, 5.9, 1e-300],
        "erfc": [1e-20, 0.5, 3.75, 26.5, 27.2, 10.0, -1.0],
        "erfinv": [float(mp.sqrt(-mp.expm1(-w))) for w in (5, 6, 16)] + [1e-300, 0.5],
        "lgamma": [0.5, 1.0, 1.5, 2.0, 2.5, 6.5, 7.5, -0.5, -2.5, 1e-300, 1e300, 171.6],
        "digamma": [1e-300, 0.5, 1.0, 1.4616321449683622, 7.0, 8.0, -0.5, -2.5, 1e300],
        "normal_cdf": [-37.5, -14.0, -5.3, -math.sqrt(0.5), 1e-20, math.sqrt(0.5), 8.0],
        "normal_pdf": [-37.5, -14.0, 1e-20, 1.0],
        "sigmoid": [-708.0, -87.0, -1e-20, 0.0, 20.0],
        "softplus": [-708.0, -87.0, 0.0, 20.0, 800.0],
    }
    near = {"erfinv": [1 - 2.0**-k for k in (2, 4, 8, 12, 16, 20, 23, 24, 30, 40, 50, 52, 53)]}
    beside = [float(np.nextafter(x, s * np.inf)) for x in seams[name] for s in (-1, 1)]
    return seams[name] + beside + near.get(name, [])


def reference_rows(name: str) -> list[tuple[str, str]]:
    """About 120 pairs (argument as hexadecimal float, value to 25 digits), half of them f32."""
    rng = random.Random(f"special {name}")
    points = random_points(name, 100, rng)
    points = [float(np.float32(x)) if i % 2 else x for i, x in enumerate(points)]
    finite = [x for x in points + edge_points(name) if name != "erfinv" or abs(x) < 1]
    return [(x.hex(), mp.nstr(exact(name, x), 25)) for x in sorted(set(finite))]


def write_reference() -> None:
    """Write the reference tables that `tests/irflow/test_special.py` reads."""
    columns = {name: reference_rows(name) for name in special.__all__}
    blocks = []
    for name, rows in columns.items():
        lines = ",\n".join("    " + json.dumps(row) for row in rows)
        blocks.append(f'  "{name}": [\n{lines}\n  ]')
    REFERENCE.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def measure(count: int) -> None:
    """Print, for each function, the largest error in f64 ulp and relatively, and where it is."""
    for name in special.__all__:
        points = np.array(random_points(name, count, random.Random(1)))
        points = points[np.abs(points) < 1] if name == "erfinv" else points
        values = getattr(special, name)(points)
        worst = max(errors(name, points, values))
        print(f"{name:9} {worst[0]:6.2f} ulp  {worst[1]:.1e} relative  at {worst[2]!r}")


def errors(name: str, points: np.ndarray, values: np.ndarray) -> Iterator[tuple[float, ...]]:
    """The error of each value in ulp and relatively, with its argument."""
    for x, value in zip(points.tolist(), values.tolist(), strict=True):
        true = exact(name, x)
        distance = abs(mp.mpf(value) - true)
        yield float(distance / np.spacing(abs(float(true)))), float(distance / abs(true)), x


def main(arguments: list[str]) -> None:
    """Run one of the three commands."""
    parser = argparse.ArgumentParser(description="fit and check irflow/special")
    parser.add_argument("command", choices=["coefficients", "reference", "measure"])
    parser.add_argument("count", nargs="?", type=int, default=20000)
    options = parser.parse_args(arguments)
    mp.mp.dps = DIGITS
    match options.command:
        case "coefficients":
            print_coefficients()
        case "reference":
            write_reference()
        case _:
            measure(options.count)


if __name__ == "__main__":
    main(sys.argv[1:])
