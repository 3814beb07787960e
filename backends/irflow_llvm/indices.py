"""Indices as a variable part and a literal one, so that addresses differ by literals.

The rows of a tile then share what varies, and each adds a number that instructions have room for.
"""

from __future__ import annotations

from typing import NamedTuple

from irflow_llvm.code import Code, Value


class Sum(NamedTuple):
    """`variable + literal`, of which only `variable` is written so far.

    Attributes:
        variable: None for 0.
        literal: any integer; what is written has its low 64 bits.
    """

    variable: Value | None
    literal: int = 0

    @classmethod
    def of(cls, value: Value) -> Sum:
        """A value as it is."""
        return cls(value) if value.integer is None else cls(None, value.integer)

    def plus(self, other: Sum) -> Sum:
        """The sum of two indices."""
        a, b, literal = self.variable, other.variable, self.literal + other.literal
        if a is None or b is None:
            return Sum(b if a is None else a, literal)
        return Sum(a.code.binary("add", a, b), literal)

    def times(self, other: Sum) -> Sum:
        """The product of two indices; a literal is distributed over a sum."""
        if other.variable is None:
            return self.scaled(other.literal)
        if self.variable is None:
            return other.scaled(self.literal)
        code = self.variable.code
        return Sum(code.binary("mul", self.whole(code), other.whole(code)))

    def scaled(self, factor: int) -> Sum:
        """The product with a literal."""
        variable = self.variable
        if variable is None or factor == 0:
            return Sum(None, self.literal * factor)
        if factor == 1:
            return self
        code = variable.code
        scaled = code.binary("mul", variable, code.index(wrapped(factor)))
        return Sum(scaled, self.literal * factor)

    def whole(self, code: Code) -> Value:
        """The index as one value."""
        literal = code.index(wrapped(self.literal))
        if self.variable is None:
            return literal
        return code.binary("add", self.variable, literal) if literal.integer else self.variable


def wrapped(number: int) -> int:
    """An i64 with the low bits of a number."""
    return (number + 2**63) % 2**64 - 2**63
