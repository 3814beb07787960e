"""Regression on ten measurements, five of which matter: Friedman's first benchmark.

    python examples/keras_regression.py [--epochs 60] [--seed 0]

y = 10 sin(π a b) + 20 (c - 1/2)² + 10 d + 5 e + noise of deviation 1 (Friedman, "Multivariate
adaptive regression splines", 1991). A network is compared with the best straight line: how much of
the variance each explains on new samples. Expected outcome after 60 epochs: above 0.93, where the
line stays near 0.75 and nothing can exceed 0.96.
"""

import argparse

import numpy as np

from irflow import keras
from irflow.keras import layers


def samples(number, generator):
    x = generator.uniform(size=(number, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = y + 10 * x[:, 3] + 5 * x[:, 4] + generator.normal(size=number)
    return x.astype("float32"), y.astype("float32")[:, np.newaxis]


def line(x, y):
    """The coefficients of least squares, the constant last."""
    return np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]


def explained(y, guesses):
    """The part of the variance of `y` that the guesses explain."""
    return 1 - float(np.mean((y - guesses) ** 2) / np.var(y))


def main() -> None:
    parser = argparse.ArgumentParser(description="Regression on Friedman's first benchmark.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    x, y = samples(4000, generator)
    x_test, y_test = samples(1000, generator)
    normalization = layers.Normalization()
    normalization.adapt(x)
    model = keras.Sequential(
        [
            keras.Input((10,)),
            normalization,
            layers.Dense(64, activation="gelu"),
            layers.Dense(64, activation="gelu"),
            layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.AdamW(3e-3, weight_decay=0.02)
    model.compile(optimizer, keras.losses.Huber(2.0), metrics=["mae", keras.metrics.R2Score()])
    slower = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=4)
    model.fit(
        x,
        y,
        batch_size=64,
        epochs=options.epochs,
        validation_split=0.1,
        callbacks=[slower],
        verbose=2,
    )
    found = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    straight = np.c_[x_test, np.ones(len(x_test))] @ line(x, y)
    print(f"mean absolute error: {found['mae']:.3f}")
    print(f"variance explained by the line: {explained(y_test, straight):.4f}")
    print(f"variance explained by the network: {found['r2_score']:.4f}")


if __name__ == "__main__":
    main()
