"""Named logs instead of numeric levels: `IRFLOW_LOG=passes,recompiles` writes those topics to
stderr.

The environment is read when something is logged, never at import, so a test or a notebook can
switch topics on and off at any time.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

TOPICS = {
    "graph": "graphs as they are traced and after the last pass",
    "passes": "every pass: time, nodes before and after",
    "fusion": "which nodes were fused, and why a neighbour was not",
    "kernels": "the loop nests of a program",
    "source": "the code given to a native compiler",
    "recompiles": "every compilation of a jitted function and what made it necessary",
    "memory": "buffers, arenas and their sizes",
}


def is_on(topic: str) -> bool:
    """Whether `topic` (one of `TOPICS`) is switched on; `all` switches every topic on."""
    assert topic in TOPICS, topic
    chosen = os.environ.get("IRFLOW_LOG", "")
    return bool(chosen) and topic in _topics(chosen)


@functools.cache
def _topics(chosen: str) -> frozenset[str]:
    """The topics of a setting; what is no topic is said once."""
    names = {name.strip() for name in chosen.split(",")}
    unknown = ", ".join(sorted(names - {"all", ""} - TOPICS.keys()))
    if unknown:
        known = ", ".join(TOPICS)
        print(f"[irflow] IRFLOW_LOG: no topic {unknown}; there are {known}, all", file=sys.stderr)
    return frozenset(TOPICS) if "all" in names else frozenset(names)


def write(topic: str, message: str | Callable[[], str]) -> None:
    """Write `message` if `topic` is on; pass a function when building the text costs something."""
    if not is_on(topic):
        return
    text = message() if callable(message) else message
    for line in text.splitlines():
        print(f"[irflow {topic}] {line}", file=sys.stderr)
