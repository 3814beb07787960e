"""What `irf.jit` returns: a function traced once for each kind of arguments, and run natively."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from irflow import compiler, dims, log, tree
from irflow.compiler.collector import rare_collections
from irflow.compiler.compilations import Compilation, note
from irflow.compiler.config import selected_name
from irflow.errors import UsageError
from irflow.frontend import specs
from irflow.frontend.apply import call_traced, trace_function
from irflow.frontend.boundary import public, shorten
from irflow.frontend.calls import Call, Instance, Parameters
from irflow.frontend.disabled import disabled, is_jit_disabled
from irflow.frontend.quick import NUMBERS, OTHER, Quick, QuickCalls, outlines, with_statics
from irflow.frontend.specialisation import Key, described, reason_for, unhashable
from irflow.frontend.stages import Compiled, Signature, Traced
from irflow.frontend.symbolic import (
    Family,
    Group,
    attempted,
    family_key,
    sizes_of,
    with_symbols,
)
from irflow.frontend.tensor import Tensor, as_tensor, is_tensor_like
from irflow.frontend.tracing import Argument, TracedFunction, current_trace
from irflow.ir import TensorType
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The keyword arguments of `jit`."""

    static_names: frozenset[str]
    donated_names: frozenset[str]
    backend: str | None
    level: int
    spec: tuple[Any, ...] | None
    constraints: str | None
    dynamic: bool | None
    memory_limit: int | None = None


