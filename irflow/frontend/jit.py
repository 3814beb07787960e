"""`irf.jit`: trace a Python function once for each kind of arguments, compile it, run it natively."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from irflow import compiler, log, tree
from irflow.backend import Executable
from irflow.compiler.config import selected_name
from irflow.errors import TreeError, UsageError
from irflow.frontend import specs
from irflow.frontend.apply import call_traced
from irflow.frontend.tensor import Tensor, as_tensor, is_tensor_like
from irflow.frontend.tracing import Argument, TracedFunction, current_trace, trace_function
from irflow.frontend.variable import Variable
from irflow.ir import TensorType
from irflow.ir.graph import Graph
from irflow.location import user_location

_disabled: ContextVar[bool] = ContextVar("irflow_jit_disabled", default=False)


@contextmanager
def disable_jit() -> Iterator[None]:
    """Run jitted functions as plain Python inside a `with` block, for debugging."""
    token = _disabled.set(True)
    try:
        yield
    finally:
        _disabled.reset(token)


@dataclass(frozen=True, slots=True)
class Options:
    """The keyword arguments of `jit`."""

    static_names: frozenset[str]
    donated_names: frozenset[str]
    backend: str | None
    level: int
    spec: tuple[Any, ...] | None
    constraints: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """What a specialisation is made for."""

    structure: tree.Structure
    types: tuple[tuple[TensorType, bool], ...]
    statics: tuple[tuple[str, Any], ...]
    backend: str | None


class Compiled:
    """A compiled function: callable with the same arguments, and printable.

    Attributes:
        traced: the function as a graph, before any pass.
        lowered: the graph after the passes, with the report on them.
        executable: what the backend made.
    """

    def __init__(
        self, traced: TracedFunction, lowered: compiler.Lowered, structure: tree.Structure
    ) -> None:
        self.traced = traced
        self.lowered = lowered
        self.structure = structure
        self.executable: Executable = lowered.compile()

    def __str__(self) -> str:
        return str(self.lowered.graph)

    def listing(self, kind: str = "graph") -> str:
        """A printed stage, `"graph"`, `"loops"`, `"llvm"`, `"asm"`, … as far as the backend has it."""
        return self.executable.listing(kind)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arguments of the structure and types that it was compiled for."""
        leaves, structure = tree.flatten((args, kwargs))
        if structure != self.structure:
            raise TreeError(
                "arguments of another structure than compiled for",
                facts=[("compiled", self.structure.paths()), ("given", structure.paths())],
            )
        return self.run([as_tensor(leaf).data for leaf in leaves])

    def run(self, arrays: list[np.ndarray]) -> Any:
        """Run on the arrays of the argument leaves; variables are read and written back."""
        traced = self.traced
        arrays.extend(capture.data for capture in traced.captures)
        results = self.executable(arrays)
        count = traced.result_count
        for variable, array in zip(traced.updates, results[count:], strict=True):
            variable.store(array)
        tensors = [
            Tensor(array, weak=weak)
            for array, weak in zip(results[:count], traced.weak, strict=True)
        ]
        return traced.structure.unflatten(tensors)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A function whose graph has been through the passes; prints as that graph."""

    traced: TracedFunction
    result: compiler.Lowered
    structure: tree.Structure

    @property
    def graph(self) -> Graph:
        return self.result.graph

    def __str__(self) -> str:
        return str(self.result.graph)

    def compile(self) -> Compiled:
        """Let the backend make an executable."""
        return Compiled(self.traced, self.result, self.structure)


@dataclass(frozen=True, slots=True)
class Traced:
    """A function as a graph; prints as that graph."""

    function: TracedFunction
    structure: tree.Structure
    options: Options

    @property
    def graph(self) -> Graph:
        return self.function.graph

    def __str__(self) -> str:
        return str(self.function.graph)

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
            backend or self.options.backend,
            level=self.options.level if level is None else level,
            pipeline=pipeline,
        )
        return Lowered(self.function, result, self.structure)


class JitFunction:
    """What `jit` returns: the function, compiled anew for each kind of arguments.

    Attributes:
        function: the Python function.
        cache: the specialisations so far.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")
        self.cache: dict[Key, Compiled] = {}
        self._positions = _positional_names(function)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _disabled.get():
            return self.function(*args, **kwargs)
        if current_trace() is not None:
            return self._call_traced(args, kwargs)
        call, leaves, key = self._prepare(args, kwargs)
        compiled = self.cache.get(key)
        if compiled is None:
            compiled = self._compile(key, call, leaves)
        result = compiled.run([leaf.data for leaf in leaves])
        if self.options.donated_names:
            self._donate(call, leaves)
        return result

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Trace for these arguments; strings such as `"f32[n, 784]"` stand for arrays of a type."""
        call = self._split(args, kwargs)
        leaves, structure = tree.flatten(call.dynamic)
        scope = specs.Scope(self.options.constraints)
        arguments = [
            _described(leaf, hint, scope)
            for leaf, hint in zip(leaves, call.hints(structure), strict=True)
        ]
        return Traced(self._trace(call, structure, arguments), structure, self.options)

    # ------------------------------------------------------------------------------ inside

    def _prepare(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[_Call, list[Tensor], Key]:
        call = self._split(args, kwargs)
        leaves, structure = tree.flatten(call.dynamic)
        tensors = [
            leaf if type(leaf) is Tensor else _leaf_tensor(leaf, call, structure, i, self.name)
            for i, leaf in enumerate(leaves)
        ]
        if self.options.spec is None:
            types = tuple((tensor.type, tensor.is_weak) for tensor in tensors)
        else:
            types = tuple((t, False) for t in self._spec_types(structure))
        key = Key(structure, types, call.statics, selected_name(self.options.backend))
        try:
            hash(key)
        except TypeError:
            raise _unhashable(call, self.name) from None
        return call, tensors, key

    def _spec_types(self, structure: tree.Structure) -> list[TensorType]:
        assert self.options.spec is not None
        return specs.types_for(self.options.spec, structure, self.options.constraints)

    def _compile(self, key: Key, call: _Call, leaves: Sequence[Tensor]) -> Compiled:
        log.write("recompiles", lambda: _reason(self.name, key, list(self.cache)))
        hints = call.hints(key.structure)
        arguments = [
            Argument(type, hint, weak) for (type, weak), hint in zip(key.types, hints, strict=True)
        ]
        traced = self._trace(call, key.structure, arguments)
        log.write("graph", lambda: str(traced.graph))
        lowered = compiler.lower(traced.graph, self.options.backend, level=self.options.level)
        compiled = Compiled(traced, lowered, key.structure)
        self.cache[key] = compiled
        return compiled

    def _trace(
        self, call: _Call, structure: tree.Structure, arguments: Sequence[Argument]
    ) -> TracedFunction:
        def run(inputs: list[Tensor]) -> Any:
            args, kwargs = call.complete(structure.unflatten(inputs))
            return self.function(*args, **kwargs)

        return trace_function(run, arguments, self.name)

    def _call_traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call, tensors, key = self._prepare(args, kwargs)
        hints = call.hints(key.structure)
        arguments = [
            Argument(t.type, hint, t.is_weak, t) for t, hint in zip(tensors, hints, strict=True)
        ]
        traced = self._trace(call, key.structure, arguments)
        return call_traced(traced, tensors, self.name)

    def _donate(self, call: _Call, leaves: Sequence[Tensor]) -> None:
        names = call.leaf_names()
        for leaf, name in zip(leaves, names, strict=True):
            if name in self.options.donated_names and not leaf.is_weak:
                leaf.donate()

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        static = self.options.static_names
        names = [
            self._positions[i] if i < len(self._positions) else f"args[{i}]"
            for i in range(len(args))
        ]
        if not static:
            return _Call(tuple(names), args, kwargs, ())
        fixed = [(name, value) for name, value in zip(names, args, strict=True) if name in static]
        fixed += [(name, value) for name, value in sorted(kwargs.items()) if name in static]
        return _Call(tuple(names), args, kwargs, tuple(fixed))


class _Call:
    """The arguments of one call, parted into tensors and static values."""

    __slots__ = ("args", "dynamic", "kwargs", "names", "static_names", "statics")

    def __init__(
        self,
        names: tuple[str, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        statics: tuple[tuple[str, Any], ...],
    ) -> None:
        self.names, self.args, self.kwargs, self.statics = names, args, kwargs, statics
        self.static_names = {name for name, _ in statics}
        if not statics:
            self.dynamic: Any = (args, kwargs)
            return
        positional = tuple(
            None if name in self.static_names else value
            for name, value in zip(names, args, strict=True)
        )
        self.dynamic = (positional, {k: v for k, v in kwargs.items() if k not in self.static_names})

    def complete(self, dynamic: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the function, from tensors in the structure of `dynamic`."""
        args, kwargs = dynamic
        fixed = dict(self.statics)
        whole = [
            fixed[name] if name in self.static_names else value
            for name, value in zip(self.names, args, strict=True)
        ]
        return whole, {**kwargs, **{k: fixed[k] for k in self.kwargs if k in self.static_names}}

    def hints(self, structure: tree.Structure) -> list[str]:
        """A readable name for each leaf: `x`, `params['w']`."""
        positional, keyword = structure.children
        paths = [
            path
            for name, child in zip(self.names, positional.children, strict=True)
            for path in child.paths(name)
        ]
        return paths + [
            path
            for name, child in zip(keyword.keys, keyword.children, strict=True)
            for path in child.paths(name)
        ]

    def leaf_names(self) -> list[str]:
        """The argument that each leaf belongs to."""
        positional, keywords = self.dynamic
        named = [*zip(self.names, positional, strict=True), *sorted(keywords.items())]
        return [name for name, value in named for _ in tree.flatten(value)[0]]


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    donate_argnames: str | Sequence[str] = (),
    backend: str | None = None,
    level: int = 2,
    spec: Any = None,
    constraints: str | None = None,
) -> Any:
    """Compile a function of tensors; also usable as a decorator, with or without arguments.

    The function is traced once for each structure, element types and shapes of its arguments and each value
    of the static ones; `IRFLOW_LOG=recompiles` tells when and why.

    Args:
        function: takes and returns tensors in any nesting of tuples, lists, dicts and dataclasses.
        static_argnums, static_argnames: arguments that stay Python values; they must be hashable.
        donate_argnums, donate_argnames: arguments whose memory may be reused; reading them afterwards raises.
        backend: a backend's name instead of the selected one.
        level: the optimisation level, 0 (none) to 3.
        spec: a tuple with the type of each argument, with symbolic sizes, e.g. `("f32[n, 784]", "i32[n]")`;
            one compilation then serves all sizes, which are solved and checked at each call.
        constraints: bounds of the sizes, e.g. `"1 <= n <= 4096"`; several are parted by commas.

    >>> @jit
    ... def f(x):
    ...     return x * 2
    >>> f(np.float32([1, 2])).tolist()
    [2.0, 4.0]
    """
    if function is None:
        return functools.partial(
            jit, static_argnums=static_argnums, static_argnames=static_argnames, donate_argnums=donate_argnums,
            donate_argnames=donate_argnames, backend=backend, level=level, spec=spec, constraints=constraints,
        )  # fmt: skip
    positions = _positional_names(function)
    if spec is not None and not isinstance(spec, (tuple, list)):
        spec = (spec,)
    options = Options(
        _names(positions, static_argnums, static_argnames),
        _names(positions, donate_argnums, donate_argnames),
        backend,
        level,
        None if spec is None else tuple(spec),
        constraints,
    )
    return JitFunction(function, options)


