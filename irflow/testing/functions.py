"""Functions whose gradients every backend must get right, and a training step.

All take arrays as arguments and return a float scalar; no two lean on the same ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

import irflow.numpy
from irflow import losses, nn, ops, optim, random, tree
from irflow.frontend import custom_vjp, grad, value_and_grad
from irflow.frontend.tensor import Tensor
from irflow.records import dataclass

Arrays = tuple[np.ndarray, ...]

inp: Any = irflow.numpy  # its names are made from tables, which type checkers do not see


@dataclass(frozen=True)
class GradientCase:
    """A scalar function and arguments; the first `wrt` of them are differentiated."""

    name: str
    function: Callable[..., Any]
    arguments: Arrays
    wrt: int = 1

    def __str__(self) -> str:
        return self.name

    @property
    def gradient(self) -> Callable[..., Any]:
        """A function of the same arguments that returns a tuple of gradients."""
        return grad(self.function, argnums=tuple(range(self.wrt)))


def _normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + 17 * len(shape)).normal(size=shape).astype(np.float32)


def dense(w: Any, b: Any, x: Any) -> Any:
    """One layer and the mean of its squares."""
    return inp.mean(inp.square(inp.tanh(x @ w + b)))


def classify(w: Any, b: Any, x: Any, labels: Any) -> Any:
    """Cross-entropy of a linear classifier."""
    return losses.softmax_cross_entropy(x @ w + b, labels)


def normalise(x: Any, scale: Any, offset: Any) -> Any:
    """Layer norm, weighted by its own input."""
    return inp.sum(nn.layer_norm(x, scale, offset) * x)


def attend(q: Any, k: Any, v: Any) -> Any:
    """Attention of a batch of heads."""
    weights = nn.softmax(q @ inp.swapaxes(k, -1, -2) / 2.0, -1)
    return inp.sum(inp.square(weights @ v))


def embed(table: Any, indices: Any) -> Any:
    """Rows looked up, some twice."""
    return inp.sum(inp.sin(inp.take(table, indices, axis=0)))


def convolve(x: Any, w: Any, b: Any) -> Any:
    """Convolution, relu, pooling."""
    y = nn.relu(nn.conv(x, w, b, strides=1, padding="same"))
    return inp.sum(inp.square(nn.max_pool(y, 2))) + inp.sum(nn.avg_pool(y, 2))


def rearrange(x: Any, y: Any) -> Any:
    """Slices with steps, reversal, concatenation, padding, transposition."""
    both = inp.concatenate([x[1:, ::2], y[::-1, 1::2][:-1]], axis=1)
    wide = inp.pad(both, ((1, 0), (0, 2)))
    return inp.sum(inp.exp(inp.transpose(wide)[:, :2]) * 0.1)


def choose(x: Any, y: Any) -> Any:
    """Selections and extrema."""
    chosen = inp.where(x > y, x * y, inp.minimum(x, 0.5))
    return inp.sum(inp.maximum(chosen, y)) + inp.sum(abs(x)) + inp.max(y, axis=0).sum()


def reduce_ways(x: Any) -> Any:
    """Products, log-sum-exp, variance, over different axes."""
    return inp.prod(x, axis=0).sum() + inp.sum(ops.logsumexp(x, 1)) + inp.var(x)


def second_order(x: Any) -> Any:
    """The square of a gradient."""
    inner = grad(lambda t: inp.sum(inp.tanh(t) * t * t))
    return inp.sum(inp.square(inner(x)))


@custom_vjp
def _doubled_backwards(x: Any) -> Any:
    return x * 1.0


_doubled_backwards.defvjp(lambda x: (x * 1.0, x), lambda kept, g: (g * 2.0 + kept * 0.0,))


def custom(x: Any) -> Any:
    """A gradient that its author wrote."""
    return inp.sum(inp.sin(_doubled_backwards(x)))


def scalar(x: Any) -> Any:
    """Scalars only."""
    return inp.exp(inp.sin(x)) * x / (1.0 + x * x)


LABELS = np.array([0, 3, 1, 1, 2, 0])
QUERIES, KEYS, VALUES = _normal(2, 3, 4), _normal(2, 5, 4, seed=1), _normal(2, 5, 3, seed=2)
GRADIENTS = (
    GradientCase("dense", dense, (_normal(5, 3), _normal(3), _normal(4, 5)), 3),
    GradientCase("classify", classify, (_normal(5, 4), _normal(4), _normal(6, 5), LABELS), 2),
    GradientCase("normalise", normalise, (_normal(4, 6), _normal(6), _normal(6, seed=1)), 3),
    GradientCase("attend", attend, (QUERIES, KEYS, VALUES), 3),
    GradientCase("embed", embed, (_normal(7, 3), np.array([[1, 6], [1, 0]]))),
    GradientCase("convolve", convolve, (_normal(2, 4, 6, 3), _normal(3, 3, 3, 2), _normal(2)), 3),
    GradientCase("rearrange", rearrange, (_normal(4, 6), _normal(4, 6, seed=1)), 2),
    GradientCase("choose", choose, (_normal(3, 4), _normal(3, 4, seed=1)), 2),
    GradientCase("reduce", reduce_ways, (_normal(3, 4),)),
    GradientCase("second-order", second_order, (_normal(3, 4),)),
    GradientCase("custom", custom, (_normal(5),)),
    GradientCase("scalar", scalar, (np.array(0.7, np.float32),)),
)


# ---------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Training:
    """A small classifier with dropout, and its training by Adam as one pure function.

    Attributes:
        features, hidden, classes: sizes of the layers.
        rate: of the dropout.
    """

    optimizer: ClassVar[optim.Optimizer] = optim.Adam(0.01)

    features: int = 6
    hidden: int = 16
    classes: int = 3
    rate: float = 0.4

    def start(self) -> tuple[Any, Any]:
        """Parameters and the state of the optimiser."""
        w, v = _normal(self.features, self.hidden), _normal(self.hidden, self.classes, seed=1)
        b, c = np.zeros(self.hidden, np.float32), np.zeros(self.classes, np.float32)
        params = {"hidden": (w * np.float32(0.4), b), "out": (v * np.float32(0.3), c)}
        return params, self.optimizer.init(params)

    def batch(self, number: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """Points `[size, features]` and their classes `[size]`."""
        generator = np.random.default_rng(number)
        x = generator.normal(size=(size, self.features)).astype(np.float32)
        return x, np.argmax(x[:, : self.classes], axis=1)

    def loss(self, params: Any, key: Any, x: Any, labels: Any) -> Any:
        """The mean cross-entropy under one dropout mask."""
        (w, b), (v, c) = params["hidden"], params["out"]
        hidden = nn.dropout(nn.relu(x @ w + b), self.rate, key)
        return losses.softmax_cross_entropy(hidden @ v + c, labels)

    def step(self, params: Any, state: Any, key: Any, x: Any, labels: Any) -> Any:
        """One update: the loss before it, new parameters, new state."""
        loss, gradients = value_and_grad(self.loss)(params, key, x, labels)
        params, state = self.optimizer.update(gradients, state, params)
        return loss, params, state

    def arguments(self, number: int, params: Any, state: Any) -> tuple[Any, ...]:
        """The arguments of the step of that number."""
        return (params, state, random.key(number), *self.batch(number))


def arrays_of(structure: Any) -> list[np.ndarray]:
    """The leaves of a nested structure as arrays."""
    leaves = tree.flatten(structure)[0]
    return [leaf.data if isinstance(leaf, Tensor) else np.asarray(leaf) for leaf in leaves]
