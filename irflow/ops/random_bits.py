"""Random bits as a pure function of a key and a counter: Philox-4x32-10.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1,
2, 3", SC11, 2011. A block of four words is a bijective scrambling of a 128-bit counter by a 64-bit
key; the blocks of different counters are independent for all practical purposes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import Shape, TensorType
from irflow.loops.nodes import integer, size_expr
from irflow.ops.constants import concrete
from irflow.ops.positions import check_same_shape
from irflow.scalars import find

if TYPE_CHECKING:
    from irflow.ops.operand import GraphOperand

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85

WORDS = 4
CHUNK = 2**13
"""The NumPy meaning scrambles so many blocks at a time that they stay in the cache."""

Product = Callable[[Any, int], tuple[Any, Any]]


def philox(counter: Sequence[Any], key: Sequence[Any], product: Product) -> tuple[Any, ...]:
    """Scramble counters by keys.

    Args:
        counter: four u32 values, arrays or expressions.
        key: two u32 values of the same kind.
        product: `(high, low)` words of the product of such a value and a u32 literal.

    Returns:
        Four u32 values.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for number in range(ROUNDS):
        if number:
            k0, k1 = k0 + KEY_STEPS[0], k1 + KEY_STEPS[1]
        high0, low0 = product(c0, MULTIPLIERS[0])
        high1, low1 = product(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def philox_blocks(numbers: np.ndarray, key: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """The blocks of the given numbers.

    Args:
        numbers: `[q]`, u64: the first two words of each block's counter, the low one first.
        key: `[*b, 2]`, u32.
        counter: `[*b, 2]`, u32: the last two words of every block's counter.

    Returns:
        `[*b, 4, q]`, u32: the words of each block.
    """
    low, high = numbers.astype(np.uint32), (numbers >> np.uint64(32)).astype(np.uint32)
    # As arrays with an axis of one element, the keys wrap around without a warning.
    rest = [counter[..., :1], counter[..., 1:]]
    words = philox([low, high, *rest], [key[..., :1], key[..., 1:]], _array_product)
    return np.stack(words, -2)


def _array_product(x: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    wide = x.astype(np.uint64) * np.uint64(factor)
    return (wide >> np.uint64(32)).astype(np.uint32), wide.astype(np.uint32)


def _row_product(context: Any, x: Any, factor: int) -> tuple[Any, Any]:
    """By rows, every value with a name: the bare expression doubles with each round."""
    x = context.let(x)
    return context.let(find("multiply_high")(x, factor)), context.let(x * factor)


@register("random_bits")
class RandomBits(Op):
    """Uniform u32 words of the given shape, from a key `u32[2]` and a counter `u32[2]`.

    Keys and counters `u32[*b, 2]` give `u32[*b, *shape]`: what each pair of them gives alone.

    The layout is permanent. Of `n` elements in row-major order, with `q = ceil(n / 4)`, element `i`
    is word `i // q` of block `i % q`. The counter of block `b` is `(b mod 2**32, b // 2**32,
    counter[0], counter[1])`. Without derivative. An empty shape gives no words.
    """

    shape: Shape
    lowering: ClassVar[Lowering] = Lowering.ELEMENT

    def infer(self, key: TensorType, counter: TensorType) -> TensorType:
        for label, operand in (("key", key), ("counter", counter)):
            if operand.dtype is not dtypes.u32:
                raise DTypeError(f"random_bits: the {label} is u32[2]", facts=[(label, operand)])
            if not operand.rank or not dims.decide_equal(operand.shape[-1], 2):
                raise ShapeError(f"random_bits: the {label} is u32[2]", facts=[(label, operand)])
        check_same_shape("random_bits: keys and counters are of different batches", key, counter)
        return TensorType(dtypes.u32, (*key.shape[:-1], *self.shape))

    def numpy(self, key: np.ndarray, counter: np.ndarray) -> np.ndarray:
        shape = concrete(self.shape)
        count = int(np.prod(shape, dtype=np.int64))
        blocks = -(-count // WORDS)
        batch = key.shape[:-1]
        words = np.empty((*batch, WORDS, blocks), np.uint32)
        step = max(1, CHUNK // max(1, int(np.prod(batch))))
        for start in range(0, blocks, step):
            numbers = np.arange(start, min(start + step, blocks), dtype=np.uint64)
            words[..., start : start + step] = philox_blocks(numbers, key, counter)
        flat = words.reshape(*batch, WORDS * blocks)
        return flat[..., :count].reshape((*batch, *shape))

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return [None, None]

    def jvp(self, context: Any, inputs: Any, outputs: Any, tangents: Any) -> Sequence[Any]:
        return [None]

    def element(self, context: Any, index: Sequence[Any], loads: Sequence[Any]) -> Any:
        batch = index[: len(index) - len(self.shape)]
        position: Any = integer(0)
        for place, size in zip(index[len(batch) :], self.shape, strict=True):
            position = position * size_expr(size) + place
        position = context.let(position)
        # Code for an empty shape is never run, but may be hoisted: it divides by 1, not by 0.
        blocks = dims.maximum(dims.ceil_div(dims.product(self.shape), WORDS), 1)
        words = self.words(context, position % size_expr(blocks), batch, loads)
        return _pick(context.let(position // size_expr(blocks)), words)

    def words(
        self, context: Any, number: Any, batch: Sequence[Any], loads: Sequence[Any]
    ) -> list[Any]:
        """The four words of a block, by its number and the index of its key."""
        key, counter = ([load([*batch, integer(i)]) for i in (0, 1)] for load in loads)
        block = context.let(number)
        low, high = context.convert(block, dtypes.u32), context.convert(block >> 32, dtypes.u32)
        words = philox([low, high, *counter], key, partial(_row_product, context))
        return [context.let(word) for word in words]

    def with_leading_axis(self, size: Size) -> Op:
        return self

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        # A round is two double-width products and four exclusive ors for four words.
        return Cost(outputs[0].size * ROUNDS * 2, outputs[0].nbytes)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        key = np.array([0xA4093822, 0x299F31D0], np.uint32)
        counter = np.array([3, 2**32 - 1], np.uint32)
        for shape in ((4,), (3,), (), (1,), (2, 3), (5, 1, 7), (0,), (3, 0)):
            yield Sample(cls(shape), (key, counter), label="x".join(map(str, shape)) or "scalar")
        yield Sample(cls((300,)), (key, counter), label="many")
        pair = np.stack([key, key + 1]), np.stack([counter, counter])
        yield Sample(cls((2, 3)), pair, label="batch")
        yield Sample(cls((2, 2)), (np.zeros(2, np.uint32), counter), label="zero-key")


def _pick(number: Any, words: Sequence[Any]) -> Any:
    """Word `number` of four, by bisection."""
    where = find("where")
    upper, lower = where(number < 3, words[2], words[3]), where(number < 1, words[0], words[1])
    return where(number < 2, lower, upper)


# ------------------------------------------------------------------------------------ constructors


def random_bits(
    key: GraphOperand, shape: Sequence[Any], counter: GraphOperand | None = None
) -> Any:
    """Uniform u32 words of a shape, from a key `u32[2]`; the counter is `(0, 0)` by default."""
    if counter is None:
        counter = key.constant(np.zeros(2, np.uint32))
    return key.emit(RandomBits(tuple(shape)), [key, counter])[0]
