"""`Attention` and `AdditiveAttention`, which have no projections."""

from __future__ import annotations

from typing import Any, ClassVar

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.builtin import BuiltinLayer, one_of
from irflow.keras.random import SeedGenerator
from irflow.nn.activations import row


class Attention(BuiltinLayer):
    """Means of values, weighted by the softmax of scores of queries and keys (Luong et al., 2015).

    Args:
        use_scale: whether scores are multiplied by a learned number.
        score_mode: `"dot"` for products of queries and keys, `"concat"` for the sum of the
            hyperbolic tangents of their sums, times a learned number.
        dropout: the rate at which weights are dropped in training.
        seed: of the dropout.

    Call:
        inputs: a list of query `[n, t, d]`, value `[n, s, e]` and perhaps key `[n, s, d]`, which
            is the value by default.
        mask: a list of Booleans `[n, t]` and `[n, s]`, or None in their places.
        return_attention_scores: whether the weights `[n, t, s]` are returned as well.
        use_causal_mask: query `i` sees the keys `0 … i` only.

    Returns:
        `[n, t, e]`, zeros for masked queries, and perhaps the weights.

    Raises:
        UsageError: the inputs are no such list, an unknown mode, or a rate not in [0, 1).
    """

    config_names: ClassVar[tuple[str, ...]] = ("use_scale", "score_mode", "dropout", "seed")
    score_mode: str

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        if not 0 <= dropout < 1:
            raise UsageError(f"{name}: dropout {dropout} is not in [0, 1)")
        self.use_scale = use_scale
        self.score_mode = one_of(name, "score_mode", score_mode, ("dot", "concat"))
        self.dropout = dropout
        self.seed = seed
        if dropout:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        self.scale = None
        self.concat_score_weight = None
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """How well queries fit keys: `[n, t, s]`."""
        if self.concat_score_weight is None:
            products = inp.matmul(query, inp.swapaxes(key, -1, -2))
            return products if self.scale is None else products * self.scale
        joined = query[:, :, None] + key[:, None]
        bent = row("tanh", joined if self.scale is None else joined * self.scale)
        return self.concat_score_weight * bent.sum(-1)  # type: ignore[no-any-return]

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check(inputs)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) == 3 else value
        of_query, of_value = self._masks(mask)
        seen = None if of_value is None else of_value.astype("bool")[:, None]
        if use_causal_mask:
            rows, columns = (inp.arange(x.shape[1]) for x in (query, key))
            causal = rows[:, None] >= columns[None, :]
            seen = causal if seen is None else seen & causal
        drops = training and self.dropout
        if return_attention_scores or drops or not self.has_products:
            weights = self.weights_of(query, key, seen)
            if drops:
                weights = nn.dropout(weights, self.dropout, self.seed_generator.next())
            result = inp.matmul(weights, value)
        else:
            weights, result = None, self.attended(query, key, value, seen)
        if of_query is not None:
            result = row("where", of_query.astype("bool")[:, :, None], result, 0.0)
        return (result, weights) if return_attention_scores else result

    @property
    def has_products(self) -> bool:
        """Whether scores are products of queries and keys."""
        return self.score_mode == "dot"

    @property
    def far(self) -> float:
        """By how much the scores of hidden keys are lowered."""
        return 65504.0 if self.compute_dtype == "float16" else 1e9

    def weights_of(self, query: Tensor, key: Tensor, seen: Tensor | None) -> Tensor:
        """The softmax of the scores: `[n, t, s]`."""
        scores = self.scores(query, key)
        if seen is not None:
            scores = row("where", seen, scores, scores - self.far)
        return nn.softmax(scores)

    def attended(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
        """Means of the values without their weights in memory."""
        bias = None if seen is None else row("where", seen, inp.zeros((), "float32"), -self.far)
        factor = 1.0 if self.scale is None else self.scale
        alone = (x[:, :, None] for x in (query, key, value))
        found = nn.dot_product_attention(*alone, bias=bias, scale=factor)
        return found[:, :, 0]

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the queries, for the result but not for the weights."""
        of_query, _ = self._masks(previous_mask)
        return None if of_query is None else [of_query]

    def _masks(self, mask: Any) -> tuple[Any, Any]:
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise UsageError(f'layer "{self.name}": mask is a list: [query mask, value mask]')
        return mask[0], mask[1]

    def _check(self, inputs: Any) -> None:
        is_list = isinstance(inputs, (list, tuple)) and len(inputs) in (2, 3)
        if not is_list or isinstance(inputs[0], (int, type(None))):
            raise UsageError(
                f'layer "{self.name}": a list of inputs is wanted: [query, value]'
                " or [query, value, key]"
            )


class AdditiveAttention(Attention):
    """Attention whose scores are sums of hyperbolic tangents (Bahdanau et al., 2015).

    Args:
        use_scale: whether the tangents are weighted by a learned vector, `[d]`.
        dropout: the rate at which weights are dropped in training.
        **kwargs: also `seed`.

    Call:
        As of `Attention`.
    """

    config_names = ("use_scale", "dropout", "seed")

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        self.scale = None
        if self.use_scale:
            size = self.known_size(input_shape[0], -1)
            self.scale = self.add_weight((size,), "glorot_uniform", name="scale")

    @property
    def has_products(self) -> bool:
        return False

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        bent = row("tanh", query[:, :, None] + key[:, None])
        weighted = bent if self.scale is None else bent * self.scale
        return weighted.sum(-1)
