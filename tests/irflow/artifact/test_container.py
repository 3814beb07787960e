"""Containers survive being saved and loaded; damaged and hostile files are refused."""

import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import irflow.ops  # noqa: F401  the operations in the graphs
from irflow import dtypes
from irflow.artifact import Container, container, load, manifest, save
from irflow.artifact import archive as zips
from irflow.artifact.arrays import decode_arrays
from irflow.errors import ArtifactError
from irflow.ir import Builder, Graph
from irflow.ir.compare import is_equal
from irflow.ir.parse import parse_graph
from irflow.ops import Constant

TEXT = """graph @main(%x: f32[n], %w: f32[n] parameter("w")) -> f32[n] where n <= 64 {
  %0 = elementwise<add> %x, %w : f32[n]   // m.py:1
  return %0
}"""
MANIFEST, ARRAYS, MAIN = "manifest.json", "arrays.safetensors", "graphs/main.ir"


def example() -> Container:
    constants = Graph("constants")
    build = Builder(constants)
    long = np.arange(40, dtype=np.float32).astype(ml_dtypes.bfloat16)
    outputs = [build.emit(Constant.of(a), [])[0] for a in (long, np.ones(3), np.arange(20), long)]
    constants.set_outputs(outputs)
    arrays = {"w": np.arange(6, dtype=np.float64).reshape(2, 3), "/": np.zeros((0, 2), np.int8)}
    return Container(
        {"main": parse_graph(TEXT), "c-1": constants}, arrays, {"a": [1, None]}, "model"
    )


def assert_equal(a: Container, b: Container) -> None:
    assert list(a.graphs) == list(b.graphs)
    assert all(is_equal(a.graphs[name], b.graphs[name]) for name in a.graphs)
    assert a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        assert (array.dtype, array.shape) == (b.arrays[name].dtype, b.arrays[name].shape)
        assert array.tobytes() == b.arrays[name].tobytes()
    assert (a.metadata, a.kind) == (b.metadata, b.kind)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.irflow"


def test_a_container_survives(path: Path) -> None:
    save(path, example())
    assert_equal(load(path), example())
    assert os.listdir(path.parent) == [path.name]
    first = path.read_bytes()
    save(str(path), load(path))
    assert path.read_bytes() == first


def test_an_empty_container_survives(path: Path) -> None:
    save(path, Container())
    assert_equal(load(path), Container())


def test_members(path: Path) -> None:
    save(path, example())
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [MANIFEST, MAIN, "graphs/c-1.ir", ARRAYS]
        text = archive.read("graphs/c-1.ir").decode()
        about = json.loads(archive.read(MANIFEST))
    assert text.startswith("// irflow graph text 1\ngraph @constants() -> ")
    assert 'constant<resource(bf16[40], "c0")>' in text
    assert about["arrays"]["constant:c0"] == {"dtype": "bf16", "shape": [40]}
    assert about["kind"] == "model"
    assert about["graphs"] == ["main", "c-1"]


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)], ids=str)
def test_arrays_of_every_dtype(path: Path, dtype: dtypes.DType, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype.numpy)
    if dtype.is_inexact:
        array = array / np.array(3, dtype.numpy)
    fortran = np.asarray(array, dtype.numpy, order="F")
    big = fortran if dtype is dtypes.bf16 else fortran.astype(dtype.numpy.newbyteorder(">"))
    save(path, Container(arrays={"a": fortran, "b": big}))
    for loaded in load(path).arrays.values():
        assert (loaded.dtype, loaded.shape) == (dtype.numpy, shape)
        assert loaded.tobytes() == np.asarray(array, dtype.numpy).tobytes()
        assert loaded.flags.writeable


def test_graph_names_are_file_names(path: Path) -> None:
    for name in ("../x", "a/b", "", ".hidden", "a" * 101, "a\n"):
        with pytest.raises(ArtifactError, match="cannot name a graph in a file"):
            save(path, Container({name: parse_graph(TEXT)}))
    assert os.listdir(path.parent) == []


