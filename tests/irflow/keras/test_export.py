"""Models as graphs in files: for any number of rows, by the command line, with what is refused."""

from pathlib import Path

import numpy as np
import pytest

from irflow import artifact, cli, keras
from irflow.compiler import compile_graph
from irflow.errors import UsageError
from irflow.keras import layers


def two_inputs() -> keras.Model:
    left, right = keras.Input((5, 3), name="left"), keras.Input((4,), name="right")
    x = layers.LSTM(3)(layers.Dropout(0.5)(left))
    x = layers.BatchNormalization()(layers.Concatenate()([x, right]))
    return keras.Model({"a": left, "b": right}, [layers.Dense(2)(x), x])


def test_the_graph_does_what_the_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IRFLOW_BACKEND", "numpy")
    model = two_inputs()
    model.export(tmp_path / "m.irflow")
    graph = artifact.load(tmp_path / "m.irflow").graphs["serve"]
    assert [role.name for role in graph.signature.inputs] == ["left", "right"]
    served = compile_graph(graph, "numpy")
    for rows in (1, 4):
        draw = np.random.default_rng(rows).normal
        left = draw(size=(rows, 5, 3)).astype(np.float32)
        right = draw(size=(rows, 4)).astype(np.float32)
        expected = model.predict({"a": left, "b": right}, verbose=0)
        for one, other in zip(served([left, right]), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_command_line_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2)])
    model.export("m.irflow")
    np.save("x.npy", np.ones((4, 3), np.float32))
    assert cli.main(["run", "m.irflow", "--input", "x=x.npy"]) == 0
    assert "f32[4, 2]" in capsys.readouterr().out
    model.save("trained.irflow")
    assert cli.main(["run", "trained.irflow"]) == 2
    assert "a model that can be trained, not a graph" in capsys.readouterr().err


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    kept = layers.LSTM(2, stateful=True)
    with pytest.raises(UsageError, match="changes its state when it is called"):
        keras.Sequential([keras.Input((5, 3), batch_size=2), kept]).export(tmp_path / "m")
    with pytest.raises(UsageError, match="has no inputs"):
        keras.Sequential([layers.Dense(2)]).export(tmp_path / "m")
    assert not list(tmp_path.iterdir())
