"""Writing LLVM IR as text: values, types, literals, instructions of one function.

A `Value` is an operand to which scalar rows can be applied, and applying one writes its
instructions. Gradient rules, expansions and the spellings in `scalars` are therefore all written as
plain arithmetic.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.errors import UnsupportedError
from irflow.records import dataclass
from irflow.scalars import Literal, Operand, Scalar

REGISTER = {"bool": "i1", "f16": "half", "bf16": "i16", "f32": "float", "f64": "double"}
"""LLVM's names of types in registers; bf16 is held as its bits, since not every machine has it."""

COMPUTING = (
    *("add ", "mul ", "sub ", "sdiv ", "srem ", "and ", "or ", "xor ", "icmp ", "zext ", "select "),
    *("getelementptr ", "insertelement ", "shufflevector "),
)
"""How instructions start that neither read nor write memory and that code repeats most."""

if TYPE_CHECKING:
    from irflow_llvm.cells import Cells

RowSpelling = Callable[[Scalar, "tuple[Value, ...]"], "Value"]


@cache
def scalar_type(dtype: DType) -> str:
    """The type of one value in a register."""
    if dtype.kind == "complex":
        raise UnsupportedError(f"the llvm backend has no {dtype}")
    return REGISTER.get(dtype.name, f"i{dtype.bits}")


def memory_type(dtype: DType) -> str:
    """The type of one element in memory; a bool is a byte."""
    return "i8" if dtype is dtypes.bool_ else scalar_type(dtype)


@cache
def register_type(dtype: DType, lanes: int = 1) -> str:
    """The type of a value with `lanes` lanes."""
    return vector(scalar_type(dtype), lanes)


