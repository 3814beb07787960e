"""A price by its features: a normalization that adapts, and a learning rate that falls."""

import numpy as np

from irflow import keras
from irflow.keras import layers

rng = np.random.default_rng(0)
rooms = rng.integers(1, 8, size=600)
area = rng.normal(80, 25, size=600)
age = rng.uniform(0, 100, size=600)
features = np.stack([rooms, area, age], axis=1)
price = 10 * rooms + 0.5 * area - 0.2 * age + rng.normal(0, 2, size=600)
train_features, test_features = features[:500], features[500:]
train_labels, test_labels = price[:500], price[500:]

normalizer = layers.Normalization(axis=-1)
normalizer.adapt(np.array(train_features))

model = keras.Sequential(
    [
        normalizer,
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(loss="mean_absolute_error", optimizer=keras.optimizers.Adam(0.01), metrics=["mse"])
reduce = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3)
history = model.fit(
    train_features, train_labels, validation_split=0.2, verbose=0, epochs=60, callbacks=[reduce]
)
mae, mse = model.evaluate(test_features, test_labels, verbose=0)
predictions = model.predict(test_features)
error = predictions.flatten() - test_labels
variance = np.var(test_labels)
score = 1 - np.mean(error**2) / variance
print(f"mean absolute error {mae:.2f}, R² {score:.3f}")
print("last learning rate:", history.history["learning_rate"][-1])
