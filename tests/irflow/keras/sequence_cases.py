"""One table of recurrent, attention and preprocessing layers, as small models of Keras and ours."""

from __future__ import annotations

import importlib
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.irflow.keras.layer_cases import Case

Make = Callable[..., Any]


@dataclass(frozen=True)
class SequenceCase(Case):
    """A functional model around one layer.

    Attributes:
        make: takes the package and the inputs, returns the output, or several.
        zeros: inputs have steps of zeros, for masks.
    """

    make: Make = lambda k, x: x
    zeros: bool = False

    def inputs(self) -> list[np.ndarray]:
        arrays = super().inputs()
        if self.zeros:
            rng = np.random.default_rng(zlib.crc32(self.id.encode()))
            for array in arrays:
                array[rng.random(array.shape[:2]) < 0.4] = 0
                array[0, 2:] = 0
        return arrays

    def build(self, package: Any) -> Any:
        package = importlib.import_module(package.__name__.rpartition(".layers")[0])
        kind = "int32" if self.integers else "float32"
        places = [package.layers.Input(shape[1:], dtype=kind) for shape in self.shapes]
        return package.Model(places, joined(package, self.make(package, *places)))


def joined(package: Any, outputs: Any) -> Any:
    """Several outputs as one."""
    if not isinstance(outputs, (list, tuple)):
        return outputs
    return package.layers.Concatenate()([package.layers.Flatten()(x) for x in _flat(outputs)])


def _flat(nested: Any) -> list[Any]:
    is_list = isinstance(nested, (list, tuple))
    return [x for item in nested for x in _flat(item)] if is_list else [nested]


SEQUENCE, FRAMES, IMAGE, WIDE = (3, 6, 4), (2, 5, 4, 4, 2), (3, 7, 6, 2), (2, 3, 6, 5)


def layer(name: str, *args: Any, **kwargs: Any) -> tuple[str, Make]:
    """A case of one layer that is called with its inputs."""
    return name, lambda k, *x: getattr(k.layers, name)(*args, **kwargs)(*x)


def masked(name: str, *args: Any, **kwargs: Any) -> tuple[str, Make]:
    """A case of one layer behind a mask."""

    def make(k: Any, x: Any) -> Any:
        return getattr(k.layers, name)(*args, **kwargs)(k.layers.Masking()(x))

    return name, make


def with_state(name: str, *args: Any, **kwargs: Any) -> tuple[str, Make]:
    """A case of one layer with its initial states."""

    def make(k: Any, x: Any, *states: Any) -> Any:
        return getattr(k.layers, name)(*args, **kwargs)(x, initial_state=list(states))

    return name, make


def around(name: str, inner: Make, *, mask: bool = False, **kwargs: Any) -> tuple[str, Make]:
    """A case of a layer around another one."""

    def make(k: Any, x: Any) -> Any:
        seen = k.layers.Masking()(x) if mask else x
        return getattr(k.layers, name)(inner(k.layers), **kwargs)(seen)

    return name, make


def told(name: str, *args: Any, call: dict[str, Any], **kwargs: Any) -> tuple[str, Make]:
    """A case of one layer with further arguments of its call."""
    return name, lambda k, *x: getattr(k.layers, name)(*args, **kwargs)(*x, **call)


def listed(name: str, *args: Any, call: dict[str, Any], **kwargs: Any) -> tuple[str, Make]:
    """The same for a layer that takes a list."""
    return name, lambda k, *x: getattr(k.layers, name)(*args, **kwargs)(list(x), **call)


def attended(k: Any, words: Any, others: Any) -> Any:
    """Attention of masked words to other masked words."""
    table = k.layers.Embedding(7, 4, mask_zero=True)
    found = k.layers.MultiHeadAttention(2, 3)(table(words), table(others))
    return k.layers.GlobalAveragePooling1D()(found)


def pooled_attention(name: str) -> Make:
    def make(k: Any, x: Any, y: Any) -> Any:
        mask = k.layers.Masking()
        found = getattr(k.layers, name)()([mask(x), mask(y)])
        return k.layers.GlobalAveragePooling1D()(found)

    return make


