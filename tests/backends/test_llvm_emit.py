"""Kernels printed as LLVM IR: NumPy = interpreter = machine code."""

import ctypes
import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irflow import dims, dtypes, scalars
from irflow.dtypes import DType
from irflow.errors import LoweringError, UnsupportedError
from irflow.loops import (
    Apply,
    Buffer,
    Cast,
    Const,
    Expr,
    Kernel,
    Load,
    LoopKind,
    Ramp,
    Select,
    integer,
)
from irflow.loops.build import NestBuilder
from irflow.loops.evaluate import convert
from irflow.loops.interpret import fresh, interpret
from irflow.loops.unroll import unroll
from irflow.scalars import ROWS, Scalar
from irflow_llvm.backend import host_features
from irflow_llvm.emit import emit_kernel, emit_module
from irflow_llvm.engine import Engine
from irflow_llvm.llvm import assembly, object_code, optimized
from tests.irflow.loops import kernels
from tests.irflow.loops.kernels import Sample

REAL_TYPES = [d for d in dtypes.ALL if d.kind != "complex"]
FLOATS = [dtypes.f32, dtypes.f64]


def run(
    kernel: Kernel, inputs: Sequence[np.ndarray], level: int = 2, engine: Engine | None = None
) -> list[np.ndarray]:
    """Call a kernel of an engine, or of one of its own, through ctypes."""
    sizes = dims.solve(
        (b.name, b.shape, a.shape) for b, a in zip(kernel.inputs, inputs, strict=True)
    )
    outputs = [fresh(b, sizes) for b in kernel.outputs]
    engine = engine or engine_of([kernel], level)
    arguments = [ctypes.c_void_p(a.ctypes.data) for a in (*inputs, *outputs)]
    arguments += [ctypes.c_int64(sizes[v.name]) for v in kernel.sizes]
    ctypes.CFUNCTYPE(None)(engine.address(kernel.name))(*arguments)
    return outputs


def engine_of(kernels: Iterable[Kernel], level: int = 2) -> Engine:
    return Engine(emit_module(kernels, linkage=""), level)


