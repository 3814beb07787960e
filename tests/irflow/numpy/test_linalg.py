"""`irflow.numpy.linalg` against `numpy.linalg`: at once and jitted; gradients by known formulas."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import GradientError, ShapeError, UsageError
from tests.irflow.numpy.test_against_numpy import MODES, compare

RNG = np.random.default_rng(1)


def regular(*shape):
    return RNG.normal(size=shape) + 3 * np.eye(shape[-1])[::-1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["inv", "det", "slogdet"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (2, 0, 3, 3), (0, 0), (1, 1)])
def test_functions_of_square_matrices(name, shape, mode, monkeypatch):
    ours, theirs = getattr(inp.linalg, name), getattr(np.linalg, name)
    compare(ours, theirs, [regular(*shape)], mode, monkeypatch)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 3), (3,)),
        ((3, 3), (3, 2)),
        ((4, 3, 3), (3,)),
        ((4, 3, 3), (3, 2)),
        ((2, 1, 3, 3), (4, 3, 2)),
    ],
)
def test_solve(a, b, mode, monkeypatch):
    compare(inp.linalg.solve, np.linalg.solve, [regular(*a), RNG.normal(size=b)], mode, monkeypatch)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(upper, mode, monkeypatch):
    x = regular(2, 4, 4)
    definite = x @ np.swapaxes(x, -1, -2)
    ours, theirs = inp.linalg.cholesky, np.linalg.cholesky
    compare(
        lambda x: ours(x, upper=upper),
        lambda x: theirs(x, upper=upper),
        [definite],
        mode,
        monkeypatch,
    )
    triangle = np.triu(definite) if upper else np.tril(definite)
    compare(
        lambda x: ours(x, upper=upper, symmetrize_input=False),
        lambda x: theirs(x, upper=upper),
        [triangle],
        mode,
        monkeypatch,
    )


def test_indefinite_matrices_have_nan_factors():
    result = np.asarray(inp.linalg.cholesky(np.array([[1.0, 2], [2, 1]])))
    np.testing.assert_array_equal(result, [[np.nan, 0], [np.nan, np.nan]])


def test_triangular_systems():
    a, b = regular(4, 4) + 3 * np.eye(4), RNG.normal(size=4)
    for lower in (False, True):
        triangle = np.tril(a) if lower else np.triu(a)
        found = inp.linalg.solve_triangular(a, b, lower=lower)
        np.testing.assert_allclose(found, np.linalg.solve(triangle, b))
        found = inp.linalg.solve_triangular(a, b, lower=lower, trans=True)
        np.testing.assert_allclose(found, np.linalg.solve(triangle.T, b))


def test_gradients_are_those_of_the_matrix_calculus():
    x = regular(3, 3)
    definite = x @ x.T

    def log_volume(a):
        return inp.sum(inp.log(inp.linalg.diagonal(inp.linalg.cholesky(a)))) * 2

    inverse = np.linalg.inv(definite)
    np.testing.assert_allclose(irf.grad(log_volume)(definite), inverse)
    np.testing.assert_allclose(
        irf.grad(lambda a: inp.linalg.slogdet(a).logabsdet)(definite), inverse.T
    )
    np.testing.assert_allclose(irf.grad(inp.linalg.det)(x), np.linalg.det(x) * np.linalg.inv(x).T)
    b = RNG.normal(size=3)
    found = irf.grad(lambda a: inp.sum(inp.linalg.solve(a, b)))(x)
    adjoint = np.linalg.solve(x.T, np.ones(3))
    np.testing.assert_allclose(found, -np.outer(adjoint, np.linalg.solve(x, b)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["diagonal", "trace"])
@pytest.mark.parametrize("offset", [-4, -1, 0, 2, 5])
def test_diagonals(offset, name, mode, monkeypatch):
    def of(module):
        function = getattr(module.linalg, name)
        return lambda x: function(x, offset=offset)

    for x in (RNG.normal(size=(2, 3, 4)), np.arange(12).reshape(4, 3)):
        compare(of(inp), of(np), [x], mode, monkeypatch)


@pytest.mark.parametrize("ord", [0, 1, 2, 3, 0.5, np.inf, -np.inf])
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_vectors(ord, keepdims):
    x = RNG.normal(size=(3, 4))
    for axis in (None, 0, (0, 1)):
        keywords = {"axis": axis, "ord": ord, "keepdims": keepdims}
        expected = np.linalg.vector_norm(x, **keywords)
        np.testing.assert_allclose(inp.linalg.vector_norm(x, **keywords), expected)


@pytest.mark.parametrize("ord", ["fro", 1, -1, np.inf, -np.inf, 2, -2, "nuc"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_matrices(ord, keepdims):
    x = RNG.normal(size=(2, 3, 4))
    expected = np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
    found = inp.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
    np.testing.assert_allclose(found, expected)
    for axis in ((0, 2), (2, 0), (-1, 1)):
        expected = np.linalg.norm(x, ord, axis, keepdims)
        np.testing.assert_allclose(inp.linalg.norm(x, ord, axis, keepdims), expected)


TALL = RNG.normal(size=(2, 4, 3))
SYMMETRIC = TALL[:, :3] + TALL[:, :3].swapaxes(-1, -2)
COMPLEX = TALL[:, :3] + 1j * SYMMETRIC
LOW = np.stack([np.outer(np.arange(3.0), np.ones(3)), np.eye(3)])
CHAIN = [RNG.normal(size=shape) for shape in ((3, 5), (5, 2), (2, 7))]

DECOMPOSITIONS = {
    "qr": (lambda m, x: m.linalg.qr(x), TALL),
    "qr-wide": (lambda m, x: m.linalg.qr(x.mT), TALL),
    "qr-complete": (lambda m, x: m.linalg.qr(x, mode="complete"), TALL),
    "qr-r": (lambda m, x: m.linalg.qr(x, mode="r"), TALL),
    "qr-complex": (lambda m, x: m.linalg.qr(x), COMPLEX),
    "svd": (lambda m, x: m.linalg.svd(x), TALL),
    "svd-reduced": (lambda m, x: m.linalg.svd(x, full_matrices=False), TALL),
    "svd-complex": (lambda m, x: m.linalg.svd(x), COMPLEX),
    "svd-values": (lambda m, x: m.linalg.svd(x, compute_uv=False), TALL),
    "svdvals": (lambda m, x: m.linalg.svdvals(x), TALL),
    "eigh": (lambda m, x: m.linalg.eigh(x), SYMMETRIC),
    "eigh-hermitian": (lambda m, x: m.linalg.eigh(x), COMPLEX + COMPLEX.conj().mT),
    "eigvalsh": (lambda m, x: m.linalg.eigvalsh(x), SYMMETRIC),
    "pinv": (lambda m, x: m.linalg.pinv(x), TALL),
    "pinv-rcond": (lambda m, x: m.linalg.pinv(x, 0.5), TALL),
    "pinv-rtol": (lambda m, x: m.linalg.pinv(x, rtol=np.array([0.1, 0.6])), TALL),
    "matrix_rank": (lambda m, x: m.asarray(m.linalg.matrix_rank(x)), LOW),
    "matrix_rank-tol": (lambda m, x: m.asarray(m.linalg.matrix_rank(x, 1.5)), TALL),
    "matrix_rank-rtol": (lambda m, x: m.asarray(m.linalg.matrix_rank(x, rtol=0.5)), TALL),
    "cond": (lambda m, x: m.linalg.cond(x), TALL),
    "norm": (lambda m, x: m.linalg.norm(x), TALL),
    "norm-complex": (lambda m, x: m.linalg.norm(x, 3, -1), COMPLEX),
    "inv-complex": (lambda m, x: m.linalg.inv(x), COMPLEX),
    "slogdet-complex": (lambda m, x: m.linalg.slogdet(x), COMPLEX),
    "solve-complex": (lambda m, x: m.linalg.solve(x, x[0]), COMPLEX),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_decompositions(name, mode, monkeypatch):
    function, x = DECOMPOSITIONS[name]
    ours, theirs = (lambda x, m=m: function(m, x) for m in (inp, np))
    compare(ours, theirs, [x], mode, monkeypatch)


def test_which_triangle_of_a_symmetric_matrix_is_read():
    """But for the signs of the vectors, which are not determined."""
    x = TALL[:, :3]
    for uplo in ("L", "U"):
        found = inp.linalg.eigh(x, uplo, symmetrize_input=False)
        for ours, theirs in zip(found, np.linalg.eigh(x, uplo), strict=True):
            np.testing.assert_allclose(np.abs(np.asarray(ours)), np.abs(theirs))


def test_systems_without_a_solution():
    a, b = TALL[0], TALL[1]
    np.testing.assert_allclose(inp.linalg.lstsq(a, b), np.linalg.lstsq(a, b)[0])
    np.testing.assert_allclose(inp.linalg.lstsq(a, b[:, 0]), np.linalg.lstsq(a, b[:, 0])[0])


def test_products_of_many_matrices():
    np.testing.assert_allclose(inp.linalg.multi_dot(CHAIN), np.linalg.multi_dot(CHAIN))
    ends = [CHAIN[0][0], *CHAIN[1:], np.ones(7)]
    np.testing.assert_allclose(inp.linalg.multi_dot(ends), np.linalg.multi_dot(ends))


def test_gradients_that_do_not_need_distinct_values():
    two = np.eye(3)
    np.testing.assert_allclose(
        irf.grad(lambda a: inp.linalg.matrix_norm(a, ord="nuc"))(two), two, atol=1e-12
    )
    np.testing.assert_allclose(
        irf.grad(lambda a: inp.sum(inp.linalg.pinv(a)))(two), -np.ones((3, 3))
    )
    np.testing.assert_allclose(irf.grad(lambda a: inp.sum(inp.linalg.eigvalsh(a)))(two), two)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8, -3])
def test_powers(n):
    x = regular(2, 3, 3)
    np.testing.assert_allclose(inp.linalg.matrix_power(x, n), np.linalg.matrix_power(x, n))
    whole = np.arange(9).reshape(3, 3)
    if n >= 0:
        expected = np.linalg.matrix_power(whole, n)
        np.testing.assert_array_equal(inp.linalg.matrix_power(whole, n), expected)


def test_integers_are_solved_as_floats():
    result = inp.linalg.inv(np.array([[2, 0], [0, 4]]))
    assert result.dtype is inp.float32
    np.testing.assert_array_equal(result, [[0.5, 0], [0, 0.25]])


def test_what_does_not_fit_is_refused():
    x = RNG.normal(size=(3, 4))
    with pytest.raises(ShapeError, match="not square"):
        inp.linalg.det(x)
    with pytest.raises(ShapeError, match="columns are needed"):
        inp.linalg.solve(x[0], x[0])
    with pytest.raises(ShapeError, match="two axes"):
        inp.linalg.trace(x[0])
    with pytest.raises(UsageError, match="mode 'full'"):
        inp.linalg.qr(x, mode="full")
    with pytest.raises(UsageError, match="give one"):
        inp.linalg.matrix_rank(x, 1.0, rtol=1.0)
    with pytest.raises(UsageError, match="two names"):
        inp.linalg.pinv(x, 1.0, rtol=1.0)
    with pytest.raises(UsageError, match="UPLO 'B'"):
        inp.linalg.eigh(x, "B")
    with pytest.raises(UsageError, match="with 3 axes"):
        inp.linalg.norm(x[None], 1)
    with pytest.raises(UsageError, match="two or more"):
        inp.linalg.multi_dot([x])
    with pytest.raises(GradientError, match="complete factors of a tall matrix"):
        irf.grad(lambda a: inp.sum(inp.linalg.qr(a, mode="complete").Q))(x.T)
    with pytest.raises(GradientError, match="full vectors"):
        irf.grad(lambda a: inp.sum(inp.linalg.svd(a).U))(x)
    with pytest.raises(UsageError, match="no norm"):
        inp.linalg.matrix_norm(x, ord=3)


def test_symbolic_sizes():
    for function in (inp.linalg.inv, inp.linalg.det, inp.linalg.trace):
        compiled = irf.jit(function, spec=("f64[b, n, n]",))
        for shape in [(1, 1, 1), (3, 4, 4)]:
            x = regular(*shape)
            np.testing.assert_allclose(compiled(x), function(x))
