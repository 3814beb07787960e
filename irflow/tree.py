"""Nested structures of arguments and results: tuples, lists, dicts, named tuples and dataclasses.

`flatten` takes a structure apart into leaves and a `Structure`; `Structure.unflatten` puts it together
again. None is an empty structure, not a leaf. Dictionaries are ordered by key, so that two dictionaries with the
same keys have the same structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from irflow.errors import TreeError

Leaf = Any
Tree = Any


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested structure, hashable, without its leaves.

    Attributes:
        kind: `"leaf"`, `"none"`, `"tuple"`, `"list"`, `"dict"`, `"named"` or `"dataclass"`.
        keys: dictionary keys or field names, else positions.
        children: one structure a key.
        factory: the class to rebuild, for named tuples and dataclasses.
    """

    kind: str
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    factory: type | None = None

    @property
    def leaf_count(self) -> int:
        if self.kind == "leaf":
            return 1
        return sum(child.leaf_count for child in self.children)

    def unflatten(self, leaves: Sequence[Leaf]) -> Tree:
        """The structure with `leaves` put in, in the order in which `flatten` gave them."""
        if len(leaves) != self.leaf_count:
            raise TreeError(f"structure of {self.leaf_count} leaves given {len(leaves)}")
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator[Leaf]) -> Tree:
        if self.kind == "leaf":
            return next(leaves)
        if self.kind == "none":
            return None
        parts = [child._build(leaves) for child in self.children]
        if self.kind in ("tuple", "list"):
            return tuple(parts) if self.kind == "tuple" else parts
        if self.kind == "dict":
            return dict(zip(self.keys, parts, strict=True))
        assert self.factory is not None
        return self.factory(**dict(zip(self.keys, parts, strict=True)))

    def paths(self, prefix: str = "") -> list[str]:
        """A readable path for each leaf: `params["dense"][0].weight`."""
        if self.kind == "leaf":
            return [prefix]
        return [
            path
            for key, child in zip(self.keys, self.children, strict=True)
            for path in child.paths(prefix + self._step(key))
        ]

    def _step(self, key: Any) -> str:
        return f".{key}" if self.kind in ("named", "dataclass") else f"[{key!r}]"


LEAF = Structure("leaf")
NONE = Structure("none")


def flatten(tree: Tree) -> tuple[list[Leaf], Structure]:
    """Take `tree` apart.

    >>> leaves, structure = flatten({"w": 1, "b": (2, 3)})
    >>> leaves, structure.paths()
    ([2, 3, 1], ["['b'][0]", "['b'][1]", "['w']"])
    """
    leaves: list[Leaf] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Tree, leaves: list[Leaf]) -> Structure:
    if tree is None:
        return NONE
    parts = _children(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    kind, keys, values, factory = parts
    return Structure(kind, keys, tuple(_flatten(value, leaves) for value in values), factory)


def _children(tree: Tree) -> tuple[str, tuple[Any, ...], Sequence[Tree], type | None] | None:
    cls = type(tree)
    if cls is tuple or cls is list:
        return cls.__name__, tuple(range(len(tree))), tree, None
    if isinstance(tree, dict):
        keys = _sorted_keys(tree)
        return "dict", keys, [tree[key] for key in keys], None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return "named", tuple(tree._fields), tree, cls
    if _is_record(tree):
        names = tuple(field.name for field in dataclasses.fields(tree) if field.init)
        return "dataclass", names, [getattr(tree, name) for name in names], cls
    return None


def _is_record(tree: Tree) -> bool:
    """Whether `tree` is a dataclass to be taken apart: not an array, and not marked as a leaf."""
    if not dataclasses.is_dataclass(tree) or isinstance(tree, type):
        return False
    return not (hasattr(tree, "__array__") or getattr(tree, "__tree_leaf__", False))


def _sorted_keys(tree: dict[Any, Tree]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(tree))
    except TypeError:
        return tuple(sorted(tree, key=lambda key: (type(key).__name__, str(key))))


def map_leaves(function: Callable[..., Leaf], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` leaf by leaf to structures that agree."""
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in rest:
        more, found = flatten(other)
        if found != structure:
            raise TreeError(
                "structures differ", facts=[("first", structure.paths()), ("other", found.paths())]
            )
        columns.append(more)
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])
