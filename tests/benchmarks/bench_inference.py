"""Inference of a small classifier, 784-128-10 with relu and softmax, one call at a time.

`make bench` prints microseconds of a call from Python, with images as NumPy arrays and the
probabilities as NumPy arrays, for irflow and for the peers that are installed (onnxruntime with
onnx, torch, jax, Keras on TensorFlow and on jax).
`python tests/benchmarks/bench_inference.py 256` does so for one size of the batch. Every figure is
measured in a process of its own, with the same number of threads, one after the other and several
times over; the best counts.

irflow is measured three times: with the parameters as constants of the function, as arguments, and
as constants for batches of any size.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

PIXELS, HIDDEN, CLASSES = 784, 128, 10
BATCHES = (1, 256)
ROUNDS = 2
SECONDS = 1.0
THREADS = "2"
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "IRFLOW_CHECK")
COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "IRFLOW_NUM_THREADS")

Call = Callable[[np.ndarray], Any]


def parameters() -> tuple[np.ndarray, ...]:
    """Weights and biases of both layers."""
    generator = np.random.default_rng(0)
    shapes = [(PIXELS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]
    return tuple(generator.normal(size=s).astype(np.float32) * np.float32(0.05) for s in shapes)


def batch_of(size: int) -> np.ndarray:
    return np.random.default_rng(1).random((size, PIXELS), dtype=np.float32)


# --- irflow ---------------------------------------------------------------------------------------


def irflow_constants(batch: int) -> Call:
    import irflow as irf

    w1, b1, w2, b2 = map(irf.asarray, parameters())

    @irf.jit(backend="llvm")
    def classify(x):
        return irf.nn.softmax(irf.nn.relu(x @ w1 + b1) @ w2 + b2)

    return lambda x: classify(x).numpy()


def irflow_arguments(batch: int) -> Call:
    import irflow as irf

    given = tuple(map(irf.asarray, parameters()))

    @irf.jit(backend="llvm")
    def classify(params, x):
        w1, b1, w2, b2 = params
        return irf.nn.softmax(irf.nn.relu(x @ w1 + b1) @ w2 + b2)

    return lambda x: classify(given, x).numpy()


def irflow_symbolic(batch: int) -> Call:
    import irflow as irf

    w1, b1, w2, b2 = map(irf.asarray, parameters())

    @irf.jit(backend="llvm", spec=(f"f32[n,{PIXELS}]",))
    def classify(x):
        return irf.nn.softmax(irf.nn.relu(x @ w1 + b1) @ w2 + b2)

    return lambda x: classify(x).numpy()


# --- peers ----------------------------------------------------------------------------------------


def numpy_call(batch: int) -> Call:
    w1, b1, w2, b2 = parameters()

    def classify(x: np.ndarray) -> np.ndarray:
        logits = np.maximum(x @ w1 + b1, 0) @ w2 + b2
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return exponents / exponents.sum(1, keepdims=True)

    return classify


def onnx_model() -> bytes:
    """The same as a model of ONNX's operators, for batches of any size."""
    from onnx import TensorProto, helper, numpy_helper

    names = ("w1", "b1", "w2", "b2")
    weights = [
        numpy_helper.from_array(p, name) for p, name in zip(parameters(), names, strict=True)
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("x", PIXELS), ("y", CLASSES))
    ]
    graph = helper.make_graph(nodes, "classify", ends[:1], ends[1:], weights)
    opset = helper.make_opsetid("", 17)
    model: bytes = helper.make_model(
        graph, opset_imports=[opset], ir_version=10
    ).SerializeToString()
    return model


