"""Arrays to and from other libraries: DLPack, `__array__`, tables and columns, what is refused."""

import array as standard_array
import ctypes
import datetime
import sys

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dtypes
from irflow.errors import DTypeError, ExportError, ShapeError, UnsupportedError, UsageError
from irflow.frontend import as_tensor
from irflow.frontend.arrow import from_capsules


def address(array):
    return np.asarray(array).__array_interface__["data"][0]


def address_of(tensor):
    return tensor.data.__array_interface__["data"][0]


# ------------------------------------------------------------------------------------------- DLPack


class Bare:
    """An array of another library, which has nothing but DLPack, in the old or the new form."""

    def __init__(self, array, *, device=(1, 0), is_old=False):
        self.array, self.device, self.is_old = array, device, is_old

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        if self.is_old and set(options) - {"stream"}:
            raise TypeError("unexpected keyword argument 'max_version'")
        return self.array.__dlpack__(**options)


NAMES = [dtype.name for dtype in dtypes.ALL if dtype is not dtypes.bf16]


@pytest.mark.parametrize("name", NAMES)
def test_dlpack_both_ways_shares_memory(name):
    x = np.array([[0, 1], [1, 0]], irf.dtypes.as_dtype(name).numpy)
    for source in (x, Bare(x), Bare(x, is_old=True)):
        tensor = irf.from_dlpack(source)
        assert (tensor.dtype.name, tensor.tolist()) == (name, x.tolist())
        assert address_of(tensor) == address(x)
    view = np.from_dlpack(tensor)
    assert (view.dtype, view.tolist()) == (x.dtype, x.tolist())
    assert address(view) == address(x)
    assert not view.flags.writeable


def test_dlpack_of_variables():
    variable = irf.Variable([1.0, 2.0])
    assert address(np.from_dlpack(variable)) == address_of(variable.value)


def test_dlpack_keeps_strides():
    x = np.arange(12.0).reshape(3, 4)[::2, 1:3].T
    tensor = irf.from_dlpack(x)
    assert tensor.tolist() == x.tolist()
    assert address_of(tensor) == address(x)
    assert address(np.from_dlpack(tensor)) == address(x)


def test_dlpack_without_elements_and_axes():
    for shape in [(), (0,), (2, 0)]:
        assert irf.from_dlpack(np.zeros(shape)).shape == shape
        assert np.from_dlpack(inp.zeros(shape)).shape == shape


def test_dlpack_of_bf16():
    bits = np.array([0x3F80, 0xC000], np.uint16)  # 1, -2
    tensor = irf.asarray(bits.view(ml_dtypes.bfloat16))
    with pytest.raises(Exception, match="[Uu]nsupported|not supported"):
        np.from_dlpack(tensor)  # NumPy says itself that it has no such type
    for is_old in (False, True):
        back = irf.from_dlpack(Bare(tensor, is_old=is_old))
        assert (back.dtype, back.tolist()) == (irf.bf16, [1.0, -2.0])
        assert (address_of(back) == address_of(tensor)) is not is_old
    assert tensor.tolist() == [1.0, -2.0]


def test_dlpack_copies():
    x = np.arange(3.0)
    copies = [irf.from_dlpack(s, copy=True) for s in (x, Bare(x), Bare(x, is_old=True))]
    shared = irf.from_dlpack(x, copy=False)
    x[0] = 7
    assert [copied.tolist() for copied in copies] == [[0, 1, 2]] * 3
    assert shared.tolist() == [7, 1, 2]
    assert shared.data.flags.writeable
    assert not np.from_dlpack(shared).flags.writeable
    view = np.from_dlpack(shared, copy=True)
    assert view.flags.writeable
    assert address(view) != address(x)
    view[1] = 5
    assert shared.tolist() == [7, 1, 2]


def test_dlpack_lives_longer_than_its_source():
    tensor = irf.from_dlpack(np.arange(1000.0) + 1)
    view = np.from_dlpack(irf.asarray(np.arange(1000.0)))
    np.zeros(1000)
    assert tensor.tolist() == list(range(1, 1001))
    assert view.tolist() == list(range(1000))


