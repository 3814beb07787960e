"""A layer, a loss, a metric function and a callback of one's own; a schedule of learning rates."""

from irflow import keras
from irflow.datasets import split_digits
from irflow.keras import layers, ops

(x_train, y_train), (x_test, y_test) = split_digits()
x_train = x_train.reshape(-1, 64).astype("float32") / 16
x_test = x_test.reshape(-1, 64).astype("float32") / 16
y_train = keras.utils.to_categorical(y_train)
y_test = keras.utils.to_categorical(y_test, num_classes=10)


class Linear(layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True
        )
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def surest(y_true, y_pred):
    return ops.mean(ops.max(y_pred, axis=-1))


class Announce(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        if logs["accuracy"] > 0.995:
            self.model.stop_training = True


def schedule(epoch, lr):
    return lr if epoch < 10 else lr * 0.9


model = keras.Sequential([Linear(64), layers.Activation("relu"), layers.Dense(10, "softmax")])
model.compile(optimizer=keras.optimizers.Adam(5e-3), loss=squared, metrics=["accuracy", surest])
announce = Announce()
history = model.fit(
    x_train,
    y_train,
    epochs=15,
    batch_size=64,
    verbose=0,
    callbacks=[announce, keras.callbacks.LearningRateScheduler(schedule)],
)
print("losses:", [round(float(loss), 4) for loss in announce.losses])
score = model.evaluate(x_test, y_test, verbose=0)[1]
predictions = model.predict(x_test)
