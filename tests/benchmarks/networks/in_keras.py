"""The networks that are trained as users of Keras write them; `fit` of one epoch at a time.

`keras` is irflow's or Keras itself, on the backend that `KERAS_BACKEND` names.
"""

import os
from collections.abc import Callable
from typing import Any

from networks import architectures as sizes
from networks.drawing import BATCHES, data
from networks.threads import THREADS

Epoch = Callable[[], float]


def _cnn(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


def _lstm(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((sizes.LSTM_STEPS,), dtype="int32"),
            layers.Embedding(sizes.LSTM_WORDS, sizes.LSTM_WIDTH),
            layers.LSTM(sizes.LSTM_UNITS),
            layers.Dense(1),
        ]
    )


def _gpt(keras: Any) -> Any:
    layers, width, heads = keras.layers, sizes.GPT_WIDTH, sizes.GPT_HEADS

    class Places(layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=tuple(shape[1:]), initializer="random_normal")

        def call(self, x: Any) -> Any:
            return x + self.table

    letters = keras.Input((sizes.GPT_STEPS,), dtype="int32")
    x = Places()(layers.Embedding(sizes.GPT_LETTERS, width)(letters))
    for _ in range(sizes.GPT_BLOCKS):
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        attention = layers.MultiHeadAttention(heads, width // heads)
        x = x + attention(normal, normal, use_causal_mask=True)
        normal = layers.LayerNormalization(epsilon=1e-5)(x)
        x = x + layers.Dense(width)(layers.Dense(4 * width, activation="gelu")(normal))
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model(letters, layers.Dense(sizes.GPT_LETTERS)(x))


def fitting(keras: Any, kind: str) -> Epoch:
    """An epoch; it gives the mean loss."""
    keras.utils.set_random_seed(0)
    model = {"cnn": _cnn, "lstm": _lstm, "gpt": _gpt}[kind](keras)
    losses = keras.losses
    classes = losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = losses.BinaryCrossentropy(from_logits=True) if kind == "lstm" else classes
    model.compile(optimizer="adam", loss=loss)
    x, y = data(kind)

    def epoch() -> float:
        history = model.fit(x, y, batch_size=BATCHES[kind], epochs=1, verbose=0)
        return float(history.history["loss"][-1])

    return epoch


def irflow_fit(kind: str) -> Epoch:
    from irflow import keras

    return fitting(keras, kind)


def tensorflow_fit(kind: str) -> Epoch:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(THREADS)
    tensorflow.config.threading.set_inter_op_parallelism_threads(THREADS)
    import keras

    return fitting(keras, kind)


def jax_fit(kind: str) -> Epoch:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    return fitting(keras, kind)
