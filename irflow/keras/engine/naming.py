"""Names that users did not choose: `dense`, `dense_1`, …, as Keras gives them."""

from __future__ import annotations

import re
from collections import Counter

_counts: Counter[str] = Counter()


def snake_case(name: str) -> str:
    """`"Conv2DTranspose"` as `"conv2d_transpose"`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """The prefix with a number, which the first one does not get."""
    name = snake_case(prefix)
    count = _counts[name]
    _counts[name] += 1
    return f"{name}_{count}" if count else name


def reset_names() -> None:
    """Begin anew; used by `clear_session`."""
    _counts.clear()
