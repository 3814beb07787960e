"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28 × 28.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", 2017, MIT licence; checksums from its repository.
"""

import os
from pathlib import Path

from irflow.datasets.download import Content
from irflow.datasets.files import File, fetched
from irflow.datasets.idx import read_idx
from irflow.datasets.mnist import Labelled, checked

BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SUFFIX = "-ubyte.gz"

# fmt: off
CONTENTS = {
    "train-images-idx3": Content(26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),  # noqa: E501
    "train-labels-idx1": Content(    29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),  # noqa: E501
    "t10k-images-idx3":  Content( 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),  # noqa: E501
    "t10k-labels-idx1":  Content(     5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),  # noqa: E501
}
# fmt: on

FOLDER = "fashion-mnist"


def load_fashion_mnist(
    folder: str | os.PathLike[str] | None = None,
) -> tuple[Labelled, Labelled]:
    """Fashion-MNIST from its four files, which are downloaded where they are nowhere yet.

    They are looked for where `load_mnist` looks, in folders named `fashion-mnist`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images `u8[60000, 28, 28]` with labels `u8[60000]`,
        0 to 9; then `u8[10000, 28, 28]` with `u8[10000]`.

    Raises:
        ArtifactError: a download fails or has other content, or a file is damaged.
    """
    return _part("train", folder), _part("t10k", folder)


def _part(prefix: str, folder: str | os.PathLike[str] | None) -> Labelled:
    images = _file(f"{prefix}-images-idx3", folder)
    labels = _file(f"{prefix}-labels-idx1", folder)
    return checked(labels, read_idx(images, rank=3), read_idx(labels, rank=1), prefix)


def _file(name: str, folder: str | os.PathLike[str] | None) -> Path:
    return fetched(FOLDER, File(name + SUFFIX, BASE + name + SUFFIX, CONTENTS[name]), folder)
