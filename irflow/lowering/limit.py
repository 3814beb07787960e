"""Whether the intermediate values of a program fit in a given number of bytes."""

from __future__ import annotations

from collections.abc import Mapping

from irflow import dims
from irflow.errors import ArenaError
from irflow.ir.graph import Graph
from irflow.lowering.program import Program

NAMED = 5
"""So many tensors are in the error."""

NOMINAL = 64
"""What a size that is known at the call only is taken for before, as far as its bounds allow it."""


def nominal_sizes(graph: Graph) -> dict[str, int]:
    """A value for each symbolic size."""
    sizes = {}
    for symbol in graph.symbols:
        size = max(NOMINAL, symbol.lower)
        sizes[symbol.name] = size if symbol.upper is None else min(size, symbol.upper)
    return sizes


def require_within(program: Program, sizes: Mapping[str, int], limit: int) -> None:
    """Check that the arena of a program is no larger than a limit.

    Args:
        program: any.
        sizes: the values of its symbols.
        limit: in bytes.

    Raises:
        ArenaError: it is larger; names the largest of the tensors that are needed at one step.
    """
    needed = program.layout(sizes).nbytes
    if needed <= limit:
        return
    rows = _at_the_peak(program, sizes)[:NAMED]
    raise ArenaError(
        f"{program.name}: intermediate values need {needed:,} bytes, memory_limit= is {limit:,}",
        facts=[(f"b{n} {program.buffers[n].type}", f"{nbytes:,} bytes") for n, nbytes in rows],
        hint="smaller batches, or irf.checkpoint, make intermediate values smaller",
    )


def _at_the_peak(program: Program, sizes: Mapping[str, int]) -> list[tuple[int, int]]:
    """The number and bytes of each buffer that the most crowded step needs, the largest first."""
    times = program.lifetimes()
    nbytes = {n: dims.evaluate(program.buffers[n].type.nbytes, sizes) for n in times}

    def alive(step: int) -> list[int]:
        return [n for n, (first, last) in times.items() if first <= step <= last]

    # What is needed grows only where something begins to be.
    steps = {first for first, _ in times.values()}
    crowded = max(sorted(steps), key=lambda step: sum(nbytes[n] for n in alive(step)))
    return sorted(((n, nbytes[n]) for n in alive(crowded)), key=lambda row: (-row[1], row[0]))
