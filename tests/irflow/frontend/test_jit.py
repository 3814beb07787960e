"""`irf.jit`: arguments of every kind, specialisation, donation, stages, nesting, threads."""

import functools
import threading
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn, tree

F32 = np.float32
Pair = namedtuple("Pair", "first second")


@dataclass
class Layer:
    weight: Any
    bias: Any = None


def values(result):
    """Nested results as nested lists."""
    return tree.map_leaves(lambda leaf: leaf.tolist(), result)


# ---------------------------------------------------------------------------------------- arguments


def test_positional_keyword_and_default_arguments():
    calls = []

    @irf.jit
    def f(x, y, scale=2.0, *, shift=0.0):
        calls.append(None)
        return x * scale + y - shift

    assert f(1.0, 2.0).item() == 4.0
    assert f(1.0, y=2.0).item() == 4.0
    assert f(x=1.0, y=2.0).item() == 4.0
    assert len(calls) == 1, "keywords that continue the positional arguments are the same call"
    assert f(1.0, 2.0, shift=3.0).item() == 1.0
    assert f(y=1.0, x=1.0, shift=3.0, scale=5.0).item() == 3.0
    assert len(calls) == 3


def test_any_number_of_arguments():
    f = irf.jit(lambda *args, **kwargs: sum(args) + kwargs.get("more", 0))
    assert f(1, 2, 3).item() == 6
    assert f(1, more=5).item() == 6
    assert "args[1]: i64[]" in str(f.trace(1, 2)) or "%args" in str(f.trace(1, 2))


@pytest.mark.parametrize(
    "given",
    [
        (1.0, [2.0, {"a": 3.0}]),
        {"b": 1.0, "a": (2.0,)},
        Pair(1.0, [2.0]),
        Layer(1.0, Pair(2.0, None)),
        [None, 4.0, ()],
    ],
)
def test_nested_structures(given):
    f = irf.jit(lambda x: x)
    result = f(given)
    assert type(result) is type(given)
    assert values(result) == given


def test_functions_that_return_what_they_like():
    array = np.arange(3)
    f = irf.jit(lambda x: {"same": x, "twice": (x, x), "number": 3, "none": None, "array": array})
    result = f(np.float32(2.0))
    assert values(result) == {
        "same": 2.0, "twice": (2.0, 2.0), "number": 3, "none": None, "array": [0, 1, 2],
    }  # fmt: skip
    assert irf.jit(lambda: None)() is None
    assert irf.jit(lambda: (1.5, True))()[1].dtype is irf.bool_


def test_a_result_does_not_share_memory():
    array = np.ones(3, F32)
    a, b, c = irf.jit(lambda x: (x, x, x + 0))(array)
    array[:] = 7
    assert a.tolist() == b.tolist() == c.tolist() == [1, 1, 1]
    assert not np.shares_memory(np.asarray(a), np.asarray(b))


def test_zero_arguments_and_constants():
    table = inp.arange(4) * 2
    f = irf.jit(lambda: table[1] + 1)
    assert f().item() == 3


def test_static_arguments():
    seen = []

    @functools.partial(irf.jit, static_argnames=("mode", "axis"), static_argnums=1)
    def f(x, repeat, *, mode="sum", axis=None):
        seen.append((repeat, mode, axis))
        return getattr(x, mode)(axis=axis) * repeat

    x = np.ones((2, 3), F32)
    assert f(x, 2).item() == 12
    assert f(x, 2, mode="sum").item() == 12
    assert f(x, 2, mode="sum", axis=0).tolist() == [4, 4, 4]
    assert f(x, repeat=2, mode="mean", axis=(0,)).tolist() == [2, 2, 2]
    assert f(x, 2).item() == 12
    assert seen == [(2, "sum", None), (2, "sum", None), (2, "sum", 0), (2, "mean", (0,))]


def test_static_arguments_from_the_end():
    f = irf.jit(lambda x, n: x * n, static_argnums=-1)
    assert f(2.0, 3).item() == 6
    assert next(iter(f.cache)).statics == (("n", 3),)


