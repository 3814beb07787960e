"""The kinds of elementwise steps that random graphs are made of; see `recipes`."""

from __future__ import annotations

from irflow import dtypes, ops
from irflow.scalars import ROWS, Scalar, find
from irflow.testing.recipes import DTYPES, Choices, Maker, Way, kind

# Floats at which these are computed may be any; the others are moved into the row's domain first.
TOTAL = (
    "tanh",
    "sin",
    "cos",
    "sigmoid",
    "softplus",
    "erf",
    "arctan",
    "arcsinh",
    "square",
    "negative",
)
KEEP_EXACT = ("negative", "absolute", "relu", "maximum", "minimum")
JUMPS = ("floor", "ceil", "trunc", "rint", "sign", "isnan", "isfinite", "isinf", "signbit")
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")
DIVISIONS = ("floor_divide", "remainder", "fmod")
COMPARISONS = ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")


def _rows(accepts: tuple[str, ...], arity: int, result: str = "same") -> list[Scalar]:
    return [
        row
        for row in ROWS.values()
        if row.accepts in accepts
        and row.arity == arity
        and row.result == result
        and not row.selects
    ]


@kind(smooth=True)
def total(maker: Maker, choices: Choices) -> None:
    """A function that is defined and moderate everywhere."""
    x, name = maker.float(choices), choices.of(TOTAL)
    maker.add(find(name)(x), exact=name in KEEP_EXACT and maker.is_exact(x))


@kind(smooth=True)
def in_domain(maker: Maker, choices: Choices) -> None:
    """Any smooth unary float function, in the interval in which it is tested."""
    x = maker.float(choices)
    rows = [row for row in _rows(("float", "inexact"), 1) if row.is_differentiable and row.domain]
    row = choices.of(rows)
    low, high = row.domain[0]
    maker.add(row(find("sigmoid")(x) * (high - low) + low))


@kind(smooth=True)
def arithmetic(maker: Maker, choices: Choices) -> None:
    """Addition, subtraction, a bounded product or quotient."""
    x = maker.float(choices)
    y = maker.partner(x, choices)
    kinds: tuple[Way, ...] = (
        lambda: x + y,
        lambda: x - y,
        lambda: x * find("tanh")(y),
        lambda: x / (y * y + 1),
    )
    maker.add(choices.of(kinds)())


@kind()
def product(maker: Maker, choices: Choices) -> None:
    """A product of numbers, which may overflow."""
    x = maker.number(choices)
    maker.add(x * maker.partner(x, choices))


@kind()
def choice(maker: Maker, choices: Choices) -> None:
    """The larger or the smaller of two."""
    x = maker.number(choices)
    y = maker.partner(x, choices)
    maker.add(find(choices.of(("maximum", "minimum")))(x, y), exact=maker.is_exact(x, y))


@kind()
def literal(maker: Maker, choices: Choices) -> None:
    """Arithmetic with a number: identities that passes simplify, and others."""
    x, value = maker.number(choices), choices.of((1, 0, 2, 3))
    kinds: tuple[Way, ...] = (
        lambda: x * value,
        lambda: x + value,
        lambda: value - x,
        lambda: find("power")(x, value),
    )
    maker.add(choices.of(kinds)())


@kind()
def absolute(maker: Maker, choices: Choices) -> None:
    """The magnitude, or the positive part."""
    x = maker.float(choices)
    maker.add(find(choices.of(("absolute", "relu")))(x), exact=maker.is_exact(x))


@kind()
def jump(maker: Maker, choices: Choices) -> None:
    """Rounding and classification of a float that is known exactly."""
    x = maker.pick(choices, lambda value: value.dtype.is_float and maker.is_exact(value))
    maker.add(find(choices.of(JUMPS))(x), exact=True)


@kind()
def divide_integers(maker: Maker, choices: Choices) -> None:
    """Quotients and remainders, by zero too."""
    x = maker.pick(choices, lambda value: value.dtype.is_integer)
    maker.add(find(choices.of(DIVISIONS))(x, maker.partner(x, choices)))


@kind()
def integers(maker: Maker, choices: Choices) -> None:
    """Wrapping arithmetic, bits and shifts."""
    x = maker.pick(choices, lambda value: value.dtype.is_integer)
    y = maker.partner(x, choices)
    shift = y & 7
    kinds: tuple[Way, ...] = (
        lambda: x + y,
        lambda: x - y,
        lambda: x << shift,
        lambda: x >> shift,
        lambda: ~x,
    )
    number = choices.below(len(kinds) + len(BITS))
    maker.add(kinds[number]() if number < len(kinds) else find(BITS[number - len(kinds)])(x, y))


@kind()
def logic(maker: Maker, choices: Choices) -> None:
    """Combinations of bools."""
    x = maker.pick(choices, lambda value: value.dtype.kind == "bool")
    y = maker.partner(x, choices)
    name = choices.of(("logical_and", "logical_or", "logical_xor", "bitwise_xor", "equal"))
    maker.add(find(name)(x, y))


@kind()
def compare(maker: Maker, choices: Choices) -> None:
    """A comparison of values that are known exactly."""
    x = maker.pick(choices, lambda value: maker.is_exact(value))
    y = maker.like(x, choices, lambda value: value.dtype is x.dtype and maker.is_exact(value))
    maker.add(find(choices.of(COMPARISONS))(x, y))


@kind()
def where(maker: Maker, choices: Choices) -> None:
    """One of two values by a condition."""
    x = maker.any(choices)
    y = maker.partner(x, choices)
    condition = maker.like(x, choices, lambda value: value.dtype.kind == "bool")
    maker.add(ops.where(condition, x, y), exact=maker.is_exact(x, y))


@kind()
def convert(maker: Maker, choices: Choices) -> None:
    """Another element type; integers only from what is known exactly."""
    target = dtypes.parse(choices.of(DTYPES))
    x = maker.pick(choices, lambda value: target.is_float or maker.is_exact(value))
    is_wider = x.dtype.is_float and target.is_float and x.dtype.bits < target.bits
    keeps = is_wider or x.dtype in (target, dtypes.bool_)
    maker.add(ops.convert(x, target), exact=maker.is_exact(x) and keeps)
