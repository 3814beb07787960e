"""Everything there is to say about the compilation of a graph, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irflow import dims
from irflow.compiler import Lowered
from irflow.dims import Size
from irflow.ir.graph import Graph
from irflow.location import Location
from irflow.records import dataclass
from irflow.report.costs import (
    KernelCost,
    Temporary,
    graph_costs,
    program_costs,
    temporaries,
    typical_sizes,
)
from irflow.transform.manager import Report


@dataclass(frozen=True, slots=True)
class Remark:
    """What a pass had to say about operations of one line.

    Attributes:
        passes: the names of the passes that said so.
        op: the operation as text.
        text: one sentence.
        times: how many operations it was said of.
    """

    passes: tuple[str, ...]
    op: str
    text: str
    times: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a graph.

    Attributes:
        name: of the graph.
        backend: who compiles it.
        nodes: before and after the passes.
        report: what each pass did.
        remarks: notes of passes by the user's line, None for operations without one.
        costs: kernels and host steps of the program, or the nodes of the graph.
        temporaries: the pieces of the arena, largest first; none for backends that run graphs.
        arena: the bytes of the arena for `sizes`, None for backends that run graphs.
        sizes: what symbolic sizes are taken for where a number is needed.
    """

    name: str
    backend: str
    nodes: tuple[int, int]
    report: Report
    remarks: Mapping[Location | None, tuple[Remark, ...]]
    costs: tuple[KernelCost, ...]
    temporaries: tuple[Temporary, ...]
    arena: int | None
    sizes: Mapping[str, int]

    @property
    def flops(self) -> Size:
        """Of one execution; what runs an unknown number of times counts once."""
        return sum((cost.flops * cost.known_times for cost in self.costs), 0)

    @property
    def bytes(self) -> Size:
        """What one execution reads and writes."""
        return sum((cost.bytes * cost.known_times for cost in self.costs), 0)

    @property
    def unfused_bytes(self) -> Size:
        """What one execution would read and write if no operations were fused."""
        return sum((cost.unfused_bytes * cost.known_times for cost in self.costs), 0)

    def at_typical(self, size: Size) -> int:
        """A size as a number."""
        return dims.evaluate(size, self.sizes)


def explain(traced: Graph, lowered: Lowered) -> Explanation:
    """Collect what the passes did to `traced` and what the result costs.

    Args:
        traced: the graph before the passes.
        lowered: the graph after them, with the report on them.

    Raises:
        LoweringError: the backend takes programs, and the graph has no program.
    """
    graph, backend = lowered.graph, lowered.backend
    sizes = typical_sizes(graph)
    counts, remarks = (len(traced), len(graph)), remarks_by_line(lowered.report)
    if backend.level != "program":
        costs = tuple(graph_costs(graph))
        return Explanation(
            graph.name, backend.name, counts, lowered.report, remarks, costs, (), None, sizes
        )
    program = lowered.program()
    return Explanation(
        graph.name, backend.name, counts, lowered.report, remarks,
        tuple(program_costs(program)), tuple(temporaries(program)),
        program.layout(typical_sizes(program.graph)).nbytes, sizes,
    )  # fmt: skip


def remarks_by_line(report: Report) -> dict[Location | None, tuple[Remark, ...]]:
    """The notes of all passes by the user's line, equal ones once; lines in order."""
    found: dict[Location | None, dict[tuple[str, str], list[str]]] = {}
    for record in report.records:
        for note in record.notes:
            table = found.setdefault(note.location, {})
            table.setdefault((note.op, note.text), []).append(record.name)
    return {
        line: tuple(
            Remark(tuple(dict.fromkeys(names)), op, text, _most(names))
            for (op, text), names in found[line].items()
        )
        for line in sorted(found, key=_line_order)
    }


def _most(names: Iterable[str]) -> int:
    """How often the pass that said it most said it."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return max(counts.values())


def _line_order(line: Location | None) -> tuple[str, int]:
    return ("", 0) if line is None else (line.file, line.line)
