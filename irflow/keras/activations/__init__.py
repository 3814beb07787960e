"""Activation functions, under Keras's names: `activations.relu`, `"relu"`."""

from __future__ import annotations

from typing import Any

from irflow.keras.activations.functions import leaky_relu, relu, threshold
from irflow.keras.lookup import Family
from irflow.keras.saving import registry
from irflow.nn import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
)

swish, hard_swish = silu, hard_silu

_FUNCTIONS = (
    celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu,
    linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax,
    softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink,
    threshold,
)  # fmt: skip
_NAMES = {function: function.__name__ for function in _FUNCTIONS}
_FAMILY = Family(
    "activation",
    {
        **{name: function for function, name in _NAMES.items()},
        "swish": silu,
        "hard_swish": hard_silu,
    },
)


def get(identifier: Any) -> Any:
    """The activation function for a name, a config, or the function itself; `linear` for None.

    Raises:
        UnknownNameError: no function of that name; the nearest names are told.
        UsageError: the identifier is none of these.
    """
    return linear if identifier is None else _FAMILY.get(identifier)


def serialize(activation: Any) -> Any:
    """The name of an activation function; the config of one that is not of this module."""
    try:
        return _NAMES[activation]
    except (KeyError, TypeError):
        return registry.serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation function that a name or a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink",
    "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid",
    "log_softmax", "mish", "relu", "relu6", "selu", "serialize", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip
