"""Data to train on: the handwritten digits that ship with irflow, and well-known sets from files.

Nothing is read or downloaded before a loader is called.
"""

from irflow.datasets.cifar10 import load_cifar10
from irflow.datasets.digits import load_digits, split_digits
from irflow.datasets.fashion_mnist import load_fashion_mnist
from irflow.datasets.imdb import load_imdb
from irflow.datasets.mnist import load_mnist

__all__ = [
    "load_cifar10",
    "load_digits",
    "load_fashion_mnist",
    "load_imdb",
    "load_mnist",
    "split_digits",
]
