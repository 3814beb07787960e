"""A layer's result, and five steps of gradient descent on its weights and inputs.

The same by `irflow.keras` and by Keras 3, which may run in another process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import irflow as irf
from irflow.keras import layers
from tests.irflow.keras.layer_cases import Case

STEPS, RATE = 5, 0.1


@dataclass
class Trajectory:
    """What a layer did.

    Attributes:
        forward: its result outside of training.
        losses: before each step: the mean squared distance to a target, and the layer's own.
        weights: all of them at the end.
        inputs: at the end, for they are trained as well; empty for whole numbers.
    """

    forward: np.ndarray
    losses: list[float]
    weights: list[np.ndarray]
    inputs: list[np.ndarray]

    def digest(self) -> dict[str, Any]:
        """A few numbers that tell it from another one."""
        return {
            "shape": list(self.forward.shape),
            "forward": _projections([self.forward]),
            "losses": self.losses,
            "weights": _projections(self.weights),
            "inputs": _projections(self.inputs),
        }


def _projections(arrays: list[np.ndarray]) -> list[float]:
    """Products of all numbers with three fixed random vectors, per square root of their count."""
    flat = np.concatenate([np.zeros(1), *(np.ravel(a).astype(np.float64) for a in arrays)])
    directions = np.random.default_rng(0).normal(size=(3, flat.size))
    return [float(value) for value in directions @ flat / np.sqrt(flat.size)]


def target_like(forward: np.ndarray) -> np.ndarray:
    return np.random.default_rng(7).normal(size=forward.shape).astype(np.float32)


def prepared(case: Case) -> tuple[Any, list[np.ndarray]]:
    """Our layer, built and with the weights of the case, and its inputs."""
    layer, inputs = case.build(layers), case.inputs()
    layer(case.argument(inputs))
    shapes = [tuple(map(int, weight.shape)) for weight in layer.weights]
    layer.set_weights(case.weights([weight.name for weight in layer.weights], shapes))
    return layer, inputs


def ours(case: Case) -> Trajectory:
    layer, arrays = prepared(case)
    forward = np.asarray(layer(case.argument(arrays), training=False))
    variables, target = layer.trainable_weights, target_like(forward)
    fixed = arrays if case.integers else []

    def loss(weights: list[Any], inputs: list[Any]) -> Any:
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)
        layer._clear_losses()
        result = layer(case.argument(inputs or fixed), training=True)
        distance = result - target
        return sum(layer.losses, (distance * distance).mean())

    inputs = [] if case.integers else [irf.asarray(array) for array in arrays]
    weights, losses = [variable.value for variable in variables], []
    for _ in range(STEPS):
        value, (slopes, input_slopes) = irf.value_and_grad(loss, (0, 1))(weights, inputs)
        losses.append(float(value))
        weights = [w - RATE * g for w, g in zip(weights, slopes, strict=True)]
        inputs = [x - RATE * g for x, g in zip(inputs, input_slopes, strict=True)]
        for i, variable in enumerate(variables):
            if id(variable) in layer._constraints:
                weights[i] = layer._constraints[id(variable)](weights[i])
            variable.assign(weights[i])
    layer._clear_losses()
    return Trajectory(forward, losses, layer.get_weights(), [np.asarray(x) for x in inputs])


def theirs(case: Case) -> Trajectory:
    """The same by Keras 3 on jax."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax
    import keras

    layer, arrays = case.build(keras.layers), case.inputs()
    places = [keras.Input(array.shape[1:], dtype=str(array.dtype)) for array in arrays]
    # A call of the layer alone would leave its activity regularizer out.
    model = keras.Model(places, layer(case.argument(places)))
    shapes = [tuple(weight.shape) for weight in layer.weights]
    layer.set_weights(case.weights([weight.name for weight in layer.weights], shapes))
    forward = np.asarray(model(arrays, training=False))
    target = target_like(forward)
    fixed = arrays if case.integers else []

    def loss(weights: list[Any], inputs: list[Any], state: list[Any]) -> Any:
        result, state, more = model.stateless_call(
            weights, state, inputs or fixed, training=True, return_losses=True
        )
        return sum(more, ((result - target) ** 2).mean()), state

    step = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
    weights = [variable.value for variable in layer.trainable_variables]
    state = [variable.value for variable in layer.non_trainable_variables]
    inputs: list[Any] = [] if case.integers else list(arrays)
    losses = []
    for _ in range(STEPS):
        (value, state), (slopes, input_slopes) = step(weights, inputs, state)
        losses.append(float(value))
        weights = [w - RATE * g for w, g in zip(weights, slopes, strict=True)]
        inputs = [x - RATE * g for x, g in zip(inputs, input_slopes, strict=True)]
        for i, variable in enumerate(layer.trainable_variables):
            if variable.constraint is not None:
                weights[i] = variable.constraint(weights[i])
    for variable, value in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(value)
    for variable, value in zip(layer.non_trainable_variables, state, strict=True):
        variable.assign(value)
    return Trajectory(forward, losses, layer.get_weights(), [np.asarray(x) for x in inputs])


def check_recorded(case: Case, expected: dict[str, Any]) -> None:
    """Whether a layer does what Keras did, in short."""
    found = ours(case).digest()
    assert found["shape"] == expected["shape"]
    for what in ("forward", "losses", "weights", "inputs"):
        np.testing.assert_allclose(found[what], expected[what], rtol=1e-4, atol=2e-5, err_msg=what)


def check_trained(case: Case) -> None:
    """Whether a layer does what Keras does, in every number."""
    found, expected = ours(case), theirs(case)
    np.testing.assert_allclose(found.forward, expected.forward, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=2e-5, atol=1e-6)
    for one, other in zip(
        [*found.weights, *found.inputs], [*expected.weights, *expected.inputs], strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=5e-5, atol=5e-6)


def check_compiled(case: Case) -> None:
    """Whether a layer does the same when it is compiled, for batches of two sizes."""
    layer, inputs = prepared(case)
    run = irf.jit(
        lambda *arrays: layer(case.argument(list(arrays)), training=False),
        spec=case.specs(),
        backend="llvm",
    )
    for arrays in (inputs, [np.concatenate([x, x[:1]]) for x in inputs]):
        eager, found = layer(case.argument(arrays), training=False), run(*arrays)
        pair = np.asarray(found, np.float64), np.asarray(eager, np.float64)
        np.testing.assert_allclose(*pair, rtol=2e-5, atol=2e-6)
