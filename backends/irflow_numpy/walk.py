"""Running a graph step by step.

A graph is turned into a list of steps once for each combination of sizes. A step reads and writes
numbered slots, and drops those that nobody reads after it. An elementwise function writes into an
operand of its own type that dies with it, when the run *owns* that array: when it was made by an
op that returns new memory, so that it is no input, no constant, and neither a view nor seen
through one. So does a write at computed positions. The body of a loop owns those carries that it
also returns as owned ones; a first one that is not owned outside is copied, once a loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from irflow.backend import Executable
from irflow.errors import IrflowError
from irflow.ir.evaluate import RegionEvaluator, bind_sizes
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import Op, run_op
from irflow.ir.types import TensorType
from irflow.ops import (
    Constant,
    Convert,
    DynamicSlice,
    DynamicUpdateSlice,
    Elementwise,
    Scan,
    While,
)
from irflow.ops.elementwise import ufunc_of
from irflow.ops.positions import numpy_window
from irflow.records import dataclass

Slots = list[np.ndarray | None]
Key = tuple[tuple[np.dtype[np.generic], tuple[int, ...]], ...]
KEPT_PLANS = 64
"""For so many combinations of sizes the steps are kept between calls."""
FRESH = frozenset(
    {
        "elementwise",
        "reduce",
        "matmul",
        "concatenate",
        "random_bits",
        "dynamic_slice",
        "dynamic_update_slice",
    }
)
"""Ops that return memory here that nobody else holds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node.

    Attributes:
        run: fills the slots of the results.
        dead: slots that nobody reads afterwards.
    """

    run: Callable[[Slots], None]
    dead: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps for one combination of sizes.

    Attributes:
        steps: in order.
        outputs: the slot of each output.
        slots: how many there are.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    slots: int


class NumpyExecutable(Executable):
    """A graph as a list of NumPy calls; any number of threads may call it at once.

    Args:
        graph: checked; must not be changed afterwards.
        sizes: values for symbolic sizes that its inputs do not show, where it is a region.
        donated: the positions of inputs whose arrays may be written to.
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Mapping[str, int] | None = None,
        donated: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(graph)
        self._sizes = sizes or {}
        self._donated = donated
        self._plans: dict[Key, Plan] = {}
        self._lock = threading.Lock()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return _unshared(self.run(arrays), arrays)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results as they come: they may share memory with the inputs and each other."""
        key = tuple([(array.dtype, array.shape) for array in arrays])
        plan = self._plans.get(key)
        if plan is None:
            made = _Planner(self.graph, self._bound(arrays), self._donated).plan()
            plan = self._add_plan(key, made)
        slots: Slots = [None] * plan.slots
        slots[: len(arrays)] = arrays
        with np.errstate(all="ignore"):  # NaN and inf are values here, not events
            for step in plan.steps:
                step.run(slots)
                for slot in step.dead:
                    slots[slot] = None
        return [slots[slot] for slot in plan.outputs]  # type: ignore[misc]

    def _bound(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        return {**self._sizes, **bind_sizes(self.graph, arrays, self._sizes)}

    def _add_plan(self, key: Key, plan: Plan) -> Plan:
        with self._lock:
            while len(self._plans) >= KEPT_PLANS:
                self._plans.pop(next(iter(self._plans)))
            return self._plans.setdefault(key, plan)


class Region:
    """A region of a node, which the node's meaning runs any number of times."""

    def __init__(
        self, graph: Graph, sizes: Mapping[str, int], donated: frozenset[int] = frozenset()
    ) -> None:
        self.executable = NumpyExecutable(graph, sizes, donated)
        self.evaluator = RegionEvaluator(graph, sizes)

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(self.executable.run(inputs))

    def result_types(self, *inputs: np.ndarray) -> tuple[TensorType, ...]:
        """The types of the results, without computing them."""
        return self.evaluator.result_types(*inputs)


