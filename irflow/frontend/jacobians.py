"""All derivatives of a function at once: `jacfwd`, `jacrev` and `hessian`, spelled as in JAX.

A column of a Jacobian is what `jvp` gives for a direction of one 1 and zeros, a row what `vjp`
gives for such a cotangent. The graph of either is batched over all of them, so that what depends on
the arguments alone is computed once, and every op is applied once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from irflow import autodiff, dims, dtypes, ops, tree
from irflow.dims import Size
from irflow.errors import GradientError, UsageError
from irflow.frontend.apply import finish, operands_of, run_graph
from irflow.frontend.boundary import public
from irflow.frontend.differentiated import (
    Argnums,
    TracedCall,
    direction,
    require_pair,
    trace_call,
)
from irflow.frontend.tensor import Tensor, apply
from irflow.ir import TensorType
from irflow.ir.graph import Graph


def jacfwd(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `function`, column by column (forward mode).

    Best where there are fewer inputs than results.

    Args:
        function: returns float tensors in any nesting; with `has_aux` a pair of that and anything
            else.
        argnums: the position, or positions, of the arguments to differentiate; each a float tensor
            or a nested structure of them.
        has_aux: whether `function` returns `(result, auxiliary)`.

    Returns:
        A function of the same arguments. Its result has the structure of that of `function`, with
        in the place of each leaf of shape `s` the structure of the chosen argument, or a tuple of
        such for several; its leaves have the shape `s + t` for an argument leaf of shape `t`. With
        `has_aux` it returns `(Jacobian, auxiliary)`.

    Raises:
        GradientError: a chosen argument, or a result, is not of float type.

    >>> import numpy as np
    >>> jacfwd(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @functools.wraps(function)
    @public
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        call = _trace(function, args, kwargs, argnums, has_aux, "jacfwd")
        graph = autodiff.jvp_graph(call.graph, call.chosen, is_apart=True)
        inputs = [call.tensors[leaf].type for leaf in call.chosen]
        value, found = _evaluate(call, graph, _basis(inputs))
        positions = autodiff.differentiable_outputs(call.graph)
        changes = dict(zip(positions, found, strict=True))
        rows = [
            [_columns(part, type) for part, type in _parted(changes[i], inputs)]
            for i in range(len(_results(call, has_aux)))
        ]
        return _finished(call, value, rows, has_aux)

    return jacobian


def jacrev(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `function`, row by row (reverse mode).

    Best where there are fewer results than inputs; otherwise as `jacfwd`.

    >>> import numpy as np
    >>> jacrev(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @functools.wraps(function)
    @public
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        call = _trace(function, args, kwargs, argnums, has_aux, "jacrev")
        graph = autodiff.vjp_graph(call.graph, call.chosen)
        results = _results(call, has_aux)
        others = autodiff.differentiable_outputs(call.graph)[len(results) :]
        zeros = [direction(None, call.graph.outputs[i].type, "") for i in others]
        value, found = _evaluate(call, graph, _basis(results), zeros)
        columns = [_parted(gradient, results) for gradient in found]
        rows = [[_rows(part, type) for part, type in row] for row in zip(*columns, strict=True)]
        return _finished(call, value, rows or [[] for _ in results], has_aux)

    return jacobian


def hessian(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the second derivatives of `function`: `jacfwd(jacrev(function))`.

    Args:
        function: mostly of a float scalar; as for `jacfwd`.
        argnums: the position, or positions, of the arguments to differentiate.
        has_aux: whether `function` returns `(result, auxiliary)`.

    Returns:
        A function of the same arguments; the leaves of its result have the shape `s + t + u` for
        a result of shape `s` and argument leaves of shapes `t` and `u`. With `has_aux` it returns
        `(Hessian, auxiliary)`.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] * x[1])(np.array([1.0, 2.0])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return jacfwd(jacrev(function, argnums, has_aux), argnums, has_aux)


def _trace(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Argnums,
    has_aux: bool,
    name: str,
) -> TracedCall:
    call = trace_call(function, args, kwargs, argnums, name)
    if len(set(call.chosen)) < len(call.chosen):
        raise UsageError(f"{name}: argnums has an argument twice", facts=[("argnums", argnums)])
    if has_aux:
        require_pair(call.function.structure, "the result")
    paths = _structure(call, has_aux).paths("result")
    for path, type in zip(paths, _results(call, has_aux), strict=True):
        if not type.dtype.is_float:
            raise GradientError(
                f"{name}: a result of no float type",
                facts=[(path, type)],
                hint="return (result, rest) and pass has_aux=True",
            )
    return call


def _structure(call: TracedCall, has_aux: bool) -> tree.Structure:
    """That of the differentiated result."""
    whole: tree.Structure = call.function.structure
    return whole.children[0] if has_aux else whole


def _results(call: TracedCall, has_aux: bool) -> list[TensorType]:
    """The types of the differentiated results, which come first."""
    count = _structure(call, has_aux).leaf_count
    return [value.type for value in call.graph.outputs[:count]]


def _finished(call: TracedCall, value: Any, rows: Sequence[Sequence[Tensor]], has_aux: bool) -> Any:
    """The Jacobian in its structure: one row a result, with one leaf an argument leaf."""
    leaves = [call.structure.unflatten(row) for row in rows]
    jacobian = _structure(call, has_aux).unflatten(leaves)
    return (jacobian, value[1]) if has_aux else jacobian


def _evaluate(
    call: TracedCall, graph: Graph, basis: Sequence[Tensor], rest: Sequence[Tensor] = ()
) -> tuple[Any, list[Tensor]]:
    """The value of the function, and the derivatives for all directions of a basis."""
    count = len(call.graph.outputs)
    operands = operands_of(call.function, call.tensors)
    is_batched = [False] * len(operands) + [True] * len(basis) + [False] * len(rest)
    size = basis[0].shape[0] if basis else 0
    forced = [i >= count for i in range(len(graph.outputs))]
    batched, _ = autodiff.batch_graph(graph, is_batched, size, forced)
    outputs = run_graph(batched, [*operands, *basis, *rest])
    return finish(call.function, outputs), outputs[count:]


def _basis(types: Sequence[TensorType]) -> list[Tensor]:
    """For each type all directions of the whole, stacked: a block of the identity matrix."""
    sizes = [dims.product(type.shape) for type in types]
    starts = list(accumulate(sizes, initial=0))
    return [
        _block(starts[-1], start, size, type)
        for start, size, type in zip(starts, sizes, types, strict=False)
    ]


def _block(count: Size, start: Size, size: Size, type: TensorType) -> Tensor:
    """`[count, *shape]`, with the identity in the rows from `start` on and zeros elsewhere."""
    (row,) = apply(ops.Iota((count, size), 0, dtypes.i64), [])
    (column,) = apply(ops.Iota((count, size), 1, dtypes.i64), [])
    (first,) = apply(ops.SizeOf(start), [])
    block: Tensor = ops.convert(row == column + first, type.dtype)
    return _reshaped(block, (count, *type.shape))


def _parted(stack: Tensor, types: Sequence[TensorType]) -> list[tuple[Tensor, TensorType]]:
    """What belongs to each type among the derivatives for all directions of a basis."""
    sizes = [dims.product(type.shape) for type in types]
    starts = accumulate(sizes, initial=0)
    return [
        (ops.slice_axis(stack, 0, start, start + size), type)
        for start, size, type in zip(starts, sizes, types, strict=False)
    ]


def _columns(stack: Tensor, type: TensorType) -> Tensor:
    """`[size, *result] -> [*result, *argument]`."""
    turned: Tensor = ops.moveaxis(stack, 0, stack.ndim - 1)
    return _reshaped(turned, (*stack.shape[1:], *type.shape))


def _rows(stack: Tensor, type: TensorType) -> Tensor:
    """`[size, *argument] -> [*result, *argument]`."""
    return _reshaped(stack, (*type.shape, *stack.shape[1:]))


def _reshaped(tensor: Tensor, shape: Sequence[Size]) -> Tensor:
    result: Tensor = ops.reshape(tensor, shape)
    return result
