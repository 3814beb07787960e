"""A convolutional network, saved and loaded."""

import numpy as np

from irflow import keras
from irflow.keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from irflow.keras.models import Sequential, load_model

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = np.expand_dims(x_train.astype("float32") / 255, -1)
x_test = np.expand_dims(x_test.astype("float32") / 255, -1)
print("x_train shape:", x_train.shape)

model = Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        Conv2D(16, kernel_size=(3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Conv2D(32, (3, 3), activation="relu", padding="same"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dropout(0.25),
        Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(), optimizer="adam", metrics=["accuracy"]
)
history = model.fit(x_train, y_train, batch_size=64, epochs=3, validation_split=0.1)
test_loss, score = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy {score:.4f}, loss {test_loss:.4f}")

model.save("cnn.keras")
again = load_model("cnn.keras")
predictions = again.predict(x_test[:16])
assert np.allclose(predictions, model.predict(x_test[:16]), atol=1e-5)
print([int(np.argmax(p)) for p in predictions], y_test[:16])
