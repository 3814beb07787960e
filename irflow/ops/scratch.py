"""What nests with memory of their own are made of: scratch buffers and loops over rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from irflow import dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.loops.nodes import Expr, Load, LoopKind, Space


class Scratch:
    """Memory that a nest works in, of the type in which kernels compute.

    It lives until the scope in which it is made ends, and its content is undefined at first.

    Args:
        context: the `NestContext`.
        dtype: of the elements; 16-bit floats are held as f32.
        shape: symbolic sizes are allowed.
        name: as it appears in listings.
    """

    def __init__(self, context: Any, dtype: DType, shape: Sequence[Size], name: str) -> None:
        self.context = context
        wide = dtypes.compute_dtype(dtype)
        self.buffer = context.builder.alloc(wide, tuple(shape), Space.GLOBAL, name)

    def get(self, *index: Expr) -> Expr:
        """An element as it is now."""
        place = tuple(self.context.index(part) for part in index)
        value: Expr = self.context.builder.let(Load(self.buffer, place), self.buffer.name)
        return value

    def set(self, index: Sequence[Expr], value: Expr) -> None:
        """Write an element."""
        place = [self.context.index(part) for part in index]
        self.context.builder.store(self.buffer, place, value)


@contextmanager
def outer_loops(context: Any, shape: Sequence[Size]) -> Iterator[list[Expr]]:
    """Loops over independent rows or matrices, the first one of several for threads."""
    with ExitStack() as stack:
        wide = next((axis for axis, size in enumerate(shape) if size != 1), None)
        kinds = [
            LoopKind.PARALLEL if axis == wide else LoopKind.SERIAL for axis in range(len(shape))
        ]
        pairs = zip(shape, kinds, strict=True)
        yield [stack.enter_context(context.one_loop(size, kind, "i")) for size, kind in pairs]


def without(items: Sequence[Any], axis: int) -> tuple[Any, ...]:
    """`items` but for the one of an axis."""
    return (*items[:axis], *items[axis + 1 :])


def with_axis(items: Sequence[Any], axis: int, item: Any) -> list[Any]:
    """`items` with one more at `axis`: the inverse of `without`."""
    return [*items[:axis], item, *items[axis:]]
