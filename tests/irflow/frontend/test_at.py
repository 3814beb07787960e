"""`x.at[key]`: NumPy's `ufunc.at` on a copy, with gradients; positions outside are left out."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp

X = np.arange(12.0).reshape(3, 4) - 5
UFUNCS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}
KEYS = {
    "row": (0, 2.5),
    "slice": ((slice(None), slice(0, 4, 2)), np.array([1.0, -2.0])),
    "duplicates": (np.array([0, 2, 0]), np.arange(12.0).reshape(3, 4) - 6),
    "pairs": ((np.array([0, -1, 0]), np.array([1, 1, 1])), np.array([3.0, -4.0, 2.0])),
    "ellipsis": ((..., 1), np.array([[7.0], [1.0]])[0]),
    "mask": (X > 0, -1.5),
    "known mask": (X[:, 0] > -5, np.array([1.0, -9.0, 2.0, 3.0])),
}


def expected(name, key, value):
    result = X.copy()
    if name == "set":
        result[key] = value
    else:
        UFUNCS[name].at(result, key, value)
    return result


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", [*UFUNCS, "set"])
def test_values(name, key):
    places, value = KEYS[key]

    def change(x, value):
        return getattr(x.at[places], name)(value)

    for run in (change, irf.jit(change)):
        x = irf.asarray(X)
        found = run(x, value)
        np.testing.assert_array_equal(np.asarray(found), expected(name, places, value))
        assert x.tolist() == X.tolist(), "the tensor itself stays as it was"


def test_get_and_types():
    x = irf.asarray(np.arange(4, dtype=np.int32))
    assert x.at[1:3].get().tolist() == [1, 2]
    found = x.at[0].add(2.9)
    assert found.dtype is irf.i32
    assert found.tolist() == [2, 1, 2, 3]
    assert irf.asarray(np.zeros(1)).at[0].set(3.3).item() == 3.3, "rounded once, to f64"


def test_variables():
    v = irf.Variable(np.zeros(3, np.float32))
    v.assign(v.at[1].add(2))
    assert v.numpy().tolist() == [0, 2, 0]


def test_positions_outside():
    def add(x, i):
        return x.at[i].add(1)

    x = irf.asarray([10, 20, 30])
    assert irf.jit(add)(x, np.array([0, 3, -1, -4, 99])).tolist() == [11, 20, 31]
    with pytest.raises(irf.errors.ShapeError, match="index 3 is out of range"):
        add(x, np.array([0, 3]))


def test_gradients_of_ties_are_shared():
    x, values = np.array([1.0, 5.0, 2.0]), np.array([5.0, 5.0, 1.0])
    places = np.array([1, 1, 2])

    def total(x, values):
        return (x.at[places].max(values) * np.array([1.0, 3.0, 10.0])).sum()

    by_x, by_values = irf.grad(total, (0, 1))(x, values)
    assert by_x.tolist() == [1, 1, 10]
    assert by_values.tolist() == [1, 1, 0]


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_put_along_axis(axis):
    order = np.argsort(-X, axis)
    result = X.copy()
    np.put_along_axis(result, order, 7 * order, axis)
    found = inp.put_along_axis(X, order, 7 * order, axis)
    np.testing.assert_array_equal(np.asarray(found), result)
    if axis is not None:
        back = inp.take_along_axis(inp.put_along_axis(X, order, X, axis), order, axis)
        np.testing.assert_array_equal(np.asarray(back), X)


def test_put_along_axis_modes_and_errors():
    places = np.array([[0, 0, -1, 9]])
    found = inp.put_along_axis(np.ones((1, 3)), places, 2.0, 1, mode="add")
    assert found.tolist() == [[5, 1, 3]]
    with pytest.raises(irf.errors.UsageError, match="mode 'sum'"):
        inp.put_along_axis(X, places, 2.0, 1, mode="sum")
    with pytest.raises(irf.errors.ShapeError, match="the indices do not fit"):
        inp.put_along_axis(X, places, 2.0, 1)
    with pytest.raises(irf.errors.ShapeError, match="the values do not fit"):
        inp.put_along_axis(np.ones((1, 3)), places, np.ones((2, 4)), 1)
