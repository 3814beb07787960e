"""A small GPT that learns to continue a text, character by character.

    python examples/keras_gpt.py [FILE] [--steps 500] [--letters 200] [--seed 0]

The text is FILE, or tiny-shakespeare where ../shared/data/tinyshakespeare has it, or irflow's own
source files. It prints the loss on a part of the text that is not trained on, beside that of
knowing only how often each character follows another one, and what the model writes. Expected
outcome on tiny-shakespeare after 500 steps: a loss below 2.1 nats, where pairs give 2.5.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import irflow
from irflow import keras
from irflow.keras import layers

WINDOW = 64
WIDTH = 96
HEADS = 4
BLOCKS = 2
BATCH = 32
NEAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare" / "input.txt"


class Positions(layers.Layer):
    """Adds a learned vector for each place in the window."""

    def build(self, shape):
        self.vectors = self.add_weight((WINDOW, shape[-1]), "normal", name="vectors")

    def call(self, x):
        return x + self.vectors[: x.shape[1]]


def block(x):
    """Attention to what came before, then a network for each place; both added to the input."""
    normal = layers.LayerNormalization()(x)
    attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
    x = x + attention(normal, normal, use_causal_mask=True)
    normal = layers.LayerNormalization()(x)
    return x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="gelu")(normal))


def build(letters):
    inputs = keras.Input((WINDOW,), dtype="int32")
    x = Positions()(layers.Embedding(letters, WIDTH)(inputs))
    for _ in range(BLOCKS):
        x = block(x)
    x = layers.LayerNormalization()(x)
    return keras.Model(inputs, layers.Dense(letters)(x), name="gpt")


def read(path):
    """The text of a file; irflow's own files where there is none."""
    if path is not None:
        return path.read_text("utf-8")
    sources = sorted(Path(irflow.__file__).parent.rglob("*.py"))
    return "\n".join(source.read_text("utf-8") for source in sources)


def windows(codes, starts):
    """Windows of codes, and those one character later."""
    places = np.asarray(starts)[:, None] + np.arange(WINDOW)
    return codes[places], codes[places + 1]


def loss_of_pairs(train, test, letters):
    """The loss of predicting each character from the one before by counts, in nats."""
    counts = np.ones((letters, letters))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    chances = counts / counts.sum(1, keepdims=True)
    return float(-np.log(chances[test[:-1], test[1:]]).mean())


def write(model, start, number, generator):
    """`number` codes after those of `start`, each drawn by the model's probabilities."""
    codes = list(start)
    for _ in range(number):
        logits = model.predict(np.array([codes[-WINDOW:]], np.int32), verbose=0)[0, -1]
        chances = np.exp((logits - logits.max()).astype(np.float64) / 0.8)
        codes.append(int(generator.choice(len(chances), p=chances / chances.sum())))
    return codes[len(start) :]


def main() -> None:
    parser = argparse.ArgumentParser(description="A small GPT over characters.")
    parser.add_argument("file", nargs="?", type=Path, default=NEAR if NEAR.is_file() else None)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--letters", type=int, default=200, help="how many are written at the end")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    alphabet, codes = np.unique(list(read(options.file)), return_inverse=True)
    codes = codes.astype(np.int32)
    cut = int(0.9 * len(codes))
    train, test = codes[:cut], codes[cut:]
    x, y = windows(train, generator.integers(0, cut - WINDOW, options.steps * BATCH))
    held = windows(test, range(0, min(len(test) - WINDOW, 200 * WINDOW), WINDOW))

    model = build(len(alphabet))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, options.steps, alpha=0.01, warmup_target=3e-3, warmup_steps=options.steps // 20
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0), loss)
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=2)
    rate = options.steps / (time.perf_counter() - start)
    print(f"{model.count_params():,} weights, {rate:.1f} steps/s")

    text = "".join(alphabet[write(model, test[:WINDOW], options.letters, generator)])
    print("-" * 72, text, "-" * 72, sep="\n")
    print(f"loss by pairs of characters: {loss_of_pairs(train, test, len(alphabet)):.3f}")
    print(f"validation loss: {model.evaluate(*held, verbose=0):.3f}")


if __name__ == "__main__":
    main()
