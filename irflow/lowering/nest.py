"""Loop nests for groups of nodes: over the output elements, or written by the op itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from irflow import dtypes
from irflow.dims import Size
from irflow.ir.attributes import DenseArray
from irflow.ir.graph import Value
from irflow.ir.op import Lowering
from irflow.loops import Buffer, Const, Expr, Kernel, Load, LoopKind, Var
from irflow.loops.simplify import simplify, simplify_expr
from irflow.lowering.columns import Pieces, pieces
from irflow.lowering.element import ElementContext
from irflow.lowering.group import Group
from irflow.lowering.preheaders import Panels
from irflow.lowering.schedule import loop_axes
from irflow.lowering.scopes import ScopedBuilder
from irflow.lowering.streaming import stream_outputs
from irflow.lowering.target import Target
from irflow.lowering.values import Extent, Index, narrowed, widened
from irflow.lowering.vectorize import vectorize
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Built:
    """A kernel, and what it takes behind the inputs of its group.

    Attributes:
        kernel: that one.
        constants: the last of its inputs.
        panels: those in front of these: what is packed before the loop around it.
    """

    kernel: Kernel
    constants: tuple[DenseArray, ...]
    panels: tuple[Panels, ...] = ()


class NestContext(ElementContext):
    """Where one kernel is written: its buffers, its builder, and the outputs.

    Args:
        group: what to compute.
        target: the machine.
        is_flat: whether all tensors are addressed by one index.
    """

    def __init__(self, group: Group, target: Target, is_flat: bool = False) -> None:
        self.group = group
        builder = ScopedBuilder(group.symbols())
        read = [value for value in group.inputs if value not in group.literals]
        inputs = {v: _buffer(builder, f"x{i}", v, is_flat) for i, v in enumerate(read)}
        super().__init__(inputs, builder, target, is_flat, group.literals)
        self.inputs = tuple(inputs.values())
        self.outputs = tuple(
            _buffer(builder, f"y{i}", v, is_flat) for i, v in enumerate(group.outputs)
        )
        self.panels: dict[Panels, Buffer] = {}
        self._shared: set[str] = set()
        for type in group.types:
            self.note_sizes(*type.shape)

    def finish(self, streams: bool = False) -> Built:
        """The kernel, with its schedule carried out.

        Args:
            streams: whether it writes each output once, in order, so that stores may go past the
                caches.
        """
        inputs = (*self.inputs, *self.panels.values(), *self.constants.values())
        # Looking for sizes in the code takes notable time.
        sizes = None if self.group.symbols() else ()
        kernel = self.builder.kernel(self.group.name, inputs, self.outputs, sizes)
        kernel = simplify(vectorize(kernel, self.target, self._shared))
        kernel = stream_outputs(kernel, self.target) if streams else kernel
        return Built(kernel, tuple(self.constants), tuple(self.panels))

    def panel_buffer(self, panels: Panels) -> Buffer:
        """Where the kernel finds what was packed before the loop."""
        if panels not in self.panels:
            name, type = self.builder.unique("panels"), panels.type
            self.panels[panels] = Buffer(name, type.dtype, type.shape)
        return self.panels[panels]

    # --------------------------------------------------------------------------- for `Op.nest`

    def for_each(self, shape: Sequence[Extent], body: Callable[[Sequence[Expr]], None]) -> None:
        """Run `body` for every index below `shape`, in row-major order."""
        with self.loops(shape) as index:
            body(list(index))

    def store(self, output: int, index: Index, value: Expr) -> None:
        """Write one element of an output."""
        buffer = self.outputs[output]
        place = [self.index(part) for part in index]
        self.builder.store(buffer, place, narrowed(self.builder.let(value), buffer.dtype))

    def load_output(self, output: int, index: Index) -> Expr:
        """What was written to an output before."""
        place = tuple(self.index(part) for part in index)
        return self.builder.let(widened(Load(self.outputs[output], place)), "old")

    def if_(self, condition: Expr, body: Callable[[], None]) -> None:
        """Run `body` if `condition` holds."""
        with self.builder.if_(self.let(condition)):
            body()

    # ------------------------------------------------------------------------------- schedules

    def store_outputs(self, index: Index) -> None:
        """Compute every output at `index` that is not in memory already, then write them."""
        pairs = zip(self.group.outputs, self.outputs, strict=True)
        missing = [(value, out) for value, out in pairs if self.buffers.get(value) is not out]
        values = [self.at(value, index) for value, _ in missing]
        place = [self.index(part) for part in index]
        for (_, buffer), value in zip(missing, values, strict=True):
            self.builder.store(buffer, place, narrowed(value, buffer.dtype), self.mask)

    @contextmanager
    def output_loops(
        self, shape: Sequence[Size], in_vectors: bool = True
    ) -> Iterator[tuple[Expr, ...]]:
        """Loops over all elements of the outputs: one in vectors, one shared by threads.

        These may be the same one; then threads share whole vectors. Without `in_vectors`, none is
        left to become vectors.
        """
        wide, shared = loop_axes(shape, in_vectors and bool(self.group.heavy()))
        wide = wide if in_vectors else None
        with ExitStack() as stack:
            index: list[Expr] = []
            for axis, size in enumerate(shape):
                kind = LoopKind.PARALLEL if axis == shared else LoopKind.SERIAL
                kind = LoopKind.VECTOR if axis == wide else kind
                index.append(stack.enter_context(self.one_loop(size, kind, "i")))
            found = index[wide] if wide is not None and wide == shared else None
            if isinstance(found, Var):
                self._shared.add(found.name)
            yield tuple(index)

    @contextmanager
    def where(self, condition: Expr) -> Iterator[None]:
        """What is inside happens if `condition` holds; no branch where that is known."""
        known = simplify_expr(condition, self.known)
        if known == Const(True, dtypes.bool_):
            yield
            return
        with self.builder.if_(known):
            yield


def _buffer(builder: ScopedBuilder, name: str, value: Value, is_flat: bool) -> Buffer:
    shape = value.type.shape
    if is_flat and shape:
        shape = (value.type.size,)
    return Buffer(builder.unique(name), value.type.dtype, shape)


def element_nest(group: Group, target: Target) -> Built:
    """Loops over the output axes, the innermost in vectors; one store an output."""
    context = NestContext(group, target, is_flat=group.is_flat())
    shape = context.outputs[0].shape
    found = pieces(group, target.lanes(context.outputs[0].dtype))
    wide, shared = loop_axes(shape, is_heavy=False)
    if found is not None and shared is not None and wide == len(shape) - 1 > shared:
        _write_pieces(context, found, shared)
    else:
        with context.output_loops(shape) as index:
            context.store_outputs(index)
    return context.finish(streams=True)


def _write_pieces(context: NestContext, found: Pieces, shared: int) -> None:
    """Loops over the axes in front of the one that is cut, in them loops over each piece."""
    shape, cut = context.outputs[0].shape, found.axis
    kinds = [LoopKind.SERIAL] * (len(shape) - 1) + [LoopKind.VECTOR]
    kinds[shared] = LoopKind.PARALLEL

    @contextmanager
    def loops(extents: Sequence[Size], first: int) -> Iterator[list[Expr]]:
        with ExitStack() as stack:
            rows = zip(extents, kinds[first:], strict=False)
            yield [stack.enter_context(context.one_loop(size, kind, "i")) for size, kind in rows]

    with loops(shape[:cut], 0) as outer:
        for start, end in found.bounds:
            with loops([end - start, *shape[cut + 1 :]], cut) as (place, *inner):
                context.store_outputs((*outer, place + start, *inner))


def own_nest(group: Group, target: Target) -> Built:
    """The nest that an op writes itself."""
    (node,) = group.nodes
    assert node.op.lowering is Lowering.NEST
    context = NestContext(group, target)
    inputs = [context.load(value) for value in node.inputs]
    node.op.nest(context, inputs, context.outputs)
    return context.finish()
