"""Where Keras 3 keeps the weights of each layer in a file.

A layer stands at the name of the attribute that holds it; in lists and dicts at the name of its
class, counted up; in functional models at `layers/` and the name of its class. One that is held
at several places stands at the first of them, public names before private ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from irflow.frontend import Variable
from irflow.keras.engine.holder import Holder
from irflow.keras.engine.naming import snake_case
from irflow.keras.saving.arrays import numbered

# What was visited is kept: properties make lists anew, and of another one the `id` may be the same.
Seen = dict[int, Any]

_CONTAINERS = (list, tuple, dict)
_OWN = frozenset({"_network_layers", "_stack", "_input_layer"})
_OTHER_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes whose public name in Keras is not that in its source, which files go by."""

_LATE_SLOTS = {
    "Adam": ("velocity_hat",),
    "AdamW": ("velocity_hat",),
    "RMSprop": ("momentum", "average_gradient"),
}
"""What Keras's optimizers remember behind that of all variables, and not variable by variable."""

_BASES = frozenset(
    {
        "irflow.keras.engine.holder",
        "irflow.keras.engine.trainer",
        "irflow.keras.layers.layer",
        "irflow.keras.models.model",
        "irflow.keras.models.sequential",
    }
)


def layer_places(model: Holder) -> dict[str, Holder]:
    """The model at `""` and all layers inside, each once, in the order that Keras visits them."""
    found: dict[str, Holder] = {}
    _visit(model, "", found, {})
    return found


def weight_places(model: Holder) -> dict[str, Variable]:
    """The weights by the names of their arrays in the file, each once."""
    return {
        name: variable
        for place, layer in layer_places(model).items()
        for name, variable in own_weights(place, layer)
    }


def optimizer_weights(optimizer: Any) -> list[Variable]:
    """The state of an optimizer in the order of Keras."""
    late = _LATE_SLOTS.get(type(optimizer).__name__, ())
    slots = getattr(optimizer, "_slots", [])
    rank = {id(v): late.index(n) + 1 for own in slots for n, v in own.items() if n in late}
    return sorted(optimizer.variables, key=lambda variable: rank.get(id(variable), 0))


def own_weights(place: str, layer: Holder) -> list[tuple[str, Variable]]:
    """The weights of a layer alone with the names of their arrays."""
    variables = enumerate(layer._own_variables())
    return [(f"{place}/vars/{number}".lstrip("/"), variable) for number, variable in variables]


def _visit(layer: Holder, place: str, found: dict[str, Holder], seen: Seen) -> None:
    if id(layer) in seen:
        return
    seen[id(layer)] = layer
    found[place] = layer
    for name, value in _attributes(layer):
        inner = f"{place}/{name}" if place else name
        if isinstance(value, Holder):
            _visit(value, inner, found, seen)
        elif isinstance(value, _CONTAINERS):
            _visit_container(value, inner, found, seen)


def _class_name(layer: Holder) -> str:
    name = type(layer).__name__
    return _OTHER_NAMES.get(name, name)


def _visit_container(container: Any, place: str, found: dict[str, Holder], seen: Seen) -> None:
    if id(container) in seen:
        return
    seen[id(container)] = container
    counts: Counter[str] = Counter()
    for value in container.values() if isinstance(container, dict) else container:
        if isinstance(value, Holder):
            name = numbered(snake_case(_class_name(value)), counts)
            _visit(value, f"{place}/{name}", found, seen)
        elif isinstance(value, _CONTAINERS):
            _visit_container(value, f"{place}/{numbered('container', counts)}", found, seen)


def _attributes(layer: Holder) -> Iterator[tuple[str, Any]]:
    """Attributes and properties that may hold layers, in Keras's order."""
    names = {name for name in vars(layer) if name not in layer._unseen | _OWN}
    for cls in type(layer).__mro__:
        if cls.__module__ not in _BASES and cls is not object:
            names.update(name for name, value in vars(cls).items() if isinstance(value, property))
    if hasattr(type(layer), "layers"):
        names.add("layers")
    is_listed = getattr(layer, "_network", None) is not None or hasattr(layer, "_stack")
    first = "layers" if is_listed else ""
    for name in sorted(names, key=lambda name: (name != first, name.startswith("_"), name)):
        try:
            yield name, getattr(layer, name)
        except Exception:  # a property that has no value yet holds no layer either
            continue
