"""Special functions that NumPy lacks: the error function's and the gamma function's families.

Each function takes anything `numpy.asarray` accepts and returns an array of the same shape, 0-d
for a number. Floating dtypes are kept: f64 computes in f64; f16, bf16 and f32 compute in f64 and
are rounded at the end, so they are correct to about half an ulp. Booleans and integers give f64, as
with NumPy's own functions. NaN gives NaN, and no floating-point warning is ever raised.

`tests/tools/fit_special.py` fitted the polynomials; it states the reductions, and it measures the
errors quoted in the docstrings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = [
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "digamma",
    "sigmoid",
    "softplus",
    "normal_cdf",
    "normal_pdf",
]

F64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

# A block and its temporaries stay in the second-level cache.
BLOCK = 8192

# Above this erfc underflows to zero even as a denormal number.
ERFC_LARGEST = 28.0
ERFC_SCALE = 3.75
NORMAL_LARGEST = 38.7
"""Beyond it the tail of the normal distribution is zero, even as a denormal number."""

# Where erfinv changes its polynomial, in w and in sqrt(w), and the points they are centred on.
ERFINV_SPLIT, ERFINV_CENTRE = 6.0, 3.0
ERFINV_TAIL_CENTRE = 3.25
ERFINV_FAR, ERFINV_FAR_CENTRE = 4.0, 5.0
ERFINV_F32_SPLIT, ERFINV_F32_CENTRE, ERFINV_F32_TAIL_CENTRE = 5.0, 1.5, 2.5

HALF_LOG_TWO_PI = 0.9189385332046728

# Coefficients, highest degree first.
# fmt: off
ERF_CENTRAL = (
    5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08, -1.6350312701054695e-07,
    1.6461000484121368e-06, -1.4925595266831182e-05, 0.0001205533111164271, -0.000854832698083379,
    0.0052239776248180145, -0.026866170645076792, 0.11283791670954879, -0.3761263890318375,
    1.1283791670955126)
ERFC_SCALED = (
    -2.819125663086401e-09, 2.4650884795239513e-08, 2.2156361551057863e-08, -2.405381553661818e-07,
    -5.658053403353585e-08, 1.7380461262457937e-06, -9.7368428239226e-07, -1.1437767278950732e-05,
    2.2384180644872092e-05, 5.164717365417525e-05, -0.0002901540353336165, 0.0002937140375272005,
    0.0017556258398018613, -0.009746579602513314, 0.028362277420937457, -0.05869339858656682,
    0.09230432116022246, -0.1088039301418558, 0.08227673849015059, 0.0035854154854658496,
    -0.14024059858554702, 1.2375126308378275)
ERFINV_CENTRAL = (
    4.3365108728076584e-21, -1.0208579184069643e-20, -3.916147418354864e-19, 2.0411289874716924e-18,
    1.2874404438465058e-17, -1.62547328079684e-16, 2.7405937576493665e-16, 6.339002394406591e-15,
    -5.292972044721015e-14, 6.190781479406349e-15, 2.6989652309090837e-12, -1.7328538731928835e-11,
    -3.1425551279949383e-11, 1.1107974232037305e-09, -5.4671789842189004e-09,
    -2.368872626492295e-08, 4.4998542545718333e-07, -1.7480020967030342e-06,
    -1.2716422638720585e-05, 0.00019506132441372799, -0.0008361817769093166, -0.005738135221005968,
    0.24163040416615827, 1.6235420064648298)
ERFINV_TAIL = (
    8.105719483108593e-09, -1.5298900459347947e-08, -2.212112637392289e-08, 1.3157143844112953e-07,
    -2.440431560853105e-07, -2.76027698245673e-08, 1.4806256802607642e-06, -3.9857129436913956e-06,
    2.932971225915217e-06, 1.2465030023815492e-05, -4.7320778963563135e-05, 6.828711718286499e-05,
    2.403152785531516e-05, -0.00035503781378545487, 0.0009532893402653189, -0.001688275535446669,
    0.00249144209801552, -0.003751208508224882, 0.0053709145535540195, 1.0052589676941655,
    3.0838856104922208)
ERFINV_FAR_TAIL = (
    -2.001757272531204e-11, 4.2752407907447325e-11, 6.788152586597756e-11, -4.369906512366538e-10,
    1.3191831774522795e-09, -3.472474870941263e-09, 7.81816707665657e-09, -1.5253869952609222e-08,
    2.902060420235183e-08, -6.75568903438963e-08, 2.2905213219901252e-07, -9.930291655722043e-07,
    4.526052660442125e-06, -1.968177073509181e-05, 7.599527808366962e-05, -0.0002150301198255057,
    -0.00013871931837965688, 1.0103004648645453, 4.849906401408584)
LGAMMA_CENTRAL = (
    2.7475390051909663e-07, -5.811277768921246e-07, 9.242852225162277e-07, -1.9743106888421067e-06,
    4.3828545383846665e-06, -9.45628851510172e-06, 2.050601970174762e-05, -4.4923727564247656e-05,
    9.945761692157133e-05, -0.00022315497746292723, 0.0005096695196526673, -0.0011927539009983087,
    0.002890510330865901, -0.007385551028935545, 0.02058080842778338, -0.06735230105319563,
    0.3224670334241132, 0.42278433509846713)
LGAMMA_STIRLING = (
    0.004915438477086982, -0.001883462005502802, 0.000841351480772293, -0.0005952356552865964,
    0.0007936507864954393, -0.0027777777777698684, 0.08333333333333333)
DIGAMMA_STIRLING = (
    0.06362150587634356, -0.020697987372370493, 0.007571689620283902, -0.0041666448230497,
    0.0039682539119537084, -0.008333333333278636, 0.08333333333333333)
ERFINV_F32_CENTRAL = (
    -8.931926309685423e-09, 1.0372330194741153e-07, -4.0105724963268585e-08, -5.33721595274983e-06,
    2.321001375094056e-05, 0.00017762604693416506, -0.0020922408439219, 0.000879791215993464,
    0.25036242604255676, 1.2520638704299927)
ERFINV_F32_TAIL = (
    0.0001305110490648076, -0.0009079527808353305, 0.00237925979308784, -0.0018440478015691042,
    -0.005217904690653086, 0.018691474571824074, -0.031154412776231766, 0.03519048914313316,
    0.9822729229927063, 2.3359453678131104)
# fmt: on


def blockwise(kernel: Callable[[F64], F64]) -> Callable[[npt.ArrayLike], Array]:
    """Make an array function of a kernel that maps a 1-d f64 block to a block of equal length.

    The array function runs the kernel over cache-sized blocks, keeps shape and floating dtype, and
    silences floating-point warnings. It raises TypeError for complex and non-numeric arguments.
    """

    @wraps(kernel)
    def function(x: npt.ArrayLike) -> Array:
        values = np.asarray(x)
        flat = values.reshape(-1)
        result = np.empty(flat.shape, result_dtype(values.dtype, kernel.__name__))
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, BLOCK):
                block = flat[start : start + BLOCK].astype(np.float64)
                result[start : start + BLOCK] = kernel(block)
        return result.reshape(values.shape)

    return function


def result_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """The dtype of the result: the argument's if floating, f64 for booleans and integers."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    # bfloat16, an extension type, has kind V as plain records have, but a scalar type of its own.
    if dtype.kind == "f" or (dtype.kind == "V" and dtype.type is not np.void):
        return dtype
    raise TypeError(f"{name}: needs real numbers, got an array of dtype {dtype}")


