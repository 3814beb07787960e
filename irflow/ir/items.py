"""The smaller rules of graph text: types, sizes, attribute values and arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from irflow import dims, dtypes, scalars
from irflow.dims import Dim, Size
from irflow.dtypes import DType
from irflow.errors import IrflowError, TextError, UnknownNameError, nearest
from irflow.ir import literal
from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.lexer import Scanner
from irflow.ir.literal import Number
from irflow.ir.types import TensorType
from irflow.records import dataclass

MAX_DEPTH = 64
"""How deep regions and, in one attribute, tuples may nest."""

Item = TypeVar("Item")
_COLUMN = re.compile(r", column (\d+)")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class RawType:
    """A type whose sizes are read once the bounds of their symbols are known."""

    dtype: DType
    sizes: tuple[tuple[int, str], ...]
    position: int


class ItemReader:
    """Reads the parts that do not depend on the graph around them.

    Attributes:
        scanner: the text and the position in it.
        resources: the arrays that `resource(...)` refers to.
        scope: the symbolic sizes seen so far, by name.
        depth: how many regions and tuples are open.
    """

    def __init__(self, scanner: Scanner, resources: Mapping[str, DenseArray]) -> None:
        self.scanner = scanner
        self.resources = resources
        self.scope: dict[str, Dim] = {}
        self.depth = 0

    # ------------------------------------------------------------------------------------- helpers

    def separated(self, item: Callable[[], Item]) -> list[Item]:
        """One or more items with commas between them."""
        items = [item()]
        while self.scanner.accept(","):
            items.append(item())
        return items

    def until(self, end: str, item: Callable[[], Item]) -> list[Item]:
        """Items with commas between them, and the sign behind the last one."""
        if self.scanner.accept(end):
            return []
        items = self.separated(item)
        if not self.scanner.accept(end):
            raise self.scanner.expected(f"',' or {end!r}")
        return items

    def guarded(self, start: int, make: Callable[[], Item]) -> Item:
        """What `make` returns; whatever goes wrong in an op becomes an error at `start`."""
        try:
            return make()
        except UnknownNameError as error:
            raise self.unknown(error, start) from None
        except IrflowError as error:
            raise self.scanner.error(
                error.summary, at=start, facts=error.facts, hint=error.hint
            ) from error
        except RecursionError:
            raise
        except Exception as error:
            # An op may trust its attributes and operands more than a text deserves.
            problem = f"the operation is not valid: {type(error).__name__}: {error}"
            raise self.scanner.error(problem, at=start) from error

    def within(self, error: IrflowError, start: int) -> TextError:
        """An error of `dims` about the text from `start` on, its column made one of the line."""
        match = _COLUMN.search(error.summary)
        if match is None:
            return self.scanner.error(error.summary, at=start)
        summary = error.summary.replace(match[0], "", 1)
        return self.scanner.error(summary, at=start + int(match[1]) - 1)

    def unknown(self, error: UnknownNameError, start: int) -> TextError:
        """The same error with its place; the list of known names is left out when one is near."""
        facts = () if error.hint else error.facts
        return self.scanner.error(error.summary, at=start, facts=facts, hint=error.hint)

    def enter(self) -> None:
        """Count a bracket that encloses items of its own kind."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.scanner.error(f"nested more than {MAX_DEPTH} deep")

    # ------------------------------------------------------------------------------------- types

    def type(self) -> TensorType:
        """A type whose symbols are known or have default bounds."""
        return self.resolve(self.raw_type())

    def raw_type(self) -> RawType:
        start = self.scanner.start()
        dtype = self.dtype()
        self.scanner.expect("[", "after the dtype")
        sizes = () if self.scanner.accept("]") else tuple(self.separated(self.scanner.size))
        if sizes:
            self.scanner.expect("]")
        return RawType(dtype, sizes, start)

    def dtype(self) -> DType:
        start = self.scanner.start()
        name = self.scanner.name("a type such as f32[2]")
        return self.guarded(start, lambda: dtypes.parse(name))

    def resolve(self, raw: RawType) -> TensorType:
        """The type with its sizes read."""
        return TensorType(raw.dtype, tuple(self.axis(start, text) for start, text in raw.sizes))

    def axis(self, start: int, text: str) -> Size:
        size = self.size(start, text)
        if isinstance(size, int) and size < 0:
            raise self.scanner.error(f"an axis has the negative size {size}", at=start)
        return size

    def size(self, start: int, text: str) -> Size:
        if text.isdecimal():
            return int(text)
        try:
            return dims.parse_size(text, self.scope)
        except IrflowError as error:
            raise self.within(error, start) from None

    # --------------------------------------------------------------------------------- attributes

    def item(self, annotation: str = "") -> Attribute:
        """An attribute value; `annotation` tells what an unknown name was meant to be."""
        scanner = self.scanner
        if scanner.looking_at('"'):
            return scanner.string()
        if scanner.looking_at("("):
            return self.tuple_or_size()
        number = scanner.number()
        if number is not None:
            return number
        name = scanner.peek_name()
        if name is not None:
            return self.named_item(name, annotation)
        if (
            scanner.looking_at("-")
            or scanner.text[scanner.position : scanner.position + 1].isdigit()
        ):
            return self.size(*scanner.size())
        raise scanner.expected("an attribute")

    def tuple_or_size(self) -> Attribute:
        """`(1, 2)`, `(1,)`, `()`, or a size that begins with a parenthesis, as `(n + 1)//2`."""
        start = self.scanner.position
        self.enter()
        self.scanner.expect("(")
        items: list[Attribute] = []
        has_comma = True
        while has_comma and not self.scanner.looking_at(")"):
            items.append(self.item())
            has_comma = self.scanner.accept(",")
        if not self.scanner.accept(")"):
            raise self.scanner.expected("',' or ')'")
        self.depth -= 1
        if len(items) != 1 or has_comma:
            return tuple(items)
        self.scanner.position = start
        return self.size(*self.scanner.size())

    def named_item(self, name: str, annotation: str) -> Attribute:
        scanner = self.scanner
        is_call = scanner.text.startswith("(", scanner.position + len(name))
        if is_call and name in ("dense", "data", "resource"):
            return self.array()
        if is_call or scanner.is_followed_by_operator(len(name)):
            return self.size(*scanner.size())
        start = scanner.start()
        scanner.name("a name")
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if dtypes.is_name(name):
            return dtypes.parse(name)
        if name in scalars.ROWS:
            return scalars.ROWS[name]
        return self.size_or_unknown(name, annotation, start)

    def size_or_unknown(self, name: str, annotation: str, start: int) -> Size:
        """A name that is nothing else is a size, unless the attribute is no size."""
        if "Scalar" in annotation:
            raise self.unknown(nearest(name, scalars.ROWS, "scalar function"), start)
        if "DType" in annotation:
            raise self.unknown(nearest(name, (d.name for d in dtypes.ALL), "dtype"), start)
        return self.size(start, name)

    # ------------------------------------------------------------------------------------- arrays

    def array(self) -> DenseArray:
        start = self.scanner.start()
        kind = self.scanner.name("an array")
        self.scanner.expect("(")
        type = self.type()
        if not type.is_static:
            raise self.scanner.error(f"an array has no symbolic sizes: {type}", at=start)
        if type.rank > literal.MAX_RANK:
            raise self.scanner.error(f"an array has {type.rank} axes", at=start)
        self.scanner.expect(",")
        read = {"dense": self.dense, "data": self.data, "resource": self.resource}[kind]
        array = read(type, start)
        self.scanner.expect(")")
        return array

    def dense(self, type: TensorType, start: int) -> DenseArray:
        shape = type.static_shape
        if 0 in shape:
            self.scanner.expect("[")
            self.scanner.expect("]")
            elements: list[Number] = []
        else:
            elements = self.elements(shape)
        return self.guarded(start, lambda: literal.decode_elements(type.dtype, shape, elements))

    def data(self, type: TensorType, start: int) -> DenseArray:
        text = self.scanner.string()
        return self.guarded(
            start, lambda: literal.decode_base64(type.dtype, type.static_shape, text)
        )

    def resource(self, type: TensorType, start: int) -> DenseArray:
        name = self.scanner.string()
        if name not in self.resources:
            raise self.unknown(nearest(name, self.resources, "resource"), start)
        array = self.resources[name]
        found = literal.format_array_type(array)
        if found != str(type):
            raise self.scanner.error(f"resource {name!r} is {found}, not {type}", at=start)
        return array

    def elements(self, shape: tuple[int, ...]) -> list[Number]:
        """Rows in brackets, one level an axis, in row-major order."""
        if not shape:
            return [self.element()]
        start = self.scanner.start()
        self.scanner.expect("[")
        rows = self.until("]", lambda: self.elements(shape[1:]))
        if len(rows) != shape[0]:
            raise self.scanner.error(
                f"{len(rows)} elements in an axis of size {shape[0]}", at=start
            )
        return [element for row in rows for element in row]

    def element(self) -> Number:
        if self.scanner.accept("("):
            return tuple(self.until(")", self.element_part))
        name = self.scanner.peek_name()
        if name in ("true", "false"):
            self.scanner.name("a bool")
            return name == "true"
        return self.element_part()

    def element_part(self) -> Number:
        number = self.scanner.number()
        if number is None:
            raise self.scanner.expected("a number")
        return number


def parse_type(text: str, scope: dict[str, Dim]) -> TensorType:
    """The type that `text` describes, such as `"f32[n, 784]"`.

    Args:
        text: one type.
        scope: the symbolic sizes known by name; new ones are added.

    Raises:
        TextError: the text is malformed.
    """
    reader = ItemReader(Scanner(text), {})
    reader.scope = scope
    found = reader.type()
    if text[reader.scanner.start() :].strip():
        raise reader.scanner.error("one type was expected, and more text follows")
    return found
