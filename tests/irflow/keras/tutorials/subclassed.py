"""A subclassed model, trained by a loop of one's own with a tape."""

import numpy as np

import irflow as tf
from irflow.keras import Model
from irflow.keras.layers import Conv2D, Dense, Flatten

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0
x_train = x_train[:160, ..., np.newaxis].astype("float32")
x_test = x_test[:160, ..., np.newaxis].astype("float32")


class MyModel(Model):
    def __init__(self):
        super().__init__()
        self.conv1 = Conv2D(8, 3, activation="relu")
        self.flatten = Flatten()
        self.d1 = Dense(32, activation="relu")
        self.d2 = Dense(10)

    def call(self, x):
        x = self.conv1(x)
        x = self.flatten(x)
        x = self.d1(x)
        return self.d2(x)


model = MyModel()
loss_object = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = tf.keras.optimizers.Adam(5e-3)
train_loss = tf.keras.metrics.Mean(name="train_loss")
train_accuracy = tf.keras.metrics.SparseCategoricalAccuracy(name="train_accuracy")
test_accuracy = tf.keras.metrics.SparseCategoricalAccuracy(name="test_accuracy")


def train_step(images, labels):
    with tf.GradientTape() as tape:
        predictions = model(images, training=True)
        loss = loss_object(labels, predictions)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    train_loss(loss)
    train_accuracy(labels, predictions)


for epoch in range(5):
    train_loss.reset_state()
    train_accuracy.reset_state()
    test_accuracy.reset_state()
    for start in range(0, len(x_train), 32):
        train_step(x_train[start : start + 32], y_train[start : start + 32])
    test_accuracy(y_test[:160], model(x_test, training=False))
    print(
        f"Epoch {epoch + 1}, Loss: {train_loss.result():.3f}, "
        f"Accuracy: {train_accuracy.result() * 100:.1f}, "
        f"Test accuracy: {test_accuracy.result() * 100:.1f}"
    )
score = float(test_accuracy.result())
predictions = model(x_test[:4]).numpy()
