"""The gradient of a fixed point by the implicit function theorem, not through the iteration.

    python examples/implicit_differentiation.py [--size 8] [--backend llvm] [--seed 0]

A layer whose output is the fixed point `z = tanh(W z + U x + b)`, as in the equilibrium networks of
Bai et al. (2019). `irf.while_loop` finds it. To differentiate through the loop, its steps would
have to be kept or done again; but at the fixed point `z = f(a, z)` the theorem gives

    dz/da = (1 - df/dz)^-1 df/da

so the cotangent of `a` is `(df/da)^T u` where `u = g + (df/dz)^T u`: a fixed point again, found by
the same loop. `irf.custom_vjp` says so to the compiler, and the step `f` is differentiated by
`irf.vjp`. Expected outcome: the gradient agrees with central differences to 1e-7, and with that
through an unrolled iteration to 1e-12.
"""

import argparse

import numpy as np

import irflow as irf
import irflow.numpy as inp

TOLERANCE = 1e-13
MOST_STEPS = 1000
UNROLLED = 150


def iterate(step, start):
    """`step` again and again until nothing changes."""

    def goes_on(carry):
        before, after, count = carry
        return (inp.max(inp.abs(after - before)) > TOLERANCE) & (count < MOST_STEPS)

    def advance(carry):
        _, z, count = carry
        return z, step(z), count + 1

    return irf.while_loop(goes_on, advance, (start, step(start), 0))[1]


def fixed_point(step, parameters, start):
    """The `z` with `z = step(parameters, z)`, differentiable by the parameters.

    Args:
        step: a contraction in its second argument, so that the iteration converges.
        parameters: tensors in any nesting.
        start: `z` to begin with; the fixed point does not depend on it.
    """

    @irf.custom_vjp
    def solve(parameters, start):
        return iterate(lambda z: step(parameters, z), start)

    def forward(parameters, start):
        z = solve(parameters, start)
        return z, (parameters, z)

    def backward(kept, cotangent):
        parameters, z = kept
        _, pull = irf.vjp(step, parameters, z)
        u = iterate(lambda u: cotangent + pull(u)[1], cotangent)
        return pull(u)[0], None

    solve.defvjp(forward, backward)
    return solve(parameters, start)


def unrolled(step, parameters, start):
    """The same by a fixed number of steps, whose gradient goes back through each of them."""
    return irf.fori_loop(0, UNROLLED, lambda _, z: step(parameters, z), start)


def layer(parameters, z):
    """One step of the equilibrium layer; `z` is `[size]`."""
    return inp.tanh(parameters["W"] @ z + parameters["U"] @ parameters["x"] + parameters["b"])


def loss(parameters, target, method=fixed_point):
    """The squared distance of the fixed point from a target `[size]`."""
    z = method(layer, parameters, inp.zeros_like(target))
    return inp.sum((z - target) ** 2)


def problem(size, seed):
    """Parameters whose `W` has a norm below 1, which makes the layer a contraction; a target."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(size, size))
    parameters = {
        "W": 0.7 * weights / np.linalg.norm(weights, 2),
        "U": generator.normal(size=(size, 3)),
        "b": generator.normal(size=size),
        "x": generator.normal(size=3),
    }
    return parameters, generator.normal(size=size)


def slope(function, parameters, direction, step=1e-5):
    """The derivative along a direction by central differences."""
    ends = [{k: v + h * direction[k] for k, v in parameters.items()} for h in (step, -step)]
    return (float(function(ends[0])) - float(function(ends[1]))) / (2 * step)


def main() -> None:
    parser = argparse.ArgumentParser(description="Differentiate a fixed point implicitly.")
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    parameters, target = problem(options.size, options.seed)
    value = irf.jit(loss, backend=options.backend)
    implicit = irf.jit(irf.grad(loss), backend=options.backend)(parameters, target)
    through = irf.jit(
        irf.grad(lambda *arguments: loss(*arguments, method=unrolled)), backend=options.backend
    )(parameters, target)
    generator = np.random.default_rng(options.seed + 1)
    direction = {name: generator.normal(size=array.shape) for name, array in parameters.items()}
    along = sum(float(inp.sum(implicit[name] * direction[name])) for name in parameters)
    measured = slope(lambda p: value(p, target), parameters, direction)
    gaps = [np.abs(np.asarray(implicit[name] - through[name])).max() for name in parameters]
    print(f"loss: {float(value(parameters, target)):.6f}")
    print(f"derivative along a direction: {along:.9f}, by differences {measured:.9f}")
    print(f"error against differences: {abs(along - measured) / abs(measured):.1e}")
    print(f"error against the unrolled iteration: {max(gaps):.1e}")


if __name__ == "__main__":
    main()
