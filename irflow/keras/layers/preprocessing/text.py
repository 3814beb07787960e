"""`Hashing` and `TextVectorization`: words and texts as numbers, for data in front of a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.layers.builtin import BuiltinLayer, one_of, positive
from irflow.keras.layers.preprocessing.batches import batches
from irflow.keras.layers.preprocessing.categories import not_sparse
from irflow.keras.layers.preprocessing.encoding import encoded, mode_of
from irflow.keras.layers.preprocessing.fingerprints import farmhash, siphash
from irflow.keras.layers.preprocessing.lookup import StringLookup, words
from irflow.keras.layers.preprocessing.vocabulary import NOWHERE
from irflow.keras.saving import registry

STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLITS = ("whitespace", "character")
_PUNCTUATION = re.compile(r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']""")


class Hashing(BuiltinLayer):
    """Words or whole numbers shared out to a fixed number of bins by a hash.

    Args:
        num_bins: how many.
        mask_value: what stands for nothing and has bin 0 alone.
        salt: one number or two that change the hash.
        output_mode: `"int"`, or as of `CategoryEncoding`.
        sparse: not there; False.

    >>> Hashing(3)(["a", "b", "a"]).shape
    (3,)
    """

    config_names = ("num_bins", "mask_value", "salt", "output_mode")

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        self.output_mode = mode_of("Hashing", output_mode)
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if self.output_mode == "int" else config.floatx()
        super().__init__(**kwargs)
        not_sparse("Hashing", sparse)
        self.num_bins = positive("Hashing", "num_bins", num_bins)
        self.mask_value = mask_value
        pair = [salt, salt] if isinstance(salt, int) else None if salt is None else list(salt)
        if pair is not None and len(pair) != 2:
            raise UsageError(f"Hashing: salt is one number or two, not {salt!r}")
        self.salt = pair

    def __call__(self, inputs: Any) -> Tensor:
        """The bins of words or numbers."""
        self.built = True
        array = np.asarray(inputs)
        if array.dtype.kind in "iufb":
            keys = array.astype(np.int64).astype(str)
        else:
            keys = array = words(inputs, self.name)
        different, inverse = np.unique(keys, return_inverse=True)
        found = np.asarray([self._bin(key) for key in different.tolist()], np.int64)
        bins = found[inverse].reshape(keys.shape)
        if self.mask_value is not None and self.num_bins > 1:
            bins = np.where(array == self.mask_value, 0, bins + 1)
        return encoded(inp.asarray(bins), self.output_mode, self.num_bins, self.compute_dtype)

    def _bin(self, key: str) -> int:
        count = self.num_bins - (self.mask_value is not None and self.num_bins > 1)
        text = key.encode()
        if self.salt is None:
            return farmhash(text) % count
        return siphash(text, (self.salt[0], self.salt[1])) % count