def masked_words(k: Any, words: Any) -> Any:
    steps = k.layers.Embedding(7, 3, mask_zero=True)(words)
    states = k.layers.LSTM(3, return_sequences=True)(steps)
    return k.layers.GRU(2)(states)


def stacked(layers: Any) -> Any:
    return [layers.LSTMCell(3), layers.GRUCell(4), layers.SimpleRNNCell(2)]


MIXED = {"interpolation": "nearest", "fill_mode": "constant", "fill_value": 0.7}

ROWS: list[tuple[tuple[str, Make], Any, dict[str, Any]]] = [
    # -------------------------------------------------------------------------------- recurrent
    (layer("SimpleRNN", 5), SEQUENCE, {}),
    (layer("SimpleRNN", 3, return_sequences=True, activation="relu", use_bias=False), SEQUENCE, {}),
    (layer("SimpleRNN", 3, go_backwards=True, return_state=True, unroll=True), SEQUENCE, {}),
    (
        layer("SimpleRNN", 3, kernel_regularizer="l2", recurrent_regularizer="l1",
              bias_regularizer="l2"),
        SEQUENCE,
        {},
    ),
    (masked("SimpleRNN", 3, return_sequences=True), SEQUENCE, {"zeros": True}),
    (with_state("SimpleRNN", 3), [SEQUENCE, (3, 3)], {}),
    (layer("LSTM", 5), SEQUENCE, {}),
    (layer("LSTM", 3, return_sequences=True, return_state=True, go_backwards=True), SEQUENCE, {}),
    (layer("LSTM", 3, activation="softsign", recurrent_activation="hard_sigmoid"), SEQUENCE, {}),
    (layer("LSTM", 3, use_bias=False, unroll=True, activity_regularizer="l2"), SEQUENCE, {}),
    (layer("LSTM", 3, unit_forget_bias=False, implementation=1), SEQUENCE, {}),
    (masked("LSTM", 3), SEQUENCE, {"zeros": True}),
    (masked("LSTM", 3, return_sequences=True, return_state=True), SEQUENCE, {"zeros": True}),
    (masked("LSTM", 3, go_backwards=True, return_sequences=True), SEQUENCE, {"zeros": True}),
    (with_state("LSTM", 3, return_sequences=True), [SEQUENCE, (3, 3), (3, 3)], {}),
    (layer("GRU", 5), SEQUENCE, {}),
    (layer("GRU", 3, reset_after=False, return_sequences=True), SEQUENCE, {}),
    (layer("GRU", 3, reset_after=False, use_bias=False, go_backwards=True), SEQUENCE, {}),
    (layer("GRU", 3, activation="elu", recurrent_activation="hard_sigmoid"), SEQUENCE, {}),
    (layer("GRU", 3, return_state=True, unroll=True, use_bias=False), SEQUENCE, {}),
    (masked("GRU", 3, return_sequences=True), SEQUENCE, {"zeros": True}),
    (with_state("GRU", 3, return_state=True), [SEQUENCE, (3, 3)], {}),
    (around("RNN", stacked), SEQUENCE, {}),
    (around("RNN", stacked, return_sequences=True, return_state=True), SEQUENCE, {}),
    (around("RNN", stacked, go_backwards=True, mask=True), SEQUENCE, {"zeros": True}),
    (
        around("RNN", lambda k: k.LSTMCell(3), zero_output_for_mask=True, return_sequences=True,
               mask=True),
        SEQUENCE,
        {"zeros": True},
    ),
    (around("RNN", lambda k: k.GRUCell(3, reset_after=False), unroll=True), SEQUENCE, {}),
    (("Embedding", masked_words), (4, 6), {"integers": 4}),
    (around("Bidirectional", lambda k: k.LSTM(3)), SEQUENCE, {}),
    (
        around("Bidirectional", lambda k: k.GRU(3, return_sequences=True), merge_mode="sum",
               mask=True),
        SEQUENCE,
        {"zeros": True},
    ),
    (
        around("Bidirectional", lambda k: k.SimpleRNN(3, return_sequences=True), merge_mode="mul"),
        SEQUENCE,
        {},
    ),
    (
        around("Bidirectional", lambda k: k.LSTM(3, return_state=True), merge_mode="ave"),
        SEQUENCE,
        {},
    ),
    (
        around("Bidirectional", lambda k: k.GRU(2, return_sequences=True), merge_mode=None),
        SEQUENCE,
        {},
    ),
    (
        ("Bidirectional", lambda k, x: k.layers.Bidirectional(
            k.layers.LSTM(3), backward_layer=k.layers.GRU(2, go_backwards=True))(x)),
        SEQUENCE,
        {},
    ),
    (with_state("LSTM", 3, return_state=True, go_backwards=True), [SEQUENCE, (3, 3), (3, 3)], {}),
    (around("TimeDistributed", lambda k: k.Dense(3, activation="tanh")), SEQUENCE, {}),
    (around("TimeDistributed", lambda k: k.Conv2D(3, 2)), FRAMES, {}),
    (around("TimeDistributed", lambda k: k.BatchNormalization(momentum=0.5)), SEQUENCE, {}),
    (around("TimeDistributed", lambda k: k.LSTM(3)), (2, 3, 5, 4), {}),
    # -------------------------------------------------------------------------------- attention
    (layer("MultiHeadAttention", 2, 3), [SEQUENCE, SEQUENCE], {}),
    (
        # Without the scores Keras on jax fails where value_dim is not key_dim.
        told("MultiHeadAttention", 2, 3, value_dim=5, call={"return_attention_scores": True}),
        [SEQUENCE, (3, 5, 2), (3, 5, 3)],
        {},
    ),
    (layer("MultiHeadAttention", 2, 3, use_bias=False, output_shape=7), [SEQUENCE] * 2, {}),
    (layer("MultiHeadAttention", 2, 3, output_shape=(2, 3)), [SEQUENCE] * 2, {}),
    (layer("MultiHeadAttention", 1, 4, attention_axes=2), [WIDE] * 2, {}),
    (layer("MultiHeadAttention", 2, 2), [WIDE] * 2, {}),
    (
        layer("MultiHeadAttention", 2, 3, kernel_regularizer="l2", bias_regularizer="l1",
              activity_regularizer="l2"),
        [SEQUENCE] * 2,
        {},
    ),
    (layer("MultiHeadAttention", 2, 3, sliding_window=2, use_gate=True), [SEQUENCE] * 2, {}),
    (told("MultiHeadAttention", 2, 3, call={"use_causal_mask": True}), [SEQUENCE] * 2, {}),
    (told("MultiHeadAttention", 2, 3, call={"use_causal_mask": True}), [SEQUENCE, (3, 4, 2)], {}),
    (
        told("MultiHeadAttention", 2, 3,
             call={"return_attention_scores": True, "use_causal_mask": True}),
        [SEQUENCE] * 2,
        {},
    ),
    (
        ("MultiHeadAttention", lambda k, x, y: k.layers.MultiHeadAttention(2, 3)(
            x, y, attention_mask=np.tril(np.ones((1, 6, 5), bool), 1))),
        [SEQUENCE, (3, 5, 2)],
        {},
    ),
    (("MultiHeadAttention", attended), [(3, 5), (3, 4)], {"integers": 4}),
    (layer("GroupQueryAttention", 3, 4, 2), [SEQUENCE, (3, 5, 4)], {}),
    (
        told("GroupQueryAttention", 3, 4, 2, use_bias=False,
             call={"return_attention_scores": True}),
        [SEQUENCE] * 2,
        {},
    ),
    (
        told("GroupQueryAttention", 2, 3, 1, use_gate=True, sliding_window=3,
             call={"use_causal_mask": True}),
        [SEQUENCE] * 2,
        {},
    ),
    (listed("Attention", call={}), [SEQUENCE, (3, 5, 4)], {}),
    (listed("Attention", use_scale=True, call={"use_causal_mask": True}), [SEQUENCE] * 2, {}),
    (listed("Attention", score_mode="concat", call={}), [SEQUENCE, (3, 5, 2), (3, 5, 4)], {}),
    (
        listed("Attention", use_scale=True, score_mode="concat",
               call={"return_attention_scores": True}),
        [SEQUENCE, (3, 5, 4)],
        {},
    ),
    (("Attention", pooled_attention("Attention")), [SEQUENCE, (3, 5, 4)], {"zeros": True}),
    (listed("AdditiveAttention", call={}), [SEQUENCE, (3, 5, 2), (3, 5, 4)], {}),
    (
        listed("AdditiveAttention", use_scale=False, call={"use_causal_mask": True}),
        [SEQUENCE] * 2,
        {},
    ),
    (("AdditiveAttention", pooled_attention("AdditiveAttention")), [SEQUENCE, (3, 5, 4)],
     {"zeros": True}),
    # ---------------------------------------------- preprocessing; bounds that are equal: no chance
    (layer("Rescaling", 0.5, offset=-1.0), SEQUENCE, {}),
    (layer("Rescaling", [0.5, 2.0, 1.0, 3.0], offset=[1.0, 2.0, 3.0, 4.0]), SEQUENCE, {}),
    (layer("Normalization", mean=0.5, variance=2.0), SEQUENCE, {}),
    (layer("Normalization", axis=1, mean=[1.0] * 6, variance=[4.0] * 6, invert=True), SEQUENCE, {}),
    (layer("Resizing", 4, 9), IMAGE, {}),
    (layer("Resizing", 4, 4, interpolation="nearest", crop_to_aspect_ratio=True), IMAGE, {}),
    (layer("Resizing", 5, 3, pad_to_aspect_ratio=True, fill_value=2.0), IMAGE, {}),
    (layer("Resizing", 3, 9, interpolation="bicubic", antialias=True), IMAGE, {}),
    (layer("Resizing", 3, 4, interpolation="lanczos3", data_format="channels_first"), IMAGE, {}),
    (layer("CenterCrop", 4, 3), IMAGE, {}),
    (layer("CenterCrop", 8, 3, data_format="channels_last"), IMAGE, {}),
    (layer("RandomRotation", (0.1, 0.1)), IMAGE, {}),
    (layer("RandomRotation", (-0.3, -0.3), **MIXED), IMAGE, {}),
    (
        layer("RandomRotation", (0.2, 0.2), fill_mode="wrap", data_format="channels_first"),
        IMAGE,
        {},
    ),
    (layer("RandomZoom", (0.3, 0.3)), IMAGE, {}),
    (layer("RandomZoom", (-0.3, -0.3), (0.2, 0.2), fill_mode="nearest"), IMAGE, {}),
    (layer("RandomTranslation", (0.3, 0.3), (-0.2, -0.2)), IMAGE, {}),
    (layer("RandomTranslation", (0.3, 0.3), (0.1, 0.1), **MIXED), IMAGE, {}),
    (layer("RandomBrightness", (0.2, 0.2), value_range=(-1, 1)), IMAGE, {}),
    (layer("RandomContrast", (0.0, 0.0), value_range=(-1, 1)), IMAGE, {}),
    (layer("CategoryEncoding", 5), (3, 4), {"integers": 5}),
    (layer("CategoryEncoding", 5, output_mode="count"), (3, 4), {"integers": 5}),
    (layer("CategoryEncoding", 5, output_mode="one_hot"), (3, 1), {"integers": 5}),
    (layer("Discretization", [1.5, 2.5, 4.0]), (3, 4), {"integers": 6}),
    (layer("Discretization", [1.5, 4.0], output_mode="one_hot"), (3, 4), {"integers": 6}),
]  # fmt: skip


