"""The grouping rules of `fuse`, each on the smallest graph that shows it."""

from __future__ import annotations

from irflow.ir.graph import Graph, Node
from irflow.ir.parse import parse_graph
from irflow.plugins import find_pass
from irflow.transform.manager import PassManager, Report


def fuse(text: str, pipeline: str = "fuse", claims=lambda node: False) -> tuple[Graph, Report]:
    graph = parse_graph(text)
    return graph, PassManager(pipeline, find_pass, claims=claims).run(graph, check=3)


def shown(graph: Graph) -> list[str]:
    """Each node as its op, or the kind of a fusion with the ops inside."""
    return [
        f"{node.op.kind}({' '.join(map(name, node.regions[0]))})" if node.regions else name(node)
        for node in graph
    ]


def name(node: Node) -> str:
    row = getattr(node.op, "row", None)
    return str(row) if node.op.name == "elementwise" else node.op.name


def reasons(report: Report) -> str:
    return "\n".join(map(str, report.records[-1].notes))


def test_a_chain_of_elementwise_nodes_is_a_loop() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 3]) -> f32[n, 3] {
          %0 = elementwise<exp> %x : f32[n, 3]
          %1 = elementwise<sin> %0 : f32[n, 3]
          %2 = elementwise<add> %1, %0 : f32[n, 3]
          return %2
        }"""
    )
    assert shown(graph) == ["loop(exp sin add)"]


def test_a_lone_node_stays_as_it_is() -> None:
    graph, report = fuse(
        "graph @f(%x: f32[n]) -> f32[n] {\n %0 = elementwise<exp> %x : f32[n]\n return %0 }"
    )
    assert shown(graph) == ["exp"]
    assert not report.changed


def test_a_value_that_is_returned_is_one_more_result() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n]) -> f32[n], f32[n] {
          %0 = elementwise<exp> %x : f32[n]
          %1 = elementwise<sin> %0 : f32[n]
          return %0, %1
        }"""
    )
    assert shown(graph) == ["loop(exp sin)"]
    assert len(graph.first.outputs) == 2


def test_what_is_expensive_is_not_repeated_by_a_broadcast() -> None:
    graph, report = fuse(
        """graph @f(%v: f32[n], %x: f32[n, 3]) -> f32[n, 3] {
          %0 = elementwise<exp> %v : f32[n]
          %1 = broadcast<(n, 3), axes=(0,)> %0 : f32[n, 3]
          %2 = elementwise<add> %x, %1 : f32[n, 3]
          return %2
        }"""
    )
    assert shown(graph) == ["exp", "loop(broadcast add)"]
    assert "10 operations an element would be repeated" in reasons(report)


def test_what_is_cheap_may_be_repeated_by_a_broadcast() -> None:
    graph, _ = fuse(
        """graph @f(%v: f32[n], %x: f32[n, 3]) -> f32[n, 3] {
          %0 = elementwise<negative> %v : f32[n]
          %1 = broadcast<(n, 3), axes=(0,)> %0 : f32[n, 3]
          %2 = elementwise<add> %x, %1 : f32[n, 3]
          return %2
        }"""
    )
    assert shown(graph) == ["loop(negative broadcast add)"]


def test_much_that_is_cheap_is_not_repeated_by_a_broadcast() -> None:
    lines = "\n".join(f"%{i + 1} = elementwise<rint> %{i} : f32[m]" for i in range(12))
    graph, report = fuse(
        f"""graph @f(%v: f32[m], %x: f32[n, m]) -> f32[n, m] {{
          {lines.replace("%0", "%v")}
          %13 = broadcast<(n, m), axes=(1,)> %12 : f32[n, m]
          %14 = elementwise<add> %x, %13 : f32[n, m]
          return %14
        }}"""
    )
    loops = ["loop(rint rint rint rint)", f"loop({'rint ' * 8}broadcast add)"]
    assert shown(graph) == loops
    assert "9 operations an element would be repeated" in reasons(report)