def test_dlpack_of_read_only_memory():
    x = np.arange(3.0)
    x.flags.writeable = False
    assert address_of(irf.from_dlpack(x)) == address(x)


def test_an_old_consumer_gets_a_copy():
    tensor = irf.asarray(np.arange(3.0))
    for options in ({}, {"max_version": (0, 8)}):
        capsule = tensor.__dlpack__(**options)
        assert '"dltensor"' in repr(capsule)
        with pytest.raises(ExportError, match="read-only"):
            tensor.__dlpack__(copy=False, **options)
    assert '"dltensor_versioned"' in repr(tensor.__dlpack__(max_version=(1, 0)))


def test_dlpack_devices_and_streams():
    tensor = irf.asarray(np.arange(3.0))
    assert tensor.__dlpack_device__() == (1, 0)
    assert tensor.__dlpack__(dl_device=(1, 0), max_version=(1, 0)) is not None
    with pytest.raises(UnsupportedError, match="no streams"):
        tensor.__dlpack__(stream=1)
    with pytest.raises(BufferError, match=r"\(2, 0\), cuda"):
        tensor.__dlpack__(dl_device=(2, 0))
    with pytest.raises(UnsupportedError, match=r"\(2, 1\), cuda"):
        irf.from_dlpack(Bare(np.zeros(2), device=(2, 1)))
    with pytest.raises(UnsupportedError, match="device 'gpu'"):
        irf.from_dlpack(np.zeros(2), device="gpu")


def test_dlpack_needs_a_value():
    with pytest.raises(irf.errors.ConcretizationError, match="__dlpack__"):
        irf.jit(lambda x: np.from_dlpack(x))(np.ones(2))


def test_torch():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.int64, torch.bool, torch.bfloat16):
        theirs = torch.ones((2, 3)).to(dtype)
        ours = irf.from_dlpack(theirs)
        assert (ours.shape, ours.tolist()) == ((2, 3), theirs.tolist())
        assert address_of(ours) == theirs.data_ptr()
        back = torch.from_dlpack(ours)
        assert (back.dtype, back.tolist()) == (dtype, theirs.tolist())
        assert as_tensor(theirs).dtype is ours.dtype
        assert address_of(as_tensor(theirs)) == theirs.data_ptr()
    with pytest.raises(RuntimeError, match="requires grad"):
        as_tensor(torch.ones(2, requires_grad=True))
    assert irf.jit(lambda t: t + 1)(torch.ones(2)).tolist() == [2, 2]


# ---------------------------------------------------------------------------------------- __array__


