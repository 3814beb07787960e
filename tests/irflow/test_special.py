"""The special functions, against tables of 25 digits that `tests/tools/fit_special.py` computed."""

import json
import warnings
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from irflow import special
from irflow.special import blocks, tables
from irflow.special.error_function import erfinv_f32_recipe

FILE = Path(__file__).resolve().parents[1] / "files" / "special_reference.json"
REFERENCE = {
    name: [(float.fromhex(x), Fraction(value)) for x, value in rows]
    for name, rows in json.loads(FILE.read_text()).items()
}
NAMES = sorted(special.__all__)
F64_ULP = {"erf": 2, "erfc": 4, "erfinv": 4, "sigmoid": 3, "softplus": 3}
F64_ULP |= {"normal_cdf": 4, "normal_pdf": 3}
INF, NAN = np.inf, np.nan


def f32_rows(name: str) -> list[tuple[float, Fraction]]:
    """The rows whose argument f32 holds exactly and whose value is a normal f32 number."""
    tiny, huge = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    with np.errstate(over="ignore"):
        exact = [(x, value) for x, value in REFERENCE[name] if float(np.float32(x)) == x]
    return [(x, value) for x, value in exact if tiny < abs(value) < huge]


def distances(values: np.ndarray, true: list[Fraction]) -> np.ndarray:
    """The exact distance of each value from the truth, as f64."""
    pairs = zip(values.tolist(), true, strict=True)
    return np.array([float(abs(Fraction(value) - exact)) for value, exact in pairs])


def errors_in_ulp(values: np.ndarray, true: list[Fraction]) -> np.ndarray:
    """The error of each value in units in the last place of its dtype."""
    spacing = np.spacing(np.abs(np.array([float(t) for t in true])).astype(values.dtype))
    return distances(values, true) / spacing


def test_tables_cover_every_function() -> None:
    assert sorted(REFERENCE) == NAMES
    assert all(len(REFERENCE[name]) >= 100 for name in NAMES)
    assert all(len(f32_rows(name)) >= 20 for name in NAMES)


@pytest.mark.parametrize("name", sorted(F64_ULP))
def test_f64_is_accurate_to_a_few_ulp(name: str) -> None:
    x, true = zip(*REFERENCE[name], strict=True)
    values = getattr(special, name)(np.array(x))
    assert errors_in_ulp(values, list(true)).max() <= F64_ULP[name]


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_gamma_family_is_relatively_accurate_away_from_zeros(name: str) -> None:
    x, true = zip(*REFERENCE[name], strict=True)
    values = getattr(special, name)(np.array(x))
    # Below 1 the bound is absolute, as near a zero only that can be kept.
    scale = np.maximum(1.0, [abs(float(t)) for t in true])
    assert (distances(values, list(true)) / scale).max() <= 1e-13


@pytest.mark.parametrize("zero", [1.0, 2.0])
def test_lgamma_keeps_relative_accuracy_beside_its_positive_zeros(zero: float) -> None:
    slope = {1.0: -0.5772156649015329, 2.0: 0.42278433509846713}[zero]
    step = 2.0**-40
    np.testing.assert_allclose(special.lgamma(zero + step), slope * step, rtol=1e-11)
    assert special.lgamma(zero) == 0.0


