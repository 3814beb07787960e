"""One version of a jitted function for many sizes, made when a second size comes."""

import functools
from contextlib import suppress

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dims, nn, plugins, tree
from irflow.backend import Capabilities
from irflow.compiler.compilations import recorded
from irflow.errors import ShapeError, UndecidableSizeError, UsageError
from irflow_numpy import NumpyBackend

F32 = np.float32
RANDOM = np.random.default_rng(0)


def draw(*shape):
    return RANDOM.normal(size=shape).astype(F32)


def types_of(function):
    """The types of each version, in the order of their making."""
    return [[str(type) for type in key.types] for key in function.cache]


def equal(function, other, *args):
    """Whether two functions give the same bits."""
    leaves = zip(tree.flatten(function(*args))[0], tree.flatten(other(*args))[0], strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in leaves)


# --------------------------------------------------------------------------------- the common case


def test_the_second_size_makes_the_version_for_all(capsys, monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    monkeypatch.delenv("IRFLOW_BACKEND", raising=False)

    @irf.jit
    def f(x, y, w):
        return (x @ w).sum(1) + y

    w = draw(7, 3)
    with recorded() as compilations:
        for n in (32, 16, 5, 32, 2, 1000):
            x, y = draw(n, 7), draw(n)
            np.testing.assert_allclose(f(x, y, w), (x @ w).sum(1) + y, rtol=1e-4, atol=1e-5)
    lines = [
        "f: first compilation",
        "f: compiled again for all 2 <= n: "
        "x was f32[32, 7], is f32[n, 7]; y was f32[32], is f32[n]",
    ]
    assert [one.reason for one in compilations] == lines
    assert capsys.readouterr().err.splitlines() == [f"[irflow recompiles] {line}" for line in lines]
    assert types_of(f) == [
        ["f32[32, 7]", "f32[32]", "f32[7, 3]"],
        ["f32[n, 7]", "f32[n]", "f32[7, 3]"],
    ]


def test_sizes_0_and_1_are_compiled_for_by_themselves():
    f = irf.jit(lambda x, y: (x + y).sum(0))
    for n in (3, 1, 0, 4, 1, 0, 5):
        x = draw(n, 2)
        np.testing.assert_allclose(f(x, draw(1, 2) * 0), x.sum(0), rtol=1e-5)
    assert [types[0] for types in types_of(f)] == [
        "f32[3, 2]", "f32[1, 2]", "f32[0, 2]", "f32[n, 2]",
    ]  # fmt: skip
    g = irf.jit(lambda x, y: x + y)
    for n, m in [(3, 3), (3, 1), (1, 3), (4, 4), (4, 1), (1, 4), (5, 5)]:
        assert g(np.ones(n), np.ones(m)).shape == (max(n, m),)
    assert types_of(g)[-1] == ["f64[1]", "f64[n]"]


def test_last_axes_stay_numbers_and_what_is_equal_to_them():
    f = irf.jit(lambda x, w, b: x @ w + b)
    for n, k, m in [(4, 6, 3), (5, 6, 3), (6, 9, 2), (7, 9, 2)]:
        assert f(draw(n, k), draw(k, m), draw(m)).shape == (n, m)
    assert types_of(f) == [
        ["f32[4, 6]", "f32[6, 3]", "f32[3]"],
        ["f32[n, 6]", "f32[6, 3]", "f32[3]"],
        ["f32[n, 9]", "f32[9, 2]", "f32[2]"],
    ]


def test_an_equality_that_does_not_last():
    f = irf.jit(lambda x, y: (x.sum() + y.sum(), x * 2, y * 3))
    plain = irf.jit(f.function, dynamic=False)
    for n, m in [(4, 4), (6, 6), (8, 8), (8, 3), (3, 8), (9, 9)]:
        assert equal(f, plain, draw(n, 2), draw(m, 2))
    assert types_of(f)[1:] == [["f32[n, 2]", "f32[n, 2]"], ["f32[n, 2]", "f32[m, 2]"]]


def test_a_mistake_is_told_as_ever_and_leaves_nothing_behind():
    f = irf.jit(lambda x, y: x + y)
    for n in (4, 6):
        f(np.ones(n), np.ones(n))
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"(?s)8.*7"):
            f(np.ones(8), np.ones(7))
    assert f(np.ones(9), np.ones(9)).shape == (9,)
    assert len(f.cache) == 2


def test_other_types_and_statics_are_other_families():
    f = irf.jit(lambda x, k: x * k, static_argnums=1)
    for n, dtype, k in [(3, "f4", 1), (4, "f8", 1), (5, "f4", 2), (6, "f4", 1)]:
        f(np.ones(n, dtype), k)
    assert [key.types[0].is_static for key in f.cache] == [True, True, True, False]


# ------------------------------------------------------------------------------ what stays concrete

TABLE = np.arange(32.0).reshape(16, 2)
SCALES = {16: 3.0}


@functools.lru_cache
def scale_of(size):
    return SCALES.get(size, 1.0)


def lenient(x):
    """A function that hides what it asked."""
    try:
        return x * int(x.shape[0])
    except UndecidableSizeError:
        return x * 1000


