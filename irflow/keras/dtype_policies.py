"""Which element types a layer computes in and keeps its weights in."""

from __future__ import annotations

from typing import Any

from irflow import dtypes, errors
from irflow.errors import IrflowError, UsageError

FLOATS = ("bfloat16", "float16", "float32", "float64")
"""The element types that `set_floatx` takes."""

_MIXED = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
_NAMES = {
    "bool": "bool",
    "bf16": "bfloat16",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "complex64": "complex64",
    "complex128": "complex128",
}


def standardize_dtype(dtype: Any) -> str:
    """The name that Keras has for an element type: `"float32"` for f32, np.float32, "f32", ….

    Raises:
        UnknownNameError: it is no element type.
    """
    if type(dtype) is str and dtype in _KERAS_NAMES:
        return dtype
    if dtype is float:
        return "float32"
    try:
        found = dtypes.as_dtype(dtype)
    except IrflowError:
        raise errors.nearest(str(dtype), [*_KERAS_NAMES, *_MIXED], "dtype") from None
    return _NAMES.get(found.name, found.name)


_KERAS_NAMES = frozenset(_NAMES.values())


class DTypePolicy:
    """The element type of a layer's computations and that of its weights.

    Args:
        name: an element type for both, such as `"float32"`, or `"mixed_bfloat16"` or
            `"mixed_float16"`: computations in that type with weights of float32.

    Attributes:
        compute_dtype: what floating inputs are cast to.
        variable_dtype: of the weights.

    Raises:
        UnknownNameError: there is no such policy.
    """

    def __init__(self, name: str) -> None:
        if name in _MIXED:
            self.name, self.compute_dtype, self.variable_dtype = name, _MIXED[name], "float32"
        else:
            self.name = self.compute_dtype = self.variable_dtype = standardize_dtype(name)

    def get_config(self) -> dict[str, Any]:
        """What makes an equal policy."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy that `get_config` describes."""
        return cls(config["name"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def get(identifier: Any) -> DTypePolicy:
    """A policy from a policy, a name, an element type or a config.

    Raises:
        UsageError, UnknownNameError: it is none of these.
    """
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        config = identifier.get("config", identifier)
        if "name" not in config:
            raise UsageError("a config of a dtype policy has a name", facts=[("given", identifier)])
        return DTypePolicy(config["name"])
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))
