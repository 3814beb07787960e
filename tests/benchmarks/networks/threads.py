"""How many threads everything that is measured has, and by which clock."""

import os
import time

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
clock = time.process_time if os.environ.get("BENCH_CLOCK") == "processor" else time.perf_counter
