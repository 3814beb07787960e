"""The classic image classifier, written with functions: Flatten, Dense 128 relu, Dropout 0.2, Dense
10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import irflow.numpy as inp
from irflow import losses, nn, optim, random
from irflow.frontend import Tensor, asarray, jit, value_and_grad
from irflow.optim import Adam

Params = dict[str, Tensor]


class State(NamedTuple):
    """All that changes while training: weights, optimiser slots, random key."""

    params: Params
    slots: optim.State
    key: Tensor


def init_params(seed: int, pixels: int, hidden: int = 128, classes: int = 10) -> Params:
    """Weights drawn uniformly as by Glorot and Bengio (2010), biases of zero."""
    keys = random.split(random.key(seed), 2)

    def glorot(key: Tensor, rows: int, columns: int) -> Tensor:
        limit = float(np.sqrt(6 / (rows + columns)))
        return random.uniform(key, (rows, columns), low=-limit, high=limit)

    return {
        "hidden/w": glorot(keys[0], pixels, hidden),
        "hidden/b": inp.zeros(hidden),
        "output/w": glorot(keys[1], hidden, classes),
        "output/b": inp.zeros(classes),
    }


def forward(params: Params, images: Tensor, key: Tensor | None = None) -> Tensor:
    """Logits `[n, 10]` for images `[n, height, width]`; with dropout if there is a random key."""
    flat = images.reshape(images.shape[0], -1)
    hidden = nn.relu(flat @ params["hidden/w"] + params["hidden/b"])
    if key is not None:
        hidden = nn.dropout(hidden, 0.2, key)
    logits: Tensor = hidden @ params["output/w"] + params["output/b"]
    return logits


def training_step(state: State, images: Tensor, labels: Tensor) -> tuple[State, Tensor]:
    """One step of Adam on one batch; the new state and the loss. This is the graph that gets
    compiled.
    """
    key, dropout_key = random.split(state.key, 2)

    def loss_of(params: Params) -> Tensor:
        return losses.softmax_cross_entropy(forward(params, images, dropout_key), labels)

    loss, grads = value_and_grad(loss_of)(state.params)
    params, slots = Adam(1e-3).update(grads, state.slots, state.params)
    return State(params, slots, key), loss


def init_state(seed: int, pixels: int) -> State:
    """The state before the first step."""
    params = init_params(seed, pixels)
    return State(params, Adam().init(params), random.key(seed + 1))


class Trainer:
    """Trains a classifier on one backend.

    Args:
        images: floats `[n, height, width]`, between 0 and 1.
        labels: class numbers `[n]`.
        seed: of the weights, the dropout masks and the order of the examples.
        backend: a backend's name, or None for the default one.
        batch: examples a step; what does not fill a batch waits for the next epoch.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        seed: int = 0,
        backend: str | None = None,
        batch: int = 32,
    ) -> None:
        self.images, self.labels, self.batch = images, labels.astype(np.int32), batch
        self.state = init_state(seed, images[0].size)
        self.step: Any = jit(training_step, backend=backend, donate_argnames="state")
        self.predict: Any = jit(forward, backend=backend)
        self._order = np.random.default_rng(seed)

    @property
    def steps_per_epoch(self) -> int:
        return len(self.images) // self.batch

    def epoch(self, after_step: Callable[[float], None] | None = None) -> float:
        """One pass over the data in a new random order; the mean loss."""
        order = self._order.permutation(len(self.images))
        total = 0.0
        for number in range(self.steps_per_epoch):
            chosen = order[number * self.batch : (number + 1) * self.batch]
            self.state, loss = self.step(self.state, self.images[chosen], self.labels[chosen])
            total += float(loss)
            if after_step is not None:
                after_step(float(loss))
        return total / max(self.steps_per_epoch, 1)

    def logits(self, images: np.ndarray, batch: int = 1000) -> np.ndarray:
        """Logits `[n, 10]` without dropout."""
        parts = [
            np.asarray(self.predict(self.state.params, images[i : i + batch]))
            for i in range(0, len(images), batch)
        ]
        return np.concatenate(parts)

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The share of images whose largest logit stands at the label."""
        return float((self.logits(images).argmax(-1) == labels).mean())


def as_floats(images: np.ndarray, largest: float) -> np.ndarray:
    """Pixel values as f32 between 0 and 1."""
    return (images / np.float32(largest)).astype(np.float32)


__all__ = [
    "Params",
    "State",
    "Trainer",
    "as_floats",
    "asarray",
    "forward",
    "init_params",
    "init_state",
    "training_step",
]
