"""What the ops of control flow share: making regions, their types, which values are active."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from irflow import dims
from irflow.errors import DTypeError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ir.types import TensorType
from irflow.ops.constants import Constant
from irflow.ops.operand import Handle
from irflow.ops.regions import check_types, region_sizes

Types = Sequence[TensorType]


def new_region(name: str, *groups: Types) -> tuple[Graph, list[list[Handle]]]:
    """An empty region with inputs of the types in `groups`, and their handles, grouped alike."""
    region = Graph(name)
    builder = Builder(region)
    handles = [[Handle(builder, region.add_input(type)) for type in types] for types in groups]
    return region, handles


def inlined(builder: Builder, region: Graph, operands: Sequence[Handle]) -> list[Handle]:
    """The results of the nodes of `region`, put where `builder` stands."""
    values = builder.inline(region, [operand.value for operand in operands])
    return [Handle(builder, value) for value in values]


def returning(region: Graph, *groups: Sequence[Handle]) -> Graph:
    """`region`, which returns all handles from now on."""
    region.set_outputs([handle.value for handles in groups for handle in handles])
    return region


def results_of(name: str, region: Graph, types: Types) -> tuple[TensorType, ...]:
    """The types that a region returns for operands of `types`; ShapeError if they do not fit."""
    sizes = region_sizes(name, region, types)
    return tuple(type.substitute(sizes) for type in region.output_types)


def fitted(name: str, region: Graph, types: Types) -> Graph:
    """The region with its own symbolic sizes replaced by those of the operands."""
    sizes = region_sizes(name, region, types)
    return region.copy(sizes) if sizes else region


def check_carry(name: str, types: Types, results: Types) -> None:
    """ShapeError unless a body returns the carry in the types in which it takes it."""
    check_types(name, "carried results of the body", results, types)


def check_scalar(name: str, what: str, type: TensorType, expected: TensorType) -> None:
    """DTypeError unless a type is the scalar type that is expected."""
    if type != expected:
        raise DTypeError(f"{name}: {what} is no {expected}", facts=[("given", type)])


def types_of(handles: Iterable[Any]) -> list[TensorType]:
    """The types of operands."""
    return [handle.type for handle in handles]


def reached(graph: Graph, positions: Iterable[int]) -> set[Value]:
    """The values on which a derivative by the inputs at `positions` may depend."""
    found = {graph.inputs[i] for i in positions}
    for node in graph:
        if any(value in found for value in node.inputs):
            found.update(v for v in node.outputs if v.type.dtype.is_inexact)
    return found


def active_inputs(body: Graph, constants: int, carries: int, active: Iterable[int]) -> list[int]:
    """The inputs of a loop's body that have derivatives when those in `active` have at the start.

    A carry joins them once a result that goes into it depends on one of them.

    Args:
        body: takes constants, carries and more; returns the carries first.
        constants: how many.
        carries: how many.
        active: positions of inputs.

    Returns:
        Ascending positions.
    """
    known = set(active)
    while True:
        found = reached(body, known)
        pairs = zip(range(constants, constants + carries), body.outputs, strict=False)
        new = {i for i, value in pairs if value in found} - known
        if not new:
            return sorted(known)
        known |= new


def size_givers(given: Types, candidates: Types) -> list[int]:
    """Which candidates an op must also take so that every symbolic size occurs in an operand."""
    known = {s.name for type in given for s in dims.shape_symbols(type.shape)}
    chosen = []
    for position, type in enumerate(candidates):
        names = {s.name for s in dims.shape_symbols(type.shape)}
        if not names <= known:
            known |= names
            chosen.append(position)
    return chosen


def zeros(builder: Builder, type: TensorType) -> Handle:
    """Zeros of a type."""
    (value,) = builder.emit(Constant.of(np.zeros((), type.dtype.numpy)), ())
    return Handle(builder, value).full(0, type.shape)


def zeros_or(handle: Handle | None, type: TensorType, builder: Builder) -> Handle:
    """A cotangent, or zeros in the place of None."""
    return zeros(builder, type) if handle is None else handle
