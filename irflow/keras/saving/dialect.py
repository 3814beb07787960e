"""Configs in Keras's spelling, made of irflow's and the other way round.

Both are JSON. Keras has no tuples, describes element types as objects, and keeps the calls of a
functional model with the layers that are called. What is translated is checked no further: those
who make objects of it do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow.errors import ArtifactError, UsageError
from irflow.keras.saving import operations

Config = dict[str, Any]

_PLACE = "__keras_tensor__"
_FUNCTIONAL = {"module": "keras.src.models.functional", "registered_name": "Functional"}
_POLICIES = ("DTypePolicy", "FloatDTypePolicy")
_COMPILED = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
_UNUSED: dict[str, tuple[Any, ...]] = {
    "quantization_config": (None,),
    "synchronized": (False,),
    "renorm": (False,),
    "rms_scaling": (False,),
    "oov_method": ("floormod", "farmhash"),
    "salt": (None,),
}
"""Settings of Keras that irflow has not, with the values that mean that they are not used."""

_FOREIGN_TO_KERAS: dict[tuple[str, str], tuple[Any, ...]] = {
    **{(f"SpatialDropout{rank}D", "trainable"): (True, False) for rank in (1, 2, 3)},
    ("Cropping1D", "data_format"): ("channels_last",),
    ("Discretization", "trainable"): (True, False),
}
"""Settings of irflow's classes that those of Keras have not, with values that may be left out."""

_REFUSED = {
    "__lambda__": "the code of a lambda",
    "__typespec__": "a type of TensorFlow",
    "__bytes__": "bytes",
    "DTypePolicyMap": "several element types for one layer",
    "QuantizedDTypePolicy": "quantized weights",
    "QuantizedFloat8DTypePolicy": "quantized weights",
    "GPTQDTypePolicy": "quantized weights",
}


# ------------------------------------------------------------------------------------ from Keras


def from_keras(value: Any) -> Any:
    """What Keras wrote, in irflow's spelling.

    Raises:
        UsageError: it holds code, or something that irflow has not.
        ArtifactError: calls of a functional model refer to what is not there.
    """
    if isinstance(value, list):
        return [from_keras(item) for item in value]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name in _REFUSED:
        raise _refused(str(name))
    if name in _POLICIES:
        return config["name"] if isinstance(config, dict) else config
    if name in ("__numpy__", "__tensor__"):
        return {"class_name": "__array__", "config": config}
    if name == "__slice__" and isinstance(config, dict):
        return {"class_name": name, "config": [config[end] for end in ("start", "stop", "step")]}
    if isinstance(config, dict) and _is_network(config):
        return {**_object(value), "config": _network_from_keras(config)}
    return _object(value)


def compile_from_keras(config: Config) -> Config:
    """The arguments of `compile`, of which irflow knows fewer."""
    return {name: from_keras(config[name]) for name in _COMPILED if config.get(name) is not None}


def _refused(name: str) -> UsageError:
    hint = "make the model from its source, with a named function, and load the weights"
    return UsageError(
        f"the file holds {_REFUSED[name]}, which irflow does not take from a file",
        hint=hint if name == "__lambda__" else None,
    )


def _object(value: Config) -> Config:
    found = {
        key: from_keras(item)
        for key, item in value.items()
        if key != "shared_object_id" and not _is_unused(key, item)
    }
    build = found.pop("build_config", None)
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if shape is not None:
        found["build_config"] = {"input_shape": _as_shape(shape)}
    return found


def _is_unused(key: str, value: Any) -> bool:
    return key in _UNUSED and not isinstance(value, (dict, list)) and value in _UNUSED[key]


def _as_shape(shape: Any) -> Any:
    """A shape, or nested lists of shapes, with tuples where Keras means them."""
    if isinstance(shape, dict):
        return {key: _as_shape(item) for key, item in shape.items()}
    if isinstance(shape, list) and any(isinstance(item, (list, dict)) for item in shape):
        return [_as_shape(item) for item in shape]
    return {"class_name": "__tuple__", "items": shape} if isinstance(shape, list) else shape


def _is_network(config: Config) -> bool:
    layers = config.get("layers")
    return "input_layers" in config and "calls" not in config and isinstance(layers, list)


