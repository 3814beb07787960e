"""What `fit` shows: a bar in a terminal, lines elsewhere."""

import io
import re
import sys
import types

import numpy as np
from rich.console import Console

from irflow import keras
from irflow.keras import Sequential, layers
from irflow.keras.engine.screen import Screen

X = np.ones((20, 4), np.float32)


def shown(verbose, capsys) -> list[str]:
    model = Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], batch_size=8, epochs=2, verbose=verbose, validation_data=(X, X[:, :1]))
    return capsys.readouterr().out.splitlines()


def test_silence(capsys):
    assert shown(0, capsys) == []


def test_lines_where_there_is_no_terminal(capsys):
    lines = shown("auto", capsys)
    assert lines[0] == "Epoch 1/2"
    assert lines[2] == "Epoch 2/2"
    number = r"-?[\d.]+(e[-+]\d+)?"
    metrics = "".join(f" - {name}: {number}" for name in ("loss", "mae", "val_loss", "val_mae"))
    assert re.fullmatch(r"3/3 - \d+s - \d+[mu]?s/step" + metrics, lines[1])
    assert len(lines) == 4
    assert "3/3 " + "━" * 20 in shown(1, capsys)[1]


def test_a_bar_in_a_terminal():
    file = io.StringIO()
    screen = Screen(1, Console(file=file, force_terminal=True, width=100, highlight=False))
    screen.epoch("Epoch 1/1", 40)
    for step in range(1, 41):
        screen._shown = 0.0  # as if time had passed
        screen.update(step, {"loss": 0.5 / step})
    screen.finish(40, {"loss": 0.00012})
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert "20/40 ━━━━━━━━━━━━━━━━━━━━" in text
    assert "loss: 0.0250" in text
    assert text.rstrip().endswith("loss: 1.2000e-04")
    assert "\x1b[32m" in file.getvalue()


def test_a_line_in_a_notebook(monkeypatch):
    shown: list[str] = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    module = types.SimpleNamespace(display=lambda data, raw, display_id: Handle())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    screen = Screen("auto", Console(force_jupyter=True, width=60))
    assert screen.verbose == 1
    screen.epoch(None, 2)
    screen.finish(2, {f"metric_{i}": 0.5 for i in range(9)})
    assert shown[0].startswith("2/2 ━")
    assert shown[0].endswith("metric_8: 0.5000")


def test_an_unknown_number_of_steps(capsys):
    screen = Screen(1)
    screen.epoch(None, None)
    screen.update(3, {})
    screen.finish(7, {"loss": float("nan")})
    assert re.match(r"7/7 ━+ \d+s .*loss: nan", capsys.readouterr().out)
