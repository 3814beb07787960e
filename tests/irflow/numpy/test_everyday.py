"""NumPy's everyday functions against NumPy: at once, jitted, and with `IRFLOW_EAGER=jit`."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import AxisError, ConcretizationError, DTypeError, ShapeError, UsageError
from tests.irflow.numpy.test_against_numpy import MODES, compare

RNG = np.random.default_rng(5)
V = RNG.normal(size=5)
W = RNG.normal(size=3)
S = np.sort(RNG.normal(size=6))
A = RNG.normal(size=(3, 4))
B = RNG.normal(size=(2, 4))
T = RNG.normal(size=(2, 3, 4))
F = A.astype("f4")
N = np.array([[1.0, np.nan, 3, -2], [np.nan, np.nan, 0.5, 4], [2, 7, 1, 1]])
E = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.5, -2.5])
I = np.array([[3, -4, 12], [0, 18, -6]])
J = np.array([6, 9, 0])
C = np.array([1, 4, 1, 0, 6])
Z = (A + 1j * A[::-1]).astype("c16")
K = A > 0
NAN_AXIS = """
    nansum nanprod nanmax nanmin nanmean nanvar nanstd nanmedian nanargmax nanargmin
"""
NAN_ALL = """
    nansum nanprod nanmax nanmin nanmean nanvar nanstd nanmedian nancumsum nancumprod
"""
COMPLEX = """
    abs angle real imag conj exp log sqrt sin tanh sign square reciprocal isfinite isnan sum
    prod mean var std round isreal iscomplex cumsum
"""


def case(name, function, *args):
    """The same expression of NumPy's module and of ours on arrays."""
    return pytest.param(function, args, id=name)


