"""`vmap`: a function of one element made one of a whole batch, spelled as in JAX.

The function is traced for one element, without the batch axes; the graph is batched and used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from irflow import autodiff, dims, ops, tree
from irflow.dims import Size
from irflow.errors import ShapeError, TreeError, UsageError
from irflow.frontend.apply import finish, operands_of, run_graph, trace_function
from irflow.frontend.boundary import public
from irflow.frontend.calls import Parameters
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import Argument, Trace, TracedFunction
from irflow.records import dataclass

Axes = Any
"""An axis or None, or a nesting of them that is a prefix of what it is for."""


class BatchTrace(Trace):
    """The trace of a function of one element."""

    value_hint: ClassVar[str] = (
        "under vmap it may be another one for each element of the batch; choose with inp.where"
    )


def vmap(
    function: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_size: Size | None = None,
) -> Callable[..., Any]:
    """A function that does for a batch what `function` does for one element.

    It is as if `function` were called in a loop over the batch and the results were stacked, but
    every op is applied once, to the whole batch. What does not depend on the batch, such as a
    tensor from outside, is computed once. Variables are read as they are; what is assigned to one
    must not depend on the batch.

    Args:
        function: any function of tensors.
        in_axes: for each positional argument the axis that is mapped over, None for an argument
            that is the same for all elements. One int or None is for all arguments; a tuple has an
            entry for each, and the entry for a nested argument may be nested like it. Keyword
            arguments are mapped over axis 0.
        out_axes: where the batch axis goes in the result, in the same manner; None for a result
            that does not depend on the batch.
        axis_size: how many elements there are; needed only where nothing is mapped.

    Returns:
        A function of the same arguments, with one more axis in those that are mapped.

    Raises:
        UsageError: nothing is mapped; a result or what a variable is assigned depends on the
            batch where it must not; an axis is no int.
        ShapeError: mapped axes have different sizes; an axis does not exist.
        TreeError: `in_axes` or `out_axes` does not fit the structure of what it is for.

    >>> import numpy as np
    >>> vmap(lambda x, y: x * y, in_axes=(0, None))(np.arange(3), 2).tolist()
    [0, 2, 4]
    """

    @functools.wraps(function)
    @public
    def mapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call.of(function, args, kwargs, in_axes)
        size = _common_size(call, axis_size)
        traced = call.trace(function)
        axes = _axes_of("out_axes", out_axes, traced.structure)
        return _run(call, traced, size, axes)

    return mapped


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments of one call.

    Attributes:
        leaves: all leaves.
        structure: of the arguments.
        numeric: which leaves are tensors, the others being Python values.
        tensors: these, with the batch axis in front where they are mapped.
        paths: a readable name for each tensor.
        axes: where the batch axis was; None for a tensor that is not mapped.
    """

    leaves: list[Any]
    structure: tree.Structure
    numeric: list[int]
    tensors: list[Tensor]
    paths: list[str]
    axes: list[int | None]

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        in_axes: Axes,
    ) -> _Call:
        """Take the arguments apart and move the mapped axes to the front."""
        leaves, structure = tree.flatten((args, kwargs))
        paths = Parameters(function, frozenset()).hints(structure)
        positional, keyword = structure.children
        axes = _axes_of_arguments(in_axes, positional) + [0] * keyword.leaf_count
        numeric = [i for i, leaf in enumerate(leaves) if not _is_static(leaf, axes[i])]
        tensors = [_tensor(leaves[i], paths[i], axes[i]) for i in numeric]
        return cls(
            leaves,
            structure,
            numeric,
            tensors,
            [paths[i] for i in numeric],
            [axes[i] for i in numeric],
        )

    @property
    def is_batched(self) -> list[bool]:
        return [axis is not None for axis in self.axes]

    def trace(self, function: Callable[..., Any]) -> TracedFunction:
        """The function for one element of the batch."""

        def run(inputs: list[Tensor]) -> Any:
            complete = list(self.leaves)
            for i, tensor in zip(self.numeric, inputs, strict=True):
                complete[i] = tensor
            args, kwargs = self.structure.unflatten(complete)
            return function(*args, **kwargs)

        rows = zip(self.tensors, self.paths, self.is_batched, strict=True)
        name = getattr(function, "__name__", "function").strip("<>")
        return trace_function(run, [_argument(*row) for row in rows], name, kind=BatchTrace)


def _argument(tensor: Tensor, path: str, is_batched: bool) -> Argument:
    if not is_batched:
        return Argument(tensor.type, path, tensor.is_weak, tensor)
    return Argument(tensor.type.with_shape(tensor.shape[1:]), path, tensor.is_weak)


def _is_static(leaf: Any, axis: int | None) -> bool:
    """Whether a leaf is handed on as it is: a setting, which cannot be mapped."""
    return axis is None and (isinstance(leaf, (str, bytes, type)) or callable(leaf))


