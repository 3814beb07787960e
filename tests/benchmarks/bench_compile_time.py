"""How long irflow itself takes: to import, to trace, to differentiate, to optimise, to compile.

`make bench` prints the tables. Nothing here is a timed test: it prints and does not judge.
"""

import os
import subprocess
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from irflow import compiler, dtypes, jit
from irflow.compiler import pipeline_for
from irflow.demo.classifier import init_state, training_step
from irflow.ir import TensorType
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ops import Broadcast, Constant, Elementwise, Matmul, Reduce, Transpose
from irflow.plugins import find_backend
from irflow.scalars import find

SIZES = (1_000, 2_000, 5_000, 10_000, 20_000)


def show(title: str, columns: list[str], rows: list[list[object]]) -> None:
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(table)


def seconds_of(function, *args, repeat: int = 5) -> float:
    """The least of several wall-clock times."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times)


def import_seconds(statement: str) -> float:
    """The least time of a fresh process, with byte code cached as after any first run."""
    program = f"import time; s = time.perf_counter(); {statement}; print(time.perf_counter() - s)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    return min(float(subprocess.check_output(command, env=environment)) for _ in range(9))


def bench_import():
    numpy_time = import_seconds("import numpy")
    rows = [["numpy", numpy_time * 1e3, 0.0]]
    names = ("irflow", "irflow.frontend", "irflow.numpy, irflow.nn, irflow.optim")
    for name in names:
        total = import_seconds(f"import numpy; import {name}")
        rows.append([name, total * 1e3, (total - numpy_time) * 1e3])
    show("import", ["module", "ms", "ms over numpy"], rows)


def training_types(batch: int = 32, side: int = 28):
    images = TensorType(dtypes.f32, (batch, side, side))
    return init_state(0, side * side), images, TensorType(dtypes.i32, (batch,))


def bench_training_step():
    """The classic MLP step: trace and differentiate, optimise, compile; first and best of five."""
    arguments = training_types()
    rows = []
    for backend in ("numpy", "llvm"):
        function = jit(training_step, backend=backend)

        def trace(function=function):
            return function.trace(*arguments)

        start = time.perf_counter()
        traced = trace()
        first = time.perf_counter() - start
        tracing = seconds_of(trace)
        start = time.perf_counter()
        lowered = traced.lower()
        first += time.perf_counter() - start
        passes = seconds_of(traced.lower)
        start = time.perf_counter()
        lowered.compile()
        compiling = time.perf_counter() - start
        nodes = f"{len(traced.graph)} -> {len(lowered.graph)}"
        rows.append([backend, nodes, tracing * 1e3, passes * 1e3, first * 1e3, compiling * 1e3])
    columns = [
        "backend",
        "nodes",
        "trace+grad ms",
        "passes ms",
        "both, first time ms",
        "compile ms",
    ]
    show("MLP 784-128-10 training step with dropout and Adam, batch 32", columns, rows)


def synthetic_graph(nodes: int, seed: int = 0) -> Graph:
    """A random graph of elementwise ops, products, moves and reductions, partly redundant."""
    generator = np.random.default_rng(seed)
    graph = Graph(f"synthetic_{nodes}")
    square = TensorType(dtypes.f32, (16, 16))
    builder = Builder(graph, location=None)
    values = [graph.add_input(square, f"x{i}") for i in range(4)]
    names = ("add", "multiply", "subtract", "maximum")
    while len(graph) < nodes:
        a, b = (values[-1 - int(k)] for k in generator.integers(0, min(len(values), 12), 2))
        kind = generator.integers(0, 12)
        if kind < 7:
            op, inputs = Elementwise(find(names[int(kind) % 4])), (a, b)
        elif kind == 7:
            op, inputs = Elementwise(find("tanh")), (a,)
        elif kind == 8:
            op, inputs = Matmul(), (a, b)
        elif kind == 9:
            op, inputs = Transpose((1, 0)), (a,)
        elif kind == 10:
            (row,) = builder.emit(Reduce(find("add"), (0,)), (a,))
            op, inputs = Broadcast((16, 16), (1,)), (row,)
        else:
            (scalar,) = builder.emit(Constant.of(np.float32(generator.normal())), ())
            op, inputs = Broadcast((16, 16), ()), (scalar,)
        values.extend(builder.emit(op, inputs))
    graph.set_outputs(values[-8:])
    return graph


def bench_pipeline():
    """The default pipelines on synthetic graphs: time a node should not grow with the graph."""
    for name in ("numpy", "llvm"):
        pipeline = pipeline_for(find_backend(name))
        rows = []
        for size in SIZES:
            graph = synthetic_graph(size)
            seconds = seconds_of(lambda g=graph, n=name: compiler.lower(g, n, check=0), repeat=3)
            rows.append([size, seconds * 1e3, seconds / size * 1e6])
        show(f"pipeline of backend {name}: {pipeline}", ["nodes", "ms", "µs a node"], rows)
