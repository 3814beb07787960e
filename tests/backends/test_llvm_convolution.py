"""Dense convolutions and their adjoints in the image: the template, on LLVM and interpreted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow.ir.op import Sample
from irflow.loops import walk
from irflow.loops.print import print_kernel
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.steps import KernelStep
from irflow.lowering.target import Target
from irflow.ops.convolution import (
    Convolution,
    ConvolutionInputGradient,
    convolution,
    convolution_transpose,
)
from irflow_llvm import workers

RANDOM = np.random.default_rng(0)

pytestmark = pytest.mark.usefixtures("unchecked")

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Case:
    """A convolution; numbers of spatial axes are those of `spatial`."""

    batch: int
    spatial: tuple[int, ...]
    channels: int
    outputs: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    padding: Pairs | None = None
    dilations: tuple[int, ...] | None = None

    @property
    def geometry(self) -> tuple[Any, ...]:
        return self.strides, self.padding, self.dilations

    def image(self, dtype: Any = np.float32) -> np.ndarray:
        return RANDOM.normal(size=(self.batch, *self.spatial, self.channels)).astype(dtype)

    def weights(self, dtype: Any = np.float32) -> np.ndarray:
        return RANDOM.normal(size=(*self.kernel, self.channels, self.outputs)).astype(dtype)

    def forward(self, x: Any, w: Any) -> Any:
        return convolution(x, w, *self.geometry)

    def adjoint(self, g: Any, w: Any) -> Any:
        return convolution_transpose(g, w, self.spatial, *self.geometry)


def same(*sizes: int) -> Pairs:
    return tuple((size, size) for size in sizes)


CASES = {
    "lines of several tiles": Case(2, (9, 33), 16, 40, (3, 3), padding=same(1, 1)),
    "one channel": Case(3, (28, 28), 1, 32, (3, 3)),
    "three channels": Case(1, (31, 30), 3, 24, (7, 7), (2, 2), same(3, 3)),
    "one output": Case(2, (12, 13), 32, 1, (3, 3), padding=same(1, 1)),
    "a lane too many": Case(1, (8, 8), 8, 17, (3, 3), padding=same(1, 1)),
    "short lines": Case(1, (5, 3), 16, 48, (3, 3), padding=same(1, 1)),
    "single positions": Case(2, (1, 1), 16, 32, (3, 3), padding=same(1, 1)),
    "stride": Case(2, (16, 18), 16, 32, (3, 3), (2, 2), same(1, 1)),
    "stride, odd": Case(1, (15, 17), 16, 32, (3, 2), (2, 3), ((1, 0), (0, 2))),
    "stride beyond the kernel": Case(2, (8, 12), 16, 32, (1, 2), (2, 3)),
    "dilation": Case(1, (17, 19), 8, 20, (3, 2), None, ((3, 0), (0, 4)), (2, 3)),
    "stride and dilation": Case(1, (17, 19), 8, 16, (3, 2), (2, 2), ((3, 0), (0, 4)), (2, 3)),
    "padding beyond the kernel": Case(1, (2, 3), 5, 7, (2, 1), None, ((3, 2), (1, 4))),
    "one axis": Case(1, (301,), 16, 33, (5,), padding=same(2)),
    "one axis, stride": Case(2, (64,), 16, 16, (3,), (2,), same(1)),
    "three axes": Case(1, (5, 6, 7), 8, 16, (3, 2, 3), (2, 1, 1), same(1, 1, 1)),
    "far steps": Case(1, (6, 6), 1024, 16, (3, 3), padding=same(1, 1)),
    "large weights": Case(1, (6, 7), 256, 192, (3, 3), padding=same(1, 1)),
    "a pass a tap": Case(1, (5, 4), 512, 32, (3, 3), padding=same(1, 1)),
    "far columns": Case(1, (5, 4), 128, 512, (3, 3), padding=same(1, 1)),
}


def compiled(function: Callable[..., Any], *arrays: np.ndarray, **options: Any) -> np.ndarray:
    return np.asarray(irf.jit(lambda *a: function(*a), backend="llvm", **options)(*arrays))


def assert_near(found: np.ndarray, function: Callable[..., Any], *arrays: np.ndarray) -> None:
    """Within the error that sums of the dtype have, by the same sums in f64."""
    wide = [array.astype(np.float64) for array in arrays]
    exact, scale = (
        np.asarray(function(*map(inp.asarray, part))) for part in (wide, map(np.abs, wide))
    )
    narrow, summed = {2: (2**-7, 2**-23), 4: (0, 2**-23), 8: (0, 2**-52)}[found.dtype.itemsize]
    bound = (narrow + 40 * summed) * (np.abs(scale) + 1e-6)
    assert found.shape == exact.shape
    assert (np.abs(found.astype(np.float64) - exact) <= bound).all()


def operands(case: Case, name: str, dtype: Any = np.float32) -> tuple[Any, np.ndarray, np.ndarray]:
    """The function, the image or gradient, and the weights."""
    x, w = case.image(dtype), case.weights(dtype)
    if name == "forward":
        return case.forward, x, w
    shape = irf.jit(case.forward, backend="numpy").trace(x, w).graph.outputs[0].type.shape
    return case.adjoint, RANDOM.normal(size=shape).astype(dtype), w


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("label", CASES)
def test_results(label: str, direction: str) -> None:
    function, x, w = operands(CASES[label], direction)
    assert_near(compiled(function, x, w), function, x, w)


SAMPLES = [*Convolution.samples(), *ConvolutionInputGradient.samples()]
TARGETS = [
    Target("tiny", 8, 16, 1 << 8, 1 << 9, 1 << 20),
    Target("wide", 64, 32, 32 << 10, 1 << 19, 32 << 20),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.op.name}-{sample.label}")
def test_nothing_is_read_or_written_outside_of_buffers(sample: Sample, target: Target) -> None:
    graph = irf.jit(lambda *a: a[0].emit(sample.op, list(a))[0]).trace(*sample.inputs).graph
    program = lower_graph(graph, target=target)
    expected = np.asarray(sample.op.numpy(*sample.inputs))
    for backwards in (False, True):
        (found,) = run_program(program, sample.inputs, backwards)
        np.testing.assert_allclose(
            found.astype(np.float64), expected.astype(np.float64), rtol=0.05, atol=0.05
        )


# ------------------------------------------------------------------------------------ the template


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("label", CASES)
def test_the_template_takes_it(label: str, direction: str) -> None:
    function, x, w = operands(CASES[label], direction)
    graph = irf.jit(function).trace(x, w).graph
    (step,) = lower_graph(graph, target=TARGETS[-1]).steps
    assert isinstance(step, KernelStep)
    assert {"slab", "tile"} & set(walk.allocated(step.kernel.body))


IN_PLACE = {
    "one output": (Case(2, (12, 13), 32, 1, (3, 3), padding=same(1, 1)), True),
    "two outputs, far taps": (Case(2, (8, 9), 16, 2, (3, 5), None, same(3, 7), (2, 3)), True),
    "one axis": (Case(2, (40,), 16, 1, (3,), padding=same(1)), True),
    "three axes": (Case(1, (5, 6, 7), 16, 1, (3, 2, 3), padding=same(1, 1, 1)), True),
    "stride": (Case(2, (12, 13), 32, 1, (3, 3), (2, 1), same(1, 1)), False),
    "many outputs": (Case(2, (12, 13), 32, 16, (3, 3), padding=same(1, 1)), False),
}


@pytest.mark.parametrize("label", IN_PLACE)
def test_images_for_few_columns_are_not_copied(label: str) -> None:
    case, is_in_place = IN_PLACE[label]
    function, x, w = operands(case, "forward")
    found = compiled(function, x, w)
    assert_near(found, function, x, w)
    (kernel,) = lower_graph(irf.jit(function).trace(x, w).graph, target=TARGETS[-1]).kernels()
    assert ("slab" not in walk.allocated(kernel.body)) is is_in_place


def test_what_lies_outside_of_an_image_in_place_is_not_read() -> None:
    case = Case(2, (4, 5), 16, 2, (3, 4), None, ((1, 2), (3, 1)), (1, 2))
    function, x, w = operands(case, "forward")
    program = lower_graph(irf.jit(function).trace(x, w).graph, target=TARGETS[-1])
    (kernel,) = program.kernels()
    assert "slab" not in walk.allocated(kernel.body)
    for backwards in (False, True):
        assert_near(run_program(program, [x, w], backwards)[0], function, x, w)


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("label", ["one output", "a lane too many"])
def test_element_types(label: str, dtype: Any, direction: str) -> None:
    function, x, w = operands(CASES[label], direction, dtype)
    assert_near(compiled(function, x, w), function, x, w)


@pytest.mark.parametrize("label", ["three channels", "a pass a tap"])
def test_constant_weights_are_packed_before(label: str) -> None:
    function, x, w = operands(CASES[label], "forward")
    constant = compiled(lambda x: function(x, inp.asarray(w)), x)
    np.testing.assert_array_equal(constant, compiled(function, x, w))


@pytest.mark.parametrize(("channels", "is_fetched"), [(16, False), (192, True)])
def test_large_weights_are_fetched_ahead(channels: int, is_fetched: bool) -> None:
    """Where they are; a few stay in a cache."""
    x, w = RANDOM.normal(size=(1, 6, 6, channels)), RANDOM.normal(size=(3, 3, channels, channels))
    graph = irf.jit(convolution).trace(x.astype(np.float32), w.astype(np.float32)).graph
    (kernel,) = lower_graph(graph, target=TARGETS[-1]).kernels()
    assert ("prefetch" in print_kernel(kernel)) == is_fetched


def block(x: Any, w: Any, b: Any, rest: Any) -> tuple[Any, Any]:
    """A convolution between what networks put around it."""
    found = convolution(x.astype("float32"), w, padding=same(1, 1)) * b[0] + b[1] + rest
    return nn.relu(found), found


@pytest.mark.parametrize(("channels", "outputs"), [(1, 24), (3, 40), (16, 3), (32, 32)])
def test_what_stands_around_is_part_of_the_kernel(channels: int, outputs: int) -> None:
    x = RANDOM.normal(size=(2, 9, 8, channels)).astype(np.float16)
    w = RANDOM.normal(size=(3, 3, channels, outputs)).astype(np.float32)
    b = RANDOM.normal(size=(2, outputs)).astype(np.float32)
    rest = RANDOM.normal(size=(2, 9, 8, outputs)).astype(np.float32)
    run = irf.jit(lambda *a: block(*a), backend="llvm")
    for found, wanted in zip(
        run(x, w, b, rest), block(*map(inp.asarray, (x, w, b, rest))), strict=True
    ):
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-4, atol=2e-4)
    assert str(run.trace(x, w, b, rest).lower().compile().listing("loops")).count("= kernel") == 1


# ------------------------------------------------------------------------------ equal bits


BUSY = {
    "batch": Case(9, (26, 28), 16, 32, (3, 3), padding=same(1, 1)),
    "one image": Case(1, (56, 56), 16, 32, (3, 3), (2, 2), same(1, 1)),
    "few columns": Case(5, (40, 28), 32, 2, (3, 3), padding=same(1, 1)),
    "columns in chunks": CASES["far columns"],
}


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("label", BUSY)
def test_equal_bits_for_any_number_of_threads(
    label: str, direction: str, pool: workers.Pool
) -> None:
    function, x, w = operands(BUSY[label], direction)
    run = irf.jit(lambda *a: function(*a), backend="llvm")
    results = []
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        results.append(np.asarray(run(x, w)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("label", ["stride", "one output"])
def test_equal_bits_for_a_symbolic_batch(label: str, direction: str) -> None:
    function, x, w = operands(CASES[label], direction)
    run = irf.jit(lambda *a: function(*a), backend="llvm", dynamic=True)
    for batch in (1, 3):
        part = np.concatenate([x] * 3)[:batch]
        expected = compiled(function, part, w, dynamic=False)
        np.testing.assert_array_equal(np.asarray(run(part, w)), expected)


# ---------------------------------------------------------------------------------------- fuzz


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    rank = draw(st.integers(1, 3))
    sizes = {1: 70, 2: 20, 3: 7}[rank]

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    kernel, dilations = each(1, 4), each(1, 3)
    padding = tuple(zip(each(0, 3), each(0, 3), strict=True))
    least = [
        max(d * (k - 1) + 1 - sum(pad), 1)
        for k, d, pad in zip(kernel, dilations, padding, strict=True)
    ]
    spatial = tuple(size + extra for size, extra in zip(least, each(0, sizes), strict=True))
    channels = draw(st.one_of(st.integers(1, 9), st.sampled_from([16, 32, 33])))
    outputs = draw(st.one_of(st.integers(1, 20), st.sampled_from([32, 48, 65])))
    batch = draw(st.integers(0, 3))
    return Case(batch, spatial, channels, outputs, kernel, each(1, 3), padding, dilations)


@settings(max_examples=12, deadline=None)
@given(any_case(), st.sampled_from(["forward", "adjoint"]), st.booleans(), st.booleans())
def test_any_sizes(case: Case, direction: str, is_wrapped: bool, is_constant: bool) -> None:
    inner, x, w = operands(case, direction)

    def function(x: Any, w: Any) -> Any:
        return nn.relu(inner(x, w) * 2 + 1) if is_wrapped else inner(x, w)

    if is_constant:
        assert_near(compiled(lambda x: function(x, inp.asarray(w)), x), function, x, w)
    else:
        assert_near(compiled(function, x, w), function, x, w)
