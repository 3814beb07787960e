"""The tensor handle: making one, arithmetic beside NumPy and Python, promotion, precision."""

import operator

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp


def test_from_what_users_have():
    for value, dtype, shape in [
        (1, irf.i64, ()),
        (1.5, irf.f32, ()),
        (True, irf.bool_, ()),
        (1j, irf.complex64, ()),
        (2**63, irf.u64, ()),
        ([1.0, 2.0], irf.f32, (2,)),
        ([[1, 2]], irf.i64, (1, 2)),
        ([], irf.f32, (0,)),
        (np.float64(1.0), irf.f64, ()),
        ([np.float64(1.0)], irf.f64, (1,)),
        ([[np.float64(1.0)]], irf.f64, (1, 1)),
        (np.ones(2, ">f4"), irf.f32, (2,)),
        (np.ones(2, ml_dtypes.bfloat16), irf.bf16, (2,)),
        ([irf.asarray(1.0), 2], irf.f32, (2,)),
        ([[1, irf.asarray(2)], [3, 4]], irf.i64, (2, 2)),
        (irf.Variable(1.0), irf.f32, ()),
        (range(3), irf.i64, (3,)),
    ]:
        tensor = irf.asarray(value)
        assert (tensor.dtype, tensor.shape) == (dtype, shape), value
        assert not tensor.is_weak
    for value in ["a", ["a"], object(), [[1, 2], [3]], 2**64, -(2**63) - 1, None]:
        with pytest.raises((irf.errors.DTypeError, ValueError)):
            irf.asarray(value)


def test_asarray_copies_arrays_and_keeps_tensors():
    array = np.ones(2)
    tensor = irf.asarray(array)
    array[:] = 5
    assert tensor.tolist() == [1, 1]
    assert irf.asarray(tensor) is tensor
    assert irf.asarray(tensor, "f32").dtype is irf.f32


def test_numbers_keep_their_precision():
    assert irf.asarray(0.1, "f64").item() == 0.1
    assert irf.asarray([0.1], "f64").tolist() == [0.1]
    x = inp.ones(1, "f64")
    for result in (x * 0.1, 0.1 * x, inp.where(x > 0, 0.1, x), inp.maximum(x, 1.1) - 1):
        assert result.tolist() in ([0.1], [1.1 - 1])
    assert irf.jit(lambda x: x * 0.1)(x).tolist() == [0.1]
    assert irf.grad(lambda x: x * 0.1)(np.float64(1.0)).item() == 0.1
    assert (inp.ones(1, "i64") * (2**53 + 1)).tolist() == [2**53 + 1]


def test_strong_and_weak():
    half = inp.ones(2, "bf16")
    assert (half * 2).dtype is irf.bf16
    assert (half * 2.5).dtype is irf.bf16
    assert (half * np.float32(2)).dtype is irf.f32
    assert (half * irf.asarray(2.0)).dtype is irf.f32
    assert (inp.ones(2, "i8") * 2).dtype is irf.i8
    assert (inp.ones(2, "i8") * 2.0).dtype is irf.f32
    assert (inp.ones(2, "i8") / 2).dtype is irf.f32
    assert (inp.ones(2, "bool") + 1).dtype is irf.i64
    assert (half > 1).dtype is irf.bool_


OPERATORS = "add sub mul truediv floordiv mod pow lt le gt ge eq ne matmul"


@pytest.mark.parametrize("name", OPERATORS.split())
@pytest.mark.parametrize("wrap", [lambda f: f, irf.jit], ids=["eager", "jit"])
def test_operators_beside_arrays_and_numbers(name, wrap):
    function = getattr(operator, name)
    x, y = np.array([1.5, 2.0, 3.5]), np.array([2.0, 2.0, 0.5])
    pairs = [(irf.asarray(x), irf.asarray(y)), (irf.asarray(x), y), (x, irf.asarray(y))]
    for a, b in pairs:
        np.testing.assert_allclose(np.asarray(wrap(function)(a, b)), function(x, y))
    if name != "matmul":
        found = wrap(lambda t: (function(t, 2.0), function(2.0, t)))(irf.asarray(x))
        np.testing.assert_allclose(np.asarray(found[0]), function(x, 2.0))
        np.testing.assert_allclose(np.asarray(found[1]), function(2.0, x))


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_bit_operators(name):
    function = getattr(operator, name)
    x, y = np.array([6, 3]), np.array([3, 1])
    for a, b in [(irf.asarray(x), y), (x, irf.asarray(y)), (irf.asarray(x), irf.asarray(y))]:
        assert function(a, b).tolist() == function(x, y).tolist()
    assert function(5, irf.asarray(y)).tolist() == function(5, y).tolist()
    assert (~irf.asarray(x)).tolist() == (~x).tolist()
    assert (+irf.asarray(x)).tolist() == x.tolist()


