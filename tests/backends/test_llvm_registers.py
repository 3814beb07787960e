"""Register buffers and indices as printed: what is known is neither loaded nor computed again."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from irflow import dtypes
from irflow.loops import Buffer, Const, Expr, Kernel, Load, LoopKind, Ramp, integer
from irflow.loops.build import NestBuilder
from irflow.loops.interpret import interpret
from irflow_llvm.emit import emit_kernel
from tests.backends.test_llvm_emit import run

SIZE = 8


@dataclass(frozen=True)
class Access:
    """Elements from a place on are doubled in another place.

    Attributes:
        source, target: where they start.
        lanes: how many.
        scope: in what it happens: a loop over two places, a branch, or neither.
        is_masked: whether all but the first are.
    """

    source: int
    target: int
    lanes: int
    scope: str
    is_masked: bool

    def write(self, nest: NestBuilder, cells: Buffer, number: Expr) -> None:
        match self.scope:
            case "loop":
                with nest.loop("i", 2) as i:
                    self.move(nest, cells, i)
            case "unrolled":
                with nest.loop("i", 2, LoopKind.UNROLL) as i:
                    self.move(nest, cells, i)
            case "branch":
                with nest.if_(number > 0.0):
                    self.move(nest, cells, integer(0))
            case _:
                self.move(nest, cells, integer(0))

    def move(self, nest: NestBuilder, cells: Buffer, shift: Expr) -> None:
        ends = integer(self.source) + shift, integer(self.target) + shift
        if self.lanes == 1:
            nest.store(cells, (ends[1],), Load(cells, (ends[0],)) * 2.0)
            return
        source, target = ((Ramp(end, 1, self.lanes),) for end in ends)
        mask = Ramp(integer(0), 1, self.lanes) < 1 if self.is_masked else None
        nest.store(cells, target, Load(cells, source) * 2.0, mask)


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    lanes = draw(st.sampled_from([1, 2, 4]))
    places = st.integers(0, SIZE - lanes - 1)
    scope = draw(st.sampled_from(["", "", "loop", "unrolled", "branch"]))
    return Access(draw(places), draw(places), lanes, scope, draw(st.booleans()))


def moving(steps: list[Access]) -> Kernel:
    x, y = (Buffer(name, dtypes.f32, (SIZE,)) for name in "xy")
    nest = NestBuilder()
    cells = nest.alloc(dtypes.f32, (SIZE,))
    lanes = (Ramp(integer(0), 1, SIZE),)
    nest.store(cells, lanes, Load(x, lanes))
    for step in steps:
        step.write(nest, cells, Load(x, (integer(0),)))
    nest.store(y, lanes, Load(cells, lanes))
    return nest.kernel("moving", [x], [y])


@given(st.lists(accesses(), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_accesses_of_a_register_buffer_in_any_order(steps: list[Access]) -> None:
    kernel, x = moving(steps), np.arange(1, SIZE + 1, dtype=np.float32)
    expected = interpret(kernel, [x])[0]
    np.testing.assert_array_equal(run(kernel, [x], level=1)[0], expected)


def test_what_a_block_stores_it_does_not_load() -> None:
    x, y = (Buffer(name, dtypes.f32, ()) for name in "xy")
    nest = NestBuilder()
    cell = nest.alloc(dtypes.f32, ())
    nest.store(cell, (), Const(0.0, dtypes.f32))
    for _ in range(5):
        nest.store(cell, (), Load(cell, ()) + Load(x, ()))
    nest.store(y, (), Load(cell, ()))
    text = emit_kernel(nest.kernel("five", [x], [y]))
    assert "load float, ptr %buffer" not in text
    assert "store float" in text
    assert text.count("ptr %buffer.buffer") == 0


def test_rows_of_a_tile_share_what_varies() -> None:
    x, y = Buffer("x", dtypes.f32, (64, 32)), Buffer("y", dtypes.f32, (8, 7))
    nest = NestBuilder()
    with nest.loop("i", 8) as i, nest.loop("r", 7, LoopKind.UNROLL) as r:
        nest.store(y, (i, r), Load(x, (i * 7 + r, integer(3))))
    kernel = nest.kernel("rows", [x], [y])
    text = emit_kernel(kernel)
    assert text.count(" mul ") == 2, "by 7, in both buffers, and by 32"
    numbers = np.arange(64 * 32, dtype=np.float32).reshape(64, 32)
    np.testing.assert_array_equal(run(kernel, [numbers], 1)[0].ravel(), numbers[:56, 3])
