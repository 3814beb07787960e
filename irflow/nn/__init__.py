"""Neural-network functions: activations, and layers as functions of their weights.

Images are `[n, *spatial, channels]`, sequences `[n, time, features]`. Every function may be used at
once, under `irf.jit` with a symbolic batch, and differentiated.
"""

from typing import TYPE_CHECKING

from irflow import names
from irflow.nn.activations import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from irflow.nn.attention import (
    additive_attention,
    attention_weights,
    causal_mask,
    dot_product_attention,
    multi_head_attention,
)
from irflow.nn.boxes import (
    box_iou,
    non_max_suppression,
)
from irflow.nn.convolution import (
    conv,
    conv_transpose,
    depthwise_conv,
    separable_conv,
)
from irflow.nn.dropout import (
    alpha_dropout,
    dropout,
    gaussian_dropout,
    gaussian_noise,
    spatial_dropout,
)
from irflow.nn.embedding import (
    embedding,
    multi_hot,
    one_hot,
    rotary_embedding,
)
from irflow.nn.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    l2_normalize,
    layer_norm,
    moments,
    normalize,
    rms_norm,
    standardize,
)
from irflow.nn.pooling import (
    adaptive_avg_pool,
    avg_pool,
    global_avg_pool,
    global_max_pool,
    max_pool,
)
from irflow.nn.recurrent import (
    gru,
    gru_cell,
    lstm,
    lstm_cell,
    rnn,
    simple_rnn,
    simple_rnn_cell,
)
from irflow.nn.resizing import (
    crop,
    resize,
    upsample,
    zero_pad,
)
from irflow.nn.sampling import (
    affine_transform,
    sample,
)
from irflow.nn.segments import (
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
)
from irflow.nn.softmax import (
    log_softmax,
    logsumexp,
    softmax,
    sparsemax,
)

swish, hard_swish = silu, hard_silu

__all__ = [
    "adaptive_avg_pool",
    "additive_attention",
    "affine_transform",
    "alpha_dropout",
    "attention_weights",
    "avg_pool",
    "batch_norm",
    "box_iou",
    "causal_mask",
    "celu",
    "conv",
    "conv_transpose",
    "crop",
    "depthwise_conv",
    "dot_product_attention",
    "dropout",
    "elu",
    "embedding",
    "exponential",
    "gaussian_dropout",
    "gaussian_noise",
    "gelu",
    "global_avg_pool",
    "global_max_pool",
    "glu",
    "group_norm",
    "gru",
    "gru_cell",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "instance_norm",
    "l2_normalize",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "lstm",
    "lstm_cell",
    "max_pool",
    "mish",
    "moments",
    "multi_head_attention",
    "multi_hot",
    "non_max_suppression",
    "normalize",
    "one_hot",
    "prelu",
    "relu",
    "relu6",
    "resize",
    "rms_norm",
    "rnn",
    "rotary_embedding",
    "sample",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "selu",
    "separable_conv",
    "sigmoid",
    "silu",
    "simple_rnn",
    "simple_rnn_cell",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "spatial_dropout",
    "squareplus",
    "standardize",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
    "upsample",
    "zero_pad",
]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error as it is

    def __getattr__(name: str) -> object:
        """The error that says where irflow has a name of another system."""
        raise names.unknown(__name__, name)
