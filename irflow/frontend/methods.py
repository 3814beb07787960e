"""The methods of a tensor: the shape changed, elements combined along axes, NumPy's names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from irflow import ops
from irflow.dims import Size
from irflow.dtypes import DTypeLike
from irflow.errors import DTypeError, ShapeError, UnsupportedError
from irflow.frontend.boundary import public
from irflow.frontend.device import CPU, require_cpu
from irflow.frontend.promotion import normalize_axes, solve_shape
from irflow.frontend.reductions import Axis, arg_extreme, extreme, mean, no_out, total
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.frontend.tensor import Tensor


class Methods:
    """The part of `Tensor` that users call by name.

    The reductions take `dtype` and `out`, for `np.sum(tensor)` hands both on; `out` must be None.
    """

    __slots__ = ()

    @property
    def size(self) -> Size:
        """The number of elements."""
        return _tensor(self).type.size

    @property
    def device(self) -> str:
        """Where the elements are: `"cpu"`, the only device of eager tensors."""
        return CPU

    @public
    def to_device(self, device: str, /, *, stream: object = None) -> Tensor:
        """The tensor on a device, of which there is one, `"cpu"`, without streams."""
        require_cpu(device)
        if stream is not None:
            raise UnsupportedError("to_device: the cpu has no streams")
        return _tensor(self)

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    @property
    @public
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        x = _tensor(self)
        if x.ndim < 2:
            raise ShapeError("mT: a matrix has two axes", facts=[("operand", x.type)])
        return cast("Tensor", ops.matrix_transpose(x))

    @public
    def transpose(self, *axes: Any) -> Tensor:
        """The axes in the order given, reversed by default."""
        x = _tensor(self)
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = range(x.ndim)[::-1] if given is None or not axes else given
        return cast("Tensor", ops.transpose(x, normalize_axes(tuple(order), x.ndim)))

    @public
    def reshape(self, *shape: Any) -> Tensor:
        """The same elements under another shape; one size may be -1."""
        x = _tensor(self)
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return cast("Tensor", ops.reshape(x, solve_shape(x.type, sizes)))

    def flatten(self) -> Tensor:
        """All elements along one axis."""
        return self.reshape(-1)

    @public
    def sum(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Tensor:
        """The sum along `axis` (an int, several, or all by default)."""
        return total(find("add"), _operand(self, dtype, out), axis, keepdims)

    @public
    def prod(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Tensor:
        """The product along `axis`."""
        return total(find("multiply"), _operand(self, dtype, out), axis, keepdims)

    @public
    def max(self, axis: Axis = None, keepdims: bool = False, *, out: None = None) -> Tensor:
        """The largest element along `axis`; NaN where there is one."""
        return extreme(find("maximum"), _operand(self, None, out), axis, keepdims, "max")

    @public
    def min(self, axis: Axis = None, keepdims: bool = False, *, out: None = None) -> Tensor:
        """The smallest element along `axis`; NaN where there is one."""
        return extreme(find("minimum"), _operand(self, None, out), axis, keepdims, "min")

    @public
    def mean(
        self,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        dtype: DTypeLike | None = None,
        out: None = None,
    ) -> Tensor:
        """The arithmetic mean along `axis`, in a float type."""
        return mean(_operand(self, dtype, out), axis, keepdims)

    @public
    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The index of the first largest element along `axis`, of all elements by default."""
        return arg_extreme("max", _tensor(self), axis, keepdims)

    @public
    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The index of the first smallest element along `axis`, of all elements by default."""
        return arg_extreme("min", _tensor(self), axis, keepdims)

    @public
    def __len__(self) -> int:
        shape = _tensor(self).shape
        if not shape:
            raise DTypeError("len() of a tensor without axes")
        return int(shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        x = _tensor(self)
        return (x[i] for i in range(len(x)))

    def __format__(self, spec: str) -> str:
        x = _tensor(self)
        is_number = bool(spec) and not x.shape
        return format(x.item() if is_number else str(x), spec)

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """The array API standard's functions: `irflow.numpy`."""
        # By name and at run time: the namespace stands above this module, and imports it.
        namespace = importlib.import_module("irflow.numpy")
        if api_version is not None and api_version not in namespace.SUPPORTED_VERSIONS:
            raise UnsupportedError(
                f"version {api_version!r} of the array API standard",
                facts=[("supported", ", ".join(namespace.SUPPORTED_VERSIONS))],
            )
        return namespace


def _tensor(x: Methods) -> Tensor:
    """What `x` is: `Tensor` alone has these methods."""
    return cast("Tensor", x)


def _operand(x: Methods, dtype: DTypeLike | None, out: object) -> Tensor:
    """The tensor to reduce, in the type to reduce it in."""
    no_out(out)
    return _tensor(x) if dtype is None else _tensor(x).astype(dtype)
