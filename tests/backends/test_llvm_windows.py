"""Convolutions' gradients, grouped convolutions and pooling on LLVM: templates, and any threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
from irflow import nn
from irflow.lowering import windows
from irflow.lowering.group import Group
from irflow.lowering.nest import Built
from irflow.lowering.target import Target
from irflow.ops.convolution import (
    Convolution,
    ConvolutionInputGradient,
    ConvolutionWeightGradient,
)
from irflow_llvm import workers

RANDOM = np.random.default_rng(0)

pytestmark = pytest.mark.usefixtures("unchecked")


class Case(NamedTuple):
    """Sizes of a convolution: image, kernel, channels in and out of a group, and the geometry."""

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    channels: int
    outputs: int
    groups: int = 1
    strides: tuple[int, ...] = (1, 1)
    padding: tuple[tuple[int, int], ...] = ((1, 1), (1, 1))
    dilations: tuple[int, ...] = (1, 1)
    batch: int = 3

    @property
    def geometry(self) -> tuple[object, ...]:
        return self.strides, self.padding, self.dilations, self.groups

    def operands(self, dtype: str = "f4") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, weights, and what stands for the result's gradient."""
        x = RANDOM.normal(size=(self.batch, *self.image, self.channels * self.groups))
        w = RANDOM.normal(size=(*self.kernel, self.channels, self.outputs * self.groups))
        y = Convolution(*self.geometry).numpy(x, w)
        g = RANDOM.normal(size=y.shape)
        return x.astype(dtype), w.astype(dtype), g.astype(dtype)

    def conv(self, x: irf.Tensor, w: irf.Tensor) -> irf.Tensor:
        return nn.conv(
            x,
            w,
            strides=self.strides,
            padding=self.padding,
            dilations=self.dilations,
            groups=self.groups,
        )

    # Each with an epilogue that reads one of the operands.

    def forward(self, x: irf.Tensor, w: irf.Tensor, g: irf.Tensor) -> irf.Tensor:
        return self.conv(x, w) * 2 + g

    def image_gradient(self, x: irf.Tensor, w: irf.Tensor, g: irf.Tensor) -> irf.Tensor:
        return irf.grad(lambda x: (self.conv(x, w) * g).sum())(x) * 2 + x

    def weight_gradient(self, x: irf.Tensor, w: irf.Tensor, g: irf.Tensor) -> irf.Tensor:
        return irf.grad(lambda w: (self.conv(x, w) * g).sum())(w) * 2 + w

    def expected(self, kind: str, *operands: np.ndarray) -> np.ndarray:
        """The same in f64."""
        x, w, g = (operand.astype(np.float64) for operand in operands)
        if kind == "forward":
            return 2 * Convolution(*self.geometry).numpy(x, w) + g
        if kind == "image_gradient":
            return 2 * ConvolutionInputGradient(self.image, *self.geometry).numpy(g, w) + x
        return 2 * ConvolutionWeightGradient(self.kernel, *self.geometry).numpy(x, g) + w


TEMPLATES = {
    "forward": "grouped_nest",
    "image_gradient": "grouped_nest",
    "weight_gradient": "grouped_weights_nest",
    "dense weight_gradient": "weight_gradient_nest",
}
DENSE = {
    "one channel": Case((12, 12), (3, 3), 1, 32, batch=40),
    "few channels": Case((17, 15), (5, 5), 3, 33, strides=(2, 2), padding=((2, 2), (1, 3))),
    "channels in blocks": Case((14, 14), (3, 3), 64, 48, batch=1),
    "several blocks of rows": Case((41, 24), (3, 3), 16, 16, batch=2),
    "dilated": Case((11, 13), (2, 3), 16, 24, dilations=(1, 2), padding=((0, 1), (2, 0))),
    "large groups": Case((9, 9), (3, 3), 24, 20, groups=2),
    "one axis": Case((50,), (4,), 5, 40, strides=(3,), padding=((2, 1),), dilations=(1,)),
}
GROUPED = {
    "depthwise": Case((15, 17), (3, 3), 1, 1, 40),
    "strides": Case((15, 17), (3, 3), 1, 1, 16, strides=(2, 2), padding=((0, 1), (1, 1))),
    "uneven strides": Case((19, 16), (4, 5), 1, 1, 24, strides=(3, 2), dilations=(2, 1)),
    "wide padding": Case((9, 33), (5, 5), 1, 1, 16, padding=((4, 4), (6, 2))),
    "multiplier": Case((8, 30), (3, 3), 1, 4, 16),
    "groups of 8": Case((10, 14), (3, 3), 8, 8, 3, strides=(1, 2)),
    "groups of 16": Case((7, 18), (2, 3), 16, 16, 2, padding=((0, 0), (1, 1))),
    "one axis": Case((70,), (3,), 1, 1, 32, (2,), ((1, 1),), (2,)),
}
WIDE = {
    "groups of 32": Case((7, 8), (3, 3), 24, 32, 2, strides=(1, 2)),
    "groups of 16 to 48": Case((9, 5), (2, 3), 16, 48, 2),
}
CASES = [("dense weight_gradient", name, case) for name, case in DENSE.items()]
CASES += [(kind, name, case) for kind in list(TEMPLATES)[:3] for name, case in GROUPED.items()]
CASES += [("forward", name, case) for name, case in WIDE.items()]
CASES += [("image_gradient", "groups of 32 to 24", Case((7, 8), (3, 3), 32, 24, 2))]


