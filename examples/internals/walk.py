"""A walk through the compiler: one function, from Python to machine code, stage by stage.

    python examples/internals/walk.py

Each section does by hand what `irf.jit` does by itself, prints what came out, and names the package
in which to read on. The numbers that it prints depend a little on the processor.
"""

import os
from collections import Counter
from dataclasses import dataclass
from textwrap import indent
from typing import ClassVar

import numpy as np

import irflow as irf
import irflow.numpy as inp
from irflow import plugins
from irflow.analysis import structure_of
from irflow.compiler import compile_graph, pipeline_for
from irflow.errors import PassError
from irflow.ir import Graph, Node, Value
from irflow.ir.evaluate import evaluate
from irflow.ir.parse import parse_graph
from irflow.loops.print import print_kernel
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.transform import Pass, PassContext, Rewriter, RuleBuilder, rewrites
from irflow.transform.manager import PassManager
from irflow.transform.pass_ import describe
from irflow.transform.pipeline import parse_pipeline


def section(title: str) -> None:
    print(f"\n=== {title} ===\n")


def loss(w, x, y):
    error = inp.tanh(x @ w) - y
    return inp.mean(error * error)


# The arguments: weights, and a batch of inputs and wanted outputs.
generator = np.random.default_rng(0)
w, x, y = (generator.normal(size=shape).astype(np.float32) for shape in ((4, 3), (8, 4), (8, 3)))


# Tracing runs the function once, on handles instead of arrays. Each operation on a handle adds a
# node to a graph and gives a new handle. Python's own loops and branches leave no trace. The text
# at the end of a line is the place in this file that the node came from.
# Read on in irflow/frontend (tensor.py, tracing.py) and irflow/ir.
section("1. trace: Python becomes a graph")
print(irf.jit(loss).trace(w, x, y))


# The graph has a text form, and the text reads back to an equal graph. This is how graphs get into
# test files, bug reports and the command `irflow compile`.
traced = irf.jit(loss).trace(w, x, y).graph
assert structure_of(parse_graph(str(traced))) == structure_of(traced)


# Differentiating a function while it is traced emits the nodes of its gradient behind its own: the
# method `vjp` of each op is called, in reverse order. There is no separate kind of graph for
# gradients, so everything below holds for them too. Read on in irflow/autodiff.
section("2. differentiate: the gradient is more of the same graph")
training = irf.jit(irf.value_and_grad(loss))
traced = training.trace(w, x, y).graph
print(traced)


# Passes rewrite the graph in place. The pipeline is text; the backend appends what it needs. We run
# its passes one at a time and print which rules were applied, how often, and which nodes went and
# came. A pass also explains where it did nothing although one might expect it: these notes are what
# IRFLOW_LOG=fusion shows for fusion. Read on in passes/README.md.
def run_pass(step: str, graph: Graph) -> None:
    before = Counter(map(describe, graph))
    (record,) = PassManager(step, plugins.find_pass).run(graph).records
    after = Counter(map(describe, graph))
    rules = ", ".join(f"{rule} {times}" for rule, times in sorted(record.statistics.items()))
    print(f"{step}: {record.nodes_before} -> {record.nodes_after} nodes; rules: {rules or 'none'}")
    if step != "fuse":  # the next section shows what that makes
        for node in before | after:
            change = after[node] - before[node]
            print(f"    {change:+} {node}\n" if change else "", end="")
    for note in record.notes:
        print(f"    note: {note}")


section("3. passes: what each of them changes, and what it explains")
llvm = plugins.find_backend("llvm")
print(f"pipeline: {pipeline_for(llvm)}\n")
graph = traced.copy()
for step in parse_pipeline(pipeline_for(llvm), plugins.find_pass).steps:
    run_pass(str(step), graph)


# Fusion, the last big pass, has put nodes into groups: each `fusion` node has a region, a graph of
# its own, that becomes one kernel. Read on in passes/irflow_passes/fusion.
section("4. fusion: one region a kernel")
print(graph)