def test_array_shares_or_copies_as_numpy_asks():
    tensor = irf.asarray(np.arange(3.0))
    for view in (np.asarray(tensor), np.asarray(tensor, copy=False), np.array(tensor, copy=None)):
        assert address(view) == address_of(tensor)
        assert not view.flags.writeable
    assert address(np.asarray(tensor, np.float64, copy=False)) == address_of(tensor)
    copied = np.array(tensor, copy=True)
    assert address(copied) != address_of(tensor)
    assert copied.flags.writeable
    assert np.asarray(tensor, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy=False, but the elements have to be converted"):
        np.asarray(tensor, np.float32, copy=False)


def test_without_a_copy_where_there_is_an_array():
    x = np.arange(3.0)
    for source in (x, memoryview(x), Bare(x), x[::2]):
        assert address_of(as_tensor(source)) == address(x)
        assert address_of(irf.asarray(source, copy=False)) == address(x)
        assert address_of(irf.asarray(source)) != address(x)
    assert irf.asarray(np.zeros(0), copy=False).shape == (0,)

    class Copying:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    for value in (3, [1.0], x.astype(">f8"), Copying()):
        with pytest.raises(UsageError, match="copy=False"):
            irf.asarray(value, copy=False)
    with pytest.raises(UsageError, match="copy=False"):
        irf.asarray(x, "f32", copy=False)


# ------------------------------------------------------------------- what is taken, what is refused


def test_hard_arrays():
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    masked = np.ma.MaskedArray([1.0, 2.0], mask=[False, False])
    for value, dtype in [
        (base.astype(">f4"), irf.f32),
        (base.astype(">f4")[::2, ::-1], irf.f32),
        (np.array(3, ">i2"), irf.i16),
        (base[::-1, ::2], irf.f32),
        (np.asfortranarray(base), irf.f32),
        (np.broadcast_to(base, (2, 3, 4)), irf.f32),
        (np.array(2.5), irf.f64),
        (masked, irf.f64),
        (np.ma.MaskedArray([1, 2]), irf.i64),
        (standard_array.array("d", [1.0, 2.0]), irf.f64),
        (bytearray(b"ab"), irf.u8),
    ]:
        plain = np.asarray(value)
        for tensor in (as_tensor(value), irf.asarray(value)):
            assert (tensor.dtype, tensor.shape, tensor.tolist()) == (
                dtype,
                plain.shape,
                plain.tolist(),
            )


def test_lists_of_tensors():
    x = irf.asarray([1, 2])
    assert irf.asarray([x, x]).tolist() == [[1, 2], [1, 2]]
    assert irf.asarray([x, [3.5, 4.5]]).tolist() == [[1, 2], [3.5, 4.5]]
    assert irf.asarray([[x[0], 2.0], [3, x[1]]]).tolist() == [[1, 2], [3, 2]]
    traced = irf.jit(lambda t: inp.asarray([t, t * 2]))
    assert traced(np.ones(2, np.float32)).tolist() == [[1, 1], [2, 2]]
    for parts in ([x, irf.asarray([1, 2, 3])], [x[:1], x], [x, 1]):
        with pytest.raises(ShapeError, match="differ in shape\n  part 0  i64"):
            irf.asarray(parts)


WHEN = datetime.date(2020, 1, 2)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ([[1, 2], [3]], ShapeError, r"ragged.*\n  list\[0\]  \(2,\)\n  list\[1\]  \(1,\)"),
        ([[[1], [2]], [[3], [4, 5]]], ShapeError, r"list\[1\]\[1\]  \(2,\)"),
        ([1, [2]], ShapeError, r"list\[0\]  a number\n  list\[1\]  \(1,\)"),
        ([np.ones(2), np.ones(3)], ShapeError, r"list\[1\]  \(3,\)"),
        (["a", "b"], DTypeError, "dtype <U1 (.|\n)*hint: text"),
        ([1, "a"], DTypeError, "hint: text"),
        ("text", DTypeError, "hint: text"),
        (b"text", DTypeError, r"dtype \|S4"),
        ([1, None], DTypeError, "holds  int, NoneType"),
        ([2**64], DTypeError, "beyond 64 bits"),
        (np.array([1, "a", None], object), DTypeError, "holds  int, str, NoneType"),
        (
            np.array([1.0], object),
            DTypeError,
            r"dtype object .*\n  shape  \(1,\)\n  holds  float\n",
        ),
        (np.array(["2020-01-02"], "M8[D]"), DTypeError, "since a date"),
        (np.array([5], "m8[s]"), DTypeError, "number of units"),
        ([WHEN], DTypeError, "holds  date"),
        (np.zeros(2, [("a", "f4")]), DTypeError, "x.'name'."),
        (np.ma.MaskedArray([1, 2], mask=[0, 1]), DTypeError, "masked  1 of 2"),
        (np.zeros(2, np.longdouble), DTypeError, "supported"),
        ({"a": 1}, DTypeError, "holds  dict"),
        (None, DTypeError, "holds  NoneType"),
    ],
    ids=lambda value: None if isinstance(value, type) else repr(value)[:30],
)
def test_what_is_no_array_of_numbers(value, kind, text):
    for make in (irf.asarray, as_tensor):
        with pytest.raises(kind, match=text):
            make(value)


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (["1.5"], "f32", "text"),
        ([None], "f32", "NoneType"),
        ([2**40], "i8", "do not fit"),
        ([[1], [2, 3]], "f32", "ragged"),
        (300, "u8", "does not fit"),
    ],
)
def test_lists_that_do_not_fit_a_type(value, dtype, text):
    with pytest.raises((DTypeError, ShapeError), match=text):
        irf.asarray(value, dtype)


