"""Machine code made in a child: what ends the process of LLVM is an error here."""

import subprocess
import sys

import numpy as np
import pytest

import irflow as irf
from irflow.errors import LoweringError
from irflow_llvm import engine, llvm, runtime
from irflow_llvm.child import Machine, machine_code

GOOD = "define i32 @good(i32 %x) {\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n"
# The processor at hand has no such instruction, and LLVM ends the process.
OTHER = "aarch64.neon.umaxv" if "86" in llvm.target_machine().triple else "x86.sse42.crc32"
BAD = f"""{GOOD}
declare i32 @llvm.{OTHER}.i32.v4i32(<4 x i32>)
define i32 @bad(<4 x i32> %x) {{
  %y = call i32 @llvm.{OTHER}.i32.v4i32(<4 x i32> %x)
  ret i32 %y
}}
define i32 @after(i32 %x) {{
  ret i32 %x
}}
"""
ABORT = f"from irflow_llvm.engine import Engine; Engine({BAD!r})"


def test_in_this_process_it_would_be_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", ABORT], capture_output=True)
    assert done.returncode < 0


def test_an_end_of_the_child_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_COMPILE_IN_CHILD", "1")
    with pytest.raises(LoweringError, match=r"(?s)cannot compile kernel bad.*llvm +LLVM ERROR"):
        engine.Engine(BAD)


def test_code_of_a_child_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRFLOW_COMPILE_IN_CHILD", "1")
    monkeypatch.setattr(llvm, "object_code", None)
    runtime.engine_for.cache_clear()
    function = irf.jit(lambda x: x * 3.25 + 0.625, backend="llvm")
    np.testing.assert_array_equal(function(np.arange(4.0)), np.arange(4.0) * 3.25 + 0.625)


def test_the_code_is_the_same_as_ours() -> None:
    assert machine_code(GOOD) == llvm.object_code(GOOD)
    assert machine_code(GOOD, kind="assembly").decode() == llvm.assembly(GOOD)


def test_other_machines() -> None:
    text = machine_code(
        GOOD, machine=Machine("cortex-a72", "", "aarch64-linux-gnu"), kind="assembly"
    )
    assert b"add\tw0, w0, #1" in text
    with pytest.raises(
        LoweringError, match=r"(?s)cannot compile kernel wide.*for +x86_64-linux-gnu"
    ):
        machine_code(
            "declare <16 x float> @llvm.x86.avx512.rcp14.ps.512"
            "(<16 x float>, <16 x float>, i16)\n"
            "define <16 x float> @wide(<16 x float> %x) {\n"
            "  %y = call <16 x float> @llvm.x86.avx512.rcp14.ps.512"
            "(<16 x float> %x, <16 x float> %x, i16 -1)\n"
            "  ret <16 x float> %y\n}\n",
            machine=Machine("x86-64", "", "x86_64-linux-gnu"),
        )


def test_text_that_llvm_rejects() -> None:
    with pytest.raises(LoweringError, match=r"(?s)LLVM rejects the code.*line 1 +define nothing"):
        machine_code("define nothing")


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (Machine("", "", "nowhere"), "LLVM knows no such machine: .*nowhere"),
        (Machine("z80000", "", "x86_64-linux-gnu"), "LLVM knows no processor 'z80000'"),
    ],
)
def test_a_machine_that_nobody_knows(machine: Machine, text: str) -> None:
    with pytest.raises(LoweringError, match=text):
        machine_code(GOOD, machine=machine)
