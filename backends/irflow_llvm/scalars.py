"""The table of scalar rows: how each is spelled in LLVM IR. A row without an entry is expanded.

A spelling takes its operands and writes instructions; it gives None for element types it has no
spelling for. 16-bit floats are computed in f32 and rounded once. Integer division by zero gives 0,
and shifts of the width or more give what they would give bit by bit. No instruction carries fast-
math flags: sums keep their order, and a product and a sum of the program are never contracted. The
functions of `elementary` and its neighbours use `code.fma` inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from irflow import dtypes
from irflow.errors import UnsupportedError
from irflow.scalars import Scalar
from irflow_llvm import (
    elementary,
    error_functions,
    hyperbolic,
    logarithms,
    powers,
    trigonometric,
    words,
)
from irflow_llvm.casts import SHORT, cast, through_f32
from irflow_llvm.code import Value

Spelling = Callable[..., Value | None]


def spell(row: Scalar, args: tuple[Value, ...]) -> Value:
    """Write the instructions of a row.

    Raises:
        DTypeError: the row does not take these types.
        UnsupportedError: it has neither a spelling nor an expansion for them.
    """
    result = row.infer([a.dtype for a in args])
    wide = through_f32(args)
    value = _table_entry(row, wide)
    if value is None and row.expand is not None:
        value = row.expand(*wide)
    if not isinstance(value, Value):
        raise UnsupportedError(f"the llvm backend has no {row.name} on {args[-1].dtype}")
    return cast(value, result) if result in SHORT else value


def _table_entry(row: Scalar, args: tuple[Value, ...]) -> Value | None:
    spelling = SPELLINGS.get(row.name)
    return spelling(*args) if spelling else None


# ------------------------------------------------------------------------------ makers of spellings


def opcodes(on_floats: str | None, on_signed: str | None, on_unsigned: str | None) -> Spelling:
    """One instruction of two operands, by kind of type; bools count as unsigned."""

    def write(a: Value, b: Value) -> Value | None:
        opcode = {"float": on_floats, "int": on_signed}.get(a.dtype.kind, on_unsigned)
        return a.code.binary(opcode, a, b) if opcode else None

    return write


def comparison(on_floats: str, on_signed: str, on_unsigned: str) -> Spelling:
    """One comparison, by kind of type."""

    def write(a: Value, b: Value) -> Value:
        kinds = {"float": f"fcmp {on_floats}", "int": f"icmp {on_signed}"}
        return a.code.compare(kinds.get(a.dtype.kind, f"icmp {on_unsigned}"), a, b)

    return write


def intrinsic(name: str) -> Spelling:
    """An intrinsic of LLVM on floats."""

    def write(*args: Value) -> Value | None:
        return args[0].code.intrinsic(name, args) if args[0].dtype.is_float else None

    return write


def library(name: str) -> Spelling:
    """A function of the C library on floats, called once a lane."""

    def write(*args: Value) -> Value | None:
        return args[0].code.library(name, args) if args[0].dtype.is_float else None

    return write


def extreme(on_floats: str, on_signed: str, on_unsigned: str, on_bools: str) -> Spelling:
    """A minimum or maximum; NaN wins."""

    def write(a: Value, b: Value) -> Value:
        if a.dtype is dtypes.bool_:
            return a.code.binary(on_bools, a, b)
        name = {"float": on_floats, "int": on_signed}.get(a.dtype.kind, on_unsigned)
        return a.code.intrinsic(name, [a, b])

    return write


# --------------------------------------------------------------------------------------- arithmetic


def _absolute(x: Value) -> Value:
    if x.dtype.is_float:
        return x.code.intrinsic("fabs", [x])
    return x.code.intrinsic("abs", [x], "i1 false") if x.dtype.kind == "int" else x


def _negative(x: Value) -> Value:
    if x.dtype.is_float:
        return x.code.put(f"fneg {x.typed}", x.dtype, x.lanes)
    return x.code.binary("sub", x.code.zero(x.dtype, x.lanes), x)


def _invert(x: Value) -> Value:
    is_bool = x.dtype is dtypes.bool_
    ones = True if is_bool else -1
    return x.code.binary("xor", x, x.code.literal(ones, x.dtype, x.lanes))


def _where(condition: Value, then: Value, otherwise: Value) -> Value:
    return then.code.select(condition, then, otherwise)


def _signbit(x: Value) -> Value:
    signed = dtypes.i32 if x.dtype is dtypes.f32 else dtypes.i64
    bits = x.code.change("bitcast", x, signed)
    return x.code.compare("icmp slt", bits, x.code.zero(signed, x.lanes))


# ----------------------------------------------------------------------------- division of integers


def _guarded(x: Value, y: Value) -> Value:
    """A divisor that is safe: 1 in place of 0 and of -1, for which the remainder is 0 too."""
    code = x.code
    if (y.integer or 0) > 0:
        return y
    is_bad = code.compare("icmp eq", y, code.zero(y.dtype, y.lanes))
    if y.dtype.kind == "int":
        minus_one = code.literal(-1, y.dtype, y.lanes)
        is_bad = code.binary("or", is_bad, code.compare("icmp eq", y, minus_one))
    return code.select(is_bad, code.literal(1, y.dtype, y.lanes), y)


def _rest(x: Value, y: Value) -> Value:
    return x.code.binary("srem" if x.dtype.kind == "int" else "urem", x, _guarded(x, y))


def _has_other_sign(rest: Value, y: Value) -> Value:
    code, zero = rest.code, rest.code.zero(rest.dtype, rest.lanes)
    differs = code.compare("icmp slt", code.binary("xor", rest, y), zero)
    return code.binary("and", differs, code.compare("icmp ne", rest, zero))


def _floor_divide(x: Value, y: Value) -> Value | None:
    if not x.dtype.is_integer:
        return None
    code = x.code
    is_signed = x.dtype.kind == "int"
    divisor = _guarded(x, y)
    quotient = code.binary("sdiv" if is_signed else "udiv", x, divisor)
    if is_signed:
        below = _has_other_sign(code.binary("srem", x, divisor), y)
        quotient = code.binary("sub", quotient, cast(below, x.dtype))
    if (y.integer or 0) > 0:
        return quotient
    if is_signed:
        minus_one = code.literal(-1, y.dtype, y.lanes)
        quotient = code.select(code.compare("icmp eq", y, minus_one), _negative(x), quotient)
    zero = code.zero(x.dtype, x.lanes)
    return code.select(code.compare("icmp eq", y, zero), zero, quotient)


def _remainder(x: Value, y: Value) -> Value | None:
    if not x.dtype.is_integer:
        return None
    rest = _rest(x, y)
    if x.dtype.kind != "int":
        return rest
    return rest.code.select(_has_other_sign(rest, y), rest.code.binary("add", rest, y), rest)


def _fmod(x: Value, y: Value) -> Value:
    if x.dtype is dtypes.f32:
        return _fmod_f32(x, y)
    if x.dtype.is_float:
        return x.code.binary("frem", x, y)
    return _rest(x, y)


def _fmod_f32(x: Value, y: Value) -> Value:
    """By a quotient in f64, which is exact below 2^28, as is its product with the divisor."""
    code = x.code
    a, b = cast(x, dtypes.f64), cast(y, dtypes.f64)
    quotient = code.intrinsic("trunc", [a / b])
    value = code.intrinsic("copysign", [cast(a - quotient * b, dtypes.f32), x])
    limit = code.literal(2.0**28, dtypes.f64, x.lanes)
    infinity = code.literal(math.inf, dtypes.f32, x.lanes)
    # Unordered comparisons are true for NaN as well.
    is_far = code.compare("fcmp uge", abs(quotient), limit)
    is_far = is_far | code.compare("fcmp uge", abs(y), infinity)
    return code.rarely(is_far, lambda: code.library("fmod", [x, y]), value)


# ---------------------------------------------------------------------------------- bits and powers


def _shift(opcode: str, x: Value, y: Value, beyond: Value) -> Value:
    code = x.code
    width = code.literal(x.dtype.bits, y.dtype, y.lanes)
    fits = code.compare("icmp ult", y, width)
    amount = code.select(fits, y, code.zero(y.dtype, y.lanes))
    return code.select(fits, code.binary(opcode, x, amount), beyond)


def _left_shift(x: Value, y: Value) -> Value:
    if 0 <= (-1 if y.integer is None else y.integer) < x.dtype.bits:
        return x.code.binary("shl", x, y)
    return _shift("shl", x, y, x.code.zero(x.dtype, x.lanes))


def _right_shift(x: Value, y: Value) -> Value:
    code, is_signed = x.code, x.dtype.kind == "int"
    opcode = "ashr" if is_signed else "lshr"
    if 0 <= (-1 if y.integer is None else y.integer) < x.dtype.bits:
        return code.binary(opcode, x, y)
    beyond = code.zero(x.dtype, x.lanes)
    if is_signed:
        beyond = code.binary("ashr", x, code.literal(x.dtype.bits - 1, x.dtype, x.lanes))
    return _shift(opcode, x, y, beyond)


def _multiply_high(x: Value, y: Value) -> Value:
    code, bits = x.code, x.dtype.bits
    extend = "sext" if x.dtype.kind == "int" else "zext"
    wide = x.type.replace(f"i{bits}", f"i{2 * bits}")
    a = code.raw(f"{extend} {x.typed} to {wide}")
    b = code.raw(f"{extend} {y.typed} to {wide}")
    product = code.raw(f"mul {wide} {a}, {b}")
    amount = f"splat (i{2 * bits} {bits})" if x.lanes > 1 else str(bits)
    high = code.raw(f"lshr {wide} {product}, {amount}")
    return code.put(f"trunc {wide} {high} to {x.type}", x.dtype, x.lanes)


POWER = """\
define internal i{bits} @irflow.power.i{bits}(i{bits} %x, i{bits} %y) nounwind {{
entry:
  br label %head
head:
  %base = phi i{bits} [ %x, %entry ], [ %square, %body ]
  %left = phi i{bits} [ %y, %entry ], [ %half, %body ]
  %sofar = phi i{bits} [ 1, %entry ], [ %next, %body ]
  %done = icmp eq i{bits} %left, 0
  br i1 %done, label %end, label %body
body:
  %low = trunc i{bits} %left to i1
  %product = mul i{bits} %sofar, %base
  %next = select i1 %low, i{bits} %product, i{bits} %sofar
  %square = mul i{bits} %base, %base
  %half = lshr i{bits} %left, 1
  br label %head
end:
  ret i{bits} %sofar
}}"""


def _power(x: Value, y: Value) -> Value:
    """Integers by repeated squaring, wrapping around."""
    if x.dtype.is_float:
        return powers.power(x, y)
    name = f"irflow.power.i{x.dtype.bits}"
    x.code.symbols.setdefault(name, POWER.format(bits=x.dtype.bits))
    return x.code.lanewise(lambda args: x.code.call(name, args, x.dtype), (x, y))


def _cbrt(x: Value) -> Value | None:
    """In f32 by its expansion, a power with a step of Newton's."""
    return None if x.dtype is dtypes.f32 else library("cbrt")(x)


