"""The networks, each said once over a vocabulary of layers that every framework spells its own way.

A vocabulary is a class with the methods of `Layers`; what it takes and gives is its own affair:
tensors in irflow, torch and jax, names of values in ONNX, shapes where weights are drawn. Weights
have names, images their channels last.
"""

from collections.abc import Callable
from typing import Any, Protocol


class Layers(Protocol):
    """What the networks are made of. `name` is that of the weights, `x` a batch."""

    def conv(
        self,
        x: Any,
        name: str,
        filters: int,
        window: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = False,
    ) -> Any: ...
    def batch_norm(self, x: Any, name: str) -> Any: ...
    def layer_norm(self, x: Any, name: str) -> Any: ...
    def relu(self, x: Any) -> Any: ...
    def relu6(self, x: Any) -> Any: ...
    def gelu(self, x: Any) -> Any: ...
    def add(self, x: Any, y: Any) -> Any: ...
    def max_pool(self, x: Any, window: int, stride: int, padding: int = 0) -> Any: ...
    def mean_pool(self, x: Any) -> Any: ...
    def flatten(self, x: Any) -> Any: ...
    def dropout(self, x: Any, rate: float) -> Any: ...
    def dense(self, x: Any, name: str, features: int) -> Any: ...
    def embed(self, x: Any, name: str, vocabulary: int, width: int) -> Any: ...
    def place(self, x: Any, name: str) -> Any: ...
    def attention(self, x: Any, heads: int, causal: bool) -> Any: ...
    def lstm(self, x: Any, name: str, units: int) -> Any: ...


# --- sizes ----------------------------------------------------------------------------------------

RESNET_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, blocks and first stride of the stages of ResNet-50 (He et al., 2015)."""

MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride of MobileNetV2 (Sandler et al., 2018)."""

GPT_BLOCKS, GPT_WIDTH, GPT_HEADS, GPT_STEPS, GPT_LETTERS = 4, 128, 4, 128, 65
BERT_BLOCKS, BERT_WIDTH, BERT_HEADS, BERT_STEPS = 12, 768, 12, 128
LSTM_WORDS, LSTM_WIDTH, LSTM_UNITS, LSTM_STEPS = 1000, 64, 128, 100

INPUTS: dict[str, tuple[tuple[int, ...], int]] = {
    "cnn": ((28, 28, 1), 0),
    "lstm": ((LSTM_STEPS,), LSTM_WORDS),
    "gpt": ((GPT_STEPS,), GPT_LETTERS),
    "bert": ((BERT_STEPS, BERT_WIDTH), 0),
    "resnet50": ((224, 224, 3), 0),
    "mobilenetv2": ((224, 224, 3), 0),
}
"""The shape of one example, and how many words there are if it is made of words."""


# --- networks -------------------------------------------------------------------------------------


def cnn(v: Layers, x: Any) -> Any:
    """Two convolutions with pooling, and one dense layer: digits."""
    for name, filters in (("first", 32), ("second", 64)):
        x = v.max_pool(v.relu(v.conv(x, name, filters, 3, bias=True)), 2, 2)
    return v.dense(v.dropout(v.flatten(x), 0.5), "out", 10)


def lstm(v: Layers, x: Any) -> Any:
    """Words, an LSTM and one number from its last output."""
    return v.dense(
        v.lstm(v.embed(x, "words", LSTM_WORDS, LSTM_WIDTH), "lstm", LSTM_UNITS), "out", 1
    )


def _attended(v: Layers, x: Any, name: str, width: int, heads: int, causal: bool) -> Any:
    return v.dense(
        v.attention(v.dense(x, f"{name}/qkv", 3 * width), heads, causal),
        f"{name}/projection",
        width,
    )


def _widened(v: Layers, x: Any, name: str, width: int) -> Any:
    return v.dense(v.gelu(v.dense(x, f"{name}/up", 4 * width)), f"{name}/down", width)


