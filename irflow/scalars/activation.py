"""Activations that are a single function; gelu, silu, mish and their like are composites."""

# ruff: noqa: ARG005 -- all gradient rules have one signature, needed or not

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import special
from irflow.scalars.arithmetic import absolute, maximum
from irflow.scalars.comparison import where
from irflow.scalars.elementary import exp, log1p
from irflow.scalars.meaning import REAL, rounded
from irflow.scalars.row import Scalar, scalar


def _sigmoid(x: Any) -> Any:
    # exp(-x) would overflow where the result still is a denormal number.
    e = exp(-absolute(x))
    return where(x < 0, e, 1) / (1 + e)


# NaN stays NaN; the derivative at 0 is 0.
relu: Scalar = scalar(
    "relu",
    rounded(lambda x: np.maximum(x, 0), widen=False),
    "real_number",
    grad=lambda g, x, out: where(out > 0, g, 0),
    expand=lambda x: maximum(x, 0),
    domain=((0.25, 3.0),),
)
sigmoid: Scalar = scalar(
    "sigmoid",
    rounded(special.sigmoid, widen=False),
    grad=lambda g, x, out: g * out * (1 - out),
    expand=_sigmoid,
    domain=REAL,
    flops=15,
)
softplus: Scalar = scalar(
    "softplus",
    rounded(special.softplus, widen=False),
    grad=lambda g, x, out: g * sigmoid(x),
    expand=lambda x: maximum(x, 0) + log1p(exp(-absolute(x))),
    domain=REAL,
    flops=25,
)
