"""Machine code made in another process.

LLVM ends the process for some code that it cannot compile: an intrinsic that the processor lacks,
an instruction that it cannot select. Where that can happen, as for other processors, or with rows
and backends that are being written, a child compiles, and its end becomes an error here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from irflow.errors import LoweringError
from irflow_llvm import llvm
from irflow_llvm.engine import LEVEL

FAILED = 3
"""The exit code of a child that has an error to tell."""

UNKNOWN = b"is not a recognized processor for this target"
"""What LLVM says before it compiles for any processor of that kind instead."""

_START = (
    "import json, sys; head = json.loads(sys.stdin.buffer.readline()); "
    "sys.path[:] = head['path']; from irflow_llvm.child import main; main(head)"
)
_LAST_LINES = 4


class Machine(NamedTuple):
    """What to compile for; this machine where nothing is said.

    Attributes:
        cpu: a name that LLVM knows, such as `"znver4"`.
        features: what it has besides, as in `"+avx2,-fma"`.
        triple: such as `"aarch64-linux-gnu"`.
    """

    cpu: str = ""
    features: str = ""
    triple: str = ""


HERE = Machine()


def machine_code(
    text: str, level: int = LEVEL, machine: Machine = HERE, kind: str = "object"
) -> bytes:
    """The machine code of a module as an object file, or as assembly text.

    Args:
        text: LLVM IR.
        level: 0 to 3, as in LLVM.
        machine: what to compile for.
        kind: `"object"` or `"assembly"`.

    Raises:
        LoweringError: LLVM knows no such machine, rejects the text, or cannot compile it; names
            the function.
    """
    done = _run(text, level, machine, kind)
    if UNKNOWN in done.stderr:
        raise LoweringError(f"LLVM knows no processor {machine.cpu!r} of this kind")
    if done.returncode == 0:
        return done.stdout
    if done.returncode == FAILED:
        told = json.loads(done.stdout)
        raise LoweringError(told["summary"], facts=told["facts"], hint=told["hint"])
    names = re.findall(r"(?m)^at (\S+)$", _run(text, level, machine, "search").stderr.decode())
    subject = f"kernel {names[-1]}" if names else "a module"
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines()]
    facts = [("llvm", line) for line in lines if line][-_LAST_LINES:]
    target = " ".join(filter(None, (machine.triple, machine.cpu, machine.features)))
    facts += [("for", target)] if target else []
    raise LoweringError(f"LLVM cannot compile {subject}, and gave up", facts=facts)


def _run(text: str, level: int, machine: Machine, kind: str) -> subprocess.CompletedProcess[bytes]:
    head = {"path": sys.path, "level": level, "machine": machine, "kind": kind}
    content = f"{json.dumps(head)}\n{text}".encode()
    return subprocess.run([sys.executable, "-c", _START], input=content, capture_output=True)


def main(head: Mapping[str, Any]) -> None:
    """What the child does: IR from standard input, machine code or an error to standard output."""
    text = sys.stdin.buffer.read().decode()
    try:
        content = _made(text, head["level"], Machine(*head["machine"]), head["kind"])
    except LoweringError as error:
        told = {"summary": error.summary, "facts": error.facts, "hint": error.hint}
        sys.stdout.write(json.dumps(told))
        sys.exit(FAILED)
    sys.stdout.buffer.write(content)


def _made(text: str, level: int, machine: Machine, kind: str) -> bytes:
    try:
        target = llvm.target_machine(*machine)
    except RuntimeError as error:
        raise LoweringError(f"LLVM knows no such machine: {error}") from None
    module = llvm.compiled(text, level, target)
    if kind == "assembly":
        return str(target.emit_assembly(module)).encode()
    if kind == "search":
        _search(module, target)
    return bytes(target.emit_object(module))


def _search(module: Any, target: Any) -> None:
    """Compile the functions one by one; the last one that is named ends the process."""
    names = [function.name for function in module.functions if not function.is_declaration]
    for name in names:
        print("at", name, file=sys.stderr, flush=True)  # noqa: T201  for the parent
        alone = module.clone()
        for function in alone.functions:
            if not function.is_declaration and function.name != name:
                function.linkage = "available_externally"  # no code is made for those
        target.emit_object(alone)
