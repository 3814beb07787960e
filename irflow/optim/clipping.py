"""Bounds on gradients: element by element, tensor by tensor, and on all together."""

from __future__ import annotations

from typing import Any

from irflow import tree
from irflow.frontend.boundary import public
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.nn.activations import row
from irflow.tree import Tree


@public
def clip_by_value(grads: Tree, limit: float) -> Tree:
    """Every element between `-limit` and `limit`."""
    return tree.map_leaves(lambda g: row("minimum", row("maximum", g, -limit), limit), grads)


@public
def clip_by_norm(grads: Tree, limit: float) -> Tree:
    """Every tensor scaled down to a Euclidean norm of `limit` where it is larger."""

    def clipped(g: Any) -> Any:
        norm = row("sqrt", _square_sum(g))
        return g * limit / row("maximum", norm, limit)

    return tree.map_leaves(clipped, grads)


@public
def clip_by_global_norm(grads: Tree, limit: float) -> Tree:
    """All tensors scaled by one number, so that their joint norm is `limit` at most.

    Where it is not finite, all become NaN.
    """
    norm = global_norm(grads)
    # The difference is 0, or NaN where the norm is infinite.
    scale: Any = limit * row("minimum", 1.0 / norm, 1.0 / limit) + (norm - norm)
    return tree.map_leaves(lambda g: g * scale.astype(as_tensor(g).dtype), grads)


@public
def global_norm(grads: Tree) -> Tensor:
    """The Euclidean norm of all elements of all tensors together, as a scalar."""
    leaves, _ = tree.flatten(grads)
    total: Any = 0.0
    for leaf in leaves:
        total = total + _square_sum(leaf)
    return row("sqrt", total)


def _square_sum(g: Any) -> Any:
    tensor = as_tensor(g)
    return (tensor * tensor).sum()
