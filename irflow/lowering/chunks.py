"""Which part of a result a number stands for, where one parallel loop goes over all parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irflow.dims import Size
from irflow.loops import Expr, Var
from irflow.lowering.nest import NestContext
from irflow.lowering.values import Extent, extent_interval, index_of


def digits(context: NestContext, number: Expr, sizes: Sequence[Size]) -> Iterator[Expr]:
    """A number taken apart, the lowest digit first. Only the last size may be symbolic."""
    for size in sizes[:-1]:
        yield named(context, number % index_of(size), size)
        number = number // index_of(size)
    yield named(context, number, sizes[-1])


def named(context: NestContext, value: Expr, extent: Extent) -> Expr:
    """An index that is computed once, and of which it is known that it is below `extent`."""
    found = context.builder.let(context.index(value), "part")
    if isinstance(found, Var):
        context.known[found.name] = extent_interval(extent)
    return found
