"""Every function of `irflow.numpy` against NumPy: at once, jitted, and with `IRFLOW_EAGER=jit`."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import tree

RNG = np.random.default_rng(0)
MODES = ["eager", "jit", "eager-jit"]


def made(shape, dtype, low=-4, high=5):
    """Random values of a dtype that every kind of number has."""
    if dtype == "bool":
        return RNG.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind == "f":
        return RNG.uniform(low, high, shape).astype(dtype)
    return RNG.integers(0 if np.dtype(dtype).kind == "u" else low, high, shape).astype(dtype)


def run(function, args, mode, monkeypatch):
    """The result of a function of arrays as nested NumPy arrays."""
    if mode == "eager-jit":
        monkeypatch.setenv("IRFLOW_EAGER", "jit")
    result = irf.jit(function)(*args) if mode == "jit" else function(*args)
    return tree.map_leaves(np.asarray, result)


def compare(ours, theirs, args, mode, monkeypatch):
    with np.errstate(all="ignore"):
        expected = theirs(*args)
    found = run(ours, args, mode, monkeypatch)
    expected = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    assert len(found) == len(expected)
    is_f64 = any(np.asarray(a).dtype in (np.float64, np.complex128) for a in args)
    for result, wanted in zip(found, expected, strict=True):
        wanted = np.asarray(wanted)
        assert result.shape == wanted.shape
        kinds = {"b": "b", "i": "iu", "u": "iu", "f": "f", "c": "c"}[wanted.dtype.kind]
        assert result.dtype.kind in kinds, (result.dtype, wanted.dtype)
        if wanted.dtype.kind in "fc":
            rtol = 1e-12 if is_f64 and result.dtype == wanted.dtype else 2e-5
            np.testing.assert_allclose(result, wanted, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(result, wanted)


# ---------------------------------------------------------------------------------- elementwise

UNARY_REAL = """
    exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh cbrt square negative absolute
    abs floor ceil trunc rint round sign isfinite isinf isnan reciprocal logical_not
"""
UNARY_POSITIVE = "log log2 log10 log1p sqrt arccosh"
UNARY_UNIT = "arcsin arccos arctanh"
BINARY = """
    add subtract multiply divide maximum minimum equal not_equal less less_equal greater
    greater_equal arctan2 hypot logaddexp copysign fmod remainder mod floor_divide
    logical_and logical_or logical_xor
