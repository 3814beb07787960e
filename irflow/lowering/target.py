"""What schedules know of a machine."""

from __future__ import annotations

from irflow.dtypes import DType
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A processor as far as the shape of loops depends on it.

    Attributes:
        name: printed in listings.
        vector_bytes: width of a vector register.
        vector_registers: how many there are.
        l1_bytes, l2_bytes: data caches of one core.
        l3_bytes: the largest cache, which cores share.
        threads: how many cores the process may use; sums do not depend on it.
        dots: names of the narrow types of which vectors take short sums of products
            (`irflow.loops.intrinsics.DOTS`).
    """

    name: str = "generic"
    vector_bytes: int = 32
    vector_registers: int = 16
    l1_bytes: int = 32 << 10
    l2_bytes: int = 512 << 10
    l3_bytes: int = 32 << 20
    threads: int = 1
    dots: tuple[str, ...] = ()

    def lanes(self, dtype: DType) -> int:
        """How many elements of `dtype` a vector register holds."""
        return self.vector_bytes // dtype.itemsize


GENERIC = Target()
"""A processor with 16 vector registers of 32 bytes."""