def onnxruntime_call(batch: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(THREADS)
    session = onnxruntime.InferenceSession(
        onnx_model(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


def torch_call(batch: int) -> Call:
    import torch
    from torch import nn

    torch.set_num_threads(int(THREADS))
    model = nn.Sequential(
        nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES), nn.Softmax(1)
    )
    w1, b1, w2, b2 = (torch.from_numpy(p) for p in parameters())
    model.load_state_dict({"0.weight": w1.T, "0.bias": b1, "2.weight": w2.T, "2.bias": b2})

    def classify(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            result: np.ndarray = model(torch.from_numpy(x)).numpy()
        return result

    return classify


def jax_call(batch: int) -> Call:
    import jax

    w1, b1, w2, b2 = map(jax.numpy.asarray, parameters())

    @jax.jit
    def classify(x: Any) -> Any:
        return jax.nn.softmax(jax.nn.relu(x @ w1 + b1) @ w2 + b2)

    return lambda x: np.asarray(classify(x))


def keras_model() -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(parameters())
    return model


def keras_tensorflow(batch: int) -> Call:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(int(THREADS))
    model = keras_model()
    classify = tensorflow.function(lambda x: model(x, training=False), jit_compile=False)
    return lambda x: classify(x).numpy()


def keras_predict(batch: int) -> Call:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    model = keras_model()
    return lambda x: np.asarray(model.predict_on_batch(x))


CASES: dict[str, tuple[tuple[str, ...], Callable[[int], Call]]] = {
    "irflow, constants": (("irflow",), irflow_constants),
    "irflow, arguments": (("irflow",), irflow_arguments),
    "irflow, any batch": (("irflow",), irflow_symbolic),
    "NumPy": (("numpy",), numpy_call),
    "onnxruntime": (("onnxruntime", "onnx"), onnxruntime_call),
    "torch": (("torch",), torch_call),
    "jax": (("jax",), jax_call),
    "Keras, tf.function": (("keras", "tensorflow"), keras_tensorflow),
    "Keras, predict_on_batch": (("keras", "tensorflow"), keras_predict),
}
"""What is measured: the modules it needs, and what makes a call."""


# --- measuring ------------------------------------------------------------------------------------


def timed(name: str, batch: int) -> tuple[float, float]:
    """Microseconds of a call: the median, and the least."""
    call, x = CASES[name][1](batch), batch_of(batch)
    expected = numpy_call(batch)(x)
    for _ in range(20):
        np.testing.assert_allclose(call(x), expected, rtol=1e-4, atol=1e-6)
    times, clock = [], time.perf_counter_ns
    end = clock() + int(SECONDS * 1e9)
    while clock() < end:
        start = clock()
        call(x)
        times.append(clock() - start)
    return float(np.median(times)) / 1e3, min(times) / 1e3


def measured(name: str, batch: int) -> tuple[float, float]:
    """`timed` in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in SLOWING}
    environment |= dict.fromkeys(COUNTS, THREADS) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, name, str(batch)]
    text = subprocess.check_output(command, env=environment, text=True, stderr=subprocess.DEVNULL)
    median, least = json.loads(text.splitlines()[-1])
    return median, least


def table(batches: tuple[int, ...] = BATCHES) -> None:
    """Print microseconds of a call, and how much longer than irflow the others take."""
    names = [name for name, (modules, _) in CASES.items() if all(map(find_spec, modules))]
    heads = "".join(f"{f'batch {b}: p50':>16}{'least':>9}{'ratio':>7}" for b in batches)
    print(f"\n{'microseconds a call':24}{heads}")
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for name in names:
            for batch in batches:
                found.setdefault((name, batch), []).append(measured(name, batch))
    best = {key: tuple(map(min, zip(*pairs, strict=True))) for key, pairs in found.items()}
    for name in names:
        cells = ""
        for batch in batches:
            median, least = best[name, batch]
            ratio = median / best["irflow, constants", batch][0]
            cells += f"{median:16.2f}{least:9.2f}{ratio:7.2f}"
        print(f"{name:24}{cells}")


def bench_inference() -> None:
    """The table, as `make bench` prints it."""
    table()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(timed(sys.argv[1], int(sys.argv[2]))))
    else:
        table(tuple(map(int, sys.argv[1:])) or BATCHES)
