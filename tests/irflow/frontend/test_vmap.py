"""`irf.vmap` equals a loop over the batch, nested in and around all other transformations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import errors

F32 = np.float32


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(F32)


X, W, V = normal(4, 3), normal(3, 3, seed=1), normal(3, seed=2)


def loop(function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """The results for the elements along axis 0, stacked."""
    return np.stack([np.asarray(function(*row)) for row in zip(*arrays, strict=True)])


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), 2e-5, 2e-6)


def layer(x: Any) -> Any:
    return inp.tanh(inp.asarray(W) @ x) + V


def energy(x: Any) -> Any:
    return inp.sum(inp.sin(x) * layer(x))


# ------------------------------------------------------------------------------------ arguments


class Pair(NamedTuple):
    first: Any
    second: Any


def affine(parameters: dict[str, Any], x: Any) -> Any:
    return parameters["w"] @ x + parameters["b"]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize(
    "function", [layer, energy, lambda x: x, lambda x: x[0], lambda x: inp.sort(x)[::-1]]
)
def test_it_is_a_loop_over_the_batch(function: Callable[..., Any], backend: str) -> None:
    mapped = irf.vmap(function)
    close(mapped(X), loop(function, X))
    close(irf.jit(mapped, backend=backend)(X), loop(function, X))
    close(irf.vmap(irf.jit(function))(X), loop(function, X))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis_comes_in_and_goes_out(axis: int) -> None:
    x = normal(2, 3, 4)
    rows = np.moveaxis(x, axis, 0)
    found = irf.vmap(lambda a: a * a[0], axis, axis)(x)
    close(found, np.moveaxis(loop(lambda a: a * a[0], rows), 0, axis))


def test_some_arguments_are_the_same_for_all_elements() -> None:
    close(irf.vmap(lambda x, w: x @ w, (0, None))(X, W), X @ W)
    close(irf.vmap(lambda x, w: w @ x, [0, None])(X, W), X @ W.T)
    close(irf.vmap(lambda w, x: w @ x, (1, None))(W, V), loop(lambda w: w @ V, W.T))
    close(irf.vmap(lambda x, n: x * n, (0, None))(X, 2), 2 * X)


def test_arguments_may_be_nested() -> None:
    parameters = {"w": normal(4, 3, 3), "b": V}
    expected = loop(lambda w, x: w @ x + V, parameters["w"], X)
    close(irf.vmap(affine, ({"w": 0, "b": None}, 0))(parameters, X), expected)
    # One entry stands for a whole part.
    both = {"w": normal(4, 3, 3), "b": normal(4, 3)}
    close(
        irf.vmap(affine, (0, None))(both, V),
        loop(lambda w, b: w @ V + b, both["w"], both["b"]),
    )
    pair = irf.vmap(lambda p: Pair(p.second, p.first * 2), (Pair(0, None),), Pair(None, 1))
    found = pair(Pair(X, V))
    close(found.first, V)
    close(found.second, 2 * X.T)


def test_keywords_are_mapped_over_axis_0() -> None:
    close(irf.vmap(lambda x, y: x - y)(X, y=2 * X), -X)


def test_settings_are_handed_on() -> None:
    close(irf.vmap(lambda x, mode: x if mode == "same" else -x, (0, None))(X, "negative"), -X)


def test_results_that_do_not_depend_on_the_batch() -> None:
    same, repeated = irf.vmap(lambda x: (inp.asarray(V), 1.0), out_axes=(None, 0))(X)
    close(same, V)
    close(repeated, np.ones(4))


def test_nothing_is_mapped_but_the_size_is_given() -> None:
    close(irf.vmap(lambda x: x, in_axes=None, axis_size=2)(V), np.stack([V, V]))
    close(irf.vmap(lambda: V, axis_size=2)(), np.stack([V, V]))


def test_weak_types_stay_weak() -> None:
    half = irf.asarray(np.float16(1))
    strong, weak = irf.vmap(lambda x: (x * 2, 1.0))(X)
    assert (strong[:, 0] * half).dtype is irf.f32
    assert (weak * half).dtype is irf.f16
    assert irf.vmap(lambda x: x * half)(weak).dtype is irf.f16
    matrix = irf.vmap(irf.vmap(lambda x: 1.0))(X)
    assert irf.vmap(lambda x: x * half, 1)(matrix).dtype is irf.f16


def test_an_empty_batch() -> None:
    found = irf.vmap(energy)(X[:0])
    assert found.shape == (0,)
    assert found.dtype is irf.f32


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_a_batch_of_symbolic_size_is_compiled_once(backend: str) -> None:
    f = irf.jit(irf.vmap(layer), spec=("f32[n, 3]",), backend=backend)
    for size in (1, 4, 7):
        x = normal(size, 3, seed=size)
        close(f(x), loop(layer, x))
    assert len(f.cache) == 1


# --------------------------------------------------------------------------------- composition


def test_nested() -> None:
    x = normal(2, 4, 3)
    expected = np.stack([loop(layer, rows) for rows in x])
    close(irf.vmap(irf.vmap(layer))(x), expected)
    outer = irf.vmap(lambda a: irf.vmap(lambda b: inp.sum(a * b))(X))
    close(outer(X), X @ X.T)
    close(irf.vmap(irf.vmap(lambda a, b: a * b, (None, 0)), (0, None))(V, V), np.outer(V, V))


def test_with_gradients() -> None:
    expected = loop(irf.grad(energy), X)
    close(irf.vmap(irf.grad(energy))(X), expected)
    close(irf.grad(lambda x: inp.sum(irf.vmap(energy)(x)))(X), expected)
    close(irf.jit(irf.vmap(irf.grad(energy)), backend="llvm")(X), expected)
    value, gradient = irf.vmap(irf.value_and_grad(energy))(X)
    close(value, loop(energy, X))
    close(gradient, expected)


def test_with_forward_mode() -> None:
    directions = normal(4, 3, seed=5)
    expected = loop(lambda x, t: irf.jvp(energy, (x,), (t,))[1], X, directions)
    close(irf.jvp(irf.vmap(energy), (X,), (directions,))[1], expected)
    close(irf.vmap(lambda x, t: irf.jvp(energy, (x,), (t,))[1])(X, directions), expected)


def test_a_jacobian_is_a_vmap_over_a_basis() -> None:
    _, pull_back = irf.vjp(layer, V)
    (rows,) = irf.vmap(pull_back)(np.eye(3, dtype=F32))
    columns = irf.vmap(lambda t: irf.jvp(layer, (V,), (t,))[1], out_axes=1)(np.eye(3, dtype=F32))
    close(rows, columns)
    close(rows, (1 - np.tanh(W @ V) ** 2)[:, None] * W)


def test_tensors_from_outside_are_the_same_for_all_elements() -> None:
    @irf.jit
    def f(x: Any, w: Any) -> Any:
        scaled = w * 2
        return irf.vmap(lambda row: row @ scaled)(x)

    close(f(X, W), X @ (2 * W))
    gradient = irf.grad(lambda w: inp.sum(irf.vmap(lambda row: row @ w)(X)))(irf.asarray(W))
    close(gradient, np.repeat(X.sum(0)[:, None], 3, 1))


def test_random_numbers_of_many_keys() -> None:
    def draw(key: Any) -> Any:
        return irf.random.normal(irf.random.fold_in(key, 3), (6,))

    keys = inp.stack(irf.random.split(irf.random.key(7), 5))
    np.testing.assert_array_equal(irf.vmap(draw)(keys), loop(draw, keys))
    folded = irf.vmap(irf.random.fold_in, (None, 0))(keys[0], np.arange(3))
    np.testing.assert_array_equal(folded[2], irf.random.fold_in(keys[0], 2))


def test_unmapped_values_may_be_branched_on() -> None:
    f = irf.vmap(lambda x, n: x if n > 0 else -x, (0, None))
    close(f(X, -1.0), -X)


# ----------------------------------------------------------------------------------- variables


def test_variables_are_read_as_they_are_and_assigned_what_is_the_same_for_all() -> None:
    scale = irf.Variable(np.float32(3), name="scale")
    calls = irf.Variable(np.float32(0), name="calls")

    def f(x: Any) -> Any:
        calls.assign(calls + 1)
        return x * scale

    close(irf.vmap(f)(X), 3 * X)
    close(irf.jit(irf.vmap(f))(X), 3 * X)
    assert float(calls.value) == 2


# -------------------------------------------------------------------------------------- errors


def refused(kind: type[Exception], text: str, function: Callable[..., Any], *args: Any) -> None:
    """The error of a call has this text, but for the location."""
    with pytest.raises(kind) as caught:
        function(*args)
    assert type(caught.value) is kind
    lines = [line for line in str(caught.value).splitlines() if not line.startswith("  in ")]
    assert lines == text.strip("\n").splitlines()


ERRORS: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    (
        errors.ShapeError,
        """
