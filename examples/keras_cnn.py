"""A convolutional network on the digits: augmentation, batch normalization, a falling rate.

    python examples/keras_cnn.py [--epochs 30] [--seed 0]

The images are moved, turned and zoomed a little by layers that do so in training only. The model is
saved, loaded again and must classify as before. Expected outcome after 30 epochs: a test accuracy
above 0.98 on the 360 images that are held back.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from irflow import keras
from irflow.keras import layers

BATCH = 64


def block(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation("relu")(x)


def build():
    inputs = keras.Input((8, 8, 1))
    x = layers.Rescaling(1 / 16)(inputs)
    x = layers.RandomTranslation(0.08, 0.08, fill_mode="constant")(x)
    x = layers.RandomRotation(0.03, fill_mode="constant")(x)
    x = layers.RandomZoom(0.1, fill_mode="constant")(x)
    x = block(block(x, 16), 32)
    x = layers.MaxPooling2D()(x)
    x = block(x, 64)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="digits")


def main() -> None:
    parser = argparse.ArgumentParser(description="A convolutional network on the digits.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    (x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data()
    x_train, x_test = (x[..., np.newaxis].astype("float32") for x in (x_train, x_test))
    model = build()
    steps = options.epochs * -(-len(x_train) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=BATCH, epochs=options.epochs, verbose=2)
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.irflow"
        model.save(path)
        again = keras.models.load_model(path)
        same = np.array_equal(model.predict(x_test, verbose=0), again.predict(x_test, verbose=0))
        print(f"saved in {path.stat().st_size:,} bytes; predicts the same when loaded: {same}")
    print(f"test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
