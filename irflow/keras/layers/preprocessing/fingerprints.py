"""FarmHash and SipHash: numbers of texts that are the same on every machine, and in TensorFlow.

Sources: Pike, FarmHash (2014), its 64-bit fingerprint; Aumasson and Bernstein, SipHash (2012).
"""

from __future__ import annotations

import struct

_ALL = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _word(text: bytes, place: int) -> int:
    return int.from_bytes(text[place : place + 8], "little")


def _turned(x: int, count: int) -> int:
    """Bits turned to the right."""
    x &= _ALL
    return ((x >> count) | (x << (64 - count))) & _ALL


def _mixed(x: int) -> int:
    x &= _ALL
    return x ^ (x >> 47)


def _joined(u: int, v: int, factor: int) -> int:
    a = _mixed((u ^ v) * factor)
    b = _mixed(((v & _ALL) ^ a) * factor)
    return b * factor & _ALL


def farmhash(text: bytes) -> int:
    """The 64-bit fingerprint of a text.

    >>> farmhash(b"")
    11160318154034397263
    """
    size = len(text)
    if size <= 16:
        return _short(text, size)
    if size <= 64:
        return _medium(text, size)
    return _long(text, size)


def _short(text: bytes, size: int) -> int:
    factor = _K2 + 2 * size
    if size >= 8:
        a, b = _word(text, 0) + _K2, _word(text, size - 8)
        return _joined(
            (_turned(b, 37) * factor + a) & _ALL, (_turned(a, 25) + b) * factor & _ALL, factor
        )
    if size >= 4:
        first, last = text[:4], text[size - 4 :]
        a, b = (int.from_bytes(part, "little") for part in (first, last))
        return _joined(size + (a << 3), b, factor)
    if not size:
        return _K2
    y, z = text[0] + (text[size >> 1] << 8), size + (text[-1] << 2)
    return _mixed((y * _K2 ^ z * _K0) & _ALL) * _K2 & _ALL


def _medium(text: bytes, size: int) -> int:
    factor = _K2 + 2 * size
    a = _word(text, 0) * (_K1 if size <= 32 else _K2) & _ALL
    b = _word(text, 8)
    c, d = _word(text, size - 8) * factor & _ALL, _word(text, size - 16) * _K2 & _ALL
    y = (_turned(a + b, 43) + _turned(c, 30) + d) & _ALL
    z = _joined(y, (a + _turned(b + _K2, 18) + c) & _ALL, factor)
    if size <= 32:
        return z
    e, f = _word(text, 16) * factor & _ALL, _word(text, 24)
    g = (y + _word(text, size - 32)) * factor & _ALL
    h = (z + _word(text, size - 24)) * factor & _ALL
    first, second = _turned(e + f, 43) + _turned(g, 30) + h, e + _turned(f + a, 18) + g
    return _joined(first & _ALL, second & _ALL, factor)


def _weak(text: bytes, place: int, a: int, b: int) -> tuple[int, int]:
    """Four words mixed into two."""
    w, x, y, z = (_word(text, place + 8 * i) for i in range(4))
    a = (a + w) & _ALL
    b = _turned(b + a + z, 21)
    c = a
    a = (a + x + y) & _ALL
    return (a + z) & _ALL, (b + _turned(a, 44) + c) & _ALL


def _long(text: bytes, size: int) -> int:
    x, y = 81, (81 * _K1 + 113) & _ALL
    z = _mixed(y * _K2 + 113) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(text, 0)) & _ALL
    end = (size - 1) // 64 * 64
    for place in range(0, end, 64):
        x, y, z, v, w = _stirred(text, place, (x, y, z), v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    first = (w[0] + ((size - 1) & 63)) & _ALL
    v = ((v[0] + first) & _ALL, v[1])
    w = ((first + v[0]) & _ALL, w[1])
    x, y, z, v, w = _stirred(text, size - 64, (x, y, z), v, w, factor, 9)
    left = _joined(v[0], w[0], factor) + _mixed(y) * _K0 + z
    return _joined(left & _ALL, (_joined(v[1], w[1], factor) + x) & _ALL, factor)


_Pair = tuple[int, int]


def _stirred(
    text: bytes,
    place: int,
    xyz: tuple[int, int, int],
    v: _Pair,
    w: _Pair,
    factor: int,
    times: int,
) -> tuple[int, int, int, _Pair, _Pair]:
    """64 bytes taken in."""
    x, y, z = xyz
    x = _turned(x + y + v[0] + _word(text, place + 8), 37) * factor & _ALL
    y = _turned(y + v[1] + _word(text, place + 48), 42) * factor & _ALL
    x ^= w[1] * times & _ALL
    y = (y + v[0] * times + _word(text, place + 40)) & _ALL
    z = _turned(z + w[0], 33) * factor & _ALL
    v = _weak(text, place, v[1] * factor & _ALL, (x + w[0]) & _ALL)
    w = _weak(text, place + 32, (z + w[1]) & _ALL, (y + _word(text, place + 16)) & _ALL)
    return z, y, x, v, w


def siphash(text: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 of a text under a key of two 64-bit numbers."""
    first, second = (part & _ALL for part in key)
    state = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    rest = len(text) % 8
    padded = text + bytes(7 - rest) + bytes([len(text) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        state[3] ^= word
        _round(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _round(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a, c = (a + b) & _ALL, (c + d) & _ALL
        b, d = _turned(b, 51) ^ a, _turned(d, 48) ^ c
        a = _turned(a, 32)
        a, c = (a + d) & _ALL, (c + b) & _ALL
        d, b = _turned(d, 43) ^ a, _turned(b, 47) ^ c
        c = _turned(c, 32)
    state[:] = [a, b, c, d]
