"""The MNIST database of handwritten digits."""

from pathlib import Path

from irflow.datasets.mnist import Labelled, load_mnist, read_archive

__all__ = ["load_data"]


def load_data(path: str = "mnist.npz") -> tuple[Labelled, Labelled]:
    """60,000 training and 10,000 test images of 28 × 28.

    Args:
        path: an `.npz` file of one's own to read instead; by default `irflow.datasets.load_mnist`
            finds the files, or downloads them.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[60000, 28, 28]`, 0 to 255, with labels
        `u8[60000]`, 0 to 9; then `u8[10000, 28, 28]` with `u8[10000]`.

    Raises:
        ArtifactError: a download fails or has other content, or a file is damaged.
    """
    return read_archive(Path(path)) if Path(path).is_file() else load_mnist()
