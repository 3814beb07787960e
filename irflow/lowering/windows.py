"""The nests of convolutions, of their gradients, and of pooling."""

from __future__ import annotations

from irflow.lowering.convolution import convolution_nest
from irflow.lowering.depthwise import grouped_nest
from irflow.lowering.depthwise_weights import grouped_weights_nest
from irflow.lowering.group import Group
from irflow.lowering.nest import Built
from irflow.lowering.pooling import pool_nest
from irflow.lowering.target import Target
from irflow.lowering.weight_gradient import weight_gradient_nest


def window_nest(group: Group, target: Target) -> Built | None:
    """The nest of a group with an op of windows at its end; None where no template fits it."""
    return (
        pool_nest(group, target)
        or grouped_nest(group, target)
        or grouped_weights_nest(group, target)
        or weight_gradient_nest(group, target)
        or convolution_nest(group, target)
    )
