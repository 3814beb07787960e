"""The table of scalar functions: meanings, types, derivatives and expansions of every row."""

import pickle
from itertools import product

import numpy as np
import pytest

from irflow import dtypes, scalars
from irflow.errors import DTypeError, UnknownNameError
from irflow.scalars import ROWS, Operand, Scalar, find
from irflow.scalars.row import KINDS

# Python's operators on arrays warn where rows do not.
pytestmark = pytest.mark.filterwarnings("error")

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.0, -2.5, 3.0, 1e-4, -1e-4, 7.5, 20.0, -20.0]
SPECIAL += [100.0, -100.0, 700.0, 1e4, -1e4, 1e15, 1e30, -1e30, 1e-30, np.inf, -np.inf, np.nan]

# Absolute errors in units of epsilon allowed to expansions of functions with zeros, relative ones
# being 4; NumPy's logaddexp is no better near its own.
NEAR_ZERO = {"lgamma": 8, "digamma": 8, "logaddexp": 2}


def accepted(row: Scalar) -> list[dtypes.DType]:
    return [dtype for dtype in dtypes.ALL if dtype.kind in KINDS[row.accepts]]


def rows(condition=lambda row: True):
    return pytest.mark.parametrize("row", [row for row in ROWS.values() if condition(row)], ids=str)


def on_floats(row: Scalar) -> bool:
    return dtypes.f64 in accepted(row)


every_row = rows()
differentiable = rows(lambda row: row.is_differentiable)
expandable = rows(lambda row: row.expand)
expandable_floats = rows(lambda row: row.expand and on_floats(row))


def draw(row: Scalar, dtype: dtypes.DType, size: int = 64) -> list[np.ndarray]:
    """Samples of the row's domain; of integers those that the type has."""
    rng = np.random.default_rng(7)
    arrays = []
    for i, (low, high) in enumerate(row.domain):
        values = rng.uniform(low, high, size)
        if (row.selects and i == 0) or dtype.kind == "bool":
            arrays.append(rng.integers(0, 2, size).astype(bool))
        elif dtype.is_integer:
            info = np.iinfo(dtype.numpy)
            floor = 0 if row is scalars.power and i == 1 else info.min
            arrays.append(np.clip(np.rint(values), floor, info.max).astype(dtype.numpy))
        else:
            arrays.append(values.astype(dtype.numpy))
    return arrays


def apply_rule(row: Scalar, i: int, inputs: list[np.ndarray], g: float = 1.0) -> np.ndarray:
    output = row(*inputs)
    with np.errstate(all="ignore"):
        return np.asarray(row.gradients[i](np.full(output.shape, g), *inputs, output))


def central_difference(function, inputs: list[np.ndarray], j: int, step: float) -> np.ndarray:
    up, down = list(inputs), list(inputs)
    up[j], down[j] = inputs[j] + step, inputs[j] - step
    return (function(up) - function(down)) / (up[j] - down[j])


# -------------------------------------------------------------------------------------- the table


@every_row
def test_row_is_complete(row):
    assert len(row.domain) == row.arity
    assert all(low < high for low, high in row.domain)
    assert len(row.gradients) in (0, row.arity)
    assert row.flops >= 1
    assert getattr(scalars, row.name) is row
    assert row.name in scalars.__all__
    assert pickle.loads(pickle.dumps(row)) is row


def test_table_is_explicit():
    rows = {name for name in scalars.__all__ if isinstance(getattr(scalars, name), Scalar)}
    assert rows == set(ROWS)


def test_unknown_name_lists_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'tanh'"):
        find("tanhh")


def test_wrong_dtype_is_refused():
    with pytest.raises(DTypeError, match="exp is not defined for i64"):
        scalars.exp.infer([dtypes.i64])
    with pytest.raises(DTypeError, match="add is not defined for bool"):
        scalars.add.infer([dtypes.bool_, dtypes.bool_])


# ---------------------------------------------------------------------------------------- meanings


@every_row
def test_meaning_has_the_inferred_dtype(row):
    for dtype in accepted(row):
        inputs = draw(row, dtype)
        expected = row.infer([dtypes.from_numpy(x.dtype) for x in inputs])
        for arrays in (inputs, [x[:0] for x in inputs], [x[0] for x in inputs]):
            result = np.asarray(row(*arrays))
            assert result.dtype == expected.numpy, (dtype, result.dtype)
            assert result.shape == arrays[0].shape


@every_row
def test_meaning_writes_into_out(row):
    dtype = accepted(row)[-1]
    inputs = draw(row, dtype)
    expected = row(*inputs)
    out = np.empty_like(expected)
    assert row.numpy(*inputs, out=out) is out
    np.testing.assert_array_equal(out, expected)