def test_an_expensive_value_read_at_two_indices_is_computed_once() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[3, 3]) -> f32[3, 3] {
          %0 = elementwise<exp> %x : f32[3, 3]
          %1 = transpose<(1, 0)> %0 : f32[3, 3]
          %2 = elementwise<add> %0, %1 : f32[3, 3]
          return %2
        }"""
    )
    assert shown(graph) == ["exp", "loop(transpose add)"]


def test_a_reduction_takes_what_it_reads_and_what_follows() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 3]) -> f32[n] {
          %0 = elementwise<square> %x : f32[n, 3]
          %1 = reduce<add, axes=(1,)> %0 : f32[n]
          %2 = elementwise<sqrt> %1 : f32[n]
          return %2
        }"""
    )
    assert shown(graph) == ["reduce(square reduce sqrt)"]


def test_reductions_over_the_same_axes_share_a_kernel() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 3]) -> f32[n] {
          %0 = elementwise<exp> %x : f32[n, 3]
          %1 = reduce<add, axes=(1,)> %0 : f32[n]
          %2 = reduce<maximum, axes=(1,)> %0 : f32[n]
          %3 = elementwise<divide> %1, %2 : f32[n]
          return %3
        }"""
    )
    assert shown(graph) == ["reduce(exp reduce reduce divide)"]


def test_reductions_over_other_axes_do_not() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[3, 3]) -> f32[3] {
          %0 = reduce<add, axes=(1,)> %x : f32[3]
          %1 = reduce<add, axes=(0,)> %x : f32[3]
          %2 = elementwise<divide> %0, %1 : f32[3]
          return %2
        }"""
    )
    assert shown(graph) == ["reduce", "reduce(reduce divide)"]
    assert "the group reduces another shape or other axes" in reasons(report)


def test_a_contraction_takes_moves_before_and_functions_behind() -> None:
    graph, _ = fuse(
        """graph @dense(%x: f32[8, n], %w: f32[8, 4], %b: f32[4]) -> f32[n, 4] {
          %0 = transpose<(1, 0)> %x : f32[n, 8]
          %1 = matmul %0, %w : f32[n, 4]
          %2 = broadcast<(n, 4), axes=(1,)> %b : f32[n, 4]
          %3 = elementwise<add> %1, %2 : f32[n, 4]
          %4 = elementwise<tanh> %3 : f32[n, 4]
          return %4
        }"""
    )
    assert shown(graph) == ["contraction(transpose matmul broadcast add tanh)"]


def test_a_contraction_computes_nothing_before() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[n, 8], %w: f32[8, 4]) -> f32[n, 4] {
          %0 = elementwise<negative> %x : f32[n, 8]
          %1 = matmul %0, %w : f32[n, 4]
          return %1
        }"""
    )
    assert shown(graph) == ["negative", "matmul"]
    assert "through moves of elements only" in reasons(report)


def test_a_contraction_does_not_regroup_what_it_reads() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[8, n, 4], %w: f32[32, 4]) -> f32[n, 4] {
          %0 = transpose<(1, 0, 2)> %x : f32[n, 8, 4]
          %1 = reshape<(n, 32)> %0 : f32[n, 32]
          %2 = matmul %1, %w : f32[n, 4]
          return %2
        }"""
    )
    assert shown(graph) == ["transpose", "reshape", "matmul"]
    assert "by strides" in reasons(report)


def test_one_contraction_a_kernel() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[n, 4], %w: f32[4, 4]) -> f32[n, 4] {
          %0 = matmul %x, %w : f32[n, 4]
          %1 = matmul %x, %w : f32[n, 4]
          %2 = elementwise<add> %0, %1 : f32[n, 4]
          return %2
        }"""
    )
    assert shown(graph) == ["matmul", "contraction(matmul add)"]


def test_a_cheap_value_is_computed_in_both_kernels_that_read_it() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[4], %y: f32[4]) -> f32[2, 2], f32[] {
          %0 = elementwise<add> %x, %y : f32[4]
          %1 = elementwise<exp> %0 : f32[4]
          %2 = reshape<(2, 2)> %1 : f32[2, 2]
          %3 = reduce<add, axes=(0,)> %0 : f32[]
          return %2, %3
        }"""
    )
    assert shown(graph) == ["loop(add exp)", "reshape", "reduce(add reduce)"]


