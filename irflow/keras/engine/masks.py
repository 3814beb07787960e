"""Masks that travel beside tensors: which steps of a sequence count."""

from __future__ import annotations

import weakref
from typing import Any

from irflow import tree

_masks: dict[int, tuple[weakref.ref[Any], Any]] = {}


def get_mask(tensor: Any) -> Any:
    """The mask of a tensor, None if it has none."""
    found = _masks.get(id(tensor)) if _masks else None
    return found[1] if found is not None and found[0]() is tensor else None


def set_mask(tensor: Any, mask: Any) -> None:
    """Give a tensor a mask, until it is gone; None takes it away."""
    key = id(tensor)
    if mask is None:
        _masks.pop(key, None)
        return
    _masks[key] = (weakref.ref(tensor, lambda _: _masks.pop(key, None)), mask)


def has_masks() -> bool:
    """Whether any tensor has a mask now."""
    return bool(_masks)


def masks_of(tensors: Any) -> Any:
    """The masks of nested tensors, in the same structure; None if none has one."""
    if not _masks:
        return None
    leaves, structure = tree.flatten(tensors)
    found = [get_mask(leaf) for leaf in leaves]
    if all(mask is None for mask in found):
        return None
    return structure.unflatten(found)