def _tensor(leaf: Any, path: str, axis: int | None) -> Tensor:
    """A leaf as a tensor with the mapped axis in front."""
    try:
        tensor = as_tensor(leaf)
    except (TypeError, ValueError):
        raise TreeError(
            f"vmap: argument {path} is not a tensor",
            facts=[(path, type(leaf).__name__)],
            hint="in_axes=None hands on what is the same for all elements",
        ) from None
    if axis is None:
        return tensor
    if not -tensor.ndim <= axis < tensor.ndim:
        raise ShapeError(
            f"vmap: argument {path} has no axis {axis}",
            facts=[(path, tensor.type, f"rank {tensor.ndim}"), ("in_axes", axis)],
            hint=None if tensor.ndim else "in_axes=None is for what is the same for all elements",
        )
    front: Tensor = ops.moveaxis(tensor, axis, 0)
    return front.weakened() if tensor.is_weak else front


def _common_size(call: _Call, axis_size: Size | None) -> Size:
    """The number of elements, on which all mapped arguments agree."""
    rows = [
        (path, tensor, axis)
        for path, tensor, axis in zip(call.paths, call.tensors, call.axes, strict=True)
        if axis is not None
    ]
    if not rows and axis_size is None:
        raise UsageError(
            "vmap: nothing to map over: no argument has an axis in in_axes",
            hint="say with axis_size= how many elements there are",
        )
    size = rows[0][1].shape[0] if axis_size is None else axis_size
    if all(dims.decide_equal(tensor.shape[0], size) for _, tensor, _ in rows):
        return size
    facts: list[tuple[Any, ...]] = [
        (path, _given(tensor, axis), f"axis {axis} = {tensor.shape[0]}")
        for path, tensor, axis in rows
    ]
    facts += [] if axis_size is None else [("axis_size", axis_size)]
    raise ShapeError("vmap: mapped axes have different sizes", facts=facts)


def _given(tensor: Tensor, axis: int) -> Any:
    """The type that a tensor had before its batch axis was moved."""
    size, *rest = tensor.shape
    rest.insert(axis % tensor.ndim, size)
    return tensor.type.with_shape(tuple(rest))


# ------------------------------------------------------------------------------------------ running


def _run(call: _Call, traced: TracedFunction, size: Size, axes: Sequence[int | None]) -> Any:
    """Batch the graph, use it, and put the batch axes where they belong."""
    is_batched = [*call.is_batched, *(False for _ in traced.captures)]
    forced = [axis is not None for axis in axes] + [False] * len(traced.updates)
    graph, found = autodiff.batch_graph(traced.graph, is_batched, size, forced)
    _check_unbatched(traced, axes, found)
    outputs = run_graph(graph, operands_of(traced, call.tensors))
    paths = traced.structure.paths("result")
    for i, (path, axis, weak) in enumerate(zip(paths, axes, traced.weak, strict=True)):
        placed = outputs[i] if axis is None else _placed(outputs[i], axis, path)
        outputs[i] = placed.weakened() if weak else placed
    return finish(traced, outputs)


def _check_unbatched(
    traced: TracedFunction, axes: Sequence[int | None], found: Sequence[bool]
) -> None:
    """UsageError where a result or the value of a variable depends on the batch but must not."""
    rows = zip(traced.structure.paths("result"), axes, traced.graph.outputs, found, strict=False)
    for path, axis, value, is_batched in rows:
        if axis is None and is_batched:
            raise UsageError(
                "vmap: out_axes is None for a result that depends on the batch",
                facts=[(path, value.type, "for each element")],
                hint="give it an axis, or reduce it over the batch outside of vmap",
            )
    for variable, is_batched in zip(traced.updates, found[len(axes) :], strict=True):
        if is_batched:
            raise UsageError(
                f"vmap: variable {variable.name} is assigned a value that depends on the batch",
                facts=[(variable.name, variable.type)],
                hint="return the value, and assign outside of vmap what becomes of all of them",
            )


def _placed(tensor: Tensor, axis: int, path: str) -> Tensor:
    """A result with its batch axis moved from the front to `axis`."""
    if not -tensor.ndim <= axis < tensor.ndim:
        raise ShapeError(
            f"vmap: {path} has no axis {axis}",
            facts=[(path, tensor.type, f"rank {tensor.ndim}"), ("out_axes", axis)],
        )
    moved: Tensor = ops.moveaxis(tensor, 0, axis)
    return moved


# ------------------------------------------------------------------------------------------- axes


def _axes_of_arguments(in_axes: Axes, arguments: tree.Structure) -> list[int | None]:
    """An axis, or None, for each leaf of the positional arguments."""
    axes = tuple(in_axes) if type(in_axes) is list else in_axes
    count = len(arguments.children)
    if type(axes) is tuple and len(axes) != count:
        raise TreeError(
            f"vmap: in_axes has {len(axes)} entries for {count} positional arguments",
            facts=[("in_axes", f"{axes}"), ("arguments", arguments.describe())],
        )
    return _axes_of("in_axes", axes, arguments)


def _axes_of(name: str, axes: Axes, structure: tree.Structure) -> list[int | None]:
    """An axis, or None, for each leaf of a structure of which `axes` is a prefix."""
    found = structure.spread(axes, f"vmap: {name}")
    for axis in found:
        if axis is not None and type(axis) is not int:
            raise UsageError(
                f"vmap: {name} holds what is no axis",
                facts=[("found", repr(axis)), ("wanted", "an int or None")],
            )
    return found
