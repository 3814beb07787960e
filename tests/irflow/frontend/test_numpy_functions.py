"""NumPy's functions and the methods of arrays on tensors and variables."""

import operator

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import ConcretizationError, UnsupportedError

ARRAY = np.array([[1.5, -2.0, 3.0], [0.25, 4.0, -1.0]], np.float32)


@pytest.fixture(params=[irf.asarray, irf.Variable], ids=["tensor", "variable"])
def x(request):
    return request.param(ARRAY)


@pytest.mark.parametrize(
    "function",
    [
        *(np.exp, np.abs, np.isnan, np.sum, np.mean, np.std, np.var, np.prod, np.max, np.min),
        *(np.any, np.all, np.round, np.ravel, np.squeeze, np.argsort, np.cumsum, np.argmax),
        lambda a: np.sum(a, axis=0, keepdims=True),
        lambda a: np.mean(a, axis=1, dtype=np.float64),
        lambda a: np.std(a, axis=0, ddof=1),
        lambda a: np.clip(a, 0, 1),
        lambda a: a.clip(min=0) + a.clip(max=1),
        lambda a: np.add(ARRAY, a),
        lambda a: np.dot(a, ARRAY.T),
        lambda a: a.clip(-1, 1).round(1).swapaxes(0, 1),
        lambda a: a.take([0, 2], 1).repeat(2, 0),
        lambda a: a.dot(ARRAY.T).ravel().squeeze(),
        lambda a: a.cumsum(1).copy().argsort(),
        lambda a: a.var(0) + a.std(1)[0],
        lambda a: (a > 0).any(1) & (a > -9).all(),
        lambda a: round(a.sum(), 1),
    ],
)
def test_functions_give_what_they_give_for_arrays(function, x) -> None:
    found, wanted = function(x), function(ARRAY)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    assert np.shape(found) == np.shape(wanted)


@pytest.mark.parametrize("left", [ARRAY, np.float64(2), np.float32(2), np.int64(2), np.array(2.0)])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "mod", "lt", "ge", "eq"])
def test_operators_behind_numbers_of_numpy_give_tensors(name, left) -> None:
    found = getattr(operator, name)(left, irf.asarray(ARRAY))
    assert isinstance(found, irf.Tensor)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, getattr(operator, name)(left, ARRAY), rtol=1e-6)


def test_inside_of_jit() -> None:
    assert float(irf.jit(lambda a: np.sum(a) + np.mean(a))(inp.ones(3))) == 4
    with pytest.raises(ConcretizationError, match="hint: irflow.numpy has NumPy's functions"):
        irf.jit(np.sin)(inp.ones(3))


def test_no_array_is_written_into() -> None:
    with pytest.raises(UnsupportedError, match="given as out=") as caught:
        np.sum(inp.ones(3), out=np.zeros(()))
    assert "test_numpy_functions.py" in str(caught.value)  # and not fromnumeric.py
