"""`irflow.numpy.fft` against `numpy.fft`: at once, jitted, on both backends."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow.errors import ShapeError, UsageError
from tests.irflow.numpy.test_against_numpy import MODES, compare

RNG = np.random.default_rng(6)
X = RNG.normal(size=(3, 4, 5))
Z = X + 1j * RNG.normal(size=X.shape)

ONE = [(name, Z) for name in ("fft", "ifft", "irfft", "hfft")] + [("rfft", X), ("ihfft", X)]
SEVERAL = [(name, Z) for name in ("fftn", "ifftn", "irfftn", "fft2", "ifft2", "irfft2")]
SEVERAL += [("rfftn", X), ("rfft2", X)]


def of(name, *args, **kwargs):
    """The same call of our function and of NumPy's."""
    return [lambda x, m=m: getattr(m.fft, name)(x, *args, **kwargs) for m in (inp, np)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [None, 3, 8])
@pytest.mark.parametrize(("name", "x"), ONE)
def test_along_one_axis(name, x, n, mode, monkeypatch):
    for norm in (None, "backward", "ortho", "forward"):
        compare(*of(name, n, 1, norm), [x], mode, monkeypatch)
    small = x.astype("c8" if np.iscomplexobj(x) else "f4")
    compare(*of(name, n), [small], mode, monkeypatch)
    found, wanted = (function(small) for function in of(name, n))
    assert np.asarray(found).dtype == wanted.dtype


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "x"), SEVERAL)
def test_along_several_axes(name, x, mode, monkeypatch):
    compare(*of(name), [x], mode, monkeypatch)
    compare(*of(name, (4, 3), (2, 0), "ortho"), [x], mode, monkeypatch)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_inside_of_a_compiled_function(backend, monkeypatch):
    monkeypatch.setenv("IRFLOW_BACKEND", backend)

    def smooth(x):
        spectrum = inp.fft.rfft(x * 2 + 1)
        kept = inp.where(inp.arange(spectrum.shape[-1]) < 2, spectrum * (1 - 2j), 0)
        return inp.tanh(inp.fft.irfft(kept, x.shape[-1]) + 1)

    spectrum = np.fft.rfft(X * 2 + 1)
    spectrum[..., 2:] = 0
    expected = np.tanh(np.fft.irfft(spectrum * (1 - 2j), 5) + 1)
    np.testing.assert_allclose(irf.jit(smooth)(X), expected)


def test_other_kinds_of_numbers():
    np.testing.assert_allclose(inp.fft.fft([1, 2, 3]), np.fft.fft([1, 2, 3]), rtol=1e-6)
    assert inp.fft.rfft(np.ones(4, "f2")).dtype is inp.complex64


def test_frequencies_and_shifts():
    np.testing.assert_allclose(inp.fft.fftfreq(5, 0.1, dtype="f64"), np.fft.fftfreq(5, 0.1))
    np.testing.assert_allclose(inp.fft.rfftfreq(6, 2.0), np.fft.rfftfreq(6, 2.0))
    np.testing.assert_array_equal(inp.fft.fftshift(X), np.fft.fftshift(X))
    np.testing.assert_array_equal(inp.fft.ifftshift(X, (0, 2)), np.fft.ifftshift(X, (0, 2)))
    np.testing.assert_array_equal(inp.fft.ifftshift(X, 1), np.fft.ifftshift(X, 1))


def test_symbolic_sizes():
    compiled = irf.jit(lambda x: inp.fft.irfft(inp.fft.rfft(x) * 2, 5), spec=("f64[n, 5]",))
    for n in (1, 3):
        np.testing.assert_allclose(compiled(X[0, :n]), 2 * X[0, :n])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: inp.fft.fft(X, norm="half"), UsageError, "norm 'half'"),
        (lambda: inp.fft.fft(X, 0), ShapeError, "no points"),
        (lambda: inp.fft.rfft(Z), UsageError, "operand is complex"),
        (lambda: inp.fft.fftn(X, (3,), (0, 1)), UsageError, "1 sizes for 2 axes"),
        (lambda: inp.fft.fft(X, axis=3), IndexError, "fft: no axis 3"),
        (lambda: inp.fft.irfft(Z[..., :1]), ShapeError, "without points"),
    ],
)
def test_wrong_arguments(call, error, text):
    with pytest.raises(error) as found:
        call()
    # Not the whole message: it quotes the line above that holds the text.
    assert text in f"{found.value.summary} {found.value.facts} {found.value.hint}"