def _cases() -> list[SequenceCase]:
    counts: Counter[str] = Counter()
    cases = []
    for (name, make), shapes, options in ROWS:
        counts[name] += 1
        many = tuple(shapes) if isinstance(shapes, list) else (shapes,)
        number = f"{name}-{counts[name]}"
        cases.append(SequenceCase(number, name, {}, many, make=make, **options))
    return cases


SEQUENCE_CASES = _cases()

# Layers with vocabularies and bins, which take data in front of a model.
TEXTS = ["The cat, the dog!", "a cat sat", "", "dog dog the end"]
NUMBERS = np.array([[7, 3, 3], [9, 7, 7], [0, 3, 12]])
WORDS = np.array([["b", "a"], ["c", "b"], ["", "b"]])
PADDED = {"max_tokens": 8, "pad_to_max_tokens": True}
COUNTS = {"output_mode": "count", "mask_token": ""}
BARE = {"output_mode": "tf_idf", "standardize": "strip_punctuation"}
LOOKUPS = [
    # layer, arguments, what it adapts to, what it is called with
    ("IntegerLookup", {}, NUMBERS, [[7, 9], [4, 0]]),
    ("IntegerLookup", {"mask_token": 0, "num_oov_indices": 2}, NUMBERS, [[7, 9], [5, 0]]),
    ("IntegerLookup", {"max_tokens": 3, "output_mode": "one_hot"}, NUMBERS, [7, 9, 3]),
    ("IntegerLookup", {"output_mode": "count", "mask_token": 0}, NUMBERS, [[7, 9, 7], [0, 3, 5]]),
    ("IntegerLookup", {"output_mode": "multi_hot", **PADDED}, NUMBERS, [[7, 3, 7]]),
    ("IntegerLookup", {"output_mode": "tf_idf"}, NUMBERS, [[7, 9, 7], [0, 3, 5]]),
    ("IntegerLookup", {"vocabulary": [5, 6], "invert": True}, None, [[0, 1], [2, 3]]),
    ("StringLookup", {}, WORDS, [["a", "b"], ["z", ""]]),
    ("StringLookup", {"mask_token": "", "num_oov_indices": 3}, WORDS, [["a", "z"], ["y", ""]]),
    ("StringLookup", COUNTS, WORDS, [["a", "b", "a"], ["", "z", "b"]]),
    ("StringLookup", {"vocabulary": ["x", "y"], "num_oov_indices": 0}, None, ["y", "x"]),
    ("TextVectorization", {}, TEXTS, [*TEXTS, "Cat's end"]),
    ("TextVectorization", {"output_sequence_length": 3, "max_tokens": 5}, TEXTS, TEXTS),
    ("TextVectorization", {"ngrams": 2, "standardize": "lower"}, TEXTS, TEXTS),
    ("TextVectorization", {"ngrams": (1, 3), "output_mode": "multi_hot"}, TEXTS, TEXTS),
    ("TextVectorization", {"split": "character", "standardize": None}, TEXTS, ["cat"]),
    ("TextVectorization", BARE, TEXTS, TEXTS),
    ("TextVectorization", {"output_mode": "count", "max_tokens": 4}, TEXTS, TEXTS),
    ("Hashing", {"num_bins": 5}, None, [["a", "some longer word"], ["b", "x" * 80]]),
    ("Hashing", {"num_bins": 7, "salt": [133, 137], "mask_value": ""}, None, ["a", "", "word"]),
    ("Hashing", {"num_bins": 4, "output_mode": "one_hot"}, None, [3, 5, 123456]),
    ("Discretization", {"num_bins": 4}, np.arange(30.0) ** 2, [[1.0, 99.0], [300.0, 900.0]]),
    ("Discretization", {"num_bins": 3, "epsilon": 0.1}, np.linspace(0, 1, 500), [0.1, 0.4, 0.9]),
]  # fmt: skip


def looked_up(package, name, arguments, data, inputs):
    layer = getattr(package, name)(**arguments)
    if data is not None:
        layer.adapt(data)
    is_text = name in ("StringLookup", "TextVectorization", "Hashing")
    given = inputs if name == "TextVectorization" else np.asarray(inputs)
    return layer, np.asarray(layer(given if is_text else given.copy()))
