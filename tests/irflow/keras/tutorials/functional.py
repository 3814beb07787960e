"""Two outputs of one functional model: which digit, and whether it is even."""

import numpy as np

from irflow import keras
from irflow.datasets import split_digits
from irflow.keras import layers
from irflow.keras.models import Model

(x_train, y_train), (x_test, y_test) = split_digits()
x_train = x_train.reshape(-1, 64).astype("float32") / 16
x_test = x_test.reshape(-1, 64).astype("float32") / 16

inputs = keras.Input(shape=(64,), name="pixels")
x = layers.Dense(64, activation="relu")(inputs)
residual = x
x = layers.Dense(64, activation="relu")(x)
x = layers.add([x, residual])
digit = layers.Dense(10, activation="softmax", name="digit")(x)
both = layers.Concatenate()([x, digit])
even = layers.Dense(1, activation="sigmoid", name="even")(both)
model = Model(inputs=inputs, outputs=[digit, even], name="digit_and_parity")
model.summary()

model.compile(
    optimizer="adam",
    loss={"digit": "sparse_categorical_crossentropy", "even": "binary_crossentropy"},
    loss_weights={"digit": 1.0, "even": 0.5},
    metrics={"digit": ["accuracy"], "even": ["accuracy"]},
)
history = model.fit(
    {"pixels": x_train},
    {"digit": y_train, "even": (y_train % 2 == 0).astype("float32")},
    epochs=10,
    validation_split=0.2,
    verbose=2,
)
results = model.evaluate(
    x_test, {"digit": y_test, "even": (y_test % 2 == 0).astype("float32")}, return_dict=True
)
score = results["digit_accuracy"]
predictions, parity = model.predict(x_test)
print(np.argmax(predictions[:5], axis=1), parity[:5].round().ravel())

features = Model(model.input, model.get_layer("even").input)
print("features:", features.predict(x_test[:3]).shape)