class Operand(Protocol):
    """What the recipe asks of a number: arrays have it, and so can symbolic values."""

    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __neg__(self) -> Any: ...


Number = TypeVar("Number", bound=Operand)


def polynomial(coefficients: Iterable[float], t: Number) -> Number:
    """Evaluate a polynomial by Horner's rule; coefficients stand highest degree first."""
    first, second, *rest = coefficients
    result = t * first + second
    for coefficient in rest:
        result = result * t + coefficient
    return cast(Number, result)


@blockwise
def erf(x: F64) -> F64:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [-1, 1], `[...]`, within 2 ulp in f64. erf(+-inf) = +-1; erf(-0.0) = -0.0.

    Example:
        >>> round(float(erf(0.5)), 12)
        0.520499877813
    """
    magnitude = np.abs(x)
    result = x * polynomial(ERF_CENTRAL, x * x)
    tail = magnitude > 1.0
    if tail.any():
        result[tail] = np.copysign(1.0 - erfc_positive(magnitude[tail]), x[tail])
    return result


@blockwise
def erfc(x: F64) -> F64:
    """The complementary error function, 1 - erf(x), without cancellation for large x.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 2], `[...]`, within 4 ulp in f64 down to the smallest denormal number (beyond
        x = 27.2 the result is zero). erfc(inf) = 0, erfc(-inf) = 2.

    Example:
        >>> f"{erfc(10.0):.12e}"
        '2.088487583763e-45'
    """
    magnitude = np.abs(x)
    positive = erfc_positive(magnitude)
    result = np.where(x < 0.0, 2.0 - positive, positive)
    central = magnitude < 0.5
    if central.any():
        at = x[central]
        result[central] = 1.0 - at * polynomial(ERF_CENTRAL, at * at)
    return result


def erfc_positive(x: F64) -> F64:
    """Evaluate erfc for x >= 1/2 as exp(-x^2) times a polynomial over 1 + 2 x."""
    x = np.minimum(x, ERFC_LARGEST)
    return cast(F64, np.exp(-x * x) * scaled_erfc(x, lost_by_squaring(x)))


def scaled_erfc(x: F64, lost: F64) -> F64:
    """Evaluate exp(x^2) erfc(x) (1 - lost) for x >= 1/2 and a tiny `lost`.

    It enters the sum where it costs no rounding of its own.
    """
    *upper, constant = ERFC_SCALED
    t = (x - ERFC_SCALE) / (x + ERFC_SCALE)
    rest = t * polynomial(upper, t)
    divisor = 1.0 + 2.0 * x
    lost = lost + (2.0 * x - (divisor - 1.0)) / divisor
    return (constant + (rest - (constant + rest) * lost)) / divisor


def lost_by_squaring(x: F64) -> F64:
    """Evaluate x^2 - fl(x^2) exactly from halves of 24 and 29 bits.

    It counts up to 784-fold in exp(-x^2).
    """
    high = x.astype(np.float32).astype(np.float64)
    return (high * high - x * x) + (x - high) * (x + high)


@blockwise
def normal_cdf(x: F64) -> F64:
    """The distribution function of the standard normal distribution.

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 1], `[...]`, within 4 ulp in f64 down to the smallest denormal number.

    Example:
        >>> f"{normal_cdf(-20.0):.12e}"
        '2.753624118606e-89'
    """
    magnitude = np.minimum(np.abs(x), NORMAL_LARGEST)
    scaled = magnitude * math.sqrt(0.5)
    ratio = scaled_erfc(scaled, 0.5 * lost_by_squaring(magnitude))
    tail = np.exp(-0.5 * (magnitude * magnitude)) * (0.5 * ratio)
    result = np.where(x < 0.0, tail, 1.0 - tail)
    central = scaled < 0.5
    if central.any():
        at = x[central] * math.sqrt(0.5)
        result[central] = 0.5 + 0.5 * at * polynomial(ERF_CENTRAL, at * at)
    return result


@blockwise
def normal_pdf(x: F64) -> F64:
    """The density of the standard normal distribution.

    Args:
        x: real numbers, `[...]`.

    Returns:
        exp(-x^2 / 2) / sqrt(2 pi), `[...]`, within 4 ulp in f64.

    Example:
        >>> round(float(normal_pdf(1.0)), 12)
        0.241970724519
    """
    x = np.minimum(np.abs(x), NORMAL_LARGEST)
    scale = 1.0 - 0.5 * lost_by_squaring(x)
    return cast(F64, np.exp(-0.5 * (x * x)) * (scale / math.sqrt(2.0 * math.pi)))


@blockwise
def erfinv(x: F64) -> F64:
    """The inverse of the error function.

    With w = -log((1 - x) (1 + x)), erfinv(x) / x is smooth in w near 0 and in sqrt(w) far out.

    Args:
        x: real numbers, `[...]`.

    Returns:
        y with erf(y) = x, `[...]`, within 4 ulp in f64, also where x is the number next to 1.
        erfinv(+-1) = +-inf; outside [-1, 1] the result is NaN.

    Example:
        >>> round(float(erfinv(0.5)), 12)
        0.476936276204
    """
    w = -np.log((1.0 - x) * (1.0 + x))
    factor = polynomial(ERFINV_CENTRAL, w - ERFINV_CENTRE)
    tail = w > ERFINV_SPLIT
    if tail.any():
        factor[tail] = erfinv_tail(np.sqrt(w[tail]))
    return np.where(np.abs(x) == 1.0, np.copysign(np.inf, x), x * factor)


def erfinv_tail(root: F64) -> F64:
    """Evaluate erfinv(x) / x as a function of sqrt(w), for w > ERFINV_SPLIT."""
    near = polynomial(ERFINV_TAIL, root - ERFINV_TAIL_CENTRE)
    far = polynomial(ERFINV_FAR_TAIL, root - ERFINV_FAR_CENTRE)
    return np.where(root < ERFINV_FAR, near, far)


def erfinv_f32_recipe(
    x: Number,
    log: Callable[[Any], Any] = np.log,
    sqrt: Callable[[Any], Any] = np.sqrt,
    where: Callable[[Any, Any, Any], Any] = np.where,
) -> Number:
    """Compute erfinv in f32 by elementary operations in a fixed order, for any backend to repeat.

    It uses only `+ - * <`, the three given functions, and Python floats that are exact f32 numbers,
    so `x` may be an f32 array or a symbolic value of type f32. All arithmetic is meant to be f32.

    Args:
        x: numbers in [-1, 1], `[...]`, f32.
        log: the natural logarithm.
        sqrt: the square root.
        where: `where(condition, a, b)`, elementwise choice; both choices are always evaluated.

    Returns:
        erfinv(x), `[...]`, with a relative error of at most 5e-7. +-1 gives +-inf; numbers outside
        [-1, 1] give NaN. Backends that fuse multiply and add, or whose `log` is off by an ulp, stay
        within 2 ulp of each other.

    Note:
        The choice that is not taken may be NaN; NumPy warns of it unless `np.errstate` is used.

    Example:
        >>> erfinv_f32_recipe(np.array([0.0, 0.5], np.float32)).round(5)
        array([0.     , 0.47694], dtype=float32)
    """
    w = -log((1.0 - x) * (1.0 + x))
    central = polynomial(ERFINV_F32_CENTRAL, w - ERFINV_F32_CENTRE)
    tail = polynomial(ERFINV_F32_TAIL, sqrt(w) - ERFINV_F32_TAIL_CENTRE)
    return cast(Number, x * where(w < ERFINV_F32_SPLIT, central, tail))


@blockwise
def lgamma(x: F64) -> F64:
    """The logarithm of the absolute value of the gamma function.

    Args:
        x: real numbers, `[...]`.

    Returns:
        log |gamma(x)|, `[...]`, with a relative error below 1e-13 (absolute where x < 0 is near a
        zero). +inf at 0, at negative integers and at +-inf.

    Example:
        >>> round(float(lgamma(5.0)), 12)
        3.178053830348
    """
    reflected = x < -0.5
    result = lgamma_right(np.where(reflected, -x, x))
    if reflected.any():
        at = x[reflected]
        nearest = np.rint(at)
        # gamma(x) gamma(-x) = -pi / (x sin(pi x)); -inf counts as an integer, hence as a pole.
        sine = np.abs(np.sin(np.pi * (at - nearest)))
        value = np.log(np.pi / sine) - np.log(-at) - result[reflected]
        result[reflected] = np.where(at == nearest, np.inf, value)
    return result


def lgamma_right(x: F64) -> F64:
    """Evaluate lgamma for x >= -1/2: recurrence to the interval around 2, or Stirling's formula."""
    result = lgamma_near(np.minimum(x, 7.5))
    large = x > 7.5
    if large.any():
        at = x[large]
        rest = polynomial(LGAMMA_STIRLING, 1.0 / (at * at)) / at
        # (x - 1/2) (log x - 1) overflows only where the result does.
        result[large] = (at - 0.5) * (np.log(at) - 1.0) + (rest + (HALF_LOG_TWO_PI - 0.5))
    return result


