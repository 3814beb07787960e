"""The layout of messages, and the builtin behind each class."""

import pytest

from irflow import errors
from irflow.errors import IrflowError, ShapeError, align, nearest
from irflow.location import Location


def test_all_four_parts_in_order():
    error = ShapeError(
        "matmul: inner sizes differ",
        facts=[("left", "f32[32, 128]", "axis 1 = 128"), ("right", "f32[64, 10]")],
        location=Location("nowhere/model.py", 14, "forward"),
        hint="w looks transposed",
    )
    assert str(error) == (
        "matmul: inner sizes differ\n"
        "  left   f32[32, 128]  axis 1 = 128\n"
        "  right  f32[64, 10]\n"
        "  in model.py:14, forward\n"
        "  hint: w looks transposed"
    )


def test_a_summary_alone():
    assert str(IrflowError("no")) == "no"


def test_the_first_location_stays():
    first, second = Location("a.py", 1), Location("b.py", 2)
    error = IrflowError("no")
    assert error.at(None).location is None
    assert error.at(first).at(second).location is first


def test_align():
    assert align([]) == []
    assert align([("a", "bb", "c"), ("aaa",), ("", "b")]) == ["a    bb  c", "aaa", "     b"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("fuze", "did you mean 'fuse'?"), ("fold", "did you mean 'fold'?"), ("zzz", None)],
)
def test_nearest(name, hint):
    error = nearest(name, ["fuse", "cse", "fold"], "pass")
    assert error.summary == f"unknown pass {name!r}"
    assert error.facts == (("known", "cse, fold, fuse"),)
    assert error.hint == hint


def test_nearest_of_nothing():
    assert "(none)" in str(nearest("a", [], "plugin"))


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        ("ShapeError", ValueError),
        ("DataError", RuntimeError),
        ("ExportError", BufferError),
        ("UnknownLengthError", TypeError),
        ("DTypeError", TypeError),
        ("UndecidableSizeError", ValueError),
        ("ConcretizationError", TypeError),
        ("LeakedTracerError", RuntimeError),
        ("ArenaError", MemoryError),
        ("DonatedTensorError", RuntimeError),
        ("TreeError", TypeError),
        ("GradientError", TypeError),
        ("TextError", ValueError),
        ("CheckError", AssertionError),
        ("PassError", RuntimeError),
        ("LoweringError", RuntimeError),
        ("UnknownNameError", LookupError),
        ("PluginError", RuntimeError),
        ("BackendUnavailableError", RuntimeError),
        ("UnsupportedError", NotImplementedError),
        ("ArtifactError", ValueError),
        ("UsageError", ValueError),
    ],
)
def test_each_class_is_also_a_builtin(cls, builtin):
    found = getattr(errors, cls)
    assert issubclass(found, IrflowError)
    assert issubclass(found, builtin)
