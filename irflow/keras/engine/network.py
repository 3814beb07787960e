"""`Network`: the calls between inputs and outputs of a functional model, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from irflow import numpy as inp
from irflow import tree
from irflow.errors import ShapeError, TreeError, UsageError
from irflow.frontend import Tensor, as_tensor
from irflow.keras.dtype_policies import standardize_dtype
from irflow.keras.engine import masks
from irflow.keras.engine.inference import shape_of
from irflow.keras.engine.symbolic import KerasTensor, Node


class Network:
    """A graph of calls, from inputs to outputs.

    Args:
        inputs: KerasTensors in any nesting; they may lie in the middle of a larger model.
        outputs: KerasTensors in any nesting that depend on them.
        name: for messages.

    Attributes:
        nodes: the calls, each after those that it needs.
        operations: the layers and operators, from the inputs to the outputs.

    Raises:
        UsageError: something is no KerasTensor, or an output needs another input.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str) -> None:
        self.name = name
        self.inputs: list[KerasTensor] = _checked(inputs, "inputs")
        self.outputs: list[KerasTensor] = _checked(outputs, "outputs")
        self.input_structure = tree.flatten(inputs)[1]
        self.output_structure = tree.flatten(outputs)[1]
        self.nodes, indices = self._ordered()
        self.operations = self._by_depth(indices)

    def _ordered(self) -> tuple[list[Node], dict[int, int]]:
        """The calls in order, and when each operation was met on the way back."""
        known = {id(tensor) for tensor in self.inputs}
        done: dict[int, Node] = {}
        met: dict[int, int] = {}
        stack: list[tuple[Node, bool]] = [
            (self._maker(t), False) for t in reversed(self.outputs) if id(t) not in known
        ]
        while stack:
            node, is_left = stack.pop()
            if id(node) in done:
                continue
            if is_left:
                done[id(node)] = node
                continue
            met.setdefault(id(node.operation), len(met))
            stack.append((node, True))
            stack.extend(
                (self._maker(t), False) for t in reversed(node.inputs) if id(t) not in known
            )
        for tensor in self.inputs:
            if tensor.node is not None:
                met.setdefault(id(tensor.node.operation), len(met))
        return list(done.values()), met

    def _maker(self, tensor: KerasTensor) -> Node:
        node = tensor.node
        if node is None or not node.inputs:
            raise UsageError(
                f'model "{self.name}": the outputs need an input that is not among the inputs',
                facts=[("input", tensor.name), ("given", ", ".join(t.name for t in self.inputs))],
            )
        return node

    def _by_depth(self, indices: dict[int, int]) -> list[Any]:
        """The operations, those farthest from the outputs first, as Keras lists layers."""
        makers = [t.node for t in self.inputs if t.node is not None and not t.node.inputs]
        nodes = [*makers, *self.nodes]
        depths = {id(node): 0 for node in nodes}
        found: dict[int, tuple[int, Any]] = {}
        for node in reversed(nodes):
            key = id(node.operation)
            depth = max(depths[id(node)], found.get(key, (0, None))[0])
            depths[id(node)] = depth
            found[key] = depth, node.operation
            for tensor in node.inputs:
                if id(tensor.node) in depths:
                    depths[id(tensor.node)] = max(depths[id(tensor.node)], depth + 1)
        order = sorted(found, key=lambda key: (-found[key][0], indices[key]))
        return [found[key][1] for key in order]

    @cached_property
    def row_numbers(self) -> list[tuple[int, Any]]:
        """Which inputs are numbers of rows of a layer's table, with the layer."""
        places = {id(place): index for index, place in enumerate(self.inputs)}
        return [
            (places[id(tensor)], node.operation)
            for node in self.nodes
            if hasattr(node.operation, "numbers_below")
            for tensor in node.inputs
            if id(tensor) in places
        ]

    def run(self, inputs: Any, call: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]) -> Any:
        """The outputs for tensors.

        Args:
            inputs: in the structure of the inputs, or a flat list of them.
            call: takes an operation and its arguments.
        """
        values: dict[int, Any] = {
            id(place): value for place, value in zip(self.inputs, self.fitted(inputs), strict=True)
        }
        for node in self.nodes:
            args, kwargs = node.arguments(values)
            results = tree.flatten(call(node.operation, args, kwargs))[0]
            values.update(zip(map(id, node.outputs), results, strict=True))
        return self.output_structure.unflatten([values[id(t)] for t in self.outputs])

    def fitted(self, inputs: Any) -> list[Any]:
        """The inputs one by one, in the element types and ranks of the places they go to.

        Raises:
            TreeError: another number of inputs, or a key is missing.
            ShapeError: a shape does not fit.
        """
        rows = zip(self.inputs, self.flat(inputs), strict=True)
        return [self._fitted(place, value) for place, value in rows]

    def flat(self, inputs: Any) -> list[Any]:
        """The inputs in the order of the places; a dict may be by the names of the places."""
        if isinstance(inputs, dict) and self.input_structure.kind != "dict":
            names = [place.name for place in self.inputs]
            missing = [name for name in names if name not in inputs]
            if missing:
                raise TreeError(
                    f'model "{self.name}": an input is missing',
                    facts=[("needed", ", ".join(names)), ("given", ", ".join(map(str, inputs)))],
                )
            return [inputs[name] for name in names]
        if isinstance(inputs, dict) and self.input_structure.kind == "dict":
            keys = [key for key in self.input_structure.keys if key in inputs]
            inputs = {key: inputs[key] for key in keys}
        leaves = tree.flatten(inputs)[0]
        if len(leaves) != len(self.inputs):
            raise TreeError(
                f'model "{self.name}" takes {len(self.inputs)} input(s), and {len(leaves)} '
                "are given",
                facts=[("names", ", ".join(place.name for place in self.inputs))],
            )
        return leaves

    def _fitted(self, place: KerasTensor, value: Any) -> Any:
        if isinstance(value, KerasTensor):
            return value
        mask = masks.get_mask(value)
        tensor: Tensor = as_tensor(value)
        if tensor.ndim == place.ndim - 1 and place.shape[-1] == 1:
            tensor = inp.expand_dims(tensor, -1)
        elif tensor.ndim == place.ndim + 1 and tensor.shape[-1] == 1:
            tensor = inp.squeeze(tensor, -1)
        check_shape(self.name, place, shape_of(tensor))
        if standardize_dtype(tensor.dtype.name) != place.dtype:
            tensor = tensor.astype(place.dtype)
        if mask is not None:
            masks.set_mask(tensor, mask)
        return tensor


