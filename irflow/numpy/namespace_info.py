"""`__array_namespace_info__()`: what a library can ask about this namespace."""

from __future__ import annotations

from irflow import dtypes
from irflow.dtypes import DType
from irflow.frontend.boundary import public
from irflow.frontend.device import CPU, require_cpu
from irflow.numpy.data_types import isdtype

SUPPORTED_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
"""Versions of the array API standard."""

STANDARD_TYPES = {
    "bool": dtypes.bool_,
    "int8": dtypes.i8,
    "int16": dtypes.i16,
    "int32": dtypes.i32,
    "int64": dtypes.i64,
    "uint8": dtypes.u8,
    "uint16": dtypes.u16,
    "uint32": dtypes.u32,
    "uint64": dtypes.u64,
    "float32": dtypes.f32,
    "float64": dtypes.f64,
    "complex64": dtypes.complex64,
    "complex128": dtypes.complex128,
}
"""The element types that the standard knows, by its names."""


class NamespaceInfo:
    """The namespace's answers, in the standard's words."""

    def capabilities(self) -> dict[str, bool | int | None]:
        """Masks as indices and `nonzero` work, on known values; ranks are not limited by us."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new tensors."""
        return CPU

    def devices(self) -> list[str]:
        """All devices."""
        return [CPU]

    @public
    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The element types of Python's numbers, and of positions."""
        require_cpu(device)
        return {
            "real floating": dtypes.DEFAULT_FLOAT,
            "complex floating": dtypes.complex64,
            "integral": dtypes.DEFAULT_INT,
            "indexing": dtypes.i64,
        }

    @public
    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The element types, all or those of a kind, as `isdtype` names kinds."""
        require_cpu(device)
        return {
            name: dtype
            for name, dtype in STANDARD_TYPES.items()
            if kind is None or isdtype(dtype, kind)
        }
