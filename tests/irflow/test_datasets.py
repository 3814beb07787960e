"""The digits in the package, the IDX reader against hostile files, MNIST from folders and HTTP."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from irflow.datasets import load_digits, load_mnist, mnist, split_digits
from irflow.datasets.download import Content, download
from irflow.datasets.idx import read_idx
from irflow.errors import ArtifactError, UsageError
from tests.irflow.file_server import Server, serving

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"


def idx(array: np.ndarray) -> bytes:
    """The IDX file of `array`."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def small_mnist() -> dict[str, bytes]:
    """Four unpacked files: five training and three test images."""
    images = np.arange(8 * 28 * 28).reshape(8, 28, 28) % 251
    labels = np.arange(8) % 10
    arrays = (images[:5], labels[:5], images[5:], labels[5:])
    return {file.name: idx(array) for file, array in zip(mnist.FILES, arrays, strict=True)}


# --- digits ---------------------------------------------------------------------------------------


def test_digits_are_the_1797_images_of_the_source() -> None:
    images, labels = load_digits()
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == (
        (1797, 8, 8),
        np.uint8,
        (1797,),
        np.uint8,
    )
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    content = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    assert content == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_digits_are_a_fresh_copy() -> None:
    load_digits()[0][:] = 99
    assert load_digits()[0].max() == 16


def test_split_has_the_sizes_asked_for_and_loses_no_image() -> None:
    (x_train, y_train), (x_test, y_test) = split_digits()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    images, labels = load_digits()
    rows = [*zip(x_train, y_train, strict=True), *zip(x_test, y_test, strict=True)]
    parts = sorted((x.tobytes(), int(y)) for x, y in rows)
    assert parts == sorted((x.tobytes(), int(y)) for x, y in zip(images, labels, strict=True))


@pytest.mark.parametrize("held_back", [360, 100, 7])
def test_split_is_stratified(held_back: int) -> None:
    counts = np.bincount(load_digits()[1])
    _, (_, y_test) = split_digits(seed=3, held_back=held_back)
    exact = counts * held_back / counts.sum()
    assert len(y_test) == held_back
    assert (np.abs(np.bincount(y_test, minlength=10) - exact) < 1).all()


def test_split_depends_on_the_seed_alone() -> None:
    first, again, other = (split_digits(seed)[1][1] for seed in (0, 0, 1))
    assert first[:12].tolist() == [7, 6, 3, 7, 7, 2, 2, 8, 9, 3, 2, 6]
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(("held_back", "sizes"), [(0, (1797, 0)), (1797, (0, 1797))])
def test_split_may_leave_a_part_empty(held_back: int, sizes: tuple[int, int]) -> None:
    (x_train, _), (x_test, _) = split_digits(held_back=held_back)
    assert (len(x_train), len(x_test)) == sizes


@pytest.mark.parametrize("held_back", [-1, 1798])
def test_split_refuses_an_impossible_size(held_back: int) -> None:
    with pytest.raises(UsageError, match=f"held_back is {held_back}, not within 0 to 1797"):
        split_digits(held_back=held_back)


# --- IDX ------------------------------------------------------------------------------------------

GOOD = idx(np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (5,), (2, 3, 4)])
def test_idx_round_trip(tmp_path: Path, pack: type[bytes], shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / "array"
    path.write_bytes(pack(idx(array)))
    read = read_idx(path, len(shape))
    assert read.dtype == np.uint8
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


WRONG_IDX = {
    "empty": (b"", "not an IDX file"),
    "not idx": (b"\x89PNG" + GOOD[4:], "not an IDX file"),
    "float elements": (GOOD[:2] + b"\x0d" + GOOD[3:], "element type"),
    "rank": (GOOD[:3] + b"\x03" + GOOD[4:], "rank"),
    "ends in the header": (GOOD[:9], "truncated"),
    "ends in the elements": (GOOD[:-1], "sizes of the header|truncated"),
    "one byte too many": (GOOD + b"\0", "content after the last element"),
    "huge sizes": (GOOD[:4] + b"\xff" * 8 + GOOD[12:], "sizes of the header"),
    "sizes that overflow to the right one": (
        GOOD[:4] + struct.pack(">II", 1 << 31, 1 << 31) + GOOD[12:],
        "sizes of the header",
    ),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "message"), WRONG_IDX.values(), ids=WRONG_IDX.keys())
