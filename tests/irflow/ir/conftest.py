"""The small ops exist while the tests of this folder run."""

from collections.abc import Iterator

import pytest

import irflow.ops  # noqa: F401  the real ones
from irflow.ir.op import OPS
from tests.irflow.ir.small_ops import SMALL_OPS


@pytest.fixture(scope="module", autouse=True)
def small_ops() -> Iterator[None]:
    OPS.update(SMALL_OPS)
    yield
    for name in SMALL_OPS:
        del OPS[name]