"""
BITS = "bitwise_and bitwise_or bitwise_xor"
FLOATS = ["f4", "f8"]
FULL = pytest.mark.parametrize("mode", MODES)


@FULL
@pytest.mark.parametrize("name", (UNARY_REAL + UNARY_POSITIVE + " " + UNARY_UNIT).split())
def test_unary(name, mode, monkeypatch):
    low, high = (
        (1.1, 4)
        if name in UNARY_POSITIVE.split()
        else (-0.9, 0.9)
        if name in UNARY_UNIT.split()
        else (-3, 3)
    )
    for dtype in FLOATS:
        for shape in [(3, 4), (), (0, 2)]:
            x = made(shape, dtype, low, high)
            compare(getattr(inp, name), getattr(np, name), [x], mode, monkeypatch)


@FULL
@pytest.mark.parametrize("name", BINARY.split())
def test_binary(name, mode, monkeypatch):
    for dtype in FLOATS:
        for a, b in [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2,)), ((0, 2), (1, 2))]:
            args = [made(a, dtype), made(b, dtype)]
            compare(getattr(inp, name), getattr(np, name), args, mode, monkeypatch)


@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "i8", "u8", "bool"])
def test_exact_types(dtype, monkeypatch):
    x, y = made((3, 4), dtype), made((4,), dtype)
    for name in ["equal", "less", "maximum", "minimum", "logical_and", *BITS.split()]:
        compare(getattr(inp, name), getattr(np, name), [x, y], "eager", monkeypatch)
    for name in ["floor", "ceil", "trunc", "isnan", "isfinite", "invert"]:
        compare(getattr(inp, name), getattr(np, name), [x], "eager", monkeypatch)
    if dtype == "bool":
        return
    for name in ["add", "subtract", "multiply", "power", "floor_divide", "remainder", "divide"]:
        theirs = getattr(np, name)
        args = [x, np.abs(y)] if name == "power" else [x, np.where(y == 0, 1, y).astype(dtype)]
        compare(getattr(inp, name), theirs, args, "eager", monkeypatch)
    for name in ["negative", "absolute", "sign", "square"]:
        compare(getattr(inp, name), getattr(np, name), [x], "eager", monkeypatch)
    shifts = np.arange(4).astype(dtype)
    for name in ["left_shift", "right_shift"]:
        compare(getattr(inp, name), getattr(np, name), [x, shifts], "eager", monkeypatch)


def test_all_names_are_documented():
    for name in dir(inp):
        if not name.startswith("_") and callable(getattr(inp, name)):
            assert getattr(inp, name).__doc__, name


def test_wrong_numbers_of_operands():
    with pytest.raises(irf.errors.UsageError, match="add takes 2 operands, not 1"):
        inp.add(1)


@FULL
def test_powers_and_rounding(mode, monkeypatch):
    x = made((3, 4), "f8", 0.5, 3)
    y = made((4,), "f8")
    compare(inp.power, np.power, [x, y], mode, monkeypatch)
    compare(inp.float_power, np.float_power, [x, y], mode, monkeypatch)
    for decimals in (0, 2, -1):
        z = made((20,), "f8", -50, 50)
        ours = lambda z, d=decimals: inp.round(z, d)  # noqa: E731
        compare(ours, lambda z, d=decimals: np.round(z, d), [z], mode, monkeypatch)
    compare(
        lambda x: inp.clip(x, -1, 0.5), lambda x: np.clip(x, -1, 0.5), [y - 1], mode, monkeypatch
    )
    compare(lambda x: inp.clip(x, max=2), lambda x: np.clip(x, None, 2), [y], mode, monkeypatch)
    mask = x > 1
    compare(inp.where, np.where, [mask, x, y], mode, monkeypatch)


# ----------------------------------------------------------------------------- functions of arrays

A = made((2, 3, 4), "f4")
V = made((4,), "f4")
EMPTY = made((0, 3), "f4")


def both(name, *args, **kwargs):
    """The same call of NumPy's function and of ours, on a first argument."""
    shown = [str(np.shape(a)) if isinstance(a, np.ndarray) else str(a) for a in args]
    return pytest.param(name, args, kwargs, id="-".join([name, *shown, *map(str, kwargs)]))


REDUCTIONS = "sum prod max min mean var std any all"
EXTREMES = "argmax argmin"

