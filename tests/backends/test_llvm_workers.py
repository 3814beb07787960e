"""The worker pool: chunks, threads, forks, the end of a process."""

import ctypes
import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import dtypes
from irflow.errors import UsageError
from irflow.loops import (
    Block,
    Buffer,
    Expr,
    For,
    Let,
    Load,
    LoopKind,
    Stmt,
    Store,
    Var,
    integer,
    walk,
)
from irflow.lowering.grain import CHUNK, MOST_CHUNKS, has_chunks, iterations_per_chunk, work
from irflow_llvm import workers
from irflow_llvm.engine import Engine

pytestmark = pytest.mark.skipif(not workers.is_supported(), reason="no worker pool on this system")

# Each chunk adds 1 to its element 100 times, through memory, so that two at once would be seen.
COUNTING = """
declare void @irflow_parallel(ptr, ptr, i64)
define internal void @count(ptr %cells, i64 %chunk) {
entry:
  %cell = getelementptr i64, ptr %cells, i64 %chunk
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %old = load volatile i64, ptr %cell
  %new = add i64 %old, 1
  store volatile i64 %new, ptr %cell
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, 100
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @start(ptr %cells, i64 %chunks) {
  call void @irflow_parallel(ptr @count, ptr %cells, i64 %chunks)
  ret void
}
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    workers.pool()
    return Engine(COUNTING, level=1)


def start(engine: Engine, cells: np.ndarray, chunks: int) -> None:
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(engine.address("start"))
    function(cells.ctypes.data, chunks)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_chunk_runs_once(pool: workers.Pool, engine: Engine, threads: int) -> None:
    pool.resize(threads)
    assert pool.threads == threads
    cells = np.zeros(64, np.int64)
    for _ in range(300):
        start(engine, cells, 50)
        start(engine, cells, 0)
        start(engine, cells, 1)
    assert cells.tolist() == [60_000] + [30_000] * 49 + [0] * 14


def test_calls_from_several_threads(pool: workers.Pool, engine: Engine) -> None:
    pool.resize(3)
    cells = [np.zeros(16, np.int64) for _ in range(6)]

    def run(own: np.ndarray) -> None:
        for _ in range(200):
            start(engine, own, 16)

    threads = [threading.Thread(target=run, args=(own,)) for own in cells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((own == 20_000).all() for own in cells)


def test_a_forked_child_has_workers_of_its_own(pool: workers.Pool, engine: Engine) -> None:
    pool.resize(2)
    child = os.fork()
    if child == 0:
        cells = np.zeros(16, np.int64)
        start(engine, cells, 16)
        is_right = bool((cells == 100).all()) and pool.threads == 2
        os._exit(0 if is_right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def places() -> set[int]:
    """The processors of all threads that may run on a single one."""
    found = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
    return {processor for own in found if len(own) == 1 for processor in own}


def test_a_worker_makes_room_for_the_caller(pool: workers.Pool, engine: Engine) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("needs two processors")
    pool.resize(2)
    cells = np.zeros(16, np.int64)
    try:
        for own in sorted(allowed)[:2] * 2:
            os.sched_setaffinity(0, {own})
            start(engine, cells, 16)
            os.sched_setaffinity(0, allowed)
            assert places().isdisjoint({own})
    finally:
        os.sched_setaffinity(0, allowed)
    assert (cells == 400).all()


PROGRAM = """
import numpy as np
import irflow as irf
import irflow.numpy as inp
from irflow_llvm import workers
f = irf.jit(lambda x: inp.tanh(x) * 2 + inp.sum(x, axis=1, keepdims=True), backend="llvm")
x = np.linspace(-2, 2, 2048 * 256, dtype=np.float32).reshape(2048, 256)
print(np.asarray(f(x)).tobytes().hex()[:64], hash(np.asarray(f(x)).tobytes()))
assert "irflow_parallel" in f.trace(x).lower().compile().listing("llvm")
print(workers.pool().threads)
"""


def test_equal_bits_for_any_number_of_threads_and_a_clean_end() -> None:
    texts = []
    for threads in ("1", "2", "7"):
        environment = {**os.environ, "IRFLOW_NUM_THREADS": threads, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        *bits, number = done.stdout.splitlines()
        assert number == threads
        texts.append(bits)
    assert texts[0] == texts[1] == texts[2]


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_NUM_THREADS", "12")
    assert workers.thread_count() == 12
    monkeypatch.setenv("IRFLOW_NUM_THREADS", "none")
    with pytest.raises(UsageError, match="IRFLOW_NUM_THREADS=none is no number of threads"):
        workers.thread_count()
    monkeypatch.delenv("IRFLOW_NUM_THREADS")
    monkeypatch.setattr(workers, "_allowed", lambda: [0, 1, 2])
    monkeypatch.setattr(workers, "_quota", lambda: 2)
    assert workers.thread_count() == 2


def test_small_loops_stay_on_one_thread() -> None:
    f = irf.jit(lambda x: x + inp.sum(x, axis=1, keepdims=True), backend="llvm")
    large, small = (f.trace(type).lower().compile() for type in ("f32[4096, 256]", "f32[4, 8]"))
    assert "irflow_parallel" in large.listing("llvm")
    assert "irflow_parallel" not in small.listing("llvm")


def test_the_work_of_a_chunk() -> None:
    program = irf.jit(lambda x: x + inp.sum(x, axis=1, keepdims=True)).trace("f32[4, 8]")
    kernels = program.lower("llvm").result.program().kernels()
    loops = [
        loop
        for kernel in kernels
        for loop in walk.statements(kernel.body)
        if isinstance(loop, For) and loop.kind is LoopKind.PARALLEL
    ]
    assert loops
    for loop in loops:
        assert not has_chunks(loop, iterations_per_chunk(loop))
        longer = replace(loop, extent=integer(1000))
        assert CHUNK <= iterations_per_chunk(longer) * work(loop.body) <= 2 * CHUNK


def chunks_of(extent: int, *statements: Stmt) -> int:
    loop = For(Var("i"), integer(extent), LoopKind.PARALLEL, Block(statements))
    return -(-extent // iterations_per_chunk(loop))


def test_chunks_are_of_equal_length() -> None:
    """What is too short for one chunk more is shared among the others."""
    buffer, j = Buffer("y", dtypes.f32, (1000,)), Var("j")
    store = For(j, integer(100), LoopKind.SERIAL, Block((Store(buffer, (j,), Load(buffer, (j,))),)))
    rows = CHUNK // work(store)
    assert [chunks_of(rows * n + rows // 2, store) for n in (1, 2, 3)] == [1, 2, 3]
    assert chunks_of(rows * 1000, store) == MOST_CHUNKS


def test_loads_by_index_are_far() -> None:
    """Rows at places that memory names are worth more threads than rows one after the other."""
    source, chosen = Buffer("x", dtypes.f32, (1000,)), Buffer("c", dtypes.i64, (1000,))
    target, i, j, row = Buffer("y", dtypes.f32, (1000,)), Var("i"), Var("j"), Var("row")

    def copy(first: Expr) -> For:
        store = Store(target, (i * 50 + j,), Load(source, (first * 50 + j,)))
        return For(j, integer(50), LoopKind.SERIAL, Block((store,)))

    near = chunks_of(200, copy(i))
    far = chunks_of(200, Let(row, Load(chosen, (i,))), copy(row))
    assert far > 2 * near
