"""The gradient cases' ops in irflow's own functions.

Each case is compiled as one function of inputs and cotangents on the backend that `IRFLOW_BACKEND`
names; with `IRFLOW_EAGER` set (`1`, or `jit` for compiled eager calls) op by op instead.
"""

import os

import numpy as np

import irflow as irf
import irflow.numpy as inp
from irflow import losses, nn, ops
from irflow.frontend.tensor import apply_row
from irflow.scalars import find


def vjp(fn, inputs, diff, cts):
    """Outputs, and the gradients by the inputs `diff`, for cotangents `cts`."""
    seeds = [ct for ct in cts if ct is not None]

    def whole(arrays, cotangents):
        return _outputs_and_gradients(fn, arrays, diff, cts, cotangents)

    run = whole if os.environ.get("IRFLOW_EAGER") else irf.jit(whole)
    outputs, gradients = run([np.asarray(x) for x in inputs], [np.asarray(ct) for ct in seeds])
    return [np.asarray(o) for o in outputs], [np.asarray(g) for g in gradients]


def _outputs_and_gradients(fn, arrays, diff, cts, cotangents):
    if not diff:
        return _as_list(fn(*arrays)), []

    def of_chosen(*chosen):
        full = list(arrays)
        for position, value in zip(diff, chosen, strict=True):
            full[position] = value
        return _as_list(fn(*full))

    outputs, pull_back = irf.vjp(of_chosen, *(arrays[i] for i in diff))
    remaining = iter(cotangents)
    seeds = [o * 0 if ct is None else next(remaining) for o, ct in zip(outputs, cts, strict=True)]
    return outputs, pull_back(seeds)


def forward(fn, inputs):
    """Outputs alone."""
    return [np.asarray(o) for o in irf.jit(lambda *arrays: _as_list(fn(*arrays)))(*inputs)]


