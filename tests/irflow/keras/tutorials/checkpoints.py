"""The best weights are kept, loaded into a new model, and the rates fall by a schedule."""

import os

import irflow as tf
from irflow import keras
from irflow.datasets import split_digits

(train_images, train_labels), (test_images, test_labels) = split_digits()
train_images = train_images.reshape(-1, 8 * 8) / 16.0
test_images = test_images.reshape(-1, 8 * 8) / 16.0


def create_model():
    model = tf.keras.models.Sequential(
        [
            keras.layers.Dense(64, activation="relu", input_shape=(64,)),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=100, decay_rate=0.9)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
    )
    return model


model = create_model()
checkpoint_path = "training_1/best.weights.h5"
keep = keras.callbacks.ModelCheckpoint(
    filepath=checkpoint_path,
    monitor="val_sparse_categorical_accuracy",
    save_best_only=True,
    save_weights_only=True,
    verbose=1,
)
history = model.fit(
    train_images,
    train_labels,
    epochs=8,
    validation_data=(test_images, test_labels),
    callbacks=[keep],
)
print(os.listdir("training_1"))

best = max(history.history["val_sparse_categorical_accuracy"])
fresh = create_model()
loss, acc = fresh.evaluate(test_images, test_labels, verbose=2)
print("Untrained model, accuracy: {:5.2f}%".format(100 * acc))
fresh.load_weights(checkpoint_path)
loss, score = fresh.evaluate(test_images, test_labels, verbose=2)
print("Restored model, accuracy: {:5.2f}%".format(100 * score))
assert abs(score - best) < 1e-6
predictions = fresh.predict(test_images)
