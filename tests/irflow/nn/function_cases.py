"""Attention, images, recurrent layers and the rest with their definitions and arguments."""

from functools import partial

import numpy as np

import irflow as irf
from irflow import nn
from tests.irflow.nn import references as ref
from tests.irflow.nn.layer_cases import RNG, Case, normal

Q, K, V = normal(2, 3, 4, 6), normal(2, 5, 4, 6), normal(2, 5, 4, 2)
MASK = RNG.random((2, 3, 5)) < 0.7
MASK[:, :, 0] = True
MASK[1, 2] = False
CAUSAL = np.tril(np.ones((3, 5), bool), 2)
ALL = (0, 1, 2)

ATTENTION = {
    "plain": Case(nn.dot_product_attention, ref.attention, Q, K, V, batched=ALL),
    "grouped": Case(
        partial(nn.dot_product_attention, scale=0.3),
        partial(ref.attention, scale=0.3),
        *(Q, K[:, :, :2], V[:, :, :2]),
        batched=ALL,
    ),
    "causal-attention": Case(
        partial(nn.dot_product_attention, is_causal=True),
        partial(ref.attention, mask=CAUSAL),
        *(Q, K, V),
        batched=ALL,
    ),
    "masked": Case(
        lambda q, k, v, m: nn.dot_product_attention(q, k, v, mask=m),
        lambda q, k, v, m: ref.attention(q, k, v, m[:, None]),
        *(Q, K, V, MASK),
        batched=(0, 1, 2, 3),
    ),
    "added": Case(
        lambda q, k, v, b: nn.dot_product_attention(q, k, v, bias=b),
        lambda q, k, v, b: ref.attention(q, k, v, bias=b),
        *(Q, K, V, normal(4, 3, 5)[None]),
        batched=ALL,
    ),
    "weights": Case(
        nn.attention_weights,
        lambda q, k: ref.softmax(np.einsum("nthd,nshd->nhts", q, k) / np.sqrt(6)),
        *(Q, K),
        batched=(0, 1),
    ),
    "additive": Case(
        lambda q, k, v, s, m: nn.additive_attention(q, k, v, scale=s, mask=m),
        lambda q, k, v, s, m: (
            ref.softmax(np.where(m, (np.tanh(q[:, :, None] + k[:, None]) * s).sum(-1), -1e30)) @ v
        ),
        *(normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 3), normal(4), MASK),
        batched=(0, 1, 2, 4),
    ),
    "multi-head": Case(
        lambda x, y, a, b, c, d, e: nn.multi_head_attention(
            x, y, y, (a, b, c, d), (e, None, None, None)
        ),
        lambda x, y, a, b, c, d, e: np.einsum(
            "nthe,heo->nto",
            ref.attention(
                np.einsum("ntf,fhd->nthd", x, a) + e,
                *(np.einsum("ntf,fhd->nthd", y, w) for w in (b, c)),
            ),
            d,
        ),
        *(normal(2, 3, 4), normal(2, 5, 4), normal(4, 2, 3), normal(4, 2, 3), normal(4, 2, 5)),
        *(normal(2, 5, 4), normal(2, 3)),
        batched=(0, 1),
    ),
    "rotary": Case(
        nn.rotary_embedding, lambda x: ref.rotary(x, np.arange(3.0), False), normal(2, 3, 2, 6)
    ),
    "rotary-interleaved": Case(
        lambda x, p: nn.rotary_embedding(x, p, interleaved=True),
        lambda x, p: ref.rotary(x, p.astype(float), True),
        *(normal(2, 3, 2, 6), np.array([[0, 5, 7], [3, 2, 1]])),
        batched=(0, 1),
    ),
}

PLACES = RNG.uniform(-7, 9, size=(2, 30, 2))
TURN = np.array([[0.8, -0.5, 1.3, 0.6, 0.9, -0.7, 0.01, -0.02], [1, 0, 0, 0, 1, 0.5, 0, 0]])