@rows(lambda row: on_floats(row) and row not in (scalars.nextafter, scalars.complex_of))
def test_narrow_floats_are_rounded_once(row):
    for dtype in (dtypes.f16, dtypes.bf16):
        inputs = draw(row, dtype)
        wide = row(*[x if x.dtype == bool else x.astype(np.float64) for x in inputs])
        result = row(*inputs).astype(np.float64)
        np.testing.assert_allclose(result, wide.astype(float), rtol=0.51 * dtype.epsilon, atol=1e-7)


@rows(on_floats)
def test_special_values_raise_no_warning(row):
    for dtype in (np.float32, np.float64):
        row(*special_values(row, dtype))


@pytest.mark.parametrize("dtype", [dtypes.bf16, dtypes.f16, dtypes.f32], ids=str)
def test_literals_take_the_dtype_beside_them(dtype):
    x = np.array([0.5, 2.0], dtype.numpy)
    assert scalars.multiply(x, 1.5).dtype == dtype.numpy
    assert scalars.power(2, x).dtype == dtype.numpy
    assert scalars.where(scalars.less(x, 1.0), 0.25, x).dtype == dtype.numpy


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d.is_integer], ids=str)
def test_multiply_high_is_the_upper_half_of_the_product(dtype):
    info = np.iinfo(dtype.numpy)
    edge = [info.min, info.min + 1, 0, 1, info.max // 3, info.max - 1, info.max]
    pairs = list(product(edge, edge))
    x, y = (np.array(column, dtype.numpy) for column in zip(*pairs, strict=True))
    assert scalars.multiply_high(x, y).tolist() == [(a * b) >> dtype.bits for a, b in pairs]


def test_shifts_by_the_width_and_more():
    x = np.array([5, -5], np.int8)
    assert scalars.left_shift(x, np.array([8, 9], np.int8)).tolist() == [0, 0]
    assert scalars.right_shift(x, np.array([8, 9], np.int8)).tolist() == [0, -1]


def test_integer_division_by_zero_is_zero():
    x, zero = np.array([5, -5]), np.zeros(2, int)
    for row in (scalars.floor_divide, scalars.remainder, scalars.fmod):
        assert row(x, zero).tolist() == [0, 0]


def test_nan_passes_through_relu_and_maximum():
    nan, one = np.array([np.nan]), np.array([1.0])
    for result in (
        scalars.relu(nan),
        scalars.maximum(nan, one),
        scalars.maximum(one, nan),
        scalars.minimum(one, nan),
    ):
        assert np.isnan(result).all()


# ---------------------------------------------------------------------------- algebraic properties


@rows(lambda row: row.identity)
def test_identity_is_neutral(row):
    for dtype in accepted(row):
        if dtype.kind == "complex" and row not in (scalars.add, scalars.multiply):
            continue
        x = draw(row, dtype)[0]
        x = np.abs(x) if row is scalars.hypot else x
        neutral = np.asarray(row.identity(dtype)).astype(dtype.numpy)
        assert neutral == row.identity(dtype)
        result = row(np.broadcast_to(neutral, x.shape), x)
        tolerance = 2 * dtype.epsilon if row in (scalars.hypot, scalars.logaddexp) else 0
        np.testing.assert_allclose(result.astype(complex), x.astype(complex), rtol=tolerance)


@rows(lambda row: row.commutative or row.associative)
def test_declared_symmetries_hold(row):
    for dtype in (d for d in accepted(row) if d.bits > 16 or not d.is_float):
        x, y = draw(row, dtype)
        z = x[::-1]
        if row.commutative:
            np.testing.assert_array_equal(row(x, y), row(y, x))
        if row.associative:
            left, right = row(row(x, y), z), row(x, row(y, z))
            wide = complex if dtype.kind == "complex" else left.dtype
            np.testing.assert_allclose(
                left.astype(wide), right.astype(wide), rtol=1e-5, atol=1e-5 * dtype.is_inexact
            )


def test_symmetric_numpy_functions_are_declared():
    symmetric = {
        name
        for name, row in ROWS.items()
        if row.arity == 2
        and all(
            np.array_equal(row(*x), row(*x[::-1]))
            for x in [[y[:, 0], y[:, 1]] for y in [np.stack(draw(row, accepted(row)[-1]), 1)]]
            if row.domain[0] == row.domain[1]
        )
        and row.domain[0] == row.domain[1]
    }
    assert symmetric == {name for name, row in ROWS.items() if row.commutative} - {"hypot"}


# -------------------------------------------------------------------------------------- derivatives


@differentiable
def test_gradient_is_the_finite_difference(row):
    inputs = draw(row, dtypes.f64)
    for i, rule in enumerate(row.gradients):
        if rule is None:
            continue
        expected = central_difference(lambda at: row(*at), inputs, i, 1e-6)
        np.testing.assert_allclose(apply_rule(row, i, inputs), expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            apply_rule(row, i, inputs, -2.0), -2 * expected, rtol=1e-6, atol=1e-7
        )


class Dual(Operand):
    """A value with its derivative; applies the rows' own rules, so it tests rules of rules."""

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def apply_row(self, row, operands):
        like = next(o.value for o in operands[row.selects :] if isinstance(o, Dual))
        duals = [o if isinstance(o, Dual) else Dual.constant(o, like) for o in operands]
        values = [d.value for d in duals]
        output = row(*values)
        slope = np.zeros_like(like)
        with np.errstate(all="ignore"):
            for rule, dual in zip(row.gradients, duals, strict=bool(row.gradients)):
                if rule is not None:
                    slope = slope + rule(dual.slope, *values, output)
        return Dual(output, slope)

    @staticmethod
    def constant(value, like):
        array = value if isinstance(value, np.ndarray) else np.full_like(like, value)
        return Dual(array, np.zeros(array.shape))


@differentiable
def test_second_derivative_is_the_finite_difference_of_the_first(row):
    inputs = draw(row, dtypes.f64)
    for i, j in product(range(row.arity), repeat=2):
        if row.gradients[i] is None or row.gradients[j] is None:
            continue
        expected = central_difference(lambda at, i=i: apply_rule(row, i, at), inputs, j, 1e-6)
        duals = [Dual(x, np.full_like(x, k == j, float)) for k, x in enumerate(inputs)]
        g = Dual.constant(1.0, inputs[-1])
        result = row.gradients[i](g, *duals, row(*duals))
        np.testing.assert_allclose(result.slope, expected, rtol=1e-5, atol=1e-6)


def slopes(row: Scalar, *values: float) -> list[float]:
    arrays = [np.array([value]) for value in values]
    return [float(apply_rule(row, i, arrays)[0]) for i in range(row.arity)]


def test_gradients_at_kinks_and_edges():
    assert slopes(scalars.maximum, 1.0, 1.0) == [0.5, 0.5]
    assert slopes(scalars.minimum, 1.0, 1.0) == [0.5, 0.5]
    assert slopes(scalars.absolute, 0.0) == [0.0]
    assert slopes(scalars.absolute, -2.0) == [-1.0]
    assert slopes(scalars.relu, 0.0) == [0.0]
    assert slopes(scalars.relu, -1.0) == [0.0]
    assert slopes(scalars.power, 0.0, 2.0) == [0.0, 0.0]
    assert slopes(scalars.power, 0.0, 0.0) == [0.0, 0.0]
    assert slopes(scalars.power, 0.0, -1.0)[1] == 0.0
    assert slopes(scalars.power, -2.0, 3.0) == [12.0, 0.0]
    assert slopes(scalars.logaddexp, 1.0, -np.inf) == [1.0, 0.0]
    assert slopes(scalars.softplus, 1e4) == [1.0]
    assert slopes(scalars.sigmoid, -1e4) == [0.0]


def test_gradient_of_digamma_left_of_zero():
    inputs = [np.array([-0.3, -1.5, -7.25, 0.2, 30.0])]
    expected = central_difference(lambda at: scalars.digamma(*at), inputs, 0, 1e-6)
    np.testing.assert_allclose(apply_rule(scalars.digamma, 0, inputs), expected, rtol=1e-7)


def test_trigamma_at_one():
    assert slopes(scalars.digamma, 1.0) == pytest.approx([np.pi**2 / 6], rel=1e-15)


# --------------------------------------------------------------------------------------- expansions


def special_values(row: Scalar, dtype: type) -> list[np.ndarray]:
    values = np.array(SPECIAL)
    with np.errstate(over="ignore"):
        columns = [values.astype(dtype)] * (row.arity - row.selects)
    grid = np.meshgrid(*[np.array([True, False])] * row.selects, *columns, indexing="ij")
    return [axis.reshape(-1) for axis in grid]


def expand(row: Scalar, inputs: list[np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(row.expand(*inputs))


def assert_close(row: Scalar, result: np.ndarray, expected: np.ndarray) -> None:
    assert result.dtype == expected.dtype
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(result, expected)
        return
    info = np.finfo(expected.dtype)
    rtol = 4 * float(info.eps)
    atol = max(float(info.eps) * NEAR_ZERO.get(row.name, 0), float(info.tiny))
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol)


@expandable
def test_expansion_agrees_on_samples(row):
    for dtype in accepted(row):
        if dtype.kind == "complex" or (dtype.bits == 16 and dtype.is_float):
            continue
        if row is scalars.floor_divide and dtype.is_integer:
            continue
        inputs = draw(row, dtype, 500)
        assert_close(row, expand(row, inputs), row(*inputs))


@expandable_floats
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expansion_agrees_on_special_values(row, dtype):
    inputs = special_values(row, dtype)
    assert_close(row, expand(row, inputs), row(*inputs))


@expandable_floats
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expansion_agrees_over_all_magnitudes(row, dtype):
    rng = np.random.default_rng(11)
    sizes = 10 ** rng.uniform(-12, 12, (row.arity, 2000)) * rng.choice([-1, 1], (row.arity, 2000))
    inputs = [x.astype(dtype) for x in sizes]
    assert_close(row, expand(row, inputs), row(*inputs))


@pytest.mark.parametrize(
    "name", ["remainder", "sign", "absolute", "maximum", "relu", "copysign", "rint", "trunc"]
)
def test_expansion_has_the_sign_of_zero(name):
    row = find(name)
    values = np.array([0.0, -0.0, 1.0, -1.0, 0.25, -0.25])
    inputs = [axis.reshape(-1) for axis in np.meshgrid(*[values] * row.arity)]
    expected = row(*inputs)
    is_tie = (
        np.equal(inputs[0], inputs[-1]) if name == "maximum" else np.zeros(expected.shape, bool)
    )
    same = np.signbit(expand(row, inputs)) == np.signbit(expected)
    assert (same | is_tie | (expected != 0) | (name == "relu")).all()


class Typed(Operand):
    """A value of which only the type is known; literals must exist in that type."""

    def __init__(self, dtype: dtypes.DType, used: set[str]) -> None:
        self.dtype, self.used = dtype, used

    def apply_row(self, row, operands):
        like = next(o.dtype for o in operands[row.selects :] if isinstance(o, Typed))
        for literal in (o for o in operands if not isinstance(o, Typed)):
            assert like.is_float or np.array(literal, like.numpy) == literal
            assert like.is_float or not isinstance(literal, float)
        self.used.add(row.name)
        return Typed(
            row.infer([o.dtype if isinstance(o, Typed) else like for o in operands]), self.used
        )


def typed_inputs(row: Scalar, dtype: dtypes.DType, used: set[str]) -> list[Typed]:
    return [
        Typed(dtypes.bool_ if row.selects and i == 0 else dtype, used) for i in range(row.arity)
    ]


@differentiable
def test_gradient_rules_keep_the_dtype(row):
    for dtype in (d for d in accepted(row) if d.is_float):
        inputs = typed_inputs(row, dtype, set())
        for rule in filter(None, row.gradients):
            assert rule(Typed(dtype, set()), *inputs, row(*inputs)).dtype is dtype


@expandable
def test_expansion_keeps_the_dtype(row):
    for dtype in accepted(row):
        if dtype.kind == "complex" or (row is scalars.floor_divide and dtype.is_integer):
            continue
        inputs = typed_inputs(row, dtype, set())
        assert row.expand(*inputs).dtype is row.infer([x.dtype for x in inputs])


@expandable
def test_expansion_ends_in_rows_without_one(row):
    dtype = accepted(row)[0] if not on_floats(row) else dtypes.f64
    seen: set[str] = set()
    pending = [row]
    while pending:
        current = pending.pop()
        used: set[str] = set()
        current.expand(
            *typed_inputs(
                current, dtype if dtype.kind in KINDS[current.accepts] else dtypes.bool_, used
            )
        )
        pending += [find(name) for name in sorted(used - seen) if find(name).expand]
        seen |= used
    assert row.name not in seen


def test_minimal_backend():
    """What the comment at the head of the package promises."""
    primitive = {name for name, row in ROWS.items() if row.expand is None}
    assert primitive == {
        *("where", "equal", "less", "add", "multiply", "negative"),
        *("divide", "floor", "fmod", "signbit", "power"),
        *("sqrt", "exp", "log", "sin", "cos", "arctan"),
        *("left_shift", "right_shift", "bitwise_and", "bitwise_or", "bitwise_xor", "invert"),
        *("nextafter", "multiply_high"),
        *("real", "imag", "conjugate", "complex_of"),
    }
