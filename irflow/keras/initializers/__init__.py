"""First values of weights, under Keras's names: `initializers.GlorotUniform`, `"glorot_uniform"`.

`get` takes names, configs, functions of `(shape, dtype)`, and arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.keras.initializers.constant import Constant, Identity, Ones, Values, Zeros
from irflow.keras.initializers.draws import (
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from irflow.keras.initializers.initializer import Initializer
from irflow.keras.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    compute_fans,
)
from irflow.keras.lookup import Family, both_spellings
from irflow.keras.saving import registry

_CLASSES = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform,
    Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal, Values, VarianceScaling, Zeros,
)  # fmt: skip
_FAMILY = Family(
    "initializer",
    {
        **both_spellings(_CLASSES),
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
        "normal": RandomNormal,
        "one": Ones,
        "uniform": RandomUniform,
        "zero": Zeros,
    },
)

IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
constant, zeros, ones, identity = Constant, Zeros, Ones, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
orthogonal, variance_scaling = Orthogonal, VarianceScaling


def get(identifier: Any) -> Any:
    """The initializer for a name, a config, a class, an array, or the initializer itself.

    Raises:
        UnknownNameError: no initializer of that name; the nearest names are told.
        UsageError: the identifier is none of these.
    """
    if isinstance(identifier, (Tensor, Variable, np.ndarray, np.generic)):
        return Values(identifier)
    return _FAMILY.get(identifier)


def serialize(initializer: Any) -> Any:
    """The config of an initializer."""
    return registry.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer that a config describes."""
    return _FAMILY.deserialize(config, custom_objects)


__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "OrthogonalInitializer", "RandomInitializer", "RandomNormal", "RandomUniform",
    "TruncatedNormal", "Values", "VarianceScaling", "Zeros", "compute_fans", "constant",
    "deserialize", "get", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform",
    "serialize", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip
