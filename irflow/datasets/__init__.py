"""Data to train on: the handwritten digits that ship with irflow, and MNIST from files.

Nothing is read before a loader is called, and nothing is downloaded unless a base URL is given.
"""

from irflow.datasets.digits import load_digits, split_digits
from irflow.datasets.mnist import load_mnist

__all__ = ["load_digits", "load_mnist", "split_digits"]
