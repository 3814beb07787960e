"""Named arrays as one safetensors block, and back.

Element types that safetensors does not know everywhere are stored as plain ones: bf16 as its bits
in u16, complex numbers as pairs of floats in a last axis of two. The manifest has the true type of
each array, which is checked against the block before anything is made of it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from irflow import dtypes
from irflow.dtypes import DType
from irflow.errors import ArtifactError, IrflowError
from irflow.records import dataclass

MAX_HEADER = 100_000_000
_STORED = {dtypes.bf16: dtypes.u16, dtypes.complex64: dtypes.f32, dtypes.complex128: dtypes.f64}
_CODES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in "iu" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"F{bits}" for bits in (16, 32, 64)},
}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """What the manifest says of an array."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def stored(self) -> tuple[str, tuple[int, ...]]:
        """The dtype code and shape in the safetensors header."""
        is_pair = self.dtype.kind == "complex"
        code = _CODES[_STORED.get(self.dtype, self.dtype).name]
        return code, (*self.shape, 2) if is_pair else self.shape


def array_type(array: np.ndarray) -> ArrayType:
    """The type of an array; DTypeError for strings, objects and the like."""
    return ArrayType(dtypes.from_numpy(array.dtype), array.shape)


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The safetensors block of `arrays`."""
    return bytes(safetensors.numpy.save({name: _stored(a) for name, a in sorted(arrays.items())}))


def _stored(array: np.ndarray) -> np.ndarray:
    dtype = dtypes.from_numpy(array.dtype)
    native = np.array(array, dtype.numpy, order="C")
    plain = _STORED.get(dtype)
    if plain is None:
        return native
    shape = array_type(array).stored[1]
    return native.reshape(-1).view(plain.numpy).reshape(shape)


def decode_arrays(content: bytes, types: Mapping[str, ArrayType]) -> dict[str, np.ndarray]:
    """The arrays of a block that must hold exactly those of `types`, each writable.

    Raises:
        ArtifactError: the block is malformed, or is not what `types` says.
    """
    _check_header(content, types)
    try:
        stored = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"the arrays are damaged: {error}") from None
    return {name: _restored(name, stored[name], type) for name, type in types.items()}


def _check_header(content: bytes, types: Mapping[str, ArrayType]) -> None:
    header = _header(content)
    header.pop("__metadata__", None)
    if header.keys() != types.keys():
        odd = sorted(header.keys() ^ types.keys())
        raise ArtifactError(f"the manifest and the arrays do not agree on {odd[0]!r}")
    for name, type in types.items():
        code, shape = type.stored
        entry = header[name]
        if not isinstance(entry, dict) or entry.get("dtype") != code:
            raise ArtifactError(f"array {name!r} is not stored as the manifest says")
        if entry.get("shape") != list(shape):
            raise ArtifactError(f"array {name!r} is not stored as the manifest says")


def _header(content: bytes) -> dict[str, object]:
    if len(content) < 8:
        raise ArtifactError("the arrays end before their header")
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(MAX_HEADER, len(content) - 8):
        raise ArtifactError("the header of the arrays is longer than they are")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise ArtifactError("the header of the arrays is malformed") from None
    if not isinstance(header, dict):
        raise ArtifactError("the header of the arrays is no table")
    return header


def _restored(name: str, stored: np.ndarray, type: ArrayType) -> np.ndarray:
    if type.dtype is dtypes.bool_ and np.any(stored.view(np.uint8) > 1):
        raise ArtifactError(f"array {name!r}: a bool is stored as a byte other than 0 and 1")
    plain = stored.reshape(-1)
    array = plain.view(type.dtype.numpy).reshape(type.shape)
    return array if array.flags.writeable else array.copy()


def describe_types(types: Mapping[str, ArrayType]) -> dict[str, object]:
    """The types as the manifest writes them."""
    return {n: {"dtype": t.dtype.name, "shape": list(t.shape)} for n, t in sorted(types.items())}


def read_types(described: Mapping[str, object]) -> dict[str, ArrayType]:
    """The types that a manifest describes; ArtifactError when it does so wrongly."""
    return {name: _read_type(name, entry) for name, entry in described.items()}


def _read_type(name: str, entry: object) -> ArrayType:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape"}:
        raise ArtifactError(f"manifest: array {name!r} needs a dtype and a shape")
    dtype, shape = entry["dtype"], entry["shape"]
    is_shape = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not isinstance(dtype, str) or not is_shape or math.prod(shape) >= 2**62:
        raise ArtifactError(f"manifest: array {name!r} has a malformed dtype or shape")
    try:
        return ArrayType(dtypes.parse(dtype), tuple(shape))
    except IrflowError as error:
        raise ArtifactError(f"manifest: array {name!r}: {error.summary}") from None
