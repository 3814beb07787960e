"""Fused nests: bytes read and written in a second, beside a copy by NumPy.

`python tests/benchmarks/bench_fused.py [name …]` prints the table. NumPy's copy and the compiled
function run in turns, many times. The least time counts: of the processor where one thread runs,
so that other work on the machine matters little, else of the clock.
"""

import os
import sys
import time
from collections.abc import Callable

import numpy as np

ROUNDS = 15
"""How often each case runs."""
ELEMENTS = 1 << 24
"""Of the long vectors: more than caches hold."""
SHAPE = (4096, 1024)

Call = Callable[[], object]


def cases() -> dict[str, tuple[Callable, list[np.ndarray]]]:
    """Functions with their operands; bytes are those of the operands and of the results."""
    import irflow.numpy as inp
    from irflow import grad, nn

    def gelu(x, y, z):
        return nn.gelu(x * y + z)

    def norm(x, scale, offset):
        return nn.layer_norm(x, scale, offset)

    def norm_loss(x, scale, offset):
        return inp.sum(norm(x, scale, offset) * x)

    random = np.random.default_rng(0)
    vectors = [random.normal(size=ELEMENTS).astype(np.float32) for _ in range(3)]
    rows = random.normal(size=SHAPE).astype(np.float32)
    scale, offset = random.normal(size=(2, SHAPE[1])).astype(np.float32)
    return {
        "x*y+z 16M": (lambda x, y, z: x * y + z, vectors),
        "gelu(x*y+z) 16M": (gelu, vectors),
        "sum 16M": (lambda x: inp.sum(x), vectors[:1]),
        "softmax 4096x1024": (nn.softmax, [rows]),
        "layer norm 4096x1024": (norm, [rows, scale, offset]),
        "its gradient 4096x1024": (grad(norm_loss, argnums=(0, 1, 2)), [rows, scale, offset]),
        "column sums 4096x1024": (lambda x: inp.sum(x, axis=0), [rows]),
        "row sums 4096x1024": (lambda x: inp.sum(x, axis=1), [rows]),
    }


def seconds(calls: list[Call], clock: Callable[[], float]) -> list[float]:
    """The least time of each call, measured in turns."""
    least = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            start = clock()
            call()
            least[number] = min(least[number], clock() - start)
    return least


def main(names: list[str]) -> None:
    """Print the table."""
    import irflow as irf
    from irflow_llvm import workers

    threads = workers.thread_count()
    clock = time.process_time if threads == 1 else time.perf_counter
    print(f"{threads} threads; NumPy copies with one")
    print(f"{'':24}{'GB/s':>8}{'copy':>8}{'ratio':>8}")
    for name, (function, operands) in cases().items():
        if names and not any(part in name for part in names):
            continue
        compiled = irf.jit(function, backend="llvm")
        found = compiled(*operands)
        results = [np.asarray(r) for r in (found if isinstance(found, tuple) else (found,))]
        count = sum(array.nbytes for array in (*operands, *results))
        source, target = operands[0], np.empty_like(operands[0])
        calls: list[Call] = [
            lambda f=compiled, o=operands: f(*o),
            lambda s=source, t=target: np.copyto(t, s),
        ]
        ours, copy = seconds(calls, clock)
        rate, limit = count / ours / 1e9, 2 * source.nbytes / copy / 1e9
        print(f"{name:24}{rate:8.1f}{limit:8.1f}{rate / limit:8.2f}", flush=True)


def bench_fused() -> None:
    """The table, as `make bench` prints it."""
    main([])


if __name__ == "__main__":
    os.environ.setdefault("IRFLOW_CHECK", "0")
    main(sys.argv[1:])
