"""Types with symbolic sizes as users write them: `"f32[n, 784]"`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from irflow import dims, tree
from irflow.dims import Dim
from irflow.errors import TreeError, UsageError
from irflow.ir import TensorType
from irflow.ir.items import parse_type


class Scope:
    """The named sizes of one function, with their bounds.

    Args:
        constraints: bounds such as `"1 <= n <= 4096, m >= 2"`.
    """

    def __init__(self, constraints: str | None = None) -> None:
        self.sizes: dict[str, Dim] = {}
        for text in (constraints or "").split(","):
            for symbol in dims.parse_constraint(text) if text.strip() else ():
                size = dims.symbol(symbol.name, symbol.lower, symbol.upper)
                assert isinstance(size, Dim)
                self.sizes[symbol.name] = size

    def type(self, spec: Any) -> TensorType:
        """The type that `spec` describes: a string, or a TensorType as it is."""
        if isinstance(spec, TensorType):
            return spec
        if not isinstance(spec, str):
            raise UsageError(
                f"{spec!r} does not describe a tensor", hint='write for example "f32[n, 784]"'
            )
        return parse_type(spec, self.sizes)


def types_for(
    spec: Sequence[Any], structure: tree.Structure, constraints: str | None
) -> tuple[TensorType, ...]:
    """The types of all argument leaves, from the `spec` of a jitted function.

    Raises:
        TreeError: the arguments have another structure than the spec.
    """
    leaves, declared = tree.flatten(tuple(spec))
    positional, keyword = structure.children
    if declared != positional or keyword.leaf_count:
        given = positional.describe() + keyword.describe() * bool(keyword.leaf_count)
        raise TreeError(
            "the arguments have another structure than spec=",
            facts=[("spec", declared.describe()), ("given", given)],
        )
    scope = Scope(constraints)
    return tuple(scope.type(leaf) for leaf in leaves)
