"""The classes that Keras has for functions and operators in functional models.

Keras keeps `mean(x, axis=1)` as an operation `Mean` that is made with `axis` and called with `x`.
The tables say which function has a class where, and how many of its parameters belong to the call;
all others belong to the class.
"""

from __future__ import annotations

import inspect
from typing import Any

from irflow.errors import UsageError
from irflow.keras import ops
from irflow.keras.engine.naming import snake_case

PREFIX = "keras.src.ops."

_MODULES = {
    "numpy": """
        abs absolute add all amax amin angle any append arange arccos arccosh arcsin arcsinh arctan
        arctan2 arctanh argmax argmin argpartition argsort array average bincount bitwise_and
        bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
        broadcast_to cbrt ceil clip concatenate conj conjugate copy correlate cos cosh
        count_nonzero cross cumprod cumsum deg2rad diag diagonal diff digitize divide
        divide_no_nan dot einsum empty_like equal exp exp2 expand_dims expm1 fabs flip fliplr flipud
        floor floor_divide fmax fmin fmod full_like gcd get_item greater greater_equal
        heaviside hstack hypot imag inner isclose isfinite isinf isnan isneginf isposinf isreal
        kron lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2
        logical_and logical_not logical_or logical_xor matmul max maximum mean median min minimum
        mod moveaxis multiply nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean
        nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar negative nextafter
        not_equal ones_like outer pad percentile power prod ptp quantile rad2deg ravel real
        reciprocal repeat reshape right_shift roll rot90 round sign signbit sin sinc sinh slogdet
        sort split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan
        tanh tensordot tile trace transpose tril triu true_divide trunc var vdot vstack where
        zeros_like
    """,
    "nn": """
        adaptive_average_pool average_pool binary_crossentropy categorical_crossentropy celu conv
        conv_transpose ctc_loss depth_to_space depthwise_conv dot_product_attention elu gelu glu
        hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid log_softmax max_pool
        moments normalize one_hot polar psnr relu relu6 selu separable_conv sigmoid silu
        soft_shrink softmax softplus softsign space_to_depth sparse_categorical_crossentropy
        sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink threshold
    """,
    "core": """
        cast convert_to_tensor saturate_cast scatter scatter_update slice slice_update
        stop_gradient unstack
    """,
    "math": """
        erf erfc erfinv fft fft2 ifft2 in_top_k irfft logdet logsumexp rfft rsqrt segment_max
        segment_min segment_prod segment_sum top_k
    """,
    "linalg": """
        cholesky cholesky_inverse det eigh inv lstsq norm pinv qr solve solve_triangular svd
    """,
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

_LEADING = {
    2: """
        add append arctan2 binary_crossentropy bitwise_and bitwise_left_shift bitwise_or
        bitwise_right_shift bitwise_xor categorical_crossentropy conv conv_transpose correlate cross
        depthwise_conv digitize divide divide_no_nan dot equal floor_divide fmax fmin fmod
        full_like gcd get_item greater greater_equal heaviside hypot in_top_k inner kron lcm ldexp
        left_shift less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor lstsq
        matmul maximum minimum mod multiply nanpercentile nanquantile nextafter not_equal outer
        percentile polar power psnr quantile right_shift scatter segment_max segment_min
        segment_prod segment_sum slice solve solve_triangular sparse_categorical_crossentropy
        subtract take take_along_axis tensordot true_divide vdot
    """,
    3: "arange scatter_update separable_conv slice_update where",
    4: "ctc_loss isclose",
    6: "dot_product_attention",
}
_COUNT = {name: count for count, names in _LEADING.items() for name in names.split()}
_CALLED = {
    "average": ("x", "weights"),
    "einsum": ("operands",),
    "pad": ("x", "constant_values"),
}
"""What belongs to the call where that is not the beginning of the parameters."""

_ACRONYMS = ("ctc_loss", "psnr", "qr", "svd", "fft", "fft2", "ifft2", "rfft", "irfft")

_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "neg": "negative",
    "abs": "absolute",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
    "invert": "logical_not",
}
_METHODS = {
    "__getitem__": ("get_item", "key"),
    "astype": ("cast", "dtype"),
    "reshape": ("reshape", "newshape"),
    "transpose": ("transpose", "axes"),
}

Arguments = dict[str, Any]


def function_of(class_name: str) -> str:
    """The function of `keras.ops` that a class of operations stands for.

    Raises:
        UsageError: there is none.
    """
    name = class_name.lower() if class_name.lower() in _ACRONYMS else snake_case(class_name)
    if name not in _HOME:
        raise UsageError(f"the operation {class_name} of Keras is not known")
    return name


def class_of(function: str) -> tuple[str, str]:
    """Module and name of the class that Keras has for a function.

    Raises:
        UsageError: it has none.
    """
    if function not in _HOME:
        raise UsageError(
            f"Keras has no operation for keras.ops.{function}, so no .keras file can hold it",
            hint="save the model as .irflow",
        )
    words = "".join(word.capitalize() for word in function.split("_"))
    if function in _ACRONYMS:
        words = {"ctc_loss": "CTCLoss"}.get(function, function.upper())
    return PREFIX + _HOME[function], words


def call_of(
    function: str, settings: Arguments, args: list[Any], kwargs: Arguments
) -> tuple[list[Any], Arguments]:
    """The arguments of a function from those of Keras's class and of its call."""
    if function == "einsum":
        return [settings["subscripts"], *args], kwargs
    if function == "get_item":
        args = [args[0], *map(_as_key, args[1:])]
    if function in _CALLED:
        return [], {**settings, **dict(zip(_CALLED[function], args, strict=False)), **kwargs}
    return args, {**settings, **kwargs}


def _as_key(key: Any) -> Any:
    """A key of several axes is a list in Keras's files."""
    return {"class_name": "__tuple__", "items": key} if isinstance(key, list) else key


def split(function: str, args: list[Any], kwargs: Arguments) -> tuple[Arguments, list[Any]]:
    """What Keras's class, and what its call takes, from the arguments of a function."""
    if function == "einsum":
        return {"subscripts": args[0]}, args[1:]
    bound = dict(inspect.signature(getattr(ops, function)).bind_partial(*args, **kwargs).arguments)
    called = _CALLED.get(function) or list(bound)[: _COUNT.get(function, 1)]
    return (
        {name: value for name, value in bound.items() if name not in called},
        [bound[name] for name in called if name in bound],
    )


def as_function(config: Arguments, args: list[Any]) -> tuple[str, list[Any], Arguments]:
    """An operator or method of tensors as a function with its arguments.

    Args:
        config: `method` and `settings`, as `Operator` describes itself.
        args: of its call.
    """
    method, settings = config["method"], _items(config["settings"])
    if method in _METHODS:
        function, name = _METHODS[method]
        several = method in ("reshape", "transpose") and not _is_nested(settings)
        value = settings if several else settings[0]
        return function, args, {name: value} if settings else {}
    bare = method.strip("_")
    if bare not in _OPERATORS:  # It is that of the right operand: `radd`.
        return _OPERATORS[bare[1:]], args[::-1], {}
    return _OPERATORS[bare], args, {}


def _items(value: Any) -> list[Any]:
    """The items of a list or of a tuple in a config."""
    return list(value["items"]) if isinstance(value, dict) else list(value)


def _is_nested(settings: list[Any]) -> bool:
    return len(settings) == 1 and not isinstance(settings[0], int)
