"""NumPy's elementwise functions: rows of the table of scalar functions, promoted and broadcast."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, cast

from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, TensorLike, apply_row, as_tensor, inexact
from irflow.scalars import Scalar, find

NAMES = """
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or
    bitwise_xor cbrt copysign cos cosh divide equal exp exp2 expm1 floor_divide fmod greater
    greater_equal hypot invert isfinite isinf isnan left_shift less less_equal log log10 log1p
    log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply
    negative nextafter not_equal power reciprocal remainder right_shift sign signbit sin sinh sqrt
    square subtract tan tanh
"""
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
    "true_divide": "divide",
}
"""Further names, most of them the array API standard's."""


ROUNDINGS = ("floor", "ceil", "trunc", "rint")


def function_of(row: Scalar, name: str) -> Callable[..., Tensor]:
    """The function of tensors that applies `row`."""

    @public
    def function(*operands: TensorLike) -> Tensor:
        if len(operands) != row.arity:
            raise UsageError(f"{name} takes {row.arity} operands, not {len(operands)}")
        if row.accepts == "bool":
            return apply_row(row, [as_tensor(x).astype("bool") for x in operands])
        return apply_row(row, operands)

    names = ("x",) if row.arity == 1 else tuple(f"x{i + 1}" for i in range(row.arity))
    parameters = [Parameter(n, Parameter.POSITIONAL_ONLY, annotation=TensorLike) for n in names]
    vars(function)["__signature__"] = Signature(parameters, return_annotation=Tensor)
    return _named(function, name, "elementwise, with promotion of types, broadcasting of shapes.")


def _rounding_of(row: Scalar, name: str) -> Callable[..., Tensor]:
    @public
    def function(x: TensorLike) -> Tensor:
        tensor = as_tensor(x)
        return apply_row(row, (tensor,)) if tensor.dtype.is_inexact else tensor

    return _named(function, name, "elementwise; integers and bools stay as they are.")


def _named(function: Callable[..., Tensor], name: str, text: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`numpy.{name}`: {text}"
    return function


def table() -> dict[str, Callable[..., Tensor]]:
    """All elementwise functions by name."""
    found = {name: function_of(find(name), name) for name in NAMES.split()}
    found |= {name: _rounding_of(find(name), name) for name in ROUNDINGS}
    return found | {alias: function_of(find(name), alias) for alias, name in ALIASES.items()}


@public
def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """`x` rounded to a number of decimals, ties to even; integers stay for `decimals >= 0`."""
    tensor = as_tensor(x)
    if not tensor.dtype.is_inexact and decimals >= 0:
        return tensor
    if not decimals:
        return apply_row(find("rint"), (tensor,))
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return cast(Tensor, apply_row(find("rint"), (tensor * factor,)) / factor)
    return cast(Tensor, apply_row(find("rint"), (tensor / factor,)) * factor).astype(tensor.dtype)


@public
def positive(x: TensorLike) -> Tensor:
    """`x` itself."""
    return as_tensor(x)


@public
def float_power(x: TensorLike, y: TensorLike) -> Tensor:
    """`x` to the power `y` in a float type, also for integers."""
    return apply_row(find("power"), (inexact(x), inexact(y)))


@public
def clip(x: TensorLike, min: Any = None, max: Any = None) -> Tensor:
    """`x` limited to `[min, max]`, None for no limit; gradient 1 inside, 0 outside, 1/2 between."""
    result = as_tensor(x)
    if min is not None:
        result = apply_row(find("maximum"), (result, min))
    if max is not None:
        result = apply_row(find("minimum"), (result, max))
    return result


@public
def where(condition: TensorLike, x: Any = None, y: Any = None) -> Tensor:
    """Elements of `x` where `condition` is true, of `y` elsewhere; the three broadcast.

    Raises:
        UsageError: `x` and `y` are missing; NumPy then gives positions, as `nonzero` does.
    """
    if x is None or y is None:
        raise UsageError(
            "where takes a condition and two choices",
            hint="nonzero(condition) gives the positions where it is true",
        )
    return apply_row(find("where"), (as_tensor(condition).astype("bool"), x, y))
