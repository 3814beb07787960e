"""Correct at speed: any number of threads, many processes, forks, little memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow_llvm import workers

pytestmark = [
    pytest.mark.skipif(not workers.is_supported(), reason="no worker pool here"),
    pytest.mark.usefixtures("unchecked"),
]

RANDOM = np.random.default_rng(0)
FORK = 20
"""So many forks are made of a process that is computing."""


def draw(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


# ----------------------------------------------------------------------------------------- threads


def loss(w: irf.Tensor, x: irf.Tensor, y: irf.Tensor) -> irf.Tensor:
    return inp.mean((inp.tanh(x @ w) - y) ** 2)


def branches(w: irf.Tensor, x: irf.Tensor) -> irf.Tensor:
    """Both directions of a recurrence: forks, if there are threads."""
    return nn.simple_rnn(x, w, w)[0] + nn.simple_rnn(x, w, w.T, reverse=True)[0]


PLACES = RANDOM.integers(0, 50, 30_000)
CASES: dict[str, tuple[Callable[..., object], tuple[np.ndarray, ...]]] = {
    "long product": (lambda x, y: x @ y, (draw(7, 200_000), draw(200_000, 9))),
    "dot product": (lambda x, y: x @ y, (draw(1_000_003), draw(1_000_003))),
    "matrix by vector": (lambda x, y: x @ y, (draw(7, 200_000), draw(200_000))),
    "long products": (lambda x, y: x @ y, (draw(3, 5, 12_545), draw(3, 12_545, 10))),
    "long rows": (lambda x, y: x @ y.T, (draw(33, 20_001), draw(17, 20_001))),
    "weight gradient": (irf.grad(loss), (draw(65, 33), draw(20_001, 65), draw(20_001, 33))),
    "layer norm": (
        irf.value_and_grad(lambda x: (nn.layer_norm(x) * x).sum()), (draw(2001, 515),)
    ),
    "recurrence": (
        irf.value_and_grad(lambda k, r, x: (nn.lstm(x, k, r)[0] ** 2).sum(), argnums=(0, 1, 2)),
        (draw(9, 256) / 4, draw(64, 256) / 8, draw(75, 11, 9)),
    ),
    "independent branches": (branches, (draw(32, 32) / 6, draw(8, 75, 32))),
    "scatter-add": (lambda x, i: inp.zeros((50, 3), "f4").at[i].add(x), (draw(30_000, 3), PLACES)),
    "gradient of a gather": (
        irf.grad(lambda t, i: (t[i] * t[i]).sum()), (draw(50, 17), PLACES[:20_000])
    ),
}  # fmt: skip


def narrow(x: irf.Tensor, y: irf.Tensor) -> irf.Tensor:
    return x.astype("bfloat16") @ y.astype("bfloat16")


def dropped(x: irf.Tensor, y: irf.Tensor) -> irf.Tensor:
    return nn.dropout(nn.relu(x @ y), 0.5, irf.random.key(3))


WEIGHTS = irf.asarray(draw(300, 230))
FORMS: dict[str, tuple[Callable[..., object], tuple[np.ndarray, ...]]] = {
    "constant weights": (lambda x: nn.gelu(x @ WEIGHTS), (draw(301, 300),)),
    "narrow": (narrow, (draw(257, 131), draw(131, 90))),
    "narrow, turned": (lambda x, y: narrow(x.T, y.T), (draw(130, 257), draw(90, 130))),
    "narrow, long": (narrow, (draw(7, 20_001), draw(20_001, 33))),
    "narrow constant weights": (lambda x: narrow(x, WEIGHTS), (draw(301, 300),)),
    "dropout": (dropped, (draw(200, 131), draw(131, 96))),
}
"""Forms of products that differ in what is copied when."""


@pytest.mark.parametrize("name", [*CASES, *FORMS])
@pytest.mark.parametrize("dynamic", [False, True])
def test_equal_bits_for_any_number_of_threads(name: str, dynamic: bool, pool: workers.Pool) -> None:
    function, arguments = (CASES | FORMS)[name]
    compiled = irf.jit(function, backend="llvm", dynamic=dynamic)
    results = []
    for threads in (1, 2, 3, 5):
        pool.resize(threads)
        for _ in range(3):
            leaves = irf.tree.flatten(compiled(*arguments))[0]
            results.append([np.asarray(leaf).tobytes() for leaf in leaves])
    assert all(other == results[0] for other in results[1:])


def test_sums_are_right_however_they_are_cut(pool: workers.Pool) -> None:
    pool.resize(3)
    for name, (function, arguments) in CASES.items():
        found = irf.tree.flatten(irf.jit(function, backend="llvm")(*arguments))[0]
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arguments]
        expected = irf.tree.flatten(irf.jit(function, backend="numpy")(*wide))[0]
        for left, right in zip(found, expected, strict=True):
            scale = float(np.max(np.abs(np.asarray(right)))) + 1e-30
            assert np.max(np.abs(np.asarray(left) - np.asarray(right))) < 3e-5 * scale, name


def test_sizes_change_in_many_threads() -> None:
    f = irf.jit(lambda x, k: (x * k).sum(1), backend="llvm")
    wrong: list[object] = []

    def work(number: int) -> None:
        k = np.full((), number, np.float32)
        for i in range(10_000):
            x = np.ones(((i * 7 + number) % 23, 4), np.float32)
            if np.asarray(f(x, k)).tolist() != [4.0 * number] * len(x):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert any(not key.types[0].is_static for key in f.cache)


# --------------------------------------------------------------------------------------- processes


def run(program: str, *arguments: object, **settings: str) -> list[str]:
    """The lines that a Python process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, **settings}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