# ---------------------------------------------------------------------------------- columns, tables


class Column:
    """A column as pandas and polars have it."""

    def __init__(self, values, *, nulls=0, name=None, dtype="Int64"):
        self.values, self.nulls, self.dtype = np.asarray(values), nulls, dtype
        if name is not None:
            self.name = name

    def to_numpy(self, **options):
        return self.values

    def null_count(self):
        return self.nulls


class Table:
    """A table of such columns."""

    def __init__(self, **columns):
        self.data, self.column_names = columns, list(columns)

    def __getitem__(self, name):
        return self.data[name]


def test_columns_by_protocol():
    x = np.arange(3)
    assert address_of(as_tensor(Column(x))) == address(x)
    with pytest.raises(DTypeError, match="column 'age' has nulls(.|\n)*nulls  2"):
        as_tensor(Column(x, nulls=2, name="age"))
    with pytest.raises(DTypeError, match="column 'city' is not numeric"):
        as_tensor(Column(["a"], name="city", dtype="string"))
    with pytest.raises(DTypeError, match="a column is not numeric"):
        as_tensor(Column(np.array([1, "a"], object)))


def test_tables_by_protocol():
    table = Table(a=Column(np.array([1, 2], np.int8)), b=Column(np.array([0.5, 1], np.float32)))
    assert (as_tensor(table).dtype, as_tensor(table).tolist()) == (irf.f32, [[1, 0.5], [2, 1]])
    table = Table(a=Column(np.array([1, 2])), b=Column(np.array([0.5, 1], np.float32)))
    assert as_tensor(table).dtype is irf.f32  # as the lattice has it; NumPy would say f64
    with pytest.raises(DTypeError, match="column 'b' has nulls"):
        as_tensor(Table(a=Column([1]), b=Column([1], nulls=1)))
    with pytest.raises(ShapeError, match="without columns"):
        as_tensor(Table())


def test_arrow_capsules():
    values = (ctypes.c_int32 * 5)(9, 1, 2, 3, 9)
    tensor = as_tensor(Capsules(b"i", values, length=3, offset=1))
    assert (tensor.dtype, tensor.tolist()) == (irf.i32, [1, 2, 3])
    assert address_of(tensor) == ctypes.addressof(values) + 4
    bits = (ctypes.c_uint8 * 2)(0b10100000, 0b1)
    flags = as_tensor(Capsules(b"b", bits, length=4, offset=5))
    assert (flags.dtype, flags.tolist()) == (irf.bool_, [True, False, True, True])
    assert as_tensor(Capsules(b"i", values, length=0)).shape == (0,)
    with pytest.raises(DTypeError, match="column 'x' has nulls(.|\n)*nulls  1"):
        as_tensor(Capsules(b"i", values, length=3, nulls=1, name=b"x"))
    with pytest.raises(DTypeError, match="not numeric\n  Arrow's format  u"):
        as_tensor(Capsules(b"u", values, length=3))
    valid = (ctypes.c_uint8 * 1)(0b00001010)
    with pytest.raises(DTypeError, match="nulls  2"):
        as_tensor(Capsules(b"i", values, length=4, nulls=-1, valid=valid))


def test_arrow_memory_lives_as_long_as_the_tensor():
    source = Capsules(b"i", (ctypes.c_int32 * 2)(1, 2), length=2)
    schema, array = source.__arrow_c_array__()
    before = sys.getrefcount(array)
    values = from_capsules(schema, array)
    assert sys.getrefcount(array) == before + 1
    del values
    assert sys.getrefcount(array) == before


