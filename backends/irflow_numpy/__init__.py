"""The NumPy backend: a graph run op by op, on every machine and with every op."""

from irflow_numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
