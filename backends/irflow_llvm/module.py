"""What the functions of one LLVM module share: declarations, helpers, metadata."""

from __future__ import annotations

import re
from dataclasses import field

from irflow.records import dataclass


@dataclass(slots=True)
class Module:
    """What the functions of one module share.

    Attributes:
        functions: their text, in order.
        symbols: declarations and helper functions by name.
        metadata: numbered nodes; the number is the position.
        features: of the processor for which instructions may be chosen.
    """

    functions: list[str] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)
    metadata: list[str] = field(default_factory=list)
    features: frozenset[str] = frozenset()

    def loop_metadata(self, hint: str) -> str:
        """A node for one loop, as it is attached to the branch that closes it."""
        number = len(self.metadata)
        self.metadata += [f"distinct !{{!{number}, !{number + 1}}}", f'!{{!"{hint}"}}']
        if hint.endswith("enable"):
            self.metadata[-1] = f'!{{!"{hint}", i1 true}}'
        return f", !llvm.loop !{number}"

    def text(self, extra_text: str = "") -> str:
        """The module as LLVM reads it; what `extra_text` declares or defines is not declared."""
        known = set(re.findall(r"(?m)^(?:declare|define)\b[^@\n]*@([\w.$]+)", extra_text))
        symbols = [text for name, text in sorted(self.symbols.items()) if name not in known]
        nodes = [f"!{number} = {text}" for number, text in enumerate(self.metadata)]
        parts = ["\n".join(symbols), *self.functions, extra_text.strip(), "\n".join(nodes)]
        return "\n\n".join(part for part in parts if part) + "\n"
