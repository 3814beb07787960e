"""Calls of compiled functions through built-in functions made of generated code: what they take,
what they refuse, and that nothing leaks.
"""

import ctypes
import gc
import os
import resource
import subprocess
import sys
import threading
import tracemalloc
import weakref
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import ArenaError, DonatedTensorError, UsageError
from irflow.frontend.jit_function import JitFunction
from irflow.frontend.quick import OTHER, assembler
from irflow.tree import flatten
from irflow_llvm import builtin, builtin_results, builtin_text, frames, runtime
from irflow_llvm.engine import Engine

IS_USUAL = sys.platform == "linux" and sys.version_info < (3, 14) and sys.maxsize > 2**32
pytestmark = pytest.mark.skipif(
    not IS_USUAL and not builtin.is_supported(), reason="calls go through ctypes here"
)

X = np.arange(12, dtype=np.float32).reshape(3, 4)


class Pair(NamedTuple):
    first: Any
    second: Any


def test_builtins_are_supported():
    assert builtin._problem() is None


@dataclass
class Layer:
    weight: Any
    bias: Any = None
    size: int = field(init=False, default=0)

    def __post_init__(self):
        self.size = len(self.weight.shape)

    @irf.jit
    def apply(self, x):
        return Layer(self.weight * x, self.bias)


def warm(function, *args):
    """A jitted function after the calls that let it have its built-in function."""
    function = function if hasattr(function, "cache") else irf.jit(function, backend="llvm")
    for _ in range(3):
        function(*args)
    return function


def quick_calls(function):
    return [call for known in function._quick.values() for call in known.calls]


@pytest.fixture
def long_way(monkeypatch):
    """A list that grows with every call that goes the long way."""
    calls: list[int] = []
    run = JitFunction._run

    def counted(self, args, kwargs):
        calls.append(1)
        return run(self, args, kwargs)

    monkeypatch.setattr(JitFunction, "_run", counted)
    return calls


STRUCTURES = {
    "arrays": lambda: (X, X + 1),
    "tensors": lambda: (irf.asarray(X), irf.asarray(X) + 1),
    "dict": lambda: ({"b": X, "a": [X, irf.asarray(X)]}, X),
    "named": lambda: (Pair(X, (X, None)), X),
    "dataclass": lambda: (Layer(X, {"b": X}), [Layer(irf.asarray(X))]),
    "float": lambda: (X, 0.1),
    "int": lambda: (X, 3),
    "bool": lambda: (X, True),
    "scalar array": lambda: (X, np.array(2.5, np.float32)),
    "empty": lambda: (X[:0], X[:0]),
    "integers": lambda: (X.astype(np.int8), X.astype(np.int64)),
    "read-only": lambda: (np.broadcast_to(X, (3, 4)), np.frombuffer(X.tobytes(), np.float32)),
}


def total(*args):
    """Results of several kinds, of which all leaves are part."""
    leaves = flatten(args)[0]
    return {"sum": sum(leaf.sum() * (i + 1) for i, leaf in enumerate(map(irf.asarray, leaves)))}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_go_the_short_way_with_the_same_result(name, long_way):
    args = STRUCTURES[name]()
    function = irf.jit(total, backend="llvm")
    first = function(*args)["sum"]
    warm(function, *args)
    long_way.clear()
    second = function(*args)["sum"]
    assert not long_way
    assert second.item() == first.item()
    assert (second.type, second.is_weak) == (first.type, first.is_weak)


def result_of(x):
    return Pair(x + 1, {"b": [x, (x * 2,)], "a": None})


def test_results_have_their_structure():
    function = warm(result_of, X)
    result = function(X)
    assert type(result) is Pair
    assert list(result.second) == ["a", "b"]
    np.testing.assert_array_equal(result.second["b"][1][0], X * 2)
    tree = ({"k": 1, 2: [3, None]}, Pair((), 4))
    leaves, structure = flatten(tree)
    assert assembler(structure)(leaves) == tree


class Sub(np.ndarray):
    pass


