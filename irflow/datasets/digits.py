"""The UCI optical handwritten digits: 1,797 images of 8 × 8 cells, a file of 45 kB in the package.

The test part of E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0 (`CITATION` stands beside the file).
"""

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from irflow.errors import UsageError

Bytes = NDArray[np.uint8]
Labelled = tuple[Bytes, Bytes]

CLASSES = 10


def load_digits() -> Labelled:
    """All images and their labels, in the order of the source.

    Returns:
        images `u8[1797, 8, 8]`, each cell 0 (white) to 16 (black), and labels `u8[1797]`, 0 to 9.
        The arrays are the caller's own.

    Example:
        >>> images, labels = load_digits()
        >>> images.shape, int(images.max()), int(labels[0])
        ((1797, 8, 8), 16, 0)
    """
    source = resources.files("irflow.datasets").joinpath("digits.npz")
    with source.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]


def split_digits(seed: int = 0, held_back: int = 360) -> tuple[Labelled, Labelled]:
    """Split the digits into a training and a test part in which every digit is equally frequent.

    A class of `c` of the `n` images puts `c · held_back / n` of them into the test part, rounded so
    that the sum is `held_back`. Both parts are shuffled. The split depends on `seed` and
    `held_back` alone: it is the same on every machine and with every version of NumPy.

    Args:
        seed: 0 to 2³² - 1.
        held_back: size of the test part, 0 to 1797.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[1797 - held_back, 8, 8]` with labels
        `u8[1797 - held_back]`, then `u8[held_back, 8, 8]` with `u8[held_back]`.

    Raises:
        UsageError: `held_back` is negative or more than there are images.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = split_digits()
        >>> len(x_train), len(x_test)
        (1437, 360)
    """
    images, labels = load_digits()
    if not 0 <= held_back <= len(labels):
        raise UsageError(f"split_digits: held_back is {held_back}, not within 0 to {len(labels)}")
    # The legacy generator is the one whose stream NumPy promises never to change (NEP 19).
    random = np.random.RandomState(seed)
    shares = _shares(np.bincount(labels, minlength=CLASSES), held_back)
    by_class = [random.permutation(np.flatnonzero(labels == c)) for c in range(CLASSES)]
    test = np.concatenate([rows[:k] for rows, k in zip(by_class, shares, strict=True)])
    train = np.concatenate([rows[k:] for rows, k in zip(by_class, shares, strict=True)])
    train, test = random.permutation(train), random.permutation(test)
    return (images[train], labels[train]), (images[test], labels[test])


def _shares(counts: NDArray[np.intp], total: int) -> list[int]:
    """Cut `total` in proportion to `counts`; the largest remainders are rounded up."""
    whole, rest = np.divmod(counts * total, counts.sum())
    whole[np.argsort(-rest, kind="stable")[: total - whole.sum()]] += 1
    return [int(share) for share in whole]
