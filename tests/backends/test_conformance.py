"""Both built-in backends fulfil the contract that third parties test theirs with."""

from irflow.testing import BackendConformance


class TestNumpy(BackendConformance):
    backend = "numpy"
    most_merged = 8


class TestLlvm(BackendConformance):
    backend = "llvm"
    most_merged = 8
