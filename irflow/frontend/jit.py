"""`irf.jit`: a Python function traced once for each kind of arguments, compiled, run natively."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from irflow.errors import UsageError
from irflow.frontend.calls import chosen_names
from irflow.frontend.jit_function import JitFunction, Options
from irflow.frontend.specialisation import described

Chosen = tuple[int | Sequence[int], str | Sequence[str]]
"""Some of a function's parameters, by positions and by names."""


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
    dynamic: bool | None = None,
    memory_limit: int | None = None,
) -> Any:
    """Compile a function of tensors; also usable as a decorator, with or without arguments.

    The function is traced once for each structure, element types and shapes of its arguments and
    each value of the static ones; `IRFLOW_LOG=recompiles` tells when and why. On a method, `self`
    is static unless it is a dataclass or named tuple, which is taken apart like any argument.

    Args:
        function: takes and returns tensors in any nesting of tuples, lists, dicts and dataclasses.
        static_argnums: positions of arguments that stay Python values; they must be hashable.
        static_argnames: names of such arguments.
        donate_argnums: positions of arguments whose tensors are not read afterwards. Results of
            equal types are written where they are, if nothing else holds that memory; NumPy arrays
            of the caller are never written to.
        donate_argnames: names of such arguments.
        backend: a backend's name instead of the selected one.
        level: the optimisation level, 0 (none) to 3.
        spec: a tuple with the type of each argument, with symbolic sizes, e.g.
            `("f32[n, 784]", "i32[n]")`, None for a static one; one compilation then serves all
            sizes, which are solved and checked at each call.
        constraints: bounds of the sizes, e.g. `"1 <= n <= 4096"`; several are parted by commas.
        dynamic: False compiles for each size by itself. True has symbols for first axes from the
            first call on, and for any other axis, the last one too, once its size changes.
        memory_limit: the most bytes that intermediate values may take, which are computed again
            instead. Each size is compiled by itself then, unless `dynamic` or `spec` is given.

    Raises:
        UsageError: `dynamic` beside `spec`; there is no argument of a number; no positive limit.
        ArenaError: from a call, where the limit cannot be kept.
        UnknownNameError: there is no argument of a name.

    >>> @jit
    ... def f(x):
    ...     return x * 2
    >>> f(3).item()
    6
    """
    make = functools.partial(
        _jitted,
        static=(static_argnums, static_argnames),
        donated=(donate_argnums, donate_argnames),
        backend=backend,
        level=level,
        spec=spec,
        constraints=constraints,
        dynamic=dynamic,
        memory_limit=memory_limit,
    )
    return make if function is None else make(function)


def _jitted(
    function: Callable[..., Any], *, static: Chosen, donated: Chosen, **options: Any
) -> JitFunction:
    if not callable(function):
        raise UsageError(f"jit: {described(function)} is given, not a function")
    spec, limit = options["spec"], options["memory_limit"]
    if spec is not None and options["dynamic"] is not None:
        raise UsageError(
            "jit: spec= says which sizes are symbolic, so that dynamic= says nothing",
            hint="give one of the two",
        )
    if limit is not None:
        if type(limit) is not int or limit < 1:
            raise UsageError(f"jit: memory_limit={limit!r} is no positive number of bytes")
        if options["dynamic"] is None and spec is None:
            options["dynamic"] = False
    if spec is not None and not isinstance(spec, (tuple, list)):
        spec = (spec,)
    options["spec"] = None if spec is None else tuple(spec)
    static_names, donated_names = (chosen_names(function, *chosen) for chosen in (static, donated))
    chosen = Options(static_names=static_names, donated_names=donated_names, **options)
    return JitFunction(function, chosen)
