"""What each input and output of a graph stands for.

State lives outside a graph: a variable that is read is an input, one that is assigned is an output.
The signature names these roles, so a backend sees a pure function and the runtime knows what to
donate.
"""

from __future__ import annotations

from dataclasses import field

from irflow.records import dataclass

INPUT_ROLES = ("argument", "parameter", "state", "key")
OUTPUT_ROLES = ("result", "update", "gradient", "loss", "residual")


@dataclass(frozen=True, slots=True)
class InputRole:
    """`argument("x")`, `parameter("dense/w")`, `state("adam/step")`, `key("rng")`."""

    kind: str = "argument"
    name: str = ""


@dataclass(frozen=True, slots=True)
class OutputRole:
    """`result("")`, `update("dense/w")` of the input of that name, `gradient("dense/w")`,
    `loss("")`.
    """

    kind: str = "result"
    name: str = ""


@dataclass(slots=True)
class Signature:
    """One role an input and one an output, kept in step with the graph's lists by the graph."""

    inputs: list[InputRole] = field(default_factory=list)
    outputs: list[OutputRole] = field(default_factory=list)

    def copy(self) -> Signature:
        return Signature(list(self.inputs), list(self.outputs))
