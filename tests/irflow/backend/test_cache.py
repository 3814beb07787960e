"""Compiled code on disk: hits, damage, limits, folders that cannot be used."""

import os
import threading
import time
from pathlib import Path

import pytest

import irflow as irf
from irflow.backend import cache


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "code"))
    monkeypatch.setenv("IRFLOW_LOG", "kernels")
    return tmp_path / "code"


class Maker:
    """Makes a content, and counts how often."""

    def __init__(self, content: bytes = b"machine code") -> None:
        self.content, self.calls = content, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.content


def test_a_content_is_made_once(place: Path) -> None:
    make = Maker()
    assert cache.cached(("a", "b"), make) == cache.cached(("a", "b"), make) == b"machine code"
    assert make.calls == 1
    cache.cached(("ab", ""), make)
    assert make.calls == 2, "the parts are kept apart"
    assert len(cache.entries(place)) == 2
    assert not list(place.glob("*/*.part"))


@pytest.mark.parametrize("damage", [b"", b"short", bytes(100)])
def test_a_damaged_entry_is_made_anew(
    place: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    make = Maker()
    cache.cached(("a",), make)
    (entry,) = cache.entries(place)
    entry.path.write_bytes(damage)
    assert cache.cached(("a",), make) == b"machine code"
    assert make.calls == 2
    assert "is damaged, and is made anew" in capsys.readouterr().err
    assert cache.cached(("a",), make) == b"machine code"
    assert make.calls == 2


@pytest.mark.parametrize("text", ["off", "0"])
def test_off(place: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("IRFLOW_CACHE", text)
    make = Maker()
    cache.cached(("a",), make)
    cache.cached(("a",), make)
    assert make.calls == 2
    assert not place.exists()


def test_a_folder_that_others_may_write_to_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.mkdir()
    place.chmod(0o777)
    make = Maker()
    cache.cached(("a",), make)
    assert not cache.entries(place)
    assert "is not used, as others may write to it" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "file" / "code"))
    monkeypatch.setenv("IRFLOW_LOG", "kernels")
    assert cache.cached(("a",), Maker()) == b"machine code"
    assert "cannot be written" in capsys.readouterr().err


def test_the_entries_unused_for_longest_go_first(place: Path) -> None:
    for number, name in enumerate("abc"):
        cache.cached((name,), Maker(name.encode() * 100))
        os.utime(cache.entries(place)[0].path, (number, number))
    cache.cached(("a",), Maker())  # used now
    size = cache.entries(place)[0].size
    assert cache.shrink(place, 2 * size) == 1
    contents = {entry.path.read_bytes()[-1:] for entry in cache.entries(place)}
    assert contents == {b"a", b"c"}


def test_several_threads(place: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.cached(("a",), Maker())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"machine code"] * 8
    assert len(cache.entries(place)) == 1


def test_native_code_comes_from_the_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from irflow_llvm import engine, llvm

    def f(x: irf.Tensor) -> irf.Tensor:
        return x * 1.0625 + 41.0

    assert irf.jit(f, backend="llvm")(1.0).item() == 42.0625
    assert len(cache.entries(place)) == 1
    engine._codes.clear()
    monkeypatch.setattr(llvm, "object_code", None)
    assert irf.jit(f, backend="llvm")(2.0).item() == 43.125


@pytest.fixture
def large(place: Path) -> tuple[str, bytes]:
    """The name and content of a large entry that is there."""
    name, content = cache.name_of(("large",)), bytes(range(256)) * (cache.LARGE // 256 + 1)
    cache.keep(name, [content[:1000], memoryview(content)[1000:]])
    last = time.monotonic() + 10
    while cache.lookup(name) is None and time.monotonic() < last:
        time.sleep(0.01)
    return name, content


def test_large_entries_are_views_of_their_file(large: tuple[str, bytes]) -> None:
    found = cache.lookup(large[0])
    assert isinstance(found, memoryview)
    assert found.readonly
    assert found == large[1]


def change(place: Path) -> None:
    """Change the last byte of the only entry, and no length."""
    (entry,) = cache.entries(place)
    with entry.path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")


@pytest.mark.parametrize("has_attributes", [True, False])
def test_a_large_entry_that_changed_is_damaged(
    large: tuple[str, bytes], place: Path, has_attributes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_attributes:
        monkeypatch.delattr(os, "setxattr", raising=False)
        monkeypatch.delattr(os, "getxattr", raising=False)
    assert cache.lookup(large[0]) == large[1]
    (entry,) = cache.entries(place)
    if has_attributes and cache.booted():
        late = entry.path.stat().st_mtime_ns + cache.TICK
        assert late <= time.time_ns(), "a change in this tick of the clock shows"
    change(place)
    assert cache.lookup(large[0]) is None


def test_a_large_entry_is_looked_through_once_after_each_start(
    large: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    head = cache._head
    monkeypatch.setattr(cache, "_head", lambda pieces: looks.append(0) or head(pieces))
    assert cache.lookup(large[0]) == large[1]
    assert looks == ([] if cache.booted() else [0])
    looks.clear()
    monkeypatch.setattr(cache, "booted", lambda: "another start")
    assert cache.lookup(large[0]) == cache.lookup(large[0]) == large[1]
    assert looks == [0]


def test_a_note_is_made_again_in_another_state(place: Path) -> None:
    made = map("made {}".format, range(9))
    texts = [cache.noted("thing", state, lambda: next(made)) for state in ("a", "a", "b", "a")]
    assert texts == ["made 0", "made 0", "made 1", "made 2"]
    (place / "thing").write_bytes(b"damaged")
    assert cache.noted("thing", "a", lambda: "made again") == "made again"
    assert not cache.entries(place)
