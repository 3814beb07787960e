"""Layers by their definition: loops and formulas in plain NumPy, in f64."""

import itertools

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


# ------------------------------------------------------------------------------------ convolutions


def conv_transpose(x, w, bias, strides, padding, extra, dilations):
    """Each input paints its window; Keras's sizes, cut off as a strided convolution pads."""
    rank = x.ndim - 2
    extents = [d * (k - 1) + 1 for k, d in zip(w.shape[:rank], dilations, strict=True)]
    cuts, sizes = [], []
    for t, s, k, e in zip(x.shape[1:-1], strides, extents, extra, strict=True):
        if padding == "valid":
            size = t * s + max(k - s, 0) if e is None else (t - 1) * s + k + e
        else:
            size = t * s if e is None else (t - 1) * s + k - 2 * (k // 2) + e
        total = max((t - 1) * s + k - size, 0) if padding == "same" else 0
        cuts.append(total // 2)
        sizes.append(size)
    result = np.zeros((len(x), *sizes, w.shape[-2]))
    for place in itertools.product(*map(range, x.shape[1:-1])):
        for offset in itertools.product(*map(range, w.shape[:rank])):
            parts = zip(place, strides, offset, dilations, cuts, strict=True)
            at = [t * s + k * d - cut for t, s, k, d, cut in parts]
            if all(0 <= a < size for a, size in zip(at, sizes, strict=True)):
                result[(slice(None), *at)] += x[(slice(None), *place)] @ w[offset].T
    return result + bias


def depthwise_conv(x, w, bias):
    """Two spatial axes, no padding, stride 1."""
    height, width, channels, multiplier = w.shape
    out = x.shape[1] - height + 1, x.shape[2] - width + 1
    result = np.zeros((len(x), *out, channels * multiplier))
    for i, j, c, m in np.ndindex(*out, channels, multiplier):
        seen = x[:, i : i + height, j : j + width, c]
        result[:, i, j, c * multiplier + m] = (seen * w[:, :, c, m]).sum((1, 2))
    return result + bias


def pool(x, window, strides, function):
    rank = len(window)
    view = np.lib.stride_tricks.sliding_window_view(x, window, tuple(range(1, rank + 1)))
    steps = tuple(slice(None, None, s) for s in strides)
    return function(view[(slice(None), *steps)], axis=tuple(range(-rank, 0)))


# ----------------------------------------------------------------------------------- normalisation


def normal(x, axes, epsilon=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def group_norm(x, groups, scale, offset):
    result = np.empty_like(x)
    size = x.shape[-1] // groups
    for n, g in np.ndindex(len(x), groups):
        part = x[n, ..., g * size : (g + 1) * size]
        result[n, ..., g * size : (g + 1) * size] = normal(part, None)
    return result * scale + offset


# --------------------------------------------------------------------------------------- attention


def attention(q, k, v, mask=None, bias=0.0, scale=None):
    """`[n, t, heads, d]`; heads of keys repeated for the queries."""
    group = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, group, 2), np.repeat(v, group, 2)
    factor = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    logits = np.einsum("nthd,nshd->nhts", q, k) * factor + bias
    if mask is not None:
        logits = np.where(mask, logits, -1e30)
    return np.einsum("nhts,nshe->nthe", softmax(logits), v)


def rotary(x, positions, interleaved):
    """Pairs of features as complex numbers."""
    d = x.shape[-1]
    angle = positions[..., None, None] * 10000.0 ** (-np.arange(d // 2) * 2 / d)
    a, b = (x[..., ::2], x[..., 1::2]) if interleaved else (x[..., : d // 2], x[..., d // 2 :])
    turned = (a + 1j * b) * np.exp(1j * angle)
    parts = turned.real, turned.imag
    return np.stack(parts, -1).reshape(x.shape) if interleaved else np.concatenate(parts, -1)


# ------------------------------------------------------------------------------------------ images


def hat(d):
    return max(1 - abs(d), 0.0)


def cubic(d, a=-0.5):
    d = abs(d)
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def resized_axis(x, axis, size, kernel, antialias=False):
    """Every new pixel from its centre: the weights of all old ones, normalised."""
    old = x.shape[axis]
    width = max(old / size, 1.0) if antialias else 1.0
    matrix = np.zeros((size, old))
    for i in range(size):
        centre = (i + 0.5) * old / size - 0.5
        if kernel is None:
            matrix[i, int(np.floor((i + 0.5) * old / size))] = 1
        else:
            matrix[i] = [kernel((j - centre) / width) for j in range(old)]
    matrix /= matrix.sum(1, keepdims=True)
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def resize(x, size, kernel, antialias=False):
    for axis, wanted in enumerate(size, 1):
        x = resized_axis(x, axis, wanted, kernel, antialias)
    return x


def filled(i, size, mode):
    """The place inside that stands for a whole place, None for the fill value."""
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "nearest":
        return min(max(i, 0), size - 1)
    line = {
        "wrap": list(range(size)),
        "reflect": [*range(size), *range(size)[::-1]],
        "mirror": [*range(size), *range(1, size - 1)[::-1]] if size > 1 else [0],
    }[mode]
    return line[i % len(line)]


def sample(x, places, method, mode, fill=0.0):
    """`x[n, h, w, c]` at `places[n, m, 2]`."""

    def pixel(n, *at):
        inside = [filled(i, size, mode) for i, size in zip(at, x.shape[1:3], strict=True)]
        return np.full(x.shape[-1], fill) if None in inside else x[(n, *inside)]

    result = np.zeros((*places.shape[:2], x.shape[-1]))
    for n, m in np.ndindex(*places.shape[:2]):
        y, u = places[n, m]
        if method == "nearest":
            result[n, m] = pixel(n, int(np.floor(y + 0.5)), int(np.floor(u + 0.5)))
            continue
        i, j = int(np.floor(y)), int(np.floor(u))
        for a, b in itertools.product((0, 1), repeat=2):
            result[n, m] += hat(y - i - a) * hat(u - j - b) * pixel(n, i + a, j + b)
    return result


def iou(a, b):
    ends = [(np.minimum(x[:2], x[2:]), np.maximum(x[:2], x[2:])) for x in (a, b)]
    sides = np.minimum(ends[0][1], ends[1][1]) - np.maximum(ends[0][0], ends[1][0])
    shared = np.prod(np.maximum(sides, 0))
    union = sum(np.prod(high - low) for low, high in ends) - shared
    return shared / union if union > 0 else 0.0


def best_boxes(boxes, scores, count, threshold, least=-np.inf):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] > least and all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(int(i))
    kept = kept[:count]
    return kept + [-1] * (count - len(kept)), len(kept)


# --------------------------------------------------------------------------------------- recurrent


def simple_rnn(x, w, u, b):
    h, outputs = np.zeros((len(x), len(u))), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w + h @ u + b)
        outputs.append(h)
    return np.stack(outputs, 1)


def lstm(x, w, u, b, mask=None):
    h = c = out = np.zeros((len(x), len(u)))
    outputs = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w + h @ u + b, 4, -1)
        memory = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        output = sigmoid(o) * np.tanh(memory)
        real = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        h, c, out = (
            np.where(real, output, h),
            np.where(real, memory, c),
            np.where(real, output, out),
        )
        outputs.append(out)
    return np.stack(outputs, 1)


def gru(x, w, u, b, reset_after):
    h, outputs = np.zeros((len(x), len(u))), []
    size = len(u)
    for t in range(x.shape[1]):
        own = x[:, t] @ w + (b[0] if reset_after else b)
        other = h @ u + (b[1] if reset_after else 0)
        z = sigmoid(own[:, :size] + other[:, :size])
        r = sigmoid(own[:, size : 2 * size] + other[:, size : 2 * size])
        if reset_after:
            new = np.tanh(own[:, 2 * size :] + r * other[:, 2 * size :])
        else:
            new = np.tanh(own[:, 2 * size :] + (r * h) @ u[:, 2 * size :])
        h = z * h + (1 - z) * new
        outputs.append(h)
    return np.stack(outputs, 1)


# --------------------------------------------------------------------------------------- the rest


def segments(data, ids, count, function, empty):
    rows = [data[ids == i] for i in range(count)]
    return np.stack([function(r, 0) if len(r) else np.full(data.shape[1:], empty) for r in rows])


def sparsemax(x):
    """The projection onto the simplex, its shift found by bisection."""
    low, high = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        is_large = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(is_large, middle, low), np.where(is_large, high, middle)
    return np.maximum(x - low, 0)
