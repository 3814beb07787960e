"""Runs contestants one after the other, each in a process of its own, and prints the tables."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from networks.measuring import Result, machine, measure, print_result, write_model
from networks.rows import Contestant, Row, chosen

PROGRAM = Path(__file__).parents[1] / "bench_networks.py"
SLOWING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "IRFLOW_CHECK",
    "PYTHONDONTWRITEBYTECODE",
)
COUNTS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "IRFLOW_NUM_THREADS",
    "BENCH_THREADS",
)
TOLERANCE, NARROW = 1e-4, {"bf16": 5e-2, "8 bits": 1e-1}
"""How far results may be apart, in units of the largest element; by a part of the label."""


def child(arguments: list[str], threads: int, **more: str) -> Result:
    """What a process of its own prints in its last line.

    Raises:
        RuntimeError: it failed; the message is the end of what it printed.
    """
    environment = {k: v for k, v in os.environ.items() if k not in SLOWING}
    environment |= dict.fromkeys(COUNTS, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more
    command = [sys.executable, str(PROGRAM), *arguments]
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError("\n".join(done.stderr.splitlines()[-4:]))
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


class Bench:
    """The options of a run, and how it measures a row."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.threads = options, options.threads
        self.machine: Result = {}

    def contestants(self, row: Row) -> list[Contestant]:
        wanted, only = self.options.peers, self.options.only

        def takes_part(c: Contestant) -> bool:
            if only and c.label not in only.split("/"):
                return False
            if not c.is_peer or wanted is None:
                return c.is_installed
            return c.is_installed and any(p in c.place + c.label.lower() for p in wanted.split(","))

        return [c for c in row.contestants if takes_part(c)]

    def one(self, row: Row, contestant: Contestant, output: str, **more: str) -> Result:
        arguments = ["--one", row.name, contestant.label, str(self.options.seconds), output]
        return child(arguments, self.threads, **more)

    def rounds(self, row: Row, contestants: list[Contestant]) -> dict[str, Result]:
        """The best median of several processes of each; contestants take turns."""
        found: dict[str, Result] = {}
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(self.options.rounds):
                for c in contestants:
                    if turn and c.label not in found:
                        continue
                    try:
                        result = self.one(row, c, f"{folder}/{c.label}.npy")
                    except RuntimeError as error:
                        print(f"  {c.label} failed: {error}", flush=True)
                        continue
                    if result["median"] < found.get(c.label, {"median": math.inf})["median"]:
                        found[c.label] = result
            _compare(folder, found)
        return found

    def first(self, row: Row, contestants: list[Contestant]) -> dict[str, Result]:
        """First calls without and with what an earlier process kept, medians."""
        found: dict[str, Result] = {}
        for c in contestants:
            times = [self._cold_and_warm(row, c) for _ in range(self.options.rounds)]
            cold, warm = (statistics.median(column) for column in zip(*times, strict=True))
            found[c.label] = {"median": cold, "warm": warm}
        return found

    def _cold_and_warm(self, row: Row, c: Contestant) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            more = {
                "IRFLOW_CACHE": f"{folder}/irflow",
                "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            }
            times = [self.one(row, c, f"{folder}/y.npy", **more)["median"] for _ in range(2)]
        return times[0], times[1]

    def show(self, row: Row) -> None:
        contestants = self.contestants(row)
        found = (self.first if row.section == "first" else self.rounds)(row, contestants)
        print(f"\n{row.name}", flush=True)
        if row.section not in ("first", "memory"):
            self._show_floor(row)
        peers = [r for c in contestants if c.is_peer and (r := found.get(c.label))]
        for c in contestants:
            if c.label in found:
                print(f"  {c.label:26}" + _cells(row, found[c.label], c.is_peer, peers), flush=True)

    def _show_floor(self, row: Row) -> None:
        if not self.machine:
            self.machine = child(["--machine"], self.threads)
        flops, moved = row.cost()
        times = flops / self.machine["peak"], moved / self.machine["copy"]
        print(
            f"  floor {1e3 * times[0]:.3f} ms for {flops / 1e9:.3f} Gflop at "
            f"{self.machine['peak'] / 1e9:.0f} GFLOP/s, {1e3 * times[1]:.3f} ms for "
            f"{moved / 1e6:.1f} MB at {self.machine['copy'] / 1e9:.0f} GB/s"
        )


def _compare(folder: str, found: dict[str, Result]) -> None:
    """Adds how far each one's result is from that of the first peer, or of the first of all."""
    outputs = {label: Path(folder) / f"{label}.npy" for label in found}
    there = {label: np.load(path) for label, path in outputs.items() if path.exists()}
    if not there:
        return
    against = next((n for n in there if not n.startswith("irflow")), next(iter(there)))
    largest = float(np.abs(there[against]).max())
    for label, result in there.items():
        error = float(np.abs(result - there[against]).max()) / largest
        tolerance = next((NARROW[part] for part in NARROW if part in label), TOLERANCE)
        found[label] |= {"error": error, "differs": not error < tolerance}


def _cells(row: Row, result: Result, is_peer: bool, peers: list[Result]) -> str:
    if row.section == "memory":
        return f"{result['median']:10.0f} MB"
    if row.section == "first":
        return f"{result['median']:10.2f} s cold{result['warm']:10.2f} s warm"
    median = result["median"]
    text = f"{1e3 * median:12.3f} ms{1e3 * result['least']:12.3f} least"
    if row.section == "train":
        text += f"{row.units / median:12,.0f}/s"
        text += "   loss {:.3f} to {:.3f}".format(*result["loss"])
    elif row.section != "inference":
        text += f"{row.cost()[0] / median / 1e9:9.1f} GFLOP/s"
    if "error" in result:
        text += f"   error {result['error']:.0e}" + " DIFFERS" * result["differs"]
    if peers and not is_peer:
        ratios = (min(p[kind] for p in peers) / result[kind] for kind in ("median", "least"))
        text += "   {:.2f} times the best peer ({:.2f} by the least)".format(*ratios)
    return text


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Networks in irflow and its peers.")
    parser.add_argument("rows", nargs="*", help="names, beginnings of names, sections; all")
    parser.add_argument("--peers", help="some of torch,jax,keras,onnxruntime; or none")
    parser.add_argument("--only", help="labels of contestants, parted by /")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--processor-time", action="store_true", help="of one thread; for busy machines"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    return parser.parse_args()


def main() -> None:
    """The command line."""
    words: list[Any] = sys.argv[1:]
    if words[:1] == ["--one"]:
        return print_result(measure(words[1], words[2], float(words[3]), words[4]))
    if words[:1] == ["--machine"]:
        return print_result(machine())
    if words[:1] == ["--write-model"]:
        return write_model(words[1], words[2])
    options = arguments()
    if options.processor_time:
        os.environ["BENCH_CLOCK"], options.threads = "processor", 1
    if options.list:
        return print("\n".join(row.name for row in chosen(options.rows)))
    bench = Bench(options)
    for row in chosen(options.rows):
        bench.show(row)
    return None
