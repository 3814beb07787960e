"""Running pipelines: each pass is checked, timed, dumped and counted, a wrong rule found."""

from __future__ import annotations

import gc
import os
import sys
import time as clock
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from irflow import log
from irflow.analysis import structure_of
from irflow.errors import CheckError, IrflowError, PassError, UsageError, nearest
from irflow.ir.check import check_graph
from irflow.ir.graph import Graph, Node
from irflow.records import dataclass
from irflow.transform.bisect import Guilty, find_guilty
from irflow.transform.pass_ import Note, Pass, PassContext, never
from irflow.transform.pipeline import Fixpoint, Lookup, Pipeline, parse_pipeline
from irflow.transform.verify import Difference, Oracle, signature_difference


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one run of a pass did.

    Attributes:
        name: the pass with its options.
        seconds: how long it took, without checks.
        nodes_before, nodes_after: nodes of the outermost graph.
        changed: what the pass returned.
        statistics: how often each rule was applied.
        notes: what the pass explained.
    """

    name: str
    seconds: float
    nodes_before: int
    nodes_after: int
    changed: bool
    statistics: Mapping[str, int]
    notes: tuple[Note, ...]

    def __str__(self) -> str:
        rules = ", ".join(f"{rule} {times}" for rule, times in sorted(self.statistics.items()))
        nodes = f"{self.nodes_before:>6} -> {self.nodes_after:<6}"
        return f"{self.name:24} {self.seconds * 1e3:8.3f} ms {nodes} {rules}".rstrip()


@dataclass(slots=True)
class Report:
    """What a pipeline did, pass by pass; prints as a table.

    Attributes:
        unchecked: why results were not compared although that was asked for, or None.
    """

    records: list[PassRecord] = field(default_factory=list)
    unchecked: str | None = None

    @property
    def seconds(self) -> float:
        return sum(record.seconds for record in self.records)

    @property
    def changed(self) -> bool:
        return any(record.changed for record in self.records)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.records), f"{'total':24} {self.seconds * 1e3:8.3f} ms"])


class PassManager:
    """Runs a pipeline on graphs.

    Args:
        pipeline: text, or a parsed pipeline.
        lookup: from a pass's name to its class, such as `plugins.find_pass`.
        level: the optimisation level that passes see.
        claims: whether the backend runs a node itself.
        lacks: whether the backend cannot run a node.

    Raises:
        TextError, UnknownNameError: the pipeline does not parse.

    Example:
        >>> PassManager("canonicalize,cse,dce", find_pass).run(graph).changed
        True
    """

    def __init__(
        self,
        pipeline: str | Pipeline,
        lookup: Lookup,
        *,
        level: int = 2,
        claims: Callable[[Node], object] = never,
        lacks: Callable[[Node], object] = never,
    ) -> None:
        parsed = parse_pipeline(pipeline, lookup) if isinstance(pipeline, str) else pipeline
        self.pipeline = parsed
        self.level = level
        self.claims = claims
        self.lacks = lacks

    def context(self, budget: int | None = None) -> PassContext:
        """A fresh context for one run of a pass."""
        return PassContext(self.level, self.claims, self.lacks, budget)

    def run(
        self,
        graph: Graph,
        *,
        check: int | None = None,
        dump: Path | None = None,
        stop_after: str | None = None,
        start_from: str | None = None,
        print_after_all: bool = False,
        time: bool = False,
    ) -> Report:
        """Transform `graph` in place.

        Args:
            graph: a well-formed graph.
            check: 0 nothing; 1 the final graph; 2 the graph after every pass, and whether it
                changed as claimed; 3 also results before and after every pass. `IRFLOW_CHECK`
                when None.
            dump: a folder for `00-traced.ir`, `01-canonicalize.ir`, …; `IRFLOW_DUMP` when None.
            stop_after: the name of the last pass to run.
            start_from: the name of the first pass to run.
            print_after_all: write the graph to stderr after every pass.
            time: write the table of passes and times to stderr.

        Raises:
            PassError: a pass failed, broke the graph or changed what it computes; the pass and,
                where it can be found, the rule are named.
            UnknownNameError: no pass of the pipeline is called `stop_after` or `start_from`.
        """
        level = check if check is not None else _check_level()
        folder = dump if dump is not None else _dump_folder()
        chosen = (
            self.pipeline
            if start_from is stop_after is None
            else self._part(start_from, stop_after)
        )
        run = _Run(self, graph, level, folder, print_after_all)
        with _uncollected():
            run.run(chosen)
        if time:
            sys.stderr.write(f"{run.report}\n")
        return run.report

    def _part(self, first: str | None, last: str | None) -> Pipeline:
        """The steps from `first` to `last`; a fixpoint is entered or left at its border."""
        names = [
            [p.name for p in step.body.passes()] if isinstance(step, Fixpoint) else [step.name]
            for step in self.pipeline.steps
        ]
        known = [name for step in names for name in step]
        start = self._find(first, names, known) if first is not None else 0
        stop = self._find(last, names, known, start) if last is not None else len(names) - 1
        return Pipeline(self.pipeline.steps[start : stop + 1])

    @staticmethod
    def _find(name: str, names: list[list[str]], known: list[str], start: int = 0) -> int:
        for position in range(start, len(names)):
            if name in names[position]:
                return position
        raise nearest(name, known, "pass in this pipeline:")


class _Run:
    """One run of a pipeline on one graph."""

    def __init__(
        self, manager: PassManager, graph: Graph, check: int, folder: Path | None, prints: bool
    ) -> None:
        self.manager = manager
        self.graph = graph
        self.check = check
        self.folder = folder
        self.prints = prints
        self.report = Report()
        self.oracle: Oracle | None = None
        self.dumped = 0

    def run(self, pipeline: Pipeline) -> None:
        if self.check >= 3:
            self.oracle = Oracle(self.graph)
            self.report.unchecked = self.oracle.unusable
        self.dump("traced")
        for step in pipeline.steps:
            self.step(step)
        if self.check >= 1:
            check_graph(self.graph)

    def step(self, step: Pass | Fixpoint) -> bool:
        if not isinstance(step, Fixpoint):
            return self.one(step)
        changed = False
        for _ in range(step.max):
            again = False
            for inner in step.body.steps:
                again |= self.step(inner)
            changed |= again
            if not again:
                break
        return changed

    def one(self, step: Pass) -> bool:
        """Run one pass with all that surrounds it."""
        original = self.graph.copy() if self.check >= 2 else None
        context = self.manager.context()
        nodes = len(self.graph)
        started = clock.perf_counter()
        changed = self._guarded(step, context)
        seconds = clock.perf_counter() - started
        record = PassRecord(
            str(step),
            seconds,
            nodes,
            len(self.graph),
            changed,
            dict(context.statistics),
            tuple(context.notes),
        )
        self.report.records.append(record)
        self.tell(record)
        if original is not None:
            self.verify(step, original, changed)
        self.dump(step.name)
        if self.prints:
            sys.stderr.write(f"// after {step}\n{self.graph}\n")
        return changed

    def _guarded(self, step: Pass, context: PassContext) -> bool:
        try:
            return step.run(self.graph, context)
        except IrflowError as error:
            raise PassError(
                f"pass {step.name!r} failed: {error.summary}",
                facts=error.facts,
                location=error.location,
                hint=error.hint,
            ) from error
        except Exception as error:  # a bug, so the traceback stays as it is
            error.add_note(f"in pass {step.name!r}")
            raise

    def tell(self, record: PassRecord) -> None:
        log.write("passes", lambda: str(record))
        if record.name.startswith("fuse"):
            log.write("fusion", lambda: "\n".join(map(str, record.notes)))

    def dump(self, name: str) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self.dumped:02}-{name}.ir").write_text(f"{self.graph}\n", "utf-8")
        self.dumped += 1

    # ------------------------------------------------------------------------------------ checking

    def verify(self, step: Pass, original: Graph, changed: bool) -> None:
        problem = self.problem(original, self.graph)
        if problem is not None:
            raise self.accuse(step, original, problem)
        if changed != (structure_of(original) != structure_of(self.graph)):
            claim, fact = ("changed", "unchanged") if changed else ("unchanged", "changed")
            raise PassError(f"pass {step.name!r} says the graph is {claim}, but it is {fact}")

    def problem(self, original: Graph, graph: Graph) -> Difference | None:
        """What is wrong with a transformed graph."""
        try:
            check_graph(graph)
        except CheckError as error:
            return Difference((("check", error.summary), *error.facts))
        found = signature_difference(original, graph)
        if found is None and self.oracle is not None:
            found = self.oracle.difference(graph)
        return found

    def accuse(self, step: Pass, original: Graph, problem: Difference) -> PassError:
        """The error that names the pass and, if it can be found, the rule."""
        guilty = find_guilty(
            step, original, self.manager.context, lambda graph: self.problem(original, graph)
        )
        return _pass_error(step, original, problem, guilty)


def _pass_error(step: Pass, graph: Graph, problem: Difference, guilty: Guilty | None) -> PassError:
    summary = f"pass {step.name!r} changed what @{graph.name} computes"
    if guilty is None:
        return PassError(summary, facts=problem.facts)
    facts = [("rule", guilty.rule), ("applied to", guilty.op), *guilty.problem.facts]
    return PassError(summary, facts=facts, location=guilty.location)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: each visits all nodes, in sum quadratically many."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check_level() -> int:
    text = os.environ.get("IRFLOW_CHECK", "0")
    if text not in ("0", "1", "2", "3"):
        raise UsageError(f"IRFLOW_CHECK is 0, 1, 2 or 3, not {text!r}")
    return int(text)


def _dump_folder() -> Path | None:
    name = os.environ.get("IRFLOW_DUMP")
    return Path(name) if name else None
