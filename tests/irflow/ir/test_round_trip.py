"""Graphs survive being printed and read."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from irflow import dtypes
from irflow.ir import Builder, DenseArray, Graph
from irflow.ir.check import check_graph
from irflow.ir.compare import is_equal, structural_hash
from irflow.ir.literal import decode_elements, format_array, format_float
from irflow.ir.parse import parse_graph
from irflow.ir.print import print_graph
from irflow.ops import Constant
from tests.irflow.ir.random_graphs import arrays, assert_same, graphs


@given(graphs())
def test_any_graph_survives(graph: Graph) -> None:
    check_graph(graph)
    text = print_graph(graph)
    again = parse_graph(text)
    check_graph(again)
    assert_same(graph, again)
    assert print_graph(again) == text
    assert again.name == graph.name
    assert is_equal(graph, again)
    assert structural_hash(graph) == structural_hash(again)
    check_with_resources(graph)


def check_with_resources(graph: Graph) -> None:
    """Large arrays may also stand beside the text."""
    resources: dict[str, DenseArray] = {}
    text = print_graph(graph, resources=resources)
    assert_same(graph, parse_graph(text, resources))
    assert all(array.array.size > 16 for array in resources.values())
    assert len({array.digest for array in resources.values()}) == len(resources)


@given(arrays())
def test_any_constant_survives(array: DenseArray) -> None:
    graph = Graph("g")
    graph.set_outputs(Builder(graph).emit(Constant(array), []))
    (node,) = parse_graph(print_graph(graph))
    assert isinstance(node.op, Constant)
    assert node.op.value.array.tobytes() == array.array.tobytes()
    assert node.op.value == array


@pytest.mark.parametrize("dtype", [dtypes.f16, dtypes.bf16], ids=str)
def test_every_16_bit_float_is_written_exactly_and_no_longer_than_needed(
    dtype: dtypes.DType,
) -> None:
    patterns = np.arange(0, 2**16, 7, dtype=np.uint16)
    for value in patterns.view(dtype.numpy):
        text = format_float(value, dtype)
        back = decode_elements(dtype, (), [float(text)]).array
        assert back.tobytes() == value.tobytes() or text == "nan"


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.float32(0.1), "dense(f32[], 0.1)"),
        (np.float16(0.1), "dense(f16[], 0.1)"),
        (ml_dtypes.bfloat16(1.1), "dense(bf16[], 1.1)"),
        (np.array([-0.0, np.inf, np.nan, 1e30]), "dense(f64[4], [-0.0, inf, nan, 1e+30])"),
        (np.array([[True, False]]), "dense(bool[1, 2], [[true, false]])"),
        (np.array([1 - 2j], np.complex64), "dense(complex64[1], [(1.0, -2.0)])"),
        (np.array([2**63], np.uint64), "dense(u64[1], [9223372036854775808])"),
        (np.zeros((3, 0), np.int8), "dense(i8[3, 0], [])"),
        (np.full(17, 1, np.uint8), 'data(u8[17], "AQEBAQEBAQEBAQEBAQEBAQE=")'),
        (np.array([0x7FC00001], np.uint32).view(np.float32), 'data(f32[1], "AQDAfw==")'),
    ],
)
def test_the_text_of_arrays(array: np.ndarray, text: str) -> None:
    assert format_array(DenseArray(array)) == text
