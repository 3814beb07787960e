"""The loop IR: scalars, buffers and loops; about twenty frozen classes.

Expressions have a dtype and no side effects. Statements write buffers. A `Let` names a value for
the rest of its block, so expressions form no deep trees and shared values are computed once.
Indices are one integer expression an axis; buffers are dense and row-major, the emitter linearises.

A kernel's memory is its parameters and what it allocates. `If`, `For` and `While` open a scope. A
mask on a `Load` or `Store` that is false makes the access not happen; a masked-off load gives 0.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.records import dataclass
from irflow.scalars import Literal, Operand, Scalar, find

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def node(cls: type[Class]) -> type[Class]:
    """A frozen dataclass with slots, to those who read or check the code.

    When running nothing hinders assignment: there are so many nodes that it would take notable
    time, as a frozen dataclass enters its own fields through `object.__setattr__`.
    """
    return dataclass(slots=True, unsafe_hash="__hash__" not in vars(cls))(cls)


class LoopKind(enum.Enum):
    """How the iterations of a `For` are run; all but the GPU kinds mean the same as serial."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    VECTOR = "vector"
    UNROLL = "unroll"
    BLOCK_X = "block_x"
    BLOCK_Y = "block_y"
    BLOCK_Z = "block_z"
    THREAD_X = "thread_x"
    THREAD_Y = "thread_y"
    THREAD_Z = "thread_z"


class Space(enum.Enum):
    """Where a buffer lives: memory of the program, of a block of threads, or of one thread."""

    GLOBAL = "global"
    SHARED = "shared"
    REGISTER = "register"


@node
class Buffer:
    """A dense row-major array of `shape` elements; symbolic sizes are parameters of the kernel."""

    name: str
    dtype: DType
    shape: tuple[Size, ...]
    space: Space = Space.GLOBAL


# ------------------------------------------------------------------------------------- expressions


class Expr(Operand):
    """The base of expressions. Arithmetic makes `Apply` nodes; numbers take the other's dtype."""

    __slots__ = ()

    if TYPE_CHECKING:
        # Not there when running: a dataclass would take an inherited property for a default.

        @property
        def dtype(self) -> DType:
            """The type of each lane."""

        @property
        def lanes(self) -> int:
            """1 for a scalar, more for a vector."""

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Expr:
        """An `Apply`; a Python number becomes a literal of the other operands' dtype and lanes."""
        dtype, lanes = None, 1
        for operand in operands:
            if isinstance(operand, Expr):
                lanes = max(lanes, operand.lanes)
                if dtype is None and not (row.selects and operand is operands[0]):
                    dtype = operand.dtype
        parts = [_operand(o, dtype, lanes) for o in operands]
        if row.selects and not isinstance(operands[0], Expr):
            parts[0] = _operand(operands[0], dtypes.bool_, lanes)
        return Apply(row, tuple(parts))


def _operand(operand: Any, dtype: DType | None, lanes: int) -> Expr:
    if isinstance(operand, Expr):
        return operand
    literal = Const(operand, dtype or _literal_type(operand))
    return literal if lanes == 1 else Broadcast(literal, lanes)


def _literal_type(value: Literal) -> DType:
    if isinstance(value, bool):
        return dtypes.bool_
    return dtypes.i64 if isinstance(value, int) else dtypes.DEFAULT_FLOAT


@node
class Const(Expr):
    """A literal. Zeros of different sign differ, and NaN equals NaN: equality is sameness."""

    value: Literal
    dtype: DType

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Const) or self.dtype is not other.dtype:
            return False
        if self.dtype.is_float:
            return float(self.value).hex() == float(other.value).hex()
        return self.value == other.value

    def __hash__(self) -> int:
        # Every NaN has a hash of its own.
        return hash(self.value) if self.value == self.value else 0

    @property
    def lanes(self) -> int:
        return 1


@node
class Var(Expr):
    """A loop variable, a `Let` name or a size parameter."""

    name: str
    dtype: DType = dtypes.i64
    lanes: int = 1


@node
class Load(Expr):
    """One element of a buffer; 0 where `mask` is false.

    `hint` is `""`, `"stream"` (non-temporal) or `"prefetch"`: the line is only brought nearer, the
    index may lie outside of the buffer, and the value is 0.
    """

    buffer: Buffer
    index: tuple[Expr, ...]
    mask: Expr | None = None
    hint: str = ""

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype

    @property
    def lanes(self) -> int:
        for part in self.index:
            if part.lanes > 1:
                return part.lanes
        return 1


