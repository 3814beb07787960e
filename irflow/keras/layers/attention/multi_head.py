"""`MultiHeadAttention`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from irflow import dtypes, nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.attention.heads import SHARED, HeadsAttention
from irflow.keras.layers.builtin import Shape, positive
from irflow.nn.activations import row


class MultiHeadAttention(HeadsAttention):
    """Attention in several heads (Vaswani et al., 2017).

    Args:
        num_heads: how many.
        key_dim: the size of a head for queries and keys.
        value_dim: that for values; `key_dim` by default.
        dropout: the rate at which scores are dropped in training.
        use_bias: whether the projections have biases.
        output_shape: the sizes of the result behind the axes of attention; the last one of the
            query by default.
        attention_axes: the axes of the input that are attended over; all but the first and the
            last by default.
        sliding_window: a query sees only keys at less than this distance.
        flash_attention: taken for Keras's sake.
        kernel_initializer: of the four kernels: `[features, heads, size]` of query, key and value,
            `[heads, size, features]` of the result.
        bias_initializer: of the biases.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the results of the projections.
        kernel_constraint: what the kernels are put through after each step of training.
        bias_constraint: the same for the biases.
        use_gate: whether what is attended to is multiplied by a sigmoid of the query.
        seed: of the dropout.

    Call:
        query: `[n, t, features]`.
        value: `[n, s, features]`.
        key: `[n, s, features]`; the values by default.
        query_mask: Booleans `[n, t]`.
        value_mask: Booleans `[n, s]`.
        key_mask: Booleans `[n, s]`.
        attention_mask: Booleans `[n, t, s]`, or what broadcasts to `[n, heads, t, s]`.
        return_attention_scores: whether `[n, heads, t, s]` is returned as well.
        use_causal_mask: query `i` sees the keys `0 … i` only.

    Returns:
        `[n, t, features]`, and perhaps the scores.

    Raises:
        UsageError: a size is no number above 0, or an axis is no axis of attention.
        ShapeError: keys and values do not fit each other.
    """

    config_names = (
        "num_heads", "key_dim", "value_dim", "output_shape", "attention_axes", *SHARED,
    )  # fmt: skip

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)
        self.num_heads = positive("MultiHeadAttention", "num_heads", num_heads)
        self.key_dim = positive("MultiHeadAttention", "key_dim", key_dim)
        width = key_dim if value_dim is None else value_dim
        self.value_dim = positive("MultiHeadAttention", "value_dim", width)
        self.output_shape = _tuple(output_shape)
        self.attention_axes = _tuple(attention_axes)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        self.check_shapes(query_shape, value_shape, key_shape)
        rank = len(query_shape)
        self._axes = self._attended_axes(rank)
        self._query_dense = self._to_heads("query", query_shape, self.key_dim)
        self._key_dense = self._to_heads("key", key_shape or value_shape, self.key_dim)
        if self.use_gate:
            self._gate_dense = self._to_heads("gate", query_shape, self.value_dim, "sigmoid")
        self._value_dense = self._to_heads("value", value_shape, self.value_dim)
        sizes = self.output_shape or (self.known_size(query_shape, -1),)
        free, bound, new = _letters(rank - 1, 2, len(sizes))
        self._output_dense = self.projection(
            "attention_output",
            f"{free}{bound},{bound}{new}->{free}{new}",
            (*(None,) * (rank - 2), *sizes),
            new,
            (*query_shape[:-1], self.num_heads, self.value_dim),
        )

    @property
    def query_dense(self) -> Any:
        """The projection of the queries, which files of Keras know by this name."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The projection of the keys, which files of Keras know by this name."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The projection of the values, which files of Keras know by this name."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The projection of the outputs, which files of Keras know by this name."""
        return self._output_dense

    def _to_heads(self, name: str, shape: Shape, width: int, activation: str | None = None) -> Any:
        free, bound, new = _letters(len(shape) - 1, 1, 2)
        return self.projection(
            name,
            f"{free}{bound},{bound}{new}->{free}{new}",
            (*(None,) * (len(shape) - 2), self.num_heads, width),
            new,
            shape,
            activation,
        )

    def _attended_axes(self, rank: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(axis % rank for axis in self.attention_axes if -rank <= axis < rank)
        if len(axes) != len(self.attention_axes) or not set(axes) <= set(range(1, rank - 1)):
            raise UsageError(
                f'layer "{self.name}": attention_axes {self.attention_axes}',
                facts=[("axes of the query", rank)],
                hint="the first axis is the batch, the last one the features",
            )
        return axes

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        masks = query_mask, value_mask, key_mask
        # Where there is a key for each query, the op knows which ones a query may see.
        by_op = use_causal_mask and not return_attention_scores and query.ndim == 3
        by_op = by_op and query.shape[1] == value.shape[1]
        is_masked = use_causal_mask and not by_op
        mask = self.joint_mask(query, value, masks, attention_mask, is_masked)
        q = self._query_dense(query)
        k = self._key_dense(value if key is None else key)
        v = self._value_dense(value)
        scale = 1 / math.sqrt(self.key_dim)
        scores = None
        if q.ndim == 4 and not return_attention_scores:
            found = self.attended(q, k, v, mask, scale, training, by_op)
        else:
            found, scores = self._with_scores(q * scale, k, v, mask, training)
        if self.use_gate:
            found = found * self._gate_dense(query)
        result = self._output_dense(found)
        return (result, scores) if return_attention_scores else result

    def _with_scores(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, training: bool | None
    ) -> tuple[Tensor, Tensor]:
        """Attention over any axes: the result, and the scores `[n, ..., heads, *t, *s]`."""
        products, combination = _equations(q.ndim, self._axes)
        logits = inp.einsum(products, q, k)
        exact = logits.astype(dtypes.compute_dtype(logits.dtype))
        count = len(self._axes)
        if mask is not None:
            while mask.ndim < logits.ndim:
                mask = inp.expand_dims(mask, -2 * count - 1)
            exact = row("where", mask, exact, -3e38)
        axes = tuple(range(logits.ndim - count, logits.ndim))
        scores = nn.softmax(exact, axes).astype(logits.dtype)
        return inp.einsum(combination, self.dropped(scores, training), v), scores


def _tuple(value: int | Sequence[int] | None) -> tuple[int, ...] | None:
    return (value,) if isinstance(value, int) else None if value is None else tuple(value)


def _letters(*counts: int) -> list[str]:
    """Groups of letters of so many each."""
    letters = iter(ascii_lowercase)
    return ["".join(next(letters) for _ in range(count)) for count in counts]


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """The sums for the scores, and for the means of the values.

    Args:
        rank: of queries and keys with their heads.
        axes: those that are attended over.
    """
    query = ascii_lowercase[:rank]
    key = "".join(ascii_lowercase[rank + i] if i in axes else query[i] for i in range(rank))
    kept = "".join(query[i] for i in range(rank - 1) if i not in axes)
    scores = kept + "".join(query[i] for i in axes) + "".join(key[i] for i in axes)
    return f"{query},{key}->{scores}", f"{scores},{key}->{query}"