def test_a_string_default_stays_python():
    f = irf.jit(lambda x, mode="up": x + 1 if mode == "up" else x - 1)
    assert f(1.0).item() == 2


class Model:
    def __init__(self, weight):
        self.weight = irf.Variable(weight)
        self.traces = 0

    @irf.jit
    def __call__(self, x):
        self.traces += 1
        return x * self.weight

    @functools.partial(irf.jit, static_argnums=1)
    def power(self, n, x):
        return (x * self.weight) ** n


def test_methods():
    a, b = Model(2.0), Model(3.0)
    assert [a(1.0).item(), b(1.0).item(), a(2.0).item()] == [2, 3, 4]
    assert a.traces == b.traces == 1
    a.weight.assign(5.0)
    assert a(1.0).item() == 5
    assert a.power(2, 2.0).item() == 100


@dataclass
class Affine:
    weight: Any
    bias: Any

    @irf.jit
    def apply(self, x):
        return x * self.weight + self.bias


def test_methods_of_structures():
    assert Affine(2.0, 1.0).apply(3.0).item() == 7
    assert Affine(4.0, 0.0).apply(3.0).item() == 12
    assert len(Affine.apply.cache) == 1, "its fields are arguments"


def test_as_a_decorator():
    @irf.jit(static_argnums=1)
    def f(x, n):
        """Multiply."""
        return x * n

    assert f.__name__ == "f"
    assert f.__doc__ == "Multiply."
    assert f(2, 3).item() == 6


# ----------------------------------------------------------------------------------- specialisation


