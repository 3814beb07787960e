"""Convolutions, pooling and normalisation with their definitions and arguments."""

import numpy as np

import irflow as irf
from irflow import nn
from tests.irflow.nn import references as ref

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


class Case:
    """A function, its definition, and arguments; `batched` are those with the batch in front."""

    def __init__(self, function, reference, *arrays, batched=(0,), wrt=None):
        self.function, self.reference, self.arrays = function, reference, arrays
        self.batched = batched
        floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
        self.wrt = floats if wrt is None else wrt

    def spec(self, arrays, symbolic):
        types = []
        for i, a in enumerate(arrays):
            sizes = list(map(str, a.shape))
            if symbolic and i in self.batched:
                sizes[0] = "n"
            name = {"bool": "bool"}.get(a.dtype.name, f"{a.dtype.kind}{a.dtype.itemsize * 8}")
            types.append(f"{name}[{', '.join(sizes)}]")
        return tuple(types)


def transposed(padding, extra=None, strides=(2, 3), dilations=(1, 1), kernel=(3, 2)):
    def function(x, w, b):
        return nn.conv_transpose(
            x,
            w,
            b,
            strides=strides,
            padding=padding,
            output_padding=extra,
            dilations=dilations,
        )

    def reference(x, w, b):
        extras = (None, None) if extra is None else extra
        return ref.conv_transpose(x, w, b, strides, padding, extras, dilations)

    return Case(function, reference, normal(2, 3, 4, 2), normal(*kernel, 3, 2), normal(3))


CONVOLUTIONS = {
    "transpose-valid": transposed("valid"),
    "transpose-same": transposed("same"),
    "transpose-wide-stride": transposed("valid", strides=(4, 3), kernel=(2, 2)),
    "transpose-same-wide": transposed("same", strides=(4, 3), kernel=(2, 2)),
    "transpose-valid-extra": transposed("valid", (1, 2)),
    "transpose-same-extra": transposed("same", (1, 2)),
    "transpose-same-extra-large": transposed("same", (1, 1), kernel=(5, 4)),
    "transpose-dilated": transposed("valid", strides=(1, 1), dilations=(2, 3)),
    "depthwise": Case(
        nn.depthwise_conv, ref.depthwise_conv, normal(2, 5, 4, 3), normal(3, 2, 3, 2), normal(6)
    ),
    "separable": Case(
        lambda x, d, p: nn.separable_conv(x, d, p),
        lambda x, d, p: ref.depthwise_conv(x, d, 0) @ p[0, 0],
        normal(2, 5, 4, 3),
        normal(3, 2, 3, 2),
        normal(1, 1, 6, 4),
    ),
    "causal": Case(
        lambda x, w: nn.conv(x, w, padding="causal", dilations=2),
        lambda x, w: sum(
            np.pad(x, [(0, 0), (4, 0), (0, 0)])[:, 2 * k : 2 * k + 6] @ w[k] for k in range(3)
        ),
        normal(2, 6, 2),
        normal(3, 2, 4),
    ),
    "channels-first": Case(
        lambda x, w: nn.conv(x, w, data_format="channels_first"),
        lambda x, w: np.einsum("nchw,ijco,hwij->nohw", x, w[:1, :1], np.ones((3, 4, 1, 1))),
        normal(2, 2, 3, 4),
        normal(1, 1, 2, 3),
    ),
}

