"""The stages of a function on its way to native code: traced, lowered, compiled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import compiler, dtypes, tree
from irflow.backend import Executable
from irflow.errors import DTypeError, ShapeError, TreeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.calls import Call, Parameters
from irflow.frontend.handover import spent
from irflow.frontend.numbers import number
from irflow.frontend.quick import OTHER, Quick, QuickCalls, assembler, convention, outlines
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import TracedFunction
from irflow.frontend.variable import HELD, Variable, hold
from irflow.ir import TensorType
from irflow.ir.evaluate import bind_sizes
from irflow.ir.graph import Graph
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """How a specialisation is called.

    Attributes:
        name: of the function.
        parameters: of the function.
        structure: of the dynamic arguments.
        types: of their leaves.
        statics: the static arguments that it is made for.
    """

    name: str
    parameters: Parameters
    structure: tree.Structure
    types: tuple[TensorType, ...]
    statics: tuple[tuple[str, Any], ...]

    def tensors(self, call: Call) -> list[Tensor]:
        """The argument leaves of a call.

        Raises:
            UsageError: another static value than compiled for.
            TreeError: another structure.
            DTypeError, ShapeError: another element type or rank; the sizes are checked later.
        """
        if call.statics != self.statics:
            raise UsageError(
                f"{self.name}: other static arguments than compiled for",
                facts=[("compiled", dict(self.statics)), ("given", dict(call.statics))],
            )
        leaves, structure = tree.flatten(call.dynamic)
        if structure != self.structure:
            raise TreeError(
                f"{self.name}: arguments of another structure than compiled for",
                facts=[("compiled", self.structure.describe()), ("given", structure.describe())],
            )
        return self.fitted(leaves)

    def fitted(self, leaves: list[Any]) -> list[Tensor]:
        """The leaves as tensors, checked against the declared types; Python numbers take these."""
        rows = enumerate(zip(leaves, self.types, strict=True))
        return [self._fitted(leaf, type, position) for position, (leaf, type) in rows]

    def _fitted(self, leaf: Any, type: TensorType, position: int) -> Tensor:
        tensor = as_tensor(leaf)
        if tensor.type == type:
            return tensor
        is_number = leaf.__class__ in dtypes.PYTHON_NUMBERS
        if is_number and dtypes.promote((tensor.dtype, True), (type.dtype, False))[0] is type.dtype:
            tensor = Tensor(number(leaf, type.dtype))
        hint = self.parameters.hints(self.structure)[position]
        facts = [("declared", type), ("given", tensor.type)]
        if tensor.dtype is not type.dtype:
            raise DTypeError(f"{self.name}: argument {hint} has another element type", facts=facts)
        is_other = type.is_static and tensor.shape != type.shape
        if tensor.ndim != type.rank or is_other:
            raise ShapeError(f"{self.name}: argument {hint} has another shape", facts=facts)
        return tensor


class Compiled:
    """A compiled function: callable with the same arguments, and printable.

    Attributes:
        traced: the function as a graph, before any pass.
        lowered: the graph after the passes, with the report on them.
        signature: how to call it.
        executable: what the backend made.

    Args:
        donated: the argument leaves whose tensors give their memory away in each call.
    """

    def __init__(
        self,
        traced: TracedFunction,
        lowered: compiler.Lowered,
        signature: Signature,
        lock: threading.RLock | None = None,
        donated: Sequence[int] = (),
    ) -> None:
        self.traced = traced
        self.lowered = lowered
        self.signature = signature
        self.executable: Executable = lowered.compile()
        results = traced.graph.outputs[: traced.result_count]
        types = [value.type if value.type.is_static else None for value in results]
        self._results = list(zip(traced.weak, types, strict=True))
        self._assemble = assembler(traced.structure)
        self._lock = lock or threading.RLock()
        self._donated = tuple(donated)
        self._quick = QuickCalls(patience=3)

    def __str__(self) -> str:
        return str(self.lowered.graph)

    def listing(self, kind: str = "graph") -> str:
        """A printed stage, `"graph"`, `"loops"`, `"llvm"`, `"asm"`, … as far as there is one."""
        return self.executable.listing(kind)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arguments of the structure and types that it was compiled for."""
        return self.run(self.signature.tensors(self.signature.parameters.split(args, kwargs)))

    def run(self, tensors: Sequence[Tensor]) -> Any:
        """Run on the argument leaves; variables are read and written back, donated leaves gone."""
        for call in self._quick.calls:
            result = call(*tensors)
            if result is not OTHER:
                return result
        lent = self._lent(tensors)
        result = self._run_long([tensor.data for tensor in tensors], lent)
        for i in self._donated:
            tensors[i].donate()
        if self._quick.is_open:
            weak = tuple([tensor.is_weak for tensor in tensors])
            if self._quick.wants((weak, *[tensor.shape for tensor in tensors])):
                leaves = [(is_weak, i, None) for i, is_weak in enumerate(weak)]
                parts, arrays = [tree.LEAF] * len(tensors), outlines(tensors)
                self._quick.add(self.quick(parts, leaves, arrays))
        return result

    def _lent(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        """The donated leaves whose memory results may take."""
        if not self._donated:
            return ()
        captures = self.traced.captures
        others = [HELD(each) if isinstance(each, Variable) else each for each in captures]
        return spent(tensors, self._donated, others)

    def _run_long(self, arrays: list[np.ndarray], lent: tuple[int, ...]) -> Any:
        if not self.traced.updates:
            return self._assemble(self._call(arrays, lent))
        count = self.traced.result_count
        with self._lock:
            outputs = self._call(arrays, lent)
            hold(self.traced.updates, outputs[count:])
        return self._assemble(outputs)

    def _call(self, arrays: list[np.ndarray], lent: tuple[int, ...]) -> list[Tensor]:
        captured = [capture.data for capture in self.traced.captures]
        outputs = self.executable.overwriting([*arrays, *captured], lent)
        tensors = [
            Tensor(array, weak=weak, type=type)
            for array, (weak, type) in zip(outputs, self._results, strict=False)
        ]
        return [*tensors, *map(Tensor, outputs[len(tensors) :])]

    def quick(
        self,
        arguments: Sequence[tree.Structure],
        leaves: Sequence[tuple[bool, int, type | None]],
        arrays: list[np.ndarray],
    ) -> Quick | None:
        """A function that does the same as `run` for arguments of these structures, quickly.

        Args:
            arguments: the structure of each argument.
            leaves: whether the element type of each leaf gives way, which input it is, and of what
                class if it is a Python number.
            arrays: the inputs, or their outlines, for whose types and shapes it is.
        """
        traced = self.traced
        variables = [each for each in traced.captures if isinstance(each, Variable)]
        if len(variables) != len(traced.captures):
            return None
        leaves = [*leaves, *((False, len(arrays) + i, None) for i in range(len(variables)))]
        arrays = [*arrays, *outlines([HELD(variable) for variable in variables])]
        sizes = bind_sizes(traced.graph, arrays)
        types = [value.type.substitute(sizes) for value in traced.graph.outputs]
        flags = [*traced.weak, *[False] * len(traced.updates)]
        is_bare = traced.structure is tree.LEAF and not traced.updates
        parts = [*arguments, *[tree.LEAF] * len(variables)]
        results = list(zip(types, flags, strict=True))
        gone = [
            traced.graph.inputs[i].type.substitute(sizes) if i in self._donated else None
            for _, i, _ in leaves
        ]
        called = convention(parts, leaves, results, is_bare, gone)
        builtin = self.executable.builtin(called, arrays)
        if builtin is None or (is_bare and not variables):
            return builtin
        return self._finished(builtin, variables, is_bare)

    def _finished(
        self, builtin: Callable[..., Any], variables: list[Variable], is_bare: bool
    ) -> Quick:
        """A built-in function with variables read and written, and the results put together."""
        assemble = self._assemble
        if self.traced.updates:
            return self._locked(builtin, variables)

        def call(*args: Any) -> Any:
            outputs = builtin(*args, *map(HELD, variables)) if variables else builtin(*args)
            return outputs if is_bare or outputs is OTHER else assemble(outputs)

        is_tuple = all(child is tree.LEAF for child in self.traced.structure.children)
        is_ready = is_tuple and self.traced.structure.kind == "tuple" and not variables
        return builtin if is_ready else call

    def _locked(self, builtin: Callable[..., Any], variables: list[Variable]) -> Quick:
        assemble, count, lock = self._assemble, self.traced.result_count, self._lock
        updates = self.traced.updates

        def call(*args: Any) -> Any:
            with lock:
                outputs = builtin(*args, *map(HELD, variables))
                if outputs is OTHER:
                    return OTHER
                hold(updates, outputs[count:])
            return assemble(outputs)

        return call


@dataclass(frozen=True, slots=True)
class Lowered:
    """A function whose graph has been through the passes; prints as that graph."""

    traced: TracedFunction
    result: compiler.Lowered
    signature: Signature

    @property
    def graph(self) -> Graph:
        return self.result.graph

    def __str__(self) -> str:
        return str(self.result.graph)

    @public
    def compile(self) -> Compiled:
        """Let the backend make an executable."""
        return Compiled(self.traced, self.result, self.signature)


@dataclass(frozen=True, slots=True)
class Traced:
    """A function as a graph; prints as that graph."""

    function: TracedFunction
    signature: Signature
    backend: str | None
    level: int
    memory_limit: int | None = None

    @property
    def graph(self) -> Graph:
        return self.function.graph

    def __str__(self) -> str:
        return str(self.function.graph)

    @public
    def lower(
        self, backend: str | None = None, *, level: int | None = None, pipeline: str | None = None
    ) -> Lowered:
        """Run the passes on a copy.

        Args:
            backend: whose passes and limits to respect; the selected one by default.
            level: the optimisation level, 0 to 3.
            pipeline: passes to run instead of those of the level, e.g. `"canonicalize,dce"`; no
                limit of memory is kept then.
        """
        graph, chosen = self.function.graph, backend or self.backend
        level, limit = self.level if level is None else level, self.memory_limit
        if limit is not None and pipeline is None:
            result = compiler.prepare(graph, chosen, level=level, memory_limit=limit)
        else:
            result = compiler.lower(graph, chosen, level=level, pipeline=pipeline)
        return Lowered(self.function, result, self.signature)
