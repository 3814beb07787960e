"""The networks run by onnxruntime."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from networks.threads import THREADS

Call = Callable[[np.ndarray], np.ndarray]


def session(source: bytes | str) -> Any:
    """Opens a model by its content or by the path of its file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def calling(opened: Any) -> Call:
    def call(x: np.ndarray) -> np.ndarray:
        given = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x
        found: np.ndarray = opened.run(None, {"x": given})[0]
        return found

    return call


def inference(kind: str) -> Call:
    return calling(session(_content(kind)))


def inference_fused(kind: str) -> Call:
    """With onnxruntime's own operator for attention."""
    return calling(session(_content(kind, is_fused=True)))


def opening(kind: str) -> Call:
    """Each call opens the model first."""
    content = _content(kind)
    return lambda x: calling(session(content))(x)


def inference_of_file(kind: str) -> Call:
    """The model comes from a file that another process wrote."""
    program = str(Path(__file__).parents[1] / "bench_networks.py")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        subprocess.run([sys.executable, program, "--write-model", kind, path], check=True)
        return calling(session(path))


def _content(kind: str, is_fused: bool = False) -> bytes:
    from networks.in_onnx import model

    return model(kind, is_fused)
