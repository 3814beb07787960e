"""Functions of one element: nanoseconds for 1024 elements in the cache, beside NumPy, one thread.

`python tests/benchmarks/bench_elementary.py [name …]` prints the table. The two run in turns, many
times, and the least time counts. A call's cost is spread over 32,768 elements.
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np

ROUNDS = 40
"""How often each case runs."""
ELEMENTS = 1 << 15
"""So many that a call costs little beside them, and so few that the second cache holds them."""
TYPES = (np.float32, np.float64)
LEAST_FLOPS = 4
"""Of the rows in the table; what the others cost is the memory, as for `negative`."""
COMPOSITES = ["gelu", "silu", "mish", "elu"]


def operands(name: str, dtype: type[np.floating]) -> list[np.ndarray]:
    """Random numbers in the function's domain."""
    from irflow.scalars import ROWS

    random = np.random.default_rng(0)
    domain = ROWS[name].domain if name in ROWS else ()
    return [random.uniform(*d, ELEMENTS).astype(dtype) for d in domain or ((-3.0, 3.0),)]


def cases(names: list[str]) -> dict[str, tuple[Callable, Callable]]:
    """Functions to compile, and the NumPy meaning that they are measured beside."""
    from irflow import grad, nn
    from irflow.frontend.tensor import apply_row
    from irflow.scalars import OWN

    chosen = {}
    for name, row in OWN.items():
        if row.flops < LEAST_FLOPS and name != "negative":
            continue
        chosen[name] = (lambda *xs, row=row: apply_row(row, xs), row.numpy)
    for name in COMPOSITES:
        function = getattr(nn, name)
        gradient = grad(lambda x, f=function: f(x).sum())
        chosen[name] = (function, function)
        chosen[f"{name}'s gradient"] = (gradient, gradient)
    return {name: pair for name, pair in chosen.items() if not names or name in names}


def least(calls: list[Callable[[], object]]) -> list[float]:
    """The least processor time of each call in seconds, measured in turns."""
    found = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            found[number] = min(found[number], time.perf_counter() - start)
    return found


def main(names: list[str]) -> None:
    """Print the table."""
    import irflow as irf

    print("ns per 1024 elements".ljust(22) + f"{'f32':>8}{'numpy':>8}{'f64':>8}{'numpy':>8}")
    for name, (function, meaning) in cases(names).items():
        compiled = irf.jit(function, backend="llvm")
        cells = ""
        for dtype in TYPES:
            arrays = operands(name, dtype)
            compiled(*arrays)
            calls = [lambda f=f, a=arrays: f(*a) for f in (compiled, meaning)]
            for seconds in least(calls):
                cells += f"{seconds * 1e9 / ELEMENTS * 1024:8.0f}"
        print(name.ljust(22) + cells, flush=True)


def bench_elementary() -> None:
    """The table, as `make bench` prints it."""
    main([])


if __name__ == "__main__":
    os.environ.setdefault("IRFLOW_CHECK", "0")
    os.environ.setdefault("IRFLOW_NUM_THREADS", "1")
    main(sys.argv[1:])
