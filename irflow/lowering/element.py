"""Element functions composed into one kernel.

A tensor is a function from an index to an element: a load for what is in memory, else the element
function of the op that makes it, applied to the functions of its operands. Fusion is this
composition. A value asked for twice at one index is computed once, in the outermost scope that
has all variables of the index; so a row's sum is computed once a row, and code grows with the
number of nodes, not with the number of paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import LoweringError
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Value
from irflow.ir.types import TensorType
from irflow.loops import Buffer, Cast, Const, Expr, Load, LoopKind, Select, Var, integer, size_expr
from irflow.loops.bounds import Interval
from irflow.loops.simplify import simplify_expr
from irflow.loops.walk import loads, subexpressions, substitute
from irflow.lowering import schedule
from irflow.lowering.combine import combined
from irflow.lowering.scopes import ScopedBuilder
from irflow.lowering.strides import Access, accesses
from irflow.lowering.target import GENERIC, Target
from irflow.lowering.values import (
    ZERO,
    Extent,
    Index,
    Reduction,
    divided,
    extent_interval,
    index_of,
    literal,
    name_of,
    placeholder,
    symbol_interval,
    widened,
)
from irflow.ops import Reshape
from irflow.records import dataclass
from irflow.scalars import Scalar, find

MOVES = frozenset(["broadcast", "reshape", "reverse", "slice", "transpose"])
"""Ops whose results hold elements of their operand."""

NAMED_INDEX_SIZE = 24
"""Longer index expressions get a name; smaller ones stay open to simplification."""


@dataclass(frozen=True, slots=True)
class Element:
    """A tensor as a function from an index to an element.

    Attributes:
        context: where its code goes.
        value: the tensor.
    """

    context: ElementContext
    value: Value

    @property
    def type(self) -> TensorType:
        return self.value.type

    def __call__(self, index: Index) -> Expr:
        return self.context.at(self.value, index)


class ElementContext:
    """Where element functions of one kernel put their code; given to `Op.element`.

    Args:
        buffers: the tensors in memory. All others must be results of nodes that lead back to
            them.
        builder: the nest that is being written.
        target: the machine.
        is_flat: whether tensors are addressed by one index over all their elements.
        literals: tensors whose content is known.
    """

    def __init__(
        self,
        buffers: Mapping[Value, Buffer],
        builder: ScopedBuilder,
        target: Target = GENERIC,
        is_flat: bool = False,
        literals: Mapping[Value, DenseArray] | None = None,
    ) -> None:
        self.buffers = dict(buffers)
        self.builder = builder
        self.target = target
        self.is_flat = is_flat
        self.literals = dict(literals or {})
        self.constants: dict[DenseArray, Buffer] = {}
        self.known: dict[str, Interval] = {}
        self._simple: dict[Expr, tuple[Expr, bool]] = {}
        self._masks: list[Expr] = []
        self._captured: list[Reduction] | None = None
        self._is_probing = False

    # -------------------------------------------------------------------------------------- tensors

    def load(self, value: Value) -> Element:
        """A tensor as a function of the index."""
        return Element(self, value)

    def at(self, value: Value, index: Index) -> Expr:
        """One element of a tensor."""
        place = tuple(self.index(part) for part in index)
        mask = self.mask
        found = self.builder.recall((value, place, None))
        if found is None and mask is not None:
            found = self.builder.recall((value, place, mask))
        if found is not None:
            return found
        # A reduction that is being captured is that of the op at hand, not of its operands.
        captured, self._captured = self._captured, None
        with self.builder.outside(self.builder.home(*place, *self._masks)):
            result = self.builder.let(self._compute(value, place), name_of(value))
            self.builder.remember((value, place, mask), result)
        self._captured = captured
        return result

    def _compute(self, value: Value, place: tuple[Expr, ...]) -> Expr:
        if value in self.buffers:
            return widened(Load(self.buffers[value], place, self.mask))
        if value in self.literals:
            return self.constant(self.literals[value], place)
        node = value.node
        if node is None:
            raise LoweringError(f"{value!r} is neither in memory nor computed here")
        operands = [Element(self, operand) for operand in node.inputs]
        if self.is_flat and isinstance(node.op, Reshape):
            return operands[0](place)
        result: Expr = node.op.element(self, place, operands)
        return result

    def define(self, value: Value, index: Index, element: Expr) -> None:
        """Say what stands at an index, for the length of the innermost open scope."""
        place = tuple(self.index(part) for part in index)
        self.builder.remember((value, place, None), element)

    def index(self, expr: Expr) -> Expr:
        """An index expression simplified, and named where it is long."""
        if isinstance(expr, (Const, Var)):
            return expr
        found = self._simple.get(expr)
        if found is None:
            simple = simplify_expr(expr, self.known)
            parts = subexpressions(simple)
            is_open = len(parts) <= NAMED_INDEX_SIZE and not any(
                isinstance(part, Load) for part in parts
            )
            found = self._simple[expr] = simple, is_open
        simple, is_open = found
        return simple if is_open else self._named(simple, "at")

    # ---------------------------------------------------------------------------------- for the ops

    def let(self, expr: Expr) -> Expr:
        """An expression that is computed once; small index arithmetic is left open."""
        if expr.dtype is dtypes.i64:
            return self.index(expr)
        return self._named(expr, "t")

    def _named(self, expr: Expr, hint: str) -> Expr:
        if expr.dtype.is_float:
            # 0.0 and -0.0 are equal as Python numbers, so such expressions do not serve as keys.
            return self.builder.name(expr, hint)
        found = self.builder.recall(expr)
        if found is None:
            with self.builder.outside(self.builder.home(expr)):
                found = self.builder.let(expr, hint)
                if not any(True for _ in loads(expr)):
                    self.builder.remember(expr, found)
        return found

    def size(self, size: Size) -> Expr:
        """A size as an `i64`."""
        return size_expr(size)

    def constant(self, dense: DenseArray, index: Index) -> Expr:
        """An element of a constant: a literal where all are equal, else a load from a buffer."""
        if dense.is_uniform:
            dtype = dtypes.compute_dtype(dtypes.from_numpy(dense.dtype))
            return literal(dense.array.reshape(-1)[0], dtype)
        return widened(Load(self.constant_buffer(dense), tuple(index), self.mask))

    def constant_buffer(self, dense: DenseArray) -> Buffer:
        """Where the kernel finds a constant."""
        if dense not in self.constants:
            shape = (dense.size,) if self.is_flat else dense.shape
            name = self.builder.unique("constant")
            self.constants[dense] = Buffer(name, dtypes.from_numpy(dense.dtype), shape)
        return self.constants[dense]

    def convert(self, value: Expr, dtype: DType) -> Expr:
        """A value in another element type. 16-bit floats are rounded to and then kept in f32."""
        wide = dtypes.compute_dtype(dtype)
        if dtype is not wide:
            return Cast(wide, Cast(dtype, value))
        return value if value.dtype is dtype else Cast(dtype, value)

    @contextmanager
    def masked(self, condition: Expr) -> Iterator[None]:
        """Loads inside happen only where `condition` holds, and give 0 elsewhere."""
        if condition == Const(True, dtypes.bool_):
            yield
            return
        before = self._masks
        both = find("logical_and")(before[-1], condition) if before else condition
        self._masks = [self._named(both, "inside")]
        yield
        self._masks = before

    @property
    def mask(self) -> Expr | None:
        """All that `masked` demands at this place."""
        return self._masks[-1] if self._masks else None

    # ---------------------------------------------------------------------------------------- loops

    @contextmanager
    def loops(
        self, extents: Sequence[Extent], kind: LoopKind = LoopKind.SERIAL, name: str = "r"
    ) -> Iterator[tuple[Expr, ...]]:
        """Nested loops, the last one innermost; none for an extent of 1."""
        with ExitStack() as stack:
            yield tuple(stack.enter_context(self.one_loop(e, kind, name)) for e in extents)

    @contextmanager
    def one_loop(
        self, extent: Extent, kind: LoopKind = LoopKind.SERIAL, name: str = "r"
    ) -> Iterator[Expr]:
        """A loop that knows the bounds of its variable."""
        if extent == 1 or extent == integer(1):
            yield ZERO
            return
        self.note_sizes(extent)
        with self.builder.loop(name, extent, kind) as var:
            self.known[var.name] = extent_interval(extent)
            yield var

    def vector_loops(
        self,
        extents: tuple[Extent, Extent],
        name: str = "o",
        kind: LoopKind = LoopKind.SERIAL,
    ) -> Iterator[tuple[Expr, Expr]]:
        """A loop with a vector loop in it."""
        with (
            self.one_loop(extents[0], kind, name) as outer,
            self.one_loop(extents[1], LoopKind.VECTOR, "l") as lane,
        ):
            yield outer, lane

    def note_sizes(self, *extents: Extent) -> None:
        """Remember the bounds of the symbols in sizes."""
        for symbol in dims.shape_symbols([e for e in extents if not isinstance(e, Expr)]):
            self.known[symbol.name] = symbol_interval(symbol)

    def loop(
        self,
        extents: Sequence[Extent],
        init: Sequence[Expr],
        body: Callable[[Index, tuple[Expr, ...]], Sequence[Expr]],
    ) -> tuple[Expr, ...]:
        """Values carried through nested loops: `body(indices, carried)` gives the next ones."""
        builder = self.builder
        cells = [builder.alloc(value.dtype, (1,), name="cell") for value in init]
        for cell, value in zip(cells, init, strict=True):
            builder.store(cell, (ZERO,), value)
        with self.loops(extents) as index:
            carried = tuple(builder.let(Load(cell, (ZERO,)), "carried") for cell in cells)
            following = [builder.let(value) for value in body(index, carried)]
            for cell, value in zip(cells, following, strict=True):
                builder.store(cell, (ZERO,), value)
        return tuple(builder.let(Load(cell, (ZERO,)), "result") for cell in cells)

    def reduce(
        self,
        row: Scalar,
        dtype: DType,
        extents: Sequence[Extent],
        body: Callable[[Index], Expr],
    ) -> Expr:
        """`body` combined by `row` over nested loops; its identity over an empty extent.

        16-bit floats are combined in f32. Where neighbours in the innermost loop are neighbours
        in memory, they are combined in as many chains as a vector has lanes, and the chains by
        halves at the end.
        """
        wide = dtypes.compute_dtype(dtype)
        reduction = Reduction(row, wide, tuple(extents), body, lambda value: value)
        if self._captured is not None:
            self._captured.append(reduction)
            return placeholder(reduction)
        lanes = self.target.lanes(wide)
        if self._is_probing or not self._has_lanes(reduction, lanes):
            return self._reduce_in_order(reduction)
        return self._reduce_in_lanes(reduction, lanes)

    def _has_lanes(self, reduction: Reduction, lanes: int) -> bool:
        if not reduction.extents or schedule.is_short(reduction.extents[-1], lanes):
            return False
        found = self.probe(reduction)
        return schedule.prefers_lanes(found, len(reduction.extents) - 1)

    def _reduce_in_order(self, reduction: Reduction) -> Expr:
        def step(index: Index, carried: tuple[Expr, ...]) -> tuple[Expr, ...]:
            return (reduction.row(carried[0], reduction.body(index)),)

        return self.loop(reduction.extents, (reduction.identity,), step)[0]

    def _reduce_in_lanes(self, reduction: Reduction, lanes: int) -> Expr:
        builder, row = self.builder, reduction.row
        *outer, inner = reduction.extents
        cells = builder.alloc(reduction.dtype, (lanes,), name="lanes")
        with self.one_loop(lanes, LoopKind.VECTOR, "l") as lane:
            builder.store(cells, (lane,), reduction.identity)
        with self.loops(outer) as index:
            whole, rest = (self.known_extent(part) for part in divided(inner, lanes))
            for start, width in self.vectors_of(whole, rest, lanes):
                for lane, chosen in self.lanes_of(width, lanes):
                    value = reduction.body([*index, start + lane])
                    before = Load(cells, (lane,))
                    after = combined(row, before, value)
                    after = after if chosen is None else Select(chosen, after, before)
                    builder.store(cells, (lane,), after)
        return self.combine_lanes(reduction, cells, (), lanes)

    def vectors_of(self, whole: Extent, rest: Extent, lanes: int) -> Iterator[tuple[Expr, Extent]]:
        """Starts and widths of the vectors of an axis: a loop over whole ones, then the rest."""
        if whole != 0:
            with self.one_loop(whole) as block:
                yield block * lanes, lanes
        if rest != 0:
            yield index_of(whole) * lanes, rest

    def known_extent(self, extent: Extent) -> Extent:
        """An extent, as an int where it is known."""
        if isinstance(extent, Expr):
            extent = simplify_expr(extent, self.known)
        return int(extent.value) if isinstance(extent, Const) else extent

    def lanes_of(self, width: Extent, lanes: int) -> Iterator[tuple[Expr, Expr | None]]:
        """A vector loop over so many lanes, and the mask of those that count: None for all.

        A number that is known at the call only takes a whole vector under a mask.
        """
        if isinstance(width, int):
            with self.one_loop(width, LoopKind.VECTOR, "l") as lane:
                yield lane, None
            return
        count = index_of(width)
        with (
            self.one_loop(lanes, LoopKind.VECTOR, "l") as lane,
            self.masked(lane < count),
        ):
            yield lane, self.mask

    def combine_lanes(
        self, reduction: Reduction, cells: Buffer, prefix: tuple[Expr, ...], lanes: int
    ) -> Expr:
        """The last axis of a register buffer combined by halves."""
        while lanes > 1:
            lanes //= 2
            with self.one_loop(lanes, LoopKind.VECTOR, "l") as lane:
                pair = [Load(cells, (*prefix, part)) for part in (lane, lane + lanes)]
                total = combined(reduction.row, *pair)
                self.builder.store(cells, (*prefix, lane), total)
        return self.builder.let(Load(cells, (*prefix, ZERO)), "total")

    # -------------------------------------------------------------------------- looking into an op

    def capture(self, value: Value, index: Index) -> Reduction | None:
        """The one reduction in an element function; None if there is not exactly one."""
        node = value.node
        assert node is not None
        self._captured = []
        try:
            operands = [Element(self, operand) for operand in node.inputs]
            result: Expr = node.op.element(self, tuple(index), operands)
        finally:
            found, self._captured = self._captured, None
        if len(found) != 1:
            return None
        (reduction,) = found
        mark = placeholder(reduction)
        return Reduction(
            reduction.row,
            reduction.dtype,
            reduction.extents,
            reduction.body,
            lambda total: substitute(result, {mark.name: total}),
        )

    def is_moved(self, value: Value) -> bool:
        """Whether the elements of a tensor are elements in memory at other places."""
        while value not in self.buffers and value not in self.literals:
            if value.node is None or value.node.op.name not in MOVES:
                return False
            value = value.node.inputs[0]
        return True

    def probe(self, reduction: Reduction) -> list[Access]:
        """How each load of a reduction's body moves with the reduced indices; emits nothing."""
        return self.probe_body(len(reduction.extents), reduction.body)

    def probe_body(self, count: int, body: Callable[[Index], Expr]) -> list[Access]:
        """How each load of `body` moves with `count` fresh indices; emits nothing."""
        builder, known, constants = self.builder, dict(self.known), dict(self.constants)
        was_probing = self._is_probing
        self.builder, self._is_probing = ScopedBuilder(builder.taken), True
        try:
            variables = [self.builder.define("probe") for _ in range(count)]
            result = self.builder.let(body(variables), "probed")
            return accesses(self.builder.finish(), result, variables)
        finally:
            self.builder, self._is_probing = builder, was_probing
            self.known, self.constants = known, constants
