"""The examples run, in a short form, and come out as they say."""

import re

import pytest

from tests.examples.running import EXAMPLES, number_after, run


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_regression_comes_near_the_curve(backend: str) -> None:
    printed = run("regression.py", "--steps", "1000", "--backend", backend)
    assert number_after("error against the curve:", printed) < 0.1


def test_regression_needs_its_steps() -> None:
    assert number_after("error against the curve:", run("regression.py", "--steps", "5")) > 0.3


def test_the_convolutional_network_learns_digits() -> None:
    printed = run("cnn_digits.py", "--epochs", "3", "--backend", "llvm")
    assert number_after("test accuracy:", printed) > 0.94


@pytest.mark.slow
def test_the_convolutional_network_comes_out_as_it_says() -> None:
    assert number_after("test accuracy:", run("cnn_digits.py")) > 0.98


# Arguments of the short form, what is printed at the end, and between what it lies.
KERAS = [
    ("classifier", "--epochs 5", "test accuracy:", 0.9, 1),
    ("cnn", "--epochs 1", "- accuracy:", 0.3, 1),
    ("text_lstm", "--epochs 3 --lines 1000", "test accuracy:", 0.85, 1),
    ("regression", "--epochs 10", "variance explained by the network:", 0.88, 0.97),
]
# What compiles for longer, and what is promised at the top of each file.
SLOW_KERAS = [
    ("autoencoder_vae", "--epochs 20", "nats gained:", 2, 6),
    ("gpt", "../irflow/errors.py --steps 40 --letters 10", "validation loss:", 0.5, 3.6),
    ("segmentation", "--epochs 3 --images 150", "mean intersection over union:", 0.3, 1),
    ("detection", "--epochs 4 --images 150", "average precision:", 0, 1),
    ("classifier", "", "test accuracy:", 0.96, 1),
    ("cnn", "", "test accuracy:", 0.98, 1),
    ("text_lstm", "", "test accuracy:", 0.96, 1),
    ("autoencoder_vae", "", "ratio of the errors:", 0, 0.6),
    ("regression", "", "variance explained by the network:", 0.93, 0.97),
    ("segmentation", "", "mean intersection over union:", 0.85, 1),
    ("detection", "", "average precision:", 0.93, 1),
]


@pytest.mark.parametrize(
    ("name", "arguments", "label", "low", "high"),
    [*KERAS, *[pytest.param(*row, marks=pytest.mark.slow) for row in SLOW_KERAS]],
)
def test_a_keras_example_comes_out(
    name: str, arguments: str, label: str, low: float, high: float
) -> None:
    given = arguments.replace("../irflow", str(EXAMPLES.parent / "irflow")).split()
    assert low <= number_after(label, run(f"keras_{name}.py", *given)) <= high


def test_regression_comes_out_as_it_says() -> None:
    assert number_after("error against the curve:", run("regression.py")) < 0.05


@pytest.fixture(scope="module")
def walk() -> dict[str, str]:
    """The walk's sections by their number."""
    parts = re.split(r"^=== (\d)\. .* ===$", run("internals/walk.py"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1", "%1 = elementwise<tanh> %0 : f32[8, 3]"),
        ("2", "matmul %18, %17 : f32[4, 3]"),
        ("3", "cse: 20 -> 18 nodes; rules: merge_equal 2"),
        ("3", "note: elementwise<multiply> f32[8, 3]"),
        ("4", 'fusion<"reduce">'),
        ("5", "square("),
        ("6", "loss by interpreting the loops:  1.898736"),
        ("7", "define "),
        ("7", "lines of assembly"),
        ("8", "irf.jit does all of this:        1.898736"),
        ("9", "pass 'wrong' changed what @loss computes"),
        ("9", "rule        square_is_doubling"),
        ("9", "loss:    return inp.mean(error * error)"),
    ],
)
def test_the_walk_shows_each_stage(walk: dict[str, str], number: str, expected: str) -> None:
    assert expected in walk[number], walk[number]


def test_the_walk_has_nine_sections(walk: dict[str, str]) -> None:
    assert list(walk) == list("123456789")
    assert all(len(text.strip().splitlines()) > 1 for text in walk.values())


def test_the_walk_is_short() -> None:
    source = (EXAMPLES / "internals" / "walk.py").read_text("utf-8")
    assert len(source.splitlines()) <= 200
