"""Write what Keras 3 does in every case of the tables of layers.

The results are tests/files/keras_{layers,sequences,lookups}.json.

    KERAS_BACKEND=jax python -m tests.tools.record_keras_layers

Needs the packages keras, jax and tensorflow.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from tests.irflow.keras.layer_cases import CASES
from tests.irflow.keras.sequence_cases import LOOKUPS, SEQUENCE_CASES, looked_up
from tests.irflow.keras.trajectories import theirs

FILES = Path(__file__).resolve().parents[1] / "files"
TABLES = {"keras_layers.json": CASES, "keras_sequences.json": SEQUENCE_CASES}


def rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def main() -> None:
    for file, cases in TABLES.items():
        rows = {case.id: rounded(theirs(case).digest()) for case in cases}
        lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
        body = ",\n".join([f'"keras": "{keras.__version__}"', *lines])
        (FILES / file).write_text("{\n" + body + "\n}\n", "utf-8")
    found = [json.dumps(looked_up(keras.layers, *row)[1].tolist()) for row in LOOKUPS]
    (FILES / "keras_lookups.json").write_text("[\n" + ",\n".join(found) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
