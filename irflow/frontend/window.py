"""Keys that name a window of a tensor: neighbours along each axis, from a place that may be known
only when the graph runs. What is written there needs no table of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from irflow import ops
from irflow.dims import Size
from irflow.frontend.indexing import bounds_of, completed, is_gathered, position_of
from irflow.ops.operand import GraphOperand
from irflow.records import dataclass
from irflow.scalars import Scalar, find

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Some neighbours along each axis of a tensor.

    Attributes:
        x: the tensor.
        starts: the first position along each axis; a tensor in `i64` where it is not known.
        sizes: how many there are.
        shape: of `x[key]`, without axes that an integer names.
    """

    x: Tensor
    starts: list[int | Tensor] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)
    shape: list[Size] = field(default_factory=list)

    @classmethod
    def of(cls, x: Tensor, key: Sequence[Any]) -> Window | None:
        """The window that a key names; None where it names other elements, or none."""
        found = cls(x)
        parts = (part for part in completed(key, x) if part is not Ellipsis)
        return found if all(map(found._takes, parts)) and 0 not in found.sizes else None

    def _takes(self, part: Any) -> bool:
        """Add a part of the key, if a window can have it."""
        if part is None:
            self.shape.append(1)
            return True
        axis = len(self.starts)
        size = self.x.shape[axis]
        if isinstance(part, slice):
            first, end, step, is_reversed = bounds_of(part, size)
            self.shape.append(end - first)
            return self._adds(first, end - first) and step == 1 and not is_reversed
        if is_gathered(part):
            is_place = part.ndim == 0 and part.dtype.is_integer
            return is_place and self._adds(ops.wrap_indices(part, size), 1)
        return self._adds(position_of(part, size, axis), 1)

    def _adds(self, start: Any, size: Size) -> bool:
        self.starts.append(start)
        self.sizes.append(size)
        return isinstance(start, (int, GraphOperand))

    def written(self, value: Tensor, row: Scalar | None, is_dropped: bool) -> Tensor:
        """The tensor with a value of `shape` in the window, joined by a row to what is there.

        Args:
            value: what to write.
            row: None to replace what is there.
            is_dropped: whether nothing is written to a window outside; else it is the nearest one.
        """
        x, sizes = self.x, tuple(self.sizes)
        starts, new = self._start_tensor(), ops.reshape(value, sizes)
        is_inside = self._is_inside() if is_dropped else None
        if row is not None or is_inside is not None:
            old = ops.dynamic_slice(x, starts, sizes)
            new = row(old, new) if row is not None else new
            if is_inside is not None:
                new = find("where")(ops.broadcast_to(is_inside, sizes), new, old)
        return cast("Tensor", ops.dynamic_update_slice(x, new, starts))

    def _start_tensor(self) -> Tensor:
        if all(isinstance(start, int) for start in self.starts):
            return self._constant(self.starts)
        each = [self._constant(s) if isinstance(s, int) else s for s in self.starts]
        return cast("Tensor", ops.stack(each, 0))

    def _constant(self, numbers: object) -> Tensor:
        return self.x.constant(np.asarray(numbers, np.int64))

    def _is_inside(self) -> Any | None:
        """Whether the places that were not known are inside; None if all were."""
        conditions = []
        for axis, start in enumerate(self.starts):
            if not isinstance(start, int):
                size = ops.size_of(start, self.x.shape[axis], start.dtype)
                conditions += [start >= 0, start < size]
        return reduce(find("logical_and"), conditions) if conditions else None
