"""Matrix products on one thread: generated code beside NumPy's BLAS and the machine's peak.

`make bench` prints the table, and `python tests/benchmarks/bench_gemm.py [name …]` a part of it.
The work runs in a process of its own in which both have one thread. All three are timed in turns,
many times, and the least time that the thread was running counts, so that other work on the machine
matters little. The column "two threads" says how many times as fast irflow is on two. Beside a
product in bf16 stands NumPy's in f32.
"""

import ctypes
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "IRFLOW_NUM_THREADS"), "1")
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
SECONDS = 0.6
"""How long each case is measured."""
LEAST_ROUNDS = 8
"""How often at least."""
SAMPLE = 2e-4
"""A sample repeats a call until it takes about so long."""

PRODUCTS = [
    *[("", 32, 128, 784), ("", 128, 128, 784), ("", 128, 768, 768), ("", 128, 3072, 768)],
    *[("", 64, 64, 64), ("", 256, 256, 256), ("", 1024, 1024, 1024), ("", 2048, 2048, 2048)],
    *[("left transposed", 128, 784, 128), ("left transposed", 784, 128, 32)],
    *[("right transposed", 128, 128, 784), ("right transposed", 32, 128, 10)],
    *[
        ("", 1024, 128, 784),
        ("left transposed", 784, 128, 1024),
        ("", 32, 10, 128),
        ("", 1, 768, 768),
        ("", 4, 768, 768),
    ],
    *[("bias and relu", 128, 128, 784), ("bias and gelu", 128, 3072, 768)],
    *[(kind, 128, 768, 768) for kind in ("constant", "constant transposed", "bf16 constant")],
    *[(kind, 128, 768, 3072) for kind in ("constant", "bf16 constant")],
    *[(kind, 128, 3072, 768) for kind in ("constant", "bf16 constant")],
    *[(kind, 4, 768, 768) for kind in ("constant", "bf16 constant")],
]
"""What is special, and the sizes M, N, K."""

Call = Callable[[], object]


def name_of(kind: str, m: int, n: int, k: int) -> str:
    return f"{m}x{n}x{k} {kind}".strip()


def is_right_turned(kind: str) -> bool:
    return kind in ("right transposed", "constant transposed")


def layer(kind: str) -> Callable:
    """The function of handles that is compiled."""
    from irflow import ops
    from irflow.scalars import find

    def compute(x, w, *bias):
        left = ops.transpose(x, (1, 0)) if kind == "left transposed" else x
        right = ops.transpose(w, (1, 0)) if is_right_turned(kind) else w
        result = ops.matmul(left, right)
        if bias:
            result = result + ops.broadcast_to(bias[0], result.shape)
        if kind.endswith("relu"):
            return find("relu")(result)
        if kind.endswith("gelu"):
            return result * 0.5 * (find("tanh")(result * 0.79788 * (result**2 * 0.0447 + 1.0)) + 1)
        return result

    return compute


def native_call(
    kind: str, arrays: list[np.ndarray], result: np.ndarray, threads: int = 1
) -> tuple[Call, float, int]:
    """A call of generated code on given memory, the seconds of compiling, the lines of its IR."""
    from irflow import compiler, dtypes
    from irflow.ir.builder import Builder
    from irflow.ir.graph import Graph
    from irflow.ir.types import TensorType
    from irflow.ops import Handle
    from irflow_llvm.address import address

    if kind.startswith("bf16"):
        arrays = [array.astype(dtypes.bf16.numpy) for array in arrays]
        result = np.empty(result.shape, dtypes.bf16.numpy)
    constants = arrays[1:] if "constant" in kind else []
    arrays = arrays[: len(arrays) - len(constants)]
    graph = Graph("product")
    builder = Builder(graph)
    handles = [
        Handle(builder, graph.add_input(TensorType(dtypes.from_numpy(a.dtype), a.shape), f"x{i}"))
        for i, a in enumerate(arrays)
    ]
    handles += [handles[0].constant(array) for array in constants]
    graph.set_outputs([layer(kind)(*handles).value])
    os.environ["IRFLOW_NUM_THREADS"] = str(threads)
    start = time.perf_counter()
    executable = compiler.compile_graph(graph, backend="llvm")
    seconds = time.perf_counter() - start
    expected = executable(arrays)[0]
    frame = executable._bind(arrays).take()
    for number, array in zip(executable._input_numbers, arrays, strict=True):
        frame.pointers[number] = address(array)
    (output,) = executable.program.output_numbers()
    frame.pointers[output] = address(result)
    (function,) = executable._functions.values()
    function(frame.pointers, frame.sizes)
    np.testing.assert_array_equal(result, expected)
    lines = executable.text.count("\n")
    held = arrays, result
    return lambda: function(frame.pointers, frame.sizes) if held else None, seconds, lines


def numpy_call(kind: str, arrays: list[np.ndarray], result: np.ndarray) -> Call:
    x, w, *bias = arrays
    left = x.T if kind == "left transposed" else x
    right = w.T if is_right_turned(kind) else w
    if not bias:
        return lambda: np.matmul(left, right, out=result)
    (b,) = bias

    def with_epilogue() -> None:
        np.matmul(left, right, out=result)
        np.add(result, b, out=result)
        if kind.endswith("relu"):
            np.maximum(result, 0, out=result)
        else:
            inner = np.tanh(result * 0.79788 * (result * result * 0.0447 + 1.0))
            np.multiply(result * 0.5, inner + 1, out=result)

    return with_epilogue


