"""Programs whose kernels are compiled in several modules, some of them by another thread."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import irflow as irf
from irflow import compiler
from irflow.compiler import kept, prepared
from irflow.errors import LoweringError
from irflow_llvm import batches, engine, llvm
from irflow_llvm.runtime import LlvmExecutable
from irflow_llvm.stored import StoredExecutable

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def several(x: irf.Tensor) -> tuple[irf.Tensor, ...]:
    """Kernels of several kinds; the last two are one."""
    y = irf.numpy.sort(x, axis=0)
    return (
        x @ y.T,
        irf.numpy.cumulative_sum(y, axis=1),
        *(irf.numpy.sort(z, axis=1) for z in (x, y)),
    )


def made(size: int, monkeypatch: pytest.MonkeyPatch) -> LlvmExecutable:
    monkeypatch.setattr(batches, "SENT", size)
    executable = irf.jit(several, backend="llvm").trace(X).lower().compile().executable
    assert isinstance(executable, LlvmExecutable)
    return executable


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> object:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "irflow-llvm"]


def test_modules_call_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = made(10**9, monkeypatch), made(1, monkeypatch)
    assert len(whole.codes) == 1
    assert len(parts.codes) == len(list(parts.program.kernels())) + 1
    for one, other in zip(whole([X]), parts([X]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_kernels_are_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(list(made(1, monkeypatch).program.kernels())) < len(
        made(1, monkeypatch).program.steps
    )


def test_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    (first, *_) = made(1, monkeypatch)([X])
    np.testing.assert_array_equal(first, X @ X.T)


def test_llvm_waits_little_for_python_while_it_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, seen = sys.getswitchinterval(), []

    def looking(text: str, level: int) -> engine.Code:
        seen.append(sys.getswitchinterval())
        with batches.Batches(level):  # of another program at the same time
            pass
        seen.append(sys.getswitchinterval())
        return cached_code(text, level)

    cached_code = batches.cached_code
    monkeypatch.setattr(batches, "cached_code", looking)
    made(1, monkeypatch)
    assert seen == pytest.approx([batches.TURN] * len(seen))
    assert len(seen) > 2
    assert sys.getswitchinterval() == usual > batches.TURN


def test_what_goes_wrong_in_the_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code = engine.cached_code

    def failing(text: str, level: int) -> engine.Code:
        if "sort" in text and "entry0" not in text:
            raise LoweringError("LLVM rejects the code of a kernel")
        return code(text, level)

    monkeypatch.setattr("irflow_llvm.batches.cached_code", failing)
    with pytest.raises(LoweringError, match="rejects the code"):
        made(1, monkeypatch)


def test_several_modules_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IRFLOW_CHECK", "0")
    # Sources may change while tests run.
    monkeypatch.setattr(kept, "_state", lambda _: "state")
    monkeypatch.setattr(prepared, "is_unchanged", lambda *_: True)
    monkeypatch.setattr(batches, "SENT", 1)
    graph = irf.jit(several, backend="llvm").trace(X).graph
    results: list[list[np.ndarray]] = []
    kinds: list[type] = []
    for _ in range(2):
        executable = compiler.prepare(graph, "llvm").compile()
        kinds.append(type(executable))
        results.append(executable([X]))
    assert kinds == [LlvmExecutable, StoredExecutable]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_make_code_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    code = engine.cached_code

    def noted(text: str, level: int) -> engine.Code:
        texts.append(text)
        return code(text, level)

    monkeypatch.setattr("irflow_llvm.batches.cached_code", noted)
    made(1, monkeypatch)
    expected = [llvm.target_machine().emit_object(llvm.compiled(text, 1)) for text in texts]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda text: llvm.object_code(text, 1), texts * 4)) == expected * 4
    monkeypatch.setattr(llvm, "_emit", lambda: None)
    assert llvm.object_code(texts[0], 1) == expected[0], "with the lock"