def _names(
    positions: Sequence[str], numbers: int | Sequence[int], names: str | Sequence[str]
) -> frozenset[str]:
    chosen = [names] if isinstance(names, str) else list(names)
    for number in [numbers] if isinstance(numbers, int) else numbers:
        if not -len(positions) <= number < len(positions):
            raise UsageError(
                f"argument {number} of a function with {len(positions)} positional arguments"
            )
        chosen.append(positions[number])
    return frozenset(chosen)


def _positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )


def _leaf_tensor(
    leaf: Any, call: _Call, structure: tree.Structure, position: int, name: str
) -> Tensor:
    if isinstance(leaf, Variable) or is_tensor_like(leaf):
        return as_tensor(leaf)
    raise UsageError(
        f"{name}: argument {call.hints(structure)[position]} is {type(leaf).__name__}, not a tensor",
        location=user_location(),
        hint="pass it as a static argument (static_argnames=…) if it is a setting",
    )


def _described(leaf: Any, hint: str, scope: specs.Scope) -> Argument:
    if isinstance(leaf, (str, TensorType)):
        return Argument(scope.type(leaf), hint)
    tensor = as_tensor(leaf)
    return Argument(tensor.type, hint, tensor.is_weak, tensor)


def _unhashable(call: _Call, name: str) -> UsageError:
    for argument, value in call.statics:
        try:
            hash(value)
        except TypeError:
            return UsageError(
                f"{name}: static argument {argument} is a {type(value).__name__}, which is not hashable",
                hint="pass a tuple, a frozen dataclass or a number",
            )
    return UsageError(f"{name}: an argument's structure is not hashable")


def _reason(name: str, key: Key, others: Sequence[Key]) -> str:
    """One line that says what is new about a specialisation, against the most similar one."""
    if not others:
        return f"{name}: first compilation"
    other = others[-1]
    if key.structure != other.structure:
        return f"{name}: compiled again for another structure of the arguments"
    paths = key.structure.paths("args")
    changes = [
        f"{path} was {old[0]}{' (weak)' * old[1]}, is {new[0]}{' (weak)' * new[1]}"
        for path, old, new in zip(paths, other.types, key.types, strict=True)
        if old != new
    ]
    changes += [
        f"static {n} was {o!r}, is {v!r}"
        for (n, v), (_, o) in zip(key.statics, other.statics, strict=False)
        if v != o
    ]
    if key.backend != other.backend:
        changes.append(f"backend was {other.backend}, is {key.backend}")
    return f"{name}: compiled again: " + "; ".join(changes)
