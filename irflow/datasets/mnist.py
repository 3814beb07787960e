"""MNIST: 60,000 training and 10,000 test images of 28 × 28.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", 1998: four IDX
files, or all of them as the one `mnist.npz` that Keras publishes.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from irflow.datasets.arrays import read_npz
from irflow.datasets.download import Content, download
from irflow.datasets.files import File, fetched, places
from irflow.datasets.idx import read_idx
from irflow.errors import ArtifactError

Bytes = NDArray[np.uint8]
Labelled = tuple[Bytes, Bytes]

SIDE = 28
CLASSES = 10


class IdxFile(NamedTuple):
    """One of the four files: its name without `.gz`, and the size and SHA-256 of it unpacked."""

    name: str
    size: int
    sha256: str


# fmt: off
TRAIN_IMAGES = IdxFile("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db")  # noqa: E501
TRAIN_LABELS = IdxFile("train-labels-idx1-ubyte",     60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")  # noqa: E501
TEST_IMAGES  = IdxFile("t10k-images-idx3-ubyte",   7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7")  # noqa: E501
TEST_LABELS  = IdxFile("t10k-labels-idx1-ubyte",      10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")  # noqa: E501
# fmt: on
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

ARCHIVE = File(
    "mnist.npz",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    Content(11_490_434, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),
)
MEMBERS = ("x_train", "y_train", "x_test", "y_test")


def load_mnist(
    folder: str | os.PathLike[str] | None = None, *, url: str | None = None
) -> tuple[Labelled, Labelled]:
    """Read MNIST from a folder with its four IDX files, plain or as `.gz`, or with `mnist.npz`.

    Without `folder`, the files are looked for in the folder that `IRFLOW_DATA` names, in `mnist`
    within it, in Keras's folder (`~/.keras/datasets`) and in the cache folder
    (`~/.cache/irflow/mnist`). Where they are in none of these, they are downloaded into `folder`,
    or into the cache folder: the IDX files from the base URL if there is one, otherwise
    `mnist.npz`. Only the content of the original files (by SHA-256) is accepted from the network.

    Args:
        folder: where the files are; no other place is tried.
        url: base URL to download IDX files from, by default that in `IRFLOW_MNIST_URL`. They are
            asked for as `{url}/train-images-idx3-ubyte.gz` and so on.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[60000, 28, 28]`, 0 (background) to 255,
        with labels `u8[60000]`, 0 to 9; then `u8[10000, 28, 28]` with `u8[10000]`.

    Raises:
        ArtifactError: the files are nowhere (the message says where it looked) and a download fails
            or has other content, or a file is damaged.

    Example:
        (x_train, y_train), (x_test, y_test) = load_mnist("data/mnist")
    """
    candidates = places("mnist", folder)
    found = next((place for place in candidates if not _missing(place)), None)
    base = url or os.environ.get("IRFLOW_MNIST_URL")
    if found is None and base:
        found = _fetch(candidates[-1], base)
    if found is None:
        return read_archive(fetched("mnist", ARCHIVE, folder))
    return _part(found, TRAIN_IMAGES, TRAIN_LABELS), _part(found, TEST_IMAGES, TEST_LABELS)


def read_archive(path: Path) -> tuple[Labelled, Labelled]:
    """MNIST, or a set of the same shape, from an `.npz` file with Keras's names."""
    x_train, y_train, x_test, y_test = read_npz(path, MEMBERS)
    return (
        checked(path, x_train, y_train, "train"),
        checked(path, x_test, y_test, "test"),
    )


def _fetch(target: Path, url: str) -> Path:
    """Download the IDX files that `target` lacks."""
    for file in _missing(target):
        name = file.name + ".gz"
        content = Content(file.size, file.sha256, is_unpacked=True)
        download(f"{url.rstrip('/')}/{name}", target / name, content)
    return target


def _missing(folder: Path) -> list[IdxFile]:
    return [file for file in FILES if _find(folder, file) is None]


def _find(folder: Path, file: IdxFile) -> Path | None:
    """The file in `folder`, plain or gzipped, or None."""
    candidates = (folder / file.name, folder / (file.name + ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _part(folder: Path, images_file: IdxFile, labels_file: IdxFile) -> Labelled:
    images = _read(folder, images_file, rank=3)
    labels = _read(folder, labels_file, rank=1)
    return checked(folder, images, labels, labels_file.name)


def checked(place: Path, images: np.ndarray, labels: np.ndarray, part: str) -> Labelled:
    """Images and labels that fit each other."""
    if images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise _wrong(place, part, f"elements are {images.dtype} and {labels.dtype}, not bytes")
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise _wrong(place, part, f"images are {images.shape[1:]}, not {(SIDE, SIDE)}")
    if labels.shape != images.shape[:1]:
        raise _wrong(place, part, f"{labels.size} labels for {len(images)} images")
    if labels.max(initial=0) >= CLASSES:
        raise _wrong(place, part, f"label {labels.max()} is not a class")
    return images, labels


def _read(folder: Path, file: IdxFile, rank: int) -> Bytes:
    path = _find(folder, file)
    if path is None:
        raise _wrong(folder, file.name, "the file was removed while it was needed")
    return read_idx(path, rank)


def _wrong(place: Path, part: str, what: str) -> ArtifactError:
    return ArtifactError(f"MNIST, {part}: {what}", facts=[("in", place)])