def check_shape(
    model: str,
    place: KerasTensor,
    shape: tuple[int | None, ...],
    given: tuple[int | None, ...] | None = None,
) -> None:
    """Whether data of a shape can go to an input of a model.

    Args:
        model: its name.
        place: of the input.
        shape: of the data, with None for the number of samples.
        given: with that number, where it is known.

    Raises:
        ShapeError: they cannot.
    """
    pairs = zip(place.shape, shape, strict=False)
    if len(shape) == place.ndim and all(a is None or b in (a, None) for a, b in pairs):
        return
    raise ShapeError(
        f'model "{model}": data of another shape than input "{place.name}" has',
        facts=[("input", place.shape), ("data", shape)],
        hint=_shape_hint(place.shape, given or shape),
    )


def _shape_hint(expected: tuple[int | None, ...], given: tuple[int | None, ...]) -> str | None:
    if expected[1:] == given:
        return "this is one sample without the axis of the batch; x[None] would have it"
    if len(expected) == len(given) + 1 and expected[-1] == 1:
        return "an axis of size 1 at the end seems to be missing; x[..., None]"
    return None


def _checked(tensors: Any, what: str) -> list[KerasTensor]:
    leaves = tree.flatten(tensors)[0]
    wrong = [leaf for leaf in leaves if not isinstance(leaf, KerasTensor)]
    if wrong or not leaves:
        given = type(wrong[0]).__name__ if wrong else "nothing"
        raise UsageError(
            f"the {what} of a functional model are KerasTensors, which keras.Input begins",
            facts=[("given", given)],
        )
    return leaves