CALLS = [
    *(both(name) for name in f"{REDUCTIONS} {EXTREMES}".split()),
    *(both(name, axis=1) for name in f"{REDUCTIONS} {EXTREMES}".split()),
    *(both(name, axis=-1, keepdims=True) for name in f"{REDUCTIONS} {EXTREMES}".split()),
    *(both(name, axis=(0, -1)) for name in REDUCTIONS.split()),
    *(both(name, axis=(0, 2), keepdims=True) for name in REDUCTIONS.split()),
    *(both(name, keepdims=True) for name in f"{EXTREMES} sum max count_nonzero".split()),
    both("var", axis=1, ddof=1), both("std", ddof=1), both("count_nonzero", axis=0),
    both("amax", axis=0), both("amin"), both("sum", axis=()), both("mean", axis=np.int64(1)),
    both("reshape", (4, 6)), both("reshape", -1), both("reshape", (3, -1, 2)), both("ravel"),
    both("transpose"), both("transpose", (2, 0, 1)), both("transpose", (-1, 0, 1)),
    both("permute_dims", (1, 2, 0)), both("matrix_transpose"), both("swapaxes", 0, -1),
    both("moveaxis", 0, -1), both("moveaxis", (0, 2), (1, 0)), both("moveaxis", -1, 0),
    both("expand_dims", 0), both("expand_dims", (0, -1)), both("expand_dims", -2),
    both("broadcast_to", (5, 2, 3, 4)), both("flip"), both("flip", 1), both("flip", (0, -1)),
    both("roll", 2), both("roll", -1, 1), both("roll", 7, -1), both("roll", (1, 2), (0, 2)),
    both("tile", 2), both("tile", (2, 1)), both("tile", (2, 1, 1, 2)), both("tile", (1, 2, 3)),
    both("repeat", 2), both("repeat", 3, 1), both("repeat", 0, 0), both("repeat", 2, axis=-1),
    both("pad", 1), both("pad", ((1, 2), (0, 0), (3, 0))), both("pad", (1, 2)),
    both("pad", ((1, 2),)), both("pad", 1, constant_values=7), both("pad", 1, "edge"),
    both("pad", ((1, 1), (2, 0), (0, 3)), "reflect"),
    both("pad", ((0, 0), (0, 1), (2, 0)), "edge"),
    both("split", 3, 1), both("split", [1, 3], -1), both("split", [2, 1, 9], 2), both("split", 2),
    both("take", [5, 0, -1]), both("take", [[1, 0], [-1, 2]], 1), both("take", 1, 2),
    both("take", [0, -2], axis=-1), both("tril"), both("tril", 1), both("triu", -1), both("triu"),
    both("full_like", 3), both("zeros_like"), both("ones_like"), both("astype", np.int32),
    both("shape"), both("ndim"), both("tensordot", A[0].T, 1), both("vecdot", V),
    both("tensordot", A, ([0, 2], [0, 2])), both("tensordot", A[0], ([1, 2], [0, 1])),
    both("dot", V), both("dot", A[0].T), both("dot", 2.0), both("inner", V), both("outer", V),
    both("matmul", V), both("matmul", A[0].T), both("matmul", A.transpose(0, 2, 1)),
    both("vdot", A),
    both("diff"), both("diff", 2, 1), both("diff", axis=0), both("diff", 5), both("diff", 0),
    both("diff", prepend=0), both("diff", axis=1, append=A[:, :2], prepend=A[:, :1]),
    both("repeat", [0, 2, 1], 1), both("repeat", np.arange(24)), both("repeat", np.array([2]), 0),
    both("unstack"), both("unstack", axis=-1), both("vecdot", A[0]), both("vecdot", A, axis=-2),
    both("var", axis=1, correction=1), both("std", correction=0.5), both("positive"),
    both("sum", axis=1, dtype="i4"), both("prod", dtype="f8"), both("nextafter", 2.0),
    both("meshgrid", V), both("squeeze"), both("concatenate", axis=0), both("stack", axis=1),
]  # fmt: skip


@FULL
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_functions(name, args, kwargs, mode, monkeypatch):
    x = V if name == "meshgrid" else A
    if name == "squeeze":
        x = A[:, :1, :, None]
    compare(
        lambda x: getattr(inp, name)(x, *args, **kwargs),
        lambda x: getattr(np, name)(x, *args, **kwargs),
        [x],
        mode,
        monkeypatch,
    )


@pytest.mark.parametrize("dtype", ["i4", "u1", "bool", "f2", "f8"])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin"]
)
def test_reductions_of_other_types(name, dtype, monkeypatch):
    x = made((3, 4), dtype)
    if dtype == "f2":
        x = (x / 4).astype("f2")
    wanted = getattr(np, name)(x.astype("f8") if dtype == "f2" else x, axis=1)
    found = np.asarray(getattr(inp, name)(x, axis=1))
    np.testing.assert_allclose(found, wanted, rtol=2e-3 if dtype == "f2" else 1e-6)
    if name in ("sum", "prod") and dtype in ("i4", "u1", "bool"):
        assert found.dtype == getattr(np, name)(x, axis=1).dtype, "counted in 64 bits"
    if dtype in ("f2", "f8") and name not in ("any", "all", "argmax", "argmin"):
        assert found.dtype == x.dtype