CASES = [
    # joined and cut
    case("hstack", lambda m, a, b: m.hstack([a, b]), A, A[:, :2]),
    case("hstack-vectors", lambda m, a, b: m.hstack([a, b]), V, W),
    case("vstack", lambda m, a, b: m.vstack([a, b]), A, B),
    case("vstack-vectors", lambda m, a: m.vstack([a, a]), V),
    case("dstack", lambda m, a: m.dstack([a, a]), A),
    case("dstack-vectors", lambda m, a: m.dstack([a, a]), V),
    case("column_stack", lambda m, a, v: m.column_stack([v, a, v]), A, W),
    case("append", lambda m, a, b: m.append(a, b), A, V),
    case("append-axis", lambda m, a, b: m.append(a, b, axis=0), A, B),
    case("block", lambda m, a, b: m.block([[a, a], [b, b]]), A, B),
    case("block-row", lambda m, v, w: m.block([v, w]), V, W),
    case("array_split", lambda m, a: m.array_split(a, 3, 1), A),
    case("array_split-at", lambda m, a: m.array_split(a, [1, 2]), A),
    case("hsplit", lambda m, a: m.hsplit(a, 2), A),
    case("vsplit", lambda m, a: m.vsplit(a, [1]), A),
    case("dsplit", lambda m, a: m.dsplit(a, 2), T),
    case("atleast_1d", lambda m, a: m.atleast_1d(a[0]), V),
    case("atleast_2d", lambda m, a, b: m.atleast_2d(a, b), V, T),
    case("atleast_3d", lambda m, a, b: m.atleast_3d(a, b), V, A),
    case("size", lambda m, a: m.asarray(m.size(a) + m.size(a, 1)), A),
    case("copy", lambda m, a: m.copy(a), A),
    # padded
    *(case(f"pad-{mode}", lambda m, a, k=mode: m.pad(a, ((1, 2), (3, 0)), k), A)
      for mode in ("symmetric", "wrap", "reflect")),
    *(case(f"pad-far-{mode}", lambda m, a, k=mode: m.pad(a, 9, k), A)
      for mode in ("symmetric", "wrap", "reflect", "edge")),
    # mirrored, turned, resized
    case("fliplr", lambda m, a: m.fliplr(a), A), case("flipud", lambda m, a: m.flipud(a), A),
    *(case(f"rot90-{k}", lambda m, a, k=k: m.rot90(a, k, (0, 2)), T) for k in (-1, 0, 1, 2, 3)),
    *(case(f"rollaxis-{s}", lambda m, a, s=s: m.rollaxis(a, 1, s), T) for s in (0, 1, 2, 3)),
    case("resize", lambda m, a: m.resize(a, (2, 7)), A),
    case("delete", lambda m, a: m.delete(a, [0, -1], 1), A),
    case("delete-flat", lambda m, a: m.delete(a, slice(1, 5)), A),
    case("insert", lambda m, a: m.insert(a, [0, 2, 2], 7.0, 1), A),
    case("insert-one", lambda m, a, v: m.insert(a, 1, v, 0), A, A[0]),
    case("insert-vector", lambda m, a: m.insert(a, 1, [7.0, 8.0]), V),
    # order statistics
    *(case(f"median-{axis}", lambda m, a, x=axis: m.median(a, axis=x), T)
      for axis in (None, 0, -1, (0, 2))),
    case("median-keepdims", lambda m, a: m.median(a, (0, 1), keepdims=True), T),
    case("median-nan", lambda m, a: m.median(a, 1), N),
    case("median-ints", lambda m, a: m.median(a), I),
    case("median-inf", lambda m, a: m.median(a), np.array([np.inf, np.inf, 1, 2.0])),
    case("quantile", lambda m, a: m.quantile(a, 0.3, 1), A),
    case("quantile-several", lambda m, a: m.quantile(a, [[0.0, 0.9], [0.5, 1.0]], (0, 2)), T),
    case("quantile-keepdims", lambda m, a: m.quantile(a, [0.1, 0.4], 1, keepdims=True), T),
    case("quantile-traced", lambda m, a, q: m.quantile(a, q, 0), A, np.array([0.2, 0.8])),
    *(case(f"quantile-{k}", lambda m, a, k=k: m.quantile(a, [0.13, 0.5, 0.77], 0, method=k), A)
      for k in ("lower", "higher", "nearest", "midpoint")),
    case("percentile", lambda m, a: m.percentile(a, [25, 75], axis=-1), T),
    *(case(name, lambda m, a, n=name: getattr(m, n)(a, axis=0), N) for name in
      NAN_AXIS.split()),
    *(case(f"{name}-all", lambda m, a, n=name: getattr(m, n)(a), N) for name in
      NAN_ALL.split()),
    case("nanquantile", lambda m, a: m.nanquantile(a, [0.2, 0.9], 1), N),
    case("nanpercentile", lambda m, a: m.nanpercentile(a, 40, 1, keepdims=True), N),
    case("nansum-ints", lambda m, a: m.nansum(a, 0), I),
    case("nanmax-ints", lambda m, a: m.nanmax(a, 0), I),
    # moments
    case("average", lambda m, a: m.average(a, 1), A),
    case("average-weights", lambda m, a, w: m.average(a, 0, w), A, W),
    case("average-like", lambda m, a, w: m.average(a, (0, 1), w, True), A, A * A),
    case("average-returned", lambda m, a: m.average(a, 1, returned=True), A),
    case("ptp", lambda m, a: m.ptp(a, 1), A), case("ptp-all", lambda m, a: m.ptp(a), I),
    case("cov", lambda m, a: m.cov(a), A),
    case("cov-two", lambda m, a, b: m.cov(a, b, ddof=0), A[0], A[1]),
    case("cov-columns", lambda m, a: m.cov(a, rowvar=False, bias=True), A),
    case("cov-vector", lambda m, a: m.cov(a), V),
    case("corrcoef", lambda m, a: m.corrcoef(a), A),
    case("corrcoef-vector", lambda m, a: m.corrcoef(a), V),
    # counted
    case("bincount", lambda m, c: m.bincount(c) if m is np else m.bincount(c, length=7), C),
    case("bincount-weights",
         lambda m, c, v: m.bincount(c, v, 9) if m is np else m.bincount(c, v, length=9), C, V),
    case("digitize", lambda m, a, s: m.digitize(a, s), A, S),
    case("digitize-edges", lambda m, s: m.digitize(s, s), S),
    case("digitize-right", lambda m, s: m.digitize(s, s, True), S),
    case("histogram", lambda m, a: m.histogram(a, 4), A),
    case("histogram-edges", lambda m, a, s: m.histogram(a, s), A, S),
    case("histogram-on-edges", lambda m, s: m.histogram(s, s), S),
    case("histogram-range", lambda m, a: m.histogram(a, 5, (-1, 1)), A),
    case("histogram-density", lambda m, a: m.histogram(a, 5, density=True), A),
    case("histogram-weights", lambda m, a: m.histogram(a, 3, weights=a * a), A),
    case("histogram-nan", lambda m, a: m.histogram(a, 3, (-1, 3)), N),
    case("histogram-one-value", lambda m, a: m.histogram(a * 0, 3), A),
    case("histogram_bin_edges", lambda m, a: m.histogram_bin_edges(a, 6), A),
    # differences
    case("ediff1d", lambda m, a: m.ediff1d(a, [1.0, 2.0], 3.0), A),
    case("gradient", lambda m, a: m.gradient(a), A),
    case("gradient-axis", lambda m, a: m.gradient(a, 0.5, axis=1, edge_order=2), A),
    case("gradient-steps", lambda m, a: m.gradient(a, 0.5, 2.0), A),
    case("gradient-uneven", lambda m, a, x: m.gradient(a, x, axis=1), A, S[:4]),
    case("gradient-uneven-2", lambda m, a, x: m.gradient(a, x, axis=1, edge_order=2), A, S[:4]),
    case("trapezoid", lambda m, a: m.trapezoid(a, dx=0.5, axis=0), A),
    case("trapezoid-x", lambda m, a, x: m.trapezoid(a, x), A, S[:4]),
    case("trapezoid-like", lambda m, a: m.trapezoid(a, a * 2), A),
    case("interp", lambda m, x, xp, fp: m.interp(x, xp, fp), A, S, S**2),
    case("interp-ends", lambda m, x, xp, fp: m.interp(x, xp, fp, -9.0, 9.0), A * 2, S, S**2),
    case("interp-samples", lambda m, xp, fp: m.interp(xp, xp, fp), S, S**2),
    case("interp-one", lambda m, x, xp: m.interp(x, xp[:1], xp[:1]), A, S),
    case("unwrap", lambda m, a: m.unwrap(m.cumsum(a * 4, 1), axis=0), A),
    # products
    case("kron", lambda m, a, b: m.kron(a, b), A, T),
    case("kron-ints", lambda m, a: m.kron(a, a), I),
    *(case(f"{name}-{mode}", lambda m, a, b, n=name, k=mode: getattr(m, n)(a, b, k), x, y)
      for name in ("convolve", "correlate") for mode in ("full", "same", "valid")
      for x, y in ((V, W), (W, V), (S, S[:4]), (S[:4], S[::-1]))),
    case("convolve-ints", lambda m, a, b: m.convolve(a, b), I[0], J),
    case("matvec", lambda m, a, b: m.matvec(a, b), T, A[0]),
    case("vecmat", lambda m, a, b: m.vecmat(b, a), T, W),
    case("cross", lambda m, a, b: m.cross(a, b), A[:, :3], W),
    # polynomials
    case("polyval", lambda m, p, x: m.polyval(p, x), W, A),
    case("polyadd", lambda m, p, q: m.polyadd(p, q), W, V),
    case("polysub", lambda m, p, q: m.polysub(p, q), V, W),
    case("polymul", lambda m, p, q: m.polymul(p, q), V, W),
    case("polyder", lambda m, p: m.polyder(p, 2), V),
    case("polyint", lambda m, p: m.polyint(p, 2), V),
    case("polyfit", lambda m, x, y: m.polyfit(x, y, 2), S, V[[0, 1, 2, 3, 4, 0]]),
    case("vander", lambda m, x: m.vander(x), W),
    case("vander-3", lambda m, x: m.vander(x, 3, True), C),
    # diagonals
    *(case(f"diag-{k}", lambda m, v, k=k: m.diag(v, k), W) for k in (-2, 0, 1)),
    *(case(f"diag-of-{k}", lambda m, a, k=k: m.diag(a, k), A) for k in (-1, 0, 2)),
    case("diagflat", lambda m, a: m.diagflat(a, -1), B),
    case("diagonal", lambda m, a: m.diagonal(a), T),
    case("diagonal-axes", lambda m, a: m.diagonal(a, 1, 2, 0), T),
    case("trace", lambda m, a: m.trace(a, -1, 1, 2), T),
    # compared
    case("isclose", lambda m, a, b: m.isclose(a, b), E, E + 1e-9),
    case("isclose-nan", lambda m, a: m.isclose(a, a, equal_nan=True), E),
    case("isclose-far", lambda m, a: m.isclose(a, a * 1.1, 0.2, 0.0), A),
    case("allclose", lambda m, a: m.asarray(m.allclose(a, a + 1e-9)), A),
    case("array_equal", lambda m, a, b: m.asarray(m.array_equal(a, b)), A, A + 0),
    case("array_equal-not", lambda m, a, b: m.asarray(m.array_equal(a, b)), A, B),
    case("array_equal-nan", lambda m, a: m.asarray(m.array_equal(a, a, equal_nan=True)), N),
    case("array_equiv", lambda m, a, b: m.asarray(m.array_equiv(a, b)), A[:1] * 0, A * 0),
    case("isposinf", lambda m, a: m.isposinf(a), E),
    case("isneginf", lambda m, a: m.isneginf(a), E),
    case("nan_to_num", lambda m, a: m.nan_to_num(a), E),
    case("nan_to_num-given", lambda m, a: m.nan_to_num(a, nan=1.0, posinf=2.0, neginf=3.0), E),
    # elementwise
    *(case(name, lambda m, a, n=name: getattr(m, n)(a), E) for name in
      ["deg2rad", "rad2deg", "radians", "degrees", "fix", "fabs", "modf", "around"]),
    *(case(name, lambda m, a, n=name: getattr(m, n)(a), A) for name in
      ["sinc", "frexp", "spacing", "log1p", "cbrt", "exp2"]),
    case("sinc-0", lambda m, a: m.sinc(a), np.array([0.0, 1.0, 0.5])),
    *(case(name, lambda m, a, b, n=name: getattr(m, n)(a, b), E, E[::-1].copy()) for name in
      ["heaviside", "fmax", "fmin", "divmod", "hypot"]),
    case("logaddexp2", lambda m, a, b: m.logaddexp2(a, b), A, A[::-1].copy()),
    case("ldexp", lambda m, a, i: m.ldexp(a, i), V, np.array([0, 3, -4, 900, -900])),
    case("gcd", lambda m, a, b: m.gcd(a, b), I, J), case("lcm", lambda m, a, b: m.lcm(a, b), I, J),
    case("bitwise_count", lambda m, a: m.bitwise_count(a), I),
    # chosen
    case("select", lambda m, a: m.select([a > 1, a > 0], [a, -a], 9.0), A),
    case("choose", lambda m, i, a: m.choose(i, [a, a * 2, 7.0]), np.array([2, 0, 1, 1]), A),
    case("choose-wrap", lambda m, i, a: m.choose(i, [a, -a], mode="wrap"),
         np.array([-1, 3, 0, 9]), A),
    case("piecewise", lambda m, a: m.piecewise(a, [a < 0, a > 1], [lambda x: -x, 2.0, 3.0]), A),
    case("lexsort", lambda m, a, b: m.lexsort((a, b)), C, np.array([1, 0, 1, 1, 0])),
    case("where", lambda m, k, a: m.where(k, a, 0.0), K, A),
    # positions
    case("indices", lambda m, a: m.indices((2, 3)) + m.astype(a[:2, :3], "i8"), A),
    case("indices-sparse", lambda m, a: m.indices((2, 3), sparse=True), A),
    case("ix_", lambda m, a: a[m.ix_([0, 2], [1, 3])], A),
    case("unravel_index", lambda m, i: m.unravel_index(i, (3, 4, 5)), np.array([[0, 59], [7, 23]])),
    case("ravel_multi_index", lambda m, i, j: m.ravel_multi_index((i, j), (3, 5)), J % 3, C[:3]),
    case("ravel-wrap", lambda m, i: m.ravel_multi_index((i, i), (3, 4), mode="wrap"), J),
    # complex numbers
    *(case(f"complex-{name}", lambda m, z, n=name: getattr(m, n)(z), Z) for name in
      COMPLEX.split()),
    case("complex-power", lambda m, z: z**2 / z, Z),
    case("angle-deg", lambda m, z: m.angle(z, True), Z),
    case("complex-matmul", lambda m, z: z @ z.T, Z),
    case("complex-cov", lambda m, z: m.cov(z), Z),
    case("complex-nan_to_num", lambda m, z: m.nan_to_num(z * np.inf), Z),
    case("vdot", lambda m, z: m.vdot(z, z * 1j), Z),
    case("angle-real", lambda m, a: m.angle(a), A),
]  # fmt: skip


