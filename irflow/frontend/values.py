"""What Python, NumPy and DLPack ask of a tensor: its value."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.dlpack import CPU, capsule_of

NUMPY_HINT = "irflow.numpy has NumPy's functions for tensors whose values are not known yet"


class Values:
    """The part of `Tensor` that gives its value away; needs the array, and so no tracing."""

    __slots__ = ()

    @abstractmethod
    def demand(self, wanted: str, hint: str | None = None) -> np.ndarray:
        """The array, not to be written to; the error says what needs it."""

    @public
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The value for NumPy: shared and not to be written to, unless it is converted or copied.

        Raises:
            UsageError: `copy=False`, and another element type is asked for; a ValueError.
        """
        array = self.demand("a NumPy function", hint=NUMPY_HINT)
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise UsageError(
                    "__array__: copy=False, but the elements have to be converted",
                    facts=[("tensor", array.dtype), ("asked for", np.dtype(dtype))],
                )
            return array.astype(dtype)
        if copy:
            return array.copy()
        view = array.view()
        view.flags.writeable = False  # other tensors may share the memory
        return view

    @public
    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """The elements for another library: shared and not to be written to, as `capsule_of`."""
        return capsule_of(self.demand("__dlpack__"), stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's number of the cpu, and 0."""
        return CPU

    @public
    def numpy(self) -> np.ndarray:
        """The value as a NumPy array; a copy, so that writing into it changes no tensor."""
        return self.demand("numpy()").copy()

    @public
    def item(self) -> Any:
        """The value of a tensor of one element as a Python number."""
        return self.demand("item()").item()

    @public
    def tolist(self) -> Any:
        """The values as nested lists."""
        return self.demand("tolist()").tolist()

    @public
    def __bool__(self) -> bool:
        return bool(self.demand("a branch ('if', 'while', 'and', 'or', 'not')"))

    @public
    def __int__(self) -> int:
        return int(self.demand("int()").item())

    @public
    def __float__(self) -> float:
        return float(self.demand("float()").item())

    @public
    def __complex__(self) -> complex:
        return complex(self.demand("complex()").item())

    @public
    def __round__(self, digits: int | None = None) -> Any:
        return round(self.demand("round()").item(), digits)

    @public
    def __index__(self) -> int:
        return int(self.demand("an index").__index__())