@pytest.mark.parametrize("name", ["sum", "prod", "any", "all"])
def test_reductions_of_nothing(name):
    for axis in (0, 1, None):
        expected = getattr(np, name)(EMPTY, axis=axis)
        np.testing.assert_array_equal(np.asarray(getattr(inp, name)(EMPTY, axis)), expected)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_no_extreme_of_nothing(name):
    with pytest.raises(irf.errors.ShapeError, match="no largest or smallest element"):
        getattr(inp, name)(EMPTY, 0)
    assert getattr(inp, name)(EMPTY, 1).shape == (0,)


def test_types_of_sums_and_differences():
    x = made((3, 4), "i1")
    assert inp.sum(x, dtype="i1").dtype is irf.i8
    np.testing.assert_array_equal(inp.prod(x, 0, dtype="i1"), np.prod(x, 0, dtype="i1"))
    assert inp.vecdot(x, x).dtype is inp.diff(x, append=1).dtype is irf.i8
    np.testing.assert_array_equal(inp.diff(x, append=1), np.diff(x, append=np.ones((3, 1), "i1")))
    mask = x > 0
    np.testing.assert_array_equal(inp.diff(mask), np.diff(mask))


def test_wrong_arguments():
    with pytest.raises(irf.errors.UsageError):
        inp.var(A, ddof=1, correction=1)
    with pytest.raises(irf.errors.ShapeError):
        inp.repeat(A, [1, 2], 1)
    with pytest.raises(irf.errors.ShapeError):
        inp.vecdot(A, np.ones(1, "f4"))


def test_nan_and_ties():
    x = np.array([[1.0, np.nan, 3.0], [2.0, 2.0, 1.0]])
    for name in ("max", "min", "argmax", "argmin"):
        np.testing.assert_array_equal(getattr(inp, name)(x, 1), getattr(np, name)(x, 1))


def test_the_mean_of_many_small_floats_does_not_stop_growing():
    x = np.ones(5000, np.float16)
    assert inp.mean(x).item() == inp.var(x).item() + 1 == 1.0


def test_joining():
    a, b = made((2, 3), "f4"), made((4, 3), "i4")
    np.testing.assert_allclose(inp.concatenate([a, b]), np.concatenate([a, b]), rtol=1e-6)
    np.testing.assert_allclose(inp.concat([a, b], None), np.concatenate([a, b], None), rtol=1e-6)
    assert inp.concatenate([a, b]).dtype is irf.f32
    np.testing.assert_array_equal(inp.stack([a, a * 2], -1), np.stack([a, a * 2], -1))
    np.testing.assert_array_equal(inp.concatenate([a, a[:0]]), a)
    for wrong in [(a, b[:, :2]), (a, a[0])]:
        with pytest.raises(irf.errors.ShapeError):
            inp.concatenate(wrong)
    with pytest.raises(irf.errors.ShapeError):
        inp.stack([a, b])
    with pytest.raises(irf.errors.UsageError):
        inp.concatenate([])
    with pytest.raises(irf.errors.UsageError):
        inp.stack([])


def test_broadcasting_together():
    x, y = inp.broadcast_arrays(made((3, 1), "f4"), made((4,), "i4"))
    assert x.shape == y.shape == (3, 4)
    with pytest.raises(irf.errors.ShapeError):
        inp.broadcast_to(np.ones(3), (4,))
    with pytest.raises(irf.errors.ShapeError):
        inp.squeeze(np.ones((2, 1)), 0)
    with pytest.raises(irf.errors.ShapeError):
        inp.split(np.ones(5), 2)