@pytest.mark.thinned(2)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("function", "args"), CASES)
def test_as_numpy(function, args, mode, monkeypatch):
    ours, theirs = (lambda *xs, m=m: function(m, *xs) for m in (inp, np))
    compare(ours, theirs, list(args), mode, monkeypatch)


SMOOTH = {
    "median": lambda x: inp.median(x, 1),
    "quantile": lambda x: inp.quantile(x, [0.2, 0.7], 0),
    "nanquantile": lambda x: inp.nanquantile(x, 0.3),
    "interp": lambda x: inp.interp(x, S, S**3),
    "interp-samples": lambda x: inp.interp(np.array([0.1, 0.4]), S, x.reshape(-1)[:6]),
    "gradient": lambda x: inp.gradient(x, edge_order=2)[1],
    "trapezoid": lambda x: inp.trapezoid(x, x * x),
    "nanvar": lambda x: inp.nanvar(x, 0),
    "cov": inp.cov,
    "corrcoef": inp.corrcoef,
    "average": lambda x: inp.average(x, 1, x * x),
    "convolve": lambda x: inp.convolve(x.reshape(-1), x[0]),
    "kron": lambda x: inp.kron(x, x),
    "polyval": lambda x: inp.polyval(x[0], x),
    "polyfit": lambda x: inp.polyfit(x.reshape(-1), V[0] + x.reshape(-1) ** 3, 2),
    "diag": lambda x: inp.diag(inp.diag(x), 1) * 3,
    "sinc": inp.sinc,
    "logaddexp2": lambda x: inp.logaddexp2(x, x * x),
    "pad": lambda x: inp.pad(x, 5, "symmetric") ** 2,
    "histogram-weights": lambda x: inp.histogram(A, 3, weights=x**2)[0],
    "unwrap": lambda x: inp.unwrap(x * 9, axis=1) ** 2,
    "rot90": lambda x: inp.rot90(x) ** 3,
    "cross": lambda x: inp.cross(x[:, :3], x[:, 1:]),
    "select": lambda x: inp.select([x > 0, x < -1], [x**2, x**3], 1.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name):
    function = SMOOTH[name]
    weights = RNG.normal(size=function(inp.asarray(A)).shape)
    direction, step = RNG.normal(size=A.shape), 1e-6

    def loss(x):
        return (function(x) * weights).sum()

    ends = [float(loss(inp.asarray(A + h * direction))) for h in (step, -step)]
    found = np.sum(np.asarray(irf.grad(loss)(A)) * direction)
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["union1d", "intersect1d", "setdiff1d", "setxor1d"])
def test_sets(name):
    np.testing.assert_array_equal(getattr(inp, name)(I, J), getattr(np, name)(I, J))
    with pytest.raises(ConcretizationError):
        irf.jit(getattr(inp, name))(I, J)


