"""The UCI handwritten digits, which come with irflow."""

from irflow.datasets.digits import Labelled, split_digits

__all__ = ["load_data"]


def load_data(seed: int = 0) -> tuple[Labelled, Labelled]:
    """1,437 training and 360 test images of 8 × 8, without any download.

    Args:
        seed: of the split into the two parts.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[1437, 8, 8]`, 0 to 16, with labels
        `u8[1437]`, 0 to 9; then `u8[360, 8, 8]` with `u8[360]`.
    """
    return split_digits(seed)
