"""Newton's iteration as a loop in the graph, and the derivative of the root through the loop.

    python examples/newton.py [--count 9] [--backend llvm]

Kepler's equation `E - e sin(E) = M` gives the place of a planet: the eccentric anomaly `E` at the
mean anomaly `M` (time, as an angle) on an orbit of eccentricity `e`. It has no solution in closed
form, so `newton` iterates until all elements have converged: `irf.while_loop` takes as many steps
as it needs. What the iteration divides by, the slope, comes from `irf.jvp`.

The derivative of the root by `e` is taken through the loop by `irf.grad`. The implicit function
theorem says what it must be: `dE/de = sin(E) / (1 - e cos(E))`. Expected outcome: residuals below
1e-14 and derivatives that agree to 1e-12, after a handful of steps.
"""

import argparse

import numpy as np

import irflow as irf
import irflow.numpy as inp

TOLERANCE = 1e-14
MOST_STEPS = 50


def newton(function, start):
    """A root of an elementwise `function` near each element of `start`, and the count of steps.

    The last step starts at the root, up to rounding: there it is flat in where it starts from, so
    its derivative by whatever `function` depends on is that of the root.
    """

    def goes_on(carry):
        _, change, count = carry
        return (inp.max(inp.abs(change)) > TOLERANCE) & (count < MOST_STEPS)

    def step(carry):
        x, _, count = carry
        value, slope = irf.jvp(function, (x,), (inp.ones_like(x),))
        change = -value / slope
        return x + change, change, count + 1

    root, _, count = irf.while_loop(goes_on, step, (start, inp.full_like(start, inp.inf), 0))
    return root, count


def kepler(anomaly, eccentricity, mean):
    """What is 0 at the eccentric anomaly."""
    return anomaly - eccentricity * inp.sin(anomaly) - mean


def solve(eccentricity, mean):
    """The eccentric anomaly for each eccentricity and mean anomaly, and the count of steps."""
    return newton(lambda anomaly: kepler(anomaly, eccentricity, mean), mean + eccentricity)


def derivatives(eccentricity, mean):
    """The anomalies, and their derivatives by the eccentricity: elements do not mix, so the
    gradient of their sum holds them all.
    """

    def total(eccentricity):
        anomaly, count = solve(eccentricity, mean)
        return inp.sum(anomaly), (anomaly, count)

    (_, (anomaly, count)), slopes = irf.value_and_grad(total, has_aux=True)(eccentricity)
    return anomaly, slopes, count


def closed_form(anomaly, eccentricity):
    """The derivative of the root by the implicit function theorem."""
    return np.sin(anomaly) / (1 - eccentricity * np.cos(anomaly))


def main() -> None:
    parser = argparse.ArgumentParser(description="Solve Kepler's equation; differentiate the root.")
    parser.add_argument("--count", type=int, default=9, help="how many orbits")
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    options = parser.parse_args()

    eccentricity = np.linspace(0.0, 0.9, options.count)
    mean = np.linspace(0.2, 3.0, options.count)
    solver = irf.jit(derivatives, backend=options.backend)
    anomaly, slopes, count = map(np.asarray, solver(eccentricity, mean))
    expected = closed_form(anomaly, eccentricity)
    print("    e      M      E         dE/de")
    for row in zip(eccentricity, mean, anomaly, slopes, strict=True):
        print("{:5.3f}  {:5.3f}  {:8.6f}  {:9.6f}".format(*row))
    residual = anomaly - eccentricity * np.sin(anomaly) - mean
    print(f"steps: {count}")
    print(f"largest residual: {np.abs(residual).max():.1e}")
    print(f"largest error of dE/de: {np.abs(slopes - expected).max():.1e}")


if __name__ == "__main__":
    main()
