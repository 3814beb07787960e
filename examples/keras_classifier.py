"""Classify images with a dense network: build, compile, fit, evaluate, predict.

    python examples/keras_classifier.py [--data digits|mnist|fashion_mnist] [--epochs 60] [--seed 0]

The digits of 8 × 8 pixels are in the package; the other sets are read from where
`keras.datasets` finds them, or downloaded. Training ends early when the held-out images are
classified no better for 8 epochs. Expected outcome on the digits: a test accuracy above 0.96, and
the digits that are mistaken for each other most.
"""

import argparse

import numpy as np

from irflow import keras
from irflow.keras import layers


def build(shape):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            layers.Dense(128, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )


def commonest_mistakes(labels, guesses, number=3):
    """`(how often, label, guess)`, most often first."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, guesses), 1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:number]
    return [(int(counts.flat[i]), *map(int, divmod(int(i), 10))) for i in order if counts.flat[i]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Classify images with a dense network.")
    parser.add_argument("--data", choices=["digits", "mnist", "fashion_mnist"], default="digits")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, options.data).load_data()
    highest = x_train.max()
    x_train, x_test = (x.astype("float32") / highest for x in (x_train, x_test))
    model = build(x_train.shape[1:])
    model.summary()
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=8, restore_best_weights=True)
    history = model.fit(
        x_train,
        y_train,
        batch_size=32,
        epochs=options.epochs,
        validation_split=0.1,
        callbacks=[stop],
        verbose=2,
    ).history
    print(f"{len(history['loss'])} epochs, best validation {max(history['val_accuracy']):.4f}")
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    guesses = np.argmax(model.predict(x_test, verbose=0), axis=1)
    for count, label, guess in commonest_mistakes(y_test, guesses):
        print(f"{label} taken for {guess}: {count} times")
    print(f"test loss: {loss:.4f}")
    print(f"test accuracy: {accuracy:.4f}")


if __name__ == "__main__":
    main()