def test_unique():
    np.testing.assert_array_equal(inp.unique(I), np.unique(I))
    found, wanted = inp.unique(J, True, True, True), np.unique(J, True, True, True)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ConcretizationError):
        irf.jit(inp.unique)(J)


def test_known_masks():
    np.testing.assert_array_equal(inp.compress([True, False, True], A, 0), A[[0, 2]])
    np.testing.assert_array_equal(inp.extract(K, A), A[K])
    np.testing.assert_array_equal(inp.trim_zeros([0, 0, 1, 0, 2, 0]), [1, 0, 2])
    np.testing.assert_array_equal(inp.bincount(C), np.bincount(C))
    np.testing.assert_array_equal(inp.digitize(A, S[::-1]), np.digitize(A, S[::-1]))
    np.testing.assert_array_equal(inp.digitize(S, S[::-1], True), np.digitize(S, S[::-1], True))


def test_tensors_from_nothing():
    for ours, theirs in [
        (inp.logspace(0, 2, 5), np.logspace(0, 2, 5)),
        (inp.logspace(0, 3, 4, base=2, dtype="i32"), np.logspace(0, 3, 4, base=2, dtype="i4")),
        (inp.geomspace(1, 81, 5), np.geomspace(1, 81, 5)),
        (inp.tri(3, 4, 1), np.tri(3, 4, 1)),
        (inp.hamming(5), np.hamming(5)),
        (inp.kaiser(5, 3.0), np.kaiser(5, 3.0)),
        (inp.stack(inp.tril_indices(3, -1, 4)), np.stack(np.tril_indices(3, -1, 4))),
        (inp.stack(inp.triu_indices_from(A, 1)), np.stack(np.triu_indices_from(A, 1))),
        (inp.stack(inp.diag_indices(3)), np.stack(np.diag_indices(3))),
    ]:
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-6)
    assert inp.broadcast_shapes((3, 1), 4) == (3, 4)
    assert inp.promote_types("i8", "f32") is inp.float32
    assert inp.iscomplexobj(Z)
    assert inp.isrealobj(A)