# Lowering writes loops for each region. Most ops say by `element` how one element of their result
# is computed from elements of their operands. Composing these functions is what fuses: no array is
# stored between the ops of such a kernel. We look at the kernel of the loss itself: it reads the
# activations and the wanted outputs and keeps the sum in a register.
# Read on in irflow/lowering (element.py) and irflow/loops.
section("5. lower: a region becomes loops")
program = lower_graph(graph, "step", llvm.target())
print(*(f"buffer b{number}: {storage}" for number, storage in enumerate(program.buffers)), sep="\n")
print(*(f"step {number}: {what}" for number, what in enumerate(program.steps)), sep="\n")
kernel = next(k for k in program.kernels() if k.name.startswith("reduce"))
print(f"\n{print_kernel(kernel)}")


# The loops have an interpreter in Python, which checks every index. It needs no compiler and no
# particular hardware, so it tells a wrong lowering from a wrong emitter. The first line below is
# the reference: a walk over the traced graph that calls each op's method `numpy`.
section("6. interpret the loops")
arrays = [w, x, y]
expected = evaluate(traced, arrays)
interpreted = run_program(program, arrays)
print(f"loss by the meaning of each op:  {expected[0]:.6f}")
print(f"loss by interpreting the loops:  {interpreted[0]:.6f}")


# The backend prints the loops as LLVM IR, one function a kernel, and LLVM makes machine code of
# them. We look at one kernel, and at the most frequent instructions of the whole.
# Read on in backends/irflow_llvm (emit.py, scalars.py) and backends/README.md.
section("7. emit: LLVM IR and machine code")
executable = compile_graph(traced, "llvm")
text = executable.listing("llvm")
start = text.index(f"@{kernel.name}(")
start = text.rindex("\n", 0, start) + 1
print(text[start : text.index("\n}", start) + 2])
lines = executable.listing("asm").splitlines()
instructions = Counter(line.split()[0] for line in lines if line.startswith(("\t", " ")))
frequent = [row for row in instructions.most_common() if not row[0].startswith(".")][:6]
print(f"\n{len(lines)} lines of assembly; most frequent: {dict(frequent)}")


# The executable is called with arrays and returns new ones. The results may differ from the
# reference in the last places, as the order of a sum and the spelling of `tanh` are the backend's.
section("8. run")
results = executable(arrays)
print(f"loss by machine code:            {results[0]:.6f}")
print(f"gradient:\n{results[1]}")
for one, other, reference in zip(results, interpreted, expected, strict=True):
    assert np.allclose(one, reference, atol=1e-6)
    assert np.allclose(other, reference, atol=1e-6)
value, gradient = training(w, x, y)
print(f"irf.jit does all of this:        {float(value):.6f}")


# At last we plant a mistake: a rule that takes the square of x for x + x. With IRFLOW_CHECK=3 the
# manager evaluates the graph before and after each pass, and where results differ it runs the pass
# again with fewer and fewer applications of its rules until it knows the one that is wrong. The
# tests of irflow run with IRFLOW_CHECK=3. Read on in irflow/transform (verify.py, bisect.py).
@rewrites("square")
def square_is_doubling(node: Node, build: RuleBuilder) -> Value | None:
    (operand,) = node.inputs
    return build.row("add", operand, operand)


@dataclass(frozen=True)
class Wrong(Pass):
    """A pass with a rule that changes results."""

    name: ClassVar[str] = "wrong"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return Rewriter([square_is_doubling], context).run(graph)


section("9. a planted mistake is found")
os.environ["IRFLOW_CHECK"] = "3"
with plugins.registered(plugins.PASSES, "wrong", Wrong):
    try:
        irf.jit(loss).trace(w, x, y).lower("llvm", pipeline="canonicalize,simplify,wrong,dce")
    except PassError as error:
        print(indent(str(error), "    "))
    else:
        raise AssertionError("the mistake was not found")
