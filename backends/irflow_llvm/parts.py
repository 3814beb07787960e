"""The parts of a program that run one after the other: native calls, and steps on the host."""

from __future__ import annotations

from irflow.lowering.steps import HostStep, Step
from irflow.records import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that run in one native call.

    Attributes:
        name: of the entry function.
        steps: the steps in order, none of which needs the host.
    """

    name: str
    steps: tuple[Step, ...]


Part = Segment | HostStep