@pytest.mark.parametrize("make", kernels.NATIVE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("level", [0, 2])
def test_kernels_by_hand(make: Callable[[], Sample], level: int) -> None:
    sample = make()
    # Unrolled as it is printed, or before.
    kernel = sample.kernel if level else unroll(sample.kernel)
    tolerance = 1e-5 if make in (kernels.matmul, kernels.vector_matmul) else 0.0
    results = run(kernel, sample.inputs, level)
    for actual, expected in zip(results, sample.outputs, strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_the_order_of_a_sum_is_that_of_the_loop() -> None:
    x, y = Buffer("x", dtypes.f32, (1000,)), Buffer("y", dtypes.f32, ())
    nest = NestBuilder()
    total = nest.alloc(dtypes.f32, ())
    nest.store(total, (), Const(0.0, dtypes.f32))
    with nest.loop("i", 1000, LoopKind.VECTOR) as i:
        product = Load(x, (i,)) * Load(x, (i,))
        nest.store(total, (), Load(total, ()) + product)
    nest.store(y, (), Load(total, ()))
    kernel = nest.kernel("dot", [x], [y])
    array = kernels.numbers(1000)
    (actual,) = run(kernel, [array])
    (expected,) = interpret(kernel, [array])
    assert actual == expected
    assert "fmuladd" not in optimized(emit_kernel(kernel, linkage=""))


# ------------------------------------------------------------------------------------------ scalars


def special_values(dtype: DType) -> list[float | int | bool]:
    if dtype is dtypes.bool_:
        return [False, True]
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        small = [0, 1, 2, 3, 7, 8, 16, 31, 32, 40, 64, 100, int(info.max), int(info.max) - 1]
        return small + [-1, -2, -7, int(info.min), int(info.min) + 1] * (dtype.kind == "int")
    finite = [0.0, 1e-30, 1e-3, 0.1, 0.49, 0.5, 1.0, 1.5, 2.5, 3.0, 7.7, 12.0, 88.0, 1e4, 1e30]
    return [*finite, *(-x for x in finite), np.inf, -np.inf, np.nan]


def operands(row: Scalar, dtype: DType) -> list[np.ndarray]:
    """All combinations of special values."""
    types = [dtypes.bool_ if row.selects and k == 0 else dtype for k in range(row.arity)]
    with np.errstate(all="ignore"):
        values = [np.array(special_values(t)).astype(t.numpy) for t in types]
    if row.name in ("left_shift", "right_shift", "power") and dtype.is_integer:
        values[1] = values[1][values[1] >= 0]
    return [np.ascontiguousarray(g.reshape(-1)) for g in np.meshgrid(*values)]


def ordinal(array: np.ndarray) -> np.ndarray:
    """Floats as integers in the same order, so that neighbours differ by 1."""
    bits = array.view({4: np.int32, 8: np.int64}[array.itemsize]).astype(object)
    lowest = -(2 ** (8 * array.itemsize - 1))
    return np.where(bits < 0, lowest - bits, bits)


def ulps(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest distance; NaN equals NaN, and the zeros equal each other."""
    both_nan = np.isnan(actual) & np.isnan(expected)
    distance = np.abs(ordinal(actual) - ordinal(expected))
    distance = np.where(both_nan, 0, distance)
    return float(distance.max(initial=0))


def accepted(dtype_list: Sequence[DType]) -> list[tuple[Scalar, DType]]:
    """Rows with the element types that they take, but for those that make complex numbers."""
    rows = [row for row in ROWS.values() if row.result != "complex"]
    return [(r, d) for r in rows for d in dtype_list if d.kind in scalars.KINDS[r.accepts]]


@functools.cache
def row_engine(dtype: DType) -> Engine:
    """All rows on one element type: one module is compiled sooner than one for each."""
    return engine_of(kernels.row_kernel(row, dtype, row.arity) for row, _ in accepted([dtype]))


@functools.cache
def cast_engine(source: DType) -> Engine:
    """The casts of one element type to all."""
    return engine_of(kernels.cast_kernel(source, target) for target in REAL_TYPES)


# In multiples of the epsilon: near their zeros, results are differences of larger numbers.
ABSOLUTE = {"lgamma": 8, "digamma": 16, "logaddexp": 4}


@pytest.mark.parametrize(("row", "dtype"), accepted(FLOATS), ids=str)
def test_rows_on_floats(row: Scalar, dtype: DType) -> None:
    inputs = operands(row, dtype)
    expected = np.asarray(row.numpy(*inputs))
    (actual,) = run(kernels.row_kernel(row, dtype, row.arity), inputs, engine=row_engine(dtype))
    if expected.dtype == np.bool_:
        np.testing.assert_array_equal(actual, expected)
        return
    if row.name in ABSOLUTE:
        tolerance = ABSOLUTE[row.name] * dtype.epsilon
        far = ~np.isclose(actual, expected, rtol=0, atol=tolerance, equal_nan=True)
        actual, expected = actual[far], expected[far]
    assert ulps(actual, expected) <= 4


@pytest.mark.parametrize(
    ("row", "dtype"),
    accepted([d for d in REAL_TYPES if d.is_integer or d is dtypes.bool_]),
    ids=str,
)
def test_rows_on_integers_and_bools(row: Scalar, dtype: DType) -> None:
    inputs = operands(row, dtype)
    # Vector shifts of x86 forgive what LLVM leaves undefined; scalar ones do not.
    level, engine = (0, None) if "shift" in row.name else (2, row_engine(dtype))
    (actual,) = run(kernels.row_kernel(row, dtype, row.arity), inputs, level, engine)
    np.testing.assert_array_equal(actual, row.numpy(*inputs))


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_series_are_accurate_everywhere(name: str, dtype: DType) -> None:
    random = np.random.default_rng(1)
    spread = np.exp(random.uniform(-80, 4, 50_000)) * random.choice([-1, 1], 50_000)
    x = np.concatenate([spread, random.uniform(-88, 88, 50_000)]).astype(dtype.numpy)
    (actual,) = run(kernels.row_kernel(ROWS[name], dtype, 1), [x])
    assert ulps(actual, ROWS[name].numpy(x)) <= 4


# The largest errors in units in the last place, of f32 and rounded up.
MOST_ULPS = {
    "exp": 1.0, "exp2": 1.0, "expm1": 1.5, "log": 1.0, "log2": 1.2, "log10": 1.0, "log1p": 1.5,
    "sin": 2.0, "cos": 2.0, "tan": 1.5, "arctan": 2.0, "arcsin": 2.0, "arccos": 1.5, "sinh": 2.0,
    "cosh": 1.5, "tanh": 2.0, "arcsinh": 2.0, "arccosh": 2.0, "arctanh": 2.0, "cbrt": 1.0,
    "sigmoid": 1.5, "softplus": 2.0, "erf": 1.0, "erfc": 2.0, "normal_cdf": 2.0, "normal_pdf": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("name", MOST_ULPS)
def test_f32_is_accurate_for_all_exponents(name: str) -> None:
    row, step = ROWS[name], 40_009
    every = np.arange(0, 2**32, step, np.uint32).view(np.float32)
    x = np.concatenate([every, np.linspace(-12, 12, 50_000, dtype=np.float32)])
    (actual,) = run(kernels.row_kernel(row, dtypes.f32, 1), [x], engine=row_engine(dtypes.f32))
    with np.errstate(all="ignore"):
        exact = np.asarray(row.numpy(x.astype(np.float64)))
        expected = exact.astype(np.float32)
        error = np.abs(actual.astype(np.float64) - exact) / np.spacing(np.abs(expected))
    is_finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~is_finite], expected[~is_finite])
    assert error[is_finite].max() <= MOST_ULPS[name]


VECTORS = ["exp", "expm1", "log", "log1p", "power", "floor_divide", "where", "normal_cdf", "gelu"]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    "name", [*VECTORS, "sin", "tan", "arctan", "fmod", "tanh", "log10", "cosh", "arccos", "sigmoid"]
)
def test_vectors_give_the_bits_that_scalars_give(name: str, dtype: DType) -> None:
    row = ROWS[name]
    types = [dtypes.bool_ if row.selects and k == 0 else dtype for k in range(row.arity)]
    inputs = [Buffer(f"x{k}", t, (4,)) for k, t in enumerate(types)]
    y = Buffer("y", dtype, (4,))
    nest = NestBuilder()
    lanes = Ramp(integer(0), 1, 4)
    nest.store(y, (lanes,), Apply(row, tuple(Load(b, (lanes,)) for b in inputs)))
    kernel = nest.kernel("vectors", inputs, [y])
    # The last lane is beyond what some functions compute themselves.
    arrays = [np.array([0.7, 0, 2.5, 1e10]).astype(t.numpy) for t in types]
    (expected,) = run(kernels.row_kernel(row, dtype, row.arity), arrays)
    np.testing.assert_array_equal(run(kernel, arrays)[0], expected)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["exp", "exp2"])
def test_scaling_by_one_instruction_gives_the_same_bits(name: str, dtype: DType) -> None:
    row, lanes = ROWS[name], 64 // dtype.itemsize
    x, y = (Buffer(label, dtype, (lanes,)) for label in "xy")
    nest = NestBuilder()
    place = Ramp(integer(0), 1, lanes)
    nest.store(y, (place,), Apply(row, (Load(x, (place,)),)))
    kernel = nest.kernel("vector", [x], [y])
    text = emit_module([kernel], linkage="", features=host_features())
    assert ("scalef" in text) == ("avx512f" in host_features())
    assert "scalef" not in emit_module([kernel])
    # Denormal results and overflow at the ends.
    widest = 150 if dtype is dtypes.f32 else 1080
    values = np.linspace(-widest, widest, 64 * lanes).astype(dtype.numpy)
    values[:4] = [np.nan, np.inf, -np.inf, -0.0]
    scalar, vector = engine_of([kernels.row_kernel(row, dtype, 1)]), Engine(text)
    (expected,) = run(kernels.row_kernel(row, dtype, 1), [values], engine=scalar)
    for part, wanted in zip(values.reshape(64, lanes), expected.reshape(64, lanes), strict=True):
        np.testing.assert_array_equal(run(kernel, [part], engine=vector)[0], wanted)


@pytest.mark.parametrize("dtype", [dtypes.f16, dtypes.bf16], ids=str)
@pytest.mark.parametrize(
    "name", ["add", "multiply", "divide", "maximum", "floor", "sqrt", "less", "where", "tanh"]
)
def test_rows_on_16_bit_floats(name: str, dtype: DType) -> None:
    row = ROWS[name]
    inputs = operands(row, dtype)
    (actual,) = run(kernels.row_kernel(row, dtype, row.arity), inputs)
    expected = np.asarray(row.numpy(*inputs)).astype(np.float64)
    tolerance = dtype.epsilon if name == "tanh" else 0.0
    np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=tolerance)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("source", REAL_TYPES, ids=str)
@pytest.mark.parametrize("target", REAL_TYPES, ids=str)
def test_casts(source: DType, target: DType) -> None:
    values = special_values(source)
    if source.is_float:
        values += [1e9, -1e9, 255.7, 65504.0, 65519.0, 65520.0, 2.0**63, -(2.0**63), 1e-7, 6e-8]
        values += [1 + 2**-11 + 2**-40, 1 + 2**-8 - 2**-30, 2.0**31 - 0.5]
    with np.errstate(all="ignore"):
        array = np.array(values).astype(source.numpy)
    (actual,) = run(kernels.cast_kernel(source, target), [array], engine=cast_engine(source))
    expected = convert(array, target)
    if target.is_float:
        actual, expected = actual.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_division_by_a_literal(name: str) -> None:
    array = np.array([-8, -7, -1, 0, 1, 7, 8, np.iinfo(np.int64).min])
    for divisor in (1, 4, 7, -3, 0, -1):
        kernel = kernels.expression_kernel(
            lambda x, divisor=divisor: ROWS[name](x, divisor), dtypes.i64
        )
        (actual,) = run(kernel, [array])
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(actual, ROWS[name].numpy(array, np.int64(divisor)))


# ---------------------------------------------------------------------------------- random programs

EXACT = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "floor", "negative", "sqrt"]
WRAPPING = ["add", "subtract", "multiply", "floor_divide", "remainder", "minimum", "bitwise_xor"]


@st.composite
def expressions(draw: st.DrawFn, variables: Sequence[Expr], depth: int) -> Expr:
    """An expression of the type of the first variable, made of rows exact on every machine."""
    like = variables[0].dtype
    if depth == 0 or draw(st.booleans()):
        number = draw(st.integers(-3, 3))
        literal = Const(float(number) if like.is_float else number, like)
        return draw(st.sampled_from([*variables, literal]))
    parts = expressions(variables, depth - 1)
    if draw(st.integers(0, 4)) == 0:
        return Select(draw(parts) < draw(parts), draw(parts), draw(parts))
    if draw(st.integers(0, 4)) == 0:
        through = dtypes.i16 if like.is_float else dtypes.f64
        return Cast(like, Cast(through, draw(parts)))
    row = ROWS[draw(st.sampled_from(EXACT if like.is_float else WRAPPING))]
    return row(*(draw(parts) for _ in range(row.arity)))


@given(st.data(), st.sampled_from([dtypes.f32, dtypes.f64, dtypes.i32, dtypes.i64]))
def test_random_expressions(data: st.DataObject, dtype: DType) -> None:
    kernel = kernels.expression_kernel(lambda x, y: data.draw(expressions([x, y], 4)), dtype, dtype)
    values = [0, 1, -1, 2, 5, -9, 100, 12345]
    x, y = (np.ascontiguousarray(g.reshape(-1)) for g in np.meshgrid(*[np.array(values)] * 2))
    inputs = [x.astype(dtype.numpy), y.astype(dtype.numpy)]
    (actual,) = run(kernel, inputs)
    (expected,) = interpret(kernel, inputs)
    np.testing.assert_array_equal(actual, expected)


# ------------------------------------------------------------------------------------ the interface


def test_text_is_deterministic() -> None:
    made = [make().kernel for make in kernels.NATIVE]
    again = [make().kernel for make in kernels.NATIVE]
    assert emit_module(map(unroll, made)) == emit_module(map(unroll, again))


def test_extra_text_may_call_kernels_and_declare_what_they_need() -> None:
    kernel = kernels.row_kernel(ROWS["exp"], dtypes.f32, 1, size=3)
    extra = """
declare float @expf(float)
define void @entry(ptr %x, ptr %y) {
  call void @row_exp(ptr %x, ptr %y)
  ret void
}
"""
    engine = Engine(emit_module([kernel], extra))
    x, y = np.array([0, 1, 2], np.float32), np.zeros(3, np.float32)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y)]
    ctypes.CFUNCTYPE(None)(engine.address("entry"))(*pointers)
    np.testing.assert_allclose(y, np.exp(x), rtol=1e-6)
    with pytest.raises(LoweringError, match="no compiled function 'other'"):
        engine.address("other")


def test_listings() -> None:
    text = emit_kernel(kernels.transpose().kernel, linkage="")
    assert "transpose" in assembly(text)
    assert object_code(text)[:4] == b"\x7fELF"
    assert "vector.body" in optimized(text)


def test_what_llvm_rejects_is_shown_with_its_line() -> None:
    with pytest.raises(LoweringError) as caught:
        Engine("define void @f() {\n  ret i32 %missing\n}\n")
    assert "LLVM rejects the code of a kernel" in str(caught.value)
    assert "ret i32 %missing" in str(caught.value)


def test_threads_and_complex_numbers_are_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="no barriers between threads"):
        emit_kernel(kernels.block_sum().kernel)
    with pytest.raises(UnsupportedError, match="has no complex64"):
        emit_kernel(kernels.row_kernel(ROWS["exp"], dtypes.complex64, 1))


def test_a_prefetch_may_lie_outside() -> None:
    x, y = Buffer("x", dtypes.f32, (4,)), Buffer("y", dtypes.f32, (4,))
    nest = NestBuilder()
    with nest.loop("i", 4) as i:
        nest.let(Load(x, (i + 100,), hint="prefetch"))
        nest.store(y, (i,), Load(x, (i,), hint="stream"), hint="stream")
    kernel = nest.kernel("copy", [x], [y])
    text = emit_kernel(kernel)
    assert "@llvm.prefetch.p0(ptr %t" in text
    assert text.count("!nontemporal") == 2
    array = kernels.numbers(4)
    np.testing.assert_array_equal(run(kernel, [array])[0], array)
    np.testing.assert_array_equal(interpret(kernel, [array])[0], array)


@pytest.mark.parametrize("offset", [0, 4])
def test_stores_past_the_caches_wherever_the_output_lies(offset: int) -> None:
    x, y = Buffer("x", dtypes.f32, (64,)), Buffer("y", dtypes.f32, (64,))
    nest = NestBuilder()
    with nest.loop("i", 4) as i:
        place = (Ramp(i * 16, 1, 16),)
        nest.store(y, place, Load(x, place) * Load(x, place), hint="stream")
    text = emit_kernel(nest.kernel("squares", [x], [y]), linkage="")
    assert text.count("!nontemporal") == text.count("fence seq_cst") == 1
    numbers = kernels.numbers(64)
    memory = np.full(64 + 32, np.nan, np.float32)
    start = -memory.ctypes.data % 64 // 4 + offset
    result = memory[start : start + 64]
    engine = Engine(text)
    arguments = (ctypes.c_void_p(a.ctypes.data) for a in (numbers, result))
    ctypes.CFUNCTYPE(None)(engine.address("squares"))(*arguments)
    np.testing.assert_array_equal(result, numbers * numbers)
    assert np.isnan(memory[:start]).all()
    assert np.isnan(memory[start + 64 :]).all()


def test_columns_of_one_element_are_read_in_vectors() -> None:
    """Axes of size 1 behind the lanes change no address."""
    x, y = Buffer("x", dtypes.f32, (8, 1, 1)), Buffer("y", dtypes.f32, (8, 1))
    nest, lanes, zero = NestBuilder(), Ramp(integer(0), 1, 8), integer(0)
    nest.store(y, (lanes, zero), Load(x, (lanes, zero, zero)))
    kernel = nest.kernel("column", [x], [y])
    text = emit_module([kernel])
    assert "load <8 x float>" in text
    assert "store <8 x float>" in text
    values = np.arange(8, dtype=np.float32).reshape(8, 1, 1)
    np.testing.assert_array_equal(run(kernel, [values])[0], values[:, 0])


def test_a_register_buffer_must_fit() -> None:
    y = Buffer("y", dtypes.f32, (1,))
    nest = NestBuilder()
    big = nest.alloc(dtypes.f32, (2**20,))
    nest.store(y, (integer(0),), Load(big, (integer(0),)))
    with pytest.raises(UnsupportedError, match="too large"):
        emit_kernel(nest.kernel("big", [], [y]))


def test_casts_of_vectors() -> None:
    types = [*FLOATS, dtypes.f16, dtypes.bf16, dtypes.bool_, dtypes.i8, dtypes.i64, dtypes.u32]
    inputs = [Buffer(f"x_{d}", d, (4,)) for d in types]
    pairs = [(x, Buffer(f"y_{x.dtype}_{d}", d, (4,))) for x in inputs for d in types]
    nest = NestBuilder()
    lanes = Ramp(integer(0), 1, 4)
    for x, y in pairs:
        nest.store(y, (lanes,), Cast(y.dtype, Load(x, (lanes,))))
    kernel = nest.kernel("casts", inputs, [y for _, y in pairs])
    arrays = [convert(np.array([1.75, -3.0, 0.0, 300.1]), d) for d in types]
    by_name = dict(zip(inputs, arrays, strict=True))
    for (x, y), actual in zip(pairs, run(kernel, arrays), strict=True):
        np.testing.assert_array_equal(actual, convert(by_name[x], y.dtype))
