"""MNIST: 60,000 training and 10,000 test images of 28 × 28, from four IDX files.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", 1998. The files
are the user's: they are found in a folder, or fetched from a base URL that the user names.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from irflow.datasets.download import download
from irflow.datasets.idx import read_idx
from irflow.errors import ArtifactError

Bytes = NDArray[np.uint8]
Labelled = tuple[Bytes, Bytes]

SIDE = 28
CLASSES = 10


class File(NamedTuple):
    """One of the four files: its name without `.gz`, and the size and SHA-256 of it unpacked."""

    name: str
    size: int
    sha256: str


# fmt: off
TRAIN_IMAGES = File("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db")  # noqa: E501
TRAIN_LABELS = File("train-labels-idx1-ubyte",     60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5")  # noqa: E501
TEST_IMAGES  = File("t10k-images-idx3-ubyte",   7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7")  # noqa: E501
TEST_LABELS  = File("t10k-labels-idx1-ubyte",      10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")  # noqa: E501
# fmt: on
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def load_mnist(
    folder: str | os.PathLike[str] | None = None, *, url: str | None = None
) -> tuple[Labelled, Labelled]:
    """Read MNIST from a folder with its four IDX files, each plain or as `.gz`.

    Without `folder`, the files are looked for in the folder that `IRFLOW_DATA` names, in `mnist`
    within it, and in the cache folder (`~/.cache/irflow/mnist`). Where they are in none of these
    and a base URL is known, what is missing is downloaded into `folder`, or into the cache folder;
    only files with the content of the original ones (by SHA-256) are accepted from the network.

    Args:
        folder: where the files are; no other place is tried.
        url: base URL to download from, by default that in `IRFLOW_MNIST_URL`. The files are asked
            for as `{url}/train-images-idx3-ubyte.gz` and so on.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[60000, 28, 28]`, 0 (background) to 255,
        with labels `u8[60000]`, 0 to 9; then `u8[10000, 28, 28]` with `u8[10000]`.

    Raises:
        ArtifactError: the files are nowhere and no URL is known (the message says where it looked),
            a download fails or has other content, or a file is damaged.

    Example:
        (x_train, y_train), (x_test, y_test) = load_mnist("data/mnist")
    """
    places = _places(folder)
    found = next((place for place in places if not _missing(place)), None)
    if found is None:
        found = _fetch(places, url or os.environ.get("IRFLOW_MNIST_URL"))
    return _part(found, TRAIN_IMAGES, TRAIN_LABELS), _part(found, TEST_IMAGES, TEST_LABELS)


def _places(folder: str | os.PathLike[str] | None) -> list[Path]:
    """The folders to look in, in order; the last one is where downloads go."""
    if folder is not None:
        return [Path(folder)]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "irflow" / "mnist"
    data = os.environ.get("IRFLOW_DATA")
    return [Path(data), Path(data, "mnist"), cache] if data else [cache]


def _fetch(places: list[Path], url: str | None) -> Path:
    """Download what the last place lacks, and return that place."""
    target = places[-1]
    if not url:
        raise ArtifactError(
            "load_mnist: the four files are not here, and no URL to fetch them from is set",
            facts=[
                *(("looked in", place) for place in places),
                *(("needed", file.name, "or", file.name + ".gz") for file in FILES),
            ],
            hint="put them into a folder and pass it, or set IRFLOW_DATA to that folder,"
            " or IRFLOW_MNIST_URL to a base URL that serves the .gz files",
        )
    for file in _missing(target):
        name = file.name + ".gz"
        download(f"{url.rstrip('/')}/{name}", target / name, file.size, file.sha256)
    return target


def _missing(folder: Path) -> list[File]:
    return [file for file in FILES if _find(folder, file) is None]


def _find(folder: Path, file: File) -> Path | None:
    """The file in `folder`, plain or gzipped, or None."""
    candidates = (folder / file.name, folder / (file.name + ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _part(folder: Path, images_file: File, labels_file: File) -> Labelled:
    images = _read(folder, images_file, rank=3)
    labels = _read(folder, labels_file, rank=1)
    if images.shape[1:] != (SIDE, SIDE):
        raise _wrong(folder, images_file, f"images are {images.shape[1:]}, not {(SIDE, SIDE)}")
    if len(images) != len(labels):
        raise _wrong(folder, labels_file, f"{len(labels)} labels for {len(images)} images")
    if labels.max(initial=0) >= CLASSES:
        raise _wrong(folder, labels_file, f"label {labels.max()} is not a digit")
    return images, labels


def _read(folder: Path, file: File, rank: int) -> Bytes:
    path = _find(folder, file)
    if path is None:
        raise _wrong(folder, file, "the file was removed while it was needed")
    return read_idx(path, rank)


def _wrong(folder: Path, file: File, what: str) -> ArtifactError:
    return ArtifactError(f"load_mnist: {file.name}: {what}", facts=[("in", folder)])