class TextVectorization(BuiltinLayer):
    """Texts as numbers of words, or as rows of zeros and ones, counts or tf-idf.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, None, or a
            function of an array of texts.
        split: `"whitespace"`, `"character"`, None, or a function of an array of texts that returns
            a list of words for each.
        ngrams: also groups of up to so many neighbouring words, or of just these numbers.
        output_mode: `"int"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        output_sequence_length: for `"int"`, to cut or fill up to; the longest text by default.
        pad_to_max_tokens: rows of length `max_tokens`.
        vocabulary: the words in their order, or the path of a text file with one a line.
        idf_weights: for `"tf_idf"`, one for each word.
        sparse: not there; False.
        ragged: not there; False.
        encoding: of texts that are bytes.

    Call:
        inputs: texts `[n]` or `[n, 1]`, a list or an array; or one text.

    Returns:
        `[n, length]` with 0 for nothing and 1 for unknown words, or `[n, words]`.

    >>> layer = TextVectorization(vocabulary=["hello", "world"])
    >>> layer(["Hello, world!", "hello"]).tolist()
    [[2, 3], [2, 0]]
    """

    config_names = (
        "max_tokens", "standardize", "split", "ngrams", "output_mode", "output_sequence_length",
        "pad_to_max_tokens", "vocabulary", "idf_weights", "encoding",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[..., Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[..., Any] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        **kwargs: Any,
    ) -> None:
        name = "TextVectorization"
        kwargs = {key: value for key, value in kwargs.items() if key not in _REMEMBERED}
        super().__init__(**kwargs)
        if ragged:
            raise UsageError(f"{name}: there are no ragged tensors; leave ragged=True out")
        self.standardize = _known(name, "standardize", standardize, STANDARDS)
        self.split = _known(name, "split", split, SPLITS)
        self.ngrams = ngrams if ngrams is None or isinstance(ngrams, int) else tuple(ngrams)
        self._lookup = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            sparse=sparse,
            encoding=encoding,
            name=f"{self.name}_lookup",
        )
        self.output_mode = self._lookup.output_mode
        if output_sequence_length is not None and self.output_mode != "int":
            raise UsageError(f"{name}: output_sequence_length goes with output_mode='int' only")
        self.output_sequence_length = output_sequence_length
        self.encoding = encoding

    @property
    def max_tokens(self) -> int | None:
        """The largest size of the vocabulary."""
        return self._lookup.max_tokens

    @property
    def pad_to_max_tokens(self) -> bool:
        """Whether rows have length `max_tokens`."""
        return self._lookup.pad_to_max_tokens

    @property
    def vocabulary(self) -> list[Any] | None:
        """The words with the special ones, None if there are none yet."""
        return self._lookup.vocabulary

    @property
    def idf_weights(self) -> list[float] | None:
        """The weights of `"tf_idf"`."""
        return self._lookup.idf_weights

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their numbers."""
        return self._lookup.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take other words; as of `StringLookup`."""
        self._lookup.set_vocabulary(vocabulary, idf_weights)

    def vocabulary_size(self) -> int:
        """How many numbers there are, with those of special tokens."""
        return self._lookup.vocabulary_size()

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the vocabulary of texts, the most frequent words first.

        Args:
            data: texts, or an iterable of batches of them.
            batch_size: taken for Keras's sake.
            steps: take only so many batches.

        Raises:
            UsageError: there is no data.
        """
        parts = (self._parted(batch) for batch in batches(data, self.name, steps))
        self._lookup.learn(row for rows in parts for row in rows)

    def __call__(self, inputs: Any) -> Tensor:
        """The numbers of texts."""
        self.built = True
        rows = self._parted(inputs)
        longest = max((len(row) for row in rows), default=0)
        length = longest if self.output_sequence_length is None else self.output_sequence_length
        nothing = 0 if self.output_mode == "int" else NOWHERE
        numbers = np.full((len(rows), length), nothing, np.int64)
        flat = [word for row in rows for word in row]
        places = self._lookup.places(np.asarray(flat, str))
        start = 0
        for number, row in enumerate(rows):
            count = min(len(row), length)
            numbers[number, :count] = places[start : start + count]
            start += len(row)
        single = np.ndim(inputs) == 0
        return self._lookup.presented(inp.asarray(numbers[0] if single else numbers))

    def _parted(self, inputs: Any) -> list[list[str]]:
        """The words of each text."""
        texts = np.atleast_1d(words(inputs, self.name, self.encoding))
        if callable(self.standardize):
            texts = np.asarray(self.standardize(texts), str)
        elif self.standardize is not None:
            texts = np.asarray([self._standard(t) for t in texts.ravel()], str).reshape(texts.shape)
        if self.split is None:
            return [self._grouped(row) for row in texts.reshape(len(texts), -1).tolist()]
        if texts.ndim > 1 and texts.shape[-1] != 1:
            raise ShapeError(
                f'layer "{self.name}": one text for each example is wanted',
                facts=[("given", texts.shape)],
            )
        flat = texts.reshape(len(texts))
        if callable(self.split):
            return [self._grouped([str(word) for word in row]) for row in self.split(flat)]
        by_character = self.split == "character"
        return [self._grouped(list(t) if by_character else t.split()) for t in flat.tolist()]

    def _standard(self, text: str) -> str:
        name = str(self.standardize)
        text = text.lower() if "lower" in name else text
        return _PUNCTUATION.sub("", text) if "punctuation" in name else text

    def _grouped(self, row: list[str]) -> list[str]:
        """The words, or the groups of neighbouring ones that `ngrams` wants."""
        if self.ngrams is None:
            return row
        sizes: Iterable[int] = (
            range(1, self.ngrams + 1) if isinstance(self.ngrams, int) else self.ngrams
        )
        return [
            " ".join(row[start : start + size])
            for size in sizes
            for start in range(len(row) - size + 1)
        ]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        """The layer; functions in it have to be registered, or passed as custom objects."""
        return cls(**registry.deserialize_keras_object(config))


# What Keras writes into configs besides the arguments.
_REMEMBERED = ("has_input_vocabulary", "vocabulary_size")


def _known(layer: str, argument: str, value: Any, known: tuple[str, ...]) -> Any:
    if value is None or callable(value):
        return value
    return one_of(layer, argument, value, known)
