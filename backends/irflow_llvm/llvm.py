"""From LLVM IR text to machine code and its listings, through llvmlite."""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import llvmlite
from llvmlite import binding

from irflow.errors import LoweringError
from irflow_llvm.engine import LEVEL

_EMIT = "LLVMPY_TargetMachineEmitToMemory"
_own = threading.local()


@cache
def target_machine(cpu: str = "", features: str = "", triple: str = "") -> Any:
    """The machine to compile for: this one, unless another is named."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    if triple:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        target = binding.Target.from_triple(triple)
    else:
        target = binding.Target.from_triple(binding.get_process_triple())
        if not cpu:
            cpu = binding.get_host_cpu_name()
            features = features or binding.get_host_cpu_features().flatten()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=LEVEL, reloc="pic", codemodel="small"
    )


def parse(text: str, machine: Any, context: Any = None) -> Any:
    """A verified module, in LLVM's context for all unless another is given.

    Raises:
        LoweringError: LLVM rejects the text; shows its message and the line.
    """
    try:
        module = binding.parse_assembly(text, context)
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
    options = binding.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = level >= 2
    options.slp_vectorization = level >= 2
    options.loop_interleaving = level >= 2
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _quick(module: Any, machine: Any) -> None:
    builder = binding.create_pass_builder(
        machine, binding.create_pipeline_tuning_options(speed_level=1)
    )
    manager = binding.create_new_module_pass_manager()
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
    return _emitted(compiled(text, level, machine, binding.create_context()), machine)


def _emitted(module: Any, machine: Any) -> bytes:
    """Object code, made while other threads may do the same.

    llvmlite has one lock for all of LLVM, though threads whose contexts and machines are their own
    need none; here, where nearly all of the time is spent, it is left out.
    """
    emit = _emit()
    if emit is None:
        return bytes(machine.emit_object(module))
    with binding.ffi.OutputString() as message:
        memory = emit(machine, module, 1, message)
        if not memory:
            raise LoweringError("LLVM makes no machine code", facts=[("llvm", str(message))])
    library = binding.ffi.lib
    try:
        size = library.LLVMPY_GetBufferSize(memory)
        return ctypes.string_at(library.LLVMPY_GetBufferStart(memory), size)
    finally:
        library.LLVMPY_DisposeMemoryBuffer(memory)


@cache
def _emit() -> Any:
    """LLVM's function that makes code, without the lock; None where llvmlite is another one."""
    with suppress(AttributeError, OSError):
        locked = getattr(binding.ffi.lib, _EMIT)
        found = getattr(ctypes.CDLL(binding.ffi.lib._name), _EMIT)
        found.argtypes, found.restype = locked.argtypes, locked.restype
        return found
    return None


@cache
def identity() -> tuple[str, ...]:
    """The versions of llvmlite and LLVM; triple, name and features of this machine."""
    versions = " ".join([llvmlite.__version__, ".".join(map(str, binding.llvm_version_info))])
    features = binding.get_host_cpu_features().flatten()
    return versions, target_machine().triple, binding.get_host_cpu_name(), features


def load(codes: Iterable[bytes], known: Mapping[str, int]) -> Any:
    """LLVM's engine with object files in memory, which may call the functions named in `known`."""
    for name, place in known.items():
        binding.add_symbol(name, place)
    # The engine takes the machine over, so the shared one cannot be used.
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine.__wrapped__())
    for code in codes:
        engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def sections(code: bytes) -> list[tuple[str, int]]:
    """The sections of an object file: name and size."""
    found = binding.ObjectFileRef.from_data(code).sections()
    return [((section.name() or b"-").decode(), section.size()) for section in found]
