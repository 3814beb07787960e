"""Labels, sequences, windows, images and files for Keras's models."""

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from irflow import keras
from irflow.errors import (
    ArtifactError,
    DataError,
    MissingPackageError,
    ShapeError,
    UsageError,
)
from irflow.keras import utils
from tests.irflow.file_server import serving


def test_to_categorical() -> None:
    assert utils.to_categorical([1, 0]).tolist() == [[0, 1], [1, 0]]
    assert utils.to_categorical(np.array([[2], [0]])).shape == (2, 3)
    assert utils.to_categorical([[0, 1]], 4).shape == (1, 2, 4)
    assert utils.to_categorical([0.0, 2.0]).dtype == np.float32
    for wrong, count in [([0, 3], 3), ([-1], None), ([0.5], None)]:
        with pytest.raises(UsageError, match="^to_categorical"):
            utils.to_categorical(wrong, count)


def test_normalize() -> None:
    rows = utils.normalize([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(rows, [[0.6, 0.8], [0, 0]])
    assert np.allclose(utils.normalize([[3.0], [1.0]], axis=0, order=1), [[0.75], [0.25]])


PADDED = [
    ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
    ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
    ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
    ({"padding": "post", "value": -1}, [[1, -1, -1], [2, 3, -1], [4, 5, 6]]),
    ({"maxlen": 4, "dtype": "float32"}, [[0, 0, 0, 1], [0, 0, 2, 3], [0, 4, 5, 6]]),
    ({"maxlen": 0}, [[], [], []]),
]


@pytest.mark.parametrize(("options", "expected"), PADDED)
def test_pad_sequences(options: dict, expected: list) -> None:
    found = utils.pad_sequences([[1], [2, 3], [4, 5, 6]], **options)
    assert found.tolist() == expected
    assert found.dtype == options.get("dtype", "int32")


def test_sequences_of_vectors_and_wrong_ones() -> None:
    assert utils.pad_sequences([np.ones((1, 2)), np.ones((3, 2))]).shape == (2, 3, 2)
    with pytest.raises(ShapeError, match="sequence 1 have another shape"):
        utils.pad_sequences([np.ones((1, 2)), np.ones((3, 3))])
    with pytest.raises(UsageError, match="not a sequence"):
        utils.pad_sequences([1, 2])
    with pytest.raises(UsageError, match="not 'pre' or 'post'"):
        utils.pad_sequences([[1]], padding="left")


def test_windows_of_a_time_series() -> None:
    data = np.arange(20)
    batches = list(
        utils.timeseries_dataset_from_array(
            data, data + 100, 3, sequence_stride=4, sampling_rate=2, batch_size=2, start_index=1
        )
    )
    assert [x.tolist() for x, _ in batches] == [[[1, 3, 5], [5, 7, 9]], [[9, 11, 13], [13, 15, 17]]]
    assert [y.tolist() for _, y in batches] == [[101, 105], [109, 113]]
    (single,) = list(utils.timeseries_dataset_from_array(data[:3], None, 3, batch_size=None))
    assert single.tolist() == [0, 1, 2]
    shuffled = utils.timeseries_dataset_from_array(data, None, 2, shuffle=True, seed=1)
    (rows,) = list(shuffled)
    assert sorted(rows[:, 0].tolist()) == list(range(19)) != rows[:, 0].tolist()
    with pytest.raises(UsageError, match="no such range"):
        utils.timeseries_dataset_from_array(data, None, 3, end_index=30)


# --- images ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images of two classes, of different sizes; their red channel counts them."""
    pytest.importorskip("PIL")
    for number, name in enumerate(["cat/a.png", "cat/b.png", "dog/a.jpg", "dog/deep/b.bmp"]):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.zeros((8 + number, 6, 3))
        array[..., 0] = 40 * number
        utils.save_img(path, array, scale=False)
    return tmp_path / "set"


def test_images_there_and_back(folder: Path) -> None:
    image = utils.load_img(folder / "cat" / "b.png")
    array = utils.img_to_array(image)
    assert array.shape == (9, 6, 3)
    assert array[0, 0].tolist() == [40, 0, 0]
    assert utils.img_to_array(image, "channels_first").shape == (3, 9, 6)
    small = utils.load_img(folder / "cat" / "b.png", "grayscale", target_size=(4, 5))
    assert utils.img_to_array(small).shape == (4, 5, 1)
    stretched = utils.img_to_array(utils.array_to_img(np.array([[[1.0], [3.0]]])))
    assert stretched[..., 0].tolist() == [[0, 255]]
    (folder / "cat" / "b.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be read as an image"):
        utils.load_img(folder / "cat" / "b.png")


def test_images_from_folders(folder: Path) -> None:
    made = utils.image_dataset_from_directory(
        folder, image_size=(8, 6), batch_size=3, shuffle=False
    )
    assert made.class_names == ["cat", "dog"]
    assert len(made.file_paths) == 4
    (x, y), (rest, last) = list(made)
    assert x.shape == (3, 8, 6, 3)
    assert y.tolist() == [0, 0, 1]
    assert last.tolist() == [1]
    assert np.allclose(rest[0, ..., 0], 120)
    seen = [y.tolist() for _ in range(4) for _, y in shuffled_pass(folder)]
    assert len({str(order) for order in seen}) > 1


def shuffled_pass(folder: Path) -> list:
    return list(utils.image_dataset_from_directory(folder, image_size=(4, 4)))


@pytest.mark.parametrize(
    ("options", "shape", "labels"),
    [
        ({"label_mode": "categorical"}, (4, 8, 6, 3), [[1, 0], [1, 0], [0, 1], [0, 1]]),
        ({"label_mode": "binary"}, (4, 8, 6, 3), [[0], [0], [1], [1]]),
        ({"class_names": ["dog", "cat"]}, (4, 8, 6, 3), [0, 0, 1, 1]),
        ({"labels": [5, 6, 7, 8], "color_mode": "grayscale"}, (4, 8, 6, 1), [5, 6, 7, 8]),
        ({"data_format": "channels_first"}, (4, 3, 8, 6), [0, 0, 1, 1]),
        ({"crop_to_aspect_ratio": True}, (4, 8, 6, 3), [0, 0, 1, 1]),
    ],
)
def test_kinds_of_labels_and_images(
    folder: Path, options: dict, shape: tuple[int, ...], labels: list
) -> None:
    ((x, y),) = list(
        utils.image_dataset_from_directory(folder, image_size=(8, 6), shuffle=False, **options)
    )
    assert x.shape == shape
    assert y.tolist() == labels


def test_a_split_parts_the_images(folder: Path) -> None:
    options = {"image_size": (4, 4), "validation_split": 0.25, "seed": 3}
    train, held = utils.image_dataset_from_directory(folder, subset="both", **options)
    alone = utils.image_dataset_from_directory(folder, subset="validation", **options)
    assert held.file_paths == alone.file_paths
    assert len(train.file_paths) == 3
    assert not set(train.file_paths) & set(held.file_paths)
    bare = utils.image_dataset_from_directory(folder, labels=None, image_size=(4, 4))
    assert next(iter(bare)).shape == (4, 4, 4, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [1]}, "1 labels for 4 images"),
        ({"validation_split": 0.5, "subset": "training"}, "needs a seed"),
        ({"validation_split": 0.5}, "together"),
        ({"label_mode": "text"}, "label_mode is 'text'"),
        ({"class_names": ["a"]}, "class_names are not the folders"),
    ],
)
def test_wrong_uses_of_image_folders(folder: Path, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        utils.image_dataset_from_directory(folder, **options)


def test_texts_from_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, words in (("bad", ["dull", "long and dull"]), ("good", ["lively", "ümlaut"])):
        (tmp_path / kind).mkdir()
        for number, text in enumerate(words):
            (tmp_path / kind / f"{number}.txt").write_text(text, "utf-8")
    made = utils.text_dataset_from_directory(
        tmp_path, label_mode="binary", max_length=6, shuffle=False
    )
    ((texts, labels),) = list(made)
    assert capsys.readouterr().out == "Found 4 files belonging to 2 classes.\n"
    assert texts.tolist() == ["dull", "long a", "lively", "ümlaut"]
    assert labels.tolist() == [[0], [0], [1], [1]]
    utils.text_dataset_from_directory(tmp_path, validation_split=0.25, subset="both", seed=1)
    parts = "Using 3 files for training.\nUsing 1 files for validation.\n"
    assert capsys.readouterr().out == "Found 4 files belonging to 2 classes.\n" + parts
    (tmp_path / "bad" / "0.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read as a text"):
        list(made)
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no texts in"):
        utils.text_dataset_from_directory(empty, labels=None)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [({"left_size": 0.7}, (7, 3)), ({"right_size": 4}, (6, 4)), ({"left_size": 2}, (2, 8))],
)
def test_a_dataset_is_split(sizes: dict, counts: tuple[int, int]) -> None:
    arrays = np.arange(10), np.arange(10) * 2
    for options in ({}, {"shuffle": True, "seed": 1}):
        parts = utils.split_dataset(arrays, **sizes, **options)
        rows = [[(int(x), int(y)) for x, y in part] for part in parts]
        assert tuple(map(len, rows)) == counts
        assert sorted(rows[0] + rows[1]) == [(i, 2 * i) for i in range(10)]
        assert (rows[0] + rows[1] != sorted(rows[0] + rows[1])) == bool(options)
    with pytest.raises(UsageError, match="there are 10 examples"):
        utils.split_dataset(arrays, left_size=8, right_size=4)