def _network_from_keras(config: Config) -> Config:
    """The calls of a functional model in an order in which they can be made."""
    places: dict[tuple[str, int], int] = {}
    waiting = list(_calls_in_keras(config["layers"]))
    calls: list[Config] = []
    while waiting:
        later = []
        for number, key, node in waiting:
            if node is None or all(place in places for place in _places_in(node)):
                places[key] = len(calls)
                calls.append({"layer": number, **_call_from_keras(config, number, node, places)})
            else:
                later.append((number, key, node))
        if len(later) == len(waiting):
            raise ArtifactError(
                "calls of layers need what is not in the model",
                facts=[("layer", key[0]) for _, key, _ in later[:3]],
            )
        waiting = later
    ends = ("input_layers", "output_layers")
    first = {layer["name"]: _first_node(layer) for layer in config["layers"]}
    by_end = {(name, index + first[name]): call for (name, index), call in places.items()}
    return {
        **{k: from_keras(v) for k, v in config.items() if k not in ("layers", *ends)},
        "layers": [_layer_from_keras(layer) for layer in config["layers"]],
        "calls": calls,
        **{end: _ends_from_keras(config[end], by_end) for end in ends},
    }


def _calls_in_keras(layers: list[Config]) -> Any:
    """Number of the layer, its name with the number of the call, and the call; None for inputs."""
    for number, layer in enumerate(layers):
        nodes = layer.get("inbound_nodes") or [None]
        for index, node in enumerate(nodes):
            if node is not None and not isinstance(node, dict):
                raise UsageError(
                    "the model was written by Keras 2", hint="load and save it with Keras 3"
                )
            yield number, (layer["name"], index), node


def _first_node(layer: Config) -> int:
    """As ends of a model, calls of functional models are counted from 1, after their making."""
    return int("input_layers" in layer["config"])


def _places_in(value: Any) -> list[tuple[str, int]]:
    """The calls whose results occur in a call."""
    if isinstance(value, list):
        return [place for item in value for place in _places_in(item)]
    if not isinstance(value, dict):
        return []
    if value.get("class_name") == _PLACE:
        name, index, _ = value["config"]["keras_history"]
        return [(name, index)]
    return [place for item in value.values() for place in _places_in(item)]


def _call_from_keras(
    config: Config, number: int, node: Config | None, places: dict[tuple[str, int], int]
) -> Config:
    if node is None:
        return {}
    args = [_replaced(arg, places) for arg in node["args"]]
    kwargs = {name: _replaced(arg, places) for name, arg in node["kwargs"].items()}
    layer = config["layers"][number]
    if _is_operation(layer):
        settings = {k: from_keras(v) for k, v in layer["config"].items() if k != "name"}
        function = operations.function_of(layer["class_name"])
        args, kwargs = operations.call_of(function, settings, args, kwargs)
    return {"args": {"class_name": "__tuple__", "items": args}, "kwargs": kwargs}


