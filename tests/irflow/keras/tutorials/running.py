"""Runs a tutorial script in short form; as a program, also with Keras in the place of irflow.

    python running.py SCRIPT [--keras]

Prints the outcome as JSON.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np

from irflow import datasets

# What `import irflow` stands for in a script of Keras's own users.
KERAS_IMPORTS = [
    (r"^import irflow as tf$", "import tensorflow as tf"),
    (r"^from irflow import keras$", "import keras"),
    (r"^from irflow\.keras\b", "from keras"),
]


def short(load, train, test):
    """A loader that gives the first images only."""

    def load_data():
        (x_train, y_train), (x_test, y_test) = load()
        return (x_train[:train], y_train[:train]), (x_test[:test], y_test[:test])

    return load_data


def with_keras(text):
    """The script as it was before its import lines were changed."""
    for pattern, replacement in KERAS_IMPORTS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def run(path, text):
    """Run a script; what it leaves behind.

    Returns:
        The shapes of the predictions and of the weights, the columns and the length of the history,
        and the score, which is an accuracy or a part of the variance explained.
    """
    names = {"__name__": "__main__"}
    exec(compile(text, str(path), "exec"), names)
    history = names["history"].history if "history" in names else {}
    return {
        "predictions": list(np.shape(names["predictions"])),
        "weights": [list(w.shape) for w in names["model"].get_weights()],
        "columns": sorted(history),
        "epochs": len(history.get("loss", ())),
        "score": float(names["score"]),
    }


def main():
    path = Path(sys.argv[1])
    text = path.read_text("utf-8")
    if "--keras" in sys.argv:
        import keras

        text = with_keras(text)
    else:
        from irflow import keras
    keras.datasets.mnist.load_data = short(datasets.load_mnist, 2000, 500)
    keras.utils.set_random_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        outcome = run(path, text)
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
