"""Convolutions of bytes, four channels at a time: the template against exact sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irflow import dims, dtypes, ops
from irflow.compiler import compile_graph
from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.loops.print import print_kernel
from irflow.lowering import Target
from irflow.ops import IntegerConvolution
from irflow.ops.convolution_form import Geometry
from irflow_llvm.backend import host_features, host_target
from irflow_llvm.emit import emit_module
from tests.irflow.lowering.build import WIDE, lowered, run, the_kernel

TARGETS = [
    replace(WIDE, dots=("u8",)),
    Target("tiny", 16, 8, l1_bytes=64, l2_bytes=1024, dots=("u8",)),
]


@dataclass(frozen=True)
class Case:
    """A convolution of bytes; `zero` is what padding adds."""

    image: tuple[int, ...]
    weights: tuple[int, ...]
    geometry: Geometry
    zero: int = 0

    @property
    def op(self) -> IntegerConvolution:
        return IntegerConvolution(*self.geometry, self.zero)

    def operands(self) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(0)
        x = random.integers(0, 256, self.image).astype(np.uint8)
        return x, random.integers(-128, 128, self.weights).astype(np.int8)

    def graph(self, is_constant: bool, batch: dims.Size | None = None) -> Graph:
        graph = Graph("test")
        batch = self.image[0] if batch is None else batch
        x = graph.add_input(TensorType(dtypes.u8, (batch, *self.image[1:])), "x")
        if is_constant:
            w = Builder(graph).emit(ops.Constant(DenseArray(self.operands()[1])), [])[0]
        else:
            w = graph.add_input(TensorType(dtypes.i8, self.weights), "w")
        graph.set_outputs(Builder(graph).emit(self.op, [x, w]))
        return graph

    def exact(self) -> np.ndarray:
        """Sums as the formula says them, tap by tap."""
        x, w = (operand.astype(np.int64) for operand in self.operands())
        strides, padding, dilations, _ = self.geometry
        x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=self.zero)
        places = zip(x.shape[1:], w.shape, strides, dilations, strict=False)
        counts = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in places]
        total = np.zeros((len(x), *counts, w.shape[-1]), np.int64)
        for tap in np.ndindex(w.shape[:-2]):
            parts = zip(tap, strides, dilations, counts, strict=True)
            seen = [slice(k * d, k * d + s * (n - 1) + 1, s) for k, s, d, n in parts]
            total += x[(slice(None), *seen)] @ w[tap]
        return total


def square(
    channels: int, outputs: int, size: int = 5, kernel: int = 3
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (1, size, size, channels), (kernel, kernel, channels, outputs)


CASES = {
    "same": Case(*square(4, 20), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)),
    "a zero of its own": Case(*square(8, 18), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1), 128),
    "no padding": Case(*square(4, 7), ((1, 1), ((0, 0), (0, 0)), (1, 1), 1), 128),
    "strides": Case(*square(12, 16), ((2, 3), ((1, 0), (0, 2)), (1, 1), 1), 7),
    "dilation": Case(*square(4, 33), ((1, 2), ((2, 2), (3, 1)), (2, 3), 1), 255),
    "one output": Case(*square(64, 1), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1), 1),
    "short lines": Case((3, 6, 3, 8), (3, 3, 8, 20), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1), 128),
    "a far channel": Case((1, 3, 5, 64), (2, 3, 64, 9), ((1, 1), ((0, 1), (1, 1)), (1, 1), 1), 9),
    "one axis": Case((2, 19, 8), (5, 8, 24), ((2,), ((2, 2),), (1,), 1), 3),
    "three axes": Case(
        (1, 4, 3, 5, 4), (2, 2, 3, 4, 5), ((1, 1, 2), ((1, 0), (0, 0), (1, 1)), (1,) * 3, 1), 128
    ),
    "wide padding": Case((1, 2, 2, 4), (2, 2, 4, 3), ((1, 1), ((3, 3), (2, 4)), (1, 1), 1), 128),
    "no image": Case((0, 5, 5, 4), (3, 3, 4, 8), ((1, 1), ((1, 1), (1, 1)), (1, 1), 1), 128),
}


@pytest.mark.thinned(12)
@pytest.mark.parametrize("is_constant", [True, False], ids=["constant", "argument"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("label", CASES)
def test_sums_are_exact(label: str, target: Target, is_constant: bool) -> None:
    """By the template, interpreted, with nothing read or written outside of buffers."""
    case = CASES[label]
    graph, operands = case.graph(is_constant), case.operands()[: 1 if is_constant else 2]
    if len(operands[0]):
        assert "u8_i8_dot(" in print_kernel(the_kernel(graph, target))
    np.testing.assert_array_equal(run(graph, operands, target)[0], case.exact())


@pytest.mark.thinned(5)
@pytest.mark.parametrize("label", CASES)
def test_machine_code(label: str) -> None:
    """The same on LLVM, for a known and a symbolic number of images."""
    case = CASES[label]
    for batch in (None, dims.symbol("n", lower=0)):
        for is_constant in (True, False):
            graph, operands = case.graph(is_constant, batch), case.operands()
            (found,) = compile_graph(graph, backend="llvm")(operands[: 1 if is_constant else 2])
            np.testing.assert_array_equal(found, case.exact())


@pytest.mark.parametrize("channels", [6, 8])
def test_what_is_left_over(channels: int) -> None:
    """Channels that do not fill words, and groups, are no case for the template; and exact."""
    image, weights = square(channels, 4)
    case = Case(image, weights, ((1, 1), ((1, 1), (1, 1)), (1, 1), 1), 128)
    assert ("u8_i8_dot(" in print_kernel(the_kernel(case.graph(True), TARGETS[0]))) == (
        channels == 8
    )
    (found,) = compile_graph(case.graph(True), backend="llvm")(case.operands()[:1])
    np.testing.assert_array_equal(found, case.exact())


def test_instructions_are_those_of_the_processor() -> None:
    graph = CASES["same"].graph(True)
    for features in (frozenset[str](), host_features()):
        text = emit_module(lowered(graph, host_target()).kernels(), features=features)
        assert ("vpdpbusd" in text) == ("avx512vnni" in features)


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 2))
    axes = [
        (draw(st.integers(1, 12)), draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        for _ in range(rank)
    ]
    dilations = tuple(draw(st.integers(1, 2)) for _ in axes)
    padding = tuple((draw(st.integers(3, 6)), draw(st.integers(1, 3))) for _ in axes)
    channels, outputs = 4 * draw(st.integers(1, 9)), draw(st.integers(1, 70))
    kernel = tuple(taps for _, taps, _ in axes)
    return Case(
        (draw(st.integers(1, 2)), *(size for size, *_ in axes), channels),
        (*kernel, channels, outputs),
        (tuple(stride for *_, stride in axes), padding, dilations, 1),
        draw(st.sampled_from([0, 1, 128, 255])),
    )


@settings(max_examples=4, deadline=None)
@given(any_case(), st.booleans())
def test_any_sizes(case: Case, is_constant: bool) -> None:
    graph, operands = case.graph(is_constant), case.operands()[: 1 if is_constant else 2]
    np.testing.assert_array_equal(compile_graph(graph, backend="llvm")(operands)[0], case.exact())
