"""Weight gradients by Winograd's products: the template, its error, and when it is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
from irflow import nn
from irflow.ir.graph import Graph
from irflow.loops import walk
from irflow.lowering import winograd_gradient_plan
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.steps import KernelStep
from irflow.lowering.target import Target
from irflow.ops.convolution import Convolution, ConvolutionWeightGradient
from irflow_llvm import workers

RANDOM = np.random.default_rng(0)
EPSILON = 2.0**-23
WIDE = Target("wide", 64, 32, 32 << 10, 512 << 10, 32 << 20)
TINY = Target("tiny", 8, 16, 1 << 8, 1 << 9, 1 << 20)

pytestmark = pytest.mark.usefixtures("unchecked")


@dataclass(frozen=True)
class Case:
    """A convolution whose weight gradient is wanted."""

    size: tuple[int, int]
    channels: int
    outputs: int
    padding: tuple[tuple[int, int], ...] = ((1, 1), (1, 1))
    batch: int = 1
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (3, 3)
    groups: int = 1
    dtype: Any = np.float32

    @property
    def geometry(self) -> tuple[Any, ...]:
        return self.strides, self.padding, self.dilations, self.groups

    def operands(self) -> tuple[np.ndarray, np.ndarray]:
        """The image, and the gradient of the result."""
        x = RANDOM.normal(size=(self.batch, *self.size, self.channels))
        w = np.zeros((*self.kernel, self.channels // self.groups, self.outputs))
        g = RANDOM.normal(size=Convolution(*self.geometry).numpy(x, w).shape)
        return x.astype(self.dtype), g.astype(self.dtype)

    def apply(self, x: Any, g: Any) -> Any:
        w = irf.numpy.zeros((*self.kernel, self.channels // self.groups, self.outputs), x.dtype)

        def convolved(w: Any) -> Any:
            return nn.conv(
                x,
                w,
                strides=self.strides,
                padding=self.padding,
                dilations=self.dilations,
                groups=self.groups,
            )

        (found,) = irf.vjp(convolved, w)[1](g)
        return found

    def exact(self, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """In f64, and the largest sum of magnitudes of a kernel's elements."""
        op = ConvolutionWeightGradient(self.kernel, *self.geometry)
        wide = x.astype(np.float64), g.astype(np.float64)
        scale = op.numpy(*map(np.abs, wide)).max(axis=(0, 1))
        return op.numpy(*wide), scale


def compiled(apply: Callable[..., Any], **options: Any) -> Any:
    return irf.jit(apply, backend="llvm", **options)


def is_taken(graph: Graph, target: Target = WIDE) -> bool:
    """Whether the gradients of tiles are transformed."""
    steps = lower_graph(graph, target=target).steps
    kernels = [step.kernel for step in steps if isinstance(step, KernelStep)]
    return any("given" in walk.allocated(kernel.body) for kernel in kernels)


def graph_of(case: Case) -> Graph:
    return irf.jit(case.apply).trace(*case.operands()).graph


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every weight gradient that fits, however small."""
    monkeypatch.setattr(winograd_gradient_plan, "LEAST_CYCLES", 0)
    monkeypatch.setattr(winograd_gradient_plan, "GAIN", float("inf"))


# -------------------------------------------------------------------------------------- results

CASES = {
    "odd edges": Case((9, 15), 16, 32, batch=2),
    "one position": Case((1, 1), 16, 16),
    "wide padding": Case((6, 7), 48, 16, ((4, 0), (3, 5))),
    "no padding, several blocks of rows": Case((43, 30), 16, 16, ((0, 0), (0, 0))),
    "several images in a block, one left over": Case((5, 7), 16, 32, batch=4),
    "several chunks": Case((28, 28), 32, 16, batch=5),
    "parts of channels and columns": Case((6, 6), 128, 192, batch=3),
}


@pytest.mark.parametrize("label", CASES)
def test_results(label: str, always: None) -> None:
    case = CASES[label]
    x, g = case.operands()
    found = np.asarray(compiled(case.apply)(x, g))
    wanted, scale = case.exact(x, g)
    assert found.shape == wanted.shape
    assert (np.abs(found - wanted) <= 10 * EPSILON * scale).all()
    symbolic = compiled(case.apply, dynamic=True)
    np.testing.assert_array_equal(np.asarray(symbolic(x, g)), found)


@pytest.mark.parametrize("size", [(5, 6), (13, 3)])
def test_nothing_is_read_or_written_outside_of_buffers(size: tuple[int, int], always: None) -> None:
    case = Case(size, 4, 2, ((2, 0), (0, 1)), batch=3)
    graph = graph_of(case)
    assert is_taken(graph, TINY)
    x, g = case.operands()
    wanted, scale = case.exact(x, g)
    for backwards in (False, True):
        (found,) = run_program(lower_graph(graph, target=TINY), [x, g], backwards)
        assert (np.abs(found - wanted) <= 10 * EPSILON * scale).all()


def long_tail(x: Any) -> Any:
    for _ in range(8):
        x = nn.relu(x + 0.1)
    return x


@pytest.mark.parametrize(
    ("activation", "batch", "is_copied"),
    [(nn.relu, 1, False), (long_tail, 1, True), (long_tail, 4, False)],
    ids=["short", "long, in a loop over a copy", "behind the sums of all chunks"],
)
def test_what_stands_around_is_part_of_the_kernel(
    activation: Any, batch: int, is_copied: bool, always: None
) -> None:
    case = Case((28, 28), 16, 32, batch=batch)
    x, g = case.operands()
    x = x.astype(np.float16)
    w = RANDOM.normal(size=(3, 3, 16, 32)).astype(np.float32)

    def update(x: Any, g: Any, w: Any) -> Any:
        return w - 0.1 * activation(case.apply(x.astype("float32"), g))

    run = compiled(update)
    wanted = update(*map(irf.asarray, (x, g, w)))
    np.testing.assert_allclose(np.asarray(run(x, g, w)), np.asarray(wanted), rtol=1e-4, atol=1e-3)
    listing = str(run.trace(x, g, w).lower().compile().listing("loops"))
    assert listing.count("= kernel") == 1
    assert ("alloc tile" in listing) is is_copied


# ---------------------------------------------------------------------------------------- error


@pytest.mark.parametrize("is_positive", [False, True])
def test_stated_error(is_positive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than that of the direct form, as the forward one by F(2, 3)."""
    case = Case((28, 28), 64, 64)
    x, g = case.operands()
    x = np.abs(x) if is_positive else x
    wanted, scale = case.exact(x, g)
    assert is_taken(graph_of(case))
    error = np.abs(np.asarray(compiled(case.apply)(x, g)) - wanted)
    monkeypatch.setattr(winograd_gradient_plan, "GAIN", 0)
    direct = np.abs(np.asarray(irf.jit(case.apply, backend="llvm")(x, g)) - wanted)
    assert (error / scale).max() <= 3 * EPSILON
    assert np.sqrt((error**2).mean()) <= 1.1 * np.sqrt((direct**2).mean())


