"""The networks in irflow."""

from collections.abc import Callable
from typing import Any

import numpy as np

import irflow as irf
from irflow import losses, nn, optim, quantization, random
from networks.architectures import NETWORKS
from networks.drawing import Attention, Convolution, drawn, inputs

Weights = dict[str, irf.Tensor]


class Layers:
    """The vocabulary over tensors; with a random key elements are dropped."""

    def __init__(self, weights: Weights, key: irf.Tensor | None = None) -> None:
        self.weights, self.key = weights, key

    def conv(self, x, name, filters, window, *, stride=1, padding=0, groups=1, bias=False):
        around, shift = ((padding, padding),) * 2, self.weights.get(f"{name}/b")
        kernel = self.weights[f"{name}/w"]
        return nn.conv(x, kernel, shift, strides=stride, padding=around, groups=groups)

    def _parts(self, name, *parts):
        return [self.weights[f"{name}/{part}"] for part in parts]

    def batch_norm(self, x, name):
        return nn.batch_norm(x, *self._parts(name, "mean", "variance", "scale", "offset"))

    def layer_norm(self, x, name):
        return nn.layer_norm(x, *self._parts(name, "scale", "offset"))

    def relu(self, x):
        return nn.relu(x)

    def relu6(self, x):
        return nn.relu6(x)

    def gelu(self, x):
        return nn.gelu(x)

    def add(self, x, y):
        return x + y

    def max_pool(self, x, window, stride, padding=0):
        return nn.max_pool(x, window, stride, ((padding, padding),) * 2)

    def mean_pool(self, x):
        return nn.global_avg_pool(x)

    def flatten(self, x):
        return x.reshape(x.shape[0], -1)

    def dropout(self, x, rate):
        return x if self.key is None else nn.dropout(x, rate, self.key)

    def dense(self, x, name, features):
        w, b = self._parts(name, "w", "b")
        return x @ w + b

    def embed(self, x, name, vocabulary, width):
        return nn.embedding(self.weights[f"{name}/w"], x)

    def place(self, x, name):
        return x + self.weights[f"{name}/w"]

    def attention(self, x, heads, causal):
        n, steps, width = x.shape
        parts = x.reshape(n, steps, 3, heads, width // 3 // heads)
        q, k, v = (parts[:, :, i] for i in range(3))
        found = nn.dot_product_attention(q, k, v, is_causal=causal)
        return found.reshape(n, steps, width // 3)

    def lstm(self, x, name, units):
        outputs, _ = nn.lstm(x, *self._parts(name, "kernel", "recurrent", "b"))
        return outputs[:, -1]


def loss_of(kind: str, found: irf.Tensor, wanted: irf.Tensor) -> irf.Tensor:
    if kind == "lstm":
        return losses.sigmoid_cross_entropy(found.reshape(-1), wanted)
    return losses.softmax_cross_entropy(found, wanted)


def training_step(kind: str) -> tuple[Callable[..., Any], Any]:
    """The step as a function of the state, a batch and what is wanted of it; the first state."""
    weights = {name: irf.asarray(w) for name, w in drawn(kind).weights.items()}
    adam = optim.Adam(1e-3)

    def step(state, x, y):
        weights, slots, key = state
        key, own = random.split(key, 2)

        def loss(weights):
            return loss_of(kind, NETWORKS[kind](Layers(weights, own), x), y)

        value, gradients = irf.value_and_grad(loss)(weights)
        weights, slots = adam.update(gradients, slots, weights)
        return (weights, slots, key), value

    return step, (weights, adam.init(weights), random.key(0))


def training(kind: str, x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], float]:
    """One step of Adam on the examples of these numbers."""
    step, state = training_step(kind)
    compiled = irf.jit(step, backend="llvm", donate_argnames="state")

    def advance(chosen: np.ndarray) -> float:
        nonlocal state
        state, loss = compiled(state, x[chosen], y[chosen])
        return float(loss)

    return advance


def inference(kind: str, dtype: str = "float32") -> Callable[[np.ndarray], np.ndarray]:
    """A call of the network, whose weights are constants."""
    arrays = drawn(kind).weights
    weights = {name: irf.asarray(arrays.pop(name)).astype(dtype) for name in list(arrays)}

    @irf.jit(backend="llvm")
    def call(x):
        given = x if x.dtype.is_integer else x.astype(dtype)
        return NETWORKS[kind](Layers(weights), given).astype("float32")

    return lambda x: call(x).numpy()


def inference_bf16(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    return inference(kind, "bfloat16")


def in_bytes(kind: str, activations: str) -> Callable[[np.ndarray], np.ndarray]:
    """With products and convolutions in 8 bits; scales of calibrated ones are from the input."""
    weights = {name: irf.asarray(w) for name, w in drawn(kind).weights.items()}

    def network(x):
        return NETWORKS[kind](Layers(weights), x)

    given = inputs(kind)
    call = quantization.quantize(network, given, activations=activations, backend="llvm")
    return lambda x: call(x).numpy()


def inference_dynamic(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    return in_bytes(kind, "dynamic")


def inference_calibrated(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    return in_bytes(kind, "calibrated")


def convolution(case: Convolution, part: str, constant: bool = False) -> Callable[[], Any]:
    """A convolution, or its gradient by the image or by the kernel."""
    x, w, g = map(irf.asarray, case.arrays())

    def apply(x, w):
        return nn.conv(x, w, padding="same", groups=case.groups)

    if part == "forward" and constant:
        fixed = irf.jit(lambda x: apply(x, w), backend="llvm")
        return lambda: fixed(x)
    functions = {
        "forward": (apply, (x, w)),
        "by input": (lambda w, g: irf.vjp(lambda x: apply(x, w), x)[1](g), (w, g)),
        "by kernel": (lambda x, g: irf.vjp(lambda w: apply(x, w), w)[1](g), (x, g)),
    }
    function, arguments = functions[part]
    compiled = irf.jit(function, backend="llvm")
    return lambda: compiled(*arguments)


def convolution_constant(case: Convolution, part: str) -> Callable[[], Any]:
    return convolution(case, part, constant=True)


def attention(case: Attention, part: str) -> Callable[[], Any]:
    """Attention, or attention and its gradients."""
    *qkv, g = map(irf.asarray, case.arrays())

    def forward(q, k, v):
        return nn.dot_product_attention(q, k, v, is_causal=case.causal)

    def both(q, k, v, g):
        found, back = irf.vjp(forward, q, k, v)
        return found, back(g)

    if part == "forward":
        compiled = irf.jit(forward, backend="llvm")
        return lambda: compiled(*qkv)
    trained = irf.jit(both, backend="llvm")
    return lambda: trained(*qkv, g)
