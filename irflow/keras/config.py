"""What holds for all of Keras in this process: the float type, epsilon, the order of image axes."""

from __future__ import annotations

from typing import Any

from irflow import errors
from irflow.errors import UsageError
from irflow.keras import dtype_policies
from irflow.keras.dtype_policies import FLOATS, DTypePolicy

_FORMATS = ("channels_last", "channels_first")
_values: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}


def floatx() -> str:
    """The element type of weights and data by default, `"float32"` unless it was changed."""
    return str(_values["floatx"])


def set_floatx(value: str) -> None:
    """Change the default float type.

    Raises:
        UnknownNameError: it is none of float16, bfloat16, float32 and float64.
    """
    if value not in FLOATS:
        raise errors.nearest(str(value), FLOATS, "float type")
    _values["floatx"] = value


def epsilon() -> float:
    """The small number that keeps quotients and logarithms finite, 1e-7 unless it was changed."""
    return float(_values["epsilon"])


def set_epsilon(value: float) -> None:
    """Change the small number."""
    _values["epsilon"] = float(value)


def image_data_format() -> str:
    """`"channels_last"` unless it was changed."""
    return str(_values["image_data_format"])


def set_image_data_format(data_format: str) -> None:
    """Change the order of the axes of images.

    Raises:
        UnknownNameError: it is neither channels_last nor channels_first.
    """
    _values["image_data_format"] = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """A `data_format` argument of a layer; None stands for the default.

    Raises:
        UnknownNameError: it is neither channels_last nor channels_first.
    """
    if data_format is None:
        return image_data_format()
    known = str(data_format).lower()
    if known not in _FORMATS:
        raise errors.nearest(str(data_format), _FORMATS, "data_format")
    return known


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given no `dtype`."""
    chosen = _values.get("dtype_policy")
    return chosen if chosen is not None else DTypePolicy(floatx())


def set_dtype_policy(policy: Any) -> None:
    """Change the policy of layers to come, e.g. `set_dtype_policy("mixed_bfloat16")`.

    Raises:
        UsageError: it is no policy.
        UnknownNameError: no policy has this name.
    """
    if policy is None:
        raise UsageError("set_dtype_policy takes a policy or its name, not None")
    _values["dtype_policy"] = dtype_policies.get(policy)


def policy_for(dtype: Any) -> DTypePolicy:
    """The `dtype` argument of a layer as a policy; None stands for the default one."""
    return dtype_policy() if dtype is None else dtype_policies.get(dtype)


def reset_dtype_policy() -> None:
    """Let the policy follow `floatx` again."""
    _values.pop("dtype_policy", None)
