"""Nested structures of arguments and results: tuples, lists, dicts, named tuples and dataclasses.

`flatten` takes a structure apart into leaves and a `Structure`; `Structure.unflatten` puts it
together again. None is an empty structure, not a leaf. Dictionaries are ordered by key, so that two
dictionaries with the same keys have the same structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import cache, lru_cache
from typing import Any

from irflow.errors import TreeError
from irflow.records import dataclass

Leaf = Any
Tree = Any


@dataclass(frozen=True, eq=False, slots=True)
class Structure:
    """The shape of a nested structure, hashable, without its leaves.

    Attributes:
        kind: `"leaf"`, `"none"`, `"tuple"`, `"list"`, `"dict"`, `"named"` or `"dataclass"`.
        keys: dictionary keys or field names, else positions.
        children: one structure a key.
        factory: the class to rebuild, for named tuples and dataclasses.
        leaf_count: how many leaves there are.
    """

    kind: str
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()
    factory: type | None = None
    leaf_count: int = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        is_leaf = self.kind == "leaf"
        count = 1 if is_leaf else sum([child.leaf_count for child in self.children])
        # Structures are keys of caches, and hashed at every call of a compiled function.
        object.__setattr__(self, "leaf_count", count)
        object.__setattr__(self, "_hash", hash(self._content))

    @property
    def _content(self) -> tuple[object, ...]:
        return self.kind, self.keys, self.children, self.factory

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Structure) and self._content == other._content

    @property
    def has_dataclass(self) -> bool:
        """Whether there is a dataclass in it."""
        return self.kind == "dataclass" or any(child.has_dataclass for child in self.children)

    @property
    def has_text_keys(self) -> bool:
        """Whether all keys of dictionaries in it are text."""
        if self.kind == "dict" and any(type(key) is not str for key in self.keys):
            return False
        return all(child.has_text_keys for child in self.children)

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
        if self.kind == "tuple":
            return tuple(parts)
        if self.kind == "list":
            return parts
        if self.kind == "dict":
            return dict(zip(self.keys, parts, strict=True))
        assert self.factory is not None
        return self.factory(**dict(zip(self.keys, parts, strict=True)))

    def leaves_of(self, tree: Tree, path: str = "") -> list[Leaf | None]:
        """One entry of `tree` for each leaf; None in the place of a part stands for its leaves.

        Args:
            tree: of this structure, but for Nones; what stands in a leaf's place is taken whole.
            path: a name of the tree, for the message.

        Raises:
            TreeError: `tree` has another structure.
        """
        if self.kind == "leaf":
            return [tree]
        if tree is None:
            return [None] * self.leaf_count
        keys, parts = self._parts_of(tree)
        if keys != self.keys:
            raise TreeError(
                f"another structure is expected at {path or 'the root'}",
                facts=[("expected", self.describe()), ("given", flatten(tree)[1].describe())],
            )
        rows = zip(self.keys, self.children, parts, strict=True)
        return [
            leaf
            for key, child, part in rows
            for leaf in child.leaves_of(part, path + self._step(key))
        ]

    def spread(self, prefix: Tree, path: str = "") -> list[Leaf | None]:
        """One entry for each leaf, from a tree that may end early: what it has there is for all.

        Args:
            prefix: of this structure down to its leaves; None is a leaf of it.
            path: a name of it, for the message.

        Raises:
            TreeError: `prefix` has another structure.
        """
        kind = (_classes.get(type(prefix)) or _describe(type(prefix)))[0]
        if kind in ("leaf", "none"):
            return [prefix] * self.leaf_count
        keys, parts = self._parts_of(prefix)
        if keys != self.keys or self.kind == "leaf":
            raise TreeError(
                f"{path or 'the root'} does not fit the structure that it is for",
                facts=[("expected", self.describe()), ("given", flatten(prefix)[1].describe())],
            )
        return [
            leaf
            for key, child, part in zip(self.keys, self.children, parts, strict=True)
            for leaf in child.spread(part, path + self._step(key))
        ]

    def _parts_of(self, tree: Tree) -> tuple[tuple[Any, ...] | None, Sequence[Tree]]:
        """Keys and parts of a tree of the same kind; None for another kind."""
        cls = type(tree)
        kind, names = _classes.get(cls) or _describe(cls)
        if kind != self.kind or (self.factory is not None and cls is not self.factory):
            return None, ()
        return _parts(kind, names, tree)

    def paths(self, prefix: str = "") -> list[str]:
        """A readable path for each leaf: `params['dense'][0].weight`."""
        if self.kind == "leaf":
            return [prefix]
        return [
            path
            for key, child in zip(self.keys, self.children, strict=True)
            for path in child.paths(prefix + self._step(key))
        ]

    def child_paths(self, prefix: str = "") -> list[str]:
        """A readable path for each child."""
        return [prefix + self._step(key) for key in self.keys]

    def describe(self) -> str:
        """The structure with `*` for each leaf: `(*, {'w': *})`."""
        if self.kind in ("leaf", "none"):
            return "*" if self.kind == "leaf" else "None"
        inside = [child.describe() for child in self.children]
        if self.kind == "list":
            return f"[{', '.join(inside)}]"
        if self.kind == "tuple":
            return f"({', '.join(inside)}{',' * (len(inside) == 1)})"
        pairs = zip(self.keys, inside, strict=True)
        if self.kind == "dict":
            return f"{{{', '.join(f'{key!r}: {value}' for key, value in pairs)}}}"
        assert self.factory is not None
        return f"{self.factory.__name__}({', '.join(f'{key}={value}' for key, value in pairs)})"

    def _step(self, key: Any) -> str:
        return f".{key}" if self.kind in ("named", "dataclass") else f"[{key!r}]"


LEAF = Structure("leaf")
NONE = Structure("none")

# The same object for equal structures, so that a comparison is one of identity.
_structure: Callable[..., Structure] = lru_cache(maxsize=4096)(Structure)


def flatten(tree: Tree) -> tuple[list[Leaf], Structure]:
    """Take `tree` apart.

    >>> leaves, structure = flatten({"w": 1, "b": (2, 3)})
    >>> leaves, structure.paths()
    ([2, 3, 1], ["['b'][0]", "['b'][1]", "['w']"])
    """
    leaves: list[Leaf] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Tree, leaves: list[Leaf]) -> Structure:
    cls = type(tree)
    kind, names = _classes.get(cls) or _describe(cls)
    if kind == "leaf":
        leaves.append(tree)
        return LEAF
    if kind == "none":
        return NONE
    keys, parts = _parts(kind, names, tree)
    children = tuple([_flatten(part, leaves) for part in parts])
    return _structure(kind, keys, children, cls if kind in ("named", "dataclass") else None)


def _parts(kind: str, names: tuple[str, ...], tree: Tree) -> tuple[tuple[Any, ...], Sequence[Tree]]:
    if kind in ("tuple", "list"):
        return _positions(len(tree)), tree
    if kind == "dict":
        keys = _sorted_keys(tree)
        return keys, [tree[key] for key in keys]
    return names, [getattr(tree, name) for name in names]


# The kind of structure that an instance of a class is, with the names of its parts.
_classes: dict[type, tuple[str, tuple[str, ...]]] = {
    tuple: ("tuple", ()),
    list: ("list", ()),
    type(None): ("none", ()),
}


def _describe(cls: type) -> tuple[str, tuple[str, ...]]:
    """Find out about a class and enter it in the table."""
    found: tuple[str, tuple[str, ...]] = ("leaf", ())
    # A dataclass may be an array, or marked as a leaf.
    is_leaf = hasattr(cls, "__array__") or getattr(cls, "__tree_leaf__", False)
    if issubclass(cls, dict):
        found = ("dict", ())
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        found = ("named", tuple(cls._fields))
    elif dataclasses.is_dataclass(cls) and not is_leaf:
        found = ("dataclass", tuple(field.name for field in dataclasses.fields(cls) if field.init))
    _classes[cls] = found
    return found


@cache
def _positions(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def _sorted_keys(tree: dict[Any, Tree]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(tree))
    except TypeError:
        return tuple(sorted(tree, key=lambda key: (type(key).__name__, str(key))))


def map_leaves(function: Callable[..., Leaf], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` leaf by leaf to structures that agree.

    Raises:
        TreeError: they differ.
    """
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in rest:
        more, found = flatten(other)
        if found != structure:
            raise TreeError(
                "structures differ",
                facts=[("first", structure.describe()), ("other", found.describe())],
            )
        columns.append(more)
    return structure.unflatten([function(*row) for row in zip(*columns, strict=True)])
