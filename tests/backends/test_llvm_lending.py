"""Donated tensors whose memory results take: when nobody else has it, and never otherwise."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn, optim
from irflow.errors import DonatedTensorError

COUNT = 1 << 15
"""Elements of 128 KiB: results of that size lie in blocks of our own."""


def ones(value: float = 1.0, count: int = COUNT) -> irf.Tensor:
    return irf.asarray(np.full(count, value, np.float32))


def place(tensor: irf.Tensor) -> int:
    return int(tensor.data.__array_interface__["data"][0])


def halving() -> Any:
    return irf.jit(lambda x: x * 0.5, donate_argnums=0, backend="llvm")


@pytest.mark.parametrize("count", [2048, COUNT])
def test_a_result_takes_the_memory_of_its_argument(count: int) -> None:
    step, x = halving(), ones(64.0, count)
    first = place(x)
    for i in range(6):
        before = x
        x = step(x)
        assert place(x) == first, f"call {i}"
        with pytest.raises(DonatedTensorError):
            before.numpy()
    np.testing.assert_array_equal(x, np.full(count, 1.0, np.float32))


HOLDERS: dict[str, Callable[[irf.Tensor], Any]] = {
    "the array": lambda x: x.data,
    "a view": lambda x: x.data[1:],
    "another tensor": lambda x: irf.asarray(x.data),
    "a buffer": lambda x: x.data.data,
    "an export": lambda x: np.from_dlpack(x.data),
    "a variable": lambda x: irf.Variable(x),
    "nothing of ours": lambda x: np.asarray(x),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_that_others_hold_is_left_alone(holder: str) -> None:
    step = halving()
    for _ in range(3):  # the long way, then the short one
        for x in (ones(4.0), step(ones(8.0))):
            held = HOLDERS[holder](x)
            np.testing.assert_array_equal(step(x), np.full(COUNT, 2.0, np.float32))
            assert np.all(np.asarray(held) == 4.0)
            with pytest.raises(DonatedTensorError):
                x.numpy()


def test_arrays_of_the_caller_are_left_alone() -> None:
    step, array = halving(), np.ones(COUNT, np.float32)
    fixed = np.ones(COUNT, np.float32)
    fixed.flags.writeable = False
    for _ in range(5):
        for given in (array, irf.asarray(array), fixed, irf.asarray(fixed)):
            np.testing.assert_array_equal(step(given), np.full(COUNT, 0.5, np.float32))
        assert array.min() == fixed.min() == 1.0
    lone = irf.asarray(np.broadcast_to(np.float32(3.0), (COUNT,)))
    np.testing.assert_array_equal(step(lone), np.full(COUNT, 1.5, np.float32))


def test_one_tensor_twice_and_what_a_variable_holds() -> None:
    both = irf.jit(lambda x, y: (y + 1, inp.flip(x)), donate_argnums=(0, 1), backend="llvm")
    held = irf.Variable(np.full(COUNT, 5.0, np.float32))
    reading = irf.jit(lambda x: (x + 1, held * x), donate_argnums=0, backend="llvm")
    for _ in range(5):
        x = ones(3.0)
        for found, wanted in zip(both(x, x), (4.0, 3.0), strict=True):
            np.testing.assert_array_equal(found, np.full(COUNT, wanted, np.float32))
        held.assign(np.full(COUNT, 5.0, np.float32))
        for found, wanted in zip(reading(held.value), (6.0, 25.0), strict=True):
            np.testing.assert_array_equal(found, np.full(COUNT, wanted, np.float32))


def test_a_call_that_is_refused_gives_nothing_away() -> None:
    step = irf.jit(lambda x, y: x + y, donate_argnums=0, backend="llvm")
    for _ in range(4):
        step(ones(), ones())
    x = ones()
    for wrong in (np.ones((3, 3, 3), np.float32), "text"):
        with pytest.raises((irf.errors.IrflowError, TypeError)):
            step(x, wrong)
        assert x.numpy().max() == 1.0


def trained(donates: bool) -> list[np.ndarray]:
    """The state after some steps of a layer, with or without donation."""
    random = np.random.default_rng(0)
    weights = irf.asarray(random.normal(size=(64, 96)).astype(np.float32) * 0.1)
    adam = optim.Adam(1e-2)

    def loss(w: irf.Tensor, x: irf.Tensor) -> Any:
        return ((nn.relu(x @ w) @ w.T - x) ** 2).mean()

    def step(state: Any, x: irf.Tensor) -> Any:
        gradient = irf.grad(loss)(state[0], x)
        return adam.update(gradient, state[1], state[0])

    compiled = irf.jit(step, backend="llvm", donate_argnames="state" if donates else ())
    state = weights, adam.init(weights)
    for rows in (32, 32, 32, 32, 7, 32, 9, 7):  # later a version for any number of rows
        state = compiled(state, random.normal(size=(rows, 64)).astype(np.float32))
    return [tensor.numpy() for tensor in irf.tree.flatten(state)[0]]


@pytest.mark.slow
def test_training_is_the_same_to_the_bit() -> None:
    for found, wanted in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_threads_with_states_of_their_own() -> None:
    step, found = halving(), {}

    def work(number: int) -> None:
        x = ones(2.0**number)
        for _ in range(20):
            x = step(x)
        found[number] = x.numpy()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, array in found.items():
        np.testing.assert_array_equal(array, np.full(COUNT, 2.0 ** (number - 20), np.float32))


def test_references_balance() -> None:
    """Handles that were given away, and memory that was passed on, are gone with the last name."""
    step = irf.jit(lambda s, x: {"w": s["w"] + x}, donate_argnums=0, backend="llvm")
    state = {"w": ones()}
    for _ in range(5):
        before, state = weakref.ref(state["w"]), step(state, ones())
        step({"w": ones()}, ones(count=1))
    assert before() is None
    array, before = weakref.ref(state["w"].data), weakref.ref(state["w"])
    count = sys.getrefcount(state["w"]._data)  # outside of `assert`, which holds what it names
    assert count == 2
    del state
    assert array() is None
    assert before() is None


def test_a_cache_of_keys_is_updated_where_it_is() -> None:
    def push(cache: irf.Tensor, row: irf.Tensor, at: irf.Tensor) -> Any:
        return inp.where(inp.arange(cache.shape[0])[:, None] == at, row, cache)

    step = irf.jit(push, backend="llvm", donate_argnums=0)
    cache = irf.asarray(np.zeros((64, 64), np.float32))
    first = place(cache)
    for i in range(6):
        cache = step(cache, irf.asarray(np.full(64, i, np.float32)), irf.asarray(np.int64(i)))
        assert place(cache) == first
    np.testing.assert_array_equal(cache[:6, 0], np.arange(6))
