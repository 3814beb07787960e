"""What the first user of the wheel does: import, load the digits, train a few steps.

    IRFLOW_BACKEND=numpy python -I smoke.py FOLDER

irflow must have been imported from within FOLDER, the environment that the wheel was installed in.
"""

import os
import sys
from pathlib import Path

import numpy as np

import irflow as irf
from irflow import numpy as inp
from irflow.datasets import split_digits

STEPS, RATE = 60, 0.5


def loss(weights, images, targets):
    """The mean squared error of a linear classifier."""
    error = images @ weights - targets
    return inp.mean(error * error)


@irf.jit
def step(weights, images, targets):
    """One step of gradient descent: the loss before it, and the new weights."""
    value, gradient = irf.value_and_grad(loss)(weights, images, targets)
    return value, weights - RATE * gradient


def main() -> None:
    """Train; the exit status is 1 where the loss does not fall by half."""
    home = Path(irf.__file__).resolve()
    if Path(sys.argv[1]).resolve() not in home.parents:
        sys.exit(f"irflow was imported from {home}, not from {sys.argv[1]}")
    (images, labels), _ = split_digits()
    images = images.reshape(len(images), 64).astype(np.float32) / 16
    targets = np.eye(10, dtype=np.float32)[labels]
    weights, losses = np.zeros((64, 10), np.float32), []
    for _ in range(STEPS):
        value, weights = step(weights, images, targets)
        losses.append(float(value))
    print(f"smoke: {os.environ['IRFLOW_BACKEND']}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    sys.exit(not losses[-1] < losses[0] / 2)


if __name__ == "__main__":
    main()
