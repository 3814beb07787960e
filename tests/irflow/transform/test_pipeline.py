"""Pipelines as text, and the table of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from irflow.errors import TextError, UnknownNameError, nearest
from irflow.ir.graph import Graph
from irflow.plugins import find_pass
from irflow.transform import Pass, PassContext
from irflow.transform.pipeline import LEVELS, level_pipeline, parse_pipeline


@dataclass(frozen=True)
class Tune(Pass):
    """Do nothing, with options of all kinds.

    Before: anything.
    After: the same,
        still.
    Keeps: all.
    """

    name: ClassVar[str] = "tune"
    limit: int = 4
    rate: float = 0.5
    loud: bool = False
    style: str = "plain"

    def run(self, graph: Graph, context: PassContext) -> bool:
        return False


def lookup(name: str) -> type[Pass]:
    if name != "tune":
        raise nearest(name, ["tune"], "pass")
    return Tune


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tune",
        "tune,tune{limit=9}",
        "tune{limit=-1,rate=0.25,loud=true,style=fancy}",
        "tune,fixpoint(tune,tune{limit=1}),tune",
        "fixpoint(tune){max=3}",
        "fixpoint(fixpoint(tune){max=2})",
    ],
)
def test_a_pipeline_prints_as_it_is_read(text: str) -> None:
    assert str(parse_pipeline(text, lookup)) == text


def test_spaces_and_defaults_vanish() -> None:
    assert (
        str(parse_pipeline(" tune { limit = 4 , rate=1.5 } , tune ", lookup))
        == "tune{rate=1.5},tune"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tune,", "pipeline, column 6: the name of a pass was expected"),
        ("tune tune", "pipeline, column 6: a comma or the end was expected"),
        ("fixpoint tune", "pipeline, column 10: '(' was expected"),
        ("fixpoint(tune", "pipeline, column 14: ')' was expected"),
        ("tune{4}", "pipeline, column 6: an option was expected, as in {limit=16}"),
        ("tune{limit=many}", "pipeline, column 12: 'many' is no int"),
        ("tune{loud=1}", "pipeline, column 11: '1' is no bool"),
        ("tune{limit=4", "pipeline, column 6: an option was expected, as in {limit=16}"),
    ],
)
def test_malformed_text_is_pointed_at(text: str, message: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_pipeline(text, lookup)
    assert caught.value.summary == message


def test_the_caret_stands_below_the_place() -> None:
    with pytest.raises(TextError) as caught:
        parse_pipeline("tune{limit=many}", lookup)
    assert str(caught.value).splitlines()[1:] == ["  tune{limit=many}", "             ^"]


def test_unknown_names_come_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tune'"):
        parse_pipeline("tun", lookup)
    with pytest.raises(UnknownNameError, match="unknown option of pass 'tune': 'limt'"):
        parse_pipeline("tune{limt=4}", lookup)


@pytest.mark.parametrize("level", LEVELS)
def test_levels_parse_and_print(level: int) -> None:
    text = level_pipeline(level)
    assert str(parse_pipeline(text, find_pass)) == text


def test_slots_and_the_passes_of_a_backend() -> None:
    text = level_pipeline(1, {"early": "first", "late": "last,then"}, "fuse")
    assert text == "inline,first,canonicalize,fold,cse,dce,hoist,last,then,fuse"
    assert level_pipeline(0, backend="fuse") == "inline,fuse"


def test_the_description_of_a_pass() -> None:
    assert Tune.description() == {
        "summary": "Do nothing, with options of all kinds.",
        "Before": "anything.",
        "After": "the same, still.",
        "Keeps": "all.",
    }


@pytest.mark.parametrize(
    "name", ["canonicalize", "fold", "simplify", "cse", "dce", "inline", "decompose", "fuse"]
)
def test_passes_describe_themselves(name: str) -> None:
    assert {"summary", "Before", "After", "Keeps", "Needs"} <= set(find_pass(name).description())
    assert find_pass(name).name == name
