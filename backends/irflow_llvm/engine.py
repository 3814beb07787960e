"""From LLVM IR text to machine code in memory, and to its listings, through llvmlite."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from irflow.backend.cache import cached, name_of
from irflow.errors import LoweringError

LEVEL = 2

KEPT = 256
"""So many object files stay in memory."""

Code = tuple[str, bytes]
"""An object file, and the name under which it is kept."""

_EMIT = "LLVMPY_TargetMachineEmitToMemory"
_codes: dict[str, bytes] = {}
_own = threading.local()


@cache
def target_machine(cpu: str = "", features: str = "", triple: str = "") -> Any:
    """The machine to compile for: this one, unless another is named."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple(triple)
    else:
        target = llvm.Target.from_triple(llvm.get_process_triple())
        if not cpu:
            cpu = llvm.get_host_cpu_name()
            features = features or llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=LEVEL, reloc="pic", codemodel="small"
    )


def parse(text: str, machine: Any, context: Any = None) -> Any:
    """A verified module, in LLVM's context for all unless another is given.

    Raises:
        LoweringError: LLVM rejects the text; shows its message and the line.
    """
    try:
        module = llvm.parse_assembly(text, context)
        module.verify()
    except RuntimeError as error:
        raise _explain(text, str(error)) from None
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    return module


def _explain(text: str, message: str) -> LoweringError:
    facts = [("llvm", line.strip()) for line in message.splitlines() if line.strip()]
    place = re.search(r":(\d+):\d+: error", message)
    if place:
        facts.append((f"line {place.group(1)}", text.splitlines()[int(place.group(1)) - 1].strip()))
    return LoweringError("LLVM rejects the code of a kernel", facts=facts)


def optimize(module: Any, machine: Any, level: int = LEVEL) -> None:
    """Run LLVM's standard pipeline, with loop vectorisation, on a module.

    Level 1 is for code that has its vectors already: it moves register buffers into registers and
    tidies branches, in a fraction of the time.
    """
    if level == 1:
        _quick(module, machine)
        return
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = level >= 2
    options.slp_vectorization = level >= 2
    options.loop_interleaving = level >= 2
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _quick(module: Any, machine: Any) -> None:
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    manager = llvm.create_new_module_pass_manager()
    manager.add_sroa_pass()
    manager.add_simplify_cfg_pass()
    manager.run(module, builder)


def compiled(text: str, level: int = LEVEL, machine: Any = None, context: Any = None) -> Any:
    """An optimised module."""
    machine = machine or target_machine()
    module = parse(text, machine, context)
    optimize(module, machine, level)
    return module


def assembly(text: str, level: int = LEVEL) -> str:
    """The machine code of a module for this machine, as assembly text."""
    return str(target_machine().emit_assembly(compiled(text, level)))


def optimized(text: str, level: int = LEVEL) -> str:
    """A module after LLVM's passes."""
    return str(compiled(text, level))


def object_code(text: str, level: int = LEVEL, machine: Any = None) -> bytes:
    """The machine code of a module as an object file, for this machine or another."""
    if machine is None:
        if not hasattr(_own, "machine"):
            _own.machine = target_machine.__wrapped__()
        machine = _own.machine
    return _emitted(compiled(text, level, machine, llvm.create_context()), machine)


def _emitted(module: Any, machine: Any) -> bytes:
    """Object code, made while other threads may do the same.

    llvmlite has one lock for all of LLVM, though threads whose contexts and machines are their own
    need none; here, where nearly all of the time is spent, it is left out.
    """
    emit = _emit()
    if emit is None:
        return bytes(machine.emit_object(module))
    with llvm.ffi.OutputString() as message:
        memory = emit(machine, module, 1, message)
        if not memory:
            raise LoweringError("LLVM makes no machine code", facts=[("llvm", str(message))])
    library = llvm.ffi.lib
    try:
        size = library.LLVMPY_GetBufferSize(memory)
        return ctypes.string_at(library.LLVMPY_GetBufferStart(memory), size)
    finally:
        library.LLVMPY_DisposeMemoryBuffer(memory)


@cache
def _emit() -> Any:
    """LLVM's function that makes code, without the lock; None where llvmlite is another one."""
    with suppress(AttributeError, OSError):
        locked = getattr(llvm.ffi.lib, _EMIT)
        found = getattr(ctypes.CDLL(llvm.ffi.lib._name), _EMIT)
        found.argtypes, found.restype = locked.argtypes, locked.restype
        return found
    return None


@cache
def identity() -> tuple[str, ...]:
    """What machine code for this machine depends on besides its IR."""
    version = ".".join(map(str, llvm.llvm_version_info))
    features = llvm.get_host_cpu_features().flatten()
    triple = target_machine().triple
    return llvmlite.__version__, version, triple, llvm.get_host_cpu_name(), features


def object_name(text: str, level: int = LEVEL) -> str:
    """The name under which `cached_object_code` keeps what it returns."""
    return name_of((*identity(), str(level), text))


def cached_code(text: str, level: int = LEVEL) -> Code:
    """`cached_object_code` with its name; what was made last in this process is in memory."""
    name = object_name(text, level)
    found = _codes.pop(name, None)
    if found is None:
        found = cached_object_code(text, level)
    _codes[name] = found
    while len(_codes) > KEPT:
        _codes.pop(next(iter(_codes)), None)
    return name, found


def cached_object_code(text: str, level: int = LEVEL) -> bytes:
    """`object_code` for this machine, from the cache if it is there.

    With `IRFLOW_COMPILE_IN_CHILD=1` it is made by another process, so that code for which LLVM ends
    the process is an error.
    """
    return cached((*identity(), str(level), text), lambda: _made(text, level))


def _made(text: str, level: int) -> bytes:
    if os.environ.get("IRFLOW_COMPILE_IN_CHILD", "0") in ("", "0"):
        return object_code(text, level)
    from irflow_llvm.child import machine_code

    return machine_code(text, level)


class Engine:
    """Machine code in memory, made from IR text; it lives as long as this object.

    Args:
        text: a module whose entry points are visible from outside.
        level: 0 to 3, as in LLVM.

    Raises:
        LoweringError: LLVM rejects the text.
    """

    def __init__(self, text: str, level: int = LEVEL) -> None:
        self._load([cached_code(text, level)[1]])

    @classmethod
    def of_objects(cls, codes: Iterable[bytes]) -> Engine:
        """Machine code that `object_code` made for this machine; each may call the others."""
        made = cls.__new__(cls)
        made._load(codes)
        return made

    def _load(self, codes: Iterable[bytes]) -> None:
        # The engine takes the machine over, so the shared one cannot be used.
        machine = target_machine.__wrapped__()
        # The sections of an object come from one mapping: they reach each other over 2 GiB at most.
        empty = llvm.parse_assembly("")
        self._engine = llvm.create_mcjit_compiler(empty, machine, use_lmm=True)
        for code in codes:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where the function `name` starts.

        Raises:
            LoweringError: the module defines no such function visible from outside.
        """
        found = int(self._engine.get_function_address(name))
        if not found:
            raise LoweringError(f"no compiled function {name!r}")
        return found
