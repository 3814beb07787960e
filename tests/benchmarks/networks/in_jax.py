"""The networks in JAX, jitted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from networks.architectures import NETWORKS
from networks.drawing import drawn


class Layers:
    """The vocabulary over arrays; with a random key elements are dropped."""

    def __init__(self, weights: dict[str, jax.Array], key: Any = None) -> None:
        self.weights, self.key = weights, key

    def conv(self, x, name, filters, window, *, stride=1, padding=0, groups=1, bias=False):
        found = lax.conv_general_dilated(
            x,
            self.weights[f"{name}/w"],
            (stride, stride),
            ((padding, padding),) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        return found + self.weights[f"{name}/b"] if bias else found

    def _parts(self, name, *parts):
        return [self.weights[f"{name}/{part}"] for part in parts]

    def batch_norm(self, x, name):
        mean, variance, scale, offset = self._parts(name, "mean", "variance", "scale", "offset")
        return (x - mean) * (scale * lax.rsqrt(variance + 1e-5)) + offset

    def layer_norm(self, x, name):
        scale, offset = self._parts(name, "scale", "offset")
        return jax.nn.standardize(x, epsilon=1e-5) * scale + offset

    def relu(self, x):
        return jax.nn.relu(x)

    def relu6(self, x):
        return jax.nn.relu6(x)

    def gelu(self, x):
        return jax.nn.gelu(x, approximate=False)

    def add(self, x, y):
        return x + y

    def max_pool(self, x, window, stride, padding=0):
        around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        sizes, steps = (1, window, window, 1), (1, stride, stride, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, sizes, steps, around)

    def mean_pool(self, x):
        return x.mean((1, 2))

    def flatten(self, x):
        return x.reshape(x.shape[0], -1)

    def dropout(self, x, rate):
        if self.key is None:
            return x
        keep = jax.random.bernoulli(self.key, 1 - rate, x.shape)
        return jnp.where(keep, x / (1 - rate), 0)

    def dense(self, x, name, features):
        w, b = self._parts(name, "w", "b")
        return x @ w + b

    def embed(self, x, name, vocabulary, width):
        return self.weights[f"{name}/w"][x]

    def place(self, x, name):
        return x + self.weights[f"{name}/w"]

    def attention(self, x, heads, causal):
        n, steps, width = x.shape
        parts = x.reshape(n, steps, 3, heads, width // 3 // heads)
        q, k, v = (parts[:, :, i] for i in range(3))
        return jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(n, steps, -1)

    def lstm(self, x, name, units):
        kernel, recurrent, bias = self._parts(name, "kernel", "recurrent", "b")

        def cell(state, z):
            h, c = state
            i, f, g, o = jnp.split(z + h @ recurrent, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((x.shape[0], units))
        (h, _), _ = lax.scan(cell, (zeros, zeros), (x @ kernel + bias).swapaxes(0, 1))
        return h


def loss_of(kind: str, found: Any, wanted: Any) -> Any:
    if kind == "lstm":
        z = found.reshape(-1)
        return (jnp.maximum(z, 0) - z * wanted + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()
    logs = jax.nn.log_softmax(found)
    return -jnp.take_along_axis(logs, wanted[..., None], -1).mean()


def training(kind: str, x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], float]:
    weights = jax.tree.map(jnp.asarray, drawn(kind).weights)
    slots = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    state = (weights, *slots, jnp.float32(0), jax.random.key(0))

    def step(state, x, y):
        weights, first, second, count, key = state
        key, own = jax.random.split(key)

        def loss(weights):
            return loss_of(kind, NETWORKS[kind](Layers(weights, own), x), y)

        value, grads = jax.value_and_grad(loss)(weights)
        count = count + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, grads)
        second = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), second, grads)
        weights = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second
        )
        return (weights, first, second, count, key), value

    compiled = jax.jit(step, donate_argnums=0)

    def advance(chosen: np.ndarray) -> float:
        nonlocal state
        state, loss = compiled(state, x[chosen], y[chosen])
        return float(loss)

    return advance


def inference(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    weights = jax.tree.map(jnp.asarray, drawn(kind).weights)
    call = jax.jit(lambda weights, x: NETWORKS[kind](Layers(weights), x))
    return lambda x: np.asarray(call(weights, x))