def gpt(v: Layers, x: Any) -> Any:
    """A small decoder that predicts the next letter at every place."""
    x = v.place(v.embed(x, "letters", GPT_LETTERS, GPT_WIDTH), "places")
    for i in range(GPT_BLOCKS):
        name = f"block{i}"
        normal = v.layer_norm(x, f"{name}/norm1")
        x = v.add(x, _attended(v, normal, name, GPT_WIDTH, GPT_HEADS, True))
        x = v.add(x, _widened(v, v.layer_norm(x, f"{name}/norm2"), name, GPT_WIDTH))
    return v.dense(v.layer_norm(x, "norm"), "out", GPT_LETTERS)


def bert(v: Layers, x: Any) -> Any:
    """The encoder of BERT-base, from embedded words."""
    for i in range(BERT_BLOCKS):
        name = f"block{i}"
        x = v.add(x, _attended(v, x, name, BERT_WIDTH, BERT_HEADS, False))
        x = v.layer_norm(x, f"{name}/norm1")
        x = v.layer_norm(v.add(x, _widened(v, x, name, BERT_WIDTH)), f"{name}/norm2")
    return x


def _normal_conv(v: Layers, x: Any, name: str, filters: int, window: int, **more: int) -> Any:
    found = v.conv(x, name, filters, window, padding=window // 2, **more)
    return v.batch_norm(found, f"{name}/norm")


def _bottleneck(v: Layers, x: Any, name: str, width: int, stride: int, is_first: bool) -> Any:
    y = v.relu(_normal_conv(v, x, f"{name}/a", width, 1))
    y = v.relu(_normal_conv(v, y, f"{name}/b", width, 3, stride=stride))
    y = _normal_conv(v, y, f"{name}/c", 4 * width, 1)
    beside = _normal_conv(v, x, f"{name}/skip", 4 * width, 1, stride=stride) if is_first else x
    return v.relu(v.add(y, beside))


def resnet50(v: Layers, x: Any) -> Any:
    """ResNet-50 whose strides are in the 3x3 convolutions, as torchvision's."""
    x = v.max_pool(v.relu(_normal_conv(v, x, "stem", 64, 7, stride=2)), 3, 2, 1)
    for stage, (width, blocks, first) in enumerate(RESNET_STAGES):
        for i in range(blocks):
            stride = first if i == 0 else 1
            x = _bottleneck(v, x, f"stage{stage}/{i}", width, stride, i == 0)
    return v.dense(v.mean_pool(x), "out", 1000)


def _inverted(
    v: Layers, x: Any, name: str, sizes: tuple[int, int, int], stride: int, is_added: bool
) -> Any:
    channels, middle, filters = sizes
    y = x if middle == channels else v.relu6(_normal_conv(v, x, f"{name}/up", middle, 1))
    y = v.relu6(_normal_conv(v, y, f"{name}/depth", middle, 3, stride=stride, groups=middle))
    y = _normal_conv(v, y, f"{name}/down", filters, 1)
    return v.add(x, y) if is_added else y


def mobilenetv2(v: Layers, x: Any) -> Any:
    """MobileNetV2 of width 1."""
    x, channels = v.relu6(_normal_conv(v, x, "stem", 32, 3, stride=2)), 32
    for stage, (expansion, filters, blocks, first) in enumerate(MOBILENET_STAGES):
        for i in range(blocks):
            stride = first if i == 0 else 1
            sizes = channels, channels * expansion, filters
            is_added = stride == 1 and channels == filters
            x = _inverted(v, x, f"stage{stage}/{i}", sizes, stride, is_added)
            channels = filters
    x = v.relu6(_normal_conv(v, x, "last", 1280, 1))
    return v.dense(v.mean_pool(x), "out", 1000)


NETWORKS: dict[str, Callable[[Layers, Any], Any]] = {
    "cnn": cnn,
    "lstm": lstm,
    "gpt": gpt,
    "bert": bert,
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
}
