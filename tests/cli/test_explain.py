"""`irflow explain`: what it says of passes, kernels, memory and lines."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

GRAPH = """\
graph @net(%x: f32[n, 4], %w: f32[4, 3]) -> f32[n, 3], f32[n] where n <= 16 {
  %0 = matmul %x, %w : f32[n, 3]               // model.py:4
  %1 = elementwise<tanh> %0 : f32[n, 3]        // model.py:5
  %2 = elementwise<tanh> %0 : f32[n, 3]        // model.py:6
  %3 = elementwise<add> %1, %2 : f32[n, 3]     // model.py:6
  %4 = reduce<add, axes=(1,)> %3 : f32[n]      // model.py:7
  return %3, %4
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.ir"
    path.write_text(GRAPH, "utf-8")
    return path


def test_kernels_of_a_program(irflow: Run, net: Path) -> None:
    done = irflow("explain", net, "--backend", "llvm")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "@net on llvm: 5 operations traced, 2 after the passes"
    assert lines[1] == "flops a byte and memory are for n = 16"
    kernel = next(line for line in lines if line.startswith("matmul_fused_0"))
    assert "28*n + 48" in kernel, "n rows of 4 read, 3 written, 4 bytes each, and the weights"
    assert " yes " in kernel
    assert "model.py:4,5,6" in kernel
    assert kernel.endswith("matmul, tanh, add")
    reduction = next(line for line in lines if line.startswith("reduce_1"))
    assert " no " in reduction
    assert reduction.split()[-3:] == ["model.py:7", "reduce", "add"]
    assert any(line.startswith("cse ") and "merge_equal 1" in line for line in lines)
    assert "host steps: none" in lines
    assert "without fusion" in done.out


def test_notes_stand_under_the_users_line(irflow: Run, net: Path) -> None:
    lines = irflow("explain", net, "--backend", "llvm").out.splitlines()
    start = lines.index("what was not done, and why")
    assert lines[start + 1].startswith("  model.py:")
    assert any(line.endswith("[fuse]") for line in lines[start:])


def test_nodes_of_a_graph_backend(irflow: Run, net: Path) -> None:
    done = irflow("explain", net, "--backend", "numpy")
    assert done.code == 0, done.err
    assert "\noperations\n" in done.out
    assert "memory" not in done.out.splitlines()[3:]
    assert "matmul f32[n, 3]" in done.out


def test_for_programs(irflow: Run, net: Path) -> None:
    found = irflow("explain", net, "--backend", "llvm", "--json").json()
    assert found["nodes"] == {"traced": 5, "final": 2}
    assert found["sizes"] == {"n": 16}
    first, second = found["kernels"]
    assert first["ops"] == ["matmul", "tanh", "add"]
    assert first["lines"] == ["model.py:4", "model.py:5", "model.py:6"]
    assert first["fused"] is True
    assert first["bytes"] == "28*n + 48"
    assert first["unfused_bytes"] == "88*n + 48"
    assert first["intensity"] == pytest.approx(eval(first["flops"], {"n": 16}) / (28 * 16 + 48))
    assert second["bytes"] == "16*n"
    assert second["flops"] == "3*n"
    assert found["arena"] == 0
    assert [one["pass"] for one in found["passes"]].count("fuse") == 1
    assert all(remark["line"].startswith("model.py:") for remark in found["remarks"])


def test_the_arena_and_host_steps(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    path.write_text(
        """graph @g(%x: f32[64, 4]) -> f32[4] {
  %0 = reduce<add, axes=(0,)> %x : f32[4]
  %1 = reduce<maximum, axes=(0,)> %0 : f32[]
  %2 = broadcast<(4,), axes=()> %1 : f32[4]
  %3 = elementwise<add> %0, %2 : f32[4]
  return %3
}
"""
    )
    found = irflow("explain", path, "--backend", "llvm", "--json", "--passes", "").json()
    assert [one["type"] for one in found["temporaries"][:2]] == ["f32[4]", "f32[4]"]
    assert found["temporaries"][0]["steps"] == [0, 3]
    assert found["arena"] == 3 * 64
    assert [one["kind"] for one in found["kernels"]] == ["kernel"] * 4
    assert found["sizes"] == {}


def test_kernels_of_a_group_with_results_of_two_shapes(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    path.write_text(
        """graph @g(%x: f32[8, 4]) -> f32[8, 4], f32[4] {
  %0, %1 = fusion<"reduce"> %x : f32[8, 4], f32[4] {
    (%x: f32[8, 4]) -> f32[8, 4], f32[4]
    %0 = elementwise<tanh> %x : f32[8, 4]
    %1 = elementwise<negative> %x : f32[8, 4]
    %2 = reduce<add, axes=(0,)> %1 : f32[4]
    return %0, %2
  }
  return %0, %1
}
"""
    )
    found = irflow("explain", path, "--backend", "llvm", "--json", "--passes", "").json()
    assert [one["ops"] for one in found["kernels"]] == [["tanh"], ["negative", "reduce add"]]


def test_loops(irflow: Run, tmp_path: Path) -> None:
    path = tmp_path / "g.ir"
    path.write_text(
        """graph @g(%w: f32[3], %xs: f32[5, 3]) -> f32[3] {
  %0 = scan<5, constants=0, carries=1> %w, %xs : f32[3] {
    (%carry: f32[3], %x: f32[3]) -> f32[3]
    %0 = elementwise<add> %carry, %x : f32[3]
    return %0
  }
  return %0
}
"""
    )
    found = irflow("explain", path, "--backend", "llvm", "--json").json()
    assert found["flops"] == "15"
    lines = irflow("explain", path, "--backend", "llvm").out.splitlines()
    assert any(line.startswith("loop of 5 steps") for line in lines)
    assert any(line.startswith("  elementwise_1 ×5  3 ") for line in lines)


def test_an_unknown_pass_is_misuse(irflow: Run, net: Path) -> None:
    assert irflow("explain", net, "--passes", "csf").code == 2


PROGRAM = """\
import sys

import irflow as irf


@irf.jit
def double(x):
    return x * 2.0


def main(sizes):
    for size in sizes:
        double(irf.asarray([1.0] * int(size)))
    graph = irf.Graph()
    with graph.as_default():
        x = irf.placeholder("f32", (2,), name="x")
        irf.Session().run(x + 1.0, {x: [1.0, 2.0]})


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.exit(0)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, "utf-8")
    return path


def test_a_program_tells_why_it_compiled(irflow: Run, program: Path) -> None:
    done = irflow("explain", program, "--backend", "llvm", "--", "3", "3", "4")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"{program} was run and caused 3 compilations"
    reasons = [line.split(maxsplit=1)[1] for line in lines[2:5]]
    assert reasons[:2] == [
        "double: first compilation",
        "double: compiled again for all 2 <= n: x was f32[3], is f32[n]",
    ]
    assert reasons[2].startswith("session on ")
    assert sum(line.startswith("@double on llvm:") for line in lines) == 2
    assert "program.py:8" in done.out


def test_a_program_for_programs(irflow: Run, program: Path) -> None:
    found = irflow("explain", program, "--backend", "numpy", "--json", "--", "1").json()
    first, second = found["compilations"]
    assert first["reason"] == "double: first compilation"
    assert first["backend"] == second["backend"] == "numpy"
    assert first["seconds"] > 0


def test_misuse_of_programs(irflow: Run, program: Path, net: Path) -> None:
    wrong = irflow("explain", program, "-O3")
    assert wrong.code == 2
    assert "belong to a function, not to a program" in wrong.err
    assert f"name a function: {program}:function" in wrong.err
    assert "no such file" in irflow("explain", program.with_name("none.py")).err
    assert "has arguments" in irflow("explain", net, "--", "7").err


def test_a_program_that_fails(irflow: Run, program: Path) -> None:
    program.write_text("import sys\nsys.exit(3)\n", "utf-8")
    done = irflow("explain", program)
    assert done.code == 1
    assert f"{program} ended the program with code 3" in done.err
