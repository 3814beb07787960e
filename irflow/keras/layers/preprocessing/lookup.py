"""`IntegerLookup` and `StringLookup`: the places of numbers and words in a vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.frontend.tracing import current_trace
from irflow.keras.layers.preprocessing.fingerprints import farmhash
from irflow.keras.layers.preprocessing.vocabulary import NOWHERE, Lookup
from irflow.nn.activations import row


class IntegerLookup(Lookup):
    """The places of whole numbers in a vocabulary; also inside of models.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens.
        num_oov_indices: how many places unknown numbers have; more than one are shared out by the
            remainder.
        mask_token: the number that stands for nothing; none by default.
        oov_token: what stands in the vocabulary for unknown numbers.
        vocabulary: the numbers in their order, or the path of a text file.
        vocabulary_dtype: `"int64"`.
        idf_weights: for `"tf_idf"`, one for each number.
        invert: from places to numbers.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        sparse: not there; False.
        pad_to_max_tokens: rows of length `max_tokens`.

    >>> layer = IntegerLookup(vocabulary=[12, 36, 1138])
    >>> layer(np.array([12, 42, 1138])).tolist()
    [1, 0, 3]
    """

    kind = int

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        **kwargs: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise UsageError(f"IntegerLookup: vocabulary_dtype is int64, not {vocabulary_dtype!r}")
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, sparse, pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def call(self, inputs: Tensor) -> Tensor:
        numbers = inp.astype(inputs, inp.int64)
        if self.invert:
            table = np.asarray([*self.get_vocabulary(), self.oov_token], np.int64)
            is_place = (numbers >= 0) & (numbers < len(table) - 1)
            return inp.take(table, inp.where(is_place, numbers, len(table) - 1))
        keys = np.sort(np.asarray(self.known(), np.int64))
        places = np.asarray([self._places[key] for key in keys.tolist()], np.int64)
        near = row("minimum", inp.searchsorted(keys, numbers), len(keys) - 1)
        others = self._unknown + (numbers % self.num_oov_indices if self.num_oov_indices else -1)
        found = inp.where(inp.take(keys, near) == numbers, inp.take(places, near), others)
        if self.mask_token is not None:
            nothing = 0 if self.output_mode == "int" else NOWHERE
            found = inp.where(numbers == self.mask_token, nothing, found)
        if not self.num_oov_indices and current_trace() is None:
            unknown = np.asarray(numbers)[np.asarray(found) == self._unknown - 1]
            if unknown.size and self.mask_token not in unknown:
                self.refuse(unknown.ravel().tolist())
        return self.presented(found)


class StringLookup(Lookup):
    """The places of words in a vocabulary; for data in front of a model.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens.
        num_oov_indices: how many places unknown words have; more than one are shared out by a
            hash, with 0 unknown words are an error.
        mask_token: the word that stands for nothing; none by default.
        oov_token: what stands in the vocabulary for unknown words.
        vocabulary: the words in their order, or the path of a text file.
        idf_weights: for `"tf_idf"`, one for each word.
        invert: from places to words, which are a NumPy array then.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        pad_to_max_tokens: rows of length `max_tokens`.
        sparse: not there; False.
        encoding: of words that are bytes.

    >>> layer = StringLookup(vocabulary=["a", "b"])
    >>> layer(["b", "z"]).tolist()
    [2, 0]
    """

    kind = str
    config_names = (*Lookup.config_names, "encoding")

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
            output_mode, sparse, pad_to_max_tokens, **kwargs,
        )  # fmt: skip

    def __call__(self, inputs: Any) -> Any:
        """The places of words, or for `invert` the words at places."""
        self.built = True
        if self.invert:
            places = np.asarray(inputs)
            table = np.asarray([*self.get_vocabulary(), self.oov_token], object)
            is_place = (places >= 0) & (places < len(table) - 1)
            return table[np.where(is_place, places, len(table) - 1)].astype(str)
        return self.presented(inp.asarray(self.places(words(inputs, self.name, self.encoding))))

    def places(self, texts: np.ndarray) -> np.ndarray:
        """The places of an array of words."""
        self.known()
        different, inverse = np.unique(texts.astype(str), return_inverse=True)
        found = [self._place(token) for token in different.tolist()]
        unknown = [t for t, place in zip(different.tolist(), found, strict=True) if place < 0]
        if unknown:
            self.refuse(unknown)
        return np.asarray(found, np.int64)[inverse].reshape(texts.shape)

    def _place(self, token: str) -> int:
        if self.mask_token is not None and token == self.mask_token:
            return 0 if self.output_mode == "int" else NOWHERE
        missing = oov_place(token, self.num_oov_indices)
        return self._places.get(token, -1 if missing is None else self._unknown + missing)


def oov_place(token: str, count: int) -> int | None:
    """Which of `count` places for unknown words one has; None for no place."""
    if count < 2:
        return 0 if count else None
    return farmhash(token.encode()) % count


def words(inputs: Any, name: str, encoding: str = "utf-8") -> np.ndarray:
    """Texts as an array of Python strings.

    Raises:
        UsageError: they are no texts.
    """
    array = np.asarray(inputs)
    if array.dtype.kind == "S":
        array = np.char.decode(array, encoding)
    if array.dtype.kind == "O":
        flat = [x.decode(encoding) if isinstance(x, bytes) else x for x in array.ravel().tolist()]
        if all(isinstance(x, str) for x in flat):
            array = np.asarray(flat, str).reshape(array.shape)
    if array.dtype.kind != "U":
        raise UsageError(
            f'layer "{name}" takes texts, not {type(inputs).__name__} of {array.dtype}',
            hint="words are looked up in front of a model, on lists or arrays of texts",
        )
    return array