def affine(x, transforms, mode):
    v, u = np.mgrid[: x.shape[1], : x.shape[2]]
    places = []
    for a0, a1, a2, b0, b1, b2, c0, c1 in transforms:
        k = c0 * u + c1 * v + 1
        places.append(np.stack([(b0 * u + b1 * v + b2) / k, (a0 * u + a1 * v + a2) / k], -1))
    flat = np.reshape(places, (len(x), -1, 2))
    return ref.sample(x, flat, "bilinear", mode, 2.0).reshape(x.shape)


IMAGES = {
    "nearest-up": Case(
        lambda x: nn.resize(x, (7, 5), "nearest"),
        lambda x: ref.resize(x, (7, 5), None),
        normal(2, 3, 4, 2),
    ),
    "nearest-down": Case(
        lambda x: nn.resize(x, (3, 5), "nearest"),
        lambda x: ref.resize(x, (3, 5), None),
        normal(2, 7, 8, 1),
    ),
    "bilinear-up": Case(
        lambda x: nn.resize(x, (7, 6)), lambda x: ref.resize(x, (7, 6), ref.hat), normal(2, 3, 4, 2)
    ),
    "bilinear-down": Case(
        lambda x: nn.resize(x, (3, 4)), lambda x: ref.resize(x, (3, 4), ref.hat), normal(2, 8, 9, 1)
    ),
    "antialias": Case(
        lambda x: nn.resize(x, (3, 12), antialias=True),
        lambda x: ref.resize(x, (3, 12), ref.hat, True),
        normal(2, 8, 9, 1),
    ),
    "bicubic": Case(
        lambda x: nn.resize(x, (5, 4), "bicubic"),
        lambda x: ref.resize(x, (5, 4), ref.cubic),
        normal(2, 3, 7, 2),
    ),
    "resize-1d": Case(
        lambda x: nn.resize(x, (5,)), lambda x: ref.resize(x, (5,), ref.hat), normal(2, 3, 2)
    ),
    "upsample": Case(
        lambda x: nn.upsample(x, (2, 3)),
        lambda x: x.repeat(2, 1).repeat(3, 2),
        normal(2, 3, 2, 2),
    ),
    "upsample-bilinear": Case(
        lambda x: nn.upsample(x, 2, "bilinear"),
        lambda x: ref.resize(x, (6, 4), ref.hat),
        normal(2, 3, 2, 2),
    ),
    "crop": Case(lambda x: nn.crop(x, ((1, 2), 1)), lambda x: x[:, 1:-2, 1:-1], normal(2, 5, 4, 2)),
    "zero-pad": Case(
        lambda x: nn.zero_pad(x, ((1, 2), 0)),
        lambda x: np.pad(x, [(0, 0), (1, 2), (0, 0), (0, 0)]),
        normal(2, 3, 2, 2),
    ),
    "affine": Case(
        lambda x, t: nn.affine_transform(x, t, fill_mode="constant", fill_value=2.0),
        lambda x, t: affine(x, t, "constant"),
        *(normal(2, 4, 5, 2), TURN),
        batched=(0, 1),
        wrt=[0],
    ),
    **{
        f"sample-{method}-{mode}": Case(
            partial(nn.sample, method=method, fill_mode=mode, fill_value=1.5),
            partial(ref.sample, method=method, mode=mode, fill=1.5),
            *(normal(2, 4, 3, 2), PLACES),
            batched=(0, 1),
            wrt=[0, 1] if method == "bilinear" else [0],
        )
        for method, mode in [
            ("nearest", "constant"),
            ("nearest", "nearest"),
            ("bilinear", "constant"),
            ("bilinear", "reflect"),
            ("bilinear", "mirror"),
            ("bilinear", "wrap"),
        ]
    },
    "iou": Case(
        nn.box_iou,
        lambda a, b: np.array([[ref.iou(x, y) for y in b] for x in a]),
        *(RNG.random((4, 4)), RNG.random((3, 4))),
    ),
}

REAL = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], bool)