RACE = """
import irflow.errors
irflow.errors.LOADED_AT += 10**12  # sources that change meanwhile do not matter
import os, sys, hashlib, numpy as np, irflow as irf, irflow.numpy as inp
import irflow_llvm.runtime, irflow_llvm.stored
x = np.linspace(-1, 1, 3000 * 40, dtype=np.float32).reshape(3000, 40)
start, go = os.pipe()
results, answer = os.pipe()
children = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(start, 1)  # returns when the parent closes its end
        f = irf.jit(lambda x: inp.tanh(x) @ x[:7].T + x.sum(0)[:7], backend="llvm")
        digest = hashlib.sha256(np.asarray(f(x)).tobytes()).hexdigest()
        os.write(answer, (digest + "\\n").encode())
        os._exit(0)
    children.append(child)
os.close(go)
os.close(answer)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
with os.fdopen(results) as file:
    print(file.read(), end="")
"""


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_processes_race_on_a_cold_cache(count: int, tmp_path: Path) -> None:
    place = tmp_path / "code"
    settings = {"IRFLOW_CACHE": str(place), "IRFLOW_CHECK": "0"}
    lines = run(RACE, count, **settings)
    assert len(lines) == count
    assert len(set(lines)) == 1
    entries = sorted(place.glob("*/*"))
    assert entries
    assert all(entry.suffix == ".entry" for entry in entries)
    for entry in entries:
        whole = entry.read_bytes()
        entry.write_bytes(whole[:-1] if len(whole) % 2 else whole[:99] + b"?" + whole[100:])
    assert set(run(RACE, count, **settings)) == set(lines)


def test_forks_while_others_compute(pool: workers.Pool) -> None:
    pool.resize(3)
    f = irf.jit(lambda x: inp.tanh(x) * 2 + inp.sum(x, axis=1, keepdims=True), backend="llvm")
    x = draw(2048, 128)
    expected = np.asarray(f(x)).tobytes()
    is_done = threading.Event()
    wrong: list[int] = []

    def compute() -> None:
        while not is_done.is_set():
            if np.asarray(f(x)).tobytes() != expected:
                wrong.append(1)

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        for _ in range(FORK):
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # a child that waits for threads it does not have would never end
                is_right = all(np.asarray(f(x)).tobytes() == expected for _ in range(3))
                os._exit(0 if is_right and pool.threads == 3 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        is_done.set()
        thread.join()
    assert not wrong
    assert np.asarray(f(x)).tobytes() == expected


ONE = """
import os
os.environ.pop("IRFLOW_NUM_THREADS", None)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np, irflow as irf, irflow.numpy as inp
from irflow_llvm import workers
before = len(os.listdir("/proc/self/task"))
f = irf.jit(lambda x: inp.tanh(x) * 2, backend="llvm")
f(np.ones((2048, 512), np.float32))
print(workers.pool().threads, len(os.listdir("/proc/self/task")) - before)
"""


def test_one_processor_is_one_thread() -> None:
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    assert run(ONE, **environment) == ["1 0"]


LITTLE = """
import resource, numpy as np, irflow as irf, irflow.numpy as inp
f = irf.jit(lambda x: inp.sort(inp.exp(x @ x.T), axis=0) @ x, backend="llvm")
small = np.full((5, 3), 0.125, np.float32)
before = f(small).tolist()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30,) * 2)
try:
    f(np.ones((30_000, 3), np.float32))
except irf.errors.ArenaError as error:
    print(error)
assert f(small).tolist() == before
"""


def test_memory_that_cannot_be_had() -> None:
    first, *rows = run(LITTLE)
    assert "no memory for an arena of" in first
    assert rows[0].split()[1:] in (
        ["f32[n,", "n]", "3,600,000,000", "bytes"],
        ["f32[30000,", "30000]", "3,600,000,000", "bytes"],
    )
    assert rows[-1].startswith("  hint: smaller batches")
