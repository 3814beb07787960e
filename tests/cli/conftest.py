"""Running command lines in process, and models to run them on."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from irflow.cli import main

GRAPH = """\
graph @mlp(%x: f32[n, 4], %w: f32[4, 3]) -> f32[n, 3] where 1 <= n <= 64 {
  %0 = matmul %x, %w : f32[n, 3]
  %1 = elementwise<tanh> %0 : f32[n, 3]
  %2 = elementwise<tanh> %0 : f32[n, 3]
  %3 = elementwise<add> %1, %2 : f32[n, 3]
  return %3
}
"""

MODEL = """\
import sys

import irflow as irf
import irflow.numpy as inp
from model_helper import factor

print("the file is executed as", __name__)
weights = irf.Variable([[1.0, 2.0], [3.0, 4.0]], name="dense/w")
calls = irf.Variable(0, name="calls", trainable=False)
number = 3


def forward(x):
    return inp.tanh(x @ weights.value) * factor


def plain(x, y):
    return x + y


@irf.jit
def nested(params, x):
    calls.assign(calls.value + 1)
    return {"y": x @ params["w"] + params["layers"][0]}


@irf.jit(static_argnames=("training", "mode"))
def switched(x, training, mode="none"):
    return x * 2.0 if training and mode == "double" else x


@irf.jit(spec=("f32[n, 2]",), constraints="1 <= n <= 8")
def specified(x):
    return x + 1.0


def mismatched(x):
    return x @ inp.zeros((7, 7))


def crashing(x):
    raise KeyError("lost")


def leaving(x):
    sys.exit(5)


class Scope:
    @staticmethod
    def method(x):
        return -x
"""


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def irflow(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in this process; `stdin=` is what it reads."""

    def run(*arguments: object, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph text file."""
    path = tmp_path / "mlp.ir"
    path.write_text(GRAPH, "utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Iterator[str]:
    """A Python file with functions, and a module beside it."""
    (tmp_path / "model_helper.py").write_text("factor = 2.0\n", "utf-8")
    path = tmp_path / "my-model.py"
    path.write_text(MODEL, "utf-8")
    yield str(path)
    sys.modules.pop("model_helper", None)
    sys.modules.pop("irflow_model_my_model", None)
