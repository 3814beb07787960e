"""The networks as models of ONNX's operators."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from networks.architectures import INPUTS, NETWORKS
from networks.drawing import drawn


class Layers:
    """The vocabulary over names of values; images have their channels first.

    With `is_fused`, attention is onnxruntime's own operator instead of products and a softmax.
    """

    def __init__(self, weights: dict[str, np.ndarray], is_fused: bool) -> None:
        self.given, self.is_fused = weights, is_fused
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.given[name])

    def conv(self, x, name, filters, window, *, stride=1, padding=0, groups=1, bias=False):
        kernel = self.constant(f"{name}/w", self.given[f"{name}/w"].transpose(3, 2, 0, 1))
        shift = [self.weight(f"{name}/b")] if bias else []
        sizes = {"strides": [stride] * 2, "pads": [padding] * 4, "group": groups}
        return self.node("Conv", x, kernel, *shift, kernel_shape=[window] * 2, **sizes)

    def batch_norm(self, x, name):
        parts = [self.weight(f"{name}/{p}") for p in ("scale", "offset", "mean", "variance")]
        return self.node("BatchNormalization", x, *parts, epsilon=1e-5)

    def layer_norm(self, x, name):
        parts = [self.weight(f"{name}/{p}") for p in ("scale", "offset")]
        return self.node("LayerNormalization", x, *parts, axis=-1, epsilon=1e-5)

    def relu(self, x):
        return self.node("Relu", x)

    def relu6(self, x):
        ends = [self.constant(n, np.float32(v)) for n, v in (("zero", 0), ("six", 6))]
        return self.node("Clip", x, *ends)

    def gelu(self, x):
        return self.node("Gelu", x)

    def add(self, x, y):
        return self.node("Add", x, y)

    def max_pool(self, x, window, stride, padding=0):
        sizes = {"strides": [stride] * 2, "pads": [padding] * 4}
        return self.node("MaxPool", x, kernel_shape=[window] * 2, **sizes)

    def mean_pool(self, x):
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def flatten(self, x):
        return self.node("Flatten", x)

    def dropout(self, x, rate):
        return x

    def dense(self, x, name, features):
        return self.node(
            "Add", self.node("MatMul", x, self.weight(f"{name}/w")), self.weight(f"{name}/b")
        )

    def embed(self, x, name, vocabulary, width):
        return self.node("Gather", self.weight(f"{name}/w"), x)

    def place(self, x, name):
        return self.node("Add", x, self.weight(f"{name}/w"))

    def attention(self, x, heads, causal):
        q, k, v = self.node("Split", x, outputs=3, axis=-1, num_outputs=3)
        if self.is_fused:
            options = {"num_heads": heads, "unidirectional": int(causal)}
            return self.node("MultiHeadAttention", q, k, v, domain="com.microsoft", **options)
        shape = self.constant(f"heads{heads}", np.array([0, 0, heads, -1]))
        perms = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        pairs = zip((q, k, v), perms, strict=True)
        q, k, v = (self.node("Transpose", self.node("Reshape", a, shape), perm=p) for a, p in pairs)
        scores = self.node("Mul", self.node("MatMul", q, k), self._scale(heads))
        if causal:
            scores = self.node("Add", scores, self._mask())
        found = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        merged = self.constant("merged", np.array([0, 0, -1]))
        return self.node("Reshape", self.node("Transpose", found, perm=[0, 2, 1, 3]), merged)

    def _scale(self, heads: int) -> str:
        width = len(self.given["block0/qkv/w"]) // heads
        return self.constant("scale", np.float32(width**-0.5))

    def _mask(self) -> str:
        steps = INPUTS["gpt"][0][0]
        hidden = np.triu(np.full((steps, steps), -np.inf, np.float32), 1)
        return self.constant("mask", hidden)


def model(kind: str, is_fused: bool = False) -> bytes:
    """The network for one example, as a file's content."""
    (shape, words), built = INPUTS[kind], Layers(drawn(kind).weights, is_fused)
    result = NETWORKS[kind](built, "x")
    if len(shape) == 3:
        shape = (shape[2], *shape[:2])
    number = TensorProto.INT32 if words else TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", number, [1, *shape])
    y = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    graph = helper.make_graph(built.nodes, kind, [x], [y], list(built.constants.values()))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    content: bytes = made.SerializeToString()
    return content
