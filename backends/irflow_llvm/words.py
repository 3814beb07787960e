"""Short sums of products of narrow elements, which words of 32 bits hold.

Machines that have such an instruction are named by a feature; on others, and for vectors of other
lengths, elements are widened first.
"""

from __future__ import annotations

from irflow import dtypes
from irflow_llvm.code import Value, fma, vector

BF16, BYTES = "avx512bf16", "avx512vnni"
WIDTHS = {4: "128", 8: "256", 16: "512"}
"""How the instructions are named, by lanes."""


def words(narrow: Value) -> Value:
    """Neighbouring lanes as words."""
    count = narrow.lanes * narrow.dtype.itemsize // 4
    kind = vector("i32", count)
    return narrow.code.put(f"bitcast {narrow.typed} to {kind}", dtypes.u32, count)


def joined_words(*parts: Value) -> Value:
    """Words of elements, the first one in the lowest bits."""
    bits = 8 * parts[0].dtype.itemsize
    result: Value | None = None
    for position, part in enumerate(parts):
        code = part.code
        word = code.put(f"zext {part.typed} to {vector('i32', part.lanes)}", dtypes.u32, part.lanes)
        word = word << (bits * position) if position else word
        result = word if result is None else result | word
    assert result is not None
    return result


def bf16_dot(total: Value, a: Value, b: Value) -> Value:
    """`total` and the products of two pairs of bf16."""
    if BF16 in total.code.features and total.lanes in WIDTHS:
        return _by_machine("avx512bf16.dpbf16ps", "bfloat", total, a, b)
    for is_low in (True, False):
        x, y = (_half(word, is_low) for word in (a, b))
        total = fma(x, y, total)
    return total


def _half(word: Value, is_low: bool) -> Value:
    """One of the two elements of words, as f32."""
    bits = word << 16 if is_low else word & 0xFFFF0000
    return word.code.change("bitcast", bits, dtypes.f32)


def u8_i8_dot(total: Value, a: Value, b: Value) -> Value:
    """`total` and the products of four bytes, those of `b` with a sign."""
    code, lanes = total.code, total.lanes
    if BYTES in code.features and lanes in WIDTHS:
        return _by_machine("avx512.vpdpbusd", "i8", total, a, b)
    signed = code.value(b.text, dtypes.i32, lanes)
    for i in range(4):
        byte = (a >> 8 * i) & 0xFF
        left = code.value(byte.text, dtypes.i32, lanes)
        total = total + left * ((signed << (24 - 8 * i)) >> 24)
    return total


def _by_machine(name: str, element: str, total: Value, a: Value, b: Value) -> Value:
    code, lanes = total.code, total.lanes
    kind = vector(element, 4 * lanes if element == "i8" else 2 * lanes)
    symbol = f"llvm.x86.{name}.{WIDTHS[lanes]}"
    code.symbols.setdefault(symbol, f"declare {total.type} @{symbol}({total.type}, {kind}, {kind})")
    x, y = (code.raw(f"bitcast {w.typed} to {kind}") for w in (a, b))
    text = f"call {total.type} @{symbol}({total.typed}, {kind} {x}, {kind} {y})"
    return code.put(text, total.dtype, lanes)