class JitFunction:
    """A function, compiled anew for each kind of arguments.

    When calls differ in sizes only, the second size of an axis makes a version that is for all
    sizes of that axis from 2 on. Axes that were equal so far share a symbol. The last axis of an
    argument with two or more, and what is equal to it, stays a number, and so does an axis whose
    size the function needs as a number or as text, as in `range(x.shape[0])`, `print(x.shape)`.

    Attributes:
        function: the Python function.
        options: how it was jitted.
        cache: the specialisations so far.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")
        self.cache: dict[Key, Compiled] = {}
        self.parameters = Parameters(function, options.static_names)
        self._spec_types: dict[tree.Structure, tuple[TensorType, ...]] = {}
        self._backend = options.backend
        self._families: dict[Hashable, Family] = {}
        self._quick: dict[tuple[str | None, bool], QuickCalls] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<jit of {self.name}, {len(self.cache)} compiled>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        # A dataclass or tensor is an argument like others; any other object is static.
        is_leaf = tree.flatten(instance)[1] is tree.LEAF and not _is_tensor(instance)
        return functools.partial(self, Instance(instance) if is_leaf else instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._quick and current_trace() is None and not disabled.get():
                quick = self._quick.get((selected_name(self._backend), bool(kwargs)))
                if quick is not None:
                    for attempt in quick.calls:
                        result = attempt(*args, kwargs) if kwargs else attempt(*args)
                        if result is not OTHER:
                            return result
            return self._run(args, kwargs)
        except Exception as error:  # as in `public`, which would take a tenth of the time
            shorten(error)
            raise

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The long way, for all kinds of arguments."""
        call = self.parameters.split(args, kwargs)
        leaves, structure = tree.flatten(call.dynamic)
        tensors = [
            leaf if type(leaf) is Tensor else self._tensor(leaf, i, structure)
            for i, leaf in enumerate(leaves)
        ]
        if is_jit_disabled():
            return self._run_plainly(call, structure, tensors)
        key = self._key(call, structure, tensors)
        if self.options.spec is not None:
            tensors = self._signature(key).fitted(leaves)
        if current_trace() is not None:
            return self._call_traced(key, tensors)
        try:
            compiled = self.cache.get(key)
        except TypeError:
            raise unhashable(self.name, call.statics) from None
        if compiled is None:
            compiled = self._specialised(key)
        result = compiled.run(tensors)
        quick = self._open_calls(key, bool(kwargs))
        if quick is not None:
            kind = (key, len(args), *map(type, leaves), *[tensor.shape for tensor in tensors])
            if quick.wants(kind):
                quick.add(self._quick_call(compiled, key, (args, kwargs), outlines(tensors)))
        return result

    @public
    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Trace for these arguments; strings such as `"f32[n, 784]"` stand for arrays of a type.

        Without arguments, for those that `spec=` describes.
        """
        if self.options.spec is not None and not args and not kwargs:
            args = self.options.spec
        call = self.parameters.split(args, kwargs)
        leaves, structure = tree.flatten(call.dynamic)
        scope = specs.Scope(self.options.constraints)
        hints = self.parameters.hints(structure)
        arguments = [
            Argument(scope.type(leaf), hint)
            if isinstance(leaf, (str, TensorType))
            else _argument(self._tensor(leaf, i, structure), hint)
            for i, (leaf, hint) in enumerate(zip(leaves, hints, strict=True))
        ]
        traced = self._trace(structure, call.statics, arguments)
        types = tuple(argument.type for argument in arguments)
        signature = Signature(self.name, self.parameters, structure, types, call.statics)
        options = self.options
        return Traced(traced, signature, options.backend, options.level, options.memory_limit)

    # ------------------------------------------------------------------------------ inside

    def _open_calls(self, key: Key, has_keywords: bool) -> QuickCalls | None:
        """The short ways for such calls, if there may be more of them."""
        place = key.backend, has_keywords
        found = self._quick.get(place) or self._quick.setdefault(place, QuickCalls(patience=2))
        return found if found.is_open else None

    def _quick_call(
        self,
        compiled: Compiled,
        key: Key,
        given: tuple[tuple[Any, ...], dict[str, Any]],
        arrays: list[np.ndarray],
    ) -> Quick | None:
        """The short way for calls like this one, whose keywords come as a last argument."""
        args, kwargs = given
        if key.statics and kwargs:
            return None
        places = {i: value for i, value in enumerate(args) if self.parameters.is_static(i, value)}
        args = tuple([None if i in places else value for i, value in enumerate(args)])
        leaves, structure = tree.flatten((*args, kwargs) if kwargs else args)
        order = self._order(structure, bool(kwargs))
        if order is None:
            return None
        numbers = [type(leaf) if type(leaf) in NUMBERS else None for leaf in leaves]
        inputs = [(key.weak[i], i, cls) for i, cls in zip(order, numbers, strict=True)]
        call = compiled.quick(structure.children, inputs, arrays)
        return with_statics(call, places) if call is not None and places else call

    def _order(self, structure: tree.Structure, has_keywords: bool) -> list[int] | None:
        """Which input each leaf of the arguments is; None where that is not known."""
        if not has_keywords:
            return list(range(structure.leaf_count))
        if structure.has_dataclass:  # It cannot be made of numbers.
            return None
        numbers = structure.unflatten(range(structure.leaf_count))
        inputs = tree.flatten(self.parameters.split(numbers[:-1], numbers[-1]).dynamic)[0]
        return sorted(range(len(inputs)), key=inputs.__getitem__)

    def _tensor(self, leaf: Any, position: int, structure: tree.Structure) -> Tensor:
        if type(leaf) is np.ndarray or _is_tensor(leaf):
            return as_tensor(leaf)
        hint = self.parameters.hints(structure)[position]
        raise UsageError(
            f"{self.name}: argument {hint} is {described(leaf)}, not a tensor",
            hint="pass it as a static argument (static_argnames=…) if it is a setting",
        )

    def _key(self, call: Call, structure: tree.Structure, tensors: Sequence[Tensor]) -> Key:
        backend = selected_name(self.options.backend)
        if self.options.spec is not None:
            types = self._types_for(structure)
            return Key(structure, types, (False,) * len(types), call.statics, backend)
        types = tuple([tensor.type for tensor in tensors])
        weak = tuple([tensor.is_weak for tensor in tensors])
        return Key(structure, types, weak, call.statics, backend)

    def _types_for(self, structure: tree.Structure) -> tuple[TensorType, ...]:
        """The declared types of the argument leaves."""
        found = self._spec_types.get(structure)
        if found is None:
            assert self.options.spec is not None
            found = specs.types_for(self.options.spec, structure, self.options.constraints)
            self._spec_types[structure] = found
        return found

    def _donated(self, key: Key) -> tuple[int, ...]:
        """The inputs that are donated."""
        chosen = self.options.donated_names
        names = self.parameters.leaf_names(key.structure) if chosen else ()
        return tuple(i for i, n in enumerate(names) if n in chosen and not key.weak[i])

    def _signature(self, key: Key) -> Signature:
        return Signature(self.name, self.parameters, key.structure, key.types, key.statics)

    def _specialised(self, key: Key) -> Compiled:
        """What runs calls for which there is no version of exactly their types."""
        is_concrete = all(type.is_static for type in key.types)
        if self.options.spec is not None or self.options.dynamic is False or not is_concrete:
            return self._compile(key)
        name = family_key(key)
        family = self._families.get(name)
        if family is None:
            made = Family(key.types, bool(self.options.dynamic))
            family = self._families.setdefault(name, made)
        sizes = sizes_of(key.types)
        return family.version_for(sizes) or self._compile_member(key, family, sizes)

    def _compile_member(self, key: Key, family: Family, sizes: tuple[int, ...]) -> Compiled:
        """Compile for many sizes where the rules say so and it can be done, else for these."""

        def symbolic(groups: Sequence[Group]) -> Key:
            return key._replace(types=with_symbols(key.types, groups))

        groups = family.groups(sizes)
        if groups and not compiler.selected_backend(key.backend).capabilities().dynamic_sizes:
            groups = ()
        attempt = attempted(
            groups,
            lambda groups: self._compile(symbolic(groups), is_guarded=True),
            lambda groups: self._traced(symbolic(groups), is_guarded=True),
        )
        if attempt.made is not None:
            family.add(sizes, attempt)
            return attempt.made
        hints = self.parameters.hints(key.structure)
        compiled = self._compile(key, attempt.remark(key.types, hints))
        family.add(sizes, attempt)
        return compiled

    def _compile(self, key: Key, remark: str = "", is_guarded: bool = False) -> Compiled:
        with rare_collections():
            return self._compiled(key, remark, is_guarded)

    def _compiled(self, key: Key, remark: str, is_guarded: bool) -> Compiled:
        start = time.perf_counter()
        traced = self._traced(key, is_guarded)
        hints = self.parameters.hints(key.structure)
        reason = reason_for(self.name, key, next(reversed(self.cache), None), hints, remark)
        log.write("recompiles", reason)
        donated = self._donated(key)
        lowered = compiler.prepare(
            traced.graph,
            self.options.backend,
            level=self.options.level,
            memory_limit=self.options.memory_limit,
            lent=donated,
        )
        compiled = Compiled(traced, lowered, self._signature(key), self._lock, donated)
        seconds = time.perf_counter() - start
        note(Compilation(reason, traced.graph, lowered, seconds))
        self.cache[key] = compiled
        return compiled

    def _traced(self, key: Key, is_guarded: bool = False) -> TracedFunction:
        """The graph for a key; guarded where the function need not know of symbolic sizes."""
        rows = zip(key.types, self.parameters.hints(key.structure), key.weak, strict=True)
        arguments = [Argument(type, hint, weak) for type, hint, weak in rows]
        with dims.guarded_sizes() if is_guarded else nullcontext():
            return self._trace(key.structure, key.statics, arguments)

    def _trace(
        self,
        structure: tree.Structure,
        statics: Sequence[tuple[str, Any]],
        arguments: Sequence[Argument],
    ) -> TracedFunction:
        def run(inputs: list[Tensor]) -> Any:
            args, kwargs = self.parameters.join(structure.unflatten(inputs), statics)
            return self.function(*args, **kwargs)

        return trace_function(run, arguments, self.name, is_compiled=True)

    def _call_traced(self, key: Key, tensors: list[Tensor]) -> Any:
        hints = self.parameters.hints(key.structure)
        if self.options.spec is not None and all(tensor.type.is_static for tensor in tensors):
            rows = zip(hints, key.types, tensors, strict=True)
            dims.solve((hint, type.shape, t.type.static_shape) for hint, type, t in rows)
        arguments = [_argument(t, hint) for t, hint in zip(tensors, hints, strict=True)]
        return call_traced(self._trace(key.structure, key.statics, arguments), tensors, self.name)

    def _run_plainly(self, call: Call, structure: tree.Structure, tensors: Sequence[Tensor]) -> Any:
        args, kwargs = self.parameters.join(structure.unflatten(tensors), call.statics)
        return tree.map_leaves(as_tensor, self.function(*args, **kwargs))


def _is_tensor(leaf: Any) -> bool:
    return hasattr(leaf, "__irflow_tensor__") or is_tensor_like(leaf)


def _argument(tensor: Tensor, hint: str) -> Argument:
    return Argument(tensor.type, hint, tensor.is_weak, tensor)