SPELLINGS: dict[str, Spelling] = {
    # arithmetic
    "add": opcodes("fadd", "add", "add"),
    "subtract": opcodes("fsub", "sub", "sub"),
    "multiply": opcodes("fmul", "mul", "mul"),
    "divide": opcodes("fdiv", None, None),
    "negative": _negative,
    "absolute": _absolute,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "minimum": extreme("minimum", "smin", "umin", "and"),
    "maximum": extreme("maximum", "smax", "umax", "or"),
    # rounding and signs
    "floor": intrinsic("floor"),
    "ceil": intrinsic("ceil"),
    "trunc": intrinsic("trunc"),
    "rint": intrinsic("rint"),
    "copysign": intrinsic("copysign"),
    "signbit": _signbit,
    "nextafter": library("nextafter"),
    # comparisons and choice; only not_equal is true for NaN
    "equal": comparison("oeq", "eq", "eq"),
    "not_equal": comparison("une", "ne", "ne"),
    "less": comparison("olt", "slt", "ult"),
    "less_equal": comparison("ole", "sle", "ule"),
    "greater": comparison("ogt", "sgt", "ugt"),
    "greater_equal": comparison("oge", "sge", "uge"),
    "where": _where,
    # bits and logic
    "bitwise_and": opcodes(None, "and", "and"),
    "bitwise_or": opcodes(None, "or", "or"),
    "bitwise_xor": opcodes(None, "xor", "xor"),
    "invert": _invert,
    "left_shift": _left_shift,
    "right_shift": _right_shift,
    "multiply_high": _multiply_high,
    # powers, exponentials, logarithms
    "sqrt": intrinsic("sqrt"),
    "power": _power,
    "exp": elementary.exp,
    "exp2": elementary.exp2,
    "expm1": elementary.expm1,
    "log": logarithms.log,
    "log1p": logarithms.log1p,
    "log2": logarithms.log2,
    "log10": logarithms.log10,
    "cbrt": _cbrt,
    # trigonometric and hyperbolic
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "arcsin": trigonometric.arcsin,
    "arccos": trigonometric.arccos,
    "arctan": trigonometric.arctan,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "tanh": hyperbolic.tanh,
    "arcsinh": hyperbolic.arcsinh,
    "arccosh": hyperbolic.arccosh,
    # activations
    "sigmoid": hyperbolic.sigmoid,
    "softplus": hyperbolic.softplus,
    "logaddexp": hyperbolic.logaddexp,
    # special functions
    "erf": error_functions.erf,
    "erfc": error_functions.erfc,
    "gelu": error_functions.gelu,
    "gelu_slope": error_functions.gelu_slope,
    "normal_cdf": error_functions.normal_cdf,
    "normal_pdf": error_functions.normal_pdf,
    "lgamma": library("lgamma"),
}
"""Spellings by name of the row."""

INTRINSICS: dict[str, Spelling] = {
    "fma": intrinsic("fmuladd"),
    "words": words.words,
    "joined_words": words.joined_words,
    "bf16_dot": words.bf16_dot,
    "u8_i8_dot": words.u8_i8_dot,
}
"""Spellings of the rows of `Intrinsic` nodes."""
