"""The layers, each loaded when it is first used."""

from __future__ import annotations

from typing import Any

from irflow.keras.engine.lazy import lazy

_load, _names, __all__ = lazy(
    __name__,
    {
        "input": ("Input", "InputLayer"),
        "irflow.keras.engine.input_spec": ("InputSpec",),
        "layer": ("Layer",),
        "activation.functions": ("Activation", "ELU", "LeakyReLU", "ReLU", "Softmax"),
        "activation.prelu": ("PReLU",),
        "attention.dot": ("AdditiveAttention", "Attention"),
        "attention.grouped": ("GroupQueryAttention",),
        "attention.multi_head": ("MultiHeadAttention",),
        "configs": ("deserialize", "serialize"),
        "convolution.depthwise": ("DepthwiseConv1D", "DepthwiseConv2D"),
        "convolution.plain": (
            *("Conv1D", "Conv2D", "Conv3D"),
            *("Convolution1D", "Convolution2D", "Convolution3D"),
        ),
        "convolution.separable": (
            *("SeparableConv1D", "SeparableConv2D"),
            *("SeparableConvolution1D", "SeparableConvolution2D"),
        ),
        "convolution.transposed": (
            *("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
            *("Convolution1DTranspose", "Convolution2DTranspose", "Convolution3DTranspose"),
        ),
        "core.dense": ("Dense",),
        "core.einsum_dense": ("EinsumDense",),
        "core.embedding": ("Embedding",),
        "core.functions": ("Identity", "Lambda"),
        "core.masking": ("Masking",),
        "core.wrapper": ("Wrapper",),
        "merging.concatenate": ("Concatenate",),
        "merging.dot": ("Dot",),
        "merging.elementwise": ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"),
        "merging.functions": (
            *("add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"),
        ),
        "normalization.batch": ("BatchNormalization",),
        "normalization.features": (
            *("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
        ),
        "normalization.spectral": ("SpectralNormalization",),
        "pooling.whole": (
            *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
            *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"),
            *("GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D"),
            *("GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D"),
        ),
        "pooling.windows": (
            *("AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
            *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D"),
            *("AvgPool1D", "AvgPool2D", "AvgPool3D", "MaxPool1D", "MaxPool2D", "MaxPool3D"),
        ),
        "preprocessing.categories": ("CategoryEncoding", "Discretization"),
        "preprocessing.colours": ("RandomBrightness", "RandomContrast"),
        "preprocessing.lookup": ("IntegerLookup", "StringLookup"),
        "preprocessing.motions": (
            *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"),
        ),
        "preprocessing.scaling": ("Normalization", "Rescaling"),
        "preprocessing.sizes": ("CenterCrop", "RandomCrop", "Resizing"),
        "preprocessing.text": ("Hashing", "TextVectorization"),
        "recurrent.bidirectional": ("Bidirectional",),
        "recurrent.cells": ("GRUCell", "LSTMCell", "SimpleRNNCell"),
        "recurrent.layers": ("GRU", "LSTM", "SimpleRNN"),
        "recurrent.rnn": ("RNN",),
        "recurrent.stacked": ("StackedRNNCells",),
        "recurrent.time_distributed": ("TimeDistributed",),
        "regularization.dropout": (
            *("AlphaDropout", "Dropout"),
            *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        ),
        "regularization.noise": ("ActivityRegularization", "GaussianDropout", "GaussianNoise"),
        "reshaping.borders": (
            *("Cropping1D", "Cropping2D", "Cropping3D"),
            *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
        ),
        "reshaping.shapes": ("Flatten", "Permute", "RepeatVector", "Reshape"),
        "reshaping.upsampling": ("UpSampling1D", "UpSampling2D", "UpSampling3D"),
    },
)


def __getattr__(name: str) -> Any:
    """Load a layer when it is first used."""
    return _load(name)


def __dir__() -> list[str]:
    return _names()
