"""Write tests/files/keras_layers.json: what Keras 3 does in every case of the table of layers.

    KERAS_BACKEND=jax python -m tests.tools.record_keras_layers

Needs the packages keras and jax.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from tests.irflow.keras.layer_cases import CASES
from tests.irflow.keras.trajectories import theirs

PATH = Path(__file__).resolve().parents[1] / "files" / "keras_layers.json"


def rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def main() -> None:
    rows = {case.id: rounded(theirs(case).digest()) for case in CASES}
    lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
    body = ",\n".join([f'"keras": "{keras.__version__}"', *lines])
    PATH.write_text("{\n" + body + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