def test_wrong_idx_is_refused(
    tmp_path: Path, pack: type[bytes], content: bytes, message: str
) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(pack(content))
    with pytest.raises(ArtifactError, match=f"IDX file wrong: ({message})"):
        read_idx(path, 2)


PACKED = gzip.compress(GOOD)
DAMAGED = {
    "cut": PACKED[:-9],
    "wrong checksum": PACKED[:-8] + PACKED[:-9:-1],
    "wrong block": PACKED[:10] + b"\xff" * 8 + PACKED[18:],
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="IDX file damaged: damaged gzip stream"):
        read_idx(path, 2)


# --- MNIST from a folder --------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No data folder, no URL, and an empty cache, whose `irflow/mnist` is returned."""
    for name in ("IRFLOW_DATA", "IRFLOW_DATA_URL", "IRFLOW_MNIST_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "irflow" / "mnist"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_mnist_from_a_folder_plain_and_gzipped(bare: Path, tmp_path: Path) -> None:
    files = small_mnist()
    images = files.pop("train-images-idx3-ubyte")
    folder = write(tmp_path / "data", files)
    write(folder, {"train-images-idx3-ubyte.gz": gzip.compress(images)})
    (x_train, y_train), (x_test, y_test) = load_mnist(folder)
    assert (x_train.shape, x_test.shape) == ((5, 28, 28), (3, 28, 28))
    assert (y_train.tolist(), y_test.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])
    assert x_test[0, 0, :2].tolist() == [5 * 784 % 251, (5 * 784 + 1) % 251]


