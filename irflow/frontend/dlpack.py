"""DLPack, by which libraries hand arrays to each other without a copy.

https://dmlc.github.io/dlpack. NumPy makes and reads the capsules. It does not know bf16: for that
the element type noted in a capsule is changed, to and from integers of the same size.
"""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

from irflow.errors import DTypeError, ExportError, UnsupportedError
from irflow.frontend.boundary import public

CPU = (1, 0)
DEVICES = {1: "cpu", 2: "cuda", 3: "cuda host", 4: "opencl", 7: "vulkan", 8: "metal", 10: "rocm"}
READ_ONLY_SINCE = (1, 0)  # the version from which a capsule can say that it is not to be written to

UNSIGNED = 1  # DLPack's numbers of kinds of elements
BFLOAT = 4

# Where the kind of the elements is noted, in bytes from the start of the struct: after a pointer,
# the device and the rank; from version 1.0 on, these follow a version, two pointers and flags.
PLACES = {b"dltensor": 20, b"dltensor_versioned": 52}

BF16 = np.dtype(ml_dtypes.bfloat16)


def capsule_of(
    array: np.ndarray,
    stream: object,
    max_version: tuple[int, int] | None,
    device: tuple[int, int] | None,
    copy: bool | None,
) -> object:
    """The capsule for an array that the consumer must not write to.

    Args:
        array: of any element type.
        stream: None; the cpu has none.
        max_version: the version up to which the consumer understands capsules.
        device: where it wants the elements: None or `(1, 0)`, the cpu.
        copy: True copies, False raises where a copy is needed: a consumer of a version below
            1.0 cannot be told not to write, and so gets one.

    Raises:
        UnsupportedError: a stream.
        ExportError: another device; `copy=False` where a copy is needed.
    """
    if stream is not None:
        raise UnsupportedError("__dlpack__: the cpu has no streams", facts=[("stream", stream)])
    if device is not None and tuple(device) != CPU:
        kind = DEVICES.get(device[0], "unknown")
        facts = [("asked for", f"{tuple(device)}, {kind}"), ("there is", f"{CPU}, cpu")]
        raise ExportError("__dlpack__: the elements are on the cpu", facts=facts)
    is_old = max_version is None or tuple(max_version) < READ_ONLY_SINCE
    if is_old and copy is False:
        raise ExportError(
            "__dlpack__: copy=False, but only from version 1.0 on memory can be marked read-only",
            facts=[("max_version", max_version)],
        )
    view = array.view(np.uint16) if array.dtype == BF16 else array.view()
    if is_old:
        view = view.copy()
    elif not copy:
        view.flags.writeable = False
    copies = True if copy and not is_old else None  # which NumPy makes, and notes in the capsule
    capsule = view.__dlpack__(max_version=max_version, copy=copies)
    return _retyped(capsule, UNSIGNED, BFLOAT) if array.dtype == BF16 else capsule


@public
def array_from_dlpack(x: Any, copy: bool | None = None) -> np.ndarray:
    """The elements of anything that has `__dlpack__`, as an array.

    Raises:
        UnsupportedError: it is not on the cpu.
        DTypeError: its element type is none of NumPy's, nor bf16.
    """
    device = tuple(x.__dlpack_device__())
    if device[0] != CPU[0]:
        kind = DEVICES.get(int(device[0]), "unknown")
        raise UnsupportedError(
            "from_dlpack: only the cpu's memory can be read",
            facts=[("it is on", f"{(int(device[0]), int(device[1]))}, {kind}")],
            hint="move it to the cpu first",
        )
    exporter = _Exporter(x)
    try:
        array = np.from_dlpack(exporter, copy=False if copy is False else None)
    except (BufferError, RuntimeError) as error:
        raise DTypeError(
            "from_dlpack: the array cannot be read", facts=[("reason", error)]
        ) from error
    typed = array.view(BF16) if exporter.is_bf16 else array
    return typed.copy() if copy else typed


class _Exporter:
    """An object with `__dlpack__`, whose bf16 elements are shown as integers."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.is_bf16 = False

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU

    def __dlpack__(self, **options: Any) -> Any:
        try:
            capsule = self.x.__dlpack__(**options)
        except TypeError:  # written before version 1.0, it knows `stream` alone
            capsule = self.x.__dlpack__()
        self.is_bf16 = _kind(capsule) == BFLOAT
        return _retyped(capsule, BFLOAT, UNSIGNED) if self.is_bf16 else capsule


def _retyped(capsule: object, old: int, new: int) -> object:
    place = _place(capsule)
    assert place.value == old
    place.value = new
    return capsule


def _kind(capsule: object) -> int:
    return int(_place(capsule).value)


def _place(capsule: object) -> ctypes.c_uint8:
    """The byte of an unused capsule that says which kind of elements there are."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = (
        ctypes.c_char_p,
        (ctypes.py_object,),
    )
    api.PyCapsule_GetPointer.restype, api.PyCapsule_GetPointer.argtypes = (
        ctypes.c_void_p,
        (ctypes.py_object, ctypes.c_char_p),
    )
    name = api.PyCapsule_GetName(capsule)
    return ctypes.c_uint8.from_address(api.PyCapsule_GetPointer(capsule, name) + PLACES[name])