def test_foreign_operands():
    class Foreign:
        def __radd__(self, other):
            return "reflected"

    assert irf.asarray(1.0) + Foreign() == "reflected"
    with pytest.raises(TypeError):
        irf.asarray(1.0) @ "a"
    with pytest.raises(TypeError):
        irf.asarray(1.0) + "a"
    assert (irf.asarray(1.0) == "a") is False
    assert (irf.asarray(1.0) != None) is True  # noqa: E711


def test_matmul_of_vectors_and_batches():
    rng = np.random.default_rng(0)
    shapes = [
        ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)),
        ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((0, 3), (3, 2)),
        ((2, 0), (0, 3)), ((4, 0, 2, 3), (3, 2)),
    ]  # fmt: skip
    for a, b in shapes:
        x, y = rng.normal(size=a), rng.normal(size=b)
        found = irf.asarray(x) @ y
        assert found.shape == (x @ y).shape
        np.testing.assert_allclose(np.asarray(found), x @ y)


def test_sizes_left_open():
    x = inp.zeros((2, 6))
    assert x.reshape(-1).shape == x.flatten().shape == (12,)
    assert x.reshape((3, -1)).shape == x.reshape(3, -1, 1)[..., 0].shape == (3, 4)
    assert inp.zeros((0, 3)).reshape(-1, 3).shape == (0, 3)
    assert inp.zeros((0, 3)).reshape(5, -1).shape == (5, 0)
    for shape in [(-1, -1), (5, -1), (0, -1), (-2, 6), (7, -1, 2)]:
        with pytest.raises(irf.errors.ShapeError, match="the size written as -1 has no solution"):
            x.reshape(shape)
    with pytest.raises(irf.errors.ShapeError, match="the size written as -1 has no solution"):
        inp.zeros((0, 3)).reshape(0, -1)
    with pytest.raises(irf.errors.ShapeError, match="numbers of elements differ"):
        x.reshape(5)


def test_axes_moved():
    x = inp.zeros((2, 3, 4))
    assert x.transpose().shape == x.transpose(None).shape == (4, 3, 2)
    assert x.transpose(1, 2, 0).shape == x.transpose((1, 2, 0)).shape == (3, 4, 2)
    assert x.transpose(-1, 0, 1).shape == (4, 2, 3)
    for axes, text in [((0, 0, 1), "name one axis twice"), ((0, 1, 3), "axis 3 of a tensor of")]:
        with pytest.raises(irf.errors.ShapeError, match=text):
            x.transpose(axes)


def test_a_handle_is_rebound():
    x = y = irf.asarray([1.0])
    x += 1
    assert (x.tolist(), y.tolist()) == ([2.0], [1.0])


def test_as_python():
    x = irf.asarray([[1, 2], [3, 4]])
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert repr(x) == "Tensor([[1, 2],\n        [3, 4]], dtype=i64)"
    assert f"{irf.asarray(2.5):.2f} {irf.asarray([1])}" == "2.50 Tensor([1], dtype=i64)"
    assert [10, 20][irf.asarray(1)] == 20
    assert complex(irf.asarray(1.0)) == 1
    assert int(irf.asarray([7])) == 7
    assert bool(irf.asarray(0)) is False
    assert x.size == 4
    assert x.T.tolist() == x.mT.tolist() == [[1, 3], [2, 4]]
    assert x.flatten().tolist() == [1, 2, 3, 4]
    assert {x: 1}[x] == 1
    with pytest.raises(TypeError):
        len(irf.asarray(1.0))
    with pytest.raises(TypeError):
        irf.asarray(1.5).__index__()
    with pytest.raises(ValueError):
        bool(x)
    with pytest.raises(irf.errors.ShapeError, match="mT: a matrix has two axes"):
        inp.matrix_transpose([1.0])


def test_numpy_cannot_write_into_a_tensor():
    x = irf.asarray([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 5
    x.numpy()[0] = 5
    assert x.tolist() == [1, 2]
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.array(x).flags.writeable


def test_eager_calls_can_be_compiled(monkeypatch):
    ran = []
    original = irf.frontend.eager.compiler.compile_graph

    def compile_graph(graph, backend):
        ran.append((graph.name, backend))
        return original(graph, backend)

    monkeypatch.setattr(irf.frontend.eager.compiler, "compile_graph", compile_graph)
    monkeypatch.setenv("IRFLOW_EAGER", "jit")
    x = irf.asarray(np.arange(5, dtype=np.float32) + 0.123)
    for _ in range(2):
        assert (x * x).shape == (5,)
    assert ran.count(("elementwise", "numpy")) <= 1, "compiled once"
    irf.grad(lambda x: (x * x).sum())(x)
    assert ran[-1][0].endswith("_grad"), "what is evaluated at once is compiled as well"
    with irf.use_backend("llvm"):
        assert (x + 1).tolist() == (np.asarray(x) + 1).tolist()
    assert ("elementwise", "llvm") in ran