def test_what_is_not_finite_stays_in_its_channel_and_column(always: None) -> None:
    case = Case((8, 8), 32, 48)
    x, g = case.operands()
    x[0, 3, 4, 5], g[0, 2, 6, 7] = np.nan, np.inf
    found, (wanted, _) = np.asarray(compiled(case.apply)(x, g)), case.exact(x, g)
    is_near = np.zeros((32, 48), bool)
    is_near[5], is_near[:, 7] = True, True
    assert not np.isfinite(found[:, :, is_near]).any()
    np.testing.assert_allclose(found[:, :, ~is_near], wanted[:, :, ~is_near], rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------------- when it is taken

LARGE = Case((56, 56), 64, 64)
CHOICES = {
    "stage 1 of ResNet-50": (LARGE, True),
    "stage 3, more weights": (Case((14, 14), 256, 256), True),
    "small, of which there may be many": (Case((14, 14), 32, 64), True),
    "tiny": (Case((4, 4), 16, 16), False),
    "few channels": (Case((112, 112), 3, 64), False),
    "channels that fill no vectors": (Case((56, 56), 60, 64), False),
    "columns that fill no vectors": (Case((56, 56), 64, 72), False),
    "stride": (replace(LARGE, strides=(2, 1)), False),
    "dilation": (replace(LARGE, dilations=(1, 2)), False),
    "kernel": (replace(LARGE, kernel=(3, 1), padding=((1, 1), (0, 0))), False),
    "groups": (replace(LARGE, groups=2), False),
    "f64": (replace(LARGE, dtype=np.float64), False),
}


@pytest.mark.parametrize("label", CHOICES)
def test_chosen_by_the_cost(label: str) -> None:
    case, wanted = CHOICES[label]
    assert is_taken(graph_of(case)) is wanted


# -------------------------------------------------------------------------------------- equal bits


@pytest.mark.parametrize("label", ["several chunks", "parts of channels and columns"])
def test_equal_bits_for_any_number_of_threads(label: str, pool: workers.Pool, always: None) -> None:
    case = CASES[label]
    operands = case.operands()
    run = compiled(case.apply)
    results = []
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        results.append(np.asarray(run(*operands)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


# -------------------------------------------------------------------------------------------- fuzz


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    first, last = (max(3 - sum(pad), 1) + draw(st.integers(0, 33)) for pad in padding)
    channels, outputs = (draw(st.sampled_from([16, 32, 48, 96])) for _ in range(2))
    return Case((first, last), channels, outputs, padding, draw(st.integers(0, 9)))


@settings(max_examples=3, deadline=None)
@given(any_case())
def test_any_sizes(case: Case) -> None:
    x, g = case.operands()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd_gradient_plan, "LEAST_CYCLES", 0)
        patch.setattr(winograd_gradient_plan, "GAIN", float("inf"))
        found = np.asarray(compiled(case.apply)(x, g))
    wanted, scale = case.exact(x, g)
    assert (np.abs(found - wanted) <= 10 * EPSILON * scale).all()
