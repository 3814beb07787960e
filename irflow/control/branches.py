"""`cond` and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from irflow import dtypes, ops
from irflow.control.closing import Leaves, Region, current, trace, union, updated
from irflow.control.messages import check_functions, difference, name_of, scalar
from irflow.control.plain import is_plain, run_plainly
from irflow.dtypes import DType
from irflow.errors import DTypeError, ShapeError, TreeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, apply
from irflow.frontend.tracing import TracedFunction

Function = Callable[..., Any]


@public
def cond(pred: Any, true_fun: Function, false_fun: Function, *operands: Any) -> Any:
    """`true_fun(*operands)` where `pred` holds, else `false_fun(*operands)`.

    Both functions are traced, one runs. They return the same structure, shapes and element types.

    Args:
        pred: a scalar; a number holds unless it is 0.
        true_fun: takes the operands.
        false_fun: takes the operands.
        *operands: tensors in any nesting.

    Raises:
        ShapeError: `pred` is no scalar, or the functions return other shapes.
        DTypeError, TreeError: they return other element types or structures.

    >>> float(cond(True, lambda x: x + 1, lambda x: x * 10, 2.0))
    3.0
    """
    check_functions("cond", true_fun=true_fun, false_fun=false_fun)
    tensor = scalar("cond", "the predicate", "pred", pred)
    if tensor.shape:
        raise ShapeError(
            "cond: the predicate is no scalar",
            facts=[("pred", tensor.type)],
            hint="reduce it, for example with inp.any; inp.where chooses element by element",
        )
    truth = tensor if tensor.dtype is dtypes.bool_ else tensor != 0
    if is_plain():
        return run_plainly(true_fun if bool(truth) else false_fun, operands)
    index = ops.convert(truth, dtypes.i64)
    return _choose("cond", index, (false_fun, true_fun), operands, ("false_fun", "true_fun"))


@public
def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """`branches[index](*operands)`; an index outside is clipped.

    All functions are traced, one runs. They return the same structure, shapes and element types.

    Args:
        index: an integer scalar.
        branches: at least one function of the operands.
        *operands: tensors in any nesting.

    Raises:
        UsageError: there is no branch.
        ShapeError: `index` is no scalar, or the functions return other shapes.
        DTypeError, TreeError: `index` is no integer, or they return other element types or
            structures.

    >>> float(switch(7, [lambda x: x, lambda x: -x], 2.0))
    -2.0
    """
    functions = tuple(branches)
    if not functions:
        raise UsageError("switch: there is no branch")
    names = tuple(f"branches[{i}]" for i in range(len(functions)))
    check_functions("switch", **dict(zip(names, functions, strict=True)))
    tensor = scalar("switch", "the index", "index", index)
    if tensor.shape:
        raise ShapeError("switch: the index is no scalar", facts=[("index", tensor.type)])
    if not tensor.dtype.is_integer:
        raise DTypeError("switch: the index is no integer", facts=[("index", tensor.type)])
    if is_plain():
        return run_plainly(functions[min(max(int(tensor), 0), len(functions) - 1)], operands)
    return _choose("switch", ops.convert(tensor, dtypes.i64), functions, operands, names)


def _choose(
    name: str, index: Tensor, functions: Sequence[Function], operands: Any, labels: Sequence[str]
) -> Any:
    leaves = Leaves.of(name, operands, "operands")
    traced = [
        trace(f, leaves.arguments(), leaves.structure.children, name_of(f, name)) for f in functions
    ]
    wanted = _common_types(name, traced, labels)
    captures, variables = union(traced), updated(traced)
    regions = []
    for function in traced:
        region = Region(function, captures)
        results = [
            ops.convert(r, dtype) for r, (dtype, _) in zip(region.results, wanted, strict=True)
        ]
        regions.append(region.returning([*results, *map(region.variable, variables)]))
    found = apply(ops.Switch(), [index, *current(captures), *leaves.tensors], regions)
    for variable, value in zip(variables, found[len(wanted) :], strict=True):
        variable.assign(value)
    results = [
        tensor.weakened() if weak else tensor
        for tensor, (_, weak) in zip(found, wanted, strict=False)
    ]
    return traced[0].structure.unflatten(results)


def _common_types(
    name: str, traced: Sequence[TracedFunction], labels: Sequence[str]
) -> list[tuple[DType, bool]]:
    """The element types that all branches return; numbers without a strong type give way."""
    first = traced[0]
    for function, label in zip(traced[1:], labels[1:], strict=True):
        if function.structure != first.structure:
            where, one, other = difference(first.structure, function.structure, "result")
            facts = [
                (labels[0], first.structure.describe(), f"{where} is {one}"),
                (label, function.structure.describe(), f"{where} is {other}"),
            ]
            raise TreeError(f"{name}: the branches return different structures", facts=facts)
    paths = first.structure.paths("result")
    return [_common_type(name, traced, labels, i, path) for i, path in enumerate(paths)]


def _common_type(
    name: str, traced: Sequence[TracedFunction], labels: Sequence[str], leaf: int, path: str
) -> tuple[DType, bool]:
    types = [function.graph.outputs[leaf].type for function in traced]
    weak = [function.weak[leaf] for function in traced]
    facts = [
        (label, path, f"{type}{' (weak)' * is_weak}")
        for label, type, is_weak in zip(labels, types, weak, strict=True)
    ]
    if any(type.shape != types[0].shape for type in types):
        raise ShapeError(
            f"{name}: the branches return different shapes",
            facts=facts,
            hint="broadcast, pad or reduce in the branches until the shapes are equal",
        )
    dtype, is_weak = dtypes.promote(*((t.dtype, w) for t, w in zip(types, weak, strict=True)))
    if any(type.dtype is not dtype for type, w in zip(types, weak, strict=True) if not w):
        raise DTypeError(
            f"{name}: the branches return different element types",
            facts=facts,
            hint=f'convert in the branches, for example by .astype("{dtype}")',
        )
    return dtype, is_weak