@node
class Apply(Expr):
    """A scalar row applied to expressions of equal dtype."""

    row: Scalar
    args: tuple[Expr, ...]
    # Stored, since expressions may share parts and every use asks for them.
    dtype: DType = field(init=False, repr=False, compare=False)
    lanes: int = field(init=False, repr=False, compare=False)
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.row.infer([a.dtype for a in self.args]))
        object.__setattr__(self, "lanes", max([a.lanes for a in self.args]))

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash((self.row, self.args)))
        assert self._hash is not None
        return self._hash


@node
class Cast(Expr):
    """Conversion as by the graph op `convert`: floats to integers truncate and saturate."""

    dtype: DType
    value: Expr

    @property
    def lanes(self) -> int:
        return self.value.lanes


@node
class Select(Expr):
    """`then` where `condition`, else `otherwise`; both sides are evaluated."""

    condition: Expr
    then: Expr
    otherwise: Expr

    @property
    def dtype(self) -> DType:
        return self.then.dtype

    @property
    def lanes(self) -> int:
        return max(self.condition.lanes, self.then.lanes, self.otherwise.lanes)


@node
class Ramp(Expr):
    """The vector `start, start + stride, …` of `lanes` indices."""

    start: Expr
    stride: int
    lanes: int

    @property
    def dtype(self) -> DType:
        return self.start.dtype


@node
class Broadcast(Expr):
    """One value in every lane."""

    value: Expr
    lanes: int

    @property
    def dtype(self) -> DType:
        return self.value.dtype


@node
class Shuffle(Expr):
    """Lanes picked from the concatenation of vectors."""

    vectors: tuple[Expr, ...]
    indices: tuple[int, ...]

    @property
    def dtype(self) -> DType:
        return self.vectors[0].dtype

    @property
    def lanes(self) -> int:
        return len(self.indices)


@node
class Intrinsic(Expr):
    """A machine operation outside the table of scalar rows, with a NumPy meaning of its own."""

    row: Scalar
    args: tuple[Expr, ...]
    dtype: DType
    lanes: int = 1


# -------------------------------------------------------------------------------------- statements


class Stmt:
    """The base of statements."""

    __slots__ = ()


@node
class Block(Stmt):
    """Statements in order."""

    statements: tuple[Stmt, ...]


@node
class For(Stmt):
    """`for var in range(extent)`."""

    var: Var
    extent: Expr
    kind: LoopKind
    body: Block


@node
class While(Stmt):
    """Run `body` as long as `condition`, evaluated anew each time, is true."""

    condition: Expr
    body: Block


@node
class If(Stmt):
    """A branch."""

    condition: Expr
    then: Block
    otherwise: Block | None = None


@node
class Let(Stmt):
    """Name a value for the rest of the block."""

    var: Var
    value: Expr


@node
class Store(Stmt):
    """Write one element, unless `mask` is false. `hint`: `""` or `"stream"` (non-temporal)."""

    buffer: Buffer
    index: tuple[Expr, ...]
    value: Expr
    mask: Expr | None = None
    hint: str = ""


@node
class Alloc(Stmt):
    """Make a buffer for the rest of the block; its content is undefined."""

    buffer: Buffer


@node
class Barrier(Stmt):
    """Wait for all threads of the block."""


@node
class Kernel:
    """A function of buffers and sizes without a result.

    Attributes:
        name: unique in its program.
        inputs: buffers that are read; they may alias each other.
        outputs: buffers that are written; they alias nothing.
        sizes: the symbolic sizes that the body reads as `i64` variables.
        body: what it does.
    """

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    sizes: tuple[Var, ...]
    body: Block


def integer(value: int) -> Const:
    """An index literal."""
    return Const(value, dtypes.i64)


def size_expr(size: Size) -> Expr:
    """A size as an `i64` expression over size variables."""
    if isinstance(size, int):
        return integer(size)
    result: Expr = dims.fold(
        size,
        constant=integer,
        symbol=lambda symbol: Var(symbol.name),
        add=lambda a, b: a + b,
        multiply=lambda a, b: a * b,
        floordiv=lambda a, b: a // b,
        mod=lambda a, b: a % b,
        minimum=lambda a, b: find("minimum")(a, b),
        maximum=lambda a, b: find("maximum")(a, b),
    )
    return result
