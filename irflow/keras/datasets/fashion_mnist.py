"""Fashion-MNIST, images of clothes in the format of MNIST."""

from irflow.datasets.fashion_mnist import load_fashion_mnist
from irflow.datasets.mnist import Labelled

__all__ = ["load_data"]


def load_data() -> tuple[Labelled, Labelled]:
    """60,000 training and 10,000 test images of 28 × 28, of ten kinds of clothes.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[60000, 28, 28]` with labels `u8[60000]`;
        then `u8[10000, 28, 28]` with `u8[10000]`. The labels: 0 T-shirt, 1 trousers, 2 pullover,
        3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Raises:
        ArtifactError: a download fails or has other content, or a file is damaged.
    """
    return load_fashion_mnist()
