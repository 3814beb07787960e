"""Which elements of an image windows see along one axis, and a tile of them by what it sees."""

from __future__ import annotations

from irflow.loops import Apply, Expr
from irflow.lowering.values import ZERO, equal
from irflow.records import dataclass
from irflow.scalars import find


@dataclass(frozen=True)
class Axis:
    """How elements along an axis of a result see elements of a source.

    Attributes:
        count: elements of the result.
        size: elements of the source.
        kernel: elements of a window.
        stride, dilation, low: of the windows; `low` elements stand before the first one.
        is_adjoint: whether the result is the image and the source has an element a window.
    """

    count: int
    size: int
    kernel: int
    stride: int
    dilation: int
    low: int
    is_adjoint: bool = False

    def seen(self, place: Expr, k: Expr) -> tuple[Expr, Expr | None]:
        """The source element seen at a place, and the condition that there is one."""
        if not self.is_adjoint:
            position = place * self.stride + k * self.dilation - self.low
            return position, self._inside(position) if self.is_padded else None
        distance = place + self.low - k * self.dilation
        if self.stride == 1:
            return distance, self._inside(distance)
        window = distance // self.stride
        divides = equal(distance % self.stride, ZERO)
        return window, Apply(find("logical_and"), (divides, self._inside(window)))

    def _inside(self, position: Expr) -> Expr:
        both = position >= 0, position < self.size
        return Apply(find("logical_and"), both)

    @property
    def is_padded(self) -> bool:
        """Whether windows of the image see elements outside of it."""
        last = (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation
        return self.low > 0 or last - self.low >= self.size

    # --------------------------------------------------------------------------------------- tiles

    @property
    def step(self) -> int:
        """Places in a tile come in multiples of this number, so that all see the same pattern."""
        return self.stride if self.is_adjoint else 1

    def base(self, start: Expr) -> Expr:
        """The source element from which those that a tile sees are counted."""
        result: Expr = start // self.stride if self.is_adjoint else start * self.stride
        return result

    def pattern(self, start: int, length: int) -> Pattern:
        """What the elements of a tile see."""
        base = start // self.stride if self.is_adjoint else start * self.stride
        found: dict[int, list[tuple[int, int]]] = {}
        for r in range(length):
            for k in range(self.kernel):
                j = self._offset(r, k)
                if j is not None and 0 <= base + j < self.size:
                    found.setdefault(j, []).append((r, k))
        return Pattern(length, tuple((j, tuple(found[j])) for j in sorted(found)))

    def _offset(self, r: int, k: int) -> int | None:
        if not self.is_adjoint:
            return r * self.stride + k * self.dilation - self.low
        window, rest = divmod(r + self.low - k * self.dilation, self.stride)
        return None if rest else window

    def runs(self, length: int) -> list[tuple[int, int, Pattern]]:
        """All tiles: the first start, how many, and what they see, which is the same for all."""
        runs: list[tuple[int, int, Pattern]] = []
        for start in range(0, self.count, length):
            pattern = self.pattern(start, min(length, self.count - start))
            if runs and runs[-1][2] == pattern:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1, pattern)
            else:
                runs.append((start, 1, pattern))
        return runs


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a tile sees.

    Attributes:
        length: elements of the tile.
        steps: source elements, counted from the tile's base, with the elements of the tile that see
            them and the offsets in their windows.
    """

    length: int
    steps: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]

    @property
    def offsets(self) -> list[int]:
        """The offsets in windows that occur."""
        return sorted({k for _, seers in self.steps for _, k in seers})