def lgamma_near(x: F64) -> F64:
    """Evaluate lgamma for -1/2 <= x <= 15/2 as lgamma(2 + u) plus the logarithm of a product."""
    nearest = np.rint(x)
    u = x - nearest
    rising = np.ones_like(x)
    for step in range(1, 7):
        rising *= np.where(nearest >= step + 2, x - step, 1.0)
    falling = np.where(nearest < 1.0, x * (x + 1.0), x)
    shift = np.where(nearest < 2.0, -np.log(np.abs(falling)), np.log(rising))
    return u * polynomial(LGAMMA_CENTRAL, u) + shift


@blockwise
def digamma(x: F64) -> F64:
    """The logarithmic derivative of the gamma function.

    Args:
        x: real numbers, `[...]`.

    Returns:
        gamma'(x) / gamma(x), `[...]`, with a relative error below 1e-13, absolute near its zeros.
        -inf at 0.0, +inf at -0.0 (the one-sided limits); NaN at negative integers and at -inf.

    Example:
        >>> round(float(digamma(1.0)), 12)
        -0.577215664902
    """
    reflected = x < -0.5
    result = digamma_right(np.where(reflected, -x, x))
    if reflected.any():
        at = x[reflected]
        fraction = at - np.rint(at)
        # digamma(x) = digamma(-x) - 1 / x - pi cot(pi x)
        value = result[reflected] - 1.0 / at - np.pi / np.tan(np.pi * fraction)
        result[reflected] = np.where(fraction == 0.0, np.nan, value)
    return result