def test_batches_are_packed_and_unpacked() -> None:
    for batch in ((1, 2, 3), (1, 2), ([1],)):
        assert utils.pack_x_y_sample_weight(*utils.unpack_x_y_sample_weight(batch)) == batch


def test_names_in_older_places() -> None:
    assert keras.preprocessing.sequence.pad_sequences is utils.pad_sequences
    assert keras.preprocessing.image.load_img is utils.load_img
    assert utils.custom_object_scope is keras.saving.custom_object_scope
    assert keras.mixed_precision.set_dtype_policy is keras.config.set_dtype_policy


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'irflow\[pillow\]'"):
        utils.load_img("x.png")


# --- files ----------------------------------------------------------------------------------------


def archives() -> dict[str, bytes]:
    tar, hostile, zipped = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for stream, name in [(tar, "inside/a.txt"), (hostile, "../../outside.txt")]:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"hi"))
    with zipfile.ZipFile(zipped, "w") as other:
        other.writestr("a.txt", "hi")
    return {
        "a.tar.gz": tar.getvalue(),
        "hostile.tar.gz": hostile.getvalue(),
        "a.zip": zipped.getvalue(),
        "a.bin": b"content",
    }


def test_get_file(tmp_path: Path) -> None:
    files = archives()
    with serving(files) as server:

        def get(name: str, **options: object) -> Path:
            return Path(
                utils.get_file(origin=f"{server.url}/{name}", cache_dir=tmp_path, **options)
            )

        digest = hashlib.sha256(files["a.bin"]).hexdigest()
        for _ in range(2):
            assert get("a.bin", file_hash=digest).read_bytes() == b"content"
        assert server.asked == ["a.bin"]
        with pytest.raises(ArtifactError, match="another hash"):
            get("a.bin", fname="other", md5_hash="0" * 32)
        assert (get("a.tar.gz", untar=True) / "inside" / "a.txt").read_text() == "hi"
        assert (get("a.zip", extract=True) / "a.txt").read_text() == "hi"
        with pytest.raises(ArtifactError, match="cannot be unpacked"):
            get("hostile.tar.gz", extract=True)
        assert not list(tmp_path.parent.rglob("outside.txt"))
        with pytest.raises(UsageError, match="outside of the cache"):
            get("a.bin", fname="../../x")