def test_take_along_axis():
    order = np.argsort(A, axis=1)
    np.testing.assert_array_equal(inp.take_along_axis(A, order, 1), np.take_along_axis(A, order, 1))
    top = order[:, -1:] - 3
    np.testing.assert_array_equal(inp.take_along_axis(A, top, 1), np.take_along_axis(A, top, 1))


# ---------------------------------------------------------------------------------------- creation


@pytest.mark.parametrize(
    "bounds", [(5,), (2, 7), (7, 2, -2), (0, 1, 0.25), (1.5,), (3, 3), (5, 2), (0, 10, 3), (-3, 3)]
)
def test_arange(bounds):
    expected = np.arange(*bounds)
    found = inp.arange(*bounds)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)
    assert found.dtype is (irf.i64 if expected.dtype.kind == "i" else irf.f32)
    assert inp.arange(*bounds, dtype="f64").tolist() == pytest.approx(expected.tolist())
    with pytest.raises(irf.errors.UsageError):
        inp.arange(0, 3, 0)


def test_other_tensors_from_nothing():
    for ours, theirs in [
        (inp.zeros((2, 3)), np.zeros((2, 3))),
        (inp.ones(3, "i32"), np.ones(3)),
        (inp.full((2, 1), 0.1, "f64"), np.full((2, 1), 0.1)),
        (inp.full(2, [1, 2]), np.full(2, [1, 2])),
        (inp.eye(3), np.eye(3)),
        (inp.eye(2, 4, 1, dtype="i32"), np.eye(2, 4, 1)),
        (inp.identity(2), np.eye(2)),
        (inp.linspace(0, 1, 5), np.linspace(0, 1, 5)),
        (inp.linspace(0, 1, 4, endpoint=False, dtype="f64"), np.linspace(0, 1, 4, False)),
        (inp.empty((0, 3)), np.empty((0, 3))),
        (inp.zeros_like([1, 2]), np.zeros(2)),
        (inp.full_like([1.0, 2.0], 7, "i8"), np.full(2, 7)),
        (inp.asarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (inp.array([True, False]), [True, False]),
    ]:
        np.testing.assert_array_equal(np.asarray(ours), theirs)
    assert inp.zeros(2).dtype is irf.f32
    assert inp.full(2, 1).dtype is irf.i64
    assert inp.zeros_like([1, 2]).dtype is irf.i64
    assert inp.full_like([1.0], 7, "i8").dtype is irf.i8


def test_meshgrid_of_three():
    vectors = [made((n,), "f4") for n in (2, 3, 4)]
    for indexing in ("xy", "ij"):
        found = inp.meshgrid(*vectors, indexing=indexing)
        for ours, theirs in zip(found, np.meshgrid(*vectors, indexing=indexing), strict=True):
            np.testing.assert_array_equal(np.asarray(ours), theirs)


def test_result_type():
    assert inp.result_type(inp.zeros(1, "i8"), 1.0) is irf.f32
    assert inp.result_type(irf.bf16, inp.zeros(1, "f16")) is irf.f32
    assert inp.result_type(inp.zeros(1, "bf16"), 1.0) is irf.bf16


def test_symbolic_sizes_in_shapes():
    @irf.jit(spec="f32[n, 2]")
    def f(x):
        n = x.shape[0]
        ramp = inp.arange(n)
        grid = inp.broadcast_to(inp.ones(n), (3, n))
        half = inp.concatenate([x, inp.zeros((n, 1))], 1)
        return ramp * n, grid.sum(1), half.mean(0), inp.tril(inp.ones((n, n))), inp.var(x)

    for n in (1, 3):
        x = made((n, 2), "f4")
        ramp, counts, means, triangle, variance = f(x)
        np.testing.assert_array_equal(ramp, np.arange(n) * n)
        np.testing.assert_array_equal(counts, [n] * 3)
        np.testing.assert_allclose(means, [*x.mean(0), 0], rtol=1e-5)
        np.testing.assert_array_equal(triangle, np.tril(np.ones((n, n))))
        np.testing.assert_allclose(variance, x.var(), rtol=1e-4)
