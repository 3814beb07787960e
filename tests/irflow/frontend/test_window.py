"""Keys that name neighbours along each axis: they become windows, and mean what NumPy says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

WINDOWS: dict[str, Callable[[Any, Any], Any]] = {
    "number": lambda i, _: i,
    "number after slice": lambda i, _: (slice(None), i),
    "numbers apart": lambda i, j: (i, slice(1, 3), j),
    "numbers and new axis": lambda i, j: (i, None, j),
    "behind dots": lambda i, _: (..., i),
    "known": lambda i, _: (1, slice(0, 2)),
    "all": lambda i, _: ...,
    "from the end": lambda i, _: (slice(-1, None), i, -2),
}
OTHERS: dict[str, Callable[[Any, Any], Any]] = {
    "steps": lambda i, _: (i, slice(None, None, 2)),
    "backwards": lambda i, _: (i, slice(None, None, -1)),
    "none": lambda i, _: (i, slice(2, 2)),
    "several": lambda i, j: (i, [0, 2], j),
}
PLACES = [(0, 1), (1, 0), (-1, -2)]


def changed(key: Callable[[Any, Any], Any], kind: str) -> Callable[..., Any]:
    return lambda x, i, j, value: getattr(x.at[key(i, j)], kind)(value)


def names(f: Callable[..., Any], *args: object) -> set[str]:
    return {node.op.name for node in irf.jit(f, backend="numpy").trace(*args).graph}


@pytest.mark.parametrize(("i", "j"), PLACES)
@pytest.mark.parametrize("kind", ["set", "add", "multiply", "min", "max"])
@pytest.mark.parametrize("label", [*WINDOWS, *OTHERS])
def test_compiled_as_at_once(label: str, kind: str, i: int, j: int) -> None:
    f = changed((WINDOWS | OTHERS)[label], kind)
    expected = f(irf.asarray(X), i, j, 7.5).numpy()
    found = irf.jit(f, backend="numpy")(X, np.int64(i), np.int32(j), np.float32(7.5))
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("label", [*WINDOWS, *OTHERS])
def test_windows_need_no_table_of_positions(label: str) -> None:
    f = changed((WINDOWS | OTHERS)[label], "set")
    found = names(f, X, np.int64(0), np.int64(1), np.float32(0))
    assert ("scatter" in found) == (label in OTHERS)


@pytest.mark.parametrize("i", [2, 9, -3])
def test_outside_is_left_out_by_at_and_the_nearest_in_an_assignment(i: int) -> None:
    def assigned(x: Any, i: Any) -> Any:
        x = inp.asarray(x)
        x[i, 1] = 5.0
        return x

    nearest = X.copy()
    nearest[1 if i > 0 else 0, 1] = 5
    dropped = irf.jit(lambda x, i: x.at[i, 1].set(5.0), backend="numpy")
    np.testing.assert_array_equal(dropped(X, np.int64(i)).numpy(), X)
    np.testing.assert_array_equal(
        irf.jit(assigned, backend="numpy")(X, np.int64(i)).numpy(), nearest
    )


@pytest.mark.parametrize("kind", ["set", "add", "multiply", "min", "max"])
def test_gradients_are_those_of_scatter(kind: str) -> None:
    """A list of one position is no window, and has the same elements. Some are equal."""
    value = np.full(4, 9, np.float32)

    def gradients(key: Callable[[Any], Any], shape: tuple[int, ...]) -> list[np.ndarray]:
        def loss(x: Any, value: Any, i: Any) -> Any:
            y = getattr(x.at[key(i)], kind)(value.reshape(shape))
            return (y * inp.arange(24).reshape(y.shape).astype("float32")).sum()

        found = irf.jit(irf.grad(loss, (0, 1)), backend="numpy")(X, value, np.int64(2))
        return [g.numpy() for g in found]

    window = gradients(lambda i: (0, i), (4,))
    for one, other in zip(window, gradients(lambda i: (0, i[None]), (1, 4)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loop_fills_places() -> None:
    f = irf.jit(lambda x: irf.fori_loop(0, 50, lambda i, x: x.at[i].set(i * 2.0), x))
    np.testing.assert_array_equal(f(np.zeros(50, np.float32)).numpy(), np.arange(50) * 2)


@pytest.mark.parametrize("batched", [(0, None), (None, 0), (0, 0)])
def test_batches_of_places(batched: tuple[int | None, int | None]) -> None:
    x = np.stack([X, -X]) if batched[0] == 0 else X
    i = np.array([1, 2]) if batched[1] == 0 else np.int64(2)
    found = irf.vmap(lambda x, i: x.at[:, i].set(1.0), batched)(x, i).numpy()
    for k in range(2):
        expected = np.array(x[k] if batched[0] == 0 else x)
        expected[:, i[k] if batched[1] == 0 else i] = 1
        np.testing.assert_array_equal(found[k], expected)
