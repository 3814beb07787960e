"""Random graphs through all passes: results and form stay, and time is linear."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from irflow import dtypes
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import OPS
from irflow.ir.types import TensorType, type_of
from irflow.ops import (
    Broadcast,
    Concatenate,
    Constant,
    Convert,
    Elementwise,
    Matmul,
    Pad,
    Reduce,
    Reshape,
    Reverse,
    Slice,
    Transpose,
)
from irflow.ops.regions import Fusion
from irflow.plugins import find_pass
from irflow.scalars import find
from irflow.transform.manager import PassManager
from irflow.transform.pipeline import level_pipeline

MATRIX = TensorType(dtypes.f32, (4, 4))
NUMBERS = (0.0, -0.0, 1.0, 2.0, -1.0, 0.5, 3.0)
FULL = ((0, 0), (4, 4), (1, 1))


class Maker:
    """Emits random computations on 4×4 matrices of f32."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.graph = Graph("random")
        self.builder = Builder(self.graph)
        self.values = [self.graph.add_input(MATRIX) for _ in range(3)]

    def emit(self, op, *inputs: Value) -> Value:
        return self.builder.emit(op, inputs)[0]

    def row(self, name: str, *inputs: Value) -> Value:
        return self.emit(Elementwise(find(name)), *inputs)

    def full(self) -> Value:
        number = self.emit(Constant.of(np.float32(self.random.choice(NUMBERS))))
        return self.emit(Broadcast((4, 4), ()), number)

    def pick(self) -> Value:
        return self.random.choice(self.values[-8:])

    def step(self) -> Value:
        kinds = [
            self.binary, self.unary, self.with_number, self.choice, self.moves, self.pieces,
            self.reduction, self.product, self.integers,
        ]  # fmt: skip
        return self.random.choice(kinds)()

    def binary(self) -> Value:
        row = self.random.choice(["add", "subtract", "multiply", "maximum", "minimum"])
        return self.row("tanh", self.row(row, self.pick(), self.pick()))

    def unary(self) -> Value:
        return self.row(self.random.choice(["negative", "absolute", "sin", "square"]), self.pick())

    def with_number(self) -> Value:
        row = self.random.choice(["add", "subtract", "multiply", "maximum"])
        operands = [self.pick(), self.full()]
        self.random.shuffle(operands)
        return self.row(row, *operands)

    def choice(self) -> Value:
        x, y = self.pick(), self.pick()
        condition = self.row(self.random.choice(["less", "greater_equal"]), x, y)
        if self.random.random() < 0.5:
            condition = self.row("logical_not", condition)
        return self.row("where", condition, x, y)

    def moves(self) -> Value:
        x = self.pick()
        axis = self.random.randrange(2)
        return self.random.choice(
            [
                lambda: self.emit(Transpose((1, 0)), x),
                lambda: self.emit(Reverse((axis,)), x),
                lambda: self.emit(Reshape((4, 4)), self.emit(Reshape((2, 8)), x)),
                lambda: self.emit(Convert(dtypes.f32), self.emit(Convert(dtypes.f64), x)),
            ]
        )()

    def pieces(self) -> Value:
        x, y = self.pick(), self.pick()
        joined = self.emit(Concatenate(0), x, y)
        start = self.random.randrange(5)
        part = self.emit(Slice((start, 0), (start + 4, 4), (1, 1)), joined)
        inner = self.emit(Slice((1, 1), (3, 4), (1, 1)), part)
        fill = self.emit(Constant.of(np.float32(0.5)))
        return self.emit(Pad((1, 0), (1, 1), (0, 0)), inner, fill)

    def reduction(self) -> Value:
        axis = self.random.randrange(2)
        row = find(self.random.choice(["add", "maximum"]))
        reduced = self.emit(Reduce(row, (axis,)), self.pick())
        wide = self.emit(Broadcast((4, 4), (self.random.randrange(2),)), reduced)
        return self.row("tanh", wide)

    def product(self) -> Value:
        return self.row("tanh", self.emit(Matmul(), self.pick(), self.pick()))

    def integers(self) -> Value:
        bits = self.emit(Convert(dtypes.i32), self.row("greater", self.pick(), self.pick()))
        number = self.emit(Broadcast((4, 4), ()), self.emit(Constant.of(np.int32(3))))
        row = self.random.choice(["add", "subtract", "multiply"])
        return self.emit(Convert(dtypes.f32), self.row(row, bits, number))


def random_graph(seed: int, size: int) -> Graph:
    maker = Maker(seed)
    while len(maker.graph) < size:
        maker.values.append(maker.step())
    maker.graph.set_outputs(maker.values[-5:])
    return maker.graph


@pytest.mark.parametrize("seed", range(80))
def test_results_stay(seed: int) -> None:
    graph = random_graph(seed, 15 + seed)
    text = level_pipeline(1 + seed % 3, backend="hoist,rematerialize,fuse")
    report = PassManager(text, find_pass).run(graph, check=3)
    assert report.unchecked is None
    for node in graph:
        if node.regions:
            is_by_rows = isinstance(node.op, Fusion) and node.op.kind == "rows"
            assert is_by_rows or len({output.type.shape for output in node.outputs}) == 1
            assert len(node.regions[0]) >= 2


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_comes_through_all_passes(name: str) -> None:
    for sample in OPS[name].samples():
        graph = Graph(name)
        types = [type_of(array) for array in sample.inputs]
        if sample.shapes is not None:
            types = [t.with_shape(s) for t, s in zip(types, sample.shapes, strict=True)]
        inputs = tuple(graph.add_input(type) for type in types)
        regions = tuple(region.copy() for region in sample.regions)
        graph.set_outputs(graph.insert(Node(sample.op, inputs, regions, None)).outputs)
        text = level_pipeline(3, backend="hoist,rematerialize,fuse")
        report = PassManager(text, find_pass).run(graph, check=3)
        assert report.unchecked is None, sample.label


def test_the_result_is_the_same_every_time() -> None:
    texts = set()
    for _ in range(3):
        graph = random_graph(7, 60)
        PassManager(level_pipeline(2, backend="fuse"), find_pass).run(graph)
        texts.add(str(graph))
    assert len(texts) == 1


def test_time_is_linear_in_the_nodes() -> None:
    def seconds_a_node(size: int) -> float:
        graph = random_graph(3, size)
        manager = PassManager(level_pipeline(2, backend="fuse"), find_pass)
        started = time.process_time()
        manager.run(graph, check=0)
        return (time.process_time() - started) / size

    seconds_a_node(500)
    small, large = seconds_a_node(1000), seconds_a_node(8000)
    assert large < 3 * small
    assert small < 400e-6
