"""The scripts of beginners' tutorials run with only the import line changed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irflow import datasets, keras
from tests.irflow.keras.tutorials.running import run, short

HERE = Path(__file__).resolve().parent / "tutorials"
NEAR = Path(__file__).resolve().parents[4] / "shared" / "data"
MNIST = "keras.datasets.mnist", "keras.datasets import mnist"

# What each comes to with the images of the short form: an accuracy, or a part of the variance.
SCORES = {
    "add_layers.py": 0.8,
    "autoencoder.py": 0.65,
    "checkpoints.py": 0.95,
    "cnn.py": 0.8,
    "custom_parts.py": 0.95,
    "functional.py": 0.9,
    "plain_arrays.py": 0.6,
    "quickstart.py": 0.8,
    "regression.py": 0.97,
    "regularized.py": 0.93,
    "rows_lstm.py": 0.6,
    "subclassed.py": 0.6,
    "text_lstm.py": 0.9,
}


QUICK = (
    "cnn.py",
    "custom_parts.py",
    "plain_arrays.py",
    "quickstart.py",
    "regularized.py",
    "text_lstm.py",
)
"""Together they have most of what the others have."""


def has_keras(text: str) -> bool:
    """Whether what the script is made for is installed, TensorFlow where it says `tf`."""
    names = ["keras", "tensorflow"] if "import irflow as tf" in text else ["keras"]
    return all(importlib.util.find_spec(name) is not None for name in names)


def data_folder(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MNIST be read from where it is at hand; skip a script that needs it elsewhere."""
    if any(words in text for words in MNIST):
        if not (NEAR / "mnist").is_dir():
            pytest.skip("MNIST (../shared/data/mnist) is not at hand")
        monkeypatch.setenv("IRFLOW_DATA", str(NEAR))


def test_all_scripts_are_run() -> None:
    assert sorted(SCORES) == sorted(p.name for p in HERE.glob("*.py") if p.name != "running.py")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SCORES]
)
def test_a_script_learns(name, monkeypatch, tmp_path) -> None:
    text = (HERE / name).read_text("utf-8")
    data_folder(text, monkeypatch)
    monkeypatch.chdir(tmp_path)
    loader = short(datasets.load_mnist, 2000, 500)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", loader)
    keras.utils.set_random_seed(0)
    assert run(HERE / name, text)["score"] > SCORES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_a_script_does_the_same_with_keras(name, monkeypatch, tmp_path) -> None:
    text = (HERE / name).read_text("utf-8")
    data_folder(text, monkeypatch)
    if not has_keras(text):
        pytest.skip("Keras, or TensorFlow, is not installed")
    ours, theirs = (outcome(name, tmp_path, *option) for option in ([], ["--keras"]))
    for key in ("predictions", "weights", "columns"):
        assert ours[key] == theirs[key], key
    # Early stopping depends on the first weights.
    assert ours["epochs"] == theirs["epochs"] or name == "regularized.py"
    assert theirs["score"] > SCORES[name]


def outcome(name: str, folder: Path, *option: str) -> dict:
    """What a script comes to in a process of its own, where Keras has a backend of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "running.py"), str(HERE / name), *option],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "jax" if is_keras_only(name) else "tensorflow"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def is_keras_only(name: str) -> bool:
    """Whether a script uses nothing of TensorFlow but its Keras."""
    return "import irflow as tf" not in (HERE / name).read_text("utf-8")