def check(case: Case, kind: str, dtype: str, results: list[np.ndarray], operands: object) -> None:
    """Near enough to f64, and the same to the last bit in all versions."""
    kind = kind.split()[-1]
    expected = case.expected(kind, *operands)  # type: ignore[misc]
    terms = np.prod(case.kernel) * case.channels * case.outputs
    if kind == "weight_gradient":
        terms = case.batch * np.prod(case.image)
    atol = 8 * np.finfo(dtype).eps * float(terms)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=atol)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize(("kind", "name", "case"), CASES, ids=[f"{k}-{n}" for k, n, _ in CASES])
def test_convolutions(
    kind: str, name: str, case: Case, pool: workers.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = spy(monkeypatch, TEMPLATES[kind])
    function = getattr(case, kind.split()[-1])
    operands = case.operands()
    compiled = irf.jit(function, backend="llvm")
    results = []
    for threads in (1, 2, 5):
        pool.resize(threads)
        results.append(np.asarray(compiled(*operands)))
    assert any(built), "the template takes it"
    symbolic = irf.jit(function, backend="llvm", dynamic=True)
    results.append(np.asarray(symbolic(*operands)))
    check(case, kind, "f4", results, operands)


def spy(monkeypatch: pytest.MonkeyPatch, name: str) -> list[bool]:
    """Whether a template was taken, each time that it was asked."""
    found: list[bool] = []
    template: Callable[[Group, Target], Built | None] = getattr(windows, name)

    def watched(group: Group, target: Target) -> Built | None:
        built = template(group, target)
        found.append(built is not None)
        return built

    monkeypatch.setattr(windows, name, watched)
    return found


@pytest.mark.parametrize("dtype", ["f2", "f8"])
@pytest.mark.parametrize("kind", ["forward", "image_gradient", "weight_gradient"])
@pytest.mark.parametrize("name", ["depthwise", "groups of 8", "large groups"])
def test_dtypes(dtype: str, kind: str, name: str) -> None:
    case = (GROUPED | DENSE)[name]
    operands = case.operands(dtype)
    found = np.asarray(irf.jit(getattr(case, kind), backend="llvm")(*operands))
    assert found.dtype == np.dtype(dtype)
    check(case, kind, dtype, [found], operands)


SIZES = st.integers(1, 3)


@st.composite
def convolutions(draw: st.DrawFn) -> Case:
    """Geometries of one or two axes, with dense, grouped and depthwise channels."""
    rank = draw(st.integers(1, 2))

    def axis(values: st.SearchStrategy[int]) -> tuple[int, ...]:
        return tuple(draw(values) for _ in range(rank))

    sides = st.tuples(st.integers(0, 4), st.integers(0, 4))
    channels, outputs, groups = draw(
        st.sampled_from(
            [
                (1, 1, 16),
                (1, 1, 23),
                (1, 2, 8),
                (4, 4, 5),
                (2, 8, 3),
                (3, 20, 1),
                (32, 17, 1),
                (9, 32, 2),
            ]
        )
    )
    return Case(
        axis(st.integers(7, 24)),
        axis(st.integers(1, 4)),
        channels,
        outputs,
        groups,
        axis(SIZES),
        tuple(draw(sides) for _ in range(rank)),
        axis(st.integers(1, 2)),
        draw(SIZES),
    )


KINDS = st.sampled_from(["forward", "image_gradient", "weight_gradient"])


def check_any(case: Case, kind: str) -> None:
    operands = case.operands()
    function = getattr(case, kind)
    results = [
        np.asarray(irf.jit(function, backend="llvm", dynamic=dynamic)(*operands))
        for dynamic in (None, True)
    ]
    check(case, kind, "f4", results, operands)


@given(case=convolutions(), kind=KINDS)
@settings(max_examples=6, deadline=None)
def test_any_convolution(case: Case, kind: str) -> None:
    check_any(case, kind)


@pytest.mark.slow
@given(case=convolutions(), kind=KINDS)
@settings(max_examples=300, deadline=None)
def test_many_convolutions(case: Case, kind: str) -> None:
    check_any(case, kind)