def vector(element: str, lanes: int) -> str:
    """A vector type, or the element type for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def literal_text(value: Literal, dtype: DType) -> str:
    """A number as LLVM reads it: floats by their bits, so that nothing is rounded again."""
    if dtype.is_integer:
        return str(int(value))
    if dtype is dtypes.bool_:
        return "true" if value else "false"
    if dtype.kind == "complex":
        raise UnsupportedError(f"the llvm backend has no {dtype}")
    if dtype is dtypes.bf16:
        return str(int(np.asarray(value, dtype.numpy).view(np.uint16)))
    if dtype is dtypes.f16:
        return f"0xH{int(np.asarray(value, np.float16).view(np.uint16)):04X}"
    if type(value) is float:
        return _float_text(struct.pack("<d", value), dtype)
    with np.errstate(over="ignore"):
        return _bits_text(float(dtype.numpy.type(value)))


@lru_cache(maxsize=1024)
def _float_text(value: bytes, dtype: DType) -> str:
    """The text of a number given by its bits, among which zeros of both signs differ."""
    with np.errstate(over="ignore"):
        return _bits_text(float(dtype.numpy.type(struct.unpack("<d", value)[0])))


def _bits_text(number: float) -> str:
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


@dataclass(slots=True, eq=False)  # There are so many that being frozen takes notable time.
class Value(Operand):
    """A name or literal in the IR. Arithmetic on it writes instructions at the end of `code`.

    Attributes:
        text: how it is written.
        dtype: of each lane.
        lanes: 1 for a scalar.
        code: where it is used.
        integer: the number, if it is known to be the same integer in every lane.
    """

    text: str
    dtype: DType
    lanes: int
    code: Code = field(repr=False)
    integer: int | None = None

    @property
    def type(self) -> str:
        return register_type(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        """The form in which it stands in an argument list."""
        return f"{self.type} {self.text}"

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Value:
        """The result of a row; numbers take the type and lanes of the other operands."""
        typed = [o for o in operands if isinstance(o, Value)]
        like = next((o for o in typed if not row.selects or o is not operands[0]), None)
        dtype = like.dtype if like else dtypes.DEFAULT_FLOAT
        lanes = max(o.lanes for o in typed)
        values = [
            o if isinstance(o, Value) else self.code.literal(o, dtype, lanes) for o in operands
        ]
        return self.code.spell(row, tuple(values))


def fma(a: Value | float, b: Value | float, c: Value | float) -> Value:
    """`a * b + c`, rounded once on machines that have such an instruction, twice on others.

    Results therefore differ in their last bit between machines with and without it, and only
    there: LLVM decides by the processor alone, alike for scalars and for vectors of any width.
    One operand at least is a `Value`; numbers take its type and lanes.
    """
    like = next(o for o in (a, b, c) if isinstance(o, Value))
    code, dtype, lanes = like.code, like.dtype, like.lanes
    terms = [o if isinstance(o, Value) else code.literal(o, dtype, lanes) for o in (a, b, c)]
    return code.intrinsic("fmuladd", terms)


@dataclass(slots=True)
class Code:
    """The instructions of one function, written in order.

    Attributes:
        spell: writes the instructions of a scalar row.
        label: the basic block that is being written.
        entry: instructions that belong at the function's start.
        symbols: what the module must declare or define, by name.
        written: names of results in this basic block, by instruction.
        features: of the processor for which instructions may be chosen.
        indices: the literal indices so far.
        cells: what register buffers hold in this basic block, by name.
    """

    spell: RowSpelling
    label: str = "entry"
    lines: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)
    count: int = 0
    written: dict[str, str] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    indices: dict[int, Value] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)

    # ------------------------------------------------------------------------------- making values

    def value(self, text: str, dtype: DType, lanes: int = 1) -> Value:
        return Value(text, dtype, lanes, self)

    def literal(self, value: Literal, dtype: DType, lanes: int = 1) -> Value:
        """A number in every lane."""
        if dtype is dtypes.i64 and lanes == 1:  # Most are indices.
            return self.index(int(value))
        text = literal_text(value, dtype)
        if lanes > 1:
            text = f"splat ({scalar_type(dtype)} {text})"
        return Value(text, dtype, lanes, self, int(value) if dtype.is_integer else None)

    def index(self, number: int) -> Value:
        """A number as an index; always the same object."""
        found = self.indices.get(number)
        if found is None:
            found = self.indices[number] = Value(str(number), dtypes.i64, 1, self, number)
        return found

    def zero(self, dtype: DType, lanes: int = 1) -> Value:
        return self.literal(0, dtype, lanes)

    def fresh(self, hint: str = "t") -> str:
        """A number that no other name of this function ends in."""
        self.count += 1
        return f"{hint}{self.count}"

    # ------------------------------------------------------------------------------- instructions

    def line(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def put(self, instruction: str, dtype: DType, lanes: int = 1) -> Value:
        """An instruction with a result."""
        return Value(self.raw(instruction), dtype, lanes, self)

    def raw(self, instruction: str) -> str:
        """An instruction with a result of a type that is none of ours, such as a pointer.

        What only computes is not written twice in a basic block.
        """
        name = self.written.get(instruction)
        if name is None:
            self.count += 1
            name = f"%t{self.count}"
            self.lines.append(f"  {name} = {instruction}")
            if instruction.startswith(COMPUTING):
                self.written[instruction] = name
        return name

    def binary(self, opcode: str, a: Value, b: Value) -> Value:
        return self.put(f"{opcode} {a.type} {a.text}, {b.text}", a.dtype, a.lanes)

    def compare(self, predicate: str, a: Value, b: Value) -> Value:
        """`predicate` is one of `icmp slt`, `fcmp olt` and their like."""
        return self.put(f"{predicate} {a.type} {a.text}, {b.text}", dtypes.bool_, a.lanes)

    def select(self, condition: Value, then: Value, otherwise: Value) -> Value:
        parts = f"{condition.typed}, {then.typed}, {otherwise.typed}"
        return self.put(f"select {parts}", then.dtype, then.lanes)

    def change(self, opcode: str, value: Value, dtype: DType) -> Value:
        """A conversion instruction: `opcode x to type`."""
        target = register_type(dtype, value.lanes)
        return self.put(f"{opcode} {value.typed} to {target}", dtype, value.lanes)

    def call(self, symbol: str, args: Sequence[Value], result: DType, extra: str = "") -> Value:
        """Call a function of values with the lanes of the first, and declare it."""
        lanes = args[0].lanes
        returns = register_type(result, lanes)
        types = ", ".join(a.type for a in args)
        # No function called here has an effect, so LLVM may move calls out of loops.
        text = f"declare {returns} @{symbol}({_with(types, extra, 0)})"
        self.symbols.setdefault(symbol, text + " nounwind willreturn memory(none)")
        values = _with(", ".join(a.typed for a in args), extra, 1)
        return self.put(f"call {returns} @{symbol}({values})", result, lanes)

    def intrinsic(self, name: str, args: Sequence[Value], extra: str = "") -> Value:
        """Call `llvm.name` for the type of its arguments; `extra`: a constant like `i1 false`."""
        return self.call(f"llvm.{name}.{suffix(args[0])}", args, args[0].dtype, extra)

    def library(self, name: str, args: Sequence[Value]) -> Value:
        """A function of the C library on f32 or f64, called once a lane."""
        dtype = args[0].dtype
        symbol = name if dtype is dtypes.f64 else name + "f"
        return self.lanewise(lambda lane: self.call(symbol, lane, dtype), tuple(args))

    def lanewise(self, f: Callable[[tuple[Value, ...]], Value], args: tuple[Value, ...]) -> Value:
        """Apply a function of scalars to each lane."""
        lanes = args[0].lanes
        if lanes == 1:
            return f(args)
        parts = [f(tuple(self.extract(a, i) for a in args)) for i in range(lanes)]
        return self.gather_lanes(parts)

    def extract(self, value: Value, lane: int) -> Value:
        """One lane; a scalar is the same in all."""
        if value.lanes == 1:
            return value
        return self.put(f"extractelement {value.typed}, i32 {lane}", value.dtype)

    def gather_lanes(self, parts: Sequence[Value]) -> Value:
        """A vector of scalars."""
        text, lanes = "poison", len(parts)
        kind = register_type(parts[0].dtype, lanes)
        for lane, part in enumerate(parts):
            text = self.raw(f"insertelement {kind} {text}, {part.typed}, i32 {lane}")
        return self.value(text, parts[0].dtype, lanes)

    # ------------------------------------------------------------------------------ control flow

    def begin(self, label: str) -> None:
        """Start a basic block."""
        self.lines.append(f"{label}:")
        self.label = label
        self.written.clear()
        self.cells.clear()

    def rarely(self, condition: Value, other: Callable[[], Value], value: Value) -> Value:
        """`value`; in lanes where the condition holds, what `other` writes.

        That runs only if there are such lanes, behind a branch that is predicted well.
        """
        is_any = condition
        if condition.lanes > 1:
            kind = f"v{condition.lanes}i1"
            symbol = f"llvm.vector.reduce.or.{kind}"
            self.symbols.setdefault(symbol, f"declare i1 @{symbol}({condition.type})")
            is_any = self.put(f"call i1 @{symbol}({condition.typed})", dtypes.bool_)
        inside, done, before = self.fresh("rare"), self.fresh("done"), self.label
        self.branch(is_any, inside, done)
        self.begin(inside)
        chosen = self.select(condition, other(), value)
        last = self.label
        self.jump(done)
        self.begin(done)
        choices = f"[ {value.text}, %{before} ], [ {chosen.text}, %{last} ]"
        return self.put(f"phi {value.type} {choices}", value.dtype, value.lanes)

    def settle(self) -> None:
        """Write what register buffers hold and memory does not."""
        for cells in self.cells.values():
            cells.settle()

    def jump(self, label: str, extra: str = "") -> None:
        self.settle()
        self.line(f"br label %{label}{extra}")

    def branch(self, condition: Value, then: str, otherwise: str, extra: str = "") -> None:
        self.settle()
        self.line(f"br i1 {condition.text}, label %{then}, label %{otherwise}{extra}")


def _with(arguments: str, extra: str, is_call: int) -> str:
    if not extra:
        return arguments
    return f"{arguments}, {extra if is_call else extra.split()[0]}"


def suffix(value: Value) -> str:
    """How an overloaded intrinsic names a type."""
    element = scalar_type(value.dtype)
    short = {"half": "f16", "float": "f32", "double": "f64"}.get(element, element)
    return short if value.lanes == 1 else f"v{value.lanes}{short}"
