"""Train the classic image classifier on MNIST's 60,000 images.

    python examples/train_mnist.py [--data FOLDER] [--backend llvm] [--epochs 5] [--seed 0]

The four files of MNIST are read from FOLDER, from $IRFLOW_DATA, from ../shared/data/mnist or from
the cache folder, whichever comes first; `irflow.datasets.load_mnist` tells how to get them.
Expected outcome: about 0.977 after 5 epochs.
"""

import argparse
import time
from pathlib import Path

from rich.progress import track

from irflow.datasets import load_mnist
from irflow.demo.classifier import Trainer, as_floats

NEAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the classic classifier on MNIST.")
    parser.add_argument("--data", type=Path, default=NEAR if NEAR.is_dir() else None)
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    (x_train, y_train), (x_test, y_test) = load_mnist(options.data)
    images, test = as_floats(x_train, 255), as_floats(x_test, 255)
    trainer = Trainer(images, y_train, seed=options.seed, backend=options.backend)
    start = time.perf_counter()
    for _ in track(range(options.epochs), description="training"):
        loss = trainer.epoch()
    seconds = time.perf_counter() - start
    print(f"loss {loss:.4f}, {options.epochs * len(images) / seconds:,.0f} images/s")
    print(f"test accuracy: {trainer.accuracy(test, y_test):.4f}")


if __name__ == "__main__":
    main()
