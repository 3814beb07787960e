"""The LLVM backend: kernels printed as LLVM IR and compiled in memory."""

from irflow_llvm.backend import LlvmBackend, host_target

__all__ = ["LlvmBackend", "host_target"]