RECURRENT = {
    "simple-rnn": Case(
        lambda *a: nn.simple_rnn(*a)[0],
        ref.simple_rnn,
        *(normal(2, 4, 3), normal(3, 2), normal(2, 2), normal(2)),
    ),
    "lstm": Case(
        lambda *a: nn.lstm(*a)[0],
        ref.lstm,
        *(normal(2, 4, 3), normal(3, 8), normal(2, 8), normal(8)),
    ),
    "lstm-masked": Case(
        lambda x, w, u, b, m: nn.lstm(x, w, u, b, mask=m)[0],
        ref.lstm,
        *(normal(2, 4, 3), normal(3, 8), normal(2, 8), normal(8), REAL),
        batched=(0, 4),
    ),
    "lstm-reverse": Case(
        lambda *a: nn.lstm(*a, reverse=True)[0],
        lambda x, *a: ref.lstm(x[:, ::-1], *a),
        *(normal(2, 4, 3), normal(3, 8), normal(2, 8), normal(8)),
    ),
    "gru": Case(
        lambda *a: nn.gru(*a)[0],
        partial(ref.gru, reset_after=True),
        *(normal(2, 4, 3), normal(3, 6), normal(2, 6), normal(2, 6)),
    ),
    "gru-before": Case(
        lambda *a: nn.gru(*a, reset_after=False)[0],
        partial(ref.gru, reset_after=False),
        *(normal(2, 4, 3), normal(3, 6), normal(2, 6), normal(6)),
    ),
}

IDS = np.array([2, 0, 2, 3, 0, 2, -1, 9])
DATA = normal(8, 3)


def segment_case(name, function, empty):
    return Case(
        lambda x, i: irf.numpy.clip(getattr(nn, f"segment_{name}")(x, i, 5), -99, 99),
        lambda x, i: np.clip(ref.segments(x, i, 5, function, empty), -99, 99),
        *(DATA, IDS),
        batched=(0, 1),
    )


X = normal(3, 4, 5)
KEEP = RNG.random((3, 4, 5)) < 0.6
KEEP[0, 0] = False

REST = {
    "segment-sum": segment_case("sum", np.sum, 0),
    "segment-mean": segment_case("mean", np.mean, 0),
    "segment-prod": segment_case("prod", np.prod, 1),
    "segment-max": segment_case("max", np.max, -np.inf),
    "segment-min": segment_case("min", np.min, np.inf),
    "softmax-axes": Case(
        lambda x: nn.softmax(x, (0, 1)), lambda x: ref.softmax(x, (0, 1)), X, batched=(0,)
    ),
    "softmax-where": Case(
        lambda x, m: nn.softmax(x, where=m),
        lambda x, m: np.exp(x) * m / np.maximum((np.exp(x) * m).sum(-1, keepdims=True), 1e-300),
        *(X, KEEP),
        batched=(0, 1),
    ),
    "logsumexp-all": Case(
        lambda x: nn.logsumexp(x, None, True),
        lambda x: np.log(np.exp(x).sum(keepdims=True)),
        X,
    ),
    "logsumexp-where": Case(
        lambda x, m: nn.logsumexp(x, (1, 2), where=m),
        lambda x, m: np.log((np.exp(x) * m).sum((1, 2))),
        *(X, KEEP),
        batched=(0, 1),
    ),
    "sparsemax": Case(
        lambda x: nn.sparsemax(x, 1), lambda x: ref.sparsemax(x.swapaxes(1, 2)).swapaxes(1, 2), X
    ),
    "multi-hot": Case(
        lambda i: nn.multi_hot(i, 4),
        lambda i: np.array([[float(k in row) for k in range(4)] for row in i], np.float32),
        np.array([[0, 2], [3, 3], [-1, 9]]),
    ),
    "one-hot-axis": Case(
        lambda i: nn.one_hot(i, 4, axis=1),
        lambda i: np.moveaxis(np.eye(4, dtype=np.float32)[i], -1, 1),
        np.array([[0, 2, 1], [3, 3, 0]]),
    ),
}
