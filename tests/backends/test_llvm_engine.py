"""Machine code in a process whose address space is nearly full."""

import subprocess
import sys

import pytest

# Above 6 GiB of data only single pages are free: code of three pages and its page of constants,
# each put where it fits, would be out of reach of each other, which ends the process.
FULL = """
import ctypes, mmap
from irflow_llvm.engine import Engine

def taken(size):
    NORESERVE = 0x4000
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)

def place(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))

factors = [f"0x3FF{i}000000000000" for i in range(7)]
lines = "".join(f"%v{i} = fmul double %v{i - 1}, {factors[i % 7]}\\n" for i in range(1, 3000))
code = f"define double @f(double %v0) {{\\n{lines}ret double %v2999\\n}}\\n"
Engine(code)  # whatever is imported and allocated once
pages = [taken(4096) for _ in range(1000)]
data = [taken(3 << 30) for _ in range(2)]
rest = []
for size in (1 << 20, 64 << 10, 8 << 10):
    while not rest or place(rest[-1]) > place(data[0]):
        rest.append(taken(size))
    rest.pop()
for page in pages[::2]:
    page.close()
engine = Engine(code)
print(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(engine.address("f"))(1.0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a flag of Linux's mmap")
def test_code_and_constants_stay_within_reach_of_each_other() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 1