UNUSUAL = {
    "dtype": X.astype(np.float64),
    "shape": X[:2],
    "rank": X[None],
    "order": np.asfortranarray(X),
    "strides": np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": X[::-1],
    "unaligned": np.frombuffer(b"\0" + X.tobytes(), np.float32, offset=1).reshape(3, 4),
    "subclass": X.view(Sub),
    "byte order": X.astype(">f4"),
    "rank 0": np.array(1.5, np.float32),
    "NumPy scalar": np.float32(1.5),
    "number": 1.5,
    "weak tensor": irf.asarray(1.5).weakened(),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_other_arguments_go_the_long_way(name, long_way):
    function = warm(lambda x, y: x * 2 + y, X, X)
    value = UNUSUAL[name]
    expected = np.asarray(value) * np.float32(2) + np.asarray(value)
    long_way.clear()
    np.testing.assert_array_equal(function(value, value), expected)
    assert long_way
    np.testing.assert_array_equal(function(X, X), X * 3)


def test_numbers_that_do_not_fit_go_the_long_way():
    function = warm(lambda n: n + 1, 5)
    assert quick_calls(function)
    assert function(-7).item() == -6
    assert function(2**62).item() == 2**62 + 1
    large = irf.jit(lambda n: n + 1, backend="llvm")(2**63)
    assert repr(function(2**63)) == repr(large)
    assert [call for call in quick_calls(function) if call(2**63) is not OTHER] == []
    assert function(True).item() == 2
    assert function(0.5).item() == 1.5


def test_wrong_arguments_raise_as_before():
    function = warm(lambda x, y: x + y, X, X)
    with pytest.raises(TypeError):
        function(X)
    with pytest.raises(UsageError):
        function(X, "text")
    with pytest.raises(irf.errors.ShapeError):
        function(X, X[:, :3])
    np.testing.assert_array_equal(function(X, y=X), X + X)


def test_references_are_given_back():
    x, held = X.copy(), irf.asarray(X + 1)
    params = {"w": x, "b": [held], "c": Layer(x)}
    function = warm(lambda p, s: (p["w"] * s, p["b"][0] + p["c"].weight), params, 0.5)
    calls = quick_calls(function)
    watched = [
        x,
        held,
        params,
        params["c"],
        params["b"],
        *calls,
        None,
        np.dtype(np.float32),
        held.data,
    ]
    function(params, 0.5)
    before = [sys.getrefcount(thing) for thing in watched]
    for _ in range(1000):
        function(params, 0.5)
        calls[0]({"w": x}, 0.5)
        calls[0]({"w": x, "b": [x, x], "c": Layer(x)}, 0.5)
        calls[0]({"w": x, "b": [x], "c": Layer(X[0])}, 0.5)
        calls[0](params, 1)
    after = [sys.getrefcount(thing) for thing in watched]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 20


def test_memory_does_not_grow():
    large = np.ones(100_000, np.float32)
    function = warm(lambda x, y: (x + y[0], {"a": y * 2}, x.sum()), large, X[0])
    tracemalloc.start()
    try:
        for _ in range(200):
            function(large, X[0])
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2000):
            function(large, X[0])
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 5_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [12, 100_000])
def test_results_keep_their_memory(count):
    x = np.arange(count, dtype=np.float32)
    function = warm(lambda x, k: x * k, x, np.float32(0))
    results = [function(x, np.full((), k, np.float32)) for k in range(5)]
    views = [np.asarray(result)[3:] for result in results]
    addresses = {result.data.ctypes.data for result in results}
    assert len(addresses) == 5
    del results
    more = [function(x, np.full((), k, np.float32)) for k in range(7, 12)]
    for k, view in enumerate(views):
        np.testing.assert_array_equal(view, x[3:] * k)
    assert addresses.isdisjoint({result.data.ctypes.data for result in more})


def test_large_results_use_memory_again():
    x = np.zeros(1 << 20, np.float32)
    function = warm(lambda x: x + 1, x)
    addresses = {function(x).data.ctypes.data for _ in range(10)}
    assert len(addresses) <= 2
    assert not function(x).data.flags.owndata
    assert function(x).data.ctypes.data % 4096 == 0


