"""What the array API standard wants beyond NumPy's functions: types, devices, namespace."""

import inspect

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dtypes
from irflow.errors import (
    ConcretizationError,
    DTypeError,
    GradientError,
    ShapeError,
    UnsupportedError,
    UsageError,
)

FLOATS = ["float16", "float32", "float64"]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("name", INTEGERS)
def test_iinfo(name):
    ours, theirs = inp.iinfo(getattr(inp, name)), np.iinfo(name)
    assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    assert inp.iinfo(inp.zeros(2, name)) == ours
    with pytest.raises(DTypeError):
        inp.finfo(name)


@pytest.mark.parametrize("name", FLOATS)
def test_finfo(name):
    ours, theirs = inp.finfo(getattr(inp, name)), np.finfo(name)
    for field in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours.dtype is dtypes.as_dtype(name)
    with pytest.raises(DTypeError):
        inp.iinfo(name)


def test_finfo_of_other_floats():
    assert inp.finfo("bf16").eps == 2.0**-7
    assert inp.finfo(inp.complex128).dtype is irf.f64


KIND_NAMES = [
    *("bool", "signed integer", "unsigned integer", "integral"),
    *("real floating", "complex floating", "numeric"),
]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_isdtype(kind):
    for dtype in dtypes.ALL:
        if dtype is not irf.bf16:  # NumPy does not count it
            assert inp.isdtype(dtype, kind) == np.isdtype(dtype.numpy, kind), dtype


def test_isdtype_of_types_and_tuples():
    assert inp.isdtype("f32", inp.float32)
    assert not inp.isdtype("f32", "f64")
    assert inp.isdtype("i8", ("bool", "integral"))
    with pytest.raises((DTypeError, LookupError), match="signed integer"):
        inp.isdtype("i8", "sigend integer")


def test_can_cast_is_the_lattice():
    for a in dtypes.ALL:
        for b in dtypes.ALL:
            assert inp.can_cast(a, b) == (inp.result_type(a, b) is b)
    assert inp.can_cast(inp.zeros(1, "i8"), "i16")
    assert not inp.can_cast("f64", "f32")


def test_result_type():
    assert inp.result_type("i8", inp.zeros(1, "u8"), 3) is irf.i16
    assert inp.result_type("f32", 1.5, True) is irf.f32
    assert inp.result_type(inp.zeros(1, "i8"), 1.5) is irf.f32
    with pytest.raises(DTypeError):
        inp.result_type()


def test_namespace():
    x = inp.zeros(1)
    assert x.__array_namespace__() is inp
    assert x.__array_namespace__(api_version="2024.12") is inp
    with pytest.raises(UnsupportedError):
        x.__array_namespace__(api_version="1999.12")
    info = inp.__array_namespace_info__()
    assert info.default_dtypes()["integral"] is inp.asarray(1).dtype
    assert info.default_dtypes()["real floating"] is inp.asarray(1.0).dtype
    assert info.default_dtypes()["indexing"] is inp.argmax(x).dtype
    assert list(info.dtypes(kind="unsigned integer")) == ["uint8", "uint16", "uint32", "uint64"]
    for name, dtype in info.dtypes().items():
        assert getattr(inp, name) is dtype
    assert info.devices() == [info.default_device()] == ["cpu"]
    assert info.capabilities()["boolean indexing"]


def test_devices():
    x = inp.zeros(2, device="cpu")
    assert x.device == "cpu"
    assert x.to_device("cpu").tolist() == [0, 0]
    for make in (
        lambda: inp.ones(2, device="gpu"),
        lambda: inp.arange(2, device="gpu"),
        lambda: inp.full_like(x, 1, device="gpu"),
        lambda: inp.asarray(1, device="gpu"),
        lambda: x.to_device("gpu"),
        lambda: x.to_device("cpu", stream=1),
    ):
        with pytest.raises(UnsupportedError):
            make()


def test_copies():
    x = inp.asarray([1, 2])
    assert inp.asarray(x) is x
    assert inp.asarray(x, copy=False) is x
    assert inp.asarray(x, copy=True) is not x
    assert inp.astype(x, "i64", copy=False) is x
    assert inp.astype(x, "i64") is not x
    for value in ([1], 3):
        with pytest.raises(UsageError):
            inp.asarray(value, copy=False)
    with pytest.raises(UsageError):
        inp.asarray(x, "f32", copy=False)


def test_signatures():
    assert list(inspect.signature(inp.add).parameters) == ["x1", "x2"]
    assert list(inspect.signature(inp.exp).parameters) == ["x"]


def test_arange_at_the_limits_of_types():
    for dtype, low, high, step in [("i8", -128, 128, 51), ("u64", 2**64 - 7, 2**64, 3)]:
        found = inp.arange(low, high, step, dtype=dtype).tolist()
        assert found == list(range(low, high, step))
    assert inp.arange(100, -129, -60, dtype="i8").tolist() == list(range(100, -129, -60))


# --------------------------------------------------------------------- shapes that depend on values

X = np.array([[3, 0, 1], [0, 3, 3]])


@pytest.mark.parametrize("name", ["nonzero", "flatnonzero", "argwhere"])
def test_positions(name):
    ours, theirs = getattr(inp, name)(X), getattr(np, name)(X)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("name", ["unique_values", "unique_counts", "unique_inverse", "unique_all"])
def test_unique(name):
    ours, theirs = getattr(inp, name)(X), getattr(np, name)(X)
    if name == "unique_values":
        np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))
        return
    assert ours._fields == theirs._fields
    for found, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.asarray(found), wanted)


@pytest.mark.parametrize(
    "function",
    [inp.nonzero, inp.argwhere, inp.unique_all, inp.unique_values, lambda x: inp.repeat(x, x)],
)
def test_traced_values_have_no_such_shapes(function):
    with pytest.raises(ConcretizationError):
        irf.jit(function)(np.array([1, 2]))


def test_nonzero_of_a_scalar():
    with pytest.raises(ShapeError):
        inp.nonzero(3)


def test_isin_also_traced():
    for run in (inp.isin, irf.jit(inp.isin)):
        np.testing.assert_array_equal(np.asarray(run(X, [3, 7])), np.isin(X, [3, 7]))


# --------------------------------------------------------------------------------- complex numbers


def test_parts_of_complex_numbers():
    z = np.array([1 + 2j, 3 - 1j], np.complex64)
    for name in ("real", "imag", "conj"):
        found = np.asarray(getattr(inp, name)(z))
        np.testing.assert_array_equal(found, getattr(np, name)(z))
        np.testing.assert_array_equal(np.asarray(getattr(inp, name)(X)), getattr(np, name)(X))
        np.testing.assert_array_equal(irf.jit(getattr(inp, name))(z), getattr(np, name)(z))
    assert complex(inp.vecdot(z, z[::-1])) == np.vecdot(z, z[::-1])


def test_no_derivative_passes_through_complex_numbers():
    def loss(x):
        return inp.sum(inp.abs(inp.fft.rfft(x)))

    with pytest.raises(GradientError, match="no derivatives through complex numbers"):
        irf.grad(loss)(np.ones(4))
    with pytest.raises(GradientError, match="fourier: there are no derivatives through complex"):
        irf.jvp(loss, (np.ones(4),), (np.ones(4),))
    stopped = irf.grad(lambda x: inp.sum(x * irf.stop_gradient(inp.abs(inp.fft.fft(x)))))
    np.testing.assert_allclose(stopped(np.ones(4)), [4, 0, 0, 0], atol=1e-12)