def _unshared(arrays: Sequence[np.ndarray], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs as arrays that share memory with nothing."""
    results: list[np.ndarray] = []
    for array in arrays:
        is_own = array.flags.c_contiguous and array.flags.owndata and array.flags.writeable
        is_shared = any(array is other for other in (*inputs, *results))
        results.append(array if is_own and not is_shared else np.array(array, order="C", copy=True))
    return results


class _Planner:
    """Makes the plan of a graph for given sizes.

    Attributes:
        owned: the values that may be overwritten when they die.
        taken: those that are.
    """

    def __init__(
        self, graph: Graph, sizes: Mapping[str, int], donated: frozenset[int] = frozenset()
    ) -> None:
        self.graph = graph
        self.sizes = sizes
        self.slots: dict[Value, int] = {v: i for i, v in enumerate(graph.inputs)}
        self.remaining = {v: len(v.uses) for v in graph.inputs}
        self.owned: set[Value] = {graph.inputs[i] for i in donated}
        self.taken: set[Value] = set()
        self.types: dict[Value, TensorType] = {}

    def plan(self) -> Plan:
        steps = [self.step(node) for node in self.graph]
        outputs = tuple(self.slots[value] for value in self.graph.outputs)
        return Plan(tuple(steps), outputs, len(self.slots))

    def step(self, node: Node) -> Step:
        reads = tuple(self.slots[value] for value in node.inputs)
        for value in node.inputs:
            self.remaining[value] -= 1
        # An output of the graph counts the graph as a reader, so it never dies.
        dying = [v for v in dict.fromkeys(node.inputs) if not self.remaining[v]]
        target = self.reused(node, dying)
        donated = _donated_carries(node)
        copied = self.copied(node, donated, dying)
        for output in node.outputs:
            self.slots[output] = len(self.slots)
            self.remaining[output] = len(output.uses)
        self.note_owner(node, donated)
        writes = tuple(self.slots[output] for output in node.outputs)
        dead = [self.slots[v] for v in (*dying, *node.outputs) if not self.remaining[v]]
        if node.regions:
            run = _run_with_regions(node, self.sizes, reads, writes, donated, copied)
        else:
            run = self.closure(node, reads, writes, target)
        return Step(run, tuple(dead))

    def note_owner(self, node: Node, donated: frozenset[int]) -> None:
        """Decide who may be overwritten: new results, and no operand that a result may view."""
        if node.op.name in FRESH or _is_real_conversion(node):
            self.owned.update(node.outputs)
            return
        self.owned.difference_update(node.inputs)
        if isinstance(node.op, (While, Scan)):
            self.owned.update(node.outputs[i - node.op.constants] for i in donated)

    def copied(
        self, node: Node, donated: frozenset[int], dying: Sequence[Value]
    ) -> tuple[int, ...]:
        """Which of the donated operands are copied first, as they are needed elsewhere."""
        copied = []
        for position in sorted(donated):
            value = node.inputs[position]
            if value in dying and value in self.owned and node.inputs.count(value) == 1:
                self.taken.add(value)
            else:
                copied.append(position)
        return tuple(copied)

    def reused(self, node: Node, dying: Sequence[Value]) -> int | None:
        """The slot of an operand whose memory the result may take."""
        for value in _overwritable(node):
            if value in dying and value in self.owned and value.type == node.output.type:
                self.taken.add(value)
                return self.slots[value]
        return None

    def closure(
        self, node: Node, reads: tuple[int, ...], writes: tuple[int, ...], target: int | None
    ) -> Callable[[Slots], None]:
        """What runs a node; attributes are made concrete here, once."""
        op = node.op.substitute(self.sizes) if self.sizes else node.op
        if isinstance(op, DynamicUpdateSlice) and target is not None:
            return _run_update(reads, writes[0])
        if isinstance(op, DynamicSlice):
            return _run_slice(op, reads, writes[0])
        if isinstance(op, Elementwise) and ufunc_of(op.row) is not None:
            return _run_ufunc(op, reads, writes[0], target)
        return _run_op(op, reads, writes)


def _overwritable(node: Node) -> Sequence[Value]:
    """The operands in whose memory the result could be written."""
    if isinstance(node.op, DynamicUpdateSlice):
        return node.inputs[:1]
    if isinstance(node.op, Elementwise) and ufunc_of(node.op.row) is not None:
        return node.inputs
    return ()


def _donated_carries(node: Node) -> frozenset[int]:
    """The operands of a loop whose memory its body writes to, and returns for the next step.

    The body returns it in one place only, and nothing else that it returns views it.
    """
    if not isinstance(node.op, (While, Scan)):
        return frozenset()
    body, first = node.regions[-1], node.op.constants
    count = node.op.carries if isinstance(node.op, Scan) else len(body.outputs)
    carried = body.outputs[:count]
    found = frozenset(i for i in range(count) if carried.count(carried[i]) == 1)
    while True:
        planner = _Planner(body, {}, frozenset(first + i for i in found))
        planner.plan()
        owned, taken = planner.owned, planner.taken
        kept = frozenset(
            i for i in found if carried[i] in owned and body.inputs[first + i] in taken
        )
        if kept == found:
            return frozenset(first + i for i in found)
        found = kept


def _is_real_conversion(node: Node) -> bool:
    return isinstance(node.op, Convert) and node.op.dtype is not node.inputs[0].type.dtype


def _run_ufunc(
    op: Elementwise, reads: tuple[int, ...], write: int, target: int | None
) -> Callable[[Slots], None]:
    meaning = ufunc_of(op.row)
    assert meaning is not None

    def run(slots: Slots) -> None:
        out = None if target is None else slots[target]
        # Rank 0 comes back as a scalar, which is no array to write to.
        if out is None or not out.ndim or not out.flags.writeable:
            slots[write] = np.asarray(meaning(*[slots[i] for i in reads]))
        else:
            slots[write] = meaning(*[slots[i] for i in reads], out=out)

    return run


def _run_op(op: Op, reads: tuple[int, ...], writes: tuple[int, ...]) -> Callable[[Slots], None]:
    meaning = op.numpy
    if isinstance(op, Constant):
        content = op.value.array
        return lambda slots: _put(slots, writes, (content,))

    def run(slots: Slots) -> None:
        operands: list[np.ndarray] = [slots[i] for i in reads]  # type: ignore[misc]
        result = meaning(*operands)
        _put(slots, writes, result if isinstance(result, tuple) else (result,))

    return run


def _run_update(reads: tuple[int, ...], write: int) -> Callable[[Slots], None]:
    """`dynamic_update_slice` into its first operand."""

    def run(slots: Slots) -> None:
        x, update, starts = [slots[i] for i in reads]
        assert x is not None
        assert update is not None
        assert starts is not None
        result = x if x.flags.writeable else np.array(x)
        result[numpy_window(x.shape, update.shape, starts)] = update
        slots[write] = result

    return run


def _run_slice(op: DynamicSlice, reads: tuple[int, ...], write: int) -> Callable[[Slots], None]:
    """A copy of the window, so that what it shows may be written to."""

    def run(slots: Slots) -> None:
        x, starts = [slots[i] for i in reads]
        assert x is not None
        assert starts is not None
        slots[write] = np.array(op.numpy(x, starts))

    return run


def _run_with_regions(
    node: Node,
    sizes: Mapping[str, int],
    reads: tuple[int, ...],
    writes: tuple[int, ...],
    donated: frozenset[int],
    copied: tuple[int, ...],
) -> Callable[[Slots], None]:
    """An op whose last region may write to the operands in `donated`, of which some are copied."""
    op = node.op.substitute(sizes) if sizes else node.op
    regions = [Region(region, sizes) for region in node.regions[:-1]]
    regions.append(Region(node.regions[-1], sizes, donated))

    def run(slots: Slots) -> None:
        operands: list[np.ndarray] = [slots[i] for i in reads]  # type: ignore[misc]
        for position in copied:
            operands[position] = np.array(operands[position])
        try:
            _put(slots, writes, run_op(op, operands, regions))
        except IrflowError as error:
            raise error.at(node.location) from None

    return run


def _put(slots: Slots, writes: tuple[int, ...], results: Sequence[np.ndarray]) -> None:
    for slot, result in zip(writes, results, strict=True):
        slots[slot] = result
