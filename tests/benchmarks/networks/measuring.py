"""Measures one row of one contestant, in a process of its own."""

import json
import statistics
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from networks.drawing import ATTENTIONS, BATCHES, CONVOLUTIONS, SAMPLES, batches, data, inputs
from networks.rows import ROWS, Contestant, Row
from networks.threads import THREADS, clock

LEAST_CALLS, LEAST_EPOCHS = 5, 2
MEMORY_CALLS = 10

Result = dict[str, Any]


def timed(call: Callable[[], Any], seconds: float, least: int = LEAST_CALLS) -> Result:
    """Median and least of single calls, in seconds, after a warm-up of a third of the time."""
    end = time.perf_counter() + seconds / 3
    call()
    while time.perf_counter() < end:
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = clock()
        call()
        times.append(clock() - start)
    return {"median": statistics.median(times), "least": min(times), "calls": len(times)}


def _maker(contestant: Contestant) -> Callable[..., Any]:
    made: Callable[..., Any] = getattr(
        import_module(f"networks.{contestant.place}"), contestant.name
    )
    return made


def _steps(contestant: Contestant, kind: str) -> tuple[Callable[[], None], list[float]]:
    """A call that does one step, and the losses so far. An epoch of `fit` is one call."""
    losses: list[float] = []
    if contestant.name.endswith("fit"):
        epoch = _maker(contestant)(kind)
        return lambda: losses.append(epoch()), losses
    advance, numbers = _maker(contestant)(kind, *data(kind)), batches(kind)
    return lambda: losses.append(advance(next(numbers))), losses


def train(row: Row, contestant: Contestant, seconds: float, output: str) -> Result:
    step, losses = _steps(contestant, row.kind)
    is_fit = contestant.name.endswith("fit")
    found = timed(step, seconds, LEAST_EPOCHS if is_fit else LEAST_CALLS)
    if is_fit:
        steps = SAMPLES[row.kind] // BATCHES[row.kind]
        found |= {name: found[name] / steps for name in ("median", "least")}
    return found | {"loss": [losses[0], losses[-1]]}


def inference(row: Row, contestant: Contestant, seconds: float, output: str) -> Result:
    call, x = _maker(contestant)(row.kind), inputs(row.kind)
    np.save(output, call(x))
    return timed(lambda: call(x), seconds)


def kernel(row: Row, contestant: Contestant, seconds: float, output: str) -> Result:
    case = CONVOLUTIONS.get(row.kind) or ATTENTIONS.get(row.kind)
    return timed(_maker(contestant)(case, row.part), seconds)


def first(row: Row, contestant: Contestant, seconds: float, output: str) -> Result:
    """The time of the first call, after imports and with the weights there."""
    if row.kind == "resnet50":
        call, x = _maker(contestant)(row.kind), inputs(row.kind)
        start = time.perf_counter()
        call(x)
    else:
        step, _ = _steps(contestant, row.kind)
        start = time.perf_counter()
        step()
    return {"median": time.perf_counter() - start}


def memory(row: Row, contestant: Contestant, seconds: float, output: str) -> Result:
    if row.kind == "resnet50":
        call, x = _maker(contestant)(row.kind), inputs(row.kind)
        for _ in range(MEMORY_CALLS):
            call(x)
    else:
        step, _ = _steps(contestant, row.kind)
        for _ in range(1 if contestant.name.endswith("fit") else MEMORY_CALLS):
            step()
    return {"median": peak_bytes() / 2**20}


def peak_bytes() -> int:
    """The most memory that this process ever had.

    `getrusage` would also count what the process had that started this one.
    """
    status = Path("/proc/self/status").read_text("ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


SECTIONS = {
    "train": train,
    "inference": inference,
    "conv": kernel,
    "attention": kernel,
    "first": first,
    "memory": memory,
}


def machine() -> Result:
    """Operations a second in registers on all threads, and bytes a second of copies in memory."""
    from bench_gemm import peak_call

    call, flops = peak_call()
    peak = flops / timed(call, 0.3)["least"]
    pairs = [(np.ones(2**24, np.float32), np.zeros(2**24, np.float32)) for _ in range(THREADS)]

    def copies() -> None:
        threads = [threading.Thread(target=np.copyto, args=(b, a)) for a, b in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    moved = sum(2 * a.nbytes for a, _ in pairs)
    return {"peak": peak * THREADS, "copy": moved / timed(copies, 0.5)["least"]}


def write_model(kind: str, path: str) -> None:
    from networks.in_onnx import model

    Path(path).write_bytes(model(kind))


def measure(name: str, label: str, seconds: float, output: str) -> Result:
    """One contestant in one row."""
    row = ROWS[name]
    (contestant,) = (c for c in row.contestants if c.label == label)
    return SECTIONS[row.section](row, contestant, seconds, output)


def print_result(result: Result) -> None:
    """The last line that the process prints."""
    print(json.dumps(result))
