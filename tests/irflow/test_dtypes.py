"""Element types: names, NumPy's types, and the promotion lattice."""

import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest

from irflow import dtypes
from irflow.dtypes import ALL, as_dtype, bf16, bool_, f16, f32, f64, i8, i32, i64, u8, u32, u64
from irflow.errors import DTypeError, UnknownNameError

WEAK = {"bool": bool_, "int": i64, "float": f32, "complex": dtypes.complex64}


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_names_and_numpy_types(dtype):
    assert dtypes.parse(str(dtype)) is dtype
    assert dtypes.from_numpy(dtype.numpy) is dtype
    assert as_dtype(dtype.numpy) is as_dtype(dtype.name) is as_dtype(dtype) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert dtype.itemsize * 8 == dtype.bits
    assert dtypes.is_name(dtype.name)


def test_from_what_users_write():
    assert as_dtype(float) is f32
    assert as_dtype(int) is i64
    assert as_dtype(bool) is bool_
    assert as_dtype("bfloat16") is bf16
    assert as_dtype("float64") is as_dtype(np.float64) is as_dtype("double") is f64
    assert as_dtype(ml_dtypes.bfloat16) is bf16
    assert as_dtype(">f4") is f32, "the other byte order"


def test_unknown_types():
    with pytest.raises(UnknownNameError) as caught:
        dtypes.parse("f23")
    assert "did you mean 'f32'" in str(caught.value)
    with pytest.raises(UnknownNameError):
        as_dtype("fload32")
    with pytest.raises(DTypeError) as caught:
        dtypes.from_numpy(np.dtype(object))
    assert caught.value.summary == "arrays of dtype object have no place in a graph"


def test_epsilon():
    assert f32.epsilon == np.finfo(np.float32).eps
    assert bf16.epsilon == 2.0**-7
    assert i32.epsilon == 0.0


PAIRS = [
    (i8, u8, "i16"),
    (u32, i32, "i64"),
    (u64, i8, "f32"),
    (i64, bf16, "bf16"),
    (f16, bf16, "f32"),
    (f32, i64, "f32"),
    (f64, dtypes.complex64, "complex128"),
    (bool_, bool_, "bool"),
    (bool_, u8, "u8"),
]


@pytest.mark.parametrize(("a", "b", "result"), PAIRS)
def test_promotion_of_strong_types(a, b, result):
    assert dtypes.promote_types([a, b]).name == dtypes.promote_types([b, a]).name == result


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("kind", ["int", "float", "complex"])
def test_a_python_number_keeps_the_other_type_of_its_kind(dtype, kind):
    order = ["bool", "int", "uint", "float", "complex"]
    found, weak = dtypes.promote((dtype, False), (WEAK[kind], True))
    if order.index(dtype.kind) >= order.index(kind):
        assert found is dtype
    elif kind == "complex":
        assert found.kind == "complex"
    else:
        assert found is WEAK[kind]
    assert not weak


def test_weak_types_stay_weak_among_themselves():
    assert dtypes.promote((i64, True), (f32, True)) == (f32, True)
    assert dtypes.promote((i64, True)) == (i64, True)
    assert dtypes.promote((bool_, False), (i64, True)) == (i64, False)


def test_the_lattice_is_one():
    """Every pair has a common type; taking it is symmetric and associative."""
    for a, b in itertools.product(ALL, repeat=2):
        assert dtypes.promote_types([a, b]) is dtypes.promote_types([b, a])
    for a, b, c in itertools.product(ALL, repeat=3):
        left = dtypes.promote_types([dtypes.promote_types([a, b]), c])
        assert left.kind in ("bool", "int", "uint", "float", "complex")
        if "u64" not in (a.name, b.name, c.name):  # u64 with a signed type is a weak float
            assert left is dtypes.promote_types([a, dtypes.promote_types([b, c])])


def test_types_to_compute_in():
    assert dtypes.to_inexact(i32) is f32
    assert dtypes.to_inexact(f16) is f16
    assert dtypes.compute_dtype(bf16) is dtypes.compute_dtype(f16) is f32
    assert dtypes.compute_dtype(f64) is f64
