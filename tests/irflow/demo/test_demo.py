"""The main job: the digits classifier reaches its accuracy on both backends, reproducibly."""

import numpy as np
import pytest

from irflow import datasets
from irflow.demo import main
from irflow.demo.classifier import Trainer, as_floats
from irflow.demo.pictures import gallery, picture
from irflow.ir.parse import parse_graph

BACKENDS = ("numpy", "llvm")


@pytest.fixture(scope="module")
def digits():
    (x, y), (x_test, y_test) = datasets.split_digits()
    return as_floats(x, 16), y, as_floats(x_test, 16), y_test


@pytest.mark.parametrize("backend", [pytest.param("numpy", marks=pytest.mark.slow), "llvm"])
def test_mean_accuracy_of_three_seeds(digits, backend):
    x, y, x_test, y_test = digits
    accuracies = []
    for seed in range(3):
        trainer = Trainer(x, y, seed=seed, backend=backend)
        for _ in range(30):
            trainer.epoch()
        accuracies.append(trainer.accuracy(x_test, y_test))
    assert np.mean(accuracies) >= 0.96, accuracies


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_runs_with_one_seed_give_the_same_weights(digits, backend):
    def weights():
        trainer = Trainer(digits[0], digits[1], seed=5, backend=backend)
        trainer.epoch()
        return {name: np.asarray(w).tobytes() for name, w in trainer.state.params.items()}

    assert weights() == weights()


def test_demo_prints_its_outcome_and_leaves_listings(tmp_path, capsys):
    accuracy = main(tmp_path / "out", epochs=3)
    printed = capsys.readouterr().out
    assert f"test accuracy: {accuracy:.4f}" in printed
    assert accuracy > 0.85
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"training_step.llvm.ir", "training_step.llvm.ll", "training_step.numpy.ir"} <= names
    text = (tmp_path / "out" / "training_step.numpy.ir").read_text(encoding="utf-8")
    assert len(parse_graph(text)) > 100


def test_pictures():
    image = np.array([[0.0, 1.0], [0.5, 0.0]])
    assert picture(image) == ["  @@", "==  "]
    assert len(gallery(np.stack([image, image]), ["3", "7"]).splitlines()) == 3
