"""From an optimised graph to a program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Lowering
from irflow.ir.types import TensorType
from irflow.loops import Block, For, Kernel, LoopKind
from irflow.loops.walk import map_statement
from irflow.lowering.contraction import contraction_nest
from irflow.lowering.control import ALIASES as ALIASES
from irflow.lowering.control import is_native, lower_control
from irflow.lowering.forks import forked
from irflow.lowering.group import HEAVY, Group
from irflow.lowering.lending import Lending, Pairs, overwritten
from irflow.lowering.nest import Built, element_nest, own_nest
from irflow.lowering.partial import partial_nest
from irflow.lowering.preheaders import Panels, Preheader
from irflow.lowering.program import Program, Storage
from irflow.lowering.quarters import is_by_quarters, quarter_nest
from irflow.lowering.rows import is_by_rows, row_nest
from irflow.lowering.steps import CopyStep, HostStep, KernelStep, Step
from irflow.lowering.target import GENERIC, Target
from irflow.ops import Attention, AttentionGradient, Constant, Matmul
from irflow.ops.convolution_form import ConvolutionOp
from irflow.ops.pool_op import PoolOp

INLINED = ("call", "checkpoint", "custom_jvp", "custom_vjp")
FUSED = "fusion"


def lower_graph(
    graph: Graph,
    name: str = "main",
    target: Target = GENERIC,
    watch: Callable[[Kernel], None] | None = None,
    has_forks: bool = True,
    lent: Collection[int] = (),
) -> Program:
    """The program of a checked graph.

    Fused regions become one kernel each, other nodes one by themselves; reshapes become nothing.
    Calls that are still there are inlined. Branches and loops become steps with steps inside,
    unless these need the host. Ops without loops become host steps.

    Args:
        graph: left as it is.
        name: of the program.
        target: the machine for which loops are cut.
        watch: is given each kernel as soon as it is written.
        has_forks: whether small steps may run at the same time, which takes more memory.
        lent: inputs in whose place outputs may lie.

    Raises:
        LoweringError: a fused region contains an op that has no element function.
    """
    if any(node.op.name in INLINED for node in graph):
        graph = inline_calls(graph)
    return ProgramBuilder(graph, target, name, watch, lent).run(has_forks)


def inline_calls(graph: Graph) -> Graph:
    """A copy in which the nodes of calls stand in their place."""
    result = graph.copy()
    for node in result:
        if node.op.name in INLINED:
            builder = Builder(result, before=node, location=node.location)
            result.replace(node, builder.inline(inline_calls(node.regions[0]), node.inputs))
    return result


class ProgramBuilder:
    """Buffers and steps as they come.

    Attributes:
        buffers: all memory so far.
        steps: where new steps go.
        numbers: the buffer of each value.
        carried: inputs of bodies that are carried.
        is_inside_blocks: whether threads share the steps already, as blocks of rows.
        preheaders: those of the loops around the steps, outermost first.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        name: str,
        watch: Callable[[Kernel], None] | None = None,
        lent: Collection[int] = (),
    ) -> None:
        self.graph = graph
        self.watch = watch
        self.target = target
        self.name = name
        self.buffers: list[Storage] = []
        self.steps: list[Step] = []
        self.numbers: dict[Value, int] = {}
        self.carried: set[Value] = set()
        self.constants: dict[DenseArray, int] = {}
        self.kernels: dict[Kernel, Kernel] = {}
        self.built: dict[Hashable, tuple[Built, Pairs]] = {}
        self.lending = Lending.of(graph, lent)
        self.is_inside_blocks = False
        self.preheaders: list[Preheader] = []

    def run(self, has_forks: bool) -> Program:
        for position, value in enumerate(self.graph.inputs):
            self.numbers[value] = self.add(Storage("input", value.type, position))
        for node in self.lending.order:
            self.node(node)
        for position, value in enumerate(self.graph.outputs):
            self.output(position, value)
        symbols = tuple(sorted(symbol.name for symbol in self.graph.symbols))
        buffers, steps = tuple(self.buffers), tuple(self.steps)
        if has_forks:
            steps = forked(steps, buffers, self.target)
        return Program(self.name, self.graph, buffers, steps, symbols)

    # ------------------------------------------------------------------------------------- buffers

    def add(self, storage: Storage) -> int:
        self.buffers.append(storage)
        return len(self.buffers) - 1

    def number(self, value: Value) -> int:
        """The buffer in which a value is found."""
        if value not in self.numbers:
            content = content_of(value)
            assert content is not None, value
            self.numbers[value] = self.constant(content, value.type)
        return self.numbers[value]

    def constant(self, content: DenseArray, type: TensorType) -> int:
        if content not in self.constants:
            content.elements.settle()
            self.constants[content] = self.add(Storage("constant", type, content=content))
        return self.constants[content]

    def fresh(self, value: Value) -> int:
        """A new temporary for a result."""
        self.numbers[value] = self.add(Storage("temporary", value.type))
        return self.numbers[value]

    def output(self, position: int, value: Value) -> None:
        """Turn a temporary into an output, or copy what cannot be returned itself."""
        number = self.number(value)
        storage, before = Storage("output", value.type, position), self.buffers[number]
        if before.kind == "temporary":
            self.buffers[number] = storage
        elif before.kind == "input" and value in self.lending.taken:
            self.buffers[number] = replace(storage, start=before.position)
            self.add(before)
        else:
            self.steps.append(CopyStep(number, self.add(storage)))

    # ---------------------------------------------------------------------------------------- steps

    @contextmanager
    def inside(self) -> Iterator[list[Step]]:
        """Collect the steps of a branch or body in a list of their own."""
        outside, self.steps = self.steps, []
        try:
            yield self.steps
        finally:
            self.steps = outside

    @contextmanager
    def in_blocks(self, is_inside: bool = True) -> Iterator[None]:
        """Make kernels that run on one thread; or again on all, in front of such steps."""
        before, self.is_inside_blocks = self.is_inside_blocks, is_inside
        try:
            yield
        finally:
            self.is_inside_blocks = before

    @contextmanager
    def before_loop(self, fixed: Sequence[int]) -> Iterator[None]:
        """Steps for a loop whose body reads these buffers unchanged: some may stand before it."""
        self.preheaders.append(Preheader(frozenset(fixed)))
        try:
            yield
        finally:
            self.steps += self.preheaders.pop().steps

    def packed(self, number: int, panels: Panels) -> int:
        """The buffer with the panels of a matrix, packed as far outside as it is the same."""
        place = next(p for p in self.preheaders if number in p.fixed)
        key = number, panels.width
        if key not in place.packed:
            with self.in_blocks(False):
                kernel = self.made(panels.group, ())[0].kernel
            place.packed[key] = self.add(Storage("temporary", panels.type))
            place.steps.append(KernelStep(kernel, (number,), (place.packed[key],)))
        return place.packed[key]

    def closed(self, region: Graph) -> Graph:
        """A region without calls."""
        has_calls = any(node.op.name in INLINED for node in region)
        return inline_calls(region) if has_calls else region

    def node(self, node: Node) -> None:
        if isinstance(node.op, Constant):
            return
        if node.op.name in ALIASES and content_of(node.inputs[0]) is None:
            self.numbers[node.output] = self.number(node.inputs[0])
        elif node.op.name == FUSED:
            self.region(node)
        elif is_native(node):
            lower_control(self, node)
        elif node.lowering in (Lowering.HOST, Lowering.REGION):
            inputs = tuple(self.number(value) for value in node.inputs)
            outputs = tuple(self.fresh(value) for value in node.outputs)
            self.steps.append(HostStep(node, inputs, outputs, len(self.steps)))
        else:
            group = Group.of_node(node, node.op.name)
            self.group(group, group.inputs, node.outputs)

    def region(self, node: Node) -> None:
        (region,) = node.regions
        group = Group.of_region(region, kernel_name(region))
        self.group(group, node.inputs, node.outputs)

    def group(self, group: Group, operands: tuple[Value, ...], results: tuple[Value, ...]) -> None:
        """One kernel for each shape among the outputs, or for all where it goes row by row."""
        outside = dict(zip(group.inputs, operands, strict=True))
        contents = {inner: content_of(outer) for inner, outer in outside.items()}
        literals = {value: dense for value, dense in contents.items() if dense is not None}
        shapes = dict.fromkeys(value.type.shape for value in group.outputs)
        # A pass may have left nothing but operands in the region.
        is_nest = any(node.op.lowering is Lowering.NEST for node in group.nodes)
        kernels = []
        for shape in [None] if is_nest or is_by_rows(group) else shapes:
            chosen = [
                i for i, v in enumerate(group.outputs) if shape is None or v.type.shape == shape
            ]
            part = replace(
                group, outputs=tuple(group.outputs[i] for i in chosen), literals=literals
            )
            part, origins = part.with_reshaped_inputs()
            part = part.in_order_of_use()
            seen = outside | {value: outside[origin] for value, origin in origins.items()}
            kernels.append((part, seen, [results[i] for i in chosen]))
        for i, (part, seen, written) in enumerate(kernels):
            rest = [(origin, value) for p, origin, _ in kernels[i + 1 :] for value in p.inputs]
            self.kernel(part, seen, written, [origin[value] for origin, value in rest])

    def kernel(
        self,
        group: Group,
        outside: dict[Value, Value],
        results: list[Value],
        later: list[Value],
    ) -> None:
        """The step of a kernel, which may lie where it reads what is not needed later."""
        group = self.with_fixed(group, outside)
        values = [outside[value] for value in group.inputs if value not in group.literals]
        built, pairs = self.made(group, self.lending.pairs(values, results, later))
        for source, target in pairs:
            self.lending.take(values[source], results[target])
            self.numbers[results[target]] = self.number(values[source])
        sources = {source for source, _ in pairs}
        read = [self.number(value) for i, value in enumerate(values) if i not in sources]
        read += [self.packed(self.number(outside[p.matrix]), p) for p in built.panels]
        read += [
            self.constant(content, buffer_type)
            for content, buffer_type in zip(built.constants, _types(built), strict=True)
        ]
        taken = self.lending.taken
        outputs = tuple(self.numbers[v] if v in taken else self.fresh(v) for v in results)
        self.steps.append(KernelStep(built.kernel, tuple(read), outputs, len(self.steps)))

    def with_fixed(self, group: Group, outside: dict[Value, Value]) -> Group:
        """The group with knowledge of the matrices that a loop around it multiplies by."""
        wanted = {node.inputs[1] for node in group.nodes if isinstance(node.op, Matmul)}
        fixed = frozenset().union(*(p.fixed for p in self.preheaders))
        found = {
            value
            for value in wanted.intersection(group.inputs).difference(group.literals)
            if value.type.is_static and value.type.rank == 2
            if self.number(outside[value]) in fixed
        }
        return replace(group, fixed=frozenset(found)) if found else group

    def made(self, group: Group, wanted: Pairs) -> tuple[Built, Pairs]:
        """The kernel of a group, built for the first of several equal ones.

        Args:
            group: what to compute.
            wanted: inputs and the outputs that should lie where they are.

        Returns:
            The kernel, and those of the pairs of which that is so.
        """
        structure = group.structure(), self.is_inside_blocks, wanted
        if structure not in self.built:
            built = build(group, self.target)
            kernel, pairs = overwritten(built.kernel, wanted)
            self.built[structure] = replace(built, kernel=self.shared(kernel)), pairs
        return self.built[structure]

    def shared(self, kernel: Kernel) -> Kernel:
        """An equal kernel that is there already, or this one under a name of its own."""
        if self.is_inside_blocks:
            kernel = replace(kernel, body=_serial(kernel.body))
        nameless = replace(kernel, name="")
        found = self.kernels.get(nameless)
        if found is None:
            found = replace(kernel, name=f"{kernel.name}_{len(self.kernels)}")
            self.kernels[nameless] = found
            if self.watch is not None:
                self.watch(found)
        return found


