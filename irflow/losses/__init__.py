"""Loss functions: one number a batch, the mean over its examples, unless asked otherwise."""

from irflow.losses.classification import (
    accuracy,
    binary_cross_entropy,
    binary_focal_cross_entropy,
    categorical_focal_cross_entropy,
    cross_entropy,
    generalized_cross_entropy,
    kl_divergence,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from irflow.losses.overlap import dice, tversky
from irflow.losses.regression import (
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    squared_hinge,
)
from irflow.losses.sequences import ctc
from irflow.losses.similarity import circle

__all__ = [
    "accuracy",
    "binary_cross_entropy",
    "binary_focal_cross_entropy",
    "categorical_focal_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "cross_entropy",
    "ctc",
    "dice",
    "generalized_cross_entropy",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "squared_hinge",
    "tversky",
]
