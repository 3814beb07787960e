"""Fit a curve with a small network: the shortest whole training loop.

    python examples/regression.py [--steps 2000] [--backend llvm] [--seed 0]

A network with one hidden layer of 32 units learns `sin(2x) + x/2` on [-3, 3] from 256 noisy points,
by gradient descent with momentum on all of them at once. Expected outcome after 2000 steps: a
root-mean-square error below 0.05 against the curve without noise. It takes about a second.
"""

import argparse

import numpy as np

import irflow as irf
import irflow.numpy as inp

OPTIMIZER = irf.optim.SGD(0.05, momentum=0.9)


def curve(x):
    return np.sin(2 * x) + x / 2


def init(seed):
    first, second = irf.random.split(irf.random.key(seed))
    return {
        "hidden/w": irf.random.normal(first, (1, 32)),
        "hidden/b": irf.random.uniform(second, (32,), low=-3.0, high=3.0),
        "output/w": inp.zeros((32, 1)),
        "output/b": inp.zeros(1),
    }


def predict(params, x):
    hidden = inp.tanh(x @ params["hidden/w"] + params["hidden/b"])
    return hidden @ params["output/w"] + params["output/b"]


def loss(params, x, y):
    return irf.losses.mean_squared_error(predict(params, x), y)


def step(params, state, x, y):
    value, gradients = irf.value_and_grad(loss)(params, x, y)
    params, state = OPTIMIZER.update(gradients, state, params)
    return params, state, value


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a curve with a small network.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    generator = np.random.default_rng(options.seed)
    x = generator.uniform(-3, 3, (256, 1)).astype(np.float32)
    y = (curve(x) + generator.normal(0, 0.05, x.shape)).astype(np.float32)
    params = init(options.seed)
    state = OPTIMIZER.init(params)
    update = irf.jit(step, backend=options.backend, donate_argnames=("params", "state"))
    for number in range(options.steps):
        params, state, value = update(params, state, x, y)
        if number % 500 == 0:
            print(f"step {number:5}, loss {float(value):.4f}")

    grid = np.linspace(-3, 3, 200, dtype=np.float32)[:, None]
    error = np.asarray(predict(params, grid)) - curve(grid)
    print(f"error against the curve: {np.sqrt(np.mean(error**2)):.4f}")


if __name__ == "__main__":
    main()