NEEDS_NUMBERS = {
    "is 16": lambda x: x * 2 if x.shape[0] == 16 else x,
    "is not 16": lambda x: x if x.shape[0] != 16 else x * 2,
    "is a shape": lambda x: x * 2 if x.shape == (16, 2) else x,
    "is in": lambda x: x * 2 if x.shape[0] in (16, 20) else x,
    "below": lambda x: x * 2 if x.shape[0] < 17 else x,
    "found in a dictionary": lambda x: x * SCALES.get(x.shape[0], 1.0),
    "found in a cache": lambda x: x * scale_of(x.shape[0]),
    "int": lambda x: x * int(x.shape[0]),
    "float": lambda x: x * float(x.shape[0]),
    "len": lambda x: x * len(x),
    "range": lambda x: sum(x[i] for i in range(x.shape[0])),
    "a quarter": lambda x: x.reshape(4, -1),
    "a fixed shape": lambda x: x.reshape(2, 8, 2) if x.shape[0] == 16 else x,
    "a constant": lambda x: x * TABLE[: x.shape[0]],
    "least": lambda x: x * min(x.shape[0], 10),
    "a position": lambda x: x[5],
    "a position from the end": lambda x: x[-5],
    "an array of positions": lambda x: x[np.array([5])],
    "a place": lambda x: x.at[np.array([-5])].set(7),
    "a roll": lambda x: inp.roll(x, 5, 0),
    "a reflection": lambda x: inp.pad(x, ((3, 0), (0, 0)), mode="reflect"),
    "quarter turns": lambda x: inp.rot90(x, x.shape[0] // 2),
    "a number of bins": lambda x: inp.histogram(x, x.shape[0])[0],
    "a slope": lambda x: inp.gradient(x, axis=0, edge_order=2),
    "a raveled position": lambda x: inp.ravel_multi_index((np.array([3]), np.array([1])), x.shape),
    "a choice": lambda x: irf.random.choice(irf.random.key(0), x, (5,)),
    "the same as a constant": lambda x: inp.array_equiv(x, TABLE),
    "equal to a constant": lambda x: inp.array_equal(x, TABLE),
    "is 16.0": lambda x: x * 2 if x.shape[0] == 16.0 else x,
    "is an array": lambda x: x * 2 if np.array(16) == x.shape[0] else x,
    "is in an array": lambda x: x * 2 if np.any(x.shape[0] == np.array([16, 20])) else x,
    "a question in a try": lenient,
    "a format": lambda x: x * SCALES.get(int(f"{x.shape[0]}".replace("n", "0")), 1.0),
    "text of a shape": lambda x: x * 2 if str(x.shape) == "(16, 2)" else x,
    "a factor of a narrow type": lambda x: x.astype("int8") * x.shape[0],
    "text": lambda x: x * {"16": 2.0, "8": 1.0, "12": 4.0, "6": 5.0}[str(x.shape[0])],
}


@pytest.mark.parametrize("name", NEEDS_NUMBERS)
def test_functions_that_need_the_number(name):
    traces = []

    def counted(x):
        traces.append(x.shape)
        return NEEDS_NUMBERS[name](x)

    f = irf.jit(counted, backend="numpy")
    plain = irf.jit(NEEDS_NUMBERS[name], dynamic=False, backend="numpy")
    for n in (8, 16, 12, 6, 16):
        assert equal(f, plain, TABLE[:n]), n
    symbolic = [shape for shape in traces if not all(type(size) is int for size in shape)]
    assert len(symbolic) == 1, "it is not tried again"
    assert len(f.cache) == 4


def test_the_log_says_why(capsys, monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "recompiles")
    f = irf.jit(lambda x, y: x + y * 2 if x.shape[0] == 16 else x + y)
    for n in (8, 16, 12):
        f(np.ones(n), np.ones(n))
    assert [line.partition("; y")[2] for line in capsys.readouterr().err.splitlines()] == [
        "",
        " was f64[8], is f64[16]; "
        "axis 0 of x and axis 0 of y cannot be symbolic: cannot decide n == 16",
        " was f64[16], is f64[12]",
    ]


def test_the_axes_that_can_be_symbolic_are():
    f = irf.jit(lambda x: sum(x[:, i] for i in range(x.shape[1])).sum(0) / x.shape[0])
    plain = irf.jit(f.function, dynamic=False)
    for n, m in [(3, 4), (5, 6), (7, 6), (8, 6), (8, 5), (9, 5)]:
        assert equal(f, plain, draw(n, m, 2))
    assert types_of(f) == [["f32[3, 4, 2]"], ["f32[n, 6, 2]"], ["f32[n, 5, 2]"]]


def test_backends_without_dynamic_sizes():
    class Concrete(NumpyBackend):
        name = "concrete"

        def capabilities(self):
            return Capabilities(dynamic_sizes=False)

    with plugins.registered(plugins.BACKENDS, "concrete", Concrete):
        f = irf.jit(lambda x: x + 1, backend="concrete")
        with recorded() as compilations:
            for n in (3, 4, 5):
                assert f(np.ones(n)).tolist() == [2.0] * n
    assert not any("symbolic" in one.reason for one in compilations), "it is not tried"
    assert types_of(f) == [["f64[3]"], ["f64[4]"], ["f64[5]"]]


# --------------------------------------------------------------------------------------- the option


def test_never():
    f = irf.jit(lambda x: x + 1, dynamic=False)
    for n in (3, 4, 5):
        f(np.ones(n))
    assert types_of(f) == [["f64[3]"], ["f64[4]"], ["f64[5]"]]


def test_from_the_start():
    f = irf.jit(lambda x, w: x @ w, dynamic=True)
    for n, k in [(3, 4), (5, 4), (3, 4), (6, 7), (7, 8)]:
        x, w = draw(n, k), draw(k, 2)
        np.testing.assert_allclose(f(x, w), x @ w, rtol=1e-5, atol=1e-6)
    assert types_of(f) == [["f32[n, 4]", "f32[4, 2]"], ["f32[n, m]", "f32[m, 2]"]]


def test_beside_a_spec():
    with pytest.raises(UsageError, match="spec= says which sizes are symbolic"):
        irf.jit(lambda x: x, spec="f32[n]", dynamic=True)


def test_inside_of_other_functions():
    inner = irf.jit(lambda x: x * 2, spec="f64[n]")
    outer = irf.jit(lambda x: inner(x) + irf.jit(lambda y: y.sum())(x))
    for n in (3, 4, 5):
        assert outer(np.ones(n)).tolist() == [2.0 + n] * n
    assert len(outer.cache) == 2


# ----------------------------------------------------------------------------- the same, as quickly


def mlp_loss(params, x, y):
    (w1, b1), (w2, b2) = params
    scores = nn.relu(x @ w1 + b1) @ w2 + b2
    return -(nn.log_softmax(scores) * y).sum(1).mean()


PARAMS = (draw(20, 30), draw(30)), (draw(30, 4), draw(4))
EQUAL = {
    "training": (irf.value_and_grad(mlp_loss), lambda n: (PARAMS, draw(n, 20), draw(n, 4))),
    "layer norm": (
        irf.grad(lambda x: (nn.layer_norm(x) * inp.sin(x)).sum()), lambda n: (draw(n, 213),)
    ),
    "softmax": (nn.softmax, lambda n: (draw(n, 33),)),
    "columns": (lambda x: (x.sum(0), x.mean(), x.max(0)), lambda n: (draw(n, 77),)),
    "convolution": (nn.conv, lambda n: (draw(n, 9, 9, 3), draw(3, 3, 3, 4))),
    "batched product": (lambda x, y: x @ y, lambda n: (draw(n, 9, 8), draw(n, 8, 7))),
    "weight gradient": (lambda x, y: x.T @ y, lambda n: (draw(20 * n, 9), draw(20 * n, 7))),
    "scan": (
        lambda x: irf.scan(lambda c, e: (c / 2 + e, c.sum()), inp.zeros(4, F32), x),
        lambda n: (draw(n, 4),),
    ),
    "scatter": (
        lambda x, i: inp.zeros((10, 4), F32).at[i].add(x),
        lambda n: (draw(n, 4), RANDOM.integers(0, 10, n)),
    ),
    "dropout": (lambda x: nn.dropout(x, 0.5, irf.random.key(1)), lambda n: (draw(n, 40),)),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_equal_bits_with_symbols_and_without(name):
    function, arguments = EQUAL[name]
    f = irf.jit(function, backend="llvm")
    f(*arguments(3))
    for n in (32, 17, 2, 300):
        assert equal(f, irf.jit(function, backend="llvm", dynamic=False), *arguments(n)), n
    assert len(f.cache) == 2


def test_both_versions_are_called_the_short_way():
    f = irf.jit(lambda x: x + 1, backend="llvm")
    f(draw(3, 4))
    for n in (3, 5, 7):
        for _ in range(4):
            f(draw(n, 4))
    (quick,) = f._quick.values()
    assert len(quick.calls) == 3
    assert len(f.cache) == 2


# ------------------------------------------------------------------------------------ guarded sizes


def test_questions_about_guarded_sizes():
    n, m = dims.symbol("n", 2), dims.symbol("m", 2)
    assert n != 16
    with dims.guarded_sizes():
        assert n != 1
        assert n == n + 0
        assert n != "n"
        assert n != 2.5
        assert n + 1 != n
        assert n > 1
    for question in (
        lambda: n == 16, lambda: np.int64(16) == n, lambda: n == m, lambda: hash(n),
        lambda: (n, 3) == (16, 3), lambda: [16].index(n), lambda: n == 16.0,
        lambda: n == np.arange(3), lambda: n < 16, lambda: int(n), lambda: bool(n),
    ):  # fmt: skip
        with pytest.raises(UndecidableSizeError), dims.guarded_sizes():
            question()
        with pytest.raises(UndecidableSizeError), dims.guarded_sizes(), suppress(Exception):
            question()
    with pytest.raises(UndecidableSizeError, match="has no digits"), dims.guarded_sizes():
        assert f"{n}, {n!r}" == "n, n"
    assert {n: 1}[n] == 1
