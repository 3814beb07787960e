"""Models of Keras and of irflow.keras for tests of `.keras` files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

ROWS = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)


def stack(k: Any) -> Any:
    inner = [k.layers.Dense(5, "relu", kernel_regularizer="l2"), k.layers.BatchNormalization()]
    return k.Sequential([k.layers.Input((6,)), *inner, k.layers.Dense(3)])


def built_later(k: Any) -> Any:
    model = k.Sequential([k.layers.Dense(5, "relu"), k.layers.Dense(3)])
    model(ROWS)
    return model


def nested(k: Any) -> Any:
    inner_input, inputs = k.Input((6,)), k.Input((6,))
    inner = k.Model(inner_input, k.layers.Dense(4)(inner_input), name="inner")
    tower = k.Sequential([k.layers.Dense(4), k.layers.Dense(4)])
    x = inner(inputs) + inner(inputs * 2.0)
    return k.Model(inputs, inner(k.layers.Dense(6)(tower(x) - tower(x * 3.0))))


def shared(k: Any) -> Any:
    layer, inputs = k.layers.Dense(6), k.Input((6,))
    return k.Model(inputs, k.layers.Dense(3)(layer(layer(inputs))))


def operators(k: Any) -> Any:
    inputs = k.Input((6,))
    x = 2 * (1 - (inputs + 1) * 0.5) / 3 - 0.1
    x = abs(-x) + 1 / (abs(x) + 5)
    x = ((2 ** (x**2)) @ np.ones((6, 6), np.float32)) // 0.5 % 2.0
    return k.Model(inputs, k.layers.Concatenate()([x[:, 1:4], x[..., ::-1], x[:, None, :][:, 0]]))


def functions(k: Any) -> Any:
    ops, inputs = k.ops, k.Input((6,))
    x = ops.relu(ops.transpose(ops.reshape(inputs, (-1, 2, 3)), (0, 2, 1)))
    x = ops.concatenate([x, ops.exp(-ops.mean(x, axis=1, keepdims=True))], axis=1)
    x = ops.where(ops.clip(x, -1, 1.5) > 0.2, x, 0.0)
    x = ops.squeeze(ops.expand_dims(ops.sum(ops.stack([x, x * 2], axis=1), 1), 2), 2)
    x = ops.pad(ops.max(x, axis=2), ((0, 0), (1, 1)), constant_values=2.0)
    x = ops.einsum("ab,bc->ac", x, np.ones((6, 3), np.float32))
    x = ops.take(ops.cast(ops.cast(x * 10, "int32"), "float32"), [0, 2], axis=1)
    first, second = ops.split(x, 2, axis=1)
    x = ops.log_softmax(ops.tile(ops.maximum(first, second), (1, 4)))
    return k.Model(
        inputs, [x * ops.one_hot(ops.argmax(inputs, axis=1), 4), ops.top_k(inputs, 2)[0]]
    )


def by_name(k: Any) -> Any:
    a, b = k.Input((6,), name="a"), k.Input((6,), name="b")
    x = k.layers.Add()([a, b])
    heads = {name: k.layers.Dense(size, name=name)(x) for name, size in (("p", 3), ("q", 1))}
    return k.Model({"a": a, "b": b}, heads)


def by_place(k: Any) -> Any:
    a, b = k.Input((6,)), k.Input((6,))
    x = k.layers.Multiply()([a, b])
    return k.Model([a, b], [k.layers.Dense(3)(x), k.layers.Dense(1)(x)])


def recurrent(k: Any) -> Any:
    inputs = k.Input((6,))
    x = k.layers.Reshape((2, 3))(inputs)
    x = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True))(x)
    state = k.layers.LSTM(3, return_state=True)(x)
    x = k.layers.RNN([k.layers.LSTMCell(4), k.layers.GRUCell(3)], return_sequences=True)(x)
    return k.Model(inputs, k.layers.GRU(3)(x, initial_state=state[1]))


def attention(k: Any) -> Any:
    inputs = k.Input((6,))
    x = k.layers.Reshape((2, 3))(inputs)
    x = x + k.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    x = k.layers.GroupQueryAttention(2, 2, 1)(x, x)
    x = k.layers.TimeDistributed(k.layers.Dense(3))(k.layers.LayerNormalization()(x))
    x = k.layers.ZeroPadding1D(1)(k.layers.SpatialDropout1D(0.5)(x))
    return k.Model(inputs, k.layers.GlobalAveragePooling1D()(x))


def tokens(k: Any) -> Any:
    inputs = k.Input((None,), dtype="int32")
    x = k.layers.Embedding(7, 4, mask_zero=True)(inputs)
    return k.Model(inputs, k.layers.Dense(2, dtype="mixed_bfloat16")(k.layers.LSTM(3)(x)))


MODELS: list[Callable[[Any], Any]] = [
    *(stack, built_later, nested, shared, operators, functions, by_name, by_place),
    *(recurrent, attention, tokens),
]


def data_of(make: Callable[[Any], Any]) -> Any:
    """What a model of `make` is called with."""
    if make is by_name:
        return {"a": ROWS, "b": ROWS}
    if make is tokens:
        return (np.abs(ROWS) * 3).astype(np.int32) % 7
    return [ROWS, ROWS] if make is by_place else ROWS


OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda k: k.optimizers.Adam(amsgrad=True),
    lambda k: k.optimizers.RMSprop(centered=True, momentum=0.5),
    lambda k: k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9), momentum=0.9),
    lambda k: k.optimizers.Nadam(clipnorm=1.0),
    lambda k: k.optimizers.Muon(0.01, nesterov=False, exclude_layers=["dense_1"]),
]
