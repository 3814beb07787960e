"""Attention and its gradient without their scores in memory: which nest, and for what."""

from __future__ import annotations

from irflow.lowering.attention_decoding import DecodingWriter
from irflow.lowering.attention_forward import ForwardWriter
from irflow.lowering.attention_gradient import GradientWriter
from irflow.lowering.attention_plan import Plan
from irflow.lowering.group import Group
from irflow.lowering.nest import Built, NestContext
from irflow.lowering.target import Target
from irflow.ops import Attention, AttentionGradient


def attention_nest(group: Group, target: Target) -> Built | None:
    """The nest of attention or of its gradient; None for other groups."""
    for node in group.nodes:
        if isinstance(node.op, (Attention, AttentionGradient)):
            context, plan = NestContext(group, target), Plan.of(node, target)
            if isinstance(node.op, AttentionGradient):
                GradientWriter(context, plan, node).write()
            elif plan.length == 1:
                plan = plan.with_heads_in_lanes(target)
                DecodingWriter(context, plan, node).write()
            else:
                ForwardWriter(context, plan, node).write()
            return context.finish()
    return None
