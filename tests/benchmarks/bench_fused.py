"""Fused nests: bytes read and written in a second, beside copies and beside peers.

`python tests/benchmarks/bench_fused.py [name …]` prints the table. Everything runs in turns, with
the same number of threads, results allocated anew in each call, and the least time counts; so what
fits in a cache is found there, by all alike. The
copies are compiled as kernels are, one with plain stores and one with stores past the caches; a
case is set against the one with stores as its own. Peers (jax, torch) run in processes of their own
where they are installed; their columns say how many times as fast irflow is.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

TURNS, ROUNDS = 3, 6
"""How often each column has its turn, and how many calls in a row it then makes."""
ELEMENTS = 1 << 24
"""Of the long vectors, and of the long matrices: more than caches hold."""
SHAPES = {"4096x1024": (4096, 1024), "64 MiB": (ELEMENTS // 1024, 1024)}
PEERS = ("jax", "torch")

Call = Callable[[], object]
Case = tuple[str, list[np.ndarray]]


def cases() -> dict[str, Case]:
    """What is computed, and of what; bytes are those of the operands and of the results."""
    random = np.random.default_rng(0)
    vectors = [random.normal(size=ELEMENTS).astype(np.float32) for _ in range(3)]
    found = {
        "x*y+z 16M": ("affine", vectors),
        "gelu(x*y+z) 16M": ("gelu", vectors),
        "sum 16M": ("total", vectors[:1]),
    }
    for size, shape in SHAPES.items():
        rows = random.normal(size=shape).astype(np.float32)
        scale, offset = random.normal(size=(2, shape[1])).astype(np.float32)
        found[f"softmax {size}"] = ("softmax", [rows])
        found[f"layer norm {size}"] = ("norm", [rows, scale, offset])
        found[f"its gradient {size}"] = ("norm_gradient", [rows, scale, offset])
        found[f"column sums {size}"] = ("columns", [rows])
        found[f"row sums {size}"] = ("rows", [rows])
    row = vectors[0].reshape(1, -1)
    return found | {"softmax 1x16M": ("softmax", [row]), "row sums 1x16M": ("rows", [row])}


# --- the functions of each framework --------------------------------------------------------------


def irflow_functions() -> dict[str, Callable[..., Any]]:
    import irflow as irf
    import irflow.numpy as inp
    from irflow import nn

    found = {
        "affine": lambda x, y, z: x * y + z,
        "gelu": lambda x, y, z: nn.gelu(x * y + z, approximate=False),
        "total": lambda x: inp.sum(x),
        "softmax": lambda x: nn.softmax(x),
        "norm": lambda x, s, o: nn.layer_norm(x, s, o),
        "columns": lambda x: inp.sum(x, axis=0),
        "rows": lambda x: inp.sum(x, axis=1),
    }
    found["norm_gradient"] = irf.grad(
        lambda x, s, o: inp.sum(nn.layer_norm(x, s, o) * x), argnums=(0, 1, 2)
    )
    return {name: irf.jit(function, backend="llvm") for name, function in found.items()}


def jax_functions() -> dict[str, Callable[..., Any]]:
    import jax
    import jax.numpy as jnp

    def norm(x: Any, scale: Any, offset: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + 1e-5) * scale + offset

    found = {
        "affine": lambda x, y, z: x * y + z,
        "gelu": lambda x, y, z: jax.nn.gelu(x * y + z, approximate=False),
        "total": jnp.sum,
        "softmax": jax.nn.softmax,
        "norm": norm,
        "norm_gradient": jax.grad(lambda x, s, o: jnp.sum(norm(x, s, o) * x), argnums=(0, 1, 2)),
        "columns": lambda x: jnp.sum(x, 0),
        "rows": lambda x: jnp.sum(x, 1),
    }
    compiled = {name: jax.jit(function) for name, function in found.items()}
    return {
        name: lambda *a, f=function: jax.block_until_ready(f(*a))
        for name, function in compiled.items()
    }


def torch_functions(threads: int) -> dict[str, Callable[..., Any]]:
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)

    def gradient(x: Any, scale: Any, offset: Any) -> Any:
        leaves = [t.detach().requires_grad_() for t in (x, scale, offset)]
        loss = (functional.layer_norm(leaves[0], (1024,), *leaves[1:]) * leaves[0]).sum()
        return torch.autograd.grad(loss, leaves)

    return {
        "affine": lambda x, y, z: torch.addcmul(z, x, y),
        "gelu": lambda x, y, z: functional.gelu(torch.addcmul(z, x, y)),
        "total": torch.sum,
        "softmax": lambda x: functional.softmax(x, -1),
        "norm": lambda x, s, o: functional.layer_norm(x, (1024,), s, o),
        "norm_gradient": gradient,
        "columns": lambda x: x.sum(0),
        "rows": lambda x: x.sum(1),
    }


def peer_operands(peer: str, arrays: Sequence[np.ndarray]) -> list[Any]:
    if peer == "jax":
        import jax

        return [jax.device_put(array) for array in arrays]
    import torch

    return [torch.from_numpy(array) for array in arrays]


# --- measuring ------------------------------------------------------------------------------------


def seconds(call: Call) -> float:
    """The least time of a call among several in a row."""
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start)
    return least


def copies(elements: int) -> dict[str, Call]:
    """Copies of so many numbers, by all threads, with each kind of stores."""
    from irflow import dtypes
    from irflow.loops import Buffer, Load, LoopKind, Ramp
    from irflow.loops.build import NestBuilder
    from irflow_llvm import workers
    from irflow_llvm.emit import emit_kernel
    from irflow_llvm.engine import Engine
    from irflow_llvm.frames import aligned_bytes

    workers.pool()
    source, target = (aligned_bytes(4 * elements).view(np.float32) for _ in range(2))
    source[:] = target[:] = 1
    found: dict[str, Call] = {"numpy": lambda: np.copyto(target, source)}
    for hint in ("", "stream"):
        x, y = (Buffer(name, dtypes.f32, (elements,)) for name in "xy")
        nest = NestBuilder(("x", "y"))
        with nest.loop("i", elements // 16, LoopKind.PARALLEL) as i:
            place = (Ramp(i * 16, 1, 16),)
            nest.store(y, place, Load(x, place), hint=hint)
        text = emit_kernel(nest.kernel("copy", (x,), (y,)), cuts=True, linkage="")
        engine = Engine(text, 1)
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(engine.address("copy"))
        pointers = source.ctypes.data, target.ctypes.data
        found[hint or "plain"] = lambda f=function, p=pointers, e=engine: f(*p)
    return found


class Peer:
    """A framework in a process of its own, which measures the cases it is asked for."""

    def __init__(self, name: str, threads: int) -> None:
        command = [sys.executable, __file__, f"--{name}", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def seconds(self, case: str) -> float:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(case + "\n")
        return float(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(peer: str, threads: int) -> None:
    """Measure the cases that the standard input names."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    known = cases()
    functions = jax_functions() if peer == "jax" else torch_functions(threads)
    for line in sys.stdin:
        function, arrays = known[line.strip()]
        operands = peer_operands(peer, arrays)
        print(seconds(lambda f=functions[function], o=operands: f(*o)), flush=True)


