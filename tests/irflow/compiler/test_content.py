"""The text of graphs that is hashed: different for different graphs, without reading constants."""

import itertools
import threading
import time

import numpy as np
import pytest

import irflow as irf
from irflow import dims, ops, scalars
from irflow.compiler import content, hashing
from irflow.ir import TensorType
from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.op import Op
from irflow.ops.constants import Constant

N, BOUNDED = dims.symbol("n"), dims.symbol("n", 2, 8)


def constant(*elements: float, dtype: str = "f4") -> Constant:
    return Constant(DenseArray(np.array(elements, dtype)))


def graph_of(op: Op, *types: TensorType, name: str = "f", hint: str = "x", twice: int = 0) -> Graph:
    graph = Graph(name)
    values = [graph.add_input(type, hint) for type in types]
    graph.set_outputs(Builder(graph).emit(op, values[twice:] + values[:twice]))
    return graph


F32, OTHER = TensorType(irf.f32, (2, 2)), TensorType(irf.f64, (2, 2))
ADD = ops.Elementwise(scalars.add)
GRAPHS = {
    "add": lambda: graph_of(ADD, F32, F32),
    "subtract": lambda: graph_of(ops.Elementwise(scalars.subtract), F32, F32),
    "the inputs changed over": lambda: graph_of(ADD, F32, F32, twice=1),
    "another name": lambda: graph_of(ADD, F32, F32, name="g"),
    "another hint": lambda: graph_of(ADD, F32, F32, hint="y"),
    "another type": lambda: graph_of(ADD, OTHER, OTHER),
    "another op": lambda: graph_of(ops.Matmul(), F32, F32),
    "a transpose": lambda: graph_of(ops.Transpose((1, 0)), F32),
    "no transpose": lambda: graph_of(ops.Transpose((0, 1)), F32),
    "a symbolic size": lambda: graph_of(ADD, *[TensorType(irf.f32, (N,))] * 2),
    "one with bounds": lambda: graph_of(ADD, *[TensorType(irf.f32, (BOUNDED,))] * 2),
    "0": lambda: graph_of(constant(0.0)),
    "-0": lambda: graph_of(constant(-0.0)),
    "a small array": lambda: graph_of(constant(0.0, 0.0)),
    "another dtype": lambda: graph_of(constant(0.0, dtype="f8")),
    "a larger array": lambda: graph_of(constant(*range(100))),
    "another larger array": lambda: graph_of(constant(*range(99), 0)),
}


def test_different_graphs_have_different_texts() -> None:
    texts = {name: content.content_of(make()) for name, make in GRAPHS.items()}
    assert None not in texts.values()
    for one, two in itertools.combinations(texts, 2):
        assert texts[one] != texts[two], (one, two)
    assert texts == {name: content.content_of(make()) for name, make in GRAPHS.items()}


def test_equal_attributes_that_are_not_the_same_differ() -> None:
    values = (1, 1.0, True, "1", None, 0.0, -0.0, (1,), (1.0,), ((1,),), irf.f32, "DType f32", N)
    writer = content._Writer()
    assert len({writer.attribute(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [np.float64(1), object(), [1]])
def test_what_has_no_text_is_unknown(value: object) -> None:
    with pytest.raises(content.Unknown):
        content._Writer().attribute(value)


def test_large_constants_are_hashed_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "is_usable", lambda: True)
    threads: list[str] = []
    digest = DenseArray.digest.func  # type: ignore[attr-defined]

    def noted(array: DenseArray) -> str:
        threads.append(threading.current_thread().name)
        return str(digest(array))

    monkeypatch.setattr(DenseArray, "digest", property(noted))
    arrays = [DenseArray(np.full(hashing.LARGE, i, np.uint8)) for i in range(3)]
    for array in arrays:
        hashing.hash_soon(array)
    hashing.hash_soon(DenseArray(np.zeros(hashing.LARGE - 1, np.uint8)))
    last = time.monotonic() + 10
    while not threads and time.monotonic() < last:
        time.sleep(0.001)
    hashing.finish()
    assert len(threads) == len(arrays)
    assert threads[0] != threading.current_thread().name