def _replaced(value: Any, places: dict[tuple[str, int], int]) -> Any:
    """Results of calls by the number of the call."""
    if isinstance(value, list):
        return [_replaced(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == _PLACE:
        name, index, result = value["config"]["keras_history"]
        return {"class_name": _PLACE, "config": [places[name, index], result]}
    if "class_name" in value:
        return from_keras(value)
    return {key: _replaced(item, places) for key, item in value.items()}


def _ends_from_keras(value: Any, places: dict[tuple[str, int], int]) -> Any:
    """Inputs or outputs: `[layer, call, result]` in any nesting."""
    if isinstance(value, dict):
        return {key: _ends_from_keras(item, places) for key, item in value.items()}
    if len(value) == 3 and isinstance(value[0], str):
        name, index, result = value
        return {"class_name": _PLACE, "config": [places[name, index], result]}
    return [_ends_from_keras(item, places) for item in value]


def _is_operation(layer: Config) -> bool:
    return str(layer.get("module")).startswith(operations.PREFIX)


def _layer_from_keras(layer: Config) -> Config:
    kept = {key: value for key, value in layer.items() if key != "inbound_nodes"}
    if not _is_operation(layer):
        return {**from_keras(kept), "name": layer["name"]}
    function = operations.function_of(layer["class_name"])
    config = {"function": function, "name": layer["name"]}
    return {"class_name": "Function", "config": config, "name": layer["name"]}


# -------------------------------------------------------------------------------------- to Keras


def to_keras(value: Any) -> Any:
    """What irflow wrote, in Keras's spelling.

    Raises:
        UsageError: Keras has no form for it.
    """
    if isinstance(value, list):
        return [to_keras(item) for item in value]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name in _PLAIN:
        return _PLAIN[str(name)](value)
    if isinstance(config, dict) and "calls" in config:
        own = {**value, "config": _network_to_keras(config)}
        return {**own, **_FUNCTIONAL} if name in ("Functional", "Model") else own
    if isinstance(config, dict):
        return _object_to_keras(value, config)
    if name == "function" and value.get("module"):
        return {**value, "module": "builtins"}
    return {key: to_keras(item) for key, item in value.items()}


_PLAIN: dict[str, Callable[[Config], Any]] = {
    "__tuple__": lambda value: to_keras(value["items"]),
    "__array__": lambda value: {"class_name": "__numpy__", "config": value["config"]},
    "__ellipsis__": lambda value: {**value, "config": {}},
    "__slice__": lambda value: {
        "class_name": "__slice__",
        "config": dict(zip(("start", "stop", "step"), value["config"], strict=True)),
    },
}


def _object_to_keras(value: Config, config: Config) -> Config:
    own = {
        key: to_keras(item)
        for key, item in config.items()
        if item not in _FOREIGN_TO_KERAS.get((str(value.get("class_name")), key), ())
    }
    found = {**value, "config": own}
    shape = value.get("build_config", {}).get("input_shape")
    if shape is not None:
        kind = "shapes_dict" if isinstance(shape, dict) and "class_name" not in shape else None
        found["build_config"] = {kind or "input_shape": to_keras(shape)}
    return found


def _network_to_keras(config: Config) -> Config:
    layers = config["layers"]
    names = [layer["name"] for layer in layers]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise UsageError(
            f'two layers are called "{double}", which .keras files do not allow',
            hint="give one of them another name=",
        )
    counts = [0] * len(layers)
    places = []
    nodes: list[list[Config]] = [[] for _ in layers]
    made: dict[int, Config] = {}
    for call in config["calls"]:
        number = call["layer"]
        places.append((names[number], counts[number]))
        counts[number] += 1
        if "args" in call:
            node, own = _call_to_keras(layers[number], call, places)
            nodes[number].append(node)
            if own is not None and made.setdefault(number, own) != own:
                raise UsageError(f'"{names[number]}" is called in two ways, unlike in Keras')
    ends = ("input_layers", "output_layers")
    first = {layer["name"]: _first_node(layer) for layer in layers}
    by_end = [(name, index + first[name]) for name, index in places]
    return {
        **{k: to_keras(v) for k, v in config.items() if k not in ("layers", "calls", *ends)},
        "layers": [
            {**made.get(i, to_keras(layer)), "name": names[i], "inbound_nodes": nodes[i]}
            for i, layer in enumerate(layers)
        ],
        **{end: _ends_to_keras(config[end], by_end) for end in ends},
    }


def _call_to_keras(
    layer: Config, call: Config, places: list[tuple[str, int]]
) -> tuple[Config, Config | None]:
    """A call, and for functions the operation that Keras has for it."""
    args, kwargs = list(call["args"]["items"]), call["kwargs"]
    kind, config, own = layer["class_name"], layer["config"], None
    if kind in ("Operator", "Function"):
        function = config.get("function")
        if kind == "Operator":
            function, args, kwargs = operations.as_function(config, args)
        settings, args = operations.split(str(function), args, kwargs)
        module, name = operations.class_of(str(function))
        own = {
            "module": module,
            "class_name": name,
            "config": {**to_keras(settings), "name": layer["name"]},
            "registered_name": name,
        }
        kwargs = {}
    return {
        "args": [_placed(arg, places) for arg in args],
        "kwargs": {key: _placed(arg, places) for key, arg in kwargs.items()},
    }, own


def _placed(value: Any, places: list[tuple[str, int]]) -> Any:
    """Results of calls by the name of the layer and the number of its call."""
    if isinstance(value, list):
        return [_placed(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == _PLACE:
        call, result, shape, dtype = value["config"]
        history = [*places[call], result]
        config = {"shape": shape, "dtype": dtype, "keras_history": history}
        return {"class_name": _PLACE, "config": config}
    if value.get("class_name") == "__tuple__":
        return [_placed(item, places) for item in value["items"]]
    if "class_name" in value:
        return to_keras(value)
    return {key: _placed(item, places) for key, item in value.items()}


def _ends_to_keras(value: Any, places: list[tuple[str, int]]) -> Any:
    if isinstance(value, list):
        return [_ends_to_keras(item, places) for item in value]
    if value.get("class_name") == _PLACE:
        call, result, *_ = value["config"]
        return [*places[call], result]
    if value.get("class_name") == "__tuple__":
        return [_ends_to_keras(item, places) for item in value["items"]]
    return {key: _ends_to_keras(item, places) for key, item in value.items()}
