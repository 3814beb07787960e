"""The state of source files: every change shows; one in a running process is not believed."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from irflow import errors
from irflow.plugins import sources


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two files and a folder, all older than this process seems to be."""
    made = tmp_path / "package_of_test"
    (made / "rules").mkdir(parents=True)
    (made / "__init__.py").write_text("", "utf-8")
    (made / "rules" / "one.py").write_text("one = 1\n", "utf-8")
    (tmp_path / "module_of_test.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(errors, "LOADED_AT", time.time_ns() + 10**12)
    sources._places.cache_clear()
    return made


def state() -> str | None:
    return sources.state_of(["package_of_test", "module_of_test"])


def replace_same_times(package: Path) -> None:
    """As an archive with fixed times is unpacked over another one."""
    path = package / "rules" / "one.py"
    before = path.stat()
    path.write_text("one = 2\n", "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda package: (package / "__init__.py").write_text("x = 1\n", "utf-8"),
    "in a folder": lambda package: (package / "rules" / "one.py").write_text("1" * 8, "utf-8"),
    "new": lambda package: (package / "rules" / "table.json").write_text("", "utf-8"),
    "gone": lambda package: (package / "rules" / "one.py").unlink(),
    "renamed": lambda package: (package / "rules").rename(package / "laws"),
    "the times as before": replace_same_times,
    "a module": lambda package: (package.parent / "module_of_test.py").write_text("1", "utf-8"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows(package: Path, change: Callable[[Path], object]) -> None:
    before = state()
    assert before is not None
    assert state() == before
    time.sleep(0.02)  # The clock of a file system goes in steps.
    change(package)
    after = state()
    assert after is not None
    assert after != before


def test_byte_code_is_no_change(package: Path) -> None:
    before = state()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.pyc").write_text("", "utf-8")
    assert state() == before


def test_a_file_that_changed_after_loading(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = (package / "rules" / "one.py").stat().st_ctime_ns
    monkeypatch.setattr(errors, "LOADED_AT", changed + sources.MARGIN - 1)
    assert state() is None
    for path in package.parent.rglob("*.py"):
        os.utime(path, (0, 0))
    assert state() is None, "the time that programs set is not the only one"


def test_files_that_will_change(package: Path) -> None:
    future = time.time() + 10**6
    os.utime(package / "__init__.py", (future, future))
    assert state() is None


def test_a_package_that_is_not_there(package: Path) -> None:
    assert sources.state_of(["no_such_package_of_test"]) == "no_such_package_of_test"


def test_another_version_of_a_library_shows(package: Path) -> None:
    before = sources.version_of("package_of_test")
    assert sources.version_of("package_of_test") == before
    time.sleep(0.02)
    (package / "__init__.py").rename(package / "old.py")
    (package / "old.py").rename(package / "__init__.py")
    assert sources.version_of("package_of_test") != before
    assert sources.version_of("no_such_package_of_test") == "no no_such_package_of_test"
