"""`irflow demo`: the main job from beginning to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irflow import demo
from irflow.cli.failures import DONE, CommandParser

_EXAMPLES = """\
  irflow demo
  irflow demo --epochs 5 --folder listings
"""


def main(arguments: Sequence[str]) -> int:
    """Train the classifier of handwritten digits on every backend that can run here."""
    parser = CommandParser(
        "demo", "Train a classifier of handwritten digits on each backend.", _EXAMPLES
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("irflow-demo"),
        metavar="DIR",
        help="where graph and listings are left (irflow-demo)",
    )
    parser.add_argument(
        "--epochs",
        type=_positive,
        default=demo.EPOCHS,
        help=f"passes over the training data ({demo.EPOCHS})",
    )
    chosen = parser.parse_args(arguments)
    demo.main(chosen.folder, chosen.epochs)
    return DONE


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number
