"""The networks run by onnxruntime."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from networks.drawing import inputs
from networks.threads import THREADS

Call = Callable[[np.ndarray], np.ndarray]


def session(source: bytes | str) -> Any:
    """Opens a model by its content or by the path of its file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def calling(opened: Any) -> Call:
    def call(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = opened.run(None, {"x": _given(x)})[0]
        return found

    return call


def _given(x: np.ndarray) -> np.ndarray:
    """Images with their channels first."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def inference(kind: str) -> Call:
    return calling(session(_content(kind)))


def inference_fused(kind: str) -> Call:
    """With onnxruntime's own operator for attention."""
    return calling(session(_content(kind, is_fused=True)))


def inference_dynamic(kind: str) -> Call:
    """In 8 bits, with scales that each call finds."""
    return _in_bytes(kind, lambda *files: quantization.quantize_dynamic(*files, per_channel=True))


def inference_calibrated(kind: str) -> Call:
    """In 8 bits, with scales from the input that is measured."""
    examples = iter([{"x": _given(inputs(kind))}])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> Any:
            return next(examples, None)

    options = {"activation_type": quantization.QuantType.QUInt8, "per_channel": True}
    return _in_bytes(kind, lambda *files: quantization.quantize_static(*files, Reader(), **options))


def _in_bytes(kind: str, quantize: Callable[[str, str], None]) -> Call:
    """What `quantize` writes into the second file of what is in the first one, made ready."""
    with tempfile.TemporaryDirectory() as folder:
        traced, cleaned, made = (f"{folder}/{name}.onnx" for name in ("model", "clean", "bytes"))
        Path(traced).write_bytes(_content(kind))
        quant_pre_process(traced, cleaned, skip_symbolic_shape=True)
        quantize(cleaned, made)
        return calling(session(made))


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
