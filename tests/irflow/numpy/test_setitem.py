"""`x[key] = value` against NumPy: at once, traced, and with `IRFLOW_EAGER=jit`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import irflow as irf
import irflow.numpy as inp
from irflow.errors import LeakedTracerError, ShapeError, UsageError

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def cases(draw):
    """A shape, a key that NumPy takes for it, and a value that broadcasts to what it selects."""
    shape = draw(SHAPES)
    key = draw(keys(shape))
    selected = np.zeros(shape)[key].shape
    if draw(st.booleans()):
        return shape, key, np.float64(7.5)
    value_shape = tuple(draw(st.sampled_from([1, size])) for size in selected)
    value_shape = value_shape[draw(st.integers(0, len(value_shape))) :]
    return shape, key, -1.0 - np.arange(np.prod(value_shape, dtype=int)).reshape(value_shape)


def keys(shape):
    options = [hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)]
    options.append(hnp.arrays(bool, shape) if shape else st.just(...))
    if shape and 0 not in shape:
        options.append(hnp.integer_array_indices(shape))
        options.append(hnp.arrays(bool, shape[:1]))
    return st.one_of(options)


def expected(shape, key, value):
    array = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    array[key] = value
    return array


def assigned(shape, key, value):
    x = inp.reshape(inp.arange(int(np.prod(shape)), dtype="f64"), shape)
    x[key] = value
    return x


@settings(max_examples=150, deadline=None)
@given(cases())
def test_eager(case):
    np.testing.assert_array_equal(np.asarray(assigned(*case)), expected(*case))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_jit(case):
    shape, key, value = case
    result = irf.jit(lambda v: assigned(shape, key, v))(value)
    np.testing.assert_array_equal(np.asarray(result), expected(*case))


@settings(max_examples=15, deadline=None)
@given(cases())
def test_eager_through_the_compiler(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRFLOW_EAGER", "jit")
        np.testing.assert_array_equal(np.asarray(assigned(*case)), expected(*case))


def test_the_value_takes_the_element_type():
    x = inp.zeros(3, "i16")
    x[1] = 2.9
    assert (x.dtype, x.tolist()) == (irf.i16, [0, 2, 0])


def test_leading_axes_of_size_1_of_the_value_fall_away():
    for key, value in [(0, np.ones((1, 1, 2))), (..., np.full((1, 1, 1, 2), 5))]:
        x, array = inp.zeros((2, 2)), np.zeros((2, 2))
        x[key] = array[key] = value
        np.testing.assert_array_equal(np.asarray(x), array)
    with pytest.raises(ShapeError):
        x[0] = np.ones((2, 2))


def test_other_handles_keep_their_value():
    x = inp.asarray([1, 2, 3])
    others = [x[...], +x, inp.floor(x), x.astype("i64"), x.reshape(3), x.T, inp.clip(x)]
    others += [inp.asarray(x, copy=True), inp.concatenate([x]), *inp.broadcast_arrays(x)]
    others += [*inp.split(x, 1), *inp.split(x, []), *inp.meshgrid(x)]
    array = np.asarray(x)
    x[0] = 9
    assert x.tolist() == [9, 2, 3]
    for other in others:
        assert other.tolist() == [1, 2, 3]
    assert array.tolist() == [1, 2, 3]


def test_the_callers_tensor_stays_when_an_argument_is_assigned():
    def f(x):
        x[0] = 5
        return x

    x = inp.zeros(2)
    assert irf.jit(f)(x).tolist() == [5, 0]
    assert x.tolist() == [0, 0]


def test_a_tensor_from_outside_that_was_assigned_in_a_trace_is_leaked():
    x = inp.zeros(2)

    @irf.jit
    def f(v):
        x[0] = v
        return x * 1

    assert f(np.float32(3)).tolist() == [3, 0]
    with pytest.raises(LeakedTracerError):
        x + 1


def test_traced_positions_and_masks():
    def f(x, i, mask):
        x[i] = 10
        x[mask] = -1
        return x

    x = np.arange(4.0)
    result = irf.jit(f)(x, 2, np.array([True, False, False, False]))
    assert result.tolist() == [-1, 1, 10, 3]


def test_symbolic_sizes():
    keys = [slice(None), slice(1, None), slice(None, None, 2), slice(None, None, -1), -1, [0, 1]]
    for key in keys:

        def assign(x, key=key):
            x[key] = -x[key]
            return x

        f = irf.jit(assign, spec="f32[n, 2]", constraints="n >= 2")
        for n in (2, 5):
            x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
            wanted = assign(x.copy())
            np.testing.assert_array_equal(np.asarray(f(x)), wanted, err_msg=str(key))


def test_gradients_go_to_the_operand_and_to_the_value():
    def f(x, v):
        y = x * 1
        y[1:3] = v
        return (y * inp.asarray([1.0, 2, 3, 4])).sum()

    dx, dv = irf.grad(f, (0, 1))(np.ones(4, np.float32), np.float32(2))
    assert dx.tolist() == [1, 0, 0, 4]
    assert float(dv) == 5


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (5, 0, ShapeError),
        ((0, 0), 0, ShapeError),
        (slice(None), np.zeros(2), ShapeError),
        (0, np.zeros(3), ShapeError),
        (np.array([True, False]), 0, ShapeError),
        ("a", 0, UsageError),
        (np.array([7]), 0, ShapeError),
    ],
)
@pytest.mark.parametrize("is_traced", [False, True])
def test_errors(key, value, error, is_traced):
    def f(x):
        x[key] = value
        return x

    with pytest.raises(error):
        (irf.jit(f) if is_traced else f)(inp.zeros(3))
