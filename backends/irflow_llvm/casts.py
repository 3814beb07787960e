"""Conversions between element types, as `irflow.loops.convert` defines them."""

from __future__ import annotations

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow_llvm.code import Value, suffix

SHORT = (dtypes.f16, dtypes.bf16)


def cast(value: Value, dtype: DType) -> Value:
    """`value` in another element type."""
    source, code = value.dtype, value.code
    if source is dtype:
        return value
    if source in SHORT:
        return cast(_widen(value), dtype)
    if dtype is dtypes.bool_:
        opcode = "fcmp une" if source.is_float else "icmp ne"
        return code.compare(opcode, value, code.zero(source, value.lanes))
    if dtype in SHORT:
        return _narrow(value, dtype)
    if dtype.is_float:
        return _to_float(value, dtype)
    return _float_to_integer(value, dtype) if source.is_float else _resize(value, dtype)


def _to_float(value: Value, dtype: DType) -> Value:
    code = value.code
    if value.dtype.is_float:
        return code.change("fpext" if dtype.bits > value.dtype.bits else "fptrunc", value, dtype)
    return code.change("sitofp" if value.dtype.kind == "int" else "uitofp", value, dtype)


def _resize(value: Value, dtype: DType) -> Value:
    """Between integers, or from bool."""
    source = value.dtype
    if source is dtypes.bool_ or dtype.bits > source.bits:
        return value.code.change("sext" if source.kind == "int" else "zext", value, dtype)
    if dtype.bits < source.bits:
        return value.code.change("trunc", value, dtype)
    return value.code.value(value.text, dtype, value.lanes)


def _float_to_integer(value: Value, dtype: DType) -> Value:
    """Saturating; NaN gives 0."""
    if dtype.bits <= 16:
        return _float_to_short(value, dtype)
    sign = "s" if dtype.kind == "int" else "u"
    target = suffix(value.code.value("", dtype, value.lanes))
    return value.code.call(f"llvm.fpto{sign}i.sat.{target}.{suffix(value)}", [value], dtype)


def _float_to_short(value: Value, dtype: DType) -> Value:
    """The same by way of 32 bits, which vectors convert to; LLVM would go lane by lane."""
    code = value.code
    limits = np.iinfo(dtype.numpy.str)
    low, high = (
        code.literal(float(end), value.dtype, value.lanes) for end in (limits.min, limits.max)
    )
    above = code.select(code.compare("fcmp ogt", value, low), value, low)
    inside = code.select(code.compare("fcmp olt", above, high), above, high)
    if dtype.kind == "int":
        is_nan = code.compare("fcmp uno", value, value)
        inside = code.select(is_nan, code.zero(value.dtype, value.lanes), inside)
    return cast(code.change("fptosi", inside, dtypes.i32), dtype)


def _widen(value: Value) -> Value:
    """A 16-bit float as f32, which is exact."""
    code = value.code
    if value.dtype is dtypes.f16:
        return code.change("fpext", value, dtypes.f32)
    bits = code.value(value.text, dtypes.u16, value.lanes)
    return code.change("bitcast", cast(bits, dtypes.u32) << 16, dtypes.f32)


def _narrow(value: Value, dtype: DType) -> Value:
    """To a 16-bit float, rounding to the nearest, ties to even."""
    if value.dtype is dtypes.f64 and dtype is dtypes.f16:
        value = _round_to_odd(value)
    value = cast(value, dtypes.f32)
    if dtype is dtypes.f16:
        return value.code.change("fptrunc", value, dtype)
    return _to_bf16(value)


def _to_bf16(value: Value) -> Value:
    code = value.code
    bits = code.change("bitcast", value, dtypes.u32)
    is_odd = (bits >> 16) & 1
    rounded = (bits + (is_odd + 0x7FFF)) >> 16
    # Rounding could carry a NaN over to infinity or zero.
    quiet = (bits >> 16) | 0x40
    is_nan = code.compare("fcmp uno", value, value)
    short = cast(code.select(is_nan, quiet, rounded), dtypes.u16)
    return code.value(short.text, dtypes.bf16, value.lanes)


def _round_to_odd(value: Value) -> Value:
    """An f64 as an f32 from which a second rounding gives what a single one would."""
    code = value.code
    near = code.change("fptrunc", value, dtypes.f32)
    back = code.change("fpext", near, dtypes.f64)
    is_exact = code.compare("fcmp oeq", back, value)
    is_above = code.compare("fcmp ogt", abs(back), abs(value))
    bits = code.change("bitcast", near, dtypes.u32)
    odd = (bits - cast(is_above, dtypes.u32)) | 1
    return code.change("bitcast", code.select(is_exact, bits, odd), dtypes.f32)


def through_f32(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Values with 16-bit floats widened, as rows are computed on them."""
    return tuple(cast(v, dtypes.f32) if v.dtype in SHORT else v for v in values)
