"""The methods of a tensor that `irflow.numpy` has as functions of the same names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from irflow.dtypes import DTypeLike
from irflow.frontend.boundary import public
from irflow.frontend.reductions import Axis, no_out

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


class NumpyMethods:
    """The part of `Tensor` that stands for functions of `irflow.numpy`.

    Those that NumPy's functions call, as `np.std(x)` calls `x.std`, take what these hand on.
    """

    __slots__ = ()

    @public
    def all(self, axis: Axis = None, keepdims: bool = False, *, out: None = None) -> Tensor:
        """Whether all elements along `axis` are true."""
        no_out(out)
        return _call("all", self, axis, keepdims)

    @public
    def any(self, axis: Axis = None, keepdims: bool = False, *, out: None = None) -> Tensor:
        """Whether one of the elements along `axis` is true."""
        no_out(out)
        return _call("any", self, axis, keepdims)

    @public
    def var(
        self,
        axis: Axis = None,
        ddof: float | None = None,
        keepdims: bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Tensor:
        """The squared deviation from the mean along `axis`, over the count less `ddof`."""
        return _call("var", _converted(self, dtype, out), axis, ddof, keepdims)

    @public
    def std(
        self,
        axis: Axis = None,
        ddof: float | None = None,
        keepdims: bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Tensor:
        """The square root of `var`."""
        return _call("std", _converted(self, dtype, out), axis, ddof, keepdims)

    @public
    def cumsum(self, axis: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
        """The sums of the elements up to each along `axis`, of all in one row by default."""
        return _call("cumsum", self, axis, dtype)

    @public
    def argsort(self, axis: int = -1) -> Tensor:
        """The positions that put the elements along `axis` in order."""
        return _call("argsort", self, axis)

    @public
    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """The elements, those below `min` or above `max` replaced by the bound."""
        return _call("clip", self, min, max)

    @public
    def round(self, decimals: int = 0) -> Tensor:
        """The elements rounded to so many digits, halves to even."""
        return _call("round", self, decimals)

    @public
    def dot(self, other: Any) -> Tensor:
        """NumPy's product with another tensor."""
        return _call("dot", self, other)

    @public
    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """The elements at `indices` along `axis`, of all in one row by default."""
        return _call("take", self, indices, axis)

    @public
    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Each element several times along `axis`, of all in one row by default."""
        return _call("repeat", self, repeats, axis)

    @public
    def ravel(self) -> Tensor:
        """All elements along one axis."""
        return _call("ravel", self)

    @public
    def squeeze(self, axis: int | Sequence[int] | None = None) -> Tensor:
        """The tensor without axes of size 1: those given, or all."""
        return _call("squeeze", self, axis)

    @public
    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        return _call("swapaxes", self, axis1, axis2)

    @public
    def copy(self) -> Tensor:
        """Another tensor of the same elements."""
        return _call("copy", self)


def _converted(x: NumpyMethods, dtype: DTypeLike | None, out: object) -> Any:
    no_out(out)
    return x if dtype is None else _call("astype", x, dtype)


def _call(name: str, *operands: Any) -> Tensor:
    # By name and at run time: the namespace stands above this module, and imports it.
    function: Callable[..., Tensor] = getattr(importlib.import_module("irflow.numpy"), name)
    return function(*operands)