def test_only_short_chains_are_computed_in_both_kernels() -> None:
    graph, _ = fuse(
        """graph @f(%x: f32[4]) -> f32[4], f32[] {
          %0 = elementwise<rint> %x : f32[4]
          %1 = elementwise<rint> %0 : f32[4]
          %2 = elementwise<rint> %1 : f32[4]
          %3 = elementwise<negative> %2 : f32[4]
          %4 = elementwise<negative> %3 : f32[4]
          %5 = elementwise<negative> %4 : f32[4]
          %6 = elementwise<exp> %5 : f32[4]
          %7 = reverse<(0,)> %6 : f32[4]
          %8 = reduce<add, axes=(0,)> %5 : f32[]
          return %7, %8
        }"""
    )
    assert shown(graph) == [
        "loop(rint rint rint)",
        "loop(negative negative negative exp reverse)",
        "reduce(negative negative negative reduce)",
    ]


def test_nodes_that_the_backend_claims_stay_alone() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[n]) -> f32[n] {
          %0 = elementwise<exp> %x : f32[n]
          %1 = elementwise<sin> %0 : f32[n]
          %2 = elementwise<negative> %1 : f32[n]
          return %2
        }""",
        claims=lambda node: name(node) == "sin",
    )
    assert shown(graph) == ["exp", "sin", "negative"]
    assert "the backend runs it itself" in reasons(report)


def test_a_size_that_no_input_of_the_kernel_has_keeps_it_apart() -> None:
    graph, report = fuse(
        """graph @f(%x: f32[n]) -> f32[n, 2] {
          %0 = constant<dense(f32[], 2.0)> : f32[]
          %1 = broadcast<(n, 2), axes=()> %0 : f32[n, 2]
          return %1
        }"""
    )
    assert shown(graph) == ["constant", "broadcast"]
    assert "no input of the kernel has the size n" in reasons(report)


def test_a_group_is_no_larger_than_the_limit() -> None:
    lines = "\n".join(f"%{i + 1} = elementwise<sin> %{i} : f32[n]" for i in range(9))
    text = f"graph @f(%0: f32[n]) -> f32[n] {{\n{lines}\nreturn %9 }}".replace("%0", "%x")
    graph, report = fuse(text, "fuse{nodes=4}")
    assert shown(graph) == ["sin", "loop(sin sin sin sin)", "loop(sin sin sin sin)"]
    assert "the group has 4 nodes already" in reasons(report)


def test_a_group_reads_no_more_inputs_than_the_limit() -> None:
    graph, report = fuse(
        """graph @f(%a: f32[n], %b: f32[n], %c: f32[n], %d: f32[n]) -> f32[n] {
          %0 = elementwise<add> %a, %b : f32[n]
          %1 = elementwise<add> %0, %c : f32[n]
          %2 = elementwise<add> %1, %d : f32[n]
          return %2
        }""",
        "fuse{inputs=3}",
    )
    assert shown(graph) == ["add", "loop(add add)"]
    assert "more than 3 inputs" in reasons(report)


def test_a_second_run_finds_nothing() -> None:
    _, report = fuse(
        """graph @f(%x: f32[n]) -> f32[n] {
          %0 = elementwise<exp> %x : f32[n]
          %1 = elementwise<sin> %0 : f32[n]
          return %1
        }""",
        "fuse,fuse",
    )
    assert [record.changed for record in report.records] == [True, False]


REDUCED_TWICE = """graph @f(%x: f32[n, 3], %y: f32[n, 3]) -> f32[3], f32[3] {
  %0 = reduce<add, axes=(0,)> %x : f32[3]
  %1 = elementwise<multiply> %x, %y : f32[n, 3]
  %2 = reduce<add, axes=(0,)> %1 : f32[3]
  return %0, %2
}"""


def test_sums_of_the_same_data_are_one_kernel() -> None:
    graph, _ = fuse(REDUCED_TWICE)
    assert shown(graph) == ["reduce(reduce multiply reduce)"]


def test_sums_of_which_one_needs_the_other_are_not() -> None:
    mean = "%4 = broadcast<(n, 3), axes=(1,)> %0 : f32[n, 3]"
    graph, _ = fuse(
        REDUCED_TWICE.replace("%x, %y :", "%x, %4 :").replace("  %1 =", f"{mean}\n%1 =")
    )
    assert shown(graph) == ["reduce", "reduce(broadcast multiply reduce)"]