def digamma_right(x: F64) -> F64:
    """Evaluate digamma for x >= -1/2: recurrence up to x >= 8, then the asymptotic series."""
    shift = np.zeros_like(x)
    small = x < 8.0
    if small.any():
        moving = x[small]
        total = np.zeros_like(moving)
        for _ in range(9):
            below = moving < 8.0
            total -= np.where(below, 1.0 / moving, 0.0)
            moving += below
        shift[small] = total
        x[small] = moving
    square = 1.0 / (x * x)
    return np.log(x) - 0.5 / x - square * polynomial(DIGAMMA_STIRLING, square) + shift


@blockwise
def sigmoid(x: F64) -> F64:
    """The logistic function, 1 / (1 + exp(-x)).

    Args:
        x: real numbers, `[...]`.

    Returns:
        Values in [0, 1], `[...]`, within 3 ulp in f64, for very negative x too, where the value is
        exp(x). sigmoid(-inf) = 0, sigmoid(inf) = 1.

    Example:
        >>> f"{sigmoid(-100.0):.12e}"
        '3.720075976021e-44'
    """
    small = np.exp(-np.abs(x))
    return np.where(x < 0.0, small, 1.0) / (1.0 + small)


@blockwise
def softplus(x: F64) -> F64:
    """log(1 + exp(x)), a smooth form of max(x, 0).

    Args:
        x: real numbers, `[...]`.

    Returns:
        Positive values, `[...]`, within 3 ulp in f64, for very negative x too, where the value is
        exp(x). softplus(-inf) = 0, softplus(inf) = inf.

    Example:
        >>> round(float(softplus(0.0)), 12)
        0.69314718056
    """
    return cast(F64, np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))
