"""`Lookup`: a vocabulary, and the places of tokens in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import config
from irflow.keras.engine.context import is_to_be_filled
from irflow.keras.layers.builtin import BuiltinLayer
from irflow.keras.layers.preprocessing.batches import batches
from irflow.keras.layers.preprocessing.categories import not_sparse
from irflow.keras.layers.preprocessing.encoding import MODES, encoded, mode_of

NOWHERE = np.iinfo(np.int64).max
LOOKUP_MODES = (*MODES, "tf_idf")


class Lookup(BuiltinLayer):
    """The base of the two.

    The place of the mask comes first where `output_mode` is `"int"`, then those of unknown tokens,
    then the vocabulary, from the most frequent token on.

    Args:
        max_tokens: the largest size of the vocabulary with the special tokens.
        num_oov_indices: how many places unknown tokens have; with 0 they are an error.
        mask_token: the token that stands for nothing; place 0, or no place for other modes.
        oov_token: what stands in the vocabulary for unknown tokens.
        vocabulary: the tokens in their order, or the path of a text file with one a line.
        idf_weights: for `"tf_idf"`, one for each token of the vocabulary.
        invert: from places to tokens.
        output_mode: `"int"` for places, `"one_hot"`, `"multi_hot"`, `"count"`, or `"tf_idf"` for
            counts times weights that are small for tokens of many documents.
        sparse: not there; False.
        pad_to_max_tokens: rows of length `max_tokens`, whatever the vocabulary is.

    Raises:
        UsageError: arguments that do not fit each other.
    """

    kind: ClassVar[type]
    config_names: ClassVar[tuple[str, ...]] = (
        "max_tokens", "num_oov_indices", "mask_token", "oov_token", "vocabulary", "idf_weights",
        "invert", "output_mode", "pad_to_max_tokens",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        **kwargs: Any,
    ) -> None:
        for name in ("vocabulary_size", "has_input_vocabulary", "vocabulary_dtype"):
            kwargs.pop(name, None)
        super().__init__(**{"autocast": False, **kwargs})
        layer = type(self).__name__
        not_sparse(layer, sparse)
        self.output_mode = mode_of(layer, output_mode, LOOKUP_MODES)
        if max_tokens is not None and max_tokens <= 1:
            raise UsageError(f"{layer}: max_tokens is {max_tokens}, not above 1")
        if num_oov_indices < 0:
            raise UsageError(f"{layer}: num_oov_indices is {num_oov_indices}, less than 0")
        if pad_to_max_tokens and max_tokens is None:
            raise UsageError(f"{layer}: pad_to_max_tokens needs max_tokens")
        if invert and self.output_mode != "int":
            raise UsageError(f"{layer}: invert goes with output_mode='int' only")
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.pad_to_max_tokens = invert, pad_to_max_tokens
        self._tokens: list[Any] = []
        self._idf: np.ndarray | None = None
        if isinstance(vocabulary, (str, Path)) and is_to_be_filled():
            raise UsageError(f"{layer}: a saved model may not name a file to be read")
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # --------------------------------------------------------------------------------- vocabulary

    @property
    def vocabulary(self) -> list[Any] | None:
        """The tokens with the special ones, None if there are none yet."""
        return self.get_vocabulary() if self._tokens else None

    @property
    def idf_weights(self) -> list[float] | None:
        """The weights of `"tf_idf"`."""
        return None if self._idf is None else [float(x) for x in self._idf[self._first :]]

    @property
    def _unknown(self) -> int:
        """The first place of unknown tokens."""
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first(self) -> int:
        """The place of the first token."""
        return self._unknown + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """How many places there are, with those of special tokens."""
        return len(self._tokens) + self._first

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their places."""
        special = [self.mask_token] * self._unknown + [self.oov_token] * self.num_oov_indices
        return [*special, *self._tokens] if include_special_tokens else list(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take other tokens.

        Args:
            vocabulary: they in their order, with the special ones in front or without; or the path
                of a text file with one a line.
            idf_weights: for `"tf_idf"`, one for each.

        Raises:
            UsageError: there are none, too many, repeated ones, or special ones further behind, or
                the weights do not fit.
        """
        tokens = [self._plain(token) for token in _listed(vocabulary)]
        special = [self.mask_token] * self._unknown + [self.oov_token] * self.num_oov_indices
        if special and tokens[: self._first] == special:
            tokens = tokens[self._first :]
        self._check(tokens)
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise UsageError(
                f'layer "{self.name}": idf_weights belong to output_mode="tf_idf"',
                facts=[("output_mode", self.output_mode)],
            )
        if idf_weights is not None:
            weights = np.asarray(idf_weights, np.float64)
            if weights.shape not in ((len(tokens),), (len(tokens) + self._first,)):
                raise UsageError(
                    f'layer "{self.name}": {weights.size} idf_weights for {len(tokens)} tokens'
                )
            self._set_idf(weights[-len(tokens) :])
        self._set_tokens(tokens)

    def _check(self, tokens: list[Any]) -> None:
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        special = [t for t in tokens if t in (self.mask_token, self.oov_token) and t is not None]
        limit = self.max_tokens
        problem = None
        if not tokens:
            problem = "an empty vocabulary"
        elif repeated:
            problem = f"repeated tokens: {repeated[:5]}"
        elif special:
            problem = f"special tokens among the others: {special[:5]}"
        elif limit is not None and len(tokens) + self._first > limit:
            problem = f"{len(tokens) + self._first} tokens, and max_tokens is {limit}"
        if problem is not None:
            raise UsageError(f'layer "{self.name}": {problem}')

    def _plain(self, token: Any) -> Any:
        return token.decode() if isinstance(token, bytes) else self.kind(token)

    def _set_idf(self, weights: np.ndarray) -> None:
        """Keep weights; unknown tokens have the mean one."""
        padding = max((self.max_tokens or 0) - self._first - weights.size, 0)
        behind = np.zeros(padding if self.pad_to_max_tokens else 0)
        front = np.full(self._first, weights.mean())
        self._idf = np.concatenate([front, weights, behind]).astype(config.floatx())

    def _set_tokens(self, tokens: list[Any]) -> None:
        self._tokens = tokens
        self._places = {token: place for place, token in enumerate(tokens, self._first)}

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary of data: by count, and for equal counts from the last token on.

        Args:
            data: an array, a list, or an iterable of batches.
            steps: take only so many batches.

        Raises:
            UsageError: there is no data.
        """
        rows: list[Iterable[Any]] = []
        for batch in batches(data, self.name, steps):
            rows.extend(batch.tolist() if batch.ndim > 1 else ([x] for x in batch.tolist()))
        self.learn(rows)

    def learn(self, documents: Iterable[Iterable[Any]]) -> None:
        """`adapt` to documents that are sequences of tokens."""
        counts: Counter[Any] = Counter()
        within: Counter[Any] = Counter()
        number = 0
        for document in documents:
            tokens = [self._plain(token) for token in np.ravel(np.asarray(document)).tolist()]
            counts.update(tokens)
            within.update(set(tokens))
            number += 1
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        order = sorted(counts, key=lambda token: (counts[token], _key(token)), reverse=True)
        if self.max_tokens is not None:
            order = order[: self.max_tokens - self._first]
        self._check(order)
        if self.output_mode == "tf_idf":
            self._set_idf(np.log([1 + number / (1 + within[token]) for token in order]))
        self._set_tokens(order)

    # ------------------------------------------------------------------------------------- results

    def known(self) -> list[Any]:
        """The tokens.

        Raises:
            UsageError: there are none yet.
        """
        if not self._tokens:
            raise UsageError(
                f'layer "{self.name}" has no vocabulary yet',
                hint="call adapt with data first, or give it a vocabulary",
            )
        return self._tokens

    def refuse(self, unknown: Sequence[Any]) -> None:
        """Say that tokens are unknown where they have no place."""
        raise UsageError(
            f'layer "{self.name}": tokens that are not in the vocabulary: {list(unknown)[:5]}',
            hint="num_oov_indices=1 gives them a place",
        )

    def presented(self, places: Tensor) -> Tensor:
        """Places in the form that `output_mode` names."""
        if self.output_mode == "int":
            return places
        depth = self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()
        is_weighted = self.output_mode == "tf_idf"
        mode = "count" if is_weighted else self.output_mode
        rows = encoded(places, mode, depth or 0, config.floatx() if is_weighted else "int64")
        return rows * inp.asarray(self._idf) if is_weighted else rows


def _listed(vocabulary: Any) -> list[Any]:
    if isinstance(vocabulary, (str, Path)):
        return Path(vocabulary).read_text("utf-8").splitlines()
    return list(np.asarray(vocabulary).tolist())


def _key(token: Any) -> Any:
    """What tokens are ordered by: texts by their bytes."""
    return token.encode() if isinstance(token, str) else token
