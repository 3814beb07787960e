"""`x.at[key].add(value)` and its like, spelled as in JAX: a copy with some elements changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from irflow.frontend.boundary import public

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor

Change = Callable[[Any, Any, Any, str], Any]
"""A tensor, a key, a value and a kind of `scatter` to the changed tensor."""


class At:
    """What `x.at` is: indexing it gives a `Place`."""

    __slots__ = ("_change", "_tensor")

    def __init__(self, tensor: Tensor, change: Change) -> None:
        self._tensor, self._change = tensor, change

    def __getitem__(self, key: Any) -> Place:
        return Place(self._tensor, key, self._change)


class Place:
    """The elements `x[key]` of a tensor, to be read or changed in a copy of it.

    A value broadcasts to the shape of `x[key]` and takes the element type of `x`. Where the key
    names an element several times, all values are joined, in row-major order; `set` keeps the last.
    A known position outside of `x` is an error; one that is known only when a compiled function
    runs drops its value, as in JAX, where `get` reads the nearest element. Gradients are those of
    the op `scatter`: `min` and `max` share the cotangent evenly among equal elements.

    >>> import irflow as irf
    >>> irf.asarray([1, 2, 3]).at[[0, 0, 2]].add(10).tolist()
    [21, 2, 13]
    """

    __slots__ = ("_change", "_key", "_tensor")

    def __init__(self, tensor: Tensor, key: Any, change: Change) -> None:
        self._tensor, self._key, self._change = tensor, key, change

    def _changed(self, value: Any, kind: str) -> Tensor:
        result: Tensor = self._change(self._tensor, self._key, value, kind)
        return result

    @public
    def get(self) -> Tensor:
        """The elements, `x[key]`."""
        return self._tensor[self._key]

    @public
    def set(self, value: Any) -> Tensor:
        """The tensor with `value` in their place."""
        return self._changed(value, "set")

    @public
    def add(self, value: Any) -> Tensor:
        """The tensor with `value` added to them."""
        return self._changed(value, "add")

    @public
    def multiply(self, value: Any) -> Tensor:
        """The tensor with them multiplied by `value`."""
        return self._changed(value, "multiply")

    @public
    def min(self, value: Any) -> Tensor:
        """The tensor with each of them replaced by `value` where that is smaller."""
        return self._changed(value, "min")

    @public
    def max(self, value: Any) -> Tensor:
        """The tensor with each of them replaced by `value` where that is larger."""
        return self._changed(value, "max")
