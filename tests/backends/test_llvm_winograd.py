"""Convolutions by Winograd's products: the template, its error, and when it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow.ir.graph import Graph
from irflow.loops import walk
from irflow.lowering import winograd_plan
from irflow.lowering.convolution_axes import form_of
from irflow.lowering.interpret import run_program
from irflow.lowering.lower import lower_graph
from irflow.lowering.steps import KernelStep
from irflow.lowering.target import Target
from irflow.lowering.winograd_plan import plan_of
from irflow.lowering.winograd_transform import LARGE, SMALL, Transform
from irflow.ops.convolution import convolution, convolution_transpose
from irflow.ops.convolution_form import ConvolutionOp
from irflow_llvm import workers

RANDOM = np.random.default_rng(0)
EPSILON = 2.0**-23

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Case:
    """A convolution whose weights are constants."""

    size: tuple[int, int]
    channels: int
    outputs: int
    padding: Pairs = ((1, 1), (1, 1))
    batch: int = 1
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (3, 3)
    groups: int = 1
    is_adjoint: bool = False
    dtype: Any = np.float32

    def image(self) -> np.ndarray:
        return RANDOM.normal(size=(self.batch, *self.size, self.channels)).astype(self.dtype)

    def weights(self) -> np.ndarray:
        pair = (self.channels // self.groups, self.outputs)
        pair = pair[::-1] if self.is_adjoint else pair
        return RANDOM.normal(size=(*self.kernel, *pair)).astype(self.dtype)

    def apply(self, x: Any, w: Any) -> Any:
        geometry = self.strides, self.padding, self.dilations
        if self.is_adjoint:
            pads = zip(self.size, self.padding, strict=True)
            return convolution_transpose(x, w, [n + 2 - sum(p) for n, p in pads], *geometry)
        return convolution(x, w, *geometry, self.groups)


Apply = Callable[[Any, Any], Any]


def compiled(apply: Apply, w: np.ndarray, **options: Any) -> Any:
    """The function of the image, with the weights as constants."""
    fixed = inp.asarray(w)
    return irf.jit(lambda x: apply(x, fixed), backend="llvm", **options)


def chosen(case: Case, is_known: bool = True) -> Transform | None:
    """What is chosen for weights that are constants, or computed."""
    graph = irf.jit(case.apply).trace(case.image(), case.weights()).graph
    (node,) = [node for node in graph if isinstance(node.op, ConvolutionOp)]
    form = form_of(node)
    plan = None if form is None else plan_of(WIDE, node.output.type.dtype, form, is_known)
    return None if plan is None else plan.transform


def is_transformed(graph: Graph, target: Target) -> bool:
    """Whether what tiles see is transformed."""
    steps = lower_graph(graph, target=target).steps
    kernels = [step.kernel for step in steps if isinstance(step, KernelStep)]
    return any("seen" in walk.allocated(kernel.body) for kernel in kernels)


def exact(apply: Apply, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The results in f64, and the sums of the magnitudes of what is added up in each."""
    wide = x.astype(np.float64), w.astype(np.float64)
    result, scale = (
        np.asarray(apply(*map(inp.asarray, part))) for part in (wide, [np.abs(a) for a in wide])
    )
    return result, scale


