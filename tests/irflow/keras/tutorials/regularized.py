"""Early stopping and L2 on the handwritten digits, which come with irflow."""

import numpy as np

from irflow import keras
from irflow.datasets import split_digits
from irflow.keras import layers, regularizers
from irflow.keras.callbacks import EarlyStopping

(x_train, y_train), (x_test, y_test) = split_digits()
x_train, x_test = x_train / 16.0, x_test / 16.0

model = keras.Sequential(
    [
        layers.Input(shape=(8, 8)),
        layers.Flatten(),
        layers.Dense(64, activation="relu", kernel_regularizer=regularizers.l2(1e-4)),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(32, activation="elu", kernel_regularizer=keras.regularizers.L1L2(1e-6, 1e-4)),
        layers.Dense(10, activation="softmax"),
    ],
    name="digits",
)
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
stop = EarlyStopping(monitor="val_loss", patience=2, min_delta=0.02, restore_best_weights=True)
history = model.fit(
    x_train,
    y_train,
    validation_data=(x_test, y_test),
    epochs=100,
    batch_size=64,
    callbacks=[stop],
    verbose=2,
)
print("stopped after", len(history.history["val_loss"]), "epochs; best:", stop.best_epoch)
print("best val_accuracy:", max(history.history["val_accuracy"]))
loss, score = model.evaluate(x_test, y_test)
predictions = model.predict(x_test)
y_pred = np.argmax(predictions, axis=-1)
confusion = np.zeros((10, 10), dtype=int)
np.add.at(confusion, (y_test, y_pred), 1)
print(confusion)
