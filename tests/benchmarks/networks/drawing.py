"""Weights and data, the same for every framework; and how much work a network is."""

from dataclasses import dataclass, field

import numpy as np

from networks.architectures import INPUTS, NETWORKS

Shape = tuple[int, ...]
BATCHES = {"cnn": 128, "lstm": 64, "gpt": 16}
SAMPLES = {"cnn": 12_800, "lstm": 3_200, "gpt": 480}
"""Examples a step, and examples in memory, of the networks that are trained."""


@dataclass
class Drawn:
    """The vocabulary over shapes: draws the weights, and counts operations and bytes.

    Attributes:
        weights: `[window, window, channels, filters]`, `[features, units]`, vectors.
        flops: floating-point operations of the products of a forward pass, two a multiply-add.
        moved: bytes of the weights, and of what every layer with products reads and writes.
    """

    weights: dict[str, np.ndarray] = field(default_factory=dict)
    flops: int = 0
    moved: int = 0
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def _normal(self, name: str, shape: Shape, scale: float, mean: float = 0.0) -> None:
        drawn = self.generator.standard_normal(shape, dtype=np.float32)
        drawn *= np.float32(scale)
        drawn += np.float32(mean)
        self.weights[name] = drawn

    def _product(self, before: Shape, after: Shape, weight: int, each: int) -> Shape:
        self.flops += 2 * int(np.prod(after)) * each
        self.moved += 4 * int(np.prod(before) + np.prod(after) + weight)
        return after

    def conv(self, x, name, filters, window, *, stride=1, padding=0, groups=1, bias=False):
        n, height, width, channels = x
        each = window * window * channels // groups
        self._normal(f"{name}/w", (window, window, channels // groups, filters), (2 / each) ** 0.5)
        if bias:
            self._normal(f"{name}/b", (filters,), 0.0)
        out = [(side + 2 * padding - window) // stride + 1 for side in (height, width)]
        return self._product(x, (n, *out, filters), each * filters, each)

    def batch_norm(self, x, name):
        for part, mean in (("scale", 0.8), ("offset", 0.0), ("mean", 0.0)):
            self._normal(f"{name}/{part}", x[-1:], 0.1, mean)
        self.weights[f"{name}/variance"] = self.generator.random(x[-1], dtype=np.float32) + 1
        return x

    def layer_norm(self, x, name):
        self._normal(f"{name}/scale", x[-1:], 0.0, 1.0)
        self._normal(f"{name}/offset", x[-1:], 0.0)
        return x

    def _same(self, x, *rest):
        return x

    relu = relu6 = gelu = add = dropout = _same

    def max_pool(self, x, window, stride, padding=0):
        out = [(side + 2 * padding - window) // stride + 1 for side in x[1:3]]
        return (x[0], *out, x[3])

    def mean_pool(self, x):
        return x[0], x[3]

    def flatten(self, x):
        return x[0], int(np.prod(x[1:]))

    def dense(self, x, name, features):
        self._normal(f"{name}/w", (x[-1], features), x[-1] ** -0.5)
        self._normal(f"{name}/b", (features,), 0.0)
        return self._product(x, (*x[:-1], features), x[-1] * features, x[-1])

    def embed(self, x, name, vocabulary, width):
        self._normal(f"{name}/w", (vocabulary, width), 0.5)
        return (*x, width)

    def place(self, x, name):
        self._normal(f"{name}/w", x[1:], 0.02)
        return x

    def attention(self, x, heads, causal):
        n, steps, width = x[0], x[1], x[2] // 3
        # Of a causal score matrix half is needed.
        self.flops += 4 * n * steps * steps * width // (2 if causal else 1)
        self.moved += 4 * 4 * n * steps * width
        return n, steps, width

    def lstm(self, x, name, units):
        n, steps, width = x
        self._normal(f"{name}/kernel", (width, 4 * units), width**-0.5)
        self._normal(f"{name}/recurrent", (units, 4 * units), units**-0.5)
        self._normal(f"{name}/b", (4 * units,), 0.0)
        self.flops += 2 * n * steps * 4 * units * (width + units)
        self.moved += 4 * n * steps * (width + 8 * units)
        return n, units


def drawn(kind: str, batch: int = 1) -> Drawn:
    """Weights and costs of a network for a size of the batch."""
    found = Drawn()
    NETWORKS[kind](found, (batch, *INPUTS[kind][0]))
    return found


def inputs(kind: str, batch: int = 1) -> np.ndarray:
    """A batch for inference."""
    generator, (shape, words) = np.random.default_rng(1), INPUTS[kind]
    if words:
        return generator.integers(0, words, (batch, *shape)).astype(np.int32)
    return generator.random((batch, *shape), dtype=np.float32)


def data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Examples to train on, and what can be learnt of them: digits, letters, or a yes or no."""
    generator, count = np.random.default_rng(0), SAMPLES[kind]
    if kind == "cnn":
        labels = generator.integers(0, 10, count).astype(np.int32)
        patterns = generator.random((10, 28, 28, 1), dtype=np.float32)
        images = generator.random((count, 28, 28, 1), dtype=np.float32)
        for start in range(0, count, 1000):
            images[start : start + 1000] += patterns[labels[start : start + 1000]]
        images /= 2
        return images, labels
    if kind == "lstm":
        words = generator.integers(0, INPUTS[kind][1], (count, *INPUTS[kind][0])).astype(np.int32)
        return words, (words[:, -20:] % 2 == 0).mean(1).round().astype(np.float32)
    steps = INPUTS[kind][0][0]
    text = np.tile(generator.integers(0, INPUTS[kind][1], 4096), 2).astype(np.int32)
    places = generator.integers(0, 4096, count)[:, None] + np.arange(steps + 1)
    return text[places][:, :-1], text[places][:, 1:]


def batches(kind: str):
    """The numbers of the examples of each step, without end."""
    generator, size = np.random.default_rng(1), BATCHES[kind]
    while True:
        order = generator.permutation(SAMPLES[kind])
        yield from order[: len(order) // size * size].reshape(-1, size)


# --- single kernels -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Convolution:
    """One 3x3 convolution with zeros around the image."""

    batch: int
    side: int
    channels: int
    filters: int
    groups: int = 1

    @property
    def flops(self) -> int:
        each = 9 * self.channels // self.groups
        return 2 * self.batch * self.side**2 * self.filters * each

    @property
    def moved(self) -> int:
        """Bytes of image and result."""
        return 4 * self.batch * self.side**2 * (self.channels + self.filters)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, kernel, and a gradient of the result."""
        generator = np.random.default_rng(0)
        shapes = [
            (self.batch, self.side, self.side, self.channels),
            (3, 3, self.channels // self.groups, self.filters),
            (self.batch, self.side, self.side, self.filters),
        ]
        x, w, g = (generator.standard_normal(s, dtype=np.float32) for s in shapes)
        return x, w, g


@dataclass(frozen=True)
class Attention:
    """Attention of every place to every one, or to those before it."""

    batch: int
    steps: int
    heads: int
    width: int
    causal: bool

    @property
    def flops(self) -> int:
        each = 4 * self.batch * self.heads * self.steps**2 * self.width
        return each // 2 if self.causal else each

    @property
    def moved(self) -> int:
        return 4 * 4 * self.batch * self.heads * self.steps * self.width

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Query, key, value and a gradient of the result: `[n, t, heads, width]`."""
        generator = np.random.default_rng(0)
        shape = (self.batch, self.steps, self.heads, self.width)
        return tuple(generator.standard_normal(shape, dtype=np.float32) for _ in range(4))


CONVOLUTIONS = {
    "conv-56": Convolution(1, 56, 64, 64),
    "conv-14": Convolution(1, 14, 256, 256),
    "conv-first": Convolution(128, 28, 1, 32),
    "conv-depthwise": Convolution(1, 56, 144, 144, 144),
}
ATTENTIONS = {
    "attention-gpt": Attention(16, 128, 4, 32, True),
    "attention-bert": Attention(1, 128, 12, 64, False),
    "attention-long": Attention(1, 1024, 12, 64, True),
}