class Capsules:
    """An array that has nothing but Arrow's capsules."""

    def __init__(self, kind, values, *, length, offset=0, nulls=0, name=None, valid=None):
        self.schema = (ctypes.c_char_p * 2)(kind, name)
        parts = [None if valid is None else ctypes.addressof(valid), ctypes.addressof(values)]
        self.buffers = (ctypes.c_void_p * 2)(*parts)
        where = ctypes.addressof(self.buffers)
        self.array = (ctypes.c_int64 * 6)(length, nulls, offset, 2, 0, where)
        self.kept = values, valid

    def __arrow_c_array__(self, requested_schema=None):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        pairs = [(self.schema, b"arrow_schema"), (self.array, b"arrow_array")]
        return tuple(new(ctypes.addressof(part), name, None) for part, name in pairs)


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": np.arange(3), "b": np.array([0.5, 1, 2], np.float32)})
    tensor = as_tensor(frame)
    assert (tensor.dtype, tensor.tolist()) == (irf.f32, [[0, 0.5], [1, 1], [2, 2]])
    assert address_of(as_tensor(frame["a"])) == address(frame["a"].to_numpy())
    floats = pandas.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    assert address_of(as_tensor(floats)) == address(floats.to_numpy())
    assert as_tensor(pandas.Series([1, 2], dtype="Int64")).dtype is irf.i64
    assert as_tensor(pandas.Series([True, False], dtype="boolean")).dtype is irf.bool_
    assert np.isnan(as_tensor(pandas.Series([1.0, np.nan])).tolist()[1])
    for column, text in [
        (pandas.Series([1, None], dtype="Int64"), "has nulls"),
        (pandas.Series(["x", "y"]), "is not numeric"),
        (pandas.Series(["x", "y"], dtype="category"), "is not numeric"),
        (pandas.Series(pandas.to_datetime(["2020-01-01", "2020-01-02"])), "is not numeric"),
    ]:
        with pytest.raises(DTypeError, match=f"column 'bad one' {text}"):
            as_tensor(pandas.DataFrame({"a": [1, 2], "bad one": column}))
    twice = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DTypeError, match="two columns alike"):
        as_tensor(twice)
    series = pandas.Series([1, 2]).convert_dtypes(dtype_backend="numpy_nullable")
    assert as_tensor(series).dtype is irf.i64
    nullable = pandas.DataFrame({"a": [1, 2], "b": [3, 4]}, dtype="Int64")
    assert (as_tensor(nullable).dtype, as_tensor(nullable).tolist()) == (irf.i64, [[1, 3], [2, 4]])
    assert irf.jit(lambda t: t.sum())(frame["a"]).item() == 3


def test_pyarrow():
    pyarrow = pytest.importorskip("pyarrow")
    array = pyarrow.array([1, 2, 3])
    assert address_of(as_tensor(array)) == address(array.to_numpy())
    chunked = pyarrow.chunked_array([[1, 2], [3]])
    assert as_tensor(chunked).tolist() == [1, 2, 3]
    assert as_tensor(pyarrow.array([True, False])).dtype is irf.bool_
    table = pyarrow.table({"a": [1, 2], "b": pyarrow.array([0.5, 1], pyarrow.float32())})
    assert (as_tensor(table).dtype, as_tensor(table).tolist()) == (irf.f32, [[1, 0.5], [2, 1]])
    assert as_tensor(table["a"]).tolist() == [1, 2]
    assert as_tensor(table.to_batches()[0]).tolist() == [[1, 0.5], [2, 1]]
    for values, text in [([1, None], "has nulls"), (["x", "y"], "is not numeric")]:
        with pytest.raises(DTypeError, match=f"column 'bad' {text}"):
            as_tensor(pyarrow.table({"a": [1, 2], "bad": values}))
    with pytest.raises(DTypeError, match="a column has nulls"):
        as_tensor(pyarrow.array([1, None]))
    bare = OnlyCapsules(pyarrow.array([None, 4, 5])[1:])
    assert as_tensor(bare).tolist() == [4, 5]
    assert as_tensor(OnlyCapsules(pyarrow.array([True] * 9 + [False]))).tolist()[8:] == [1, 0]


class OnlyCapsules:
    """Hides all of an array but its capsules."""

    def __init__(self, array):
        self.__arrow_c_array__ = array.__arrow_c_array__
