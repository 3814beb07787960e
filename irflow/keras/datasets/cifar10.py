"""CIFAR-10, small photographs of ten classes."""

from irflow.datasets.cifar10 import load_cifar10
from irflow.datasets.mnist import Labelled

__all__ = ["load_data"]


def load_data() -> tuple[Labelled, Labelled]:
    """50,000 training and 10,000 test images of 32 × 32 in colour.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[50000, 32, 32, 3]` with labels
        `u8[50000, 1]`; then `u8[10000, 32, 32, 3]` with `u8[10000, 1]`. The labels: 0 airplane,
        1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse, 8 ship, 9 truck.

    Raises:
        ArtifactError: a download fails or has other content, or a file is damaged.
    """
    return load_cifar10()
