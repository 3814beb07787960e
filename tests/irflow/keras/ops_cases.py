"""Calls of `keras.ops` with Keras's parameters; `o` is the module, of irflow or of Keras."""

from collections.abc import Callable
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(0)


def _draw(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


A, B, V, W = _draw(3, 4), _draw(3, 4), _draw(5), _draw(4, 5)
POSITIVE, IMAGE, KERNEL = np.abs(A) + 0.1, _draw(2, 6, 6, 4), _draw(3, 3, 4, 2)
SYMMETRIC = (lambda m: m @ m.T + 3 * np.eye(4, dtype=np.float32))(_draw(4, 4))
WHOLE, OTHER = np.array([[6, 4], [9, 15]], np.int32), np.array([[4, 6], [3, 10]], np.int32)
PROBABILITIES = np.exp(A) / np.exp(A).sum(1, keepdims=True)
LABELS = np.array([2, 0, 3], np.int32)
HEADS = _draw(2, 5, 3, 4)

CASES: dict[str, Callable[[Any], Any]] = {
    "allclose": lambda o: o.allclose(x1=A, x2=A + 1e-9),
    "angle": lambda o: o.angle(x=np.array([1 + 1j, -2j], np.complex64)),
    "append": lambda o: o.append(x1=A, x2=B, axis=1),
    "argpartition": lambda o: o.sort(o.argpartition(V, 2)[:2]),
    "arange, by name": lambda o: o.arange(start=0, stop=6, step=2),
    "add, by name": lambda o: o.add(x1=A, x2=B),
    "exp, by name": lambda o: o.exp(x=A),
    "zeros_like, by name": lambda o: o.zeros_like(x=A, dtype="int32"),
    "array": lambda o: o.array(x=A, dtype="float32"),
    "average_pool": lambda o: o.average_pool(IMAGE, pool_size=2, strides=2, padding="same"),
    "adaptive_average_pool": lambda o: o.adaptive_average_pool(IMAGE, 3),
    "bartlett": lambda o: o.bartlett(x=6),
    "batch_normalization": lambda o: o.batch_normalization(
        A, A.mean(0), A.var(0), axis=-1, offset=A[0], scale=A[1]
    ),
    "binary_crossentropy": lambda o: o.binary_crossentropy(PROBABILITIES > 0.3, PROBABILITIES),
    "binary_crossentropy, logits": lambda o: o.binary_crossentropy(
        np.float32(A > 0), B, from_logits=True
    ),
    "bincount": lambda o: o.bincount(LABELS, minlength=6),
    "bitwise_and": lambda o: o.bitwise_and(x=WHOLE, y=OTHER),
    "bitwise_left_shift": lambda o: o.bitwise_left_shift(x=WHOLE, y=np.int32(2)),
    "categorical_crossentropy": lambda o: o.categorical_crossentropy(
        np.eye(4, dtype=np.float32)[LABELS], PROBABILITIES
    ),
    "categorical_crossentropy, logits": lambda o: o.categorical_crossentropy(
        np.eye(4, dtype=np.float32)[LABELS], A, from_logits=True
    ),
    "cdist": lambda o: o.cdist(A, B),
    "cholesky": lambda o: o.cholesky(SYMMETRIC),
    "cholesky, upper": lambda o: o.cholesky(SYMMETRIC, upper=True),
    "cholesky_inverse": lambda o: o.cholesky_inverse(np.linalg.cholesky(SYMMETRIC)),
    "clip": lambda o: o.clip(x=A, x_min=-0.5, x_max=0.5),
    "concatenate": lambda o: o.concatenate(xs=[A, B], axis=1),
    "cond": lambda o: o.cond(o.sum(A) > 0, lambda: o.exp(A), lambda: o.sin(A)),
    "conv": lambda o: o.conv(IMAGE, KERNEL, strides=2, padding="same"),
    "conv, groups": lambda o: o.conv(IMAGE, KERNEL[:, :, :2], 1, "valid"),
    "conv, dilated": lambda o: o.conv(IMAGE, KERNEL, padding="same", dilation_rate=2),
    "conv_transpose": lambda o: o.conv_transpose(
        IMAGE, _draw_fixed((3, 3, 5, 4)), strides=2, padding="same"
    ),
    "correlate": lambda o: o.correlate(x1=V, x2=V[:3], mode="same"),
    "cross": lambda o: o.cross(x1=A[:, :3], x2=B[:, :3]),
    "cross, axes": lambda o: o.cross(A, B, axisa=0, axisb=0, axisc=0),
    "ctc_loss": lambda o: o.ctc_loss(
        np.array([[1, 2]], np.int32), A[None], np.array([2]), np.array([3])
    ),
    "depth_to_space": lambda o: o.depth_to_space(IMAGE, 2),
    "depthwise_conv": lambda o: o.depthwise_conv(inputs=IMAGE, kernel=KERNEL, padding="same"),
    "det": lambda o: o.det(SYMMETRIC),
    "diag": lambda o: o.diag(x=V, k=1),
    "diff": lambda o: o.diff(a=A, n=1, axis=0),
    "divide_no_nan": lambda o: o.divide_no_nan(V, np.float32([1, 0, 2, 0, 4])),
    "dot": lambda o: o.dot(x1=A, x2=W),
    "dot_product_attention": lambda o: o.dot_product_attention(HEADS, HEADS, HEADS, scale=0.3),
    "dot_product_attention, causal": lambda o: o.dot_product_attention(
        HEADS, HEADS, HEADS, is_causal=True
    ),
    "eigh": lambda o: o.eigh(SYMMETRIC)[0],
    "einsum": lambda o: o.einsum("ij,kj->ik", A, B),
    "erf": lambda o: o.erf(A),
    "erfinv": lambda o: o.erfinv(np.float32([-0.5, 0.1, 0.9])),
    "eye": lambda o: o.eye(N=3, M=4, k=1),
    "fft": lambda o: o.fft((V, 2 * V)),
    "fft2": lambda o: o.fft2((A, B)),
    "gcd": lambda o: o.gcd(x1=WHOLE, x2=OTHER),
    "geomspace": lambda o: o.geomspace(np.float32([1, 2]), np.float32([8, 32]), 4, axis=1),
    "get_item": lambda o: o.get_item(A, (1, slice(1, 3))),
    "heaviside": lambda o: o.heaviside(x1=A, x2=np.float32(0.5)),
    "hstack": lambda o: o.hstack(xs=[A, B]),
    "in_top_k": lambda o: o.in_top_k(LABELS, A, k=2),
    "inv": lambda o: o.inv(SYMMETRIC),
    "irfft": lambda o: o.irfft((V, np.zeros(5, np.float32)), fft_length=8),
    "isin": lambda o: o.isin(x1=WHOLE, x2=OTHER, invert=True),
    "kron": lambda o: o.kron(x1=A, x2=B),
    "layer_normalization": lambda o: o.layer_normalization(A, V[:4], V[1:]),
    "linspace": lambda o: o.linspace(0.0, 1.0, num=5, retstep=True),
    "linspace, axis": lambda o: o.linspace(V, 2 * V, num=3, axis=1),
    "logdet": lambda o: o.logdet(SYMMETRIC),
    "lstsq": lambda o: o.lstsq(W, V[:4]),
    "map": lambda o: o.map(lambda row: row * 2, A),
    "matmul": lambda o: o.matmul(x1=A, x2=W),
    "max_pool": lambda o: o.max_pool(inputs=IMAGE, pool_size=3, strides=2, padding="same"),
    "max": lambda o: o.max(A, 0, initial=0.5),
    "meshgrid": lambda o: o.meshgrid(V, V[:2], indexing="ij"),
    "min": lambda o: o.min(A, axis=1, keepdims=True, initial=-0.5),
    "moments": lambda o: o.moments(A, axes=[0], keepdims=True),
    "multi_hot": lambda o: o.multi_hot(WHOLE % 5, num_classes=5),
    "norm": lambda o: o.norm(A, ord=2, axis=1),
    "one_hot": lambda o: o.one_hot(x=LABELS, num_classes=5, axis=0),
    "outer": lambda o: o.outer(x1=V, x2=V),
    "pinv": lambda o: o.pinv(A),
    "polar": lambda o: o.view_as_real(o.polar(V, V)),
    "psnr": lambda o: o.psnr(A, B, max_val=2.0),
    "quantile": lambda o: o.quantile(A, 0.3, axis=1, keepdims=True),
    "rfft": lambda o: o.rfft(V),
    "reshape": lambda o: o.reshape(A, newshape=(2, 6)),
    "rms_normalization": lambda o: o.rms_normalization(A, V[:4]),
    "rot90": lambda o: o.rot90(array=A),
    "rsqrt": lambda o: o.rsqrt(POSITIVE),
    "saturate_cast": lambda o: o.saturate_cast(np.float32([-300, 3.7, 300]), "int8"),
    "scatter": lambda o: o.scatter(np.array([[0, 1], [2, 2], [0, 1]]), V[:3], (3, 3)),
    "scatter_update": lambda o: o.scatter_update(A, np.array([[0, 1], [2, 2]]), V[:2]),
    "searchsorted": lambda o: o.searchsorted(sorted_sequence=np.sort(V), values=V),
    "segment_sum": lambda o: o.segment_sum(A, np.array([0, 1, 0]), num_segments=3),
    "separable_conv": lambda o: o.separable_conv(
        IMAGE, KERNEL, _draw_fixed((1, 1, 8, 5)), padding="same"
    ),
    "slice": lambda o: o.slice(A, (1, 2), (2, 2)),
    "slice_update": lambda o: o.slice_update(A, (1, 2), B[:2, :2]),
    "slogdet": lambda o: o.slogdet(SYMMETRIC),
    "solve": lambda o: o.solve(SYMMETRIC, W),
    "solve_triangular": lambda o: o.solve_triangular(np.tril(SYMMETRIC), W, lower=True),
    "space_to_depth": lambda o: o.space_to_depth(IMAGE, 2),
    "sparse_categorical_crossentropy": lambda o: o.sparse_categorical_crossentropy(
        LABELS, A, from_logits=True
    ),
    "stack": lambda o: o.stack(x=[A, B], axis=1),
    "std": lambda o: o.std(A, 0, True),
    "svd": lambda o: o.svd(A, compute_uv=False),
    "tensordot": lambda o: o.tensordot(x1=A, x2=W, axes=1),
    "threshold": lambda o: o.threshold(A, threshold=0.5, default_value=-1.0),
    "tile": lambda o: o.tile(x=A, repeats=[1, 2]),
    "top_k": lambda o: o.top_k(V, k=2, sorted=True),
    "tri": lambda o: o.tri(N=3, M=4),
    "triangle": lambda o: o.tril(A, k=-1),
    "unstack": lambda o: o.unstack(A, num=3),
    "vander": lambda o: o.vander(V, N=3),
    "var": lambda o: o.var(A, 0, keepdims=True),
    "vectorized_map": lambda o: o.vectorized_map(lambda row: o.sum(row), A),
    "where": lambda o: o.where(condition=A > 0, x1=A, x2=B),
    "while_loop": lambda o: o.while_loop(
        cond=lambda i, total: i < 5, body=lambda i, total: (i + 1, total + i), loop_vars=(0, 0)
    ),
    "while_loop, at most": lambda o: o.while_loop(
        lambda i: i < 10, lambda i: (i + 1,), (0,), maximum_iterations=3
    ),
}


def _draw_fixed(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)