def test_what_has_no_form_in_the_file_is_refused(path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"model.irflow: the metadata cannot be written as JSON"
    ):
        save(path, Container(metadata={"a": object()}))
    with pytest.raises(ArtifactError, match=r"model.irflow: arrays of dtype object have no place"):
        save(path, Container(arrays={"a": np.array([None])}))


# --- Saving is all or nothing ---------------------------------------------------------------------


def fail_with(error: BaseException) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(28, "No space left on device"), ArtifactError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_save_leaves_the_old_file(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
    seen: type[BaseException],
) -> None:
    save(path, example())
    before = path.read_bytes()
    monkeypatch.setattr(os, step, fail_with(error))
    with pytest.raises(seen):
        save(path, Container())
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_while_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, example())
    before = path.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail_with(OSError(28, "No space left")))
    with pytest.raises(ArtifactError, match=r"model.irflow: cannot be written: No space left"):
        save(path, Container())
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_folder(path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be written: No such file or directory"):
        save(path / "x", Container())


def test_a_link_keeps_being_one(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    save(link, Container())
    assert link.is_symlink()
    assert path.exists()


# --- Loading believes nothing ---------------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def forge(path: Path, **changed: bytes) -> None:
    """Replace members and make the checksums fit."""
    names = {"main": MAIN, "arrays": ARRAYS}
    members = contents(path) | {names[key]: content for key, content in changed.items()}
    about = json.loads(members[MANIFEST])
    about["sha256"] = {n: container._digest(c) for n, c in members.items() if n != MANIFEST}
    write(path, members | {MANIFEST: json.dumps(about).encode()})


def refused(path: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        load(path)
    name, _, problem = caught.value.summary.partition(": ")
    assert name == str(path)
    return problem


def test_missing_and_foreign_files(path: Path) -> None:
    assert refused(path) == "cannot be read: No such file or directory"
    path.write_bytes(b"hello")
    assert refused(path) == "damaged, or not a file of irflow: File is not a zip file"
    write(path, {})
    assert refused(path) == "no irflow container: manifest.json is missing"


MANIFEST_CHANGES: list[tuple[dict[str, object], str]] = [
    ({"format": "zip"}, "the manifest is not that of an irflow container"),
    ({"version": 2}, "the format version is 2, this irflow reads 1"),
    ({"version": True}, "manifest: the field 'version' is no int"),
    ({"more": 1}, "manifest: the field 'more' is missing or unknown"),
    ({"graphs": "main"}, "manifest: the field 'graphs' is no list"),
    ({"graphs": [1]}, "manifest: 'graphs' is no list of different names"),
    ({"graphs": ["main", "main"]}, "manifest: 'graphs' is no list of different names"),
    ({"graphs": ["main"]}, "the manifest and the file do not agree on 'graphs/c-1.ir'"),
    ({"graphs": ["main", "c-1", "x"]}, "the manifest and the file do not agree on 'graphs/x.ir'"),
    ({"sha256": {MAIN: "0"}}, "manifest: no checksum for 'graphs/main.ir'"),
    ({"sha256": {MAIN: "0" * 64}}, "the manifest and the file do not agree on 'arrays.safeten"),
    ({"arrays": {"a": 1}}, "manifest: array 'a' needs a dtype and a shape"),
    ({"arrays": {"a": {"dtype": "f32", "shape": [-1]}}}, "manifest: array 'a' has a malformed"),
    ({"arrays": {"a": {"dtype": "f32", "shape": [2**70]}}}, "manifest: array 'a' has a malformed"),
    ({"arrays": {"a": {"dtype": "f3", "shape": [1]}}}, "manifest: array 'a': unknown dtype 'f3'"),
    ({"arrays": {}}, "the manifest and the arrays do not agree on 'array:/'"),
]


@pytest.mark.parametrize(("change", "problem"), MANIFEST_CHANGES)
def test_a_wrong_manifest(path: Path, change: dict[str, object], problem: str) -> None:
    save(path, example())
    members = contents(path)
    write(path, members | {MANIFEST: json.dumps(json.loads(members[MANIFEST]) | change).encode()})
    assert refused(path).startswith(problem)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{" * 9999, "[" * 99999, '{"a":1,"a":1}', '{"a":NaN}', "\xff"]
)
def test_a_malformed_manifest(path: Path, text: str) -> None:
    save(path, example())
    write(path, contents(path) | {MANIFEST: text.encode("latin-1")})
    assert refused(path).startswith("the manifest is")


def test_the_type_of_an_array_is_believed_to_neither_side(path: Path) -> None:
    save(path, example())
    members = contents(path)
    about = json.loads(members[MANIFEST])
    about["arrays"]["array:w"]["shape"] = [3, 2]
    write(path, members | {MANIFEST: json.dumps(about).encode()})
    assert refused(path) == "array 'array:w' is not stored as the manifest says"


def test_checksums(path: Path) -> None:
    save(path, example())
    members = contents(path)
    write(path, members | {MAIN: members[MAIN].replace(b"add", b"multiply")})
    assert refused(path) == "the checksum of graphs/main.ir does not fit its content"


def test_graph_text_is_parsed_and_checked(path: Path) -> None:
    save(path, example())
    forge(path, main=TEXT.replace("add", "ad").encode())
    assert refused(path).startswith("graphs/main.ir: line 2, column 20: unknown scalar function")
    forge(
        path,
        main=TEXT.replace("f32[n]", "f32[4]")
        .replace("-> f32[4] where n <= 64", "-> f32[4]")
        .encode(),
    )
    assert load(path).graphs["main"].inputs[0].type.shape == (4,)
    forge(path, main=b"\xff")
    assert refused(path) == "graphs/main.ir is no UTF-8 text"
    forge(path, main=b"graph @g() { %0 = size_of<n> : i64[] return }")
    assert refused(path).startswith(
        "graphs/main.ir: graph @g: size_of: no input defines the size n"
    )


def test_damaged_arrays(path: Path) -> None:
    save(path, example())
    good = contents(path)[ARRAYS]
    for content, problem in [
        (b"", "the arrays end before their header"),
        (b"\xff" * 20, "the header of the arrays is longer than they are"),
        (b"\x02" + bytes(7) + b"[]", "the header of the arrays is no table"),
        (b"\x02" + bytes(7) + b"{]", "the header of the arrays is malformed"),
        (good[:-1], "the arrays are damaged: "),
        (good + b"\0", "the arrays are damaged: "),
        (good.replace(b"F64", b"F32"), "array 'array:w' is not stored as the manifest says"),
    ]:
        forge(path, arrays=content)
        assert refused(path).startswith(problem)


def test_a_bool_is_0_or_1(path: Path) -> None:
    save(path, Container(arrays={"a": np.array([True])}))
    forge(path, arrays=contents(path)[ARRAYS][:-1] + b"\2")
    assert refused(path) == "array 'array:a': a bool is stored as a byte other than 0 and 1"


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "graphs/../x.ir",
        "graphs/a/b.ir",
        "graphs/",
        "code.py",
        "graphs\\x.ir",
        "graphs/.ir",
    ],
)
def test_unexpected_members(path: Path, name: str) -> None:
    save(path, example())
    write(path, contents(path) | {name: b""})
    assert refused(path) == f"a member is called {name!r}, which no container has"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(path: Path) -> None:
    save(path, example())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(MAIN, b"")
    assert refused(path) == "two members have the same name"


def test_too_many_members(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, example())
    monkeypatch.setattr(zips, "MAX_MEMBERS", 3)
    assert refused(path) == "4 members, more than 3"


def test_zip_bombs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, example())
    members = contents(path)
    write(path, members | {MAIN: b" " * 10**7}, zipfile.ZIP_DEFLATED)
    assert refused(path) == "graphs/main.ir is compressed more than 200 times"
    write(path, members | {MAIN: b" " * 10**5}, zipfile.ZIP_BZIP2)
    assert refused(path) == "manifest.json is compressed by method 12"
    write(path, members, zipfile.ZIP_DEFLATED)
    assert refused(path) == "arrays.safetensors is said to have two sizes"
    monkeypatch.setattr(zips, "MAX_TEXT", 99)
    save_error = "the graphs take more than 99 bytes of text"
    with pytest.raises(ArtifactError, match=save_error):
        save(path, example())
    write(path, members)
    assert refused(path) == "more than 99 bytes of text"


def patch_table(content: bytes, member: str, offset: int, value: int, size: int) -> bytes:
    """A zip whose table of contents has another value at `offset` of the entry of a member."""
    start = content.rindex(member.encode(), 0, content.rindex(b"PK\x05\x06")) - 46 + offset
    return content[:start] + value.to_bytes(size, "little") + content[start + size :]


FLAGS, COMPRESSED_SIZE, FILE_SIZE = 8, 20, 24


def test_declared_sizes(path: Path) -> None:
    """A table of contents that lies is found out, whichever way it lies."""
    save(path, example())
    good = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        size = archive.getinfo(MAIN).file_size
    for lie in (0, size - 1, size + 1):
        path.write_bytes(patch_table(good, MAIN, FILE_SIZE, lie, 4))
        assert "CRC" in (problem := refused(path)) or problem.endswith("said to have")
    path.write_bytes(patch_table(good, MAIN, FILE_SIZE, 2**31, 4))
    assert refused(path) == "graphs/main.ir is compressed more than 200 times"
    path.write_bytes(patch_table(good, ARRAYS, COMPRESSED_SIZE, 2**31, 4))
    assert refused(path) == "arrays.safetensors is said to be larger than the file"


def test_encrypted_members(path: Path) -> None:
    save(path, example())
    path.write_bytes(patch_table(path.read_bytes(), MAIN, FLAGS, 1, 2))
    assert refused(path) == "graphs/main.ir is encrypted"


def test_a_name_twice_in_the_manifest(path: Path) -> None:
    save(path, example())
    members = contents(path)
    text = members[MANIFEST].replace(b'"metadata": {', b'"metadata": {"a": 0, ')
    write(path, members | {MANIFEST: text})
    assert refused(path) == "the manifest is malformed: a name occurs twice in one table"


def test_a_very_regular_graph_can_be_loaded_again(path: Path) -> None:
    line = "  %0 = elementwise<tanh> %x : f32[]\n"
    text = f"graph @g(%x: f32[]) {{\n{line}return }}"
    metadata = {"a": "x" * (3 * 2**20)}
    save(path, Container({"g": parse_graph(text)}, metadata=metadata))
    assert load(path).metadata == metadata


def test_damaged_files_are_refused_or_load_equal(path: Path) -> None:
    save(path, example())
    good, expected = path.read_bytes(), load(path)
    chooser = random.Random(0)
    equal = 0
    for number in range(600):
        damaged = bytearray(good)
        if number % 4 == 0:
            del damaged[chooser.randrange(len(good)) :]
        for _ in range(chooser.randint(0, 2) if number % 4 == 0 else chooser.choice([1, 1, 3, 20])):
            if damaged:
                damaged[chooser.randrange(len(damaged))] ^= 1 << chooser.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except ArtifactError:
            continue
        assert_equal(loaded, expected)
        equal += 1
    assert 0 < equal < 200


def test_forged_content_is_refused_or_loads(path: Path) -> None:
    """With checksums that fit, the readers of arrays and graphs are on their own."""
    save(path, example())
    members = contents(path)
    chooser = random.Random(1)
    for _ in range(300):
        kind = chooser.choice(["main", "arrays"])
        content = bytearray(members[MAIN if kind == "main" else ARRAYS])
        for _ in range(chooser.randint(1, 3)):
            content[chooser.randrange(min(len(content), 700))] ^= 1 << chooser.randrange(8)
        forge(path, **{kind: bytes(content)})
        try:
            load(path)
        except ArtifactError as error:
            problem = error.summary
            assert problem.startswith(str(path))
        write(path, members)


def test_arrays_are_decoded_only_as_described() -> None:
    with pytest.raises(ArtifactError, match="the arrays end before their header"):
        decode_arrays(b"", {})
    assert manifest.irflow_version() != ""