def _as_list(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _row(name):
    return lambda *x: apply_row(find(name), x)


def _last(x):
    """[N, C, *spatial] to [N, *spatial, C]."""
    return inp.moveaxis(x, 1, -1)


def _first(x):
    """[N, *spatial, C] to [N, C, *spatial]."""
    return inp.moveaxis(x, -1, 1)


def _conv(x, w, b=None, *, strides, padding, dilations, groups):
    kernel = inp.moveaxis(w, (0, 1), (-1, -2))
    return _first(
        nn.conv(
            _last(x),
            kernel,
            b,
            strides=strides,
            padding=padding,
            dilations=dilations,
            groups=groups,
        )
    )


def _conv_transpose(x, w, *, strides, padding, output_padding, dilations, groups):
    full = zip(x.shape[2:], strides, padding, dilations, w.shape[2:], output_padding, strict=True)
    sizes = [(s - 1) * st - sum(p) + d * (k - 1) + 1 + o for s, st, p, d, k, o in full]
    kernel = inp.moveaxis(w, (0, 1), (-1, -2))
    pads = [tuple(p) for p in padding]
    return _first(
        ops.convolution_transpose(_last(x), kernel, sizes, strides, pads, dilations, groups)
    )


def _pool(kind):
    def pool(x, *, window, strides, padding, count_include_pad=False):
        if kind == "max":
            return _first(nn.max_pool(_last(x), window, strides, padding))
        return _first(nn.avg_pool(_last(x), window, strides, padding, count_include_pad))

    return pool


def _slices(x, slices):
    return x[tuple(slice(*part) for part in slices)]


def _split(x, indices, axis):
    return inp.split(x, indices, axis)


def _dot_general(x, y, lhs_contract, rhs_contract, lhs_batch, rhs_batch):
    return inp.dot_general(x, y, (lhs_contract, rhs_contract), (lhs_batch, rhs_batch))


def _scatter(kind):
    def scatter(x, index, updates):
        return ops.scatter(irf.asarray(x), inp.expand_dims(index, -1), updates, kind)

    return scatter


def _dynamic_slice(x, start, sizes):
    return ops.dynamic_slice(irf.asarray(x), inp.astype(start, "i64"), tuple(sizes))


def _moments(x, axes):
    mean = inp.mean(x, axes, keepdims=True)
    return mean, inp.mean(inp.square(x - mean), axes, keepdims=True)


def _per_channel(v, rank):
    return inp.reshape(v, (1, -1) + (1,) * (rank - 2))


def _batch_norm_train(x, gamma, beta, eps):
    axes = (0, *range(2, x.ndim))
    mean, variance = _moments(x, axes)
    scale = _per_channel(gamma, x.ndim) * apply_row(find("rsqrt"), (variance + eps,))
    y = (x - mean) * scale + _per_channel(beta, x.ndim)
    return y, inp.reshape(mean, -1), inp.reshape(variance, -1)


def _batch_norm_infer(x, gamma, beta, mean, variance, eps):
    g, b, m, v = (_per_channel(t, x.ndim) for t in (gamma, beta, mean, variance))
    return (x - m) * (g / inp.sqrt(v + eps)) + b


def _group_norm(x, gamma, beta, groups, eps):
    parts = inp.reshape(x, (x.shape[0], groups, -1))
    mean, variance = _moments(parts, -1)
    normal = inp.reshape((parts - mean) / inp.sqrt(variance + eps), x.shape)
    return normal * _per_channel(gamma, x.ndim) + _per_channel(beta, x.ndim)


def _lstm_cell(x, h, c, wx, wh, b):
    i, f, g, o = inp.split(x @ wx + h @ wh + b, 4, -1)
    c = nn.sigmoid(f) * c + nn.sigmoid(i) * inp.tanh(g)
    return nn.sigmoid(o) * inp.tanh(c), c


def _lstm(x, wx, wh, b):
    h = c = inp.zeros((x.shape[0], wh.shape[0]), x.dtype)
    outputs = []
    for step in range(x.shape[1]):
        h, c = _lstm_cell(x[:, step], h, c, wx, wh, b)
        outputs.append(h)
    return inp.stack(outputs, 1), h, c


def _gru_cell(x, h, wx, wh, bx, bh):
    xz, xr, xh = inp.split(x @ wx + bx, 3, -1)
    hz, hr, hh = inp.split(h @ wh + bh, 3, -1)
    z, r = nn.sigmoid(xz + hz), nn.sigmoid(xr + hr)
    return z * h + (1 - z) * inp.tanh(xh + r * hh)


def _attention(q, k, v, causal):
    scores = q @ inp.swapaxes(k, -1, -2) / float(np.sqrt(q.shape[-1]))
    if causal:
        mask = inp.tril(inp.ones(scores.shape[-2:], "bool"))
        scores = inp.where(mask, scores, -np.inf)
    return nn.softmax(scores, -1) @ v


def _pixel_shuffle(x, r):
    n, c, h, w = x.shape
    parts = inp.reshape(x, (n, c // (r * r), r, r, h, w))
    return inp.reshape(inp.transpose(parts, (0, 1, 4, 2, 5, 3)), (n, c // (r * r), h * r, w * r))


def _mlp_loss(x, w1, b1, w2, b2, labels):
    return losses.softmax_cross_entropy(nn.relu(x @ w1 + b1) @ w2 + b2, labels)


def _cholesky_of_gram(x):
    gram = x @ inp.swapaxes(x, -1, -2)
    return inp.linalg.cholesky(gram + x.shape[-2] * inp.eye(x.shape[-2], dtype=x.dtype))


def _gather_nd(x, index):
    return ops.gather(irf.asarray(x), irf.asarray(index))


ELEMENTWISE = [
    "negative",
    "abs",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "square",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "reciprocal",
    "floor",
    "sign",
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "power",
    "arctan2",
    "logaddexp",
    "where",
    "clip",
]
SAME = [
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "var",
    "std",
    "argmax",
    "matmul",
    "outer",
    "reshape",
    "transpose",
    "expand_dims",
    "squeeze",
    "broadcast_to",
    "flip",
    "roll",
    "tile",
    "repeat",
    "tril",
    "triu",
    "moveaxis",
    "take",
    "take_along_axis",
    "cumsum",
    "cumprod",
    "sort",
    "argsort",
]
LINALG = ["inv", "solve", "det"]
ACTIVATIONS = [
    "sigmoid",
    "softplus",
    "silu",
    "mish",
    "softsign",
    "relu",
    "selu",
    "hard_sigmoid",
    "leaky_relu",
    "elu",
    "gelu",
    "softmax",
    "log_softmax",
    "logsumexp",
]

OPS = {
    **{name: getattr(inp, name) for name in ELEMENTWISE + SAME},
    **{name: getattr(nn, name) for name in ACTIVATIONS},
    **{name: getattr(inp.linalg, name) for name in LINALG},
    "cholesky_of_gram": _cholesky_of_gram,
    "topk": inp.top_k,
    "rsqrt": _row("rsqrt"),
    "erf": _row("erf"),
    "einsum": lambda *x, equation: inp.einsum(equation, *x),
    "tensordot": lambda x, y, axes: inp.tensordot(x, y, axes),
    "dot_general": _dot_general,
    "concatenate": lambda *x, axis: inp.concatenate(x, axis),
    "stack": lambda *x, axis: inp.stack(x, axis),
    "split": _split,
    "slice": _slices,
    "pad": lambda x, pad_width, mode, value: inp.pad(x, pad_width, mode, value or 0),
    "embedding": nn.embedding,
    "gather_nd": _gather_nd,
    "scatter_add": _scatter("add"),
    "scatter_set": _scatter("set"),
    "dynamic_slice": _dynamic_slice,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "max_pool": _pool("max"),
    "avg_pool": _pool("avg"),
    "global_avg_pool": lambda x: inp.mean(x, tuple(range(2, x.ndim))),
    "upsample_nearest": lambda x, scale: inp.repeat(inp.repeat(x, scale, 2), scale, 3),
    "pixel_shuffle": _pixel_shuffle,
    "batch_norm_train": _batch_norm_train,
    "batch_norm_infer": _batch_norm_infer,
    "layer_norm": lambda x, g, b, eps: nn.layer_norm(x, g, b, epsilon=eps),
    "rms_norm": lambda x, g, eps: nn.rms_norm(x, g, epsilon=eps),
    "group_norm": _group_norm,
    "instance_norm": lambda x, g, b, eps: _group_norm(x, g, b, x.shape[1], eps),
    "softmax_cross_entropy": losses.softmax_cross_entropy,
    "sigmoid_cross_entropy": losses.sigmoid_cross_entropy,
    "huber_loss": lambda p, t, delta: losses.huber(p, t, delta),
    "lstm_cell": _lstm_cell,
    "lstm": _lstm,
    "gru_cell": _gru_cell,
    "attention": _attention,
    "reuse": lambda x: x * x + x * inp.sin(x) + x,
    "mlp_loss": _mlp_loss,
    "stop_gradient_mul": lambda x: inp.sum(irf.stop_gradient(x) * x),
    "int_cast_mul": lambda x: inp.astype(inp.astype(x, "i32"), x.dtype) * x,
}
