"""Tensors that compiled functions use as constants: their content, and where it is in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import irflow as irf
from irflow import nn
from irflow.compiler import kept, prepared
from irflow.ir.attributes import DenseArray
from irflow.ops import Constant

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 192)).astype(np.float32)
IMAGE = RANDOM.normal(size=(1, 6, 6, 64)).astype(np.float32)


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def constant_of(call: Any) -> DenseArray:
    """The only large constant of a compiled function, as it was traced."""
    (made,) = call.cache.values()
    constants = [node.op.value for node in made.traced.graph if isinstance(node.op, Constant)]
    (large,) = [dense for dense in constants if dense.size > 1000]
    return large


USES: dict[str, tuple[tuple[int, ...], np.ndarray, Callable[[Any, Any], Any]]] = {
    "product": ((192, 130), X, lambda x, w: x @ w),
    "product by the transpose": ((130, 192), X, lambda x, w: x @ w.T),
    "batched product": ((2, 192, 130), X[None], lambda x, w: x @ w),
    "convolution": ((3, 3, 64, 40), IMAGE, lambda x, w: nn.conv(x, w, padding="same")),
    "1x1 convolution": ((1, 1, 64, 260), IMAGE, lambda x, w: nn.conv(x, w, padding="same")),
    "transposed convolution": ((3, 3, 40, 64), IMAGE, lambda x, w: nn.conv_transpose(x, w)),
}


def on(w: Any, function: Callable[[Any, Any], Any]) -> Any:
    return irf.jit(lambda x: function(x, w), backend="llvm")


@pytest.mark.parametrize("use", USES)
def test_a_tensor_is_where_the_kernel_has_it(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, x, function = USES[use]
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "code"))
    monkeypatch.delenv("IRFLOW_CHECK", raising=False)
    monkeypatch.setattr(kept, "_state", lambda _: "state")
    monkeypatch.setattr(prepared, "is_unchanged", lambda *_: True)
    content = drawn(*shape)
    wanted = irf.jit(function, backend="llvm")(x, content).numpy()
    for turn in ("made", "read from disk"):
        w = irf.asarray(content)
        call = on(w, function)
        first = call(x).numpy()
        assert np.allclose(first, wanted, atol=1e-3), turn
        is_moved = constant_of(call).elements.moved is not None
        assert is_moved or (turn, use) == ("read from disk", "product by the transpose")
        assert np.array_equal(on(w, lambda x, w: function(x, w * 1))(x), first), turn
        assert np.array_equal(call(x), first), turn
        assert np.array_equal(w, content), turn


HOLDERS: dict[str, Callable[[np.ndarray, irf.Tensor], object]] = {
    "the array": lambda array, tensor: array,
    "a view": lambda array, tensor: array[1:],
    "a buffer": lambda array, tensor: array.data,
    "an export": lambda array, tensor: np.from_dlpack(tensor),
    "another tensor": lambda array, tensor: irf.asarray(array, copy=False),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_array_that_others_have_is_copied(holder: str) -> None:
    array = drawn(192, 130)
    w, before, place = irf.asarray(array, copy=False), array.copy(), array.ctypes.data
    held = HOLDERS[holder](array, w)
    del array
    call = on(w, lambda x, w: x @ w)
    first = call(X).numpy()
    assert w.data.ctypes.data == place
    w.data[...] = 0  # what its other holders may do
    assert np.array_equal(call(X), first)
    assert np.array_equal(constant_of(call).array, before)
    assert held is not None
