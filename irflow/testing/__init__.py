"""Tools for testing backends, passes and ops of your own.

`BackendConformance` is the contract of a backend as a test class, `Reference` compares results with
an evaluation in f64, and `irflow.testing.graphs` makes random graphs.
"""

from irflow.testing.conformance import BackendConformance
from irflow.testing.reference import Mismatch, Reference, assert_same_bits

__all__ = ["BackendConformance", "Mismatch", "Reference", "assert_same_bits"]
