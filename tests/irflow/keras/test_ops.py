"""`keras.ops`: its functions take what Keras's take; with Keras at hand, they give the same."""

import importlib.util
import inspect
import os

import numpy as np
import pytest

from irflow import jit, keras, tree
from irflow.errors import ShapeError, UsageError
from tests.irflow.keras.ops_cases import CASES, A

TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}


def arrays(result: object) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in tree.flatten(result)[0]]


@pytest.mark.parametrize("name", CASES)
def test_a_call_compiles(name) -> None:
    eager = arrays(CASES[name](keras.ops))
    compiled = arrays(jit(lambda: CASES[name](keras.ops))())
    assert len(eager) == len(compiled)
    for left, right in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(left, right, **TOLERANCE)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda o: o.matmul(A, x1=A), "matmul.*: 'x1' is given twice; there are x1, x2"),
        (lambda o: o.matmul(A, z=A), "matmul.*: 'z' is no parameter; there are x1, x2"),
        (lambda o: o.matmul(A, A, A), "matmul.* takes 2 arguments, 3 were given"),
    ],
)
def test_arguments_are_bound_as_python_does(call, text) -> None:
    with pytest.raises(TypeError, match=text):
        call(keras.ops)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="one_hot: sparse=True is not there"):
        keras.ops.one_hot([1], 3, sparse=True)
    with pytest.raises(UsageError, match="unknown reduction 'nand'"):
        keras.ops.scatter_update(A, [[0]], A[:1], "nand")
    with pytest.raises(ShapeError, match="3 slices along axis 0, not 4"):
        keras.ops.unstack(A, 4)


def test_a_function_with_keras_parameters_is_part_of_a_model() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, keras.ops.clip(keras.ops.multiply(x, 2), x_min=-1, x_max=1))
    np.testing.assert_allclose(model.predict(A, verbose=0), np.clip(2 * A, -1, 1))
    copied = keras.Model.from_config(model.get_config())
    np.testing.assert_allclose(copied.predict(A, verbose=0), np.clip(2 * A, -1, 1))


def parameters(function: object) -> list[str]:
    """The names of all that are not of variable number."""
    found = inspect.signature(function).parameters.values()
    return [p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@pytest.mark.slow
class TestWithKeras:
    @pytest.fixture(scope="class")
    def peer(self):
        if any(importlib.util.find_spec(name) is None for name in ("keras", "jax")):
            pytest.skip("Keras on jax is not installed")
        os.environ.setdefault("KERAS_BACKEND", "jax")
        import keras as peer

        return peer.ops

    @pytest.mark.parametrize("name", CASES)
    def test_a_call_gives_the_same(self, name, peer) -> None:
        ours, theirs = arrays(CASES[name](keras.ops)), arrays(CASES[name](peer))
        assert [a.shape for a in ours] == [a.shape for a in theirs]
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(left, right, rtol=2e-4, atol=2e-5)

    def test_parameters_are_those_of_keras(self, peer) -> None:
        different = []
        for name in dir(peer):
            theirs, ours = getattr(peer, name), getattr(keras.ops, name, None)
            if ours is None or name.startswith("_") or not inspect.isfunction(theirs):
                continue
            wanted, found = parameters(theirs), parameters(ours)
            if wanted != found[: len(wanted)]:
                different.append((name, wanted, found))
        assert different == []