vmap: mapped axes have different sizes
  x       f32[4, 3]  axis 0 = 4
  p['w']  f32[2, 3]  axis 1 = 3
""",
        lambda: irf.vmap(lambda x, p: x, (0, 1))(X, {"w": W[:2]}),
    ),
    (
        errors.ShapeError,
        """
vmap: mapped axes have different sizes
  x          f32[4, 3]  axis 0 = 4
  axis_size  5
""",
        lambda: irf.vmap(lambda x: x, axis_size=5)(X),
    ),
    (
        errors.ShapeError,
        """
vmap: argument x has no axis 2
  x        f32[4, 3]  rank 2
  in_axes  2
""",
        lambda: irf.vmap(lambda x: x, 2)(X),
    ),
    (
        errors.ShapeError,
        """
vmap: argument n has no axis 0
  n        i64[]  rank 0
  in_axes  0
  hint: in_axes=None is for what is the same for all elements
""",
        lambda: irf.vmap(lambda x, n: x * n)(X, 2),
    ),
    (
        errors.ShapeError,
        """
vmap: result['y'] has no axis 3
  result['y']  f32[4, 3]  rank 2
  out_axes     3
""",
        lambda: irf.vmap(lambda x: {"y": x}, out_axes=3)(X),
    ),
    (
        errors.TreeError,
        """
