"""Places of boxes and wires, whatever the graph is."""

import itertools

import pytest

from irflow.draw.diagram import ENTRY, EXIT, LABEL_GAP, Box, Diagram
from irflow.draw.layers import LONG_INPUT, LONG_WIRE
from irflow.draw.outline import Folding, outline
from irflow.draw.place import place
from irflow.draw.text import small_width
from irflow.ir.parse import parse_graph
from irflow.testing.graphs import random_graph


def diagrams(diagram: Diagram) -> list[Diagram]:
    """`diagram` and those in its groups."""
    inner = [inside for box in diagram.boxes for inside in box.insides]
    return [diagram, *(found for inside in inner for found in diagrams(inside))]


def placed(seed: int, steps: int, level: int) -> Diagram:
    diagram = outline(random_graph(seed, steps), Folding(level, 20))
    place(diagram)
    return diagram


def overlap(a: Box, b: Box) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("level", [0, 2, 4, 6])
def test_boxes_do_not_overlap_and_wires_lead_down_between_rows(seed: int, level: int) -> None:
    for diagram in diagrams(placed(seed, 50, level)):
        assert not [p for p in itertools.combinations(diagram.boxes, 2) if overlap(*p)]
        for wire in diagram.wires:
            ends = {(x2, y2) for _, _, x2, y2 in wire.segments}
            ends |= {(x, y2) for x, _, y2 in wire.straights}
            for box, port in wire.targets:
                assert box.y > wire.source.y + wire.source.height
                at = (box.x + box.tops[port], box.y)
                assert any(abs(at[0] - x) + abs(at[1] - y) < 1e-6 for x, y in ends)
            for _, y, _, y2 in wire.segments:
                assert y2 > y
                assert not [b for b in diagram.boxes if y < b.y + b.height and b.y < y2], "strips"
            for x, y, y2 in wire.straights:
                crossed = [
                    b
                    for b in diagram.boxes
                    if b.kind not in (ENTRY, EXIT)
                    and b.x < x < b.x + b.width
                    and y < b.y + b.height
                    and b.y < y2
                ]
                assert not crossed


@pytest.mark.parametrize("seed", range(10))
def test_ports_are_on_the_border_and_labels_have_room(seed: int) -> None:
    for diagram in diagrams(placed(seed, 50, 4)):
        for box in diagram.boxes:
            assert (len(box.tops), len(box.bottoms)) == (box.inputs, box.outputs)
            assert all(0 < x < box.width for x in (*box.tops, *box.bottoms))
            starts = sorted(zip(box.bottoms, box.labels, strict=False))
            ends = [*(x for x, _ in starts[1:]), box.width]
            for (x, label), end in zip(starts, ends[: len(starts)], strict=True):
                assert x + LABEL_GAP + small_width(label) <= end


def test_a_group_holds_its_region_and_its_wires_continue_inside() -> None:
    graph = parse_graph(
        """graph @g(%x: f32[3], %y: f32[3]) -> f32[3], f32[3] {
  %0, %1 = fusion<"loop"> %y, %x : f32[3], f32[3] {
    (%a: f32[3], %b: f32[3]) -> f32[3], f32[3]
    %0 = elementwise<tanh> %a : f32[3]
    %1 = elementwise<add> %0, %b : f32[3]
    return %1, %0
  }
  return %0, %1
}"""
    )
    diagram = outline(graph, Folding(1, 80))
    place(diagram)
    (group,) = [box for box in diagram.boxes if box.is_group]
    (inside,) = group.insides
    entries = [box for box in inside.boxes if box.kind == ENTRY]
    exits = [box for box in inside.boxes if box.kind == EXIT]
    assert group.tops == [box.x + box.bottoms[0] for box in entries]
    assert group.bottoms == [box.x + box.tops[0] for box in exits]
    for box in inside.boxes:
        assert 0 <= box.x <= box.x + box.width <= group.width
        assert 0 < box.y <= box.y + box.height <= group.height
    read = {port: w.source.title for w in diagram.wires for b, port in w.targets if b is group}
    assert read == {0: "y", 1: "x"}
    assert diagram.count() == 3


def long_graph(steps: int) -> str:
    lines = [f"%{i} = reduce<add, axes=()> %{i - 1 if i else 'x'} : f32[3]" for i in range(steps)]
    end = f"%{steps} = elementwise<add> %{steps - 1}, %x : f32[3]"
    other = f"%{steps + 1} = elementwise<add> %{steps}, %0 : f32[3]"
    body = "\n".join([*lines, end, other])
    return f"graph @g(%x: f32[3]) -> f32[3] {{\n{body}\nreturn %{steps + 1}\n}}"


def test_long_wires_are_cut() -> None:
    diagram = outline(parse_graph(long_graph(LONG_WIRE + 5)), Folding(0, 0))
    place(diagram)
    again = [box for box in diagram.boxes if box.origin is not None]
    assert [(box.kind, box.title) for box in again] == [
        ("argument", "x"),
        ("reference", "reduce add"),
    ]
    assert again[1].origin is diagram.boxes[1]
    longest = max(len(wire.straights) for wire in diagram.wires)
    assert longest <= LONG_WIRE


def test_short_wires_are_not_cut() -> None:
    diagram = outline(parse_graph(long_graph(LONG_INPUT - 1)), Folding(0, 0))
    place(diagram)
    assert not [box for box in diagram.boxes if box.origin is not None]


def test_entries_and_exits_stand_alone_at_the_borders() -> None:
    graph = parse_graph(
        """graph @g(%i: i64[], %x: f32[3]) -> f32[3] {
  %0 = switch %i, %x : f32[3] {
    (%x: f32[3]) -> f32[3]
    %0 = constant<dense(f32[5], [1.0, 2.0, 3.0, 4.0, 5.0])> : f32[5]
    %1 = elementwise<exp> %x : f32[3]
    return %1
  } {
    (%x: f32[3]) -> f32[3]
    %0 = elementwise<exp> %x : f32[3]
    %1 = elementwise<tanh> %0 : f32[3]
    %2 = elementwise<negative> %1 : f32[3]
    return %2
  }
  return %0
}"""
    )
    diagram = outline(graph, Folding(1, 80))
    place(diagram)
    (group,) = [box for box in diagram.boxes if box.is_group]
    for inside in group.insides:
        inner = [box for box in inside.boxes if box.kind not in (ENTRY, EXIT)]
        for box in inside.boxes:
            if box.kind == ENTRY:
                assert box.y == group.header
                assert all(box.y + box.height < other.y for other in inner)
            if box.kind == EXIT:
                assert box.y + box.height == pytest.approx(group.height)
                wire = next(w for w in inside.wires if any(b is box for b, _ in w.targets))
                lowest = max([end for *_, end in wire.segments + wire.straights])
                assert lowest == pytest.approx(box.y)
    assert [inside.title for inside in group.insides] == ["region 0", "region 1"]


def test_a_small_box_is_as_wide_as_its_labels() -> None:
    labels = ["1024×1024"] * 5
    box = Box("op", "x", outputs=5, labels=labels)
    box.measure()
    gaps = [b - a for a, b in itertools.pairwise([*box.bottoms, box.width])]
    assert min(gaps) >= LABEL_GAP + small_width(labels[0])