POOLS = {
    "max-1d": Case(
        lambda x: nn.max_pool(x, 3, 2),
        lambda x: ref.pool(x, (3,), (2,), np.max),
        normal(2, 8, 3),
    ),
    "max-3d": Case(
        lambda x: nn.max_pool(x, 2),
        lambda x: ref.pool(x, (2, 2, 2), (2, 2, 2), np.max),
        normal(2, 4, 5, 4, 2),
    ),
    "avg-1d": Case(
        lambda x: nn.avg_pool(x, 3, 1),
        lambda x: ref.pool(x, (3,), (1,), np.mean),
        normal(2, 8, 3),
    ),
    "avg-3d": Case(
        lambda x: nn.avg_pool(x, (1, 2, 3), (1, 1, 2)),
        lambda x: ref.pool(x, (1, 2, 3), (1, 1, 2), np.mean),
        normal(2, 3, 4, 5, 2),
    ),
    "max-first": Case(
        lambda x: nn.max_pool(x, 2, data_format="channels_first"),
        lambda x: np.moveaxis(ref.pool(np.moveaxis(x, 1, -1), (2, 2), (2, 2), np.max), -1, 1),
        normal(2, 3, 4, 4),
    ),
    "global-max": Case(nn.global_max_pool, lambda x: x.max((1, 2)), normal(2, 3, 4, 5)),
    "global-avg": Case(
        lambda x: nn.global_avg_pool(x, True),
        lambda x: x.mean((1, 2), keepdims=True),
        normal(2, 3, 4, 5),
    ),
    "global-avg-first": Case(
        lambda x: nn.global_avg_pool(x, data_format="channels_first"),
        lambda x: x.mean((2, 3)),
        normal(2, 3, 4, 5),
    ),
    "global-avg-mask": Case(
        lambda x, m: nn.global_avg_pool(x, mask=m),
        lambda x, m: (x * m[..., None]).sum(1) / np.maximum(m.sum(1), 1)[:, None],
        normal(3, 4, 2),
        np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 0]], bool),
        batched=(0, 1),
    ),
    "adaptive": Case(
        lambda x: nn.adaptive_avg_pool(x, (2, 3)),
        lambda x: x.reshape(2, 2, 2, 3, 2, 3).mean((2, 4)),
        normal(2, 4, 6, 3),
    ),
}

WEIGHTS = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 0]], bool)

NORMALISATIONS = {
    "batch-own": Case(
        lambda x, s, o: nn.batch_norm(x, None, None, s, o),
        lambda x, s, o: ref.normal(x, (0, 1, 2)) * s + o,
        *(normal(3, 2, 4, 5), normal(5), normal(5)),
    ),
    "batch-given": Case(
        lambda x, m, v: nn.batch_norm(x, m, v, epsilon=0.1, axis=1),
        lambda x, m, v: (x - m[:, None]) / np.sqrt(v[:, None] + 0.1),
        *(normal(3, 4, 2), normal(4), normal(4) ** 2),
    ),
    "moments": Case(
        lambda x: irf.numpy.stack(nn.moments(x, (0, 2))),
        lambda x: np.stack([x.mean((0, 2)), x.var((0, 2))]),
        normal(3, 4, 5),
    ),
    "moments-where": Case(
        lambda x, w: irf.numpy.stack(nn.moments(x, 1, where=w)),
        lambda x, w: (
            np.array(
                [
                    [r[m].mean() if m.any() else 0, r[m].var() if m.any() else 0]
                    for r, m in zip(x, w, strict=True)
                ]
            ).T
        ),
        normal(3, 3),
        WEIGHTS,
        batched=(0, 1),
    ),
    "group": Case(
        lambda x, s, o: nn.group_norm(x, 2, s, o),
        lambda x, s, o: ref.group_norm(x, 2, s, o),
        *(normal(3, 2, 4, 6), normal(6), normal(6)),
    ),
    "group-first": Case(
        lambda x: nn.group_norm(x, 3, axis=1),
        lambda x: np.moveaxis(ref.group_norm(np.moveaxis(x, 1, -1), 3, 1, 0), -1, 1),
        normal(3, 6, 2),
    ),
    "instance": Case(nn.instance_norm, lambda x: ref.normal(x, (1, 2)), normal(3, 4, 5, 2)),
    "standardize": Case(
        lambda x: nn.standardize(x, (1, 2)), lambda x: ref.normal(x, (1, 2)), normal(3, 4, 5)
    ),
    "l2": Case(nn.l2_normalize, lambda x: x / np.sqrt((x**2).sum(-1, keepdims=True)), normal(3, 4)),
    "normalize-3": Case(
        lambda x: nn.normalize(x, 1, 3),
        lambda x: x / (np.abs(x) ** 3).sum(1, keepdims=True) ** (1 / 3),
        normal(3, 4, 2),
    ),
    "normalize-inf": Case(
        lambda x: nn.normalize(x, -1, np.inf),
        lambda x: x / np.abs(x).max(-1, keepdims=True),
        normal(3, 4),
    ),
}