PEAK = """
define void @peak(i64 %n, ptr %out) {
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
PHIS
STEPS
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %done
done:
STORES
  ret void
}
"""


def peak_call(repeats: int = 20_000, chains: int = 12) -> tuple[Call, int]:
    """Multiply-adds in registers only, and how many floating-point operations a call does."""
    from irflow_llvm import host_target
    from irflow_llvm.engine import Engine

    lanes = host_target().vector_bytes // 4
    kind = f"<{lanes} x float>"
    factor = "splat (float 0x3FEFFF0000000000)"
    numbers = range(chains)
    text = PEAK.replace(
        "PHIS",
        "\n".join(
            f"  %a{i} = phi {kind} [ zeroinitializer, %entry ], [ %b{i}, %body ]" for i in numbers
        ),
    )
    call = f"call {kind} @llvm.fmuladd.v{lanes}f32({kind}"
    text = text.replace(
        "STEPS",
        "\n".join(f"  %b{i} = {call} %a{i}, {kind} {factor}, {kind} {factor})" for i in numbers),
    )
    text = text.replace(
        "STORES", "\n".join(f"  store volatile {kind} %b{i}, ptr %out, align 4" for i in numbers)
    )
    engine = Engine(text)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
    function = prototype(engine.address("peak"))
    memory = ctypes.create_string_buffer(256)

    def run() -> object:
        # The engine is held here: the code lives as long as it.
        return function(repeats, ctypes.addressof(memory)) if engine else None

    return run, 2 * lanes * chains * repeats


def least_seconds(calls: list[Call]) -> list[float]:
    """The least time of a call of each, measured in turns."""
    counts = []
    for call in calls:
        call()
        start = time.perf_counter()
        call()
        counts.append(max(1, int(SAMPLE / max(time.perf_counter() - start, 1e-7))))
    best = [math.inf] * len(calls)
    end = time.perf_counter() + SECONDS
    rounds = 0
    while time.perf_counter() < end or rounds < LEAST_ROUNDS:
        rounds += 1
        for i, (call, count) in enumerate(zip(calls, counts, strict=True)):
            start = time.thread_time()
            for _ in range(count):
                call()
            best[i] = min(best[i], (time.thread_time() - start) / count)
    return best


def gain_of_two_threads(calls: dict[int, Call]) -> float:
    """How many times as fast a product is on two threads, by the clock on the wall.

    Calls are given by the number of threads for which they were compiled.
    """
    from irflow_llvm.workers import pool

    before, best = pool().threads, dict.fromkeys(calls, math.inf)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or math.inf in best.values():
        for threads, call in calls.items():
            pool().resize(threads)
            call()
            start = time.perf_counter()
            call()
            count = max(1, int(SAMPLE / max(time.perf_counter() - start, 1e-7)))
            for _ in range(5):
                start = time.perf_counter()
                for _ in range(count):
                    call()
                best[threads] = min(best[threads], (time.perf_counter() - start) / count)
    pool().resize(before)
    return best[1] / best[2]


def measured(kind: str, m: int, n: int, k: int) -> dict[str, float | str]:
    """One row of the table."""
    generator = np.random.default_rng(0)
    shapes = [
        (k, m) if kind == "left transposed" else (m, k),
        (n, k) if is_right_turned(kind) else (k, n),
        *([(n,)] if kind.startswith("bias") else []),
    ]
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    ours, theirs = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    native, compiling, lines = native_call(kind, arrays, ours)
    shared = native_call(kind, arrays, ours, threads=2)[0]
    blas = numpy_call(kind, arrays, theirs)
    peak, peak_flops = peak_call()
    times = least_seconds([native, blas, peak])
    if not kind.startswith("bf16"):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * math.sqrt(k))
    flops = 2 * m * n * k
    return {
        "product": name_of(kind, m, n, k),
        "irflow": flops / times[0] / 1e9,
        "numpy": flops / times[1] / 1e9,
        "over numpy": times[1] / times[0],
        "of peak": flops / times[0] / (peak_flops / times[2]),
        "two threads": gain_of_two_threads({1: native, 2: shared}),
        "peak": peak_flops / times[2] / 1e9,
        "compile ms": compiling * 1e3,
        "lines of IR": lines,
    }


def bench_gemm(wanted: list[str] | None = None) -> None:
    """The table, from a process in which NumPy has one thread."""
    environment = {k: v for k, v in os.environ.items() if k not in SLOWING} | ONE_THREAD
    command = [sys.executable, str(Path(__file__)), "--child", *(wanted or [])]
    rows = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            rows.append(json.loads(line))
    assert child.returncode == 0
    print_table(rows)


def print_table(rows: list[dict[str, float | str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="products on one thread, GFLOP/s")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "product" else "right")
    for row in rows:
        table.add_row(*(v if isinstance(v, str) else f"{v:.{digits(v)}f}" for v in row.values()))
    Console(width=120).print(table)
    mean = math.exp(sum(math.log(float(row["over numpy"])) for row in rows) / len(rows))
    print(f"geometric mean over NumPy: {mean:.3f}")


def digits(value: float) -> int:
    """How many digits behind the point are worth reading."""
    return 2 if value < 10 else 1 if value < 1000 and value != int(value) else 0


def child(wanted: list[str]) -> None:
    for product in PRODUCTS:
        if not wanted or any(part in name_of(*product) for part in wanted):
            print(json.dumps(measured(*product)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
    else:
        bench_gemm(sys.argv[1:])