@pytest.mark.parametrize("inside", ["", "mnist"])
def test_mnist_from_the_data_folder_of_the_environment(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    write(tmp_path / "data" / inside, small_mnist())
    monkeypatch.setenv("IRFLOW_DATA", str(tmp_path / "data"))
    assert len(load_mnist()[0][0]) == 5


def test_mnist_from_the_cache(bare: Path) -> None:
    write(bare, small_mnist())
    assert len(load_mnist()[1][0]) == 3


def test_absent_mnist_says_where_it_looked_and_what_to_do(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRFLOW_DATA", str(tmp_path / "nowhere"))
    with Server() as closed:
        monkeypatch.setenv("IRFLOW_DATA_URL", closed.url)
    with pytest.raises(ArtifactError, match="^download: no answer to use") as caught:
        load_mnist()
    text = str(caught.value)
    for place in (tmp_path / "nowhere", tmp_path / "nowhere" / "mnist", bare):
        assert f"looked in  {place}\n" in text
    assert "put mnist.npz into one of these folders" in text


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("t10k-images-idx3-ubyte", np.zeros((3, 27, 28)), r"images are \(27, 28\)"),
        ("t10k-images-idx3-ubyte", np.zeros((3, 784)), "rank"),
        ("t10k-labels-idx1-ubyte", np.zeros(4), "4 labels for 3 images"),
        ("t10k-labels-idx1-ubyte", np.array([1, 10, 2]), "label 10 is not a class"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(
    bare: Path, tmp_path: Path, name: str, array: np.ndarray, message: str
) -> None:
    folder = write(tmp_path / "data", small_mnist() | {name: idx(array)})
    with pytest.raises(ArtifactError, match=message):
        load_mnist(folder)


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not at ../shared/data/mnist")
def test_real_mnist() -> None:
    (x_train, y_train), (x_test, y_test) = load_mnist(MNIST)
    assert (x_train.shape, x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert y_train[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert y_test[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert round(float(x_train.mean()), 2) == 33.32
    for file in mnist.FILES:
        content = gzip.decompress((MNIST / (file.name + ".gz")).read_bytes())
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)


# --- MNIST over HTTP ------------------------------------------------------------------------------


@pytest.fixture
def server(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves the small MNIST, whose checksums take the place of the real ones."""
    files = small_mnist()
    for name, file in zip(
        ("TRAIN_IMAGES", "TRAIN_LABELS", "TEST_IMAGES", "TEST_LABELS"), mnist.FILES, strict=True
    ):
        content = files[file.name]
        small = mnist.IdxFile(file.name, len(content), hashlib.sha256(content).hexdigest())
        monkeypatch.setattr(mnist, name, small)
    monkeypatch.setattr(
        mnist,
        "FILES",
        (mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS, mnist.TEST_IMAGES, mnist.TEST_LABELS),
    )
    with serving({name + ".gz": gzip.compress(data) for name, data in files.items()}) as running:
        yield running


def test_missing_files_are_downloaded_once(server: Server, bare: Path) -> None:
    for _ in range(2):
        assert load_mnist(url=server.url + "/")[0][1].tolist() == [0, 1, 2, 3, 4]
    assert server.asked == [file.name + ".gz" for file in mnist.FILES]
    assert sorted(path.name for path in bare.iterdir()) == sorted(server.asked)


def test_the_url_may_come_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRFLOW_MNIST_URL", server.url)
    folder = write(tmp_path / "mine", {"t10k-labels-idx1-ubyte": idx(np.array([4, 4, 4]))})
    assert load_mnist(folder)[1][1].tolist() == [4, 4, 4]
    assert "t10k-labels-idx1-ubyte.gz" not in server.asked


FIRST = "train-images-idx3-ubyte.gz"
WRONG_ANSWERS = {
    "absent": (None, "no answer to use"),
    "other content of the same size": (
        gzip.compress(bytes(5 * 784 + 16)),
        "wrong content",
    ),
    "more content": (gzip.compress(bytes(10_000)), "wrong content"),
    "less content": (gzip.compress(b""), "wrong content"),
    "bomb": (gzip.compress(bytes(20_000_000)), r"wrong content\n  found  unpacks to more than"),
    "endless": (bytes(1 << 20), "too long"),
    "not gzip": (b"<html>sign in</html>", "damaged gzip stream"),
    "wrong block": (DAMAGED["wrong block"], "damaged gzip stream"),
    "cut gzip": (gzip.compress(small_mnist()[FIRST[:-3]])[:-20], "damaged gzip stream"),
}


@pytest.mark.parametrize(("content", "message"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS.keys())
def test_wrong_answers_are_refused_and_leave_nothing(
    server: Server, bare: Path, content: bytes | None, message: str
) -> None:
    if content is None:
        del server.files[FIRST]
    else:
        server.files[FIRST] = content
    with pytest.raises(ArtifactError, match=f"^download: {message}"):
        load_mnist(url=server.url)
    assert list(bare.iterdir()) == []


def test_a_cut_connection_is_continued_by_the_next_call(server: Server, bare: Path) -> None:
    server.cut = 5
    with pytest.raises(ArtifactError, match="^download: the connection ended early"):
        load_mnist(url=server.url)
    assert [path.name for path in bare.iterdir()] == [FIRST + ".part"]
    server.cut = 0
    assert load_mnist(url=server.url)[0][1].tolist() == [0, 1, 2, 3, 4]
    size = len(server.files[FIRST])
    assert server.ranges[:2] == [None, f"bytes={size - 5}-"]


@pytest.mark.parametrize("part", [b"of another file", bytes(100_000)], ids=["short", "too long"])
def test_a_part_of_another_file_is_begun_anew(server: Server, bare: Path, part: bytes) -> None:
    bare.mkdir(parents=True)
    (bare / (FIRST + ".part")).write_bytes(part)
    assert load_mnist(url=server.url)[0][1].tolist() == [0, 1, 2, 3, 4]
    assert sorted(path.name for path in bare.iterdir()) == sorted(server.files)


def test_two_at_once_download_once(server: Server, bare: Path) -> None:
    file = server.files[FIRST]
    content = Content(len(file), hashlib.sha256(file).hexdigest())
    server.delay = 0.1
    url = f"{server.url}/{FIRST}"
    threads = [
        threading.Thread(target=download, args=(url, bare / FIRST, content)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (bare / FIRST).read_bytes() == file
    assert server.asked == [FIRST]


def test_a_server_that_is_not_there(bare: Path) -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(ArtifactError, match="^download: no answer to use"):
        load_mnist(url=url)


def test_only_http_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an http or https URL"):
        download((tmp_path / "x").as_uri(), tmp_path / "y", Content(1, ""))
