"""Shapes and element types of results, by tracing with sizes that are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import dims, dtypes, tree
from irflow.dims import Size
from irflow.errors import ConcretizationError, UndecidableSizeError
from irflow.frontend.apply import trace_function
from irflow.frontend.tracing import Argument, suspended
from irflow.ir import TensorType

Shape = tuple[int | None, ...]

_FIRST, _SECOND = 2, 3


def shape_of(tensor: Any) -> Shape:
    """The shape of a tensor as Keras has it: None for a size that is not known."""
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def shapes_of(tensors: Any) -> Any:
    """The shapes of nested tensors."""
    return tree.map_leaves(shape_of, tensors)


def infer(
    function: Callable[..., Any], inputs: Sequence[tuple[Shape, str]], name: str
) -> tuple[tree.Structure, list[tuple[Shape, str]]]:
    """What a function of tensors returns: the structure, and a shape and element type a leaf.

    An axis of None is one symbolic size for all axes at the same place. Where a function needs
    to know it, it is run for two sizes; what differs is not known.

    Args:
        function: of a list of tensors.
        inputs: their shapes and element types.
        name: for messages.
    """
    try:
        return _results(function, [symbolic_type(*row) for row in inputs], name)
    except (UndecidableSizeError, ConcretizationError, TypeError, NotImplementedError):
        if all(None not in shape for shape, _ in inputs):
            raise
        return _by_example(function, inputs, name)


def _by_example(
    function: Callable[..., Any], inputs: Sequence[tuple[Shape, str]], name: str
) -> tuple[tree.Structure, list[tuple[Shape, str]]]:
    structure, first = _results(function, [_with(_FIRST, *row) for row in inputs], name)
    _, second = _results(function, [_with(_SECOND, *row) for row in inputs], name)
    joined = [
        (tuple(a if a == b else None for a, b in zip(one, other, strict=True)), dtype)
        for (one, dtype), (other, _) in zip(first, second, strict=True)
    ]
    return structure, joined


def _results(
    function: Callable[..., Any], types: Sequence[TensorType], name: str
) -> tuple[tree.Structure, list[tuple[Shape, str]]]:
    arguments = [Argument(type, f"input{i}") for i, type in enumerate(types)]
    with suspended():
        traced = trace_function(function, arguments, name, is_compiled=True)
    outputs = traced.graph.outputs[: traced.result_count]
    return traced.structure, [(shape_of(value.type), value.type.dtype.name) for value in outputs]


def symbolic_type(shape: Shape, dtype: str) -> TensorType:
    """The type of a place in a model, with a symbol for each size that is not known."""
    sizes: list[Size] = [
        dims.symbol(f"size{axis}" if axis else "batch", 1) if size is None else size
        for axis, size in enumerate(shape)
    ]
    return TensorType(dtypes.as_dtype(dtype), tuple(sizes))


def _with(number: int, shape: Shape, dtype: str) -> TensorType:
    # Axes that are not known differ from each other, as those of data will, and by so much from
    # the other example that strides and windows do not make them equal.
    sizes = tuple(
        number * (96 * axis + 1) if size is None else size for axis, size in enumerate(shape)
    )
    return TensorType(dtypes.as_dtype(dtype), sizes)
