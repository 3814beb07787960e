"""Rules for markers that mean something to differentiation only."""

# ruff: noqa: ARG001 -- all rules have one signature, needed or not

from __future__ import annotations

from irflow.ir.graph import Node, Value
from irflow.ops.regions import StopGradient
from irflow.transform import RuleBuilder, rewrites


@rewrites(StopGradient)
def drop_stop_gradient(node: Node, build: RuleBuilder) -> Value | None:
    """`stop_gradient x` is x once gradients have been taken."""
    return node.inputs[0]


RULES = (drop_stop_gradient,)
