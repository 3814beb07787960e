"""Rules for scales and shifts of channels behind contractions, as batch normalisation has them.

Where mean, variance, scale and offset are known before the data, all of it is one multiplication
and one addition: `y * s + t`, with `s` and `t` computed once. Constant weights take the scale in.

Every rule moves a rounding of the size of the contraction's own: `y - m` with `y` near `m` has lost
the digits already that `y * s - m * s` loses.
"""

from __future__ import annotations

import numpy as np

from irflow.ir.graph import Node, Value
from irflow.ops.broadcast import Broadcast, Reshape
from irflow.ops.constants import Constant
from irflow.ops.convolution import Convolution
from irflow.ops.elementwise import Convert, Elementwise
from irflow.ops.matmul import Matmul
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import made_by, made_by_row

# Nodes that may lead from inputs to a scale or shift.
_PATIENCE = 24


def _channels(value: Value) -> Value | None:
    """The vector that `value` repeats along all axes but the last, if it is known before."""
    inner = made_by(value, Broadcast)
    if inner is None or inner[1].axes != (len(inner[1].shape) - 1,):
        return None
    vector = inner[0].inputs[0]
    return vector if vector.type.shape == inner[1].shape[-1:] and _is_known(vector) else None


def _is_known(vector: Value) -> bool:
    """Whether inputs and constants of no more than a vector's size lead to `vector`."""
    waiting, seen = [vector], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > _PATIENCE or (value.type.rank and value.type.shape != vector.type.shape):
            return False
        node = value.node
        if node is None or type(node.op) is Constant:
            continue
        if type(node.op) not in (Elementwise, Convert, Broadcast, Reshape):
            return False
        waiting += node.inputs
    return True


def _is_scaled_product(value: Value) -> bool:
    """Whether `value` is a product or convolution, already scaled and shifted or not."""
    while node := made_by_row(value, "add", "multiply"):
        value, vector = node.inputs
        if _channels(vector) is None:
            return False
    return value.node is not None and value.node.is_contraction


def _step(node: Node) -> tuple[Value, Value] | None:
    """The product that is scaled or shifted, and the vector by which."""
    x, y = node.inputs
    if (vector := _channels(y)) is not None and _is_scaled_product(x):
        return x, vector
    return None


def _earlier(value: Value, row: str) -> tuple[Value, Value] | None:
    """The same for the node behind `value`, if nothing else reads it."""
    node = made_by_row(value, row)
    return None if node is None or len(value.uses) > 1 else _step(node)


def _is_unfinished(node: Node, product: Value) -> bool:
    """Whether shifts before a scale, or scales behind it, are going to be merged first."""
    users = node.output.users
    if len(users) == 1 and made_by_row(users[0].output, "multiply") and _step(users[0]):
        return True
    return made_by_row(product, "add") is not None


def _is_shared(node: Node) -> bool:
    """Whether gradients, too, read what is scaled next: then the shift is done exactly there."""
    if len(node.output.uses) < 2:
        return False
    scales = [user for user in node.output.users if made_by_row(user.output, "multiply")]
    return any(_channels(value) is not None for user in scales for value in user.inputs)


def _repeated(build: RuleBuilder, vector: Value, like: Value) -> Value:
    shape = like.type.shape
    return build(Broadcast(shape, (len(shape) - 1,)), vector)


@rewrites("add", "multiply")
def channels_last_operand(node: Node, build: RuleBuilder) -> Value | None:
    """What is repeated for every pixel is the second operand."""
    x, y = node.inputs
    if _channels(x) is None or not _is_scaled_product(y):
        return None
    return build(node.op, y, x)


@rewrites("subtract")
def shift_by_negative(node: Node, build: RuleBuilder) -> Value | None:
    """`y - m` is `y + (-m)`, which joins other shifts."""
    found = _step(node)
    if found is None or _is_shared(node):
        return None
    x, vector = found
    return build.row("add", x, _repeated(build, build.row("negative", vector), x))


@rewrites("add")
def merge_shifts(node: Node, build: RuleBuilder) -> Value | None:
    """`(y + a) + b` is `y + (a + b)`."""
    found = _step(node)
    inner = None if found is None else _earlier(found[0], "add")
    if found is None or inner is None or _is_shared(node):
        return None
    total = build.row("add", inner[1], found[1])
    return build.row("add", inner[0], _repeated(build, total, inner[0]))


@rewrites("multiply")
def merge_scales(node: Node, build: RuleBuilder) -> Value | None:
    """`(y * a) * b` is `y * (a * b)`, and then `(y + a) * b` is `y * b + a * b`."""
    found = _step(node)
    if found is None:
        return None
    x, scale = found
    if (inner := _earlier(x, "multiply")) is not None:
        both = build.row("multiply", inner[1], scale)
        return build.row("multiply", inner[0], _repeated(build, both, x))
    if (inner := _earlier(x, "add")) is not None and not _is_unfinished(node, inner[0]):
        scaled = build.row("multiply", inner[0], node.inputs[1])
        shift = build.row("multiply", inner[1], scale)
        return build.row("add", scaled, _repeated(build, shift, x))
    return None


@rewrites("multiply")
def scale_into_weights(node: Node, build: RuleBuilder) -> Value | None:
    """Constant weights are scaled instead of what they give, if the scale is constant."""
    found = _step(node)
    scale = None if found is None else made_by(found[1], Constant)
    if found is None or scale is None or len(found[0].uses) > 1:
        return None
    product = found[0].node
    assert product is not None
    if not isinstance(product.op, (Matmul, Convolution)) or not _is_wide(product):
        return None
    weights = made_by(product.inputs[1], Constant)
    if weights is None or weights[0].output.type.rank != product.inputs[1].type.rank:
        return None
    scaled = np.multiply(weights[1].value.array, scale[1].value.array)
    return build(product.op, product.inputs[0], build.constant(scaled))


def _is_wide(node: Node) -> bool:
    return node.output.type.dtype.name in ("f32", "f64")


RULES = (
    channels_last_operand,
    shift_by_negative,
    merge_shifts,
    merge_scales,
    scale_into_weights,
)