def test_put_along_axis():
    wanted = A.copy()
    np.put_along_axis(wanted, np.array([[1], [-1], [0]]), 7.0, 1)
    np.testing.assert_array_equal(inp.put_along_axis(A, [[1], [-1], [0]], 7.0, 1), wanted)


def test_symbolic_sizes():
    def function(x):
        edges = inp.histogram(x, 3)[0]
        return inp.median(x, 0), inp.pad(x, ((1, 1), (0, 0)), "wrap"), inp.cov(x.T), edges

    compiled = irf.jit(function, spec=("f64[n, 2]",))
    for n in (3, 6):
        x = RNG.normal(size=(n, 2))
        wanted = np.median(x, 0), np.pad(x, ((1, 1), (0, 0)), "wrap"), np.cov(x.T)
        for ours, theirs in zip(compiled(x), (*wanted, np.histogram(x, 3)[0]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


WRONG = [
    (lambda: inp.where(K), UsageError, "two choices"),
    (lambda: inp.quantile(A, 1.5), UsageError, "no such part"),
    (lambda: inp.quantile(A, 0.5, method="best"), UsageError, "method 'best'"),
    (lambda: inp.median(A, 2), AxisError, "median: no axis 2 of a tensor of rank 2"),
    (lambda: inp.std(A, -3), AxisError, "std: no axis -3 of a tensor of rank 2"),
    (lambda: inp.asarray(A).sum(2), IndexError, "sum: no axis 2"),
    (lambda: inp.bincount(A), ShapeError, "vector of integers"),
    (lambda: inp.bincount(-C), UsageError, "negative element"),
    (lambda: irf.jit(inp.bincount)(C), ConcretizationError, "length=..."),
    (lambda: inp.histogram(A, 0), UsageError, "0 bins"),
    (lambda: inp.gradient(V, edge_order=3), UsageError, "edge_order 3"),
    (lambda: inp.gradient(V[:1]), ShapeError, "2 samples"),
    (lambda: inp.gradient(A, 1, 2, 3), UsageError, "3 distances for 2 axes"),
    (lambda: inp.average(A, 0, V), ShapeError, "weights do not fit"),
    (lambda: inp.convolve(V, W, "all"), UsageError, "mode 'all'"),
    (lambda: inp.convolve(V, A), ShapeError, "vectors"),
    (lambda: inp.pad(A[:0], 1, "wrap"), ShapeError, "empty axis"),
    (lambda: inp.pad(A, 1, "mean"), UsageError, "mode 'mean'"),
    (lambda: inp.gcd(A, 2), DTypeError, "integers"),
    (lambda: inp.select([K], []), UsageError, "1 conditions for 0 choices"),
    (lambda: inp.choose([2], [A, A]), UsageError, "outside of the 2 choices"),
    (lambda: inp.ravel_multi_index(([3],), (3,)), UsageError, "outside of the shape"),
    (lambda: inp.geomspace(0, 1), UsageError, "ratio"),
    (lambda: inp.block([[V], V]), UsageError, "different depths"),
    (lambda: inp.vsplit(V, 1), ShapeError, "rank 2"),
    (lambda: inp.diag(T), ShapeError, "vector or a matrix"),
    (lambda: inp.cross(A, A), ShapeError, "three elements"),
    (lambda: inp.polyfit(V, V, -1), UsageError, "degree -1"),
]


@pytest.mark.parametrize(("call", "error", "text"), WRONG)
def test_wrong_arguments(call, error, text):
    with pytest.raises(error) as found:
        call()
    # Not the whole message: it quotes the line above that holds the text.
    assert text in f"{found.value.summary} {found.value.facts} {found.value.hint}"
