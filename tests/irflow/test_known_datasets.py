"""Data sets with Keras's signatures: over HTTP, from folders, from damaged and hostile files."""

import contextlib
import gzip
import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from irflow.datasets import cifar10, fashion_mnist, imdb, mnist
from irflow.datasets.download import Content
from irflow.datasets.files import File
from irflow.datasets.ragged import read_ragged
from irflow.errors import ArtifactError, UsageError
from irflow.keras import datasets
from tests.irflow.file_server import serving
from tests.irflow.test_datasets import bare, idx  # noqa: F401

IMAGES = np.arange(3 * 784).reshape(3, 28, 28).astype(np.uint8)
LABELS = np.array([3, 1, 2], np.uint8)
REVIEWS = [[1, 2, 3, 40], [2, 5], [1, 70000, 2, 9, 300]]


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def objects(rows: list[object]) -> np.ndarray:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def records(seed: int) -> bytes:
    random = np.random.default_rng(seed)
    return random.integers(0, 10, (4, cifar10.RECORD)).astype(np.uint8).tobytes()


MNIST = {"mnist.npz": npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])}
FASHION = {
    name + fashion_mnist.SUFFIX: gzip.compress(idx(LABELS if "labels" in name else IMAGES))
    for name in fashion_mnist.CONTENTS
}
BATCHES = {
    f"{cifar10.FOLDER}/{name}": records(i)
    for i, name in enumerate((*cifar10.TRAINING, *cifar10.TEST))
}
CIFAR = {"cifar-10-binary.tar.gz": tar(BATCHES)}
IMDB = {
    "imdb.npz": npz(
        x_train=objects(REVIEWS), y_train=np.array([1, 0, 1]),
        x_test=objects(REVIEWS[:2]), y_test=np.array([0, 1]),
    ),
    "imdb_word_index.json": json.dumps({"the": 1, "film": 2}).encode(),
}  # fmt: skip


def content(file: bytes) -> Content:
    return Content(len(file), hashlib.sha256(file).hexdigest())


