"""Every topic of `IRFLOW_LOG` writes something, and only when it is switched on."""

import numpy as np
import pytest

import irflow.numpy as inp
from irflow import jit, log


@pytest.mark.parametrize("topic", sorted(log.TOPICS))
def test_a_topic_writes_to_stderr_when_it_is_on(topic, monkeypatch, capsys):
    monkeypatch.setenv("IRFLOW_LOG", topic)
    function = jit(lambda x, w: inp.tanh(x @ w).sum() + inp.exp(x).max(), backend="llvm")
    function(np.ones((3, 4), np.float32), np.ones((4, 5), np.float32))
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith(f"[irflow {topic}] ") for line in lines)


def test_nothing_is_written_when_no_topic_is_on(monkeypatch, capsys):
    monkeypatch.delenv("IRFLOW_LOG", raising=False)
    jit(lambda x: x + 1, backend="llvm")(np.ones(3, np.float32))
    assert not capsys.readouterr().err


def test_messages_are_made_only_when_they_are_wanted(monkeypatch):
    monkeypatch.setenv("IRFLOW_LOG", "graph")
    log.write("passes", lambda: pytest.fail("the text was made"))
    assert log.is_on("graph")


def test_a_topic_that_is_none_is_named_once(monkeypatch, capsys):
    monkeypatch.setenv("IRFLOW_LOG", "passses, graph")
    assert log.is_on("graph")
    assert not log.is_on("passes")
    assert capsys.readouterr().err.startswith("[irflow] IRFLOW_LOG: no topic passses; there are")
    log.is_on("graph")
    assert not capsys.readouterr().err
