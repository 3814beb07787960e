"""The examples with loops: they come out as they say, and their gradients are right."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import irflow as irf

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BACKENDS = pytest.mark.parametrize("backend", ["numpy", "llvm"])


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


newton, rnn_scan, beam_search, implicit = map(
    load, ("newton", "rnn_scan", "beam_search", "implicit_differentiation")
)


@pytest.fixture(autouse=True)
def as_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops over hundreds of steps, without the evaluation of each graph after each pass."""
    monkeypatch.delenv("IRFLOW_CHECK")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What the main function of an example prints for some arguments."""

    def run(example: ModuleType, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["example", *arguments])
        example.main()
        return capsys.readouterr().out

    return run


def number_after(label: str, text: str) -> float:
    found = re.search(rf"{label}\s*(-?[\d.]+(?:e[-+]\d+)?)", text)
    assert found is not None, text
    return float(found[1])


def slope(function, point, direction, step: float = 1e-5) -> float:
    """The derivative along a direction by central differences."""
    return float(function(point + step * direction) - function(point - step * direction)) / (
        2 * step
    )


# ------------------------------------------------------------------------------------------ newton


@BACKENDS
def test_newton_comes_out_as_it_says(printed, backend: str) -> None:
    text = printed(newton, "--backend", backend)
    assert number_after("largest residual:", text) < 1e-14
    assert number_after("largest error of dE/de:", text) < 1e-12
    assert 3 <= number_after("steps:", text) <= 10


@BACKENDS
def test_the_root_follows_both_parameters(backend: str) -> None:
    eccentricity, mean = np.linspace(0, 0.9, 5), np.linspace(0.1, 3, 5)

    def total(eccentricity, mean):
        return irf.numpy.sum(newton.solve(eccentricity, mean)[0])

    value = irf.jit(total, backend=backend)
    slopes = irf.jit(irf.grad(total, argnums=(0, 1)), backend=backend)(eccentricity, mean)
    ones = np.ones(5)
    by_eccentricity = slope(lambda e: value(e, mean), eccentricity, ones)
    by_mean = slope(lambda m: value(eccentricity, m), mean, ones)
    assert np.sum(np.asarray(slopes[0])) == pytest.approx(by_eccentricity, rel=1e-8)
    assert np.sum(np.asarray(slopes[1])) == pytest.approx(by_mean, rel=1e-8)


# ---------------------------------------------------------------------------------------- rnn_scan


def test_the_recurrent_network_learns_to_add(printed) -> None:
    text = printed(rnn_scan, "--steps", "150", "--length", "10", "--backend", "llvm")
    assert number_after("test error:", text) < 0.02
    assert number_after("answering 1:", text) > 0.1


@pytest.mark.slow
def test_the_recurrent_network_comes_out_as_it_says(printed) -> None:
    assert number_after("test error:", printed(rnn_scan)) < 0.01


@BACKENDS
def test_the_gradient_through_time_equals_differences(backend: str) -> None:
    generator = np.random.default_rng(0)
    batch = [x.astype(np.float64) for x in rnn_scan.adding_problem(generator, 3, 6)]
    params = {n: np.asarray(p, np.float64) for n, p in rnn_scan.init(0).items()}
    value = irf.jit(rnn_scan.loss, backend=backend)
    gradients = irf.jit(irf.grad(rnn_scan.loss), backend=backend)(params, *batch)
    for name, array in params.items():
        direction = generator.normal(size=array.shape)

        def at(moved, name=name):
            return value({**params, name: moved}, *batch)

        along = np.sum(np.asarray(gradients[name]) * direction)
        assert along == pytest.approx(slope(at, array, direction), rel=1e-6), name


# ------------------------------------------------------------------------------------- beam_search


@BACKENDS
def test_beam_search_comes_out_as_it_says(printed, backend: str) -> None:
    text = printed(beam_search, "--backend", backend)
    best, all_of_them = (
        re.search(rf"{label}: (.*)", text) for label in ("best score", "by trying all")
    )
    assert best is not None
    assert all_of_them is not None
    assert best[1] == all_of_them[1]
    assert number_after("error of the gradient:", text) < 1e-12


@pytest.mark.parametrize("seed", range(3))
@BACKENDS
def test_a_wide_beam_finds_what_trying_all_finds(backend: str, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 1, (3, 3, 3))
    width = 2 * 3**3  # at least as many as there are beginnings of 3 tokens that have not ended
    compiled = irf.jit(lambda x: beam_search.search(x, width, 4), backend=backend)
    tokens, scores = map(np.asarray, compiled(logits))
    expected, score = beam_search.exhaustive(logits, 4)
    assert tuple(tokens[0]) == expected
    assert scores[0] == pytest.approx(score, rel=1e-12)
    found = {tuple(row) for row in tokens[np.isfinite(scores)]}
    assert found == set(beam_search.sentences(3, 4))
    assert (np.diff(scores[np.isfinite(scores)]) <= 0).all()


def test_a_narrow_beam_can_miss_the_best() -> None:
    """The better beginning has the worse end."""
    logits = np.zeros((3, 3, 3))
    logits[0, 0] = [-9, 0.2, 0.0]
    logits[0, 2] = [9, 0, 0]
    given = irf.asarray(logits)
    narrow, wide = (float(beam_search.search(given, width)[1][0]) for width in (1, 3))
    assert narrow < wide
    assert wide == pytest.approx(beam_search.exhaustive(logits)[1])


@BACKENDS
def test_the_gradient_of_the_best_score_equals_differences(backend: str) -> None:
    logits = beam_search.model(1)

    def score(logits):
        return beam_search.best_score(logits, 4)[0]

    value = irf.jit(score, backend=backend)
    gradient = np.asarray(irf.jit(irf.grad(score), backend=backend)(logits))
    direction = np.random.default_rng(0).normal(size=logits.shape)
    expected = slope(value, logits, direction, 1e-6)
    assert np.sum(gradient * direction) == pytest.approx(expected, rel=1e-7)


# -------------------------------------------------------------------------------- differentiation


@BACKENDS
def test_implicit_differentiation_comes_out_as_it_says(printed, backend: str) -> None:
    text = printed(implicit, "--backend", backend)
    assert number_after("error against differences:", text) < 1e-7
    assert number_after("error against the unrolled iteration:", text) < 1e-12


def test_the_implicit_gradient_keeps_no_steps() -> None:
    """It holds two loops, one for the fixed point and one for its cotangent, and no history."""
    graph = irf.jit(irf.grad(implicit.loss)).trace(*implicit.problem(4, 0)).graph
    loops = [node for node in graph if node.op.name == "while"]
    assert len(loops) == 2
    assert all(value.type.rank <= 1 or value.type.size == 16 for n in loops for value in n.outputs)
