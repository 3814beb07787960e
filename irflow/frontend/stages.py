"""The stages of a function on its way to native code: traced, lowered, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import compiler, dtypes, tree
from irflow.backend import Executable
from irflow.errors import DTypeError, ShapeError, TreeError, UsageError
from irflow.frontend.boundary import public
from irflow.frontend.calls import Call, Parameters
from irflow.frontend.numbers import number
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.frontend.tracing import TracedFunction
from irflow.ir import TensorType
from irflow.ir.graph import Graph


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

    def arrays(self, call: Call) -> list[np.ndarray]:
        """The arrays of the argument leaves of a call.

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
        return [tensor.data for tensor in self.fitted(leaves)]

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
    """

    def __init__(
        self, traced: TracedFunction, lowered: compiler.Lowered, signature: Signature
    ) -> None:
        self.traced = traced
        self.lowered = lowered
        self.signature = signature
        self.executable: Executable = lowered.compile()
        results = traced.graph.outputs[: traced.result_count]
        types = [value.type if value.type.is_static else None for value in results]
        self._results = list(zip(traced.weak, types, strict=True))

    def __str__(self) -> str:
        return str(self.lowered.graph)

    def listing(self, kind: str = "graph") -> str:
        """A printed stage, `"graph"`, `"loops"`, `"llvm"`, `"asm"`, … as far as there is one."""
        return self.executable.listing(kind)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arguments of the structure and types that it was compiled for."""
        return self.run(self.signature.arrays(self.signature.parameters.split(args, kwargs)))

    def run(self, arrays: list[np.ndarray]) -> Any:
        """Run on the arrays of the argument leaves; variables are read and written back."""
        traced = self.traced
        if traced.captures:
            arrays = [*arrays, *(capture.data for capture in traced.captures)]
        outputs = self.executable(arrays)
        tensors = [
            Tensor(array, weak=weak, type=type)
            for array, (weak, type) in zip(outputs, self._results, strict=False)
        ]
        if traced.updates:
            for variable, array in zip(traced.updates, outputs[len(tensors) :], strict=True):
                variable.store(array)
        return traced.structure.unflatten(tensors)


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
            pipeline: passes to run instead of those of the level, e.g. `"canonicalize,dce"`.
        """
        result = compiler.lower(
            self.function.graph,
            backend or self.backend,
            level=self.level if level is None else level,
            pipeline=pipeline,
        )
        return Lowered(self.function, result, self.signature)
