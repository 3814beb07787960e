"""What can be shown of a program, and its code for files: LLVM IR, assembly, object files."""

from __future__ import annotations

from irflow.lowering.program import Program
from irflow_llvm import child, llvm, workers
from irflow_llvm.backend import host_features
from irflow_llvm.emit import emit_module
from irflow_llvm.entry import entry_text, segments


def text(program: Program) -> str:
    """The module that runs in this process, as LLVM IR."""
    return _module_text(program, workers.is_supported(), host_features())


def listing(program: Program, level: int, kind: str) -> str | None:
    """A printed stage of a program; None for a kind that is unknown here."""
    match kind:
        case "loops":
            return str(program)
        case "llvm":
            return text(program)
        case "asm":
            return llvm.assembly(text(program), level)
        case "object":
            rows = llvm.sections(object_code(program, level))
            return "\n".join(f"{name:24} {size:8} bytes" for name, size in rows)
        case _:
            return None


def object_code(program: Program, level: int) -> bytes:
    """The machine code as an object file, which needs nothing else and runs on one thread."""
    return llvm.object_code(_module_text(program, False, host_features()), level)


def machine_code(program: Program, level: int, kind: str, triple: str, cpu: str) -> bytes:
    """The same for another machine, as `"object"` or `"asm"`; its loops are cut for this one.

    Raises:
        LoweringError: LLVM knows no such machine, or cannot compile a kernel for it.
    """
    machine = child.Machine(cpu, "", triple)
    content = _module_text(program, cuts=False)
    return child.machine_code(content, level, machine, "assembly" if kind == "asm" else kind)


def _module_text(program: Program, cuts: bool, features: frozenset[str] = frozenset()) -> str:
    entries = entry_text(segments(program), program, cuts)
    return emit_module(program.kernels(), entries, cuts=cuts, features=features)