def test_lgamma_overflows_only_where_its_value_does() -> None:
    values = special.lgamma(np.array([2.556e305, 2.561e305]))
    np.testing.assert_allclose(values, [1.7948919484756313e308, INF], rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_f32_is_rounded_correctly_to_one_ulp(name: str) -> None:
    x, true = zip(*f32_rows(name), strict=True)
    values = getattr(special, name)(np.array(x, np.float32))
    assert values.dtype == np.float32
    assert errors_in_ulp(values, list(true)).max() <= 1.0


def test_erfc_underflows_gradually() -> None:
    # Beyond 27.226... erfc is less than half the smallest denormal number.
    values = special.erfc(np.array([26.6, 27.0, 27.22, 27.23, 1e300]))
    expected = [1.0885126e-309, 5.23705e-319, 5e-324, 0.0, 0.0]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=5e-324)
    assert (np.diff(values[:4]) < 0).all()


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("erf", [INF, -INF, 0.0, -0.0, NAN], [1.0, -1.0, 0.0, -0.0, NAN]),
        ("erfc", [INF, -INF, 0.0, -0.0, NAN], [0.0, 2.0, 1.0, 1.0, NAN]),
        ("erfinv", [1.0, -1.0, 0.0, -0.0, NAN], [INF, -INF, 0.0, -0.0, NAN]),
        ("erfinv", [1.5, -1.5, INF, -INF], [NAN, NAN, NAN, NAN]),
        ("lgamma", [0.0, -0.0, -1.0, -30.0, NAN], [INF, INF, INF, INF, NAN]),
        ("lgamma", [INF, -INF, 2.6e305, -1e300], [INF, INF, INF, INF]),
        ("digamma", [0.0, -0.0, -1.0, -30.0, NAN], [-INF, INF, NAN, NAN, NAN]),
        ("digamma", [INF, -INF], [INF, NAN]),
        ("sigmoid", [INF, -INF, 0.0, 1e300, -1e300, NAN], [1.0, 0.0, 0.5, 1.0, 0.0, NAN]),
        ("softplus", [INF, -INF, 1e300, -1e300, NAN], [INF, 0.0, 1e300, 0.0, NAN]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_special_values(name: str, x: list[float], expected: list[float], dtype: type) -> None:
    with np.errstate(all="ignore"):
        arguments, wanted = np.array(x).astype(dtype), np.array(expected).astype(dtype)
    values = getattr(special, name)(arguments)
    assert values.dtype == arguments.dtype
    wide, wanted = values.astype(np.float64), wanted.astype(np.float64)
    np.testing.assert_array_equal(wide, wanted)
    np.testing.assert_array_equal(np.signbit(wide[wide == 0]), np.signbit(wanted[wanted == 0]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_nothing_warns_even_where_numpy_is_told_to_raise(name: str, dtype: type) -> None:
    points = [
        -INF,
        -1e30,
        -3.0,
        -2.5,
        -1.0,
        -1e-30,
        -0.0,
        0.0,
        1e-30,
        0.5,
        1.0,
        9.0,
        1e30,
        INF,
        NAN,
    ]
    with np.errstate(all="ignore"):
        x = np.array(points).astype(dtype)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        getattr(special, name)(x)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_preserved(name: str) -> None:
    function = getattr(special, name)
    line = np.linspace(0.05, 0.95, 3 * blocks.BLOCK + 5)
    scalars = np.array([function(x) for x in line[:: blocks.BLOCK]])
    # Blocks change neither the values nor their order.
    np.testing.assert_array_equal(function(line)[:: blocks.BLOCK], scalars)
    assert function(0.5).shape == ()
    assert isinstance(function(np.float32(0.5)), np.ndarray)
    assert function(np.zeros((2, 0, 3), np.float32)).shape == (2, 0, 3)
    grid = line[:24].reshape(2, 3, 4)
    np.testing.assert_array_equal(function(grid.T[::2]), function(grid).T[::2])


@pytest.mark.parametrize("name", NAMES)
def test_the_argument_is_left_alone(name: str) -> None:
    x = np.linspace(-0.9, 0.9, 50)
    getattr(special, name)(x)
    np.testing.assert_array_equal(x, np.linspace(-0.9, 0.9, 50))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_the_rounded_f64_value(name: str, dtype: type) -> None:
    x = np.linspace(-0.95, 0.95, 64).astype(dtype)
    wide = getattr(special, name)(x.astype(np.float64))
    np.testing.assert_array_equal(getattr(special, name)(x), wide.astype(dtype))


def test_integers_and_booleans_give_f64() -> None:
    np.testing.assert_array_equal(special.erf(np.array([0, 1])), special.erf(np.array([0.0, 1.0])))
    assert special.sigmoid(True).dtype == np.float64
    assert special.lgamma(np.array([1, 5], np.uint8)).dtype == np.float64


@pytest.mark.parametrize("value", [1j, "1", None])
def test_what_is_not_real_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="erf: needs real numbers, got an array of dtype"):
        special.erf(np.array(value))


def test_sums_of_erf_and_erfc_are_one() -> None:
    x = np.linspace(-7, 7, 2001)
    np.testing.assert_allclose(special.erf(x) + special.erfc(x), 1.0, rtol=0, atol=5e-16)


def test_recipe_has_a_small_relative_error() -> None:
    x, true = zip(*f32_rows("erfinv"), strict=True)
    with np.errstate(all="ignore"):
        values = erfinv_f32_recipe(np.array(x, np.float32))
    assert values.dtype == np.float32
    scale = np.abs([float(t) for t in true])
    assert (distances(values, list(true)) / scale).max() <= 5e-7


def test_recipe_has_a_small_relative_error_at_every_f32_near_one() -> None:
    steps = np.arange(1, 2**18, dtype=np.float64)
    x = np.concatenate([1.0 - steps * 2.0**-24, 1.0 - steps * 2.0**-18]).astype(np.float32)
    with np.errstate(all="ignore"):
        values = erfinv_f32_recipe(x)
    np.testing.assert_allclose(values, special.erfinv(x.astype(np.float64)), rtol=5e-7, atol=0)


def test_recipe_at_the_ends_of_its_domain() -> None:
    x = np.array([1.0, -1.0, 1.5, -INF, NAN, 0.0, -0.0], np.float32)
    with np.errstate(all="ignore"):
        values = erfinv_f32_recipe(x)
    np.testing.assert_array_equal(values, [INF, -INF, NAN, NAN, NAN, 0.0, -0.0])
    assert np.signbit(values[-1])


@pytest.mark.parametrize("direction", [-INF, INF])
def test_recipe_moves_by_at_most_two_ulp_where_log_moves_by_one(direction: float) -> None:
    x = np.random.default_rng(3).uniform(-1, 1, 100_000).astype(np.float32)

    def other_log(value: np.ndarray) -> np.ndarray:
        return np.nextafter(np.log(value), np.float32(direction))

    with np.errstate(all="ignore"):
        values = erfinv_f32_recipe(x)
        moved = erfinv_f32_recipe(x, log=other_log)
    assert (values != moved).any()
    assert np.abs(values.view(np.int32) - moved.view(np.int32)).max() <= 2


def test_recipe_constants_are_f32_numbers() -> None:
    points = (
        tables.ERFINV_F32_SPLIT,
        tables.ERFINV_F32_CENTRE,
        tables.ERFINV_F32_TAIL_CENTRE,
    )
    for constant in tables.ERFINV_F32_CENTRAL + tables.ERFINV_F32_TAIL + points:
        assert float(np.float32(constant)) == constant


class Symbol:
    """A value that writes down what is done to it, as a code generator's operand does."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __neg__(self) -> "Symbol":
        return Symbol(f"(-{self.text})")

    def __lt__(self, other: object) -> "Symbol":
        return binary(self, "<", other)

    def __add__(self, other: object) -> "Symbol":
        return binary(self, "+", other)

    def __radd__(self, other: object) -> "Symbol":
        return binary(other, "+", self)

    def __sub__(self, other: object) -> "Symbol":
        return binary(self, "-", other)

    def __rsub__(self, other: object) -> "Symbol":
        return binary(other, "-", self)

    def __mul__(self, other: object) -> "Symbol":
        return binary(self, "*", other)


def text_of(value: object) -> str:
    return value.text if isinstance(value, Symbol) else repr(value)


def binary(left: object, operator: str, right: object) -> Symbol:
    return Symbol(f"({text_of(left)} {operator} {text_of(right)})")


def call(name: str, *arguments: object) -> Symbol:
    return Symbol(f"{name}({', '.join(map(text_of, arguments))})")


def test_recipe_passes_a_symbolic_operand_through() -> None:
    written = erfinv_f32_recipe(
        Symbol("x"),
        log=lambda value: call("log", value),
        sqrt=lambda value: call("sqrt", value),
        where=lambda *arguments: call("where", *arguments),
    )
    x = np.linspace(-0.99999, 0.99999, 1001, dtype=np.float32)
    names = {"x": x, "log": np.log, "sqrt": np.sqrt, "where": np.where}
    with np.errstate(all="ignore"):
        repeated = eval(written.text, {"__builtins__": {}}, names)
        np.testing.assert_array_equal(repeated, erfinv_f32_recipe(x))
