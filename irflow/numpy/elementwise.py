"""NumPy's elementwise functions: each is a row of the table of scalar functions, with promotion and broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor
from irflow.scalars import Scalar, find

NAMES = tuple(
    ["absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "copysign", "cos", "cosh", "divide", "equal", "exp", "exp2", "expm1", "floor", "floor_divide", "fmod", "greater", "greater_equal", "hypot", "invert", "isfinite", "isinf", "isnan", "left_shift", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "not_equal", "power", "reciprocal", "remainder", "right_shift", "rint", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc"]
)
"""NumPy's names that are rows under the same name."""

ALIASES = {
    "abs": "absolute",
    "acos": "arccos",
    "acosh": "arccosh",
    "asin": "arcsin",
    "asinh": "arcsinh",
    "atan": "arctan",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "bitwise_invert": "invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
    "bitwise_not": "invert",
    "mod": "remainder",
    "pow": "power",
    "round": "rint",
    "true_divide": "divide",
    "float_power": "power",
}
"""Further names, most of them the array API standard's."""


def function_of(row: Scalar, name: str) -> Callable[..., Tensor]:
    """The function of tensors that applies `row`."""

    def function(*operands: TensorLike) -> Tensor:
        if len(operands) != row.arity:
            raise TypeError(f"{name} takes {row.arity} operands, not {len(operands)}")
        if row.accepts == "bool":
            return apply_row(row, [as_tensor(x).astype("bool") for x in operands])
        return apply_row(row, operands)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"`numpy.{name}`: elementwise, with promotion of types and broadcasting of shapes."
    )
    return function


def table() -> dict[str, Callable[..., Tensor]]:
    """All elementwise functions by name."""
    found = {name: function_of(find(name), name) for name in NAMES}
    return found | {alias: function_of(find(name), alias) for alias, name in ALIASES.items()}


def clip(x: TensorLike, min: Any = None, max: Any = None) -> Tensor:
    """`x` limited to `[min, max]`; None means no limit. Gradient: 1 inside, 0 outside, 1/2 on a limit."""
    result = as_tensor(x)
    if min is not None:
        result = apply_row(find("maximum"), (result, min))
    if max is not None:
        result = apply_row(find("minimum"), (result, max))
    return result


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """Elements of `x` where `condition` is true, of `y` elsewhere; the three broadcast."""
    return apply_row(find("where"), (as_tensor(condition).astype("bool"), x, y))
