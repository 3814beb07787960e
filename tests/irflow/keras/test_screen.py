"""What `fit` shows: a bar in a terminal, lines elsewhere."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
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


def test_a_step_lasts_as_long_without_validation_and_compiling(monkeypatch, capsys):
    times = iter([0.0, 5.0, 5.5, 6.0, 9.0])  # begin, three calls of steps, the end
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    screen = Screen(2)
    screen.epoch(None, 12)
    for step in (2, 7, 12):
        screen.update(step, {})
    screen.finish(12, {})
    assert capsys.readouterr().out == "12/12 - 9s - 100ms/step\n"


PROGRAM = """
import signal
import numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # Jobs in the background ignore it.
from irflow import keras
x = np.ones((64, 4), np.float32)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
try:
    model.fit(x, x[:, :1], epochs=10**6)
finally:
    print("usable", np.isfinite(model.predict(x, verbose=0)).all())
"""


def test_an_interrupt_in_a_terminal():
    pty = pytest.importorskip("pty")
    main, other = pty.openpty()
    terminal = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "IRFLOW_CHECK": "0"}
    run = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=other, stderr=other, env=terminal
    )
    os.close(other)
    watch = threading.Timer(60, run.kill)
    watch.start()
    text = b""
    while b"Epoch 9/" not in text:
        text += os.read(main, 4096)
    run.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # Linux's answer when the other side is closed.
        while part := os.read(main, 4096):
            text += part
    os.close(main)
    assert run.wait() != 0
    watch.cancel()
    shown, _, after = text.decode().partition("usable True")
    assert re.search(r"\x1b\[1m2/2\x1b\[0m \x1b\[32m━{20}\x1b\[0m.* - loss: .* - mae: ", shown)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    assert shown.count("━" * 20) < 1.5 * shown.count("Epoch")  # not drawn twice at the end
    assert after.rstrip().endswith("KeyboardInterrupt")
    assert "engine/fitting.py" not in after


def test_an_unknown_number_of_steps(capsys):
    screen = Screen(1)
    screen.epoch(None, None)
    screen.update(3, {})
    screen.finish(7, {"loss": float("nan")})
    assert re.match(r"7/7 ━+ \d+s .*loss: nan", capsys.readouterr().out)