@pytest.fixture(autouse=True)
def small(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The small files stand for the real ones."""
    monkeypatch.setattr(mnist, "ARCHIVE", File("mnist.npz", "", content(MNIST["mnist.npz"])))
    contents = {name: content(FASHION[name + "-ubyte.gz"]) for name in fashion_mnist.CONTENTS}
    monkeypatch.setattr(fashion_mnist, "CONTENTS", contents)
    monkeypatch.setattr(cifar10, "IMAGES", 4)
    for module, name, files in [
        (cifar10, "ARCHIVE", CIFAR),
        (imdb, "ARCHIVE", IMDB),
        (imdb, "WORDS", IMDB),
    ]:
        old = getattr(module, name)
        monkeypatch.setattr(module, name, File(old.name, "", content(files[old.name])))


CASES = {
    "mnist": (datasets.mnist, MNIST, "mnist"),
    "fashion": (datasets.fashion_mnist, FASHION, "fashion-mnist"),
    "cifar10": (datasets.cifar10, CIFAR, "cifar10"),
    "imdb": (datasets.imdb, IMDB, "imdb"),
}


@pytest.mark.parametrize("case", CASES)
def test_downloaded_once_then_read_without_a_server(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, files, folder = CASES[case]
    with serving({f"{folder}/{name}": data for name, data in files.items()}) as server:
        monkeypatch.setenv("IRFLOW_DATA_URL", server.url)
        first = module.load_data()
        assert set(server.asked) <= set(server.files)
        count = len(server.asked)
    again = module.load_data()  # nobody answers any more
    for part, same in zip(first, again, strict=True):
        for a, b in zip(part, same, strict=True):
            assert a.tolist() == b.tolist()
    assert count in (1, 4)


@pytest.mark.parametrize("case", CASES)
def test_keras_own_folder_is_used(case: str, tmp_path: Path) -> None:
    module, files, folder = CASES[case]
    place = tmp_path / "keras" / "datasets" / ("" if case in ("mnist", "imdb") else folder)
    place.mkdir(parents=True)
    for name, data in files.items():
        (place / name).write_bytes(data)
    (x_train, y_train), (x_test, y_test) = module.load_data()
    assert (len(x_train), len(x_test)) == (len(y_train), len(y_test))


def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("IRFLOW_DATA", str(tmp_path))


def test_cifar10_has_its_channels_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, monkeypatch, CIFAR)
    (x_train, y_train), (_, y_test) = datasets.cifar10.load_data()
    assert x_train.shape == (20, 32, 32, 3)
    assert y_test.shape == (4, 1)
    raw = np.frombuffer(records(1), np.uint8).reshape(4, -1)
    assert y_train[4:8, 0].tolist() == raw[:, 0].tolist()
    assert x_train[5, 2, 7, 1] == raw[1, 1 + 1024 + 2 * 32 + 7]


def test_imdb_numbers_words_as_keras_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, monkeypatch, IMDB)
    order = np.arange(3)
    np.random.RandomState(113).shuffle(order)
    (x_train, y_train), _ = datasets.imdb.load_data()
    assert x_train.tolist() == [[1, *(w + 3 for w in REVIEWS[i])] for i in order]
    assert y_train.tolist() == [[1, 0, 1][i] for i in order]
    (few, _), _ = datasets.imdb.load_data(num_words=10, skip_top=5)
    assert few.tolist() == [[w if 5 <= w < 10 else 2 for w in row] for row in x_train]
    (bare_words, _), _ = datasets.imdb.load_data(
        num_words=10, start_char=None, oov_char=None, index_from=None
    )
    assert bare_words.tolist() == [[w for w in REVIEWS[i] if w < 10] for i in order]
    (short, _), (short_test, _) = datasets.imdb.load_data(maxlen=4)
    assert short.tolist() == [[1, 5, 8]] == short_test.tolist()
    with pytest.raises(UsageError, match="no review has fewer than 2 words"):
        datasets.imdb.load_data(maxlen=2)
    assert datasets.imdb.get_word_index() == {"the": 1, "film": 2}


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:invalid escape")  # in a damaged text
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_hostile_pickles_are_read_as_data(tmp_path: Path, protocol: int) -> None:
    good = pickle.dumps(objects(REVIEWS), protocol)
    assert read_ragged(io.BytesIO(good)) == REVIEWS
    for bad in ([Payload(tmp_path / "run")], [["a"]], [[1.5]], [7]):
        with pytest.raises(ArtifactError):
            read_ragged(io.BytesIO(pickle.dumps(objects(bad), protocol)))
    assert not (tmp_path / "run").exists()
    random = np.random.default_rng(protocol)
    for _ in range(200):
        damaged = bytearray(good[: random.integers(1, len(good) + 1)])
        damaged[random.integers(len(damaged))] = random.integers(256)
        with contextlib.suppress(ArtifactError):
            read_ragged(io.BytesIO(damaged))


DAMAGED = {
    "no member": ({"cifar-10-binary.tar.gz": tar({"x": b"1"})}, "it has no data_batch_1"),
    "short member": (
        {"cifar-10-binary.tar.gz": tar(BATCHES | {f"{cifar10.FOLDER}/test_batch.bin": b"12"})},
        "test_batch.bin has 2 bytes",
    ),
    "not an archive": ({"cifar-10-binary.tar.gz": b"<html>"}, "not the binary archive"),
    "cut": ({"cifar-10-binary.tar.gz": CIFAR["cifar-10-binary.tar.gz"][:500]}, "not the binary"),
    "no array": ({"mnist.npz": npz(x_train=IMAGES)}, "it has no array 'y_train'"),
    "objects": ({"mnist.npz": npz(x_train=objects([IMAGES]))}, "holds object elements"),
    "cut npz": ({"mnist.npz": MNIST["mnist.npz"][:-40]}, "not the file of a data set"),
    "labels": (
        {"mnist.npz": npz(x_train=IMAGES, y_train=LABELS[:2], x_test=IMAGES, y_test=LABELS)},
        "2 labels for 3 images",
    ),
}


@pytest.mark.parametrize(("files", "message"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], message: str
) -> None:
    put(tmp_path, monkeypatch, files)
    module = datasets.mnist if "mnist.npz" in files else datasets.cifar10
    with pytest.raises(ArtifactError, match=message):
        module.load_data()
