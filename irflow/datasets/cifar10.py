"""CIFAR-10: 50,000 training and 10,000 test images of 32 × 32 in colour, of ten classes.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The binary version is
read: a label and 3 × 1024 bytes an image; the one for Python is a pickle.
"""

import os
import tarfile
import zlib
from pathlib import Path

import numpy as np

from irflow.datasets.download import Content
from irflow.datasets.files import File, fetched
from irflow.datasets.mnist import Labelled
from irflow.errors import ArtifactError

ARCHIVE = File(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    Content(170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
)
FOLDER = "cifar-10-batches-bin"
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
SIDE, CHANNELS, CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE
IMAGES = 10_000  # in each file


def load_cifar10(folder: str | os.PathLike[str] | None = None) -> tuple[Labelled, Labelled]:
    """CIFAR-10 from its archive, which is downloaded (170 MB) where it is nowhere yet.

    It is looked for where `load_mnist` looks, in folders named `cifar10`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[50000, 32, 32, 3]` with labels
        `u8[50000, 1]`, 0 to 9; then `u8[10000, 32, 32, 3]` with `u8[10000, 1]`.

    Raises:
        ArtifactError: the download fails or has other content, or the file is damaged.
    """
    path = fetched("cifar10", ARCHIVE, folder)
    try:
        with tarfile.open(path, "r:gz") as archive:
            found = {name: _records(path, archive, name) for name in (*TRAINING, *TEST)}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    return _images([found[name] for name in TRAINING]), _images([found[name] for name in TEST])


def _records(path: Path, archive: tarfile.TarFile, name: str) -> np.ndarray:
    """The records of one file in the archive, `u8[10000, 3073]`."""
    try:
        member = archive.getmember(f"{FOLDER}/{name}")
    except KeyError:
        raise _damaged(path, f"it has no {name}") from None
    stream = archive.extractfile(member)
    if stream is None or member.size != IMAGES * RECORD:
        raise _damaged(path, f"{name} has {member.size} bytes, not {IMAGES * RECORD}")
    records = np.frombuffer(stream.read(member.size), np.uint8).reshape(IMAGES, RECORD)
    if records[:, 0].max() >= CLASSES:
        raise _damaged(path, f"{name}: label {records[:, 0].max()} is not a class")
    return records


def _images(files: list[np.ndarray]) -> Labelled:
    records = np.concatenate(files)
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, :1].copy()


def _damaged(path: Path, found: str) -> ArtifactError:
    return ArtifactError(
        "load_cifar10: not the binary archive of CIFAR-10", facts=[("found", found), ("in", path)]
    )
