"""Running sums, sorting and searching against NumPy: at once, jitted, with symbolic sizes."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import ShapeError, UsageError
from tests.irflow.numpy.test_against_numpy import MODES, compare, made

AXES = [None, 0, 1, -1]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_sums_and_products(name, dtype, mode, axis, monkeypatch):
    ours, theirs = getattr(inp, name), getattr(np, name)
    x = made((3, 4), dtype)
    compare(lambda x: ours(x, axis), lambda x: theirs(x, axis), [x], mode, monkeypatch)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_the_standards_scans(name):
    ours, theirs = getattr(inp, name), getattr(np, name)
    x = np.arange(1.0, 7.0).reshape(2, 3)
    for initial in (False, True):
        for axis in (0, -1):
            keywords = {"axis": axis, "include_initial": initial}
            np.testing.assert_array_equal(ours(x, **keywords), theirs(x, **keywords))
    line = np.array([1, 2, 3], np.int32)
    np.testing.assert_array_equal(ours(line), theirs(line))
    assert ours(line, dtype="f32").dtype is inp.float32
    with pytest.raises(UsageError, match="name the axis"):
        ours(x)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("name", ["sort", "argsort"])
def test_orders(name, dtype, mode, axis, monkeypatch):
    ours, theirs = getattr(inp, name), getattr(np, name)
    x = made((3, 7), dtype, -2, 3)
    if np.dtype(dtype).kind == "f":
        x = np.round(x)
        x[1, 2:4] = np.nan

    def stable(x):
        return theirs(x, axis, kind="stable")

    compare(lambda x: ours(x, axis), stable, [x], mode, monkeypatch)


def test_descending_orders_are_stable_too():
    x = np.array([2, 1, 2, 3, 1, 3])
    np.testing.assert_array_equal(inp.sort(x, descending=True), [3, 3, 2, 2, 1, 1])
    np.testing.assert_array_equal(inp.argsort(x, descending=True), [3, 5, 0, 2, 1, 4])


def test_top_k_along_any_axis():
    x = np.array([[3, 1], [4, 1], [5, 9]], np.float32)
    values, order = inp.top_k(x, 2, axis=0)
    np.testing.assert_array_equal(values, [[5, 9], [4, 1]])
    np.testing.assert_array_equal(order, [[2, 2], [1, 0]])
    with pytest.raises(ShapeError, match="too few"):
        inp.top_k(x, 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_places_in_sorted_sequences(side, mode, monkeypatch):
    sequence, values = np.array([1.0, 2, 2, 4]), np.array([[0, 1, 2], [3, 4, 5]])

    def places(module):
        return lambda x, v: module.searchsorted(x, v, side)

    compare(places(inp), places(np), [sequence, values], mode, monkeypatch)


def test_places_by_a_permutation():
    x = np.array([4, 1, 3])
    found = inp.searchsorted(x, [0, 2, 5], sorter=np.argsort(x))
    np.testing.assert_array_equal(found, np.searchsorted(x, [0, 2, 5], sorter=np.argsort(x)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: inp.cumsum(x, 0) * inp.cumprod(x, 0),
        inp.sort,
        inp.argsort,
        lambda x: inp.argsort(x, 0, descending=True),
        lambda x: inp.top_k(x, 2)[0],
    ],
)
def test_symbolic_sizes(function):
    compiled = irf.jit(function, spec=("f32[n, m]",), constraints="m >= 2")
    for shape in [(1, 2), (4, 3), (3, 9)]:
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(compiled(x), function(x), rtol=1e-6)
