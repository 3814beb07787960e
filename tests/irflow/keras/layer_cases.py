"""One table of layers, arguments and input shapes; all tests of layers go through it."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One layer with arguments that change its arithmetic.

    Attributes:
        id: the name of the class and a number.
        layer: the name of the class.
        arguments: keywords, which Keras takes as well.
        shapes: of the inputs; more than one for a layer that takes a list.
        integers: the inputs are whole numbers below this, or floats.
    """

    id: str
    layer: str
    arguments: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    integers: int = 0

    def inputs(self) -> list[np.ndarray]:
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        if self.integers:
            return [rng.integers(0, self.integers, shape) for shape in self.shapes]
        return [rng.normal(size=shape).astype(np.float32) for shape in self.shapes]

    def weights(self, names: list[str], shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
        """Values for weights of these names and shapes, positive where they have to be."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()) + 1)
        values = [(rng.normal(size=shape) * 0.5).astype(np.float32) for shape in shapes]
        pairs = zip(names, values, strict=True)
        return [np.abs(v) + np.float32(0.5) if _is_positive(n) else v for n, v in pairs]

    def build(self, package: Any) -> Any:
        """The layer of `irflow.keras.layers` or of `keras.layers`."""
        return getattr(package, self.layer)(**self.arguments)

    def argument(self, tensors: list[Any]) -> Any:
        """What the layer is called with."""
        return tensors[0] if len(self.shapes) == 1 else list(tensors)

    def specs(self) -> tuple[str, ...]:
        """The types of the inputs, for batches of any size."""
        kind = "i64" if self.integers else "f32"
        return tuple(f"{kind}[{', '.join(['n', *map(str, shape[1:])])}]" for shape in self.shapes)


def _is_positive(weight: str) -> bool:
    return weight.endswith(("variance", "stddev"))


LINE, IMAGE, VOLUME = (3, 7, 4), (2, 6, 5, 4), (2, 4, 5, 3, 2)
FIRST_LINE, FIRST_IMAGE, FIRST_VOLUME = (3, 4, 7), (2, 4, 6, 5), (2, 2, 4, 5, 3)
FIRST = "channels_first"

# Without sparsemax: Keras 3.15 gives rows whose sum is not 1.
ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
    "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink", "glu",
)  # fmt: skip

ROWS: list[tuple[str, dict[str, Any], Any]] = [
    # ------------------------------------------------------------------------------------- core
    ("Dense", {"units": 5}, (4, 3)),
    ("Dense", {"units": 5, "activation": "tanh"}, (2, 4, 3)),
    ("Dense", {"units": 2, "use_bias": False}, (4, 3)),
    ("Dense", {"units": 2, "kernel_regularizer": "l2", "bias_regularizer": "l1"}, (4, 3)),
    ("Dense", {"units": 3, "kernel_regularizer": "orthogonal_regularizer"}, (4, 3)),
    ("Dense", {"units": 2, "activity_regularizer": "l2"}, (4, 3)),
    ("Dense", {"units": 2, "kernel_constraint": "max_norm", "bias_constraint": "non_neg"}, (4, 3)),
    ("Dense", {"units": 2, "kernel_constraint": "unit_norm"}, (4, 3)),
    ("Dense", {"units": 2, "kernel_constraint": "min_max_norm"}, (4, 3)),
    ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 5, "bias_axes": "c"}, (4, 3)),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 5)}, (4, 2, 3)),
    (
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 5), "bias_axes": "de"},
        (4, 2, 3),
    ),
    (
        "EinsumDense",
        {"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y", "activation": "relu"},
        (4, 2, 3),
    ),
    (
        "EinsumDense",
        {"equation": "ab...,bc->ac...", "output_shape": 5, "bias_axes": "c"},
        (4, 3, 2),
    ),
    (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (2, 5), "bias_axes": "b"},
        (4, 2, 3),
    ),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, (4, 5)),
    ("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}, (4,)),
    (
        "Embedding",
        {
            "input_dim": 7,
            "output_dim": 3,
            "embeddings_regularizer": "l2",
            "embeddings_constraint": "unit_norm",
        },
        (4, 5),
    ),
    ("Masking", {"mask_value": 0.5}, (2, 4, 3)),
    ("Identity", {}, (2, 4)),
    # ------------------------------------------------------------------------------ activations
    *(("Activation", {"activation": name}, (3, 6)) for name in ACTIVATIONS),
    ("ReLU", {}, (3, 6)),
    ("ReLU", {"max_value": 0.5}, (3, 6)),
    ("ReLU", {"max_value": 6.0, "negative_slope": 0.1}, (3, 6)),
    ("ReLU", {"negative_slope": 0.1, "threshold": 0.4}, (3, 6)),
    ("ReLU", {"threshold": 0.4, "max_value": 1.0}, (3, 6)),
    ("LeakyReLU", {}, (3, 6)),
    ("LeakyReLU", {"negative_slope": 0.1}, (3, 6)),
    ("ELU", {"alpha": 0.7}, (3, 6)),
    ("PReLU", {}, (3, 2, 4)),
    ("PReLU", {"shared_axes": [1], "alpha_regularizer": "l1"}, (3, 2, 4)),
    ("Softmax", {}, (3, 6)),
    ("Softmax", {"axis": 1}, (3, 4, 2)),
    ("Softmax", {"axis": (1, 2)}, (3, 4, 2)),
    # -------------------------------------------------------------------------------- reshaping
    ("Flatten", {}, (2, 3, 4)),
    ("Flatten", {}, (3,)),
    ("Flatten", {"data_format": FIRST}, (2, 3, 4, 2)),
    ("Reshape", {"target_shape": (2, 6)}, (3, 4, 3)),
    ("Reshape", {"target_shape": (-1, 2)}, (3, 4, 3)),
    ("Permute", {"dims": (2, 3, 1)}, (2, 3, 4, 5)),
    ("RepeatVector", {"n": 3}, (2, 4)),
    ("ZeroPadding1D", {}, LINE),
    ("ZeroPadding1D", {"padding": (2, 0), "data_format": FIRST}, LINE),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, IMAGE),
    ("ZeroPadding2D", {"padding": (1, 2), "data_format": FIRST}, IMAGE),
    ("ZeroPadding3D", {"padding": 1}, VOLUME),
    ("Cropping1D", {"cropping": (1, 2)}, LINE),
    ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, IMAGE),
    ("Cropping2D", {"cropping": 1, "data_format": FIRST}, FIRST_IMAGE),
    ("Cropping3D", {"cropping": ((1, 1), (2, 0), (1, 0))}, VOLUME),
    ("UpSampling1D", {"size": 3}, LINE),
    ("UpSampling2D", {"size": (2, 3)}, IMAGE),
    ("UpSampling2D", {"size": 2, "data_format": FIRST}, FIRST_IMAGE),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, IMAGE),
    ("UpSampling2D", {"size": 2, "interpolation": "bicubic"}, IMAGE),
    ("UpSampling3D", {"size": (1, 2, 2)}, VOLUME),
    # ----------------------------------------------------------------------------- convolutions
    ("Conv1D", {"filters": 5, "kernel_size": 3}, LINE),
    ("Conv1D", {"filters": 5, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, LINE),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same"}, LINE),
    ("Conv1D", {"filters": 6, "kernel_size": 3, "groups": 2, "data_format": FIRST}, FIRST_LINE),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "relu"}, IMAGE),
    ("Conv2D", {"filters": 3, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 4, "use_bias": False}, IMAGE),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": (2, 3)}, IMAGE),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "strides": 2, "data_format": FIRST}, FIRST_IMAGE),
    ("Conv3D", {"filters": 3, "kernel_size": 2}, VOLUME),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "padding": "same", "strides": 2}, VOLUME),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "data_format": FIRST}, FIRST_VOLUME),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "padding": "same"}, LINE),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}, LINE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": 3}, IMAGE),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1, "data_format": FIRST},
        FIRST_IMAGE,
    ),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 0, "padding": "same"},
        IMAGE,
    ),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"}, VOLUME),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2}, LINE),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "padding": "same"}, LINE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 2, "dilation_rate": 2}, IMAGE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 2, "data_format": FIRST}, FIRST_IMAGE),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, LINE),
    ("DepthwiseConv1D", {"kernel_size": 3, "padding": "same", "strides": 2}, LINE),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 2, "padding": "same", "dilation_rate": 2}, IMAGE),
    ("DepthwiseConv2D", {"kernel_size": 2, "strides": 2, "data_format": FIRST}, FIRST_IMAGE),
    # ---------------------------------------------------------------------------------- pooling
    ("MaxPooling1D", {}, LINE),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, LINE),
    ("MaxPooling2D", {"pool_size": (2, 3), "strides": 1}, IMAGE),
    ("MaxPooling2D", {"padding": "same"}, IMAGE),
    ("MaxPooling2D", {"data_format": FIRST}, FIRST_IMAGE),
    ("MaxPooling3D", {}, VOLUME),
    ("AveragePooling1D", {"pool_size": 2, "data_format": FIRST}, FIRST_LINE),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, LINE),
    ("AveragePooling2D", {"pool_size": (2, 3), "strides": 1}, IMAGE),
    ("AveragePooling2D", {"pool_size": 2, "padding": "same"}, IMAGE),
    ("AveragePooling3D", {"pool_size": 2, "padding": "same"}, VOLUME),
    ("GlobalMaxPooling1D", {"keepdims": True}, LINE),
    ("GlobalMaxPooling2D", {}, IMAGE),
    ("GlobalMaxPooling3D", {"data_format": FIRST}, FIRST_VOLUME),
    ("GlobalAveragePooling1D", {}, LINE),
    ("GlobalAveragePooling2D", {"keepdims": True, "data_format": FIRST}, FIRST_IMAGE),
    ("GlobalAveragePooling3D", {}, VOLUME),
    # ---------------------------------------------------------------------------- normalisation
    ("BatchNormalization", {}, (6, 3)),
    ("BatchNormalization", {"momentum": 0.8, "epsilon": 0.01}, (3, 4, 5, 2)),
    ("BatchNormalization", {"axis": 1}, (3, 2, 4, 5)),
    ("BatchNormalization", {"center": False}, (6, 3)),
    ("BatchNormalization", {"scale": False, "beta_regularizer": "l2"}, (6, 3)),
    ("BatchNormalization", {"trainable": False}, (6, 3)),
    ("BatchNormalization", {"renorm": True, "renorm_momentum": 0.7}, (6, 3)),
    (
        "BatchNormalization",
        {
            "renorm": True,
            "renorm_clipping": {"rmin": 0.5, "rmax": 1.5, "dmax": 0.3},
            "scale": False,
        },
        (6, 3),
    ),
    ("LayerNormalization", {}, (3, 4, 5)),
    ("LayerNormalization", {"axis": (1, 2), "epsilon": 0.1}, (3, 4, 5)),
    ("LayerNormalization", {"axis": 1}, (3, 4, 5)),
    ("LayerNormalization", {"center": False}, (3, 5)),
    ("LayerNormalization", {"scale": False}, (3, 5)),
    ("GroupNormalization", {"groups": 2}, (2, 3, 5, 4)),
    ("GroupNormalization", {"groups": -1, "axis": 1}, (2, 4, 3, 5)),
    ("GroupNormalization", {"groups": 1, "scale": False, "epsilon": 0.1}, (2, 3, 4)),
    ("UnitNormalization", {}, (3, 5)),
    ("UnitNormalization", {"axis": (1, 2)}, (3, 5, 2)),
    ("RMSNormalization", {}, (3, 5)),
    ("RMSNormalization", {"axis": (1, 2), "epsilon": 0.1}, (3, 5, 2)),
    # --------------------------------------------------------------- regularisation, not training
    ("Dropout", {"rate": 0.0}, (3, 4)),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (3, 4)),
    # ---------------------------------------------------------------------------------- merging
    ("Add", {}, [(2, 3), (2, 3), (2, 3)]),
    ("Add", {}, [(2, 4, 3), (2, 3)]),
    ("Subtract", {}, [(2, 3), (2, 3)]),
    ("Multiply", {}, [(2, 3), (2, 1), (2, 3)]),
    ("Average", {}, [(2, 3), (2, 3), (2, 3)]),
    ("Maximum", {}, [(2, 3), (2, 3)]),
    ("Minimum", {}, [(2, 3), (2, 3)]),
    ("Concatenate", {}, [(2, 3), (2, 4)]),
    ("Concatenate", {"axis": 1}, [(2, 3, 2), (2, 4, 2)]),
    ("Dot", {"axes": 1}, [(2, 3), (2, 3)]),
    ("Dot", {"axes": 2}, [(2, 4, 3), (2, 5, 3)]),
    ("Dot", {"axes": (1, 2), "normalize": True}, [(2, 3, 4), (2, 5, 3)]),
    # -------------------------------------------------------------------- rarer, several in a row
    (
        "Conv1D",
        {
            "filters": 3,
            "kernel_size": 2,
            "activation": "tanh",
            "use_bias": False,
            "kernel_regularizer": "l2",
            "kernel_constraint": "max_norm",
        },
        LINE,
    ),
    (
        "Conv2D",
        {
            "filters": 2,
            "kernel_size": 2,
            "activity_regularizer": "l1",
            "bias_regularizer": "l2",
            "bias_constraint": "non_neg",
        },
        IMAGE,
    ),
    (
        "Conv3D",
        {
            "filters": 4,
            "kernel_size": 2,
            "dilation_rate": (1, 2, 1),
            "groups": 2,
            "activation": "tanh",
            "use_bias": False,
        },
        VOLUME,
    ),
    (
        "Conv1DTranspose",
        {
            "filters": 3,
            "kernel_size": 3,
            "strides": 2,
            "output_padding": 1,
            "activation": "relu",
            "use_bias": False,
            "data_format": FIRST,
        },
        FIRST_LINE,
    ),
    (
        "Conv2DTranspose",
        {
            "filters": 2,
            "kernel_size": 2,
            "dilation_rate": 2,
            "activation": "tanh",
            "use_bias": False,
            "kernel_regularizer": "l1",
        },
        IMAGE,
    ),
    (
        "Conv3DTranspose",
        {
            "filters": 2,
            "kernel_size": 2,
            "strides": 2,
            "output_padding": (1, 0, 1),
            "data_format": FIRST,
        },
        FIRST_VOLUME,
    ),
    (
        "Conv3DTranspose",
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "activation": "relu"},
        VOLUME,
    ),
    (
        "SeparableConv1D",
        {
            "filters": 3,
            "kernel_size": 2,
            "strides": 2,
            "activation": "tanh",
            "use_bias": False,
            "depthwise_regularizer": "l2",
            "pointwise_constraint": "max_norm",
            "data_format": FIRST,
        },
        FIRST_LINE,
    ),
    (
        "SeparableConv1D",
        {
            "filters": 3,
            "kernel_size": 2,
            "dilation_rate": 2,
            "pointwise_regularizer": "l1",
            "depthwise_constraint": "non_neg",
        },
        LINE,
    ),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 2, "depth_multiplier": 2}, IMAGE),
    (
        "DepthwiseConv1D",
        {"kernel_size": 2, "use_bias": False, "activation": "tanh", "data_format": FIRST},
        FIRST_LINE,
    ),
    (
        "DepthwiseConv1D",
        {"kernel_size": 2, "dilation_rate": 2, "depthwise_regularizer": "l2"},
        LINE,
    ),
    ("DepthwiseConv2D", {"kernel_size": 2, "use_bias": False, "padding": "same"}, IMAGE),
    ("MaxPooling1D", {"data_format": FIRST}, FIRST_LINE),
    (
        "MaxPooling3D",
        {"pool_size": (2, 3, 2), "strides": 1, "padding": "same", "data_format": FIRST},
        FIRST_VOLUME,
    ),
    ("AveragePooling2D", {"pool_size": 2, "data_format": FIRST}, FIRST_IMAGE),
    ("AveragePooling3D", {"pool_size": 2, "strides": 1, "data_format": FIRST}, FIRST_VOLUME),
    ("GlobalMaxPooling1D", {"data_format": FIRST}, FIRST_LINE),
    ("GlobalMaxPooling2D", {"data_format": FIRST, "keepdims": True}, FIRST_IMAGE),
    ("GlobalMaxPooling3D", {"keepdims": True}, VOLUME),
    ("GlobalAveragePooling1D", {"data_format": FIRST, "keepdims": True}, FIRST_LINE),
    ("GlobalAveragePooling3D", {"data_format": FIRST, "keepdims": True}, FIRST_VOLUME),
    ("UpSampling3D", {"size": 2, "data_format": FIRST}, FIRST_VOLUME),
    ("ZeroPadding3D", {"padding": ((1, 0), (0, 2), (1, 1)), "data_format": FIRST}, FIRST_VOLUME),
    ("Cropping3D", {"cropping": 1, "data_format": FIRST}, FIRST_VOLUME),
    ("GroupNormalization", {"groups": 2, "center": False}, (2, 3, 4)),
]  # fmt: skip

# Random layers: in training their values are not Keras's.
NOISY: list[tuple[str, dict[str, Any], Any]] = [
    ("Dropout", {"rate": 0.4, "seed": 1}, (30, 40)),
    ("Dropout", {"rate": 0.4, "noise_shape": (None, 1, None), "seed": 1}, (30, 4, 20)),
    ("SpatialDropout1D", {"rate": 0.4, "seed": 1}, (30, 4, 20)),
    ("SpatialDropout2D", {"rate": 0.4, "seed": 1}, (30, 2, 3, 20)),
    ("SpatialDropout3D", {"rate": 0.4, "seed": 1, "data_format": FIRST}, (30, 20, 2, 3, 2)),
    ("GaussianNoise", {"stddev": 0.5, "seed": 1}, (30, 40)),
    ("GaussianDropout", {"rate": 0.2, "seed": 1}, (30, 40)),
    ("AlphaDropout", {"rate": 0.3, "seed": 1}, (30, 40)),
    ("AlphaDropout", {"rate": 0.3, "seed": 1, "noise_shape": (None, 1)}, (30, 40)),
]


def _cases(rows: list[tuple[str, dict[str, Any], Any]]) -> list[Case]:
    counts: Counter[str] = Counter()
    cases = []
    for layer, arguments, shapes in rows:
        counts[layer] += 1
        many = tuple(shapes) if isinstance(shapes, list) else (shapes,)
        integers = 7 if layer == "Embedding" else 0
        cases.append(Case(f"{layer}-{counts[layer]}", layer, arguments, many, integers))
    return cases


CASES, NOISY_CASES = _cases(ROWS), _cases(NOISY)
