"""Reading sizes and constraints from text, with errors that point into it."""

from __future__ import annotations

import re
from typing import NamedTuple

from irflow.dims.atoms import Symbol
from irflow.dims.dim import Dim, Size, maximum, minimum, symbol, terms
from irflow.errors import TextError, UsageError

# Text may come from anywhere, and a short one can name a size that fills the memory. Python also
# refuses to read ints of many thousand digits.
_MOST_DIGITS = 1000
_MOST_TERMS = 256
_MOST_OPERATIONS = 64
_LARGEST_EXPONENT = 1000
_TOO_LARGE = 10**_MOST_DIGITS

_TOKEN = re.compile(
    rf"\s*(?:(?P<int>\d{{1,{_MOST_DIGITS}}})|(?P<name>[^\W\d]\w*)|(?P<sign>//|<=|>=|[-+*%^(),]))",
    re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Reader:
    """Tokens of one text, and the errors that point into it."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.position = text, what, 0
        self.tokens: list[_Token] = []
        end = 0
        while match := _TOKEN.match(text, end):
            end, kind = match.end(), match.lastgroup or ""
            self.tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
        blank = len(text[end:]) - len(text[end:].lstrip())
        rest = text[end + blank : end + blank + 1]
        self.tokens.append(_Token("bad" if rest else "end", rest, end + blank + 1))

    @property
    def next(self) -> _Token:
        return self.tokens[self.position]

    def accept(self, *signs: str) -> str | None:
        token = self.next
        if token.kind == "end" or token.text not in signs:
            return None
        self.position += 1
        return token.text

    def take(self, kind: str, expected: str) -> str:
        token = self.next
        if token.kind != kind:
            raise self.error(f"expected {expected}")
        self.position += 1
        return token.text

    def expect(self, sign: str) -> None:
        if self.accept(sign) is None:
            raise self.error(f"expected {sign!r}")

    def error(self, problem: str, at: _Token | None = None) -> TextError:
        token = at or self.next
        found = "the end" if token.kind == "end" else repr(token.text)
        problem = problem if at else f"{problem}, found {found}"
        return TextError(
            f"malformed {self.what}, column {token.column}: {problem}", facts=[("text", self.text)]
        )


# --- Sizes ----------------------------------------------------------------------------------------


def parse_size(text: str, scope: dict[str, Dim]) -> Size:
    """Read what `str` of a size writes, or any expression of the same operators.

    `^` binds tighter than the sign, which binds tighter than `* // %`, then `+ -`; equal ones group
    to the left. An unknown name becomes a symbol with default bounds and is added to `scope`.

    Raises:
        TextError: the text is malformed, or the size too large to handle: a number of more than
            1000 digits, an exponent above 1000, more than 256 terms, or more than 64 of `//`, `%`,
            min and max; the summary gives the column, counted from 1.
    """
    parser = _SizeParser(text, scope)
    try:
        result = parser.sum()
    except RecursionError:
        raise parser.error("nested too deeply", at=parser.tokens[0]) from None
    parser.take("end", "an operator or the end")
    return result


class _SizeParser(_Reader):
    """A method for each level of the grammar; each operation is checked before it grows too far."""

    def __init__(self, text: str, scope: dict[str, Dim]) -> None:
        super().__init__(text, "size")
        self.scope = scope
        self.operations = 0

    def sum(self) -> Size:
        result = self.product()
        while True:
            start = self.next
            sign = self.accept("+", "-")
            if sign is None:
                return result
            other = self.product()
            result = self.limited(result + other if sign == "+" else result - other, start)

    def product(self) -> Size:
        result = self.signed()
        while True:
            sign = self.accept("*", "//", "%")
            if sign is None:
                return result
            start = self.next
            other = self.signed()
            result = (
                self.times(result, other, start)
                if sign == "*"
                else self.quotient(sign, result, other, start)
            )

    def times(self, a: Size, b: Size, at: _Token) -> Size:
        if len(terms(a)) * len(terms(b)) > _MOST_TERMS:
            raise self.error(f"more than {_MOST_TERMS} terms", at)
        return self.limited(a * b, at)

    def quotient(self, sign: str, a: Size, b: Size, at: _Token) -> Size:
        self.count_operation(at)
        if b == 0:
            raise self.error("division by zero", at)
        return self.limited(a // b if sign == "//" else a % b, at)

    def signed(self) -> Size:
        if self.accept("-"):
            return -self.signed()
        base = self.atom()
        if not self.accept("^"):
            return base
        start = self.next
        exponent = int(self.take("int", "an exponent"))
        if exponent > _LARGEST_EXPONENT:
            raise self.error(f"exponent above {_LARGEST_EXPONENT}", start)
        result: Size = 1
        for _ in range(exponent):
            result = self.times(result, base, start)
        return result

    def atom(self) -> Size:
        if self.accept("("):
            result = self.sum()
            self.expect(")")
            return result
        if self.next.kind == "int":
            return int(self.take("int", "a number"))
        start = self.next
        choose = self.accept("min", "max")
        if choose is None:
            name = self.take("name", "a size")
            scope = self.scope
            return scope[name] if name in scope else scope.setdefault(name, symbol(name))
        self.count_operation(start)
        first, second = self.arguments()
        return minimum(first, second) if choose == "min" else maximum(first, second)

    def arguments(self) -> tuple[Size, Size]:
        self.expect("(")
        first = self.sum()
        self.expect(",")
        second = self.sum()
        self.expect(")")
        return first, second

    def count_operation(self, at: _Token) -> None:
        self.operations += 1
        if self.operations > _MOST_OPERATIONS:
            raise self.error(f"more than {_MOST_OPERATIONS} of //, %, min and max", at)

    def limited(self, size: Size, at: _Token) -> Size:
        found = terms(size)
        if len(found) > _MOST_TERMS:
            raise self.error(f"more than {_MOST_TERMS} terms", at)
        if any(abs(coefficient) >= _TOO_LARGE for _, coefficient in found):
            raise self.error(f"a number of more than {_MOST_DIGITS} digits", at)
        if any(power > _LARGEST_EXPONENT for monomial, _ in found for _, power in monomial):
            raise self.error(f"exponent above {_LARGEST_EXPONENT}", at)
        return size


# --- Constraints ----------------------------------------------------------------------------------


def parse_constraint(text: str) -> tuple[Symbol, ...]:
    """Read bounds such as `1 <= n <= 4096`, `n >= 4` or `n <= 8`; several are separated by commas.

    Returns:
        One symbol for each name, in order of appearance; bounds for one name are combined. A lower
        bound that is not given is 1, or the upper bound where that is less.

    Raises:
        TextError: the text is malformed, or no size satisfies it.
    """
    reader = _Reader(text, "constraint")
    lowers: dict[str, int] = {}
    uppers: dict[str, int] = {}
    names: dict[str, None] = {}
    while True:
        names[_parse_bounds(reader, lowers, uppers)] = None
        if not reader.accept(","):
            break
    reader.take("end", "',' or the end")
    return tuple(_bounded(reader, name, lowers.get(name), uppers.get(name)) for name in names)


def _bounded(reader: _Reader, name: str, lower: int | None, upper: int | None) -> Symbol:
    if lower is None:
        lower = 1 if upper is None else min(1, upper)
    try:
        return Symbol(name, lower, upper)
    except UsageError as error:
        raise reader.error(error.summary, at=reader.tokens[0]) from None


def _parse_bounds(reader: _Reader, lowers: dict[str, int], uppers: dict[str, int]) -> str:
    before = None if reader.next.kind == "name" else _parse_bound(reader)
    left = None if before is None else _parse_relation(reader)
    name = reader.take("name", "the name of a size")
    if before is not None and left is not None:
        _narrow(name, ">=" if left == "<=" else "<=", before, lowers, uppers)
    if before is None or reader.next.text == left:
        relation = _parse_relation(reader)
        _narrow(name, relation, _parse_bound(reader), lowers, uppers)
    return name


def _parse_relation(reader: _Reader) -> str:
    relation = reader.accept("<=", ">=")
    if relation is None:
        raise reader.error("expected '<=' or '>='")
    return relation


def _parse_bound(reader: _Reader) -> int:
    sign = -1 if reader.accept("-") else 1
    return sign * int(reader.take("int", "a number"))


def _narrow(
    name: str, relation: str, value: int, lowers: dict[str, int], uppers: dict[str, int]
) -> None:
    if relation == ">=":
        lowers[name] = max(value, lowers.get(name, value))
    else:
        uppers[name] = min(value, uppers.get(name, value))
