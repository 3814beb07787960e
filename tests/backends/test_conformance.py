"""Both built-in backends fulfil the contract that third parties test theirs with."""

import os

from irflow.testing import BackendConformance

SHARE = 1 if os.environ.get("IRFLOW_TEST") == "all" else 6


class TestNumpy(BackendConformance):
    backend = "numpy"
    most_merged = 8
    share = SHARE


class TestLlvm(BackendConformance):
    backend = "llvm"
    most_merged = 8
    share = SHARE