def by_tiles(scale: np.ndarray, transform: Transform) -> np.ndarray:
    """The largest element of each tile in all of its results."""
    step, (n, *sizes, columns) = transform.results, scale.shape
    counts = [-(-size // step) for size in sizes]
    room = np.zeros((n, *(count * step for count in counts), columns))
    room[:, : sizes[0], : sizes[1]] = scale
    largest = room.reshape(n, counts[0], step, counts[1], step * columns).max(axis=(2, 4))
    largest = largest.repeat(step, 1).repeat(step, 2)
    return np.asarray(largest[:, : sizes[0], : sizes[1], None])


def assert_near(
    found: np.ndarray, transform: Transform, apply: Apply, x: np.ndarray, w: np.ndarray
) -> None:
    """Within the error that sums of f32 have, those of the largest result of a tile."""
    wanted, scale = exact(apply, x, w)
    assert found.shape == wanted.shape
    assert (np.abs(found - wanted) <= 40 * EPSILON * by_tiles(scale, transform)).all()


WIDE = Target("wide", 64, 32, 32 << 10, 1 << 20, 32 << 20)
TINY = Target("tiny", 8, 16, 1 << 8, 1 << 9, 1 << 20)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every convolution that fits, however small."""
    monkeypatch.setattr(winograd_plan, "LEAST_CYCLES", 0)
    monkeypatch.setattr(winograd_plan, "LEAST_TRAINED_CYCLES", 0)
    monkeypatch.setattr(winograd_plan, "GAIN", float("inf"))


@pytest.fixture(
    params=[pytest.param(SMALL, marks=pytest.mark.slow, id="2"), pytest.param(LARGE, id="4")]
)
def transform(
    request: pytest.FixtureRequest, always: None, monkeypatch: pytest.MonkeyPatch
) -> Transform:
    """The one that is taken."""
    found: Transform = request.param
    monkeypatch.setattr(winograd_plan, "TRANSFORMS", (found,))
    return found


# -------------------------------------------------------------------------------------- results

CASES = {
    "odd edges": Case((9, 14), 16, 32, batch=2),
    "short lines": Case((14, 5), 16, 48, ((1, 1), (0, 2))),
    "fewer results than a tile": Case((1, 1), 16, 16),
    "wide padding": Case((6, 7), 48, 16, ((4, 0), (3, 5))),
    "lines of tiles that are left over": Case((17, 16), 16, 16),
    "columns in chunks": Case((4, 8), 16, 272, ((0, 2), (2, 0))),
    "adjoint": Case((8, 12), 32, 16, is_adjoint=True),
}


@pytest.mark.parametrize("label", CASES)
def test_results(label: str, transform: Transform) -> None:
    case = CASES[label]
    x, w = case.image(), case.weights()
    assert chosen(case) is transform
    found = np.asarray(compiled(case.apply, w)(x))
    assert_near(found, transform, case.apply, x, w)


def test_nothing_is_read_or_written_outside_of_buffers(transform: Transform) -> None:
    case = Case((6, 7), 4, 4, ((2, 0), (0, 1)))
    x, w = case.image(), case.weights()
    fixed = inp.asarray(w)
    graph = irf.jit(lambda x: case.apply(x, fixed)).trace(x).graph
    program = lower_graph(graph, target=TINY)
    assert is_transformed(graph, TINY)
    for backwards in (False, True):
        (found,) = run_program(program, [x], backwards)
        assert_near(found, transform, case.apply, x, w)


@pytest.mark.parametrize("is_adjoint", [False, True])
def test_computed_weights(is_adjoint: bool, always: None) -> None:
    case = Case((9, 8), 16, 48, is_adjoint=is_adjoint)
    x, w = case.image(), case.weights()
    assert_near(np.asarray(irf.jit(case.apply, backend="llvm")(x, w)), SMALL, case.apply, x, w)
    case = Case((3, 4), 4, 6, is_adjoint=is_adjoint)
    x, w = case.image(), case.weights()
    graph = irf.jit(case.apply).trace(x, w).graph
    assert is_transformed(graph, TINY)
    (found,) = run_program(lower_graph(graph, target=TINY), [x, w])
    assert_near(found, SMALL, case.apply, x, w)


def long_tail(x: Any) -> Any:
    for _ in range(8):
        x = nn.relu(x + 0.1)
    return x


def test_what_stands_around_is_part_of_the_kernel(transform: Transform) -> None:
    """What is short is written out for each result of a tile, the rest is in a loop over a copy."""
    case = Case((9, 10), 32, 16)
    x, w, b = case.image().astype(np.float16), case.weights(), case.weights()[0, 0, 0]
    rest = RANDOM.normal(size=(1, 9, 10, 16)).astype(np.float32)
    activation = nn.relu if transform is SMALL else long_tail

    def block(x: Any, w: Any, b: Any, rest: Any) -> tuple[Any, Any]:
        found = case.apply(x.astype("float32"), w) + b + rest
        return activation(found), found

    fixed = inp.asarray(w)
    run = irf.jit(lambda x, b, rest: block(x, fixed, b, rest), backend="llvm")
    wanted = block(*map(inp.asarray, (x, w, b, rest)))
    for one, other in zip(run(x, b, rest), wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=2e-4)
    listing = str(run.trace(x, b, rest).lower().compile().listing("loops"))
    assert listing.count("= kernel") == 1
    assert ("alloc tile" in listing) is (transform is LARGE)


# ---------------------------------------------------------------------------------------- error

LARGEST_ERROR = {SMALL: 3, LARGE: 12}
"""Of any result, in units of 2^-23 of the sum of the magnitudes of what it adds up."""
MEAN_ERROR = {SMALL: 0.8, LARGE: 2.5}
"""Root mean square, over that of the direct form."""


def test_stated_error(transform: Transform, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case((16, 16), 128, 64)
    x, w = case.image(), case.weights()
    wanted, scale = exact(case.apply, x, w)
    error = np.abs(np.asarray(compiled(case.apply, w)(x)) - wanted)
    monkeypatch.setattr(winograd_plan, "GAIN", 0)
    direct = np.abs(np.asarray(irf.jit(case.apply, backend="llvm")(x, w)) - wanted)
    assert (error / scale).max() <= LARGEST_ERROR[transform] * EPSILON
    assert np.sqrt((error**2).mean()) <= MEAN_ERROR[transform] * np.sqrt((direct**2).mean())


def test_errors_are_those_of_the_largest_result_of_a_tile(transform: Transform) -> None:
    case = Case((8, 12), 16, 16)
    x, w = case.image(), case.weights()
    x[:, :, :5] *= 1e6
    found = np.asarray(compiled(case.apply, w)(x))
    assert_near(found, transform, case.apply, x, w)
    # Tiles that see no large element are as good as ever.
    wanted, scale = exact(case.apply, x, w)
    assert (np.abs(found - wanted) <= 40 * EPSILON * scale)[:, :, 8:].all()


def test_what_is_not_finite_stays_in_the_tiles_that_see_it(transform: Transform) -> None:
    case = Case((16, 16), 16, 16)
    x, w = case.image(), case.weights()
    x[0, 6, 9, 3] = np.nan if transform is SMALL else np.inf
    found, wanted = np.asarray(compiled(case.apply, w)(x)), exact(case.apply, x, w)[0]
    step = transform.results
    is_near = np.zeros((1, 16, 16), bool)
    lines, positions = (
        slice((at - 1) // step * step, (at + 1) // step * step + step) for at in (6, 9)
    )
    is_near[:, lines, positions] = True
    assert not np.isfinite(found[0, 5:8, 8:11]).any()
    np.testing.assert_allclose(found[~is_near], wanted[~is_near], rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------------- when it is taken

CHOICES: dict[str, tuple[Case, Transform | None]] = {
    "stage 1 of ResNet-50": (Case((56, 56), 64, 64), LARGE),
    "stage 2": (Case((28, 28), 128, 128), LARGE),
    "stage 3, more weights": (Case((14, 14), 256, 256), SMALL),
    "stage 4, mostly weights": (Case((7, 7), 512, 512), None),
    "small": (Case((8, 8), 16, 16), None),
    "few channels": (Case((112, 112), 3, 64), None),
    "channels that fill no vectors": (Case((56, 56), 60, 64), None),
    "columns that fill no vectors": (Case((56, 56), 64, 72), None),
    "stride": (Case((56, 56), 64, 64, strides=(2, 1)), None),
    "dilation": (Case((56, 56), 64, 64, dilations=(1, 2)), None),
    "kernel": (Case((56, 56), 64, 64, kernel=(3, 1), padding=((1, 1), (0, 0))), None),
    "groups": (Case((56, 56), 64, 64, groups=2), None),
    "f64": (Case((56, 56), 64, 64, dtype=np.float64), None),
    "f16": (Case((56, 56), 64, 64, dtype=np.float16), None),
}


@pytest.mark.parametrize("label", CHOICES)
def test_chosen_by_the_cost(label: str) -> None:
    case, wanted = CHOICES[label]
    assert chosen(case) is wanted


COMPUTED: dict[str, tuple[Case, Transform | None]] = {
    "stage 1 of ResNet-50": (Case((56, 56), 64, 64), SMALL),
    "stage 3": (Case((14, 14), 256, 256), SMALL),
    "stage 1, by image": (Case((56, 56), 64, 64, is_adjoint=True), SMALL),
    "stage 3, by image": (Case((14, 14), 256, 256, is_adjoint=True), SMALL),
    "stage 4, mostly weights": (Case((7, 7), 512, 512), None),
    "small, of which there may be many": (Case((14, 14), 32, 64), SMALL),
    "smaller": (Case((4, 4), 128, 128), None),
    "tiny": (Case((14, 14), 16, 16), None),
}


@pytest.mark.parametrize("label", COMPUTED)
def test_computed_weights_are_never_less_exact(label: str) -> None:
    case, wanted = COMPUTED[label]
    assert chosen(case, is_known=False) is wanted


# -------------------------------------------------------------------------------------- equal bits


@pytest.fixture
def pool() -> Iterator[workers.Pool]:
    found = workers.pool()
    before = found.threads
    yield found
    found.resize(before)


@pytest.mark.skipif(not workers.is_supported(), reason="no worker pool here")
def test_equal_bits_for_any_number_of_threads(pool: workers.Pool) -> None:
    case = Case((28, 28), 128, 128)
    x, w = case.image(), case.weights()
    run = compiled(case.apply, w)
    results = []
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        results.append(np.asarray(run(x)))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_equal_bits_for_a_symbolic_batch(always: None) -> None:
    case = Case((6, 8), 16, 16, batch=3)
    x, w = case.image(), case.weights()
    assert chosen(case)
    run = compiled(case.apply, w, dynamic=True)
    wanted = np.asarray(compiled(case.apply, w)(x))
    for batch in (1, 3):
        np.testing.assert_array_equal(np.asarray(run(x[:batch])), wanted[:batch])


# -------------------------------------------------------------------------------------------- fuzz


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    padding = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(2))
    first, last = (max(3 - sum(pad), 1) + draw(st.integers(0, 17)) for pad in padding)
    channels, outputs = (draw(st.sampled_from([16, 32, 48])) for _ in range(2))
    return Case((first, last), channels, outputs, padding, draw(st.integers(0, 3)))


@settings(max_examples=4, deadline=None)
@given(any_case(), st.booleans(), st.sampled_from([SMALL, LARGE]))
def test_any_sizes(case: Case, is_wrapped: bool, transform: Transform) -> None:
    def apply(x: Any, w: Any) -> Any:
        return nn.relu(case.apply(x, w) * 2 + 1) if is_wrapped else case.apply(x, w)

    x, w = case.image(), case.weights()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd_plan, "LEAST_CYCLES", 0)
        patch.setattr(winograd_plan, "GAIN", float("inf"))
        patch.setattr(winograd_plan, "TRANSFORMS", (transform,))
        found = np.asarray(compiled(apply, w)(x))
    assert_near(found, transform, apply, x, w)
