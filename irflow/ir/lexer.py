"""Tokens of graph text, taken on demand, and errors that show the line they are about.

Sizes are taken as a whole (`Scanner.size`) and read by `dims.parse_size`: within them `//` is a
division and `%` a remainder, elsewhere a comment and the sign of a value. The parser knows which of
both it expects, so there is no list of tokens made ahead of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from irflow.errors import TextError, align
from irflow.location import Location

_SPACE = re.compile(r"(?:\s++|//[^\n]*+)*+")
_BLANK = re.compile(r"\s*+")
_NAME = re.compile(r"[^\W\d]\w*")
_VALUE = re.compile(r"%(\w+)")
_NUMBER = re.compile(r"-?(?:\d++(?:\.\d*+)?(?:[eE][+-]?\d++)?|inf\b|nan\b)")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*+"')
_OPERATOR = re.compile(r"\s*+(?://|[-+*%^])")
_LOCATION = re.compile(r"[ \t]*\{?[ \t]*//[ \t]*([^\n]*\S):(\d{1,9})[ \t]*(?:\n|\Z)")
_SIZE_PART = re.compile(r"[^()\[\]{}<>,\"]*+")

MAX_SIZE_LENGTH = 2000
MAX_EXPONENT = 16
MAX_DIGITS = 400
_LONG_NUMBER = re.compile(rf"\d{{{MAX_DIGITS},}}")
_SIZE_LITERAL = re.compile(r"\d{20,}")
_EXPONENT = re.compile(r"\^\s*(\d+)")
_SUM_PRODUCT = re.compile(r"\)\s*[*^]|\*\s*\(")
_EXCERPT = 100


class Scanner:
    """A position in a text.

    Attributes:
        text: all of it.
        position: where the next token or the space before it starts.
        end: where the last token taken ended; the location of an equation stands there.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.end = 0

    def start(self) -> int:
        """Skip space and comments; the position of the next token."""
        match = _SPACE.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        return self.position

    def advance(self, end: int) -> None:
        """Go on behind a token that ends at `end`."""
        self.position = self.end = end

    def looking_at(self, sign: str) -> bool:
        """Whether `sign` comes next."""
        return self.text.startswith(sign, self.start())

    def accept(self, sign: str) -> bool:
        """Take `sign` if it comes next."""
        found = self.looking_at(sign)
        if found:
            self.advance(self.position + len(sign))
        return found

    def expect(self, sign: str, where: str = "") -> None:
        """Take `sign`, which must come next."""
        if not self.accept(sign):
            raise self.expected(f"{sign!r}{' ' + where if where else ''}")

    def accept_word(self, word: str) -> bool:
        """Take `word` if the next name is just that."""
        if self.peek_name() != word:
            return False
        self.advance(self.position + len(word))
        return True

    def peek_name(self) -> str | None:
        """The name that comes next, if one does."""
        match = _NAME.match(self.text, self.start())
        return match[0] if match else None

    def name(self, what: str) -> str:
        """Take a name; `what` describes it in the error."""
        return self._take(_NAME, what)[0]

    def value_name(self) -> str:
        """Take `%name`, without the sign."""
        return self._take(_VALUE, "a value such as %x")[1]

    def string(self) -> str:
        """Take a string, with JSON's escapes."""
        start = self.start()
        match = self._take(_STRING, "a string")
        try:
            value = json.loads(match[0], strict=False)
        except ValueError:
            raise self.error("malformed string", at=start) from None
        assert isinstance(value, str)
        return value

    def number(self) -> int | float | None:
        """Take an int or float if one comes next that does not begin a size such as `2*n`."""
        match = _NUMBER.match(self.text, self.start())
        if match is None or _OPERATOR.match(self.text, match.end()):
            return None
        if _LONG_NUMBER.search(match[0]):
            raise self.error("the number is too long")
        self.advance(match.end())
        digits = match[0].lstrip("-")
        return int(match[0]) if digits.isdecimal() else float(match[0])

    def is_followed_by_operator(self, length: int) -> bool:
        """Whether an arithmetic operator stands after the next `length` characters."""
        return _OPERATOR.match(self.text, self.position + length) is not None

    def size(self) -> tuple[int, str]:
        """Take a size, up to a comma or bracket that is not its own: where it starts, its text."""
        start = end = self._skip_blank()
        depth = 0
        while True:
            match = _SIZE_PART.match(self.text, end)
            assert match is not None
            end = match.end()
            sign = self.text[end : end + 1]
            if sign == "(":
                depth += 1
            elif sign == ")" and depth:
                depth -= 1
            elif not (sign == "," and depth):
                break
            end += 1
        self.advance(end)
        text = self.text[start:end].rstrip()
        self._check_size(start, text)
        return start, text

    def location(self) -> Location | None:
        """The location in a comment on the rest of the line; nothing is taken."""
        match = _LOCATION.match(self.text, self.end)
        return Location(match[1], int(match[2])) if match else None

    def _skip_blank(self) -> int:
        match = _BLANK.match(self.text, self.position)
        assert match is not None
        return match.end()

    def _check_size(self, start: int, text: str) -> None:
        """Refuse sizes whose normal form might take a very long time or much memory."""
        exponents = [
            len(digits) > 2 or int(digits) > MAX_EXPONENT for digits in _EXPONENT.findall(text)
        ]
        products = len(_SUM_PRODUCT.findall(text))
        if not text:
            raise self.error("expected a size", at=start)
        if (
            len(text) > MAX_SIZE_LENGTH
            or any(exponents)
            or products > 8
            or _SIZE_LITERAL.search(text)
        ):
            raise self.error("the size is too large or too complicated", at=start)

    def _take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = pattern.match(self.text, self.start())
        if match is None:
            raise self.expected(what)
        self.advance(match.end())
        return match

    # ------------------------------------------------------------------------------------- errors

    def expected(self, what: str) -> TextError:
        """The error that something else stands where `what` belongs."""
        start = self.start()
        found = self.text[start : start + 1]
        token = re.compile(r"[%@]?\w+|.", re.DOTALL).match(self.text, start)
        shown = repr(token[0][:40]) if found and token else "the end of the text"
        return self.error(f"expected {what}, found {shown}")

    def error(
        self,
        problem: str,
        *,
        at: int | None = None,
        facts: Iterable[Sequence[object]] = (),
        hint: str | None = None,
    ) -> TextError:
        """A TextError with line, column and the line itself; `at` defaults to the next token."""
        position = self.start() if at is None else at
        line, column = self.line_and_column(position)
        shown = [(row,) for row in (*align(map(_cells, facts)), *self._excerpt(position, column))]
        return TextError(f"line {line}, column {column}: {problem}", facts=shown, hint=hint)

    def line_and_column(self, position: int) -> tuple[int, int]:
        """Both counted from 1."""
        before = self.text[:position]
        return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1

    def _excerpt(self, position: int, column: int) -> tuple[str, str]:
        start = position - (column - 1)
        first = max(0, column - 1 - _EXCERPT // 2)
        end = self.text.find("\n", start)
        line = self.text[start : end if end >= 0 else len(self.text)]
        window = line[first : first + _EXCERPT].replace("\t", " ")
        printable = "".join(c if c.isprintable() else "?" for c in window)
        return printable, " " * (column - 1 - first) + "^"


def _cells(row: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, row))
