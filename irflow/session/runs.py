"""`Session`: running parts of an explicit graph."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from irflow import compiler, log, tree
from irflow.backend import Executable
from irflow.compiler.compilations import Compilation, note
from irflow.compiler.config import selected_name
from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor
from irflow.frontend.variable import Variable
from irflow.ir.graph import Value
from irflow.records import dataclass
from irflow.session.feeds import describe, resolve_feeds, solve_sizes
from irflow.session.graph import Graph, get_default_graph
from irflow.session.operation import Operation, merged_updates
from irflow.session.parts import Part, cut, needed
from irflow.tree import Tree


class _Key(NamedTuple):
    """What a run is compiled for."""

    fetched: tuple[Value, ...]
    updates: tuple[tuple[Variable, Value], ...]
    fed: tuple[tuple[Value, tuple[int, ...]], ...]
    backend: str | None


@dataclass(frozen=True, slots=True)
class _Program:
    part: Part
    executable: Executable

    def run(self, feeds: Mapping[Value, np.ndarray], count: int) -> list[Any]:
        """The fetched values, new arrays each; updates are stored."""
        fed = [feeds[value] for value in self.part.fed]
        outputs = self.executable([*fed, *(variable.data for variable in self.part.variables)])
        results = [array[()] for array in outputs[:count]]
        for variable, array in zip(self.part.updates, outputs[count:], strict=True):
            variable.store(array)
        return results


class Session:
    """Runs parts of a graph on values for its placeholders.

    The state is in the variables themselves, so several sessions share it, and `variable.numpy()`
    outside of the graph reads it.

    Args:
        graph: what to run; by default the active graph, else the thread's default graph.
        backend: a backend's name instead of the selected one.

    >>> import irflow as irf
    >>> with irf.Graph().as_default() as graph:
    ...     x = irf.placeholder("f32", (None,))
    ...     y = (x * x).sum()
    >>> with irf.Session(graph) as session:
    ...     float(session.run(y, {x: [1, 2, 3]}))
    14.0
    """

    def __init__(self, graph: Graph | None = None, backend: str | None = None) -> None:
        self.graph = graph if graph is not None else get_default_graph()
        self.backend = backend
        self.is_closed = False
        self._programs: dict[_Key, _Program] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop what was compiled; the session cannot run any more. Variables stay as they are."""
        self.is_closed = True
        self._programs.clear()

    @public
    def run(self, fetches: Tree, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """Compute what is fetched, and nothing else.

        Each set of fetches, fed tensors and their shapes is compiled once; `IRFLOW_LOG=recompiles`
        tells when. All reads of variables see the values from before the run, whatever it assigns.

        Args:
            fetches: tensors, variables, operations, or names of such, in any nesting.
            feed_dict: a value for each placeholder that the fetches need, by tensor or by name.
                Other tensors, and variables, can be fed as well: the value replaces theirs. Numbers
                and lists take the element type; arrays must have it.

        Returns:
            NumPy arrays, or scalars for tensors without axes, in the structure of `fetches`; None
            for operations.

        Raises:
            UsageError: a placeholder is not fed, a fetch is of another graph or nothing that can be
                run, two operations assign the same variable, or the session is closed.
            UnknownNameError: there is nothing of a name.
            DTypeError, ShapeError: a fed value does not fit.
        """
        if self.is_closed:
            raise UsageError("this session is closed", hint="run inside of its `with` block")
        leaves, structure = tree.flatten(fetches)
        paths = structure.paths("fetches")
        targets = [self._target(*row) for row in zip(leaves, paths, strict=True)]
        feeds = resolve_feeds(self.graph, feed_dict)
        operations = [target for target in targets if isinstance(target, Operation)]
        fetched = dict.fromkeys(target for target in targets if isinstance(target, Value))
        updates = merged_updates(operations)
        found: dict[Any, Any] = {}
        if fetched or updates:
            key = self._key(tuple(fetched), updates, feeds)
            program = self._programs.get(key) or self._compile(key, feeds, targets, paths)
            found = dict(zip(fetched, program.run(feeds, len(fetched)), strict=True))
        if any(operation.resets for operation in operations):
            for variable, array in self.graph.initial_values.items():
                variable.store(array.copy())  # the runtime may use the memory of a variable again
        return structure.unflatten([found.get(target) for target in targets])

    def _target(self, leaf: Any, path: str) -> Value | Operation:
        fetch = self.graph.find(leaf) if isinstance(leaf, str) else leaf
        if isinstance(fetch, Variable):
            return self.graph.read(fetch)
        if isinstance(fetch, Tensor):
            is_constant = fetch.trace is None
            return self.graph.lift(fetch) if is_constant else self.graph.require(fetch, path)
        if not isinstance(fetch, Operation):
            raise UsageError(
                f"{path} is no tensor, variable, operation or name of one",
                facts=[("given", type(fetch).__name__)],
            )
        if fetch.graph is not self.graph:
            raise UsageError(f"{path}: the operation {fetch.name} is not of this graph")
        return fetch

    def _key(
        self,
        fetched: tuple[Value, ...],
        updates: Mapping[Variable, Value],
        feeds: Mapping[Value, np.ndarray],
    ) -> _Key:
        shapes = tuple([(value, array.shape) for value, array in feeds.items()])
        return _Key(fetched, tuple(updates.items()), shapes, selected_name(self.backend))

    def _compile(
        self,
        key: _Key,
        feeds: Mapping[Value, np.ndarray],
        targets: Sequence[Value | Operation],
        paths: Sequence[str],
    ) -> _Program:
        self._require_fed(feeds, targets, paths)
        start = time.perf_counter()
        reason = self._reason(key)
        log.write("recompiles", reason)
        sizes = solve_sizes(self.graph, feeds)
        part = cut(self.graph, key.fetched, dict(key.updates), feeds, sizes)
        lowered = compiler.prepare(part.graph, self.backend)
        program = self._programs[key] = _Program(part, lowered.compile())
        note(Compilation(reason, part.graph, lowered, time.perf_counter() - start))
        return program

    def _require_fed(
        self,
        feeds: Mapping[Value, np.ndarray],
        targets: Sequence[Value | Operation],
        paths: Sequence[str],
    ) -> None:
        """UsageError naming every placeholder that is needed and not fed, and what needs it."""
        facts = []
        names = {tensor.value: name for name, tensor in self.graph.placeholders.items()}
        for target, path in zip(targets, paths, strict=True):
            ends = list(target.updates.values()) if isinstance(target, Operation) else [target]
            label = f"{path}, {target.name}" if isinstance(target, Operation) else path
            for value in sorted(needed(ends, feeds)[1], key=lambda value: value.index):
                if value in names:
                    facts.append((names[value], value.type, f"needed by {label}"))
        if facts:
            missing = ", ".join(dict.fromkeys(name for name, _, _ in facts))
            raise UsageError(
                f"placeholders are not fed: {missing}",
                facts=facts,
                hint=f"session.run(…, feed_dict={{{facts[0][0]}: array, …}})",
            )

    def _reason(self, key: _Key) -> str:
        """One line that says what is new about a run."""
        shapes = ", ".join(f"{describe(self.graph, value)} {shape}" for value, shape in key.fed)
        what = f"{len(key.fetched)} values and {len(key.updates)} updates"
        text = f"session on {self.graph.graph.name}: {what}, fed {shapes or 'nothing'}"
        alike = [other for other in self._programs if other[:2] == key[:2]]
        if not alike:
            return f"{text}: first compilation of these fetches"
        fed = [value for value, _ in key.fed]
        alike = [other for other in alike if [value for value, _ in other.fed] == fed]
        if not alike:
            return f"{text}: compiled again, other tensors are fed"
        if all(other.fed != key.fed for other in alike):
            return f"{text}: compiled again for other shapes"
        return f"{text}: compiled again for backend {key.backend}"