def build(group: Group, target: Target) -> Built:
    """The kernel of a group by the schedule that fits it."""
    if any(node.op.lowering is Lowering.NEST for node in group.nodes):
        return _attention_nest(group, target) or own_nest(group, target)
    if is_by_rows(group):
        return row_nest(group, target)
    if any(node.op.lowering in HEAVY for node in group.nodes):
        return (
            partial_nest(group, target)
            or _window_nest(group, target)
            or contraction_nest(group, target)
            or element_nest(group, target)
        )
    if is_by_quarters(group):
        return quarter_nest(group, target)
    return element_nest(group, target)


# The templates of attention and of windows are a third of this package; they are imported for
# programs that have such ops.


def _attention_nest(group: Group, target: Target) -> Built | None:
    if not any(isinstance(node.op, Attention | AttentionGradient) for node in group.nodes):
        return None
    from irflow.lowering.attention import attention_nest

    return attention_nest(group, target)


def _window_nest(group: Group, target: Target) -> Built | None:
    if not any(isinstance(node.op, ConvolutionOp | PoolOp) for node in group.nodes):
        return None
    from irflow.lowering.windows import window_nest

    return window_nest(group, target)


def _serial(block: Block) -> Block:
    """The same with parallel loops as any others."""
    found = []
    for stmt in block.statements:
        inner = map_statement(stmt, lambda expr: expr, _serial)
        if isinstance(inner, For) and inner.kind is LoopKind.PARALLEL:
            inner = replace(inner, kind=LoopKind.SERIAL)
        found.append(inner)
    return Block(tuple(found))


def kernel_name(region: Graph) -> str:
    """The names of the first few distinct ops of a region that say what it does."""
    plain = ("constant", "broadcast", "elementwise", "convert", "reshape")
    names = dict.fromkeys(node.op.name for node in region if node.op.name not in plain)
    return "_".join([*list(names)[:3], "fused"])


def content_of(value: Value) -> DenseArray | None:
    """The array that a value always is, if it is a constant."""
    if value.node is not None and isinstance(value.node.op, Constant):
        return value.node.op.value
    return None


def _types(built: Built) -> list[TensorType]:
    count = len(built.constants)
    buffers = built.kernel.inputs[len(built.kernel.inputs) - count :]
    return [TensorType(buffer.dtype, buffer.shape) for buffer in buffers]
