"""`x[key]` against NumPy, for keys of every kind, eagerly and traced."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
import irflow.numpy as inp

X = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)

PARTS = [
    0, -1, np.int32(1), None, ..., slice(None), slice(1, None), slice(None, None, -1),
    slice(-1, -9, -2), slice(5, 9), slice(2, 0, -1), slice(-100, 100, 2), [0, 1], [-1], [],
    np.array([[1, 0], [0, -2]]), np.array([True, False]), np.array(1), np.array([1], np.uint8),
]  # fmt: skip


def check(x, key):
    """Compare with NumPy; what NumPy refuses must be an error of ours."""
    try:
        expected = x[key]
    except IndexError:
        with pytest.raises(irf.IrflowError):
            irf.asarray(x)[key]
        return
    for result in (irf.asarray(x)[key], irf.jit(lambda t: t[key])(x)):
        assert result.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.fixture(autouse=True)
def unchecked_passes(monkeypatch):
    """The subject is what is traced, in very many cases, and not the passes."""
    monkeypatch.setenv("IRFLOW_CHECK", "0")


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_one_part(part):
    check(X, part)
    check(X, (part,))
    check(X[0, 0], part)


@pytest.mark.parametrize("first", PARTS, ids=str)
def test_two_parts(first):
    for second in PARTS:
        if first is Ellipsis and second is Ellipsis:
            continue
        check(X, (first, second))


PLACES = [0, slice(1, 3), None, ..., [0, 1], np.array([[1], [0]])]


@pytest.mark.parametrize("first", PLACES, ids=str)
def test_many_parts(first):
    """Arrays side by side, parted by slices, by None, by integers."""
    for rest in itertools.product(PLACES, repeat=3):
        key = (first, *rest)
        if sum(part is Ellipsis for part in key) <= 1:
            check(X, key)


@pytest.mark.parametrize(
    "mask",
    [X > 5, X[:, :, 0] > 4, X[:, 0, 0] > 4, np.zeros((2, 3), bool), np.ones((2, 3, 4), bool)],
    ids=["whole", "two-axes", "one-axis", "nothing", "all"],
)
def test_masks(mask):
    check(X, mask)
    check(X, (mask, *[0] * (3 - mask.ndim)))
    check(X, (mask, ...))
    check(X, (None, mask))


def test_a_mask_in_the_middle():
    check(X, (slice(None), np.array([True, False, True]), [0, 1]))
    check(X, (0, np.ones((3, 4), bool)))
    check(X, (slice(None), np.ones((3, 3), bool)))


def test_a_scalar_and_an_empty_tensor():
    check(X[0, 0, 0:1].reshape(()), ())
    check(X[0, 0, 0:1].reshape(()), (None, ...))
    check(X[:, :0], (slice(None), slice(None), 1))
    check(X[:, :0], (slice(None), []))


def test_tensors_as_indices():
    places = irf.asarray([2, 0])
    assert inp.arange(5)[places].tolist() == [2, 0]
    assert inp.arange(5)[places[0]].item() == 2
    assert inp.arange(5)[places[1] : places[0]].tolist() == [0, 1]
    assert inp.arange(5)[irf.Variable([1, 1])].tolist() == [1, 1]
    assert inp.arange(5)[[places[0], 4]].tolist() == [2, 4]


def test_traced_indices():
    x = np.arange(5) * 10
    pick = irf.jit(lambda i: irf.asarray(x)[i])
    assert pick(3).item() == 30
    assert pick(-1).item() == 40
    assert pick(np.array([[0, -2]])).tolist() == [[0, 30]]
    assert pick(99).item() == 40, "out of range: clipped, as there is nobody to tell"
    row = irf.jit(lambda i: irf.asarray(X)[:, i, 1:3])
    np.testing.assert_array_equal(np.asarray(row(2)), X[:, 2, 1:3])


def test_the_gradient_of_indexing():
    key = (slice(None), [0, 2, 0], slice(None, None, -2))
    gradient = irf.grad(lambda x: (x[key] * irf.asarray(X[key])).sum())(X)
    expected = np.zeros_like(X)
    np.add.at(expected, key, X[key])
    np.testing.assert_array_equal(np.asarray(gradient), expected)


def test_symbolic_sizes():
    keys = [
        slice(None), slice(1, None), slice(None, -1), slice(1, 3), slice(None, None, 2),
        slice(-2, None), slice(None, None, -1), (slice(None), None), 0, -1, [0, 1],
    ]  # fmt: skip
    for key in keys:
        f = irf.jit(lambda x, key=key: x[key], spec="f32[n, 2]", constraints="n >= 2")
        for n in (2, 3, 6):
            x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
            np.testing.assert_array_equal(np.asarray(f(x)), x[key], err_msg=str(key))


bounds = st.none() | st.integers(-6, 6)
steps = st.none() | st.integers(-3, 3).filter(bool)
slices = st.builds(slice, bounds, bounds, steps)
positions = st.lists(st.integers(-4, 4), min_size=1, max_size=3)
part = slices | st.integers(-4, 4) | st.none() | positions | st.just(...)


@given(
    st.lists(st.integers(0, 4), max_size=4),
    st.lists(part, max_size=5).filter(lambda key: sum(p is ... for p in key) <= 1),
)
@settings(max_examples=300)
def test_any_key(shape, key):
    """Eagerly: the traced form runs the same code."""
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    try:
        expected = x[tuple(key)]
    except IndexError:
        with pytest.raises(irf.IrflowError):
            irf.asarray(x)[tuple(key)]
        return
    result = irf.asarray(x)[tuple(key)]
    assert result.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(result), expected)
