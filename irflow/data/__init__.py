"""`irf.data`: pipelines that bring samples from arrays, generators and files to a training loop.

A `Dataset` is made from a source and changed step by step; nothing is read before it is iterated
over, and it can be iterated over again.

    for x, y in Dataset.from_arrays(images, labels).shuffle(seed=0).batch(128).prefetch(2):
        ...
"""

from typing import TYPE_CHECKING

from irflow import names
from irflow.data.dataset import AUTOTUNE, Dataset

__all__ = ["AUTOTUNE", "Dataset"]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error as it is

    def __getattr__(name: str) -> object:
        """The error that says where irflow has a name of another system."""
        raise names.unknown(__name__, name)
