"""Which line is the user's, and which frames are."""

import os
import subprocess
import sys
import traceback

import numpy as np
import pytest

import irflow as irf
from irflow import location
from irflow.errors import ShapeError
from irflow.location import Location


def test_the_line_that_asks():
    here = location.user_location()
    assert here is not None
    assert os.path.basename(here.file) == "test_location.py"
    assert here.function == "test_the_line_that_asks"
    assert here.describe() == (
        f"test_location.py:{here.line}, test_the_line_that_asks:    here = location.user_location()"
    )


def test_a_file_that_cannot_be_read():
    assert Location("/nowhere/a.py", 3).describe() == "a.py:3"
    assert Location("/nowhere/a.py", 3, "f").describe() == "a.py:3, f"


def test_code_given_on_the_command_line_is_the_users():
    program = "import irflow as irf, numpy as np\nprint(irf.jit(lambda x: x * 2).trace('f32[3]'))"
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "// <string>:2" in printed


def test_the_demo_is_written_as_by_a_user():
    from irflow.demo import classifier

    traced = irf.jit(classifier.forward).trace(
        classifier.init_params(0, 64), irf.asarray(np.zeros((2, 8, 8), np.float32))
    )
    assert {os.path.basename(node.location.file) for node in traced.graph} == {"classifier.py"}


def wrong(x):
    return x @ x


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("function", [wrong, irf.jit(wrong), irf.value_and_grad(wrong)])
def test_our_frames_are_left_out(function):
    with pytest.raises(ShapeError) as caught:
        function(np.ones((2, 3), np.float32) + irf.asarray(0.0))
    assert frames(caught.value) == ["test_our_frames_are_left_out", "wrong"]


def test_our_frames_are_kept_on_request(monkeypatch):
    monkeypatch.setenv("IRFLOW_TRACEBACK", "full")
    with pytest.raises(ShapeError) as caught:
        irf.jit(wrong)(np.ones((2, 3), np.float32))
    assert "infer" in frames(caught.value)
    assert caught.value.location.function == "wrong"


def test_a_users_error_passes_through():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        irf.jit(broken)(1.0)
    assert frames(caught.value) == ["test_a_users_error_passes_through", "broken"]


def test_a_mistake_of_ours_keeps_all_frames():
    with pytest.raises(TypeError) as caught:
        irf.asarray(1.0).reshape("no size")
    assert "solve_shape" in " ".join(frames(caught.value)), "no irflow error: shown where it was"
