"""Algebraic rules of comparisons, logic, bits and choices. All are exact."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from irflow.ir.graph import Node, Value
from irflow.ops.elementwise import Elementwise
from irflow.transform import RuleBuilder, rewrites
from irflow_passes.rules.match import is_exact, made_by_row, uniform

_IDEMPOTENT = (
    "maximum",
    "minimum",
    "logical_and",
    "logical_or",
    "bitwise_and",
    "bitwise_or",
)
_OPPOSITE = {"equal": "not_equal", "not_equal": "equal"}
# NaN makes both sides of an order false, so these hold for integers only.
_OPPOSITE_ORDER = {
    "less": "greater_equal",
    "greater": "less_equal",
    "less_equal": "greater",
    "greater_equal": "less",
}
_OF_ITSELF = {"equal": True, "less_equal": True, "greater_equal": True, "not_equal": False}


@rewrites(*_IDEMPOTENT)
def combine_with_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`maximum(x, x)` is x; likewise minimum, and, or."""
    x, y = node.inputs
    return x if x is y else None


@rewrites("logical_xor", "bitwise_xor")
def xor_with_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`x ^ x` is 0."""
    x, y = node.inputs
    return build.full(0, node.output.type) if x is y else None


@rewrites("logical_and", "logical_or", "bitwise_and", "bitwise_or")
def logic_with_constant(node: Node, build: RuleBuilder) -> Value | None:
    """And, or of bools with a known operand: one of the two operands."""
    assert isinstance(node.op, Elementwise)
    x, y = node.inputs
    known = uniform(y)
    if known is None or x.type.dtype.kind != "bool":
        return None
    keeps_x = bool(known) == node.op.row.name.endswith("and")
    return x if keeps_x else y


@rewrites("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
def bits_with_zero(node: Node, build: RuleBuilder) -> Value | None:
    """`x & 0` is 0; `x | 0`, `x ^ 0`, `x << 0`, `x >> 0` are x."""
    assert isinstance(node.op, Elementwise)
    x, y = node.inputs
    known = uniform(y)
    if known is None or known != 0:
        return None
    return y if node.op.row.name == "bitwise_and" else x


@rewrites("logical_not", "invert")
def negate_logic(node: Node, build: RuleBuilder) -> Value | None:
    """Double negation vanishes; that of a comparison (of orders: for integers) is the opposite."""
    inner = made_by_row(node.inputs[0], "logical_not", "invert", *_OPPOSITE, *_OPPOSITE_ORDER)
    if inner is None:
        return None
    assert isinstance(inner.op, Elementwise)
    name = inner.op.row.name
    if name in ("logical_not", "invert"):
        return inner.inputs[0]
    if name in _OPPOSITE:
        return build.row(_OPPOSITE[name], *inner.inputs)
    if is_exact(inner.inputs[0]):
        return build.row(_OPPOSITE_ORDER[name], *inner.inputs)
    return None


@rewrites("less", "greater")
def ordered_with_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`x < x` is false, for NaN too."""
    x, y = node.inputs
    return build.full(False, node.output.type) if x is y else None


@rewrites(*_OF_ITSELF)
def compared_with_itself(node: Node, build: RuleBuilder) -> Value | None:
    """`x == x` is true for integers and bools."""
    assert isinstance(node.op, Elementwise)
    x, y = node.inputs
    if x is not y or not is_exact(x):
        return None
    return build.full(_OF_ITSELF[node.op.row.name], node.output.type)


@rewrites("where")
def where_of_same(node: Node, build: RuleBuilder) -> Value | None:
    """`where(c, x, x)` is x."""
    _, x, y = node.inputs
    return x if x is y else None


@rewrites("where")
def where_of_negation(node: Node, build: RuleBuilder) -> Value | None:
    """`where(not c, x, y)` is `where(c, y, x)`."""
    condition, x, y = node.inputs
    inner = made_by_row(condition, "logical_not", "invert")
    return build.row("where", inner.inputs[0], y, x) if inner else None


@rewrites("where")
def where_of_bools(node: Node, build: RuleBuilder) -> Value | None:
    """`where(c, true, false)` is c, `where(c, false, true)` is `not c`."""
    condition, x, y = node.inputs
    if x.type.dtype.kind != "bool":
        return None
    first, second = uniform(x), uniform(y)
    if first is None or second is None or first == second:
        return None
    return condition if first else build.row("logical_not", condition)


RULES = (
    combine_with_itself,
    xor_with_itself,
    logic_with_constant,
    bits_with_zero,
    negate_logic,
    ordered_with_itself,
    compared_with_itself,
    where_of_same,
    where_of_negation,
    where_of_bools,
)