vmap: in_axes has 1 entries for 2 positional arguments
  in_axes    (0,)
  arguments  (*, *)
""",
        lambda: irf.vmap(lambda x, y: x, (0,))(X, X),
    ),
    (
        errors.TreeError,
        """
vmap: in_axes[0] does not fit the structure that it is for
  expected  {'b': *, 'w': *}
  given     {'w': *}
""",
        lambda: irf.vmap(lambda p: p["w"], ({"w": 0},))({"w": X, "b": X}),
    ),
    (
        errors.TreeError,
        """
vmap: out_axes does not fit the structure that it is for
  expected  *
  given     (*, *)
""",
        lambda: irf.vmap(lambda x: x, out_axes=(0, 0))(X),
    ),
    (
        errors.TreeError,
        """
vmap: argument mode is not a tensor
  mode  str
  hint: in_axes=None hands on what is the same for all elements
""",
        lambda: irf.vmap(lambda x, mode: x)(X, "fast"),
    ),
    (
        errors.UsageError,
        """
vmap: in_axes holds what is no axis
  found   0.5
  wanted  an int or None
""",
        lambda: irf.vmap(lambda x: x, 0.5)(X),
    ),
    (
        errors.UsageError,
        """
vmap: nothing to map over: no argument has an axis in in_axes
  hint: say with axis_size= how many elements there are
""",
        lambda: irf.vmap(lambda x: x, None)(X),
    ),
    (
        errors.UsageError,
        """
vmap: out_axes is None for a result that depends on the batch
  result[1]  f32[3]  for each element
  hint: give it an axis, or reduce it over the batch outside of vmap
""",
        lambda: irf.vmap(lambda x: (x, x), out_axes=(0, None))(X),
    ),
]


@pytest.mark.parametrize(("kind", "text", "call"), ERRORS)
def test_what_is_refused(kind: type[Exception], text: str, call: Callable[[], Any]) -> None:
    refused(kind, text, call)


def test_python_cannot_branch_on_a_mapped_value() -> None:
    with pytest.raises(errors.ConcretizationError) as caught:
        irf.vmap(lambda x: x if x[0] > 0 else -x)(X)
    text = str(caught.value)
    assert text.startswith("a branch (")
    assert text.endswith(
        "hint: under vmap it may be another one for each element of the batch; "
        "choose with inp.where"
    )


def test_a_variable_cannot_take_a_value_for_each_element() -> None:
    total = irf.Variable(V, name="total")
    text = """
vmap: variable total is assigned a value that depends on the batch
  total  f32[3]
  hint: return the value, and assign outside of vmap what becomes of all of them
"""
    refused(errors.UsageError, text, irf.vmap(lambda x: total.assign(total + x)), X)