def test_large_results_need_no_new_pages():
    x = np.zeros(1 << 23, np.float32)
    function = warm(lambda x: (x + 1, x * 2), x)
    for _ in range(3):
        function(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        function(x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 100


def test_kept_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(builtin_results, "KEPT", 1 << 20)
    monkeypatch.setattr(builtin_results, "BLOCKS", 3)
    engine = Engine(builtin_text.builtin_text(builtin.ARRAY), level=1)
    monkeypatch.setattr(builtin, "engine", lambda: engine)
    kept_bytes = ctypes.PYFUNCTYPE(ctypes.c_int64)(engine.address("irflow_kept"))
    found = []
    for count in (20_000, 40_000, 60_000, 80_000, 100_000, 200_000, 300_000):
        x = np.ones(count, np.float32)
        results = [warm(lambda x: x + 1, x)(x) for _ in range(2)]
        assert all(result.data.sum() == 2 * count for result in results)
        del results
        found.append(kept_bytes())
    assert 0 < found[0] < found[1] < found[2]
    assert max(found) <= 1 << 20
    assert found[-1] == found[-2]  # a larger block than all that is kept is not


@pytest.mark.parametrize("count", [8, 300_000])
def test_threads(count):
    x = np.arange(count, dtype=np.float32)
    function = warm(lambda x, k: (x * k, (x + k).sum()), x, np.float32(1))
    wrong: list[object] = []

    def work(k):
        factor = np.full((), k, np.float32)
        expected = x * factor
        for _ in range(10_000 if count < 100 else 20):
            product, _ = function(x, factor)
            if not np.array_equal(product.data, expected):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_long_programs_let_other_threads_run():
    short = irf.jit(lambda x: x + 1, backend="llvm").trace(X).lower().compile()
    large = np.zeros((128, 128), np.float32)
    long = irf.jit(lambda x: inp.exp(x) @ x, backend="llvm").trace(large).lower().compile()
    assert not runtime.is_long(short.executable.program)
    assert runtime.is_long(long.executable.program)
    for function, x, releases in (
        (lambda x: x + 1, X, 0),
        (lambda x: inp.exp(x) @ x, large, 1),
    ):
        (call,) = quick_calls(warm(function, x))
        assert call.__self__[builtin_text.Table.RELEASES] == releases


def test_updates_of_variables_are_not_lost():
    count = irf.Variable(np.zeros((), np.int64))

    def step(x):
        count.assign_add(1)
        return x + count

    function = warm(step, X)
    assert quick_calls(function)
    before = int(count.value)
    threads = [threading.Thread(target=lambda: [function(X) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(count.value) == before + 4000
    thread = threading.Thread(target=function, args=(X,))
    with function._lock:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
    thread.join()
    count.assign(5)
    np.testing.assert_array_equal(function(X), X + 6)


def test_donated_tensors():
    function = irf.jit(lambda x, y: x + y, donate_argnums=0, backend="llvm")
    plain = warm(lambda x: x + 1, irf.asarray(X))
    for _ in range(5):
        given = irf.asarray(X)
        np.testing.assert_array_equal(function(given, X), X + X)
        with pytest.raises(DonatedTensorError):
            plain(given)
        with pytest.raises(DonatedTensorError):
            function(given, X)


def test_static_and_keyword_arguments():
    function = irf.jit(lambda x, n, scale: x * n + scale, static_argnums=1, backend="llvm")
    for n in (2, 3, 2, 3, 2, 3, 2, 3):
        np.testing.assert_array_equal(function(X, n, scale=X), X * n + X)
        np.testing.assert_array_equal(function(X, n=n, scale=X), X * n + X)


KEYWORDS = irf.jit(lambda x, n, *, b, a: x * n + b - 2 * a, backend="llvm")


def test_keywords_in_any_order(long_way):
    n, b = X + 4, X - 7
    expected = X * n + b - 2 * (X + 1)
    calls = [
        lambda: KEYWORDS(X, n, b=b, a=X + 1),
        lambda: KEYWORDS(X, n, a=X + 1, b=b),
        lambda: KEYWORDS(n=n, a=X + 1, x=X, b=b),
        lambda: KEYWORDS(X, b=b, a=X + 1, n=n),
    ]
    for _ in range(3):
        for call in calls:
            np.testing.assert_array_equal(call(), expected)
    long_way.clear()
    for call in calls:
        np.testing.assert_array_equal(call(), expected)
    assert not long_way
    with pytest.raises(TypeError):
        KEYWORDS(X, 4.0, {"a": X + 1, "b": X})


def test_static_values_go_the_short_way_when_they_are_the_same(long_way):
    function = irf.jit(lambda x, n, y: x * len(n) + y, static_argnums=1, backend="llvm")
    for _ in range(3):
        function(X, "ab", X)
    long_way.clear()
    np.testing.assert_array_equal(function(X, "ab", X), X * 3)
    assert not long_way
    np.testing.assert_array_equal(function(X, "abc", X), X * 4)
    np.testing.assert_array_equal(function(X, ("a",), X), X * 2)
    with pytest.raises(UsageError):
        function(X, ["a"], X)


def test_donation_in_structures(long_way):
    function = irf.jit(
        lambda rate, p: {"w": p["w"] * rate, "b": (p["b"][0] + 1,)},
        donate_argnames="p",
        backend="llvm",
    )
    state = {"w": irf.asarray(X), "b": (irf.asarray(X[0]),)}
    for _ in range(4):
        long_way.clear()
        rate = irf.asarray(np.float32(0.5))
        old, state = state, function(rate, state)
        for leaf in (old["w"], old["b"][0]):
            with pytest.raises(DonatedTensorError):
                leaf.numpy()
        assert rate.item() == 0.5
    assert not long_way
    np.testing.assert_array_equal(state["w"], X / 16)


def test_missing_memory_names_the_largest_tensors(monkeypatch):
    def refuse(count):
        raise MemoryError

    function = irf.jit(lambda x: inp.exp(x @ x.T) @ x, backend="llvm")
    monkeypatch.setattr(frames, "aligned_bytes", refuse)
    with pytest.raises(
        ArenaError, match=r"no memory for an arena of [\d,]+ bytes\n  b\d+ f32\[3, 3\]"
    ):
        function(X)
    monkeypatch.undo()
    assert function(X).shape == (3, 4)


def test_functions_are_freed():
    function = warm(lambda x: (x + 1, x), np.ones(50_000, np.float32))
    assert quick_calls(function)
    executable = weakref.ref(next(iter(function.cache.values())).executable)
    del function
    gc.collect()
    assert executable() is None


def test_methods():
    class Model:
        def __init__(self, factor):
            self.factor = factor

        @irf.jit
        def run(self, x):
            return x * self.factor

    layer = Layer(X, X[0])
    for _ in range(4):
        result = layer.apply(X)
        assert (type(result), result.size) == (Layer, 2)
        np.testing.assert_array_equal(result.weight, X * X)
    two, three = Model(2), Model(3)
    for _ in range(6):
        np.testing.assert_array_equal(two.run(X), X * 2)
        np.testing.assert_array_equal(three.run(X), X * 3)


def test_backends_are_chosen_at_each_call(monkeypatch):
    function = irf.jit(lambda x: x + 1)
    ran: list[str] = []
    from irflow_numpy.walk import NumpyExecutable

    original = NumpyExecutable.__call__

    def noted(self, arrays):
        ran.append("numpy")
        return original(self, arrays)

    monkeypatch.setattr(NumpyExecutable, "__call__", noted)
    for _ in range(4):
        function(X)
    assert quick_calls(function)
    ran.clear()
    with irf.use_backend("numpy"):
        function(X)
    assert ran == ["numpy"]
    function(X)
    assert ran == ["numpy"]
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
    function(X)
    assert ran == ["numpy"] * 2
    monkeypatch.delenv("IRFLOW_BACKEND")
    function(X)
    assert ran == ["numpy"] * 2


def test_eager_operations_in_between(monkeypatch):
    function = warm(lambda x: x + 1, X)
    monkeypatch.setenv("IRFLOW_EAGER", "jit")
    np.testing.assert_array_equal(function(X) * 2, (X + 1) * 2)
    monkeypatch.setenv("IRFLOW_EAGER", "")
    np.testing.assert_array_equal(function(function(X) * 2), (X + 1) * 2 + 1)


def test_disabled_and_traced_calls_see_python():
    seen: list[object] = []

    def inner(x):
        seen.append(x)
        return x + 1

    function = warm(inner, X)
    seen.clear()
    function(X)
    assert not seen
    with irf.disable_jit():
        function(X)
    assert len(seen) == 1
    outer = irf.jit(lambda x: function(x) * 2, backend="llvm")
    np.testing.assert_array_equal(outer(X), (X + 1) * 2)
    assert len(seen) == 2
    gradient = irf.grad(lambda x: function(x).sum())(X)
    np.testing.assert_array_equal(gradient, np.ones_like(X))


def test_variables_are_assigned_by_the_function_around():
    count = irf.Variable(np.zeros((), np.int64))

    def inner(x):
        count.assign_add(1)
        return x + 1

    function = warm(inner, X)
    outer = irf.jit(lambda x: function(X) * x, backend="llvm")
    before = int(count.value)
    for _ in range(4):
        np.testing.assert_array_equal(outer(X), (X + 1) * X)
    assert int(count.value) == before + 4


def test_sizes_of_a_spec_are_short_each():
    function = irf.jit(lambda x: x.sum() + x.shape[0], spec="f32[n, 4]", backend="llvm")
    for _ in range(4):
        for rows in (1, 2, 5):
            x = np.ones((rows, 4), np.float32)
            assert function(x).item() == 5 * rows
    assert len(quick_calls(function)) == 3
    assert len(function.cache) == 1


def test_changed_results_do_not_change_others():
    function = warm(lambda x: x + 1, X)
    first, second = function(X), function(X)
    first[0] = 0
    assert second.data[0, 0] == 1
    assert function(X).data[0, 0] == 1


def test_results_outlive_everything():
    program = (
        "import numpy as np, irflow as irf\n"
        "f = irf.jit(lambda x: x + 1, backend='llvm')\n"
        "x = np.ones(100_000, np.float32)\n"
        "kept = [f(x) for _ in range(5)]\n"
        "raw = kept[-1].data\n"
        "assert not raw.flags.owndata\n"
        "import builtins; builtins.late = (kept, raw[5:])\n"
        "del f\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env=os.environ | {"IRFLOW_CHECK": "0"}
    )


def test_without_builtins_calls_go_through_ctypes(monkeypatch):
    monkeypatch.setattr(builtin, "is_supported", lambda: False)
    function = warm(lambda x: x + 1, X)
    assert not quick_calls(function)
    np.testing.assert_array_equal(function(X), X + 1)


@pytest.mark.parametrize("field", builtin.ARRAY)
def test_another_layout_is_found_out(field, monkeypatch):
    monkeypatch.setitem(builtin.ARRAY, field, builtin.ARRAY[field] + 4)
    assert builtin._problem() is not None


@pytest.mark.parametrize(
    "flaw",
    [
        ("call void @Py_DecRef(ptr %array)\n  %i.next", "%i.next"),
        ("icmp eq i32 %order, 257", "icmp ne i32 %order, 9999"),
        ("%same.dtype = icmp eq ptr", "%same.dtype = icmp ne ptr null, %dtype.wanted ;"),
    ],
)
def test_the_self_test_can_fail(flaw, monkeypatch):
    text = builtin_text.builtin_text(builtin.ARRAY)
    assert flaw[0] in text
    flawed = Engine(text.replace(*flaw), level=1)
    builtin.engine()
    monkeypatch.setattr(builtin, "engine", lambda: flawed)
    assert not builtin._runs()