def test_one_compilation_for_each_kind_of_arguments(capsys, monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")

    @functools.partial(irf.jit, static_argnames="n")
    def f(x, n):
        return x * n

    x = np.ones((2, 3), F32)
    for argument in (x, x, x[:1], x.astype("f8"), 1.0, np.float32(1.0)):
        f(argument, n=1)
    f(np.float32(1.0), n=2)
    monkeypatch.setenv("IRFLOW_BACKEND", "llvm")
    f(np.float32(1.0), n=2)
    lines = [line for line in capsys.readouterr().err.splitlines() if "] f: " in line]
    assert lines == [
        "[irflow recompiles] f: first compilation",
        "[irflow recompiles] f: compiled again: x was f32[2, 3], is f32[1, 3]",
        "[irflow recompiles] f: compiled again: x was f32[1, 3], is f64[2, 3]",
        "[irflow recompiles] f: compiled again: x was f64[2, 3], is f32[] (weak)",
        "[irflow recompiles] f: compiled again: x was f32[] (weak), is f32[]",
        "[irflow recompiles] f: compiled again: static n was 1, is 2",
        "[irflow recompiles] f: compiled again: backend was numpy, is llvm",
    ]


def test_another_structure_compiles_again(capsys, monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    f = irf.jit(lambda x: 0)
    f(1.0)
    f([1.0])
    assert capsys.readouterr().err.splitlines()[1] == (
        "[irflow recompiles] lambda: compiled again for another structure of the arguments"
    )


def test_one_compilation_for_many_sizes():
    traces = []

    @functools.partial(
        irf.jit, spec=("f32[n, k]", {"w": "f32[k, m]"}), constraints="1 <= n <= 64, k >= 2"
    )
    def f(x, params):
        traces.append(x.shape)
        y = x @ params["w"]
        return y.sum(0) / x.shape[0], y.mean(), y.reshape(-1), y[1:]

    rng = np.random.default_rng(0)
    for n, k, m in [(3, 4, 5), (1, 2, 1), (64, 3, 2)]:
        x, w = rng.normal(size=(n, k)).astype(F32), rng.normal(size=(k, m)).astype(F32)
        sums, mean, flat, rest = f(x, {"w": w})
        y = x @ w
        np.testing.assert_allclose(sums, y.sum(0) / n, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mean, y.mean(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(flat, y.reshape(-1), rtol=1e-4, atol=1e-5)
        assert rest.shape == (n - 1, m)
    assert len(traces) == len(f.cache) == 1
    assert "where 2 <= k, 1 <= n <= 64" in str(f.trace().graph).replace("k >= 2", "2 <= k")


def test_numbers_take_the_declared_type():
    f = irf.jit(lambda x, rate: x * rate, spec=("f64[n]", "f64[]"))
    result = f(np.ones(2), 0.1)
    assert result.tolist() == [0.1, 0.1]


def test_weak_types():
    half = irf.asarray([1.0, 2.0], "bf16")
    assert irf.jit(lambda x: x * 2.0)(half).dtype is irf.bf16
    assert irf.jit(lambda x, s: x * s)(half, 2.0).dtype is irf.bf16
    assert irf.jit(lambda x, s: x * s)(half, np.float32(2.0)).dtype is irf.f32
    weak = irf.jit(lambda s: s * 2)(1.5)
    assert weak.is_weak
    assert (half * weak).dtype is irf.bf16
    inner = irf.jit(lambda s: s * 2)
    assert irf.jit(lambda x, s: x * inner(s))(half, 1.5).dtype is irf.bf16


# ---------------------------------------------------------------------------------------- donation


def test_donated_tensors_are_gone():
    @functools.partial(irf.jit, donate_argnames="state")
    def step(state, x):
        return {"w": state["w"] + x}

    state = {"w": irf.asarray([1.0])}
    x = irf.asarray([2.0])
    following = step(state, x)
    with pytest.raises(irf.errors.DonatedTensorError):
        state["w"].numpy()
    assert x.tolist() == [2.0]
    assert step(following, x)["w"].tolist() == [5.0]


def test_donating_an_array_or_number_does_nothing():
    f = irf.jit(lambda x: x + 1, donate_argnums=0)
    array = np.ones(2, F32)
    assert f(array).tolist() == f(array).tolist() == [2, 2]
    assert f(1.0).item() == f(1.0).item() == 2


def test_one_tensor_donated_twice_in_a_call():
    f = irf.jit(lambda x, y: x + y, donate_argnums=(0, 1))
    x = irf.asarray([1.0])
    assert f(x, x).tolist() == [2.0]
    with pytest.raises(irf.errors.DonatedTensorError):
        f(x, 1.0)


def test_a_failed_call_donates_nothing():
    f = irf.jit(lambda x, y: x @ y, donate_argnums=0)
    x = irf.asarray([1.0, 2.0])
    with pytest.raises(irf.errors.ShapeError):
        f(x, np.ones(3, F32))
    assert x.tolist() == [1, 2]


def test_donation_inside_a_trace_keeps_the_tensor():
    f = irf.jit(lambda x: x + 1, donate_argnums=0)
    assert irf.jit(lambda x: f(x) + x)(1.0).item() == 3


# ------------------------------------------------------------------------------------------ stages


def test_the_stages_print():
    f = irf.jit(lambda x, params: nn.relu(x @ params["w"]))
    traced = f.trace("f32[n, 3]", {"w": "f32[3, 2]"})
    assert str(traced).startswith(
        "graph @lambda(%x: f32[n, 3], %params_w: f32[3, 2]) -> f32[n, 2] where 1 <= n"
    ) or str(traced).startswith("graph @lambda(%x: f32[n, 3], ")
    assert "matmul" in str(traced)
    lowered = traced.lower(pipeline="dce")
    assert "matmul" in str(lowered)
    compiled = lowered.compile()
    assert "matmul" in compiled.listing()
    assert "matmul" in str(compiled)
    for n in (1, 4):
        x, w = np.ones((n, 3), F32), np.ones((3, 2), F32)
        assert compiled(x, {"w": w}).tolist() == [[3, 3]] * n


def test_lowering_leaves_the_traced_stage_alone():
    traced = irf.jit(lambda x: x * 1 + 0).trace("f32[3]")
    before = str(traced)
    traced.lower("llvm", level=3)
    assert str(traced) == before


def test_static_arguments_of_a_compiled_function():
    compiled = irf.jit(lambda n, x: x * n, static_argnums=0).trace(3, 2.0).lower().compile()
    assert compiled(3, 4.0).item() == 12


def test_the_selected_backend(monkeypatch):
    def name(f):
        return next(iter(f.cache.values())).lowered.backend.name

    keyword = irf.jit(lambda x: x, backend="numpy")
    plain, default = irf.jit(lambda x: x), irf.jit(lambda x: x)
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
    with irf.use_backend("llvm"):
        keyword(1.0)
        plain(1.0)
    assert name(keyword) == "numpy"
    assert name(plain) == "llvm"
    default(1.0)
    assert name(default) == "numpy"
    monkeypatch.delenv("IRFLOW_BACKEND")
    fresh = irf.jit(lambda x: x)
    fresh(1.0)
    assert name(fresh) == irf.compiler.selected_backend().name
    plain(1.0)
    assert len(plain.cache) == 2, "one compilation a backend"


def test_disable_jit():
    seen = []

    @irf.jit
    def f(x):
        seen.append(type(x))
        if x > 0:
            return x * 2, 3
        return x, 4

    with irf.disable_jit():
        assert values(f(np.float32(2))) == (4.0, 3)
        assert values(f(-1.0)) == (-1.0, 4)
    assert set(seen) == {irf.Tensor}
    assert not f.cache
    with pytest.raises(irf.errors.ConcretizationError):
        f(2.0)


# ----------------------------------------------------------------------------------------- nesting


def test_nested_functions_become_calls():
    inner = irf.jit(lambda x: nn.softmax(x))
    outer = irf.jit(lambda x: inner(x) + inner(x * 2))
    text = str(outer.trace("f32[3]"))
    assert text.count('call<"lambda">') == 2
    x = np.array([0.0, 1.0, 2.0], F32)
    np.testing.assert_allclose(outer(x), nn.softmax(x).numpy() + nn.softmax(x * 2).numpy(), 1e-6)


def test_a_branch_inside_a_nested_function_is_refused_everywhere():
    f = irf.jit(lambda x: x if x > 0 else -x)
    with pytest.raises(irf.errors.ConcretizationError):
        irf.grad(f)(1.0)


def test_captured_tensors_of_an_outer_trace():
    @irf.jit
    def outer(x):
        inner = irf.jit(lambda y: y * x)
        return inner(x) + irf.grad(lambda y: inner(y) * y)(3.0)

    assert outer(2.0).item() == 4 + 12


def test_recursion_over_a_static_argument():
    @functools.partial(irf.jit, static_argnums=1)
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    assert power(2.0, 5).item() == 32


def test_jit_and_grad_of_each_other():
    f = irf.jit(lambda x: x**3.0)
    assert irf.grad(f)(2.0).item() == 12
    assert irf.jit(irf.grad(f))(2.0).item() == 12
    assert irf.jit(irf.grad(irf.jit(irf.grad(f))))(2.0).item() == 12
    assert irf.grad(irf.jit(irf.grad(f)))(2.0).item() == 12


def test_an_error_leaves_no_trace_behind():
    @irf.jit
    def fail(x):
        raise ValueError(x.shape)

    for _ in range(2):
        with pytest.raises(ValueError, match=r"\(2,\)"):
            irf.jit(lambda x: fail(x))(np.ones(2))
    assert irf.frontend.tracing.current_trace() is None
    assert (irf.asarray([1.0]) + 1).tolist() == [2.0]
    assert not fail.cache


def test_threads_trace_side_by_side():
    barrier = threading.Barrier(4)
    results = {}

    @irf.jit
    def f(x, n):
        barrier.wait(timeout=10)
        for _ in range(5):
            x = x * n + 1
        return x

    def run(number):
        x = np.full(number + 1, 2.0, F32)
        results[number] = f(x, float(number)).tolist()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        x = 2.0
        for _ in range(5):
            x = x * number + 1
        assert results[number] == [x] * (number + 1)
    assert len(f.cache) == 4


def test_the_graph_log(capsys, monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "graph")
    irf.jit(lambda x: x + 1)(1.0)
    assert "[irflow graph] graph @lambda(%x: f32[]" in capsys.readouterr().err
