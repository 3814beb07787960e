"""Lazy dataclasses: each behaves as the one that the standard library makes of the same text."""

import copy
import dataclasses
import inspect
import pickle
import re
from dataclasses import field
from pathlib import Path
from typing import ClassVar

import pytest

import irflow
from irflow import records

ROOT = Path(irflow.__file__).parents[1]
FORMS = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "eq": False},
    {"slots": True, "unsafe_hash": True},
]


def made(decorator, options):
    """Classes with fields of all kinds."""

    @decorator(**options)
    class Point:
        """Fields with and without defaults, some kept out of the methods."""

        kind: ClassVar[str] = "point"
        x: int
        y: float = 0.5
        names: list[str] = field(default_factory=list, compare=False)
        length: int = field(init=False, repr=False)
        mark: str = field(default="m", init=False, hash=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.names))

    @decorator(**options)
    class Labelled(Point):
        """Inherits fields, and brings a method that is kept."""

        label: str = "none"

        def __repr__(self) -> str:
            return f"<{self.label}>"

    @decorator(**options)
    class Empty:
        """No fields at all."""

    return Point, Labelled, Empty


def marked(point):
    object.__setattr__(point, "mark", "n")
    return point


def outcome(name, classes):
    """What one sees, or the error that is raised."""
    try:
        return OBSERVATIONS[name](*classes)
    except Exception as error:
        return type(error), str(error)


OBSERVATIONS = {
    "representation": lambda P, L, E: [repr(P(1, names=["a"])), repr(L(1)), repr(E())],
    "fields": lambda P, L, E: [[f.name for f in dataclasses.fields(c)] for c in (P, L, E)],
    "patterns": lambda P, L, E: [c.__match_args__ for c in (P, L, E)],
    "signature": lambda P, L, E: list(inspect.signature(L).parameters),
    "annotations": lambda P, L, E: L.__init__.__annotations__,
    "values": lambda P, L, E: [getattr(P(1, 2, ["a"]), f.name) for f in dataclasses.fields(P)],
    "own lists": lambda P, L, E: P(1).names is P(1).names,
    "equal": lambda P, L, E: [P(1) == P(1), P(1) == P(2), P(1) == L(1), E() == E()],
    "not compared": lambda P, L, E: P(1, names=["a"]) == P(1, names=["b"]),
    "same NaN": lambda P, L, E: (lambda nan: P(1, nan) == P(1, nan))(float("nan")),
    "hash": lambda P, L, E: [hash(P(1, 2.0)) == hash(other) for other in (P(1, 2), P(2, 2))],
    "not hashed": lambda P, L, E: hash(P(1)) == hash(marked(P(1))),
    "no hash": lambda P, L, E: P.__hash__ is None,
    "replaced": lambda P, L, E: dataclasses.replace(L(1), label="b", x=5).x,
    "not replaced": lambda P, L, E: dataclasses.replace(P(1), length=5),
    "too few": lambda P, L, E: P(),
    "too many": lambda P, L, E: E(1),
    "unknown": lambda P, L, E: L(1, z=2),
    "assigned": lambda P, L, E: setattr(P(1), "x", 2),
    "assigned anew": lambda P, L, E: setattr(P(1), "z", 2),
    "assigned below": lambda P, L, E: setattr(type("Below", (P,), {})(1), "z", 2),
    "deleted": lambda P, L, E: delattr(P(1), "y"),
    "copied": lambda P, L, E: copy.copy(P(1, names=["a"])).names,
    "pickled": lambda P, L, E: P.__reduce_ex__(P(1), pickle.HIGHEST_PROTOCOL)[2],
    "module": lambda P, L, E: (P.__init__.__module__, P.__init__.__qualname__),
}


NEW = ("assigned anew", "assigned below")
"""With slots, the standard library's class asks for `super` of one that is gone: a TypeError."""


@pytest.mark.parametrize("options", FORMS, ids=lambda options: ",".join(options) or "plain")
def test_like_the_standard_library(options):
    theirs, ours = made(dataclasses.dataclass, options), made(records.dataclass, options)
    for name in OBSERVATIONS:
        if options == {"frozen": True, "slots": True} and name in NEW:
            continue
        expected, found = outcome(name, theirs), outcome(name, ours)
        assert str(found) == str(expected), name


def test_representation_of_what_contains_itself():
    point, *_ = made(records.dataclass, {})
    loop = point(1)
    loop.names.append(loop)
    assert "names=[...]" in repr(loop)


def test_methods_are_written_when_looked_up():
    point, *_ = made(records.dataclass, {"frozen": True})
    assert not inspect.isfunction(vars(point)["__init__"])
    assert point(1) == point(1)
    assert all(inspect.isfunction(vars(point)[name]) for name in ("__init__", "__eq__"))


@pytest.mark.parametrize("base", [dataclasses.dataclass, records.dataclass])
@pytest.mark.parametrize("derived", [dataclasses.dataclass, records.dataclass])
def test_derived_from_each_other(base, derived):
    point, *_ = made(base, {"frozen": True})

    @derived(frozen=True)
    class Placed(point):
        """Users write such classes."""

        z: int = 3

    assert repr(Placed(1)).endswith("Placed(x=1, y=0.5, names=[], mark='m', z=3)")
    assert Placed(1) == Placed(1) != Placed(1, z=4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Placed(1).z = 4
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):
        derived(type("Loose", (point,), {"__doc__": "Not frozen."}))


def test_everywhere():
    """A class that the standard library makes costs half a millisecond of each start."""
    files = [
        file for top in ("irflow", "backends", "passes") for file in (ROOT / top).rglob("*.py")
    ]
    found = [str(file.relative_to(ROOT)) for file in files if imports_decorator(file)]
    assert found == ["irflow/records.py"]


def imports_decorator(file):
    pattern = r"^ *from dataclasses import .*\bdataclass\b|@dataclasses\.dataclass"
    return re.search(pattern, file.read_text("utf-8"), re.MULTILINE) is not None
