"""Products of narrow elements that stand in words: any order of operands, in place and copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from irflow import dims, dtypes, ops
from irflow.compiler import compile_graph
from irflow.dims import Size
from irflow.ir.attributes import DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph
from irflow.ir.types import TensorType
from irflow.loops.print import print_kernel
from irflow.lowering import Target
from irflow.lowering.lower import lower_graph
from irflow.ops import Fusion, Handle
from irflow_llvm.backend import host_features, host_target
from irflow_llvm.emit import emit_module
from tests.irflow.lowering.build import WIDE, build, fused, lowered, normal, run, the_kernel

PAIRS = replace(WIDE, dots=("bf16", "u8"))
TINY = Target("tiny", 16, 8, l1_bytes=64, l2_bytes=1024, dots=("bf16", "u8"))
TARGETS = pytest.mark.parametrize("target", [TINY, PAIRS], ids=lambda target: target.name)


def bf16(*shape: Size) -> TensorType:
    return TensorType(dtypes.bf16, shape)


def narrow(*shape: int, seed: int = 0) -> np.ndarray:
    return normal(*shape, seed=seed).astype(dtypes.bf16.numpy)


def turned(x: Handle) -> Handle:
    result: Handle = ops.transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
    return result


def rounded(x: Handle) -> Handle:
    result: Handle = ops.convert(ops.convert(x, dtypes.f32) * 1.0, dtypes.bf16)
    return result


FORMS: list[tuple[str, Callable[..., Any], str, str]] = [
    ("in place", ops.matmul, "mk", "kn"),
    ("left turned", lambda x, y: ops.matmul(turned(x), y), "km", "kn"),
    ("right turned", lambda x, y: ops.matmul(x, turned(y)), "mk", "nk"),
    ("both turned", lambda x, y: ops.matmul(turned(x), turned(y)), "km", "nk"),
    ("rounded", lambda x, y: ops.matmul(rounded(x), rounded(y)), "mk", "kn"),
    ("batch", ops.matmul, "bmk", "bkn"),
    ("epilogue", lambda x, y: ops.matmul(x, y) * 2.0, "mk", "kn"),
]
SIZES = [(9, 11, 14), (1, 22, 19), (2, 0, 5)]


def shape_of(letters: str, m: Size, k: Size, n: Size) -> tuple[Size, ...]:
    sizes = {"m": m, "k": k, "n": n, "b": 2}
    return tuple(sizes[letter] for letter in letters)


def constant(form: Callable[..., Any], x: np.ndarray, y: np.ndarray) -> Graph:
    """A fused region whose second operand is a constant."""
    graph = Graph("test")
    first = graph.add_input(TensorType(dtypes.from_numpy(x.dtype), x.shape), "x")
    second = Builder(graph).emit(ops.Constant(DenseArray(y)), [])[0]
    region = build(form, first.type, second.type)
    graph.set_outputs(Builder(graph).emit(Fusion("loop"), [first, second], [region]))
    return graph


def assert_close(result: np.ndarray, form: Callable[..., Any], *inputs: np.ndarray) -> None:
    """Within two roundings of the product in f64, and of f32 sums before that."""
    graph = build(form, *(TensorType(dtypes.f64, x.shape) for x in inputs))
    exact, scale = (
        compile_graph(graph, backend="numpy")([f(x.astype(np.float64)) for x in inputs])[0]
        for f in (np.asarray, np.abs)
    )
    bound = 2.0**-8 * np.abs(exact) + 1e-6 * scale + 1e-30
    assert (np.abs(result.astype(np.float64) - exact) <= bound).all()


@TARGETS
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("form", "left", "right"), [f[1:] for f in FORMS], ids=[f[0] for f in FORMS]
)
def test_words_of_any_operands(
    form: Callable[..., Any], left: str, right: str, size: tuple[int, int, int], target: Target
) -> None:
    """As exact as sums in f32, whatever is copied, and the same with constants and symbols."""
    shapes = [shape_of(letters, *size) for letters in (left, right)]
    x, y = (narrow(*map(int, shape), seed=i) for i, shape in enumerate(shapes))
    (result,) = run(fused(form, *(bf16(*shape) for shape in shapes)), [x, y], target)
    if form is not FORMS[4][1]:
        assert_close(result, form, x, y)
    m, k = dims.symbol("m", 0), dims.symbol("k", 0)
    for sizes in [(m, k, size[2])] if target is TINY else []:
        types = [bf16(*shape_of(letters, *sizes)) for letters in (left, right)]
        np.testing.assert_array_equal(run(fused(form, *types), [x, y], target)[0], result)
    if target is PAIRS:
        np.testing.assert_array_equal(run(constant(form, x, y), [x], target)[0], result)


@TARGETS
@pytest.mark.parametrize("size", [(9, 11, 14), (1, 23, 19), (2, 0, 5)], ids=str)
@pytest.mark.parametrize("is_turned", [False, True])
def test_words_of_bytes(size: tuple[int, int, int], is_turned: bool, target: Target) -> None:
    """Exact, with a constant, too."""
    m, k, n = size
    x = np.random.default_rng(0).integers(0, 256, (k, m) if is_turned else (m, k)).astype(np.uint8)
    y = np.random.default_rng(1).integers(-128, 128, (k, n)).astype(np.int8)

    def product(a: Handle, b: Handle) -> Handle:
        result: Handle = ops.integer_matmul(turned(a) if is_turned else a, b)
        return result

    types = [TensorType(dtypes.u8, x.shape), TensorType(dtypes.i8, y.shape)]
    graph = fused(product, *types)
    if k:
        assert "u8_i8_dot(" in print_kernel(the_kernel(graph, target))
    expected = (x.T if is_turned else x).astype(np.int32) @ y.astype(np.int32)
    np.testing.assert_array_equal(run(graph, [x, y], target)[0], expected)
    np.testing.assert_array_equal(run(constant(product, x, y), [x], target)[0], expected)


@pytest.mark.parametrize("size", [(4, 8, 65), (20, 31, 33), (128, 64, 48)], ids=str)
def test_machine_code_of_bytes(size: tuple[int, int, int]) -> None:
    m, k, n = size
    x = np.random.default_rng(0).integers(0, 256, (m, k)).astype(np.uint8)
    y = np.random.default_rng(1).integers(-128, 128, (k, n)).astype(np.int8)
    types = TensorType(dtypes.u8, x.shape), TensorType(dtypes.i8, y.shape)
    graph = build(ops.integer_matmul, *types)
    (result,) = compile_graph(graph, backend="llvm")([x, y])
    np.testing.assert_array_equal(result, x.astype(np.int32) @ y.astype(np.int32))
    for features in (frozenset[str](), host_features()):
        text = emit_module(lowered(graph, host_target()).kernels(), features=features)
        assert ("vpdpbusd" in text) == ("avx512vnni" in features)


def test_words_are_chosen_by_the_target() -> None:
    graph = fused(ops.matmul, bf16(8, 64), bf16(64, 32))
    assert "bf16_dot(" in print_kernel(the_kernel(graph, PAIRS))
    assert "bf16_dot(" not in print_kernel(the_kernel(graph, WIDE))
    assert "words(x0[" in print_kernel(the_kernel(graph, PAIRS)), "the left operand in place"


@pytest.mark.parametrize("size", [(4, 8, 65), (20, 31, 33), (128, 64, 48)], ids=str)
def test_machine_code(size: tuple[int, int, int]) -> None:
    m, k, n = size
    x, y = narrow(m, k), narrow(k, n, seed=1)
    graph = build(ops.matmul, bf16(m, k), bf16(k, n))
    (result,) = compile_graph(graph, backend="llvm")([x, y])
    assert_close(result, ops.matmul, x, y)


def test_instructions_are_those_of_the_processor() -> None:
    """Without knowing that it has them, code is for any processor."""
    target = replace(host_target(), vector_bytes=64, dots=("bf16",))
    kernels = list(lowered(build(ops.matmul, bf16(8, 64), bf16(64, 32)), target).kernels())
    assert "dpbf16ps" not in emit_module(kernels)
    assert "dpbf16ps.512" in emit_module(kernels, features=frozenset(["avx512bf16"]))
    has = "avx512bf16" in host_features()
    program = lower_graph(build(ops.matmul, bf16(8, 64), bf16(64, 32)), "test", host_target())
    text = emit_module(program.kernels(), features=host_features())
    assert ("dpbf16ps" in text) == has == ("bf16" in host_target().dots)
