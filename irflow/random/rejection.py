"""Distributions that are drawn by trial: gamma and what is made of it, Poisson, binomial.

A loop runs until every element has been accepted; each trial takes a key of its own. The results do
not depend on how long the others take. No derivative passes through a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from irflow import control, dtypes, ops
from irflow.dims import Size
from irflow.dtypes import DType, DTypeLike
from irflow.frontend.boundary import public
from irflow.frontend.promotion import broadcast_shapes
from irflow.frontend.tensor import Tensor, TensorLike, as_tensor
from irflow.random.continuous import normal, positive, row
from irflow.random.keys import checked, fold_in, shape_of, split
from irflow.scalars import find

Trial = Callable[[Tensor], tuple[Tensor, Tensor]]
Shape = tuple[Size, ...]

SMALL = 10.0
"""Below this mean, counting takes fewer steps than trials."""


def _parameters(shape: Any, dtype: DType, *given: TensorLike) -> list[Tensor]:
    """Parameters of one type, broadcast to the shape wanted or to each other."""
    tensors = [cast(Tensor, ops.stop_gradient(as_tensor(p).astype(dtype))) for p in given]
    wanted = (
        broadcast_shapes("random parameters", [t.type for t in tensors])
        if shape is None
        else shape_of(shape)
    )
    return [cast(Tensor, ops.broadcast_to(t, wanted)) for t in tensors]


def _until_accepted(key: TensorLike, trial: Trial, start: Tensor, is_done: Tensor) -> Tensor:
    """`start` where `is_done`, elsewhere the first value that a trial accepts."""

    def advance(carry: Any) -> Any:
        number, value, done = carry
        found, is_accepted = trial(fold_in(key, number))
        return number + 1, row("where", done, value, found), done | is_accepted

    begin = as_tensor(0).astype("u32"), start, is_done
    return cast(Tensor, control.while_loop(lambda carry: _any(~carry[2]), advance, begin)[1])


def _count_below(
    key: TensorLike, step: Callable[[Tensor], Tensor], limit: Tensor, is_done: Tensor
) -> Tensor:
    """How many of the running sums of positive random steps are below a limit."""

    def advance(carry: Any) -> Any:
        number, total, count, done = carry
        total = total + step(fold_in(key, number))
        is_over = done | (total >= limit)
        return number + 1, total, count + (~is_over).astype("i64"), is_over

    zero = as_tensor(0)
    count = limit.full(0, limit.shape, dtypes.i64)
    begin = zero.astype("u32"), limit.full(0, limit.shape), count, is_done
    return cast(Tensor, control.while_loop(lambda carry: _any(~carry[3]), advance, begin)[2])


def _any(condition: Tensor) -> Tensor:
    return cast(Tensor, ops.reduce(find("logical_or"), condition, range(condition.ndim)))


# ------------------------------------------------------------------------------------------- gamma


def _gamma_parts(key: TensorLike, a: Tensor) -> tuple[Tensor, Tensor]:
    """A gamma number as a factor and the logarithm of another, which may be too small to write.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000. Below 1,
    a number for `a + 1` is multiplied by `u**(1/a)`.
    """
    trials, boost = split(checked(key))
    is_small = a < 1
    d = row("where", is_small, a + 1, a) - 1 / 3
    c = 1 / row("sqrt", 9 * d)

    def trial(key: Tensor) -> tuple[Tensor, Tensor]:
        of_x, of_u = split(key)
        x, u = normal(of_x, a.shape, a.dtype), positive(of_u, a.shape, a.dtype)
        root = 1 + c * x
        v = row("where", root > 0, root * root * root, 1.0)
        bound = 0.5 * x * x + d * (1 - v + row("log", v))
        return v, (root > 0) & (row("log", u) < bound)

    # Without these no trial would ever end: nothing is accepted for NaN.
    is_valid = (a >= 0) & row("isfinite", a)
    v = _until_accepted(trials, trial, a.full(1, a.shape), ~is_valid)
    u = positive(boost, a.shape, a.dtype)
    rest = row("where", is_small, row("log", u) / a, 0.0)
    return row("where", a >= 0, d * v, math.nan), rest


@public
def gamma(
    key: TensorLike, a: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.f32
) -> Tensor:
    """Positive numbers with a density proportional to `x**(a-1) * exp(-x)`.

    Args:
        key: a random key.
        a: numbers above 0; a negative one gives NaN.
        shape: of the result, to which `a` broadcasts; that of `a` by default.
        dtype: any float type.
    """
    target = dtypes.as_dtype(dtype)
    (wide,) = _parameters(shape, dtypes.compute_dtype(target), a)
    factor, rest = _gamma_parts(key, wide)
    return cast(Tensor, factor * row("exp", rest)).astype(target)


def _log_gamma(key: TensorLike, a: Tensor) -> Tensor:
    factor, rest = _gamma_parts(key, a)
    return cast(Tensor, row("log", factor) + rest)


@public
def beta(
    key: TensorLike, a: TensorLike, b: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.f32
) -> Tensor:
    """Numbers in `[0, 1]` with density proportional to `x**(a-1) * (1-x)**(b-1)`."""
    target = dtypes.as_dtype(dtype)
    left, right = _parameters(shape, dtypes.compute_dtype(target), a, b)
    keys = split(checked(key))
    logs = _log_gamma(keys[0], left), _log_gamma(keys[1], right)
    return row("sigmoid", logs[0] - logs[1]).astype(target)


@public
def dirichlet(
    key: TensorLike, alpha: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.f32
) -> Tensor:
    """Vectors of numbers >= 0 with sum 1, with density proportional to `prod(x**(alpha-1))`.

    Args:
        key: a random key.
        alpha: `[..., k]`, numbers above 0.
        shape: of the batch, `[...]`; that of `alpha` by default.
        dtype: any float type.
    """
    target = dtypes.as_dtype(dtype)
    given = as_tensor(alpha)
    whole = None if shape is None else (*shape_of(shape), given.shape[-1])
    (wide,) = _parameters(whole, dtypes.compute_dtype(target), given)
    return cast(Tensor, ops.softmax(_log_gamma(key, wide), -1)).astype(target)


@public
def chisquare(
    key: TensorLike, df: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.f32
) -> Tensor:
    """Sums of `df` squares of normal numbers; `df` need not be whole."""
    target = dtypes.as_dtype(dtype)
    (wide,) = _parameters(shape, dtypes.compute_dtype(target), df)
    return cast(Tensor, 2 * gamma(key, 0.5 * wide, None, wide.dtype)).astype(target)


@public
def student_t(
    key: TensorLike, df: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.f32
) -> Tensor:
    """Normal numbers divided by `sqrt(chisquare(df) / df)`."""
    target = dtypes.as_dtype(dtype)
    (wide,) = _parameters(shape, dtypes.compute_dtype(target), df)
    of_x, of_square = split(checked(key))
    mean_square = chisquare(of_square, wide, None, wide.dtype) / wide
    x = normal(of_x, wide.shape, wide.dtype)
    return cast(Tensor, x * row("rsqrt", mean_square)).astype(target)


# ------------------------------------------------------------------------------------------ counts


@public
def poisson(
    key: TensorLike, rate: TensorLike, shape: Any = None, dtype: DTypeLike = dtypes.i64
) -> Tensor:
    """How many events happen in a time in which `rate` are expected.

    Below 10, exponential waiting times are counted; from there on, transformed rejection (Hörmann,
    "The transformed rejection method for generating Poisson random variables", 1993), in f64.

    Args:
        key: a random key.
        rate: numbers >= 0, below `2**53`; -1 comes of others.
        shape: of the result, to which `rate` broadcasts; that of `rate` by default.
        dtype: an integer type that holds the counts.
    """
    (mean,) = _parameters(shape, dtypes.f64, rate)
    is_valid = (mean >= 0) & (mean < 2.0**53)
    counting, trying = split(checked(key))
    is_large = mean >= SMALL
    few = _count_below(
        counting,
        lambda key: -row("log", positive(key, mean.shape, dtypes.f64)),
        mean,
        is_large | ~is_valid,
    )
    large = row("where", is_large & is_valid, mean, SMALL)
    many = _until_accepted(
        trying, lambda key: _poisson_trial(key, large), large, ~(is_large & is_valid)
    )
    count = row("where", is_large, many.astype("i64"), few)
    return row("where", is_valid, count, -1).astype(dtype)


def _two_uniforms(key: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """`u` in (-1/2, 1/2), its distance from the nearer end, and `v` in (0, 1)."""
    of_u, of_v = split(key)
    u = positive(of_u, shape, dtypes.f64) - 0.5
    return u, 0.5 - abs(u), positive(of_v, shape, dtypes.f64)


def _poisson_trial(key: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    u, us, v = _two_uniforms(key, mean.shape)
    b = 0.931 + 2.53 * row("sqrt", mean)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    k = row("floor", (2 * a / us + b) * u + mean + 0.43)
    is_quick = (us >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    is_out = (k < 0) | ((us < 0.013) & (v > us))
    height = row("log", v * inverse / (a / (us * us) + b))
    safe = row("maximum", k, 0.0)
    is_below = height <= safe * row("log", mean) - mean - row("lgamma", safe + 1)
    return k, is_quick | (~is_out & is_below)


@public
def binomial(
    key: TensorLike,
    n: TensorLike,
    p: TensorLike,
    shape: Any = None,
    dtype: DTypeLike = dtypes.i64,
) -> Tensor:
    """How many of `n` attempts succeed, each with probability `p`.

    With less than 10 successes (or failures) expected, geometric waiting times are counted; else
    transformed rejection (Hörmann, "The generation of binomial random variates", 1993), in f64.

    Args:
        key: a random key.
        n: whole numbers >= 0, below `2**53`.
        p: probabilities.
        shape: of the result, to which both broadcast; that of both together by default.
        dtype: an integer type that holds the counts. -1 comes of other `n` and `p`.
    """
    count, chance = _parameters(shape, dtypes.f64, n, p)
    is_valid = (count >= 0) & (count < 2.0**53) & (chance >= 0) & (chance <= 1)
    is_turned = chance > 0.5
    q = row("where", is_turned, 1 - chance, chance)
    counting, trying = split(checked(key))
    is_large = is_valid & (count * q >= SMALL)
    rate = row("log1p", -q)

    def wait(key: Tensor) -> Tensor:
        return row("ceil", row("log", positive(key, count.shape, dtypes.f64)) / rate)

    few = _count_below(counting, wait, count + 1, is_large | ~is_valid | row("equal", q, 0.0))
    total, part = row("where", is_large, count, 100.0), row("where", is_large, q, 0.5)
    many = _until_accepted(trying, lambda key: _binomial_trial(key, total, part), total, ~is_large)
    successes = row("where", is_large, many.astype("i64"), few)
    whole = row("where", is_valid, count, 0.0).astype("i64")
    result = row("where", is_turned, whole - successes, successes)
    return row("where", is_valid, result, -1).astype(dtype)


def _binomial_trial(key: Tensor, n: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    u, us, v = _two_uniforms(key, n.shape)
    spread = row("sqrt", n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * spread
    k = row("floor", (2 * a / us + b) * u + n * p + 0.5)
    is_in = (k >= 0) & (k <= n)
    is_quick = (us >= 0.07) & (v <= 0.92 - 4.2 / b)
    mode = row("floor", (n + 1) * p)
    safe = row("where", is_in, k, mode)
    height = row("log", v * alpha / (a / (us * us) + b))
    terms = _log_ways(n, safe) - _log_ways(n, mode)
    is_below = height <= terms + (safe - mode) * row("log", p / (1 - p))
    return k, is_in & (is_quick | is_below)


def _log_ways(n: Tensor, k: Tensor) -> Tensor:
    """The logarithm of `n! / (k! (n - k)!)`, less that of `n!`."""
    return cast(Tensor, -row("lgamma", k + 1) - row("lgamma", n - k + 1))