def main(names: Sequence[str]) -> None:
    """Print the table."""
    from irflow_llvm import workers

    threads = workers.thread_count()
    peers = {name: Peer(name, threads) for name in PEERS if find_spec(name)}
    functions = irflow_functions()
    print(
        f"{threads} threads; NumPy copies with one. GB/s; the copy with the same stores is marked"
    )
    heads = ["GB/s", "numpy", "plain", "stream", "of copy", *(f"/ {name}" for name in peers)]
    print(f"{'':24}" + "".join(f"{head:>9}" for head in heads))
    for name, (key, operands) in cases().items():
        if names and not any(part in name for part in names):
            continue
        function = functions[key]
        found = function(*operands)
        results = [np.asarray(r) for r in (found if isinstance(found, tuple) else (found,))]
        count = sum(array.nbytes for array in (*operands, *results))
        code = function.trace(*operands).lower().compile().listing("loops")
        kind = "stream" if ".stream = " in code else "plain"
        del found, results
        limits = copies(operands[0].size)
        calls = {"ours": lambda f=function, o=operands: f(*o)} | limits
        calls |= {f"/ {peer}": lambda p=p, n=name: p.seconds(n) for peer, p in peers.items()}
        least = dict.fromkeys(calls, float("inf"))
        for _ in range(TURNS):
            for column, call in calls.items():
                time_of = call() if column.startswith("/") else seconds(call)
                least[column] = min(least[column], time_of)
        moved = 2 * operands[0].nbytes
        rates = {column: moved / least[column] / 1e9 for column in limits}
        marked = [f"{rates[k]:.1f}" + ("*" if k == kind else " ") for k in rates]
        rate = count / least["ours"] / 1e9
        factors = [f"{least[c] / least['ours']:.2f}" for c in calls if c.startswith("/")]
        columns = [f"{rate:.1f}", *marked, f"{rate / rates[kind]:.2f}", *factors]
        print(f"{name:24}" + "".join(f"{text:>9}" for text in columns), flush=True)
    for peer in peers.values():
        peer.close()


def bench_fused() -> None:
    """The table, as `make bench` prints it."""
    main([])


if __name__ == "__main__":
    os.environ.setdefault("IRFLOW_CHECK", "0")
    if sys.argv[1:] and sys.argv[1].startswith("--"):
        serve(sys.argv[1][2:], int(sys.argv[2]))
    else:
        main(sys.argv[1:])
