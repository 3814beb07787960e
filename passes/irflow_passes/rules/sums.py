"""Rules for sums down the columns, as the gradients of scales and shifts have them.

What is the same in all rows is taken out of the sum, so that several sums become one and the data
is gone over fewer times. Sums associate anew, as they may.
"""

from __future__ import annotations

from dataclasses import field
from functools import reduce

from irflow import dims
from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast, Reduce
from irflow.ops.constants import SizeOf
from irflow.ops.elementwise import Convert
from irflow.records import dataclass
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import made_by, made_by_row, uniform

_DEPTH = 4


@dataclass(slots=True)
class _Product:
    """What a summand is made of.

    Attributes:
        axes: those of the sum.
        factors: what differs from row to row.
        columns: the broadcasts of what does not.
        sign: 1 or -1.
        doubled: how often the summand was added to itself.
    """

    axes: tuple[int, ...]
    factors: list[Value] = field(default_factory=list)
    columns: list[Node] = field(default_factory=list)
    sign: int = 1
    doubled: int = 0

    def collect(self, value: Value, depth: int = 0) -> None:
        """Enter a factor, or those that it is the product of."""
        if (node := _columns(value, self.axes)) is not None:
            self.columns.append(node)
        elif depth == _DEPTH:
            self.factors.append(value)
        elif (node := made_by_row(value, "negative")) is not None:
            self.sign = -self.sign
            self.collect(node.inputs[0], depth + 1)
        elif (node := made_by_row(value, "multiply")) is not None:
            for operand in node.inputs:
                self.collect(operand, depth + 1)
        elif (node := made_by_row(value, "add")) and node.inputs[0] is node.inputs[1]:
            self.doubled += 1
            self.collect(node.inputs[0], depth + 1)
        else:
            self.factors.append(value)


def _columns(value: Value, axes: tuple[int, ...]) -> Node | None:
    """The broadcast that gives all rows along some axes the same numbers, one a column."""
    inner = made_by(value, Broadcast)
    if inner is None:
        return None
    node, op = inner
    given = tuple(op.shape[axis] for axis in op.axes)
    is_plain = node.inputs[0].type.shape == given and len(op.shape) - 1 in op.axes
    return node if is_plain and not set(axes) & set(op.axes) else None


@rewrites(Reduce)
def take_out_of_sum(node: Node, build: RuleBuilder) -> Value | None:
    """The sum of `x * a` over rows, with one `a` a column, is the sum of `x`, times `a`."""
    op = node.op
    assert isinstance(op, Reduce)
    rank = node.inputs[0].type.rank
    if op.row.name != "add" or not op.axes or rank - 1 in op.axes:
        return None
    product = _Product(op.axes)
    product.collect(node.inputs[0])
    is_same = not product.columns and product.sign > 0 and not product.doubled
    if is_same or not product.factors:
        return None
    summand = reduce(lambda x, y: build.row("multiply", x, y), product.factors)
    total = build(op, summand)
    place = {axis: i for i, axis in enumerate(a for a in range(rank) if a not in op.axes)}
    for column in product.columns:
        assert isinstance(column.op, Broadcast)
        axes = tuple(place[axis] for axis in column.op.axes)
        factor = build(Broadcast(total.type.shape, axes), column.inputs[0])
        total = build.row("multiply", total, factor)
    for _ in range(product.doubled):
        total = build.row("add", total, total)
    return total if product.sign > 0 else build.row("negative", total)


@rewrites(Reduce)
def sum_of_deviations(node: Node, build: RuleBuilder) -> Value | None:
    """What deviates from the mean sums up to 0, but for rounding.

    Infinities and NaN in the data, which make the mean NaN, are lost here.
    """
    op = node.op
    assert isinstance(op, Reduce)
    deviation = made_by_row(node.inputs[0], "subtract")
    if op.row.name != "add" or deviation is None:
        return None
    x, repeated = deviation.inputs
    inner = made_by(repeated, Broadcast)
    if inner is None or set(inner[1].axes) != set(range(x.type.rank)) - set(op.axes):
        return None
    mean = inner[0].inputs[0].node
    quotient = None if mean is None else made_by_row(mean.output, "divide", "multiply")
    if quotient is None or not _is_mean(quotient, x, op):
        return None
    return build.full(0, node.output.type)


def _is_mean(quotient: Node, x: Value, op: Reduce) -> bool:
    """Whether a node divides the sum of `x` by how many elements it has."""
    total, divisor = quotient.inputs
    inner = made_by(total, Reduce)
    if inner is None or inner[1] != op or inner[0].inputs[0] is not x:
        return False
    count = dims.product(x.type.shape[axis] for axis in op.axes)
    is_inverse = made_by_row(quotient.output, "multiply") is not None
    if (known := uniform(divisor)) is not None:
        number = float(known)
        return isinstance(count, int) and (number * count == 1 if is_inverse else number == count)
    node = divisor.node
    while node is not None and isinstance(node.op, (Broadcast, Convert)):
        node = node.inputs[0].node
    return node is not None and isinstance(node.op, SizeOf) and node.op.size == count


RULES = (take_out_of_sum, sum_of_deviations)
