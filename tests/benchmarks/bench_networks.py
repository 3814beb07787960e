"""Networks: training, inference, convolutions, attention, first calls and memory, beside peers.

`make bench` prints all rows with the peers that are installed (torch, jax, Keras, onnxruntime), and

    python tests/benchmarks/bench_networks.py cnn-train --peers torch --rounds 1 --seconds 2

one of them; `--list` names the rows, and a beginning (`conv-56`) or a section (`train`,
`inference`, `conv`, `attention`, `first`, `memory`) stands for several. Every figure is the median
in a process of its own, all with the same number of threads, in turns and several times over; the
best counts. Weights and inputs are equal for all, and so must be the results of inference.

On a machine that is busy with other work, `--processor-time` measures one thread by the processor's
time instead.
"""

import subprocess
import sys


def bench_networks() -> None:
    """The tables, as `make bench` prints them."""
    subprocess.run([sys.executable, __file__, "--rounds", "1", "--seconds", "1"], check=True)


if __name__ == "__main__":
    from networks.table import main

    main()
