"""What Keras calls the parameters of functions that irflow has under other names or orders.

A line of the table has Keras's parameters in Keras's order, `theirs=ours` where the names differ.
`-name` is one that irflow has not: it is taken as long as it asks for nothing. In front of a colon
stands the function of `irflow.numpy` or `irflow.nn`, where that has another name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from irflow.errors import UsageError

_PAIR = "x1=x x2=y"
_BITS = "x=x1 y=x2"
_WINDOW = "x=length"
_CONV = "strides padding data_format dilation_rate=dilations"
_QUANTILE = "x q axis method keepdims"
_SPREAD = "x axis keepdims"
_SEGMENT = "data segment_ids num_segments -sorted"

LINES = {
    "allclose": f"{_PAIR} rtol atol equal_nan",
    "angle": "x=z",
    "append": "x1=x x2=values axis",
    "array": "x=value dtype",
    "average_pool": "avg_pool: inputs=x pool_size=window strides padding data_format",
    "bartlett": _WINDOW,
    "bincount": "x weights minlength -sparse",
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), _BITS),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), _BITS),
    **dict.fromkeys(("left_shift", "right_shift"), _BITS),
    "blackman": _WINDOW,
    "clip": "x x_min=min x_max=max",
    "concatenate": "xs=arrays axis",
    "conv_transpose": (
        "inputs=x kernel strides padding output_padding data_format dilation_rate=dilations"
    ),
    "correlate": "x1=a x2=v mode",
    "depthwise_conv": f"inputs=x kernel {_CONV}",
    "diag": "x=v k",
    "diagflat": "x=v k",
    "diff": "a=x n axis",
    "dot": _PAIR,
    "dstack": "xs=arrays",
    "eye": "N=n M=m k dtype",
    "fmax": _PAIR,
    "fmin": _PAIR,
    "gcd": _PAIR,
    "hamming": _WINDOW,
    "hanning": _WINDOW,
    "heaviside": "x1=x x2=value",
    "hstack": "xs=arrays",
    "inner": _PAIR,
    "isclose": f"{_PAIR} rtol atol equal_nan",
    "kaiser": "x=length beta",
    "kron": "x1=a x2=b",
    "lcm": _PAIR,
    "ldexp": "x1=x x2=exponent",
    "logaddexp2": _PAIR,
    "matmul": _PAIR,
    "max_pool": "inputs=x pool_size=window strides padding data_format",
    "moments": "x axes=axis keepdims -synchronized",
    **dict.fromkeys(("nanpercentile", "nanquantile", "percentile", "quantile"), _QUANTILE),
    **dict.fromkeys(("nanstd", "nanvar", "std", "var"), _SPREAD),
    "one_hot": "x=labels num_classes=depth axis dtype -sparse",
    "outer": _PAIR,
    "reshape": "x newshape=shape",
    "rot90": "array=x k axes",
    "searchsorted": "sorted_sequence=x1 values=x2 side",
    **{f"segment_{kind}": _SEGMENT for kind in ("max", "min", "prod", "sum")},
    "separable_conv": f"inputs=x depthwise_kernel pointwise_kernel {_CONV}",
    "stack": "x=arrays axis",
    "tensordot": f"{_PAIR} axes",
    "threshold": "x threshold default_value=value",
    "tile": "x repeats=reps",
    "tri": "N=n M=m k dtype",
    "vander": "x N=n increasing",
    "vdot": _PAIR,
    "vstack": "xs=arrays",
    "where": "condition x1=x x2=y",
}

_OF_CONFIG = ("data_format",)
"""Parameters whose None stands for a default, which irflow's functions have themselves."""


@functools.cache
def line(name: str) -> tuple[str, Mapping[str, str | None]]:
    """The name of a function in irflow, and those of Keras's parameters."""
    home, _, words = LINES[name].rpartition(":")
    pairs = [word.split("=") for word in words.split()]
    ours = {p[0].lstrip("-"): None if p[0].startswith("-") else p[-1] for p in pairs}
    return home or name, ours


def adapted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes its arguments as Keras's function `name` does."""
    ours = line(name)[1]
    kinds = inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = _bound(name, tuple(ours), args, kwargs)
        by_name = {}
        for parameter, value in given.items():
            mine = ours[parameter]
            if mine is None:
                if value:
                    raise UsageError(f"keras.ops.{name}: {parameter}={value!r} is not there")
            elif value is not None or mine not in _OF_CONFIG:
                by_name[mine] = value
        places = [n for n, p in kinds.items() if p.kind is p.POSITIONAL_ONLY and n in by_name]
        return function(*[by_name.pop(place) for place in places], **by_name)

    parameters = [
        inspect.Parameter(theirs, inspect.Parameter.POSITIONAL_OR_KEYWORD) for theirs in ours
    ]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def named(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose parameters may all be given by name, as Keras's may."""
    signature = inspect.signature(function)
    kinds = signature.parameters.values()
    places = [p.name for p in kinds if p.kind is p.POSITIONAL_ONLY]
    if not places:
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        rest = [place for place in places[len(args) :] if place in kwargs]
        return function(*args, *[kwargs.pop(place) for place in rest], **kwargs)

    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    free = [p.replace(kind=either) if p.kind is p.POSITIONAL_ONLY else p for p in kinds]
    call.__signature__ = signature.replace(parameters=free)  # type: ignore[attr-defined]
    return call


def _bound(
    name: str, parameters: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments by parameter, as Python binds them."""
    if len(args) > len(parameters):
        raise TypeError(f"{name}() takes {len(parameters)} arguments, {len(args)} were given")
    given = dict(zip(parameters, args, strict=False))
    for word, value in kwargs.items():
        if word in given or word not in parameters:
            kind = "is given twice" if word in given else "is no parameter"
            raise TypeError(f"{name}(): {word!r} {kind}; there are {', '.join(parameters)}")
        given[word] = value
    return given
