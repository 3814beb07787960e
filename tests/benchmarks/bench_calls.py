"""What a call of a compiled function costs besides its work, on arrays of 4×4.

`make bench` prints the table. Nothing here is a timed test: it prints and does not judge.
"""

import ctypes
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import irflow as irf

ARRAYS = [np.ones((4, 4), np.float32) for _ in range(6)]
TENSORS = [irf.asarray(array) for array in ARRAYS]
PARAMETERS = dict.fromkeys(("w1", "b1", "w2", "b2"), ARRAYS[0])


def six(a, b, c, d, e, f):
    return a * b + c * d - e * f


def step(parameters, x, y):
    return {name: value - x * y for name, value in parameters.items()}, (x * y).sum()


def microseconds(function, repeat: int = 9, number: int = 2000) -> float:
    """The least time of a call, over several rounds; an empty function costs 0.05."""
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(number):
            function()
        best = min(best, time.perf_counter() - start)
    return best / number * 1e6


def donating_step():
    """A training step whose parameters are those that the last one returned."""
    jitted = irf.jit(step, donate_argnums=0)
    state = {name: irf.asarray(value) for name, value in PARAMETERS.items()}

    def run():
        nonlocal state
        state, _ = jitted(state, *TENSORS[:2])

    return run


def with_variable():
    total = irf.Variable(ARRAYS[0])

    def add(x):
        total.assign_add(x)
        return total.sum()

    jitted = irf.jit(add)
    return lambda: jitted(ARRAYS[0])


def ways() -> dict[str, object]:
    """What is timed, by name."""
    function, training = irf.jit(six), irf.jit(step)
    static = irf.jit(lambda x, n: x * n, static_argnums=1)
    keywords = irf.jit(lambda x, *, scale: x * scale)
    a, b, *_ = ARRAYS
    executable = function.trace(*ARRAYS).lower().compile().executable
    kind = ctypes.CFUNCTYPE(ctypes.c_int)
    is_initialized = kind(ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value)
    return {
        "NumPy: one addition": lambda: np.add(a, b),
        "NumPy: the five operations": lambda: six(*ARRAYS),
        "ctypes: an empty function without arguments": is_initialized,
        "irflow: six arrays": lambda: function(*ARRAYS),
        "irflow: six tensors": lambda: function(*TENSORS),
        "irflow: an array and a number": lambda: keywords(a, scale=0.5),
        "irflow: an array and a static number": lambda: static(a, 2),
        "irflow: a dict of four and two arrays": lambda: training(PARAMETERS, a, b),
        "irflow: the same, parameters donated": donating_step(),
        "irflow: a variable read and assigned": with_variable(),
        "irflow: six arrays, the executable through ctypes": lambda: executable(ARRAYS),
    }


def bench_calls():
    table = Table(title="calls, least of several rounds")
    table.add_column("call")
    table.add_column("µs", justify="right")
    for name, function in ways().items():
        for _ in range(5):
            function()
        table.add_row(name, f"{microseconds(function):.2f}")
    Console().print(table)


def bench_large_results():
    """Memory of results is used again: no page is touched for the first time."""
    table = Table(title="x + 1, results included, µs")
    for column in ("MiB", "irflow", "NumPy", "NumPy, out= given"):
        table.add_column(column, justify="right")
    add = irf.jit(lambda x: x + 1)
    for mebibytes in (1, 8, 64):
        x = np.ones(mebibytes << 18, np.float32)
        out = np.empty_like(x)
        functions = (
            lambda x=x: add(x),
            lambda x=x: x + 1,
            lambda x=x, out=out: np.add(x, 1, out=out),
        )
        cells = [microseconds(function, number=4) for function in functions]
        table.add_row(str(mebibytes), *(f"{cell:.0f}" for cell in cells))
    Console().print(table)
