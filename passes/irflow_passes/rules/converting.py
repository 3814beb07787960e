"""Rules for conversions between element types."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from irflow.dtypes import DType
from irflow.ir.graph import Node, Value
from irflow.ops.elementwise import Convert
from irflow.transform import NoMatch, RuleBuilder, rewrites
from irflow_passes.rules.match import made_by

# How many bits of an integer a float holds exactly, by name.
_MANTISSA = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}
_WIDER_FLOATS = {"f16": ("f32", "f64"), "bf16": ("f32", "f64"), "f32": ("f64",), "f64": ()}


def holds(source: DType, target: DType) -> bool:
    """Whether every value of `source` is a value of `target`, so that converting loses nothing."""
    if source is target or source.kind == "bool":
        return True
    if "complex" in (source.kind, target.kind) or target.kind == "bool":
        return False
    if source.is_float:
        return target.is_float and target.name in _WIDER_FLOATS[source.name]
    if target.is_float:
        return source.bits - (source.kind == "int") <= _MANTISSA[target.name]
    if source.kind == "uint":
        return target.bits - (target.kind == "int") >= source.bits
    return target.kind == "int" and target.bits >= source.bits


@rewrites(Convert)
def drop_identity_convert(node: Node, build: RuleBuilder) -> Value | None:
    """A conversion to the type that is there already."""
    x = node.inputs[0]
    return x if x.type == node.output.type else None


@rewrites(Convert)
def merge_converts(node: Node, build: RuleBuilder) -> Value | NoMatch | None:
    """`convert convert x` is one conversion if the first one loses nothing.

    Integers through a float to a narrower integer are left alone: floats saturate, integers wrap.
    """
    assert isinstance(node.op, Convert)
    inner = made_by(node.inputs[0], Convert)
    if inner is None:
        return None
    x = inner[0].inputs[0]
    source, middle, target = x.type.dtype, inner[1].dtype, node.op.dtype
    if not holds(source, middle):
        return NoMatch(f"{source} to {middle} may lose digits, so it stays")
    if source.is_integer and middle.is_float and target.is_integer and not holds(source, target):
        return None
    return x if source is target else build(node.op, x)


RULES = (drop_identity_convert, merge_converts)
